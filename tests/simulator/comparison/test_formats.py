"""What all formats promise, the registry, and the floating-point formats."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison import formats
from cbramsim.simulator.comparison.formats import FORMATS, FloatFormat, get, moments, peak

RNG = np.random.default_rng(0)
SAMPLE = (RNG.standard_normal((64, 50)) * 10.0 ** RNG.uniform(-3, 1, (64, 50))).astype(np.float32)
LISTED = [form for form in FORMATS.values() if form.bits <= 16]
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)


# ---- all formats -------------------------------------------------------------------------------


def values_for(form: formats.NumberFormat, x: np.ndarray) -> np.ndarray:
    """Return the values that `form` has for `x`."""
    if isinstance(form, formats.Integer):
        return form.values(form.grid_of(x))
    if isinstance(form, formats.Sawb):
        return form.values(form.clip(x))
    if isinstance(form, formats.Luq):
        return form.values(peak(x))
    return form.values()


@pytest.mark.parametrize("form", LISTED, ids=lambda form: form.name)
def test_results_are_values_of_the_format_and_values_stay(form: formats.NumberFormat) -> None:
    values = values_for(form, SAMPLE)
    assert (np.diff(values) > 0).all()
    assert len(values) <= 2**form.bits
    rounded = form.quantise(SAMPLE)
    assert rounded.dtype == np.float32
    assert np.isin(rounded.astype(np.float64), values).all()
    assert len(np.unique(rounded)) > 1
    exact = values.astype(np.float32)
    if not isinstance(form, formats.Integer | formats.Sawb):  # else a grid of its own
        np.testing.assert_array_equal(form.quantise(exact), exact)


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_results_rise_with_the_numbers_and_no_zero_is_created_negative(form) -> None:
    x = np.sort(SAMPLE, axis=None)
    rounded = form.quantise(x)
    assert (np.diff(rounded) >= 0).all()
    if not isinstance(form, FloatFormat):
        assert not np.signbit(rounded[rounded == 0]).any()


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_shapes_and_places_of_the_result(form: formats.NumberFormat) -> None:
    expected = form.quantise(SAMPLE)
    out = np.empty_like(SAMPLE)
    assert form.quantise(SAMPLE, out=out) is out
    np.testing.assert_array_equal(out, expected)
    own = SAMPLE.copy()
    form.quantise(own, out=own)
    np.testing.assert_array_equal(own, expected)
    np.testing.assert_array_equal(form.quantise(SAMPLE.T), expected.T)
    assert form.quantise(np.float32(0.3)).shape == ()
    assert form.quantise(np.zeros((0, 3), np.float32)).shape == (0, 3)
    for wrong in (np.empty((2, 2), np.float32), np.empty(SAMPLE.shape), np.empty_like(SAMPLE).T):
        with pytest.raises(ParameterError, match="out: must be a contiguous float32 array"):
            form.quantise(SAMPLE, out=wrong)


def test_the_registry_knows_its_names() -> None:
    assert all(get(name).name == name for name in FORMATS)
    with pytest.raises(ParameterError, match=r"format: must be one of .*'fp5'.*mean 'fp4'"):
        get("fp5")


def test_peak_and_moments() -> None:
    assert peak(SAMPLE) == np.abs(SAMPLE).max()
    assert peak([]) == 0
    assert np.isnan(peak([1, np.nan, -np.inf]))
    assert peak([1, -np.inf]) == np.inf
    wide = SAMPLE.astype(np.float64)
    assert moments(SAMPLE) == pytest.approx(((wide**2).mean(), np.abs(wide).mean()), rel=1e-12)


# ---- floats ------------------------------------------------------------------------------------


def bf16_of(codes: np.ndarray) -> np.ndarray:
    """Return the numbers of bfloat16 codes."""
    return (codes.astype(np.uint32) << np.uint32(16)).view(np.float32)


def f16_of(codes: np.ndarray) -> np.ndarray:
    """Return the numbers of float16 codes."""
    return codes.astype(np.uint16).view(np.float16).astype(np.float32)


FLOATS = {"fp16": (f16_of, 0x7C00), "bf16": (bf16_of, 0x7F80)}


@pytest.mark.parametrize("name", FLOATS)
def test_all_codes_stay_as_they_are(name: str) -> None:
    decode, _ = FLOATS[name]
    x = decode(np.arange(65536))
    rounded = get(name).quantise(x)
    np.testing.assert_array_equal(rounded, x)
    np.testing.assert_array_equal(np.signbit(rounded), np.signbit(x))
    finite = np.unique(x[np.isfinite(x)]).astype(np.float64)
    np.testing.assert_array_equal(get(name).values(), finite)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", FLOATS)
def test_midpoints_go_to_the_even_code_and_their_neighbours_to_the_nearest(name, sign) -> None:
    """Between all codes, and between the largest number and the one that would follow it."""
    decode, infinity = FLOATS[name]
    codes = np.arange(infinity)
    ends = decode(np.arange(infinity + 1)).astype(np.float64)
    ends[-1] = 2.0 ** round(np.log2(ends[-2]))
    middle = (ends[:-1] + ends[1:]) / 2
    exact = middle.astype(np.float32)
    assert (exact == middle).all()
    even = decode(codes + codes % 2)
    cases = ((exact, even),
             (np.nextafter(exact, np.float32(0)), decode(codes)),
             (np.nextafter(exact, np.float32(np.inf)), decode(codes + 1)))  # fmt: skip
    for x, expected in cases:
        np.testing.assert_array_equal(get(name).quantise(sign * x), sign * expected)


def test_float16_is_that_of_numpy() -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 10**6, dtype=np.uint32)
    bits[::2] = (bits[::2] & 0x8FFFFFFF) | 0x30000000
    x = bits.view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = x.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(get("fp16").quantise(x), expected)


@pytest.mark.parametrize("name", ["fp32", "fp16", "bf16"])
def test_zeros_infinities_and_nan_stay(name: str) -> None:
    rounded = get(name).quantise(SPECIAL)
    np.testing.assert_array_equal(rounded, SPECIAL)
    np.testing.assert_array_equal(np.signbit(rounded[:4]), np.signbit(SPECIAL[:4]))
    everything = np.random.default_rng(2).integers(0, 2**32, 10**5, dtype=np.uint32)
    x = everything.view(np.float32)
    np.testing.assert_array_equal(np.isnan(get(name).quantise(x)), np.isnan(x))


def test_other_floats_and_what_is_refused() -> None:
    e5m2 = FloatFormat(label="e5m2", bits=8, exponent_bits=5)
    assert (e5m2.largest, e5m2.codes) == (57344.0, 2 * (31 * 4) - 1)
    assert e5m2.quantise([1.125, 1.375, 2.0**-17, 61440.0, 61439.0]).tolist() == [
        1.0, 1.5, 0.0, np.inf, 57344.0,
    ]  # fmt: skip
    with pytest.raises(ParameterError, match="bits must leave 1 to 23 for the mantissa"):
        FloatFormat(label="e8", bits=9, exponent_bits=8)
    with pytest.raises(ParameterError, match="fp32: values are listed up to 16 bits"):
        get("fp32").values()
