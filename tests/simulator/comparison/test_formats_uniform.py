"""Formats of evenly spaced values: integers, SAWB, PACT, against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.formats import (
    COEFFICIENTS,
    Grid,
    Integer,
    Multiplier,
    Pact,
    Sawb,
    multiplier,
    requantise,
)

RNG = np.random.default_rng(0)
INT_MAX = 2**31 - 1


def with_ties(step: float, low: float, high: float, offset: Fraction) -> np.ndarray:
    """Return float32 numbers: random, and at and next to every tie that float32 can hold."""
    ends = (np.arange(low, high) + 0.5 - float(offset)) * step
    ties = ends.astype(np.float32)
    near = [np.nextafter(ties, np.float32(way)) for way in (-np.inf, np.inf)]
    spread = RNG.uniform(low - 3, high + 3, 300) * step
    return np.concatenate([ties, *near, spread.astype(np.float32)]).astype(np.float32)


def exactly(
    x: np.ndarray, step: float, offset: Fraction, low: int, high: int, up: bool = False
) -> np.ndarray:
    """Return codes clip(round(x / step + offset)), by fractions; ties to even, or `up`."""
    places = (Fraction(float(value)) / Fraction(step) + offset for value in x)
    codes = (math.floor(place + Fraction(1, 2)) if up else round(place) for place in places)
    return np.array([min(max(code, low), high) for code in codes])


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", range(2, 17))
def test_integers_are_rounded_as_fractions_are(bits: int, symmetric: bool) -> None:
    form = Integer(bits=bits, symmetric=symmetric)
    for low, high in ((-1.0, 2.0), (-0.1, 0.3), (0.0, 7.0), (-5.0, 0.0)):
        grid = form.grid(low, high)
        first = form.lowest + max(form.codes // 2 - 100, 0)
        last = min(first + 200, form.highest)
        for ends in ((form.lowest, min(form.lowest + 50, form.highest)), (first, last)):
            x = with_ties(grid.scale, *ends, Fraction(grid.zero))
            codes = exactly(x, grid.scale, Fraction(grid.zero), form.lowest, form.highest)
            np.testing.assert_array_equal(form.encode(x, grid), codes)
            np.testing.assert_array_equal(form.quantise(x, grid), form.decode(codes, grid))


def test_a_tie_goes_to_the_even_code() -> None:
    form = Integer(bits=4, symmetric=True)
    x = [0.5, 1.5, 2.5, -0.5, -1.5, 6.5, 7.5, 99]
    assert form.quantise(x, Grid(1.0, 0)).tolist() == [0, 2, 2, 0, -2, 6, 7, 7]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("limits", [(-1.0, 2.0), (0.5, 3.0), (-3.0, -0.5), (-1e-30, 1e30), (0, 0)])
def test_zero_is_a_value_and_the_range_is_covered(bits: int, limits: tuple[float, float]) -> None:
    form = Integer(bits=bits)
    scale, zero = form.grid(*limits)
    low, high = min(limits[0], 0), max(limits[1], 0)
    values = form.values(Grid(scale, zero))
    assert 0 in values
    assert form.quantise([0.0], Grid(scale, zero))[0] == 0
    if high > low:
        assert scale == pytest.approx((high - low) / (2**bits - 1), rel=1e-6)
        assert values[0] - scale * 0.500001 <= low
        assert values[-1] + scale * 0.500001 >= high


def test_the_grid_of_data_is_that_of_their_extremes() -> None:
    x = RNG.uniform(-2, 5, (40, 3)).astype(np.float32)
    assert Integer().grid_of(x) == Integer().grid(float(x.min()), float(x.max()))
    symmetric = Integer(symmetric=True)
    largest = float(np.abs(x).max())
    assert symmetric.grid_of(x) == symmetric.grid(-largest, largest)
    assert np.abs(symmetric.quantise(x)).max() == pytest.approx(largest, rel=1e-6)
    assert np.abs(Integer().quantise(x) - x).max() <= 0.51 * Integer().grid_of(x).scale


@pytest.mark.parametrize("value", [0.5, 0.3, 1e-3, 0.99999999999, 2.0**-31, 1.5, 1000.7, 3e-12])
def test_the_multiplier_is_a_normalised_fixed_point_number(value: float) -> None:
    fraction, shift = multiplier(value)
    assert 2**30 <= fraction < 2**31
    exact = Fraction(fraction, 2**31) / Fraction(2) ** shift
    assert abs(exact - Fraction(value)) <= Fraction(value) / 2**31


@pytest.mark.parametrize("value", [0.5, 0.3, 1e-3, 2.0**-20, 1e-9, 2.0**-31, 1e-12, 1.5, 1000.7])
def test_requantisation_is_exact(value: float) -> None:
    factor = multiplier(value)
    edge = np.array([-INT_MAX - 1, -INT_MAX, INT_MAX, 0, 1, -1, 2, 3, -3])
    sums = np.concatenate([edge, RNG.integers(-INT_MAX, INT_MAX, 500), RNG.integers(-999, 999, 99)])
    real = Fraction(factor.fraction, 2**31) / Fraction(2) ** factor.shift
    for zero, low, high in ((0, -INT_MAX - 1, INT_MAX), (3, 0, 255), (-7, -128, 127)):
        exact = [((n := int(s) * real + Fraction(1, 2)).numerator // n.denominator) for s in sums]
        expected = np.clip(np.array([min(max(e + zero, low), high) for e in exact]), low, high)
        codes = requantise(sums.astype(np.int32), factor, zero, low, high)
        np.testing.assert_array_equal(codes, expected)


def test_a_product_of_integers_is_that_of_the_numbers_for_which_they_stand() -> None:
    """q3 = Z3 + M sum (q1 - Z1)(q2 - Z2), within the half code of the rounding."""
    form = Integer(bits=8)
    a, b = RNG.uniform(-1, 2, (20, 64)), RNG.uniform(-0.5, 0.3, (64, 30))
    first, second = form.grid(-1, 2), form.grid(-0.5, 0.3)
    codes_a, codes_b = form.encode(a, first), form.encode(b, second)
    real = form.decode(codes_a, first).astype(float) @ form.decode(codes_b, second).astype(float)
    third = form.grid(float(real.min()), float(real.max()))
    sums = (codes_a - first.zero) @ (codes_b - second.zero)
    factor = multiplier(first.scale * second.scale / third.scale)
    codes = requantise(sums.astype(np.int32), factor, third.zero, 0, 255)
    error = form.decode(codes, third) - real
    inside = (codes > 0) & (codes < 255)
    assert np.abs(error[inside]).max() <= 0.5001 * third.scale
    assert np.abs(error[inside]).max() > 0.49 * third.scale


def test_wrong_grids_and_multipliers_are_refused_by_name() -> None:
    form = Integer()
    for call, message in (
        (lambda: form.quantise([1.0], Grid(0.0, 0)), "int8.grid.scale: must be a number > 0"),
        (lambda: form.quantise([1.0], Grid(1.0, 256)), "int8.grid.zero: .* from 0 to 255"),
        (lambda: form.grid(1, -1), "int8.grid: low <= high"),
        (lambda: form.quantise([np.nan, 1]), "int8.grid: low <= high"),
        (lambda: form.encode([np.nan], Grid()), "int8.encode: values must be numbers"),
        (lambda: Integer(bits=17), "Integer.bits: must be a whole number >= 2 and <= 16"),
        (lambda: multiplier(-1.0), "multiplier: must be a number > 0"),
        (lambda: multiplier(2.0**31), r"multiplier: must be below 2\^30"),
        (lambda: requantise(np.zeros(2), Multiplier(2**30, 0), 0, 0, 1), "must be int32"),
    ):
        with pytest.raises(ParameterError, match=message):
            call()
    assert np.isnan(form.quantise([np.nan], Grid(1.0, 3)))


# ---- SAWB --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "zero"), COEFFICIENTS)
def test_sawb_is_rounded_as_fractions_are(bits: int, zero: bool) -> None:
    form, clip = Sawb(bits=bits, zero=zero), 0.37
    steps = 2**bits - 1 - zero
    step = float(np.float32(2 * clip / steps))
    centre = Fraction(steps, 2)
    offset = Fraction(0) if zero else centre
    x = with_ties(step, int(-centre) if zero else 0, int(centre) if zero else steps, offset)
    low, high = (-(steps // 2), steps // 2) if zero else (0, steps)
    codes = exactly(x, step, offset, low, high, up=not zero)
    expected = (codes - float(offset)) * step
    np.testing.assert_array_equal(form.quantise(x, clip), expected.astype(np.float32))
    values = form.values(clip)
    assert len(values) == steps + 1
    np.testing.assert_allclose(values[[0, -1]], [-clip, clip], rtol=1e-6)
    assert (0 in values) == zero


def test_the_clip_of_sawb_is_that_of_its_coefficients() -> None:
    w = RNG.standard_normal(10_000).astype(np.float32)
    wide = w.astype(float)
    for (bits, zero), (c1, c2) in COEFFICIENTS.items():
        expected = c1 * np.sqrt((wide**2).mean()) - c2 * np.abs(wide).mean()
        assert Sawb(bits=bits, zero=zero).clip(w) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("bits", "zero"), COEFFICIENTS)
def test_the_clip_of_sawb_is_nearly_the_best_for_normal_weights(bits: int, zero: bool) -> None:
    """Its coefficients are a fit over six distributions: the error is within 1/3 of the least."""
    w = RNG.standard_normal(20_000).astype(np.float32)
    form = Sawb(bits=bits, zero=zero)
    errors = [((form.quantise(w, a) - w) ** 2).mean() for a in np.linspace(0.5, 6, 111)]
    assert ((form.quantise(w) - w) ** 2).mean() < 1.34 * min(errors)


def test_sawb_of_odd_weights() -> None:
    """Equal magnitudes make the formula negative; then, and for zeros, the clip is another."""
    for form in (Sawb(), Sawb(zero=True)):
        even = np.array([0.5, -0.5], np.float32)
        c1, c2 = COEFFICIENTS[4, form.zero]
        assert form.clip(even) == pytest.approx(0.5 * (c1 - c2) if c1 > c2 else 0.5)
        assert form.clip(np.zeros(3, np.float32)) == 1.0
    np.testing.assert_array_equal(Sawb(zero=True).quantise(np.zeros(3)), 0)
    for clip in (0.0, -1.0, np.nan, 1e-46):
        with pytest.raises(ParameterError, match=r"sawb4\.clip: must be a number > 0"):
            Sawb().quantise([1.0], clip)
    for call in (lambda: Sawb().quantise([np.nan]), lambda: Pact().quantise([1.0], np.inf)):
        with pytest.raises(ParameterError, match=r"4\.clip: must be a number > 0"):
            call()
    with pytest.raises(ParameterError, match=r"Sawb: bits must be one of 2, 4, 7, 8 with zero"):
        Sawb(bits=5, zero=True)


# ---- PACT --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("clip", [8.0, 0.7])
def test_pact_is_rounded_as_fractions_are(bits: int, clip: float) -> None:
    form = Pact(bits=bits)
    step = float(np.float32(clip / form.steps))
    x = with_ties(step, 0, form.steps, Fraction(0))
    codes = exactly(x, step, Fraction(0), 0, form.steps)
    np.testing.assert_array_equal(form.quantise(x, clip), (codes * step).astype(np.float32))
    formula = 0.5 * (np.abs(x) - np.abs(x - clip) + clip)
    assert np.abs(form.quantise(x, clip) - formula).max() <= 0.5001 * step


def test_gradients_of_pact() -> None:
    x = np.array([-1.0, 0.0, 0.5, 2.99, 3.0, 9.0], np.float32)
    g = np.array([1, 2, 4, 8, 16, 32], np.float32)
    dx, dclip = Pact().gradients(x, g, 3.0)
    assert dx.tolist() == [0, 0, 4, 8, 0, 0]
    assert dclip == 48


def test_the_gradient_of_pact_plus_is_that_of_its_result() -> None:
    """d/dalpha of round(n x / alpha) alpha / n, the rounding passed straight through."""
    form, clip = Pact(plus=True), 3.0
    x = RNG.uniform(-1, 4, 5000).astype(np.float32)
    g = RNG.standard_normal(5000).astype(np.float32)
    inside = (x > 0) & (x < clip)
    result = form.quantise(x, clip).astype(float)
    slope = np.where(inside, (result - x) / clip, x >= clip)
    dx, dclip = form.gradients(x, g, clip)
    assert dclip == pytest.approx((slope * g).sum(), rel=1e-5)
    np.testing.assert_array_equal(dx, np.where(inside, g, 0))
    own = g.copy()
    form.gradients(x, own, clip, out=own)
    np.testing.assert_array_equal(own, dx)


def test_the_clip_of_pact_learns_the_range() -> None:
    """Descent on the mean square error leads to a clip near the best one."""
    x = np.abs(RNG.standard_normal(20_000)).astype(np.float32)
    form, clip = Pact(plus=True), 8.0
    for _ in range(300):
        error = form.quantise(x, clip) - x
        clip -= 20.0 * form.gradients(x, 2 * error / x.size, clip)[1]
    grid = np.linspace(1, 8, 141)
    best = grid[np.argmin([((form.quantise(x, a) - x) ** 2).mean() for a in grid])]
    assert clip == pytest.approx(best, rel=0.1)
