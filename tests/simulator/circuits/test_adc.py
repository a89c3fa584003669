from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.circuits.adc import Adc, Converters, check_range


def ramp_widths(adc: Adc, columns: int, per_lsb: int) -> np.ndarray:
    """Measure the widths of all inner codes, LSB, by the code density of a slow ramp."""
    steps = np.arange(-4 * per_lsb, (adc.top + 4) * per_lsb) + 0.5
    ramp = adc.minimum + adc.lsb * steps / per_lsb
    codes = Converters(adc, columns, seed=3).convert(np.tile(ramp[:, None], (1, columns)))
    counts = [np.bincount(codes[:, c], minlength=adc.top + 1) for c in range(columns)]
    return np.array(counts)[:, 1:-1] / per_lsb


@pytest.mark.parametrize("bits", [3, 6, 8, 12])
def test_the_error_of_an_ideal_converter_is_uniform(bits: int, rng: np.random.Generator) -> None:
    adc = Adc(bits=bits, full_scale=2e-5, minimum=-1e-5)
    x = rng.uniform(-1e-5, 1e-5, (100_000, 1))
    error = (adc.to_values(Converters(adc, 1).convert(x)) - x) / adc.lsb
    assert np.abs(error).max() <= 0.5 + 1e-3
    assert error.mean() == pytest.approx(0, abs=5 * np.sqrt(1 / 12 / 100_000))
    assert error.var() == pytest.approx(1 / 12, rel=0.01)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_noise_of_a_full_scale_sine_is_that_of_the_resolution(bits: int) -> None:
    adc = Adc(bits=bits, full_scale=2.0, minimum=-1.0)
    amplitude = 2 ** (bits - 1) * adc.lsb  # half a code beyond the last codes on either side
    sine = amplitude * np.sin(2 * np.pi * 0.1234567 * np.arange(200_000))[:, None]
    error = adc.to_values(Converters(adc, 1).convert(sine)) - sine
    snr = 10 * np.log10(sine.var() / error.var())
    assert snr == pytest.approx(6.02 * bits + 1.76, abs=0.15)


def test_it_clips_at_both_ends_and_one_bit_is_a_comparator() -> None:
    adc = Adc(bits=4, full_scale=3.0, minimum=1.0)
    codes = Converters(adc, 5).convert([[-np.inf, 0.9, 4.0, 4.3, 1e30]])
    assert codes.tolist() == [[0, 0, 15, 15, 15]]
    assert adc.to_values([0, 15]).tolist() == [1.0, 4.0]
    assert Converters(Adc(bits=1), 3).convert([0.49, 0.5, 0.51]).tolist() == [0, 1, 1]
    wild = adc.replace(inl=2.0, dnl=1.0, offset_d2d=5.0)
    assert Converters(wild, 2).convert([[-np.inf, np.inf]]).tolist() == [[0, 15]]


def test_the_ramp_measures_the_bow_that_was_asked_for() -> None:
    widths = ramp_widths(Adc(bits=8, full_scale=1e-4, inl=2.0), columns=6, per_lsb=100)
    inl = np.cumsum(widths - widths.mean(axis=1, keepdims=True), axis=1)
    np.testing.assert_allclose(np.abs(inl).max(axis=1), 2.0, atol=0.06)
    assert {round(np.sign(curve[128])) for curve in inl} == {-1, 1}  # bows go either way
    straight = ramp_widths(Adc(bits=8, full_scale=1e-4), columns=1, per_lsb=100)
    np.testing.assert_allclose(straight, 1, atol=0.011)


def test_the_ramp_measures_the_widths_that_were_asked_for() -> None:
    widths = ramp_widths(Adc(bits=10, full_scale=1.0, dnl=0.2), columns=8, per_lsb=50)
    assert (widths - 1).std() == pytest.approx(0.2, rel=0.05)
    inl = np.cumsum(widths - 1, axis=1)
    assert inl[:, 500:].std() < 0.25  # errors do not add up along the scale


def test_offsets_spread_from_converter_to_converter() -> None:
    adc = Adc(bits=8, full_scale=255.0, offset_d2d=0.7)
    x = np.linspace(20, 230, 1001)
    codes = Converters(adc, 2000, seed=1).convert(np.tile(x[:, None], (1, 2000)))
    offsets = (x[:, None] - codes).mean(axis=0)
    assert offsets.std() == pytest.approx(0.7, rel=0.05)
    assert offsets.mean() == pytest.approx(0, abs=4 * 0.7 / np.sqrt(2000))


def test_a_bad_converter_misses_codes_but_stays_monotonic() -> None:
    adc = Adc(bits=8, full_scale=255.0, dnl=1.5)
    x = np.linspace(-5, 260, 20_000)[:, None]
    codes = Converters(adc, 1, seed=2).convert(x)[:, 0].astype(int)
    assert (np.diff(codes) >= 0).all()
    assert ramp_widths(adc, 1, 20).min() == 0


@given(
    bits=st.integers(1, 10), offset=st.floats(0, 3), inl=st.floats(0, 5), dnl=st.floats(0, 2),
    sharing=st.integers(1, 4), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_a_code_is_the_number_of_edges_reached(
    bits: int, offset: float, inl: float, dnl: float, sharing: int, seed: int
) -> None:
    adc = Adc(bits=bits, full_scale=2.0**bits - 1, offset_d2d=offset, inl=inl, dnl=dnl)
    chain = Converters(adc, 35, seed, sharing)
    x = np.random.default_rng(seed).uniform(-3, 2**bits + 3, (7, 35)).astype(np.float32)
    codes = chain.convert(x)
    for column in range(35):
        if adc.ideal:
            expected = np.clip(np.floor(x[:, column] + np.float32(0.5)), 0, adc.top)
        else:
            edges = chain.edges[column // sharing, 1:-1]
            expected = np.searchsorted(edges, x[:, column], side="right")
        assert codes[:, column].tolist() == expected.tolist()


def test_converters_are_drawn_from_the_seed() -> None:
    adc = Adc(bits=6, dnl=0.3)
    first, again, other = (Converters(adc, 8, seed).edges for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first[:, 1:-1] != other[:, 1:-1]).any()
    assert Converters(adc, 9, sharing=4).edges.shape == (3, 65)


def test_a_range_that_does_not_suit_the_signal_is_refused() -> None:
    adc = Adc(bits=4, full_scale=1e-5)
    check_range(adc, 1e-5)
    check_range(adc, adc.lsb)
    with pytest.raises(ParameterError, match=r"Adc.full_scale: must be at most .* below one level"):
        check_range(adc, 0.99 * adc.lsb)
    with pytest.raises(
        ParameterError, match=r"Adc.full_scale: must be at least .* below one level"
    ):
        check_range(adc, 1e-3, signal_step=1.1e-5)


@pytest.mark.parametrize(
    ("field", "value"), [("bits", 0), ("bits", 17), ("full_scale", 0.0), ("inl", -1.0)]
)
def test_what_is_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ParameterError, match=rf"Adc\.{field}: must be"):
        Adc(**{field: value})


def test_wrong_inputs_are_refused() -> None:
    chain = Converters(Adc(), 3)
    with pytest.raises(ParameterError, match="3 columns"):
        chain.convert([1.0, 2.0])
    with pytest.raises(ParameterError, match="NaN"):
        chain.convert([1.0, np.nan, 2.0])
    with pytest.raises(ParameterError, match=r"Converters\.sharing"):
        Converters(Adc(), 3, sharing=0)
