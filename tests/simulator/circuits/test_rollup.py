from __future__ import annotations

import pytest

from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.dac import InputEncoding
from cbramsim.simulator.circuits.reference import Reference
from cbramsim.simulator.circuits.rollup import Line, Macro, Rollup, roll_up

OFFSET = Reference(kind="offset", g_min=1e-6, g_max=1e-4)


def macro(**changes: object) -> Macro:
    return Macro(**({"rows": 128, "columns": 128, "reference": OFFSET} | changes))


def part(rollup: Rollup, name: str) -> Line:
    return next(line for line in rollup.energy + rollup.area if line.part == name)


@pytest.mark.parametrize("reference", ["column", "pair", "offset"])
@pytest.mark.parametrize("kind", ["amplitude", "duration", "count", "bit-serial"])
def test_parts_sum_to_the_total(reference: str, kind: str) -> None:
    result = roll_up(macro(
        rows=397, columns=500, cells_joules=1e-10, neurons=True,
        reference=OFFSET.replace(kind=reference), encoding=InputEncoding(kind=kind, bits=4),
    ))  # fmt: skip
    energies = {line.part: line.total for line in result.energy if line.total is not None}
    assert len(energies) == len(result.energy) - 1  # all but control and wiring
    assert result.joules == pytest.approx(sum(energies.values()), rel=1e-12)
    assert {"cells", "ADC"} == {line.part for line in result.area if line.total is not None}
    assert result.mm2 == pytest.approx(sum(line.total or 0 for line in result.area))
    for what, lines in (("energy", result.energy), ("area", result.area)):
        for line in lines:
            missing = f"{what} of {line.part}" in result.unpriced
            assert (line.total is None) == (line.evidence == "none") == missing
            assert line.source


@pytest.mark.parametrize("kind", ["column", "pair", "offset"])
def test_cells_that_are_joined_take_area_and_no_conversions(kind: str) -> None:
    reference = OFFSET.replace(kind=kind)
    wide = 2 * reference.physical_columns(128)
    one = roll_up(macro(tile_columns=wide, reference=reference))
    two = roll_up(macro(tile_columns=wide, reference=reference, cells_per_weight=2))
    assert two.conversions == one.conversions
    assert part(two, "cells").events == 2 * part(one, "cells").events
    assert part(two, "word-line drivers").events == part(one, "word-line drivers").events
    three = roll_up(macro(tile_columns=32, reference=reference, cells_per_weight=3))
    plain = roll_up(macro(tile_columns=32, reference=reference))
    assert three.tiles == pytest.approx(3 * plain.tiles, abs=2)


def test_conversions_follow_isaacs_rule() -> None:
    """Conversions = multiplications x cells per weight x input bits / rows, for full tiles."""
    result = roll_up(macro(rows=256, columns=384, encoding=InputEncoding(bits=6)))
    assert result.tiles == 6
    assert result.conversions == 256 * 384 * 6 // 128
    assert part(result, "ADC").total == pytest.approx(result.conversions * 1.5625e-12)


def test_a_product_by_hand() -> None:
    result = roll_up(macro(rows=100, columns=60, encoding=InputEncoding(bits=2, t_slot=1e-8),
                           columns_per_adc=16, adc_rate=1e9))  # fmt: skip
    assert result.latency == pytest.approx(2 * (1e-8 + 16e-9))
    assert result.conversions == 120
    assert part(result, "word-line drivers").total == pytest.approx(200 * 0.390625e-12)
    assert part(result, "shift and add").events == 120
    assert part(result, "reference: offset").events == 160
    assert part(result, "cells").total is None
    areas = {line.part: line for line in result.area}
    assert areas["ADC"].events == 8
    assert areas["ADC"].total == pytest.approx(8 * 0.0012)
    assert areas["cells"].total == pytest.approx(128 * 128 * 12 * (28e-6) ** 2)
    assert result.mm2 == pytest.approx(areas["ADC"].total + areas["cells"].total)


def test_durations_cost_time_and_bits_cost_conversions() -> None:
    serial, duration = (
        roll_up(macro(encoding=InputEncoding(kind=kind, bits=8)))
        for kind in ("bit-serial", "duration")
    )
    assert serial.conversions == 8 * duration.conversions
    assert serial.joules > 5 * duration.joules
    assert duration.latency > 2 * serial.latency


def test_pairs_double_the_columns_and_activity_scales_the_drivers() -> None:
    single, double = roll_up(macro()), roll_up(macro(reference=OFFSET.replace(kind="pair")))
    assert double.conversions == 2 * single.conversions
    quiet = roll_up(macro(activity=0.25))
    drivers = [part(r, "word-line drivers").total for r in (single, quiet)]
    assert drivers[1] == pytest.approx(drivers[0] / 4)


def test_sense_amplifiers_and_neurons_are_those_of_the_periphery() -> None:
    circuits = Periphery.load("cmos-28nm")
    result = roll_up(macro(readout="sense", neurons=True, encoding=InputEncoding(bits=1)), circuits)
    assert part(result, "neurons").total == pytest.approx(128 * circuits.e_neuron)
    senses = next(line for line in result.energy if line.part == "sense amplifiers")
    assert senses.total == pytest.approx(128 * circuits.e_sense)
    assert senses.evidence == "derived"
    assert part(result, "neurons").evidence == "assumed"
    assert part(result, "output spike").evidence == "published"
    assert part(result, "shift and add").events == 0
    assert "area of sense amplifiers" in result.unpriced


def test_an_area_without_a_source_is_not_zero() -> None:
    assert "area of ADC" in roll_up(macro(adc_bits=6)).unpriced
    assert "area of ADC" not in roll_up(macro(adc_bits=8)).unpriced
    table = str(roll_up(macro(adc_bits=6)))
    assert "unpriced" in table
    assert "total" in table
