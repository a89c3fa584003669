r"""Integers that stand for real numbers by a scale and a zero point (B. Jacob et al., CVPR 2018).

:math:`r = S (q - Z)`, with 0 among the values: the range is widened to hold it, and Z is rounded.
Products of such numbers use only whole numbers:
:math:`q_3 = Z_3 + M \sum_j (q_1 - Z_1)(q_2 - Z_2)` with
:math:`M = S_1 S_2 / S_3 = 2^{-n} M_0`, where M_0 in [1/2, 1) is a 32-bit fixed-point number.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop
from cbramsim.simulator.comparison.formats.base import (
    ROUNDER,
    Floats,
    NumberFormat,
    check_positive,
    grid_values,
    peak,
    prepared,
    round_to_grid,
)

Integers = NDArray[np.int32]
TINY = float(np.finfo(np.float32).tiny)
FIXED = 31
"""Binary digits of M_0 behind the point."""
FARTHEST = 62 - FIXED
"""Largest n with a shift that 64 bits allow; beyond, every product rounds to 0."""


class Grid(NamedTuple):
    """Real numbers for which the codes of a tensor stand."""

    scale: float = 1.0
    """Distance S of two values, a float32 number."""
    zero: int = 0
    """Zero point Z: the code of 0."""


class Integer(NumberFormat):
    """Whole numbers with scale and zero point, rounded to the nearest, ties to even, and clipped.

    Asymmetric: codes 0..2^b - 1, for activations. Symmetric: zero point 0 and codes
    -(2^(b-1) - 1)..2^(b-1) - 1, for weights.
    """

    bits: Annotated[int, Field(ge=2, le=16)] = 8
    """Bits of one code."""
    symmetric: bool = False
    """Whether the values lie evenly around 0."""

    @property
    def name(self) -> str:
        """`int8`, or `int8-symmetric`."""
        return f"int{self.bits}" + ("-symmetric" if self.symmetric else "")

    @property
    def lowest(self) -> int:
        """The lowest code."""
        return -self.highest if self.symmetric else 0

    @property
    def highest(self) -> int:
        """The highest code."""
        return 2 ** (self.bits - self.symmetric) - 1

    def grid(self, low: float, high: float) -> Grid:
        """Return the grid for numbers from `low` to `high`: S = (high - low) / (2^b - 1)."""
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ParameterError(f"{self.name}.grid: low <= high is expected (got {low}, {high})")
        if self.symmetric:
            extent = max(-low, high) / self.highest
        else:
            extent = (max(high, 0.0) - min(low, 0.0)) / self.highest
        scale = float(np.float32(max(extent, TINY))) if extent else 1.0
        zero = 0 if self.symmetric else round(-min(low, 0.0) / scale)
        return Grid(scale, min(zero, self.highest))

    def grid_of(self, x: ArrayLike) -> Grid:
        """Return the grid that holds all of `x`."""
        values = np.asarray(x, np.float32)
        if not values.size:
            return Grid()
        if self.symmetric:
            largest = peak(values)
            return self.grid(-largest, largest)
        return self.grid(float(values.min()), float(values.max()))

    def values(self, grid: Grid | None = None) -> NDArray[np.float64]:
        """Return all values, float64[codes]; in units of the scale without a `grid`."""
        scale, zero = self._checked(grid or Grid())
        return grid_values(scale, zero, self.lowest, self.highest)

    def quantise(
        self, x: ArrayLike, grid: Grid | None = None, *, out: Floats | None = None
    ) -> Floats:
        """Return `x` rounded to the values of `grid`, or of `grid_of(x)`, float32[...]."""
        values, out = prepared(self.name, x, out)
        scale, zero = self._checked(grid or self.grid_of(values))
        ends = float(self.lowest), float(self.highest)
        round_to_grid(values.reshape(-1), scale, float(zero), *ends, out.reshape(-1))
        return out

    def encode(self, x: ArrayLike, grid: Grid) -> Integers:
        """Return the codes q = clip(round(x / S + Z)), int32[...]; no NaN is allowed."""
        values = np.asarray(x, np.float32, order="C")
        if np.isnan(values).any():
            raise ParameterError(f"{self.name}.encode: values must be numbers (got NaN)")
        codes = np.empty(values.shape, np.int32)
        scale, zero = self._checked(grid)
        ends = float(self.lowest), float(self.highest)
        _encode(values.reshape(-1), scale, float(zero), *ends, codes.reshape(-1))
        return codes

    def decode(self, codes: ArrayLike, grid: Grid) -> Floats:
        """Return S (q - Z), float32[...]."""
        scale, zero = self._checked(grid)
        exact = (np.asarray(codes, np.float64) - zero) * scale
        return exact.astype(np.float32)

    def _checked(self, grid: Grid) -> Grid:
        scale = float(np.float32(check_positive(f"{self.name}.grid.scale", grid.scale)))
        if not self.lowest <= grid.zero <= self.highest or int(grid.zero) != grid.zero:
            raise ParameterError(
                f"{self.name}.grid.zero: must be a whole number from {self.lowest} to "
                f"{self.highest} (got {grid.zero!r})"
            )
        return Grid(scale, int(grid.zero))


class Multiplier(NamedTuple):
    """A positive real number as M = 2^-n M_0."""

    fraction: int
    """M_0 x 2^31, from 2^30 to 2^31 - 1."""
    shift: int
    """n; negative for M >= 1."""


def multiplier(value: float) -> Multiplier:
    """Return M = `value` in fixed point, right to 2^-31 of itself."""
    check_positive("multiplier", value)
    mantissa, exponent = math.frexp(value)
    fraction = round(math.ldexp(mantissa, FIXED))
    if fraction == 2**FIXED:
        fraction, exponent = fraction // 2, exponent + 1
    if exponent >= FIXED:
        raise ParameterError(f"multiplier: must be below 2^30 (got {value:g})")
    return Multiplier(fraction, -exponent)


def requantise(
    sums: NDArray[np.int32], factor: Multiplier, zero: int, lowest: int, highest: int
) -> Integers:
    """Return clip(Z + round(M sum)), int32[...], by whole numbers only.

    Rounded once, from the exact 64-bit product: to the nearest, ties up.
    """
    if np.asarray(sums).dtype != np.int32:
        raise ParameterError(f"requantise.sums: must be int32 (got {np.asarray(sums).dtype})")
    values = np.asarray(sums, order="C")
    codes = np.empty(values.shape, np.int32)
    _requantise(values.reshape(-1), *factor, zero, lowest, highest, codes.reshape(-1))
    return codes


@compiled_loop
def _encode(x, step, offset, low, high, codes):  # type: ignore[no-untyped-def]
    for k in range(x.size):
        place = min(max(np.float64(x[k]) / step + offset, low), high)
        codes[k] = np.int32((place + ROUNDER) - ROUNDER)


@compiled_loop
def _requantise(sums, fraction, shift, zero, lowest, highest, codes):  # type: ignore[no-untyped-def]
    shift += FIXED
    for k in range(sums.size):
        product = np.int64(sums[k]) * np.int64(fraction)
        rounded = np.int64(0)
        if shift <= FARTHEST + FIXED:
            rounded = ((product >> (shift - 1)) + 1) >> 1
        codes[k] = np.int32(min(max(rounded + zero, lowest), highest))
