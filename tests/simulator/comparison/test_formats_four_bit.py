"""FP4 of radix 4 and of radix 2 (LUQ), and the scale of a layer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.simulator.comparison.formats import (
    GradScale,
    Luq,
    RadixFour,
    identical_values,
    running_maximum,
    two_phases,
)
from cbramsim.simulator.comparison.formats.luq import drawn_power

Z = 4.5
"""Standard errors that an estimate may be off: once in 150,000 tests by chance."""
EVEN = RadixFour()
RNG = np.random.default_rng(0)
PHASES = {"even": 1, "odd-low": 2, "odd-high": Fraction(1, 2)}


def by_formula(x: float, factor: Fraction | int = 1) -> float:
    """Return sign(x) 4^floor(log4 1.6|x|) of `factor` x over `factor`, by exact fractions."""
    size = abs(Fraction(x) * factor) * Fraction(16, 10)
    k = -4
    while k < 3 and Fraction(4) ** (k + 1) <= size:
        k += 1
    power = Fraction(4) ** k / factor if k >= -3 else Fraction(0)
    return float(np.copysign(float(power), x)) if power else 0.0


def landmarks() -> np.ndarray:
    """Return every power of two times 1 and 1.25 in reach, its neighbours, and the extremes."""
    exact = (np.array([1, 1.25])[:, None] * 2.0 ** np.arange(-12, 12)).astype(np.float32).ravel()
    near = [np.nextafter(exact, np.float32(end)) for end in (0, np.inf)]
    extremes = np.array([1, 0x7FFFFF, 0x800000, 0x7F7FFFFF], np.uint32).view(np.float32)
    x = np.concatenate([exact, *near, extremes, [0]]).astype(np.float32)
    return np.concatenate([x, -x])


# ---- radix 4 -----------------------------------------------------------------------------------


def test_ten_million_values_are_those_of_the_definition() -> None:
    assert identical_values(10**7) == (10**7, 0)
    assert identical_values(1001, seed=1) == (1001, 0)


@pytest.mark.parametrize("phase", PHASES)
def test_values_are_those_of_the_formula_in_fractions(phase: str) -> None:
    random = RNG.standard_normal(2000) * 10.0 ** RNG.uniform(-5, 4, 2000)
    x = np.concatenate([landmarks(), random.astype(np.float32)])
    expected = [by_formula(float(value), PHASES[phase]) for value in x]
    np.testing.assert_array_equal(RadixFour(phase=phase).quantise(x), expected)


def test_values_thresholds_and_special_numbers() -> None:
    powers = [1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64]
    assert EVEN.values().tolist() == [-p for p in powers[::-1]] + [0] + powers
    x = [0.625, 2.5, 10, 40, 1e9, np.inf, -np.inf, 0.009765625, 0.00976562]
    assert EVEN.quantise(x).tolist() == [1, 4, 16, 64, 64, 64, -64, 1 / 64, 0]
    assert np.isnan(EVEN.quantise([np.nan, -np.nan])).all()
    assert not np.signbit(EVEN.quantise([-0.0, -1e-9])).any()
    assert max(powers) / min(powers) == 4096


def test_odd_grids() -> None:
    low, high = (RadixFour(phase=phase) for phase in ("odd-low", "odd-high"))
    assert low.values()[8:].tolist() == [2.0**k for k in range(-7, 6, 2)]
    assert high.values()[8:].tolist() == [2.0**k for k in range(-5, 8, 2)]
    even, odd = two_phases(x := RNG.standard_normal((5, 7)).astype(np.float32), 16.0)
    np.testing.assert_array_equal(even, EVEN.quantise(x, 16.0))
    np.testing.assert_array_equal(odd, low.quantise(x, 16.0))
    np.testing.assert_array_equal(two_phases(x, 16.0, "odd-high")[1], high.quantise(x, 16.0))


def test_the_phases_err_in_opposite_ways() -> None:
    """Where one grid rounds up, the other mostly rounds down, and the mean of both is nearer."""
    x = np.geomspace(0.05, 5, 10_000).astype(np.float32)
    errors = [np.log2(rounded / x) for rounded in two_phases(x)]
    assert np.corrcoef(*errors)[0, 1] < -0.3
    both = 0.5 * (errors[0] + errors[1])
    assert both.std() < 0.6 * min(error.std() for error in errors)


@pytest.mark.parametrize("scale", [1.0, 0.25, 1000.0, 3.8e-6, 3.8e18, 7.3])
def test_a_scale_moves_the_grid(scale: float) -> None:
    x = (RNG.standard_normal(3000) * 10.0 ** RNG.uniform(-3, 2, 3000) / scale).astype(np.float32)
    rounded = EVEN.quantise(x, scale)
    assert np.isin(rounded.astype(float), EVEN.values(scale)).all()
    np.testing.assert_allclose(EVEN.values(scale) * scale, EVEN.values(), rtol=2e-7)
    expected = [by_formula(float(np.float32(v) * np.float32(scale))) for v in x]
    np.testing.assert_allclose(rounded.astype(float) * scale, expected, rtol=3e-7)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 1e31])
def test_no_scale_is_refused(scale: float) -> None:
    with pytest.raises(ParameterError, match=r"fp4\.scale: must be a number from 1e-30 to 1e\+30"):
        EVEN.quantise([1.0], scale)


# ---- the scale of a layer ----------------------------------------------------------------------


def test_the_scale_goes_to_where_the_range_is_filled_and_stays() -> None:
    rule = GradScale()
    for largest in (1e-9, 3e-4, 0.04, 0.064, 1.0, 5e6):
        scale = rule.start
        for _ in range(60):
            scale = rule.updated(scale, largest)
        assert 32 <= scale * largest <= 64
        assert rule.updated(scale, largest) == scale
        assert np.log2(scale / 1000) == round(np.log2(scale / 1000))


def test_one_step_of_the_scale() -> None:
    rule = GradScale()
    assert rule.updated(1000.0, 0.0641) == 500.0
    assert rule.updated(1000.0, 0.064) == 1000.0
    assert rule.updated(1000.0, 0.032) == 1000.0
    assert rule.updated(1000.0, 0.0319) == 2000.0
    assert rule.updated(1000.0, 0.0) == 1000.0
    assert rule.updated(1000.0, np.nan) == 1000.0
    assert rule.updated(1000.0, np.inf) == 500.0
    assert rule.updated(5e-6, 1e30) == 3.8e-6
    assert rule.updated(3e18, 1e-30) == 3.8e18
    with pytest.raises(ParameterError, match="start must be from lowest to highest"):
        GradScale(start=1e-9)


# ---- LUQ ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("levels", "ratio"), [(7, 64), (5, 16), (1, 1)])
def test_levels_of_luq(levels: int, ratio: int) -> None:
    """Five are max|x|/16, as the paper's formula has it; seven fill a 3-bit exponent."""
    form = Luq(levels=levels)
    positive = form.values(3.0)[levels + 1 :]
    assert form.codes == 2 * levels + 1
    assert positive.tolist() == [3.0 / ratio * 2**k for k in range(levels)]
    x = (RNG.standard_normal(20_000) * 10.0 ** RNG.uniform(-3, 0, 20_000)).astype(np.float32)
    largest = np.abs(x).max()
    drawn = form.draw(x, stream(0, "luq"))
    np.testing.assert_array_equal(np.unique(drawn).astype(float), form.values(largest))
    nearest = form.quantise(x)
    np.testing.assert_array_equal(np.unique(nearest).astype(float), form.values(largest))


