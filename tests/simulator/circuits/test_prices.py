from __future__ import annotations

import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.circuits import Periphery, prices
from cbramsim.simulator.circuits.prices import (
    ADC_PRICES,
    DAC_PRICES,
    activation_price,
    conversion_price,
)


@pytest.mark.parametrize(
    ("bits", "source", "pj"),
    [(8, "isaac", 1.5625), (8, "mnsim", 3.636), (6, "mnsim", 1.26), (4, "accelergy-32nm", 0.92),
     (10, "accelergy-130nm", 46.2), (8, "survey-median", 5.8), (5, "survey-best", 0.96),
     (11, "survey-p10", 7.0)],
)  # fmt: skip
def test_entries_are_those_of_the_sources(bits: int, source: str, pj: float) -> None:
    price = conversion_price(bits, source)
    assert price.value == pytest.approx(pj * 1e-12, rel=1e-3)
    assert price.evidence == "derived"


def test_beyond_a_table_the_price_doubles_with_every_bit_and_is_assumed() -> None:
    for table in ADC_PRICES.values():
        first, last = min(table.joules), max(table.joules)
        for bits, known in ((first - 2, first), (last + 3, last)):
            price = table.at(bits)
            assert price.value == pytest.approx(table.joules[known] * 2.0 ** (bits - known))
            assert price.evidence == "assumed"


def test_between_two_entries_the_price_is_their_geometric_mean_and_assumed() -> None:
    price = conversion_price(7, "mnsim")
    assert price.value**2 == pytest.approx(1.26e-12 * 4e-3 / 1.1e9)
    assert price.evidence == "assumed"


def test_sources_agree_within_an_order_of_magnitude_at_eight_bits() -> None:
    eight = [conversion_price(8, source).value for source in ADC_PRICES if "130nm" not in source]
    assert max(eight) / min(eight) < 10


def test_the_drivers_are_those_of_the_catalog() -> None:
    word_line = Periphery.load("cmos-28nm").e_word_line
    assert activation_price(1).value == pytest.approx(word_line, rel=0.01)
    assert activation_price(5, "mnsim").value == pytest.approx(62.4e-15)
    assert set(DAC_PRICES) == {"isaac", "mnsim"}


def test_the_parts_of_isaac_add_up_to_the_published_power_of_a_unit() -> None:
    """12 units take 289 mW; a unit has 8 arrays of 128 x 128, 8 converters, a cycle of 100 ns."""
    lines, cycle, cells = 8 * 128, 100e-9, 2.4e-3
    per_line = activation_price(1).value + prices.INPUT_REGISTER.value + prices.SAMPLE_HOLD.value
    per_code = (
        (conversion_price(8).value + prices.SHIFT_ADD.value + prices.OUTPUT_REGISTER.value)
        * 8
        * 1.28e9
    )
    assert lines * per_line / cycle + per_code + cells == pytest.approx(289e-3 / 12, rel=0.01)


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"ADC price source: must be one of .*isaac"):
        conversion_price(8, "isac")
