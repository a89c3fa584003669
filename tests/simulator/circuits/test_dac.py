from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.circuits.adc import Adc, Converters
from cbramsim.simulator.circuits.dac import InputEncoding

KINDS = ["amplitude", "duration", "count", "bit-serial"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_every_encoding_gives_the_product(kind: str, bits: int, rng: np.random.Generator) -> None:
    encoding = InputEncoding(kind=kind, bits=bits, v_read=0.2)
    codes = encoding.codes(rng.random((6, 17)))
    g = rng.uniform(1e-6, 1e-4, (17, 4))
    voltages = encoding.voltages(codes)
    assert voltages.shape == (encoding.reads, 6, 17)
    product = encoding.combine(voltages.astype(float) @ g)
    np.testing.assert_allclose(product, 0.2 / (2**bits - 1) * codes @ g, rtol=1e-6)


def test_bits_survive_conversion_of_every_read(rng: np.random.Generator) -> None:
    """Binary inputs and weights: an ADC of log2(rows + 1) bits makes no error at all."""
    encoding = InputEncoding(bits=6, v_read=1.0)
    codes = encoding.codes(rng.random((5, 31)))
    g = rng.integers(0, 2, (31, 3)).astype(float)
    adc = Adc(bits=5, full_scale=31.0)
    read = adc.to_values(Converters(adc, 3).convert(encoding.voltages(codes) @ g))
    np.testing.assert_allclose(encoding.combine(read) * encoding.top, codes @ g, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_law_of_the_cells_only_matters_to_amplitudes(
    kind: str, rng: np.random.Generator
) -> None:
    """A slot has 0 or v_read: what a read integrates is the number of slots times one current."""
    encoding = InputEncoding(kind=kind, bits=4, v_read=0.5)
    codes = encoding.codes(rng.random(9))
    full = np.sinh(0.5 / 0.1)
    voltages = encoding.voltages(codes)
    if kind == "bit-serial":
        current = np.sinh(voltages / 0.1)
    elif kind == "amplitude":
        current = np.sinh(voltages.astype(float) / 0.1)
    else:
        slots = np.arange(encoding.slots)[:, None] < codes
        assert slots.mean(axis=0) * 0.5 == pytest.approx(voltages[0], rel=1e-6)
        current = np.sinh(0.5 * slots / 0.1).mean(axis=0)[None]
    exact = np.allclose(encoding.combine(current), full * codes / encoding.top, rtol=1e-5)
    assert exact == (kind != "amplitude")


@pytest.mark.parametrize(
    ("kind", "reads", "slots", "activations"),
    [("amplitude", 1, 1, 1), ("duration", 1, 15, 1), ("count", 1, 15, 11), ("bit-serial", 4, 1, 3)],
)
def test_what_a_number_takes(kind: str, reads: int, slots: int, activations: int) -> None:
    encoding = InputEncoding(kind=kind, bits=4, t_slot=2e-9)
    assert (encoding.reads, encoding.slots) == (reads, slots)
    assert encoding.latency == pytest.approx(reads * slots * 2e-9)
    assert encoding.activations(np.array([0, 11])).tolist() == [0, activations]
    most = max(encoding.activations(np.arange(16)))
    assert encoding.most_activations == most


def test_only_amplitudes_need_a_converter_of_all_bits() -> None:
    for kind in KINDS:
        price = InputEncoding(kind=kind, bits=4).activation_price("mnsim")
        assert price.value == pytest.approx(31.2e-15 if kind == "amplitude" else 3.9e-15)


def test_inputs_beyond_the_range_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"InputEncoding\.codes"):
        InputEncoding().codes([0.5, 1.01])
    with pytest.raises(ParameterError, match=r"InputEncoding\.codes"):
        InputEncoding().codes([np.nan])
    with pytest.raises(ParameterError, match=r"InputEncoding\.kind: must be one of amplitude"):
        InputEncoding(kind="phase")