def test_more_levels_than_codes_are_refused() -> None:
    with pytest.raises(ParameterError, match="levels must be at most 7 at 4 bits"):
        Luq(levels=8)
    for call in (lambda: Luq().quantise([np.nan]), lambda: Luq().draw([np.inf], stream(0, "x"))):
        with pytest.raises(ParameterError, match=r"luq\.largest: must be a number > 0"):
            call()
    with pytest.raises(ParameterError, match=r"luq\.samples: must be >= 1"):
        Luq().draw([1.0], stream(0, "x"), samples=0)


def test_the_nearest_power_is_that_of_the_formula() -> None:
    """2^floor(log2 4|x|/3) by fractions, at and beside the thresholds 0.75 x 2^k."""
    exact = (np.array([0.75, 1.0])[:, None] * 2.0 ** np.arange(-3, 8)).astype(np.float32).ravel()
    near = [np.nextafter(exact, np.float32(end)) for end in (0, np.inf)]
    x = np.concatenate([exact, *near, [0.0, 1e-30, 1e30]]).astype(np.float32)
    expected = []
    for value in x:
        size, k = Fraction(float(value)) * Fraction(4, 3), -1
        while k < 6 and Fraction(2) ** (k + 1) <= size:
            k += 1
        expected.append(2.0**k if k >= 0 else 0.0)
    np.testing.assert_array_equal(Luq().quantise(x, 64.0), expected)
    np.testing.assert_array_equal(Luq().quantise(-x, 64.0), -np.array(expected))


def test_the_mean_over_all_random_bits_is_the_number() -> None:
    """The kernel's own thresholds, found by bisection: exact expectation for each place."""
    power_of = drawn_power
    for place in np.float32([0.3, 1e-3, 0.999, 0.5, 1.0, 1.25, 1.999, 5.3, 33.3, 63.9, 64.0]):
        lowest, highest = (
            float(np.uint32(power_of(place, np.uint32(word), 7)).view(np.float32))
            for word in ((2**32 - 1, 0) if place < 1 else (0, 2**32 - 1))
        )
        below, above = 0, 2**32  # first word with another result than word 0
        first = np.uint32(power_of(place, np.uint32(0), 7))
        while above - below > 1:
            middle = (below + above) // 2
            same = np.uint32(power_of(place, np.uint32(middle), 7)) == first
            below, above = (middle, above) if same else (below, middle)
        upper = Fraction(above, 2**32) if place < 1 else 1 - Fraction(above, 2**32)
        mean = (1 - upper) * Fraction(lowest) + upper * Fraction(highest)
        tolerance = Fraction(1, 2**31) if place < 1 else 0
        assert abs(mean - Fraction(float(place))) <= tolerance


@pytest.mark.parametrize("samples", [1, 2, 5])
@pytest.mark.parametrize("levels", [7, 5])
def test_the_mean_of_many_draws_is_the_number_and_the_variance_as_computed(levels, samples) -> None:
    form, n = Luq(levels=levels), 40_000
    for value in (1.7, -0.013, 0.3, -2.9, 0.0004):
        x = np.full(n, value, np.float32)
        drawn = form.draw(x, stream(3, "luq"), samples, largest=3.0).astype(float)
        values = form.values(3.0)
        k = np.searchsorted(values, value)
        low, high = values[k - 1], values[k]
        variance = (value - low) * (high - value) / samples
        assert drawn.mean() == pytest.approx(value, abs=Z * np.sqrt(variance / n))
        p = (value - low) / (high - low)
        kurtosis = 3 + ((1 / (p * (1 - p))) - 6) / samples
        assert drawn.var() == pytest.approx(variance, rel=Z * np.sqrt((kurtosis - 1) / n))


def test_draws_use_only_their_stream() -> None:
    form, x = Luq(), RNG.standard_normal(5000).astype(np.float32)
    first, second = stream(1, "a"), stream(1, "a")
    once = form.draw(x, first)
    np.testing.assert_array_equal(once, form.draw(x, second))
    assert (first == second).all()
    assert (form.draw(x, first) != once).any()
    own = x.copy()
    np.testing.assert_array_equal(form.draw(own, stream(1, "a"), out=own), once)


def test_draws_at_the_bounds() -> None:
    form, s = Luq(), stream(0, "b")
    assert form.draw([5.0, -1e30, 2.0, 0.0, -0.0], s, largest=2.0).tolist() == [2, -2, 2, 0, 0]
    np.testing.assert_array_equal(form.draw(np.zeros(7), s), 0)
    assert np.isnan(form.draw([np.nan], s, largest=1.0))
    values = form.values(1.0).astype(np.float32)
    np.testing.assert_array_equal(form.draw(values, s), values)


def test_the_running_maximum() -> None:
    assert running_maximum(2.0, 4.0, 0.25) == 3.5
    m = 0.0
    for _ in range(50):
        m = running_maximum(m, 7.0)
    assert m == pytest.approx(7.0)
