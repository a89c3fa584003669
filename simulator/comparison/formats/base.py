"""Common parts of all number formats, and the kernels that they are made of.

Formats are emulated in float32: `quantise` returns float32 numbers that are values of the format
exactly. NaN stays NaN, even where a format has no code for it, so that faults are seen; where the
range of a format is that of the numbers themselves, NaN and infinity are refused. A format that has
one zero gives +0.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop, inlined, vector_kernel
from cbramsim.core.validation import Parameters

Floats = NDArray[np.float32]
SIGN = np.uint32(0x80000000)
MAGNITUDE = np.uint32(0x7FFFFFFF)
INFINITY = np.uint32(0x7F800000)
ONE = np.uint32(0x3F800000)
"""Bits of the float32 number 1."""
LARGEST = float(np.finfo(np.float32).max)
ROUNDER = np.float64(1.5 * 2**52)
"""Number that rounds a float64 number below 2^51 to even when it is added and subtracted again."""


class NumberFormat(Parameters):
    """A set of numbers, and the rule by which others are rounded to them."""

    bits: Annotated[int, Field(ge=1, le=32)]
    """Bits of one code."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name, such as `fp4`."""

    @abstractmethod
    def values(self) -> NDArray[np.float64]:
        """Return all finite values, in rising order, float64[codes]."""

    @abstractmethod
    def quantise(self, x: ArrayLike, *, out: Floats | None = None) -> Floats:
        """Return `x` rounded to the format, float32[...]; `out` may be `x` itself."""

    @property
    def codes(self) -> int:
        """Number of finite values of the format."""
        return len(self.values())


def prepared(where: str, x: ArrayLike, out: Floats | None) -> tuple[Floats, Floats]:
    """Return `x` as contiguous float32[...], and `out`, made if there is none."""
    values = np.asarray(x, np.float32, order="C")
    if out is None:
        out = np.empty(values.shape, np.float32)
    fits = isinstance(out, np.ndarray) and out.dtype == np.float32 and out.flags.c_contiguous
    if not fits or out.shape != values.shape:
        raise ParameterError(
            f"{where}.out: must be a contiguous float32 array of shape {values.shape} "
            f"(got {getattr(out, 'dtype', type(out).__name__)}, {getattr(out, 'shape', None)})"
        )
    return values, out


def check_positive(where: str, value: float) -> float:
    """Return `value` if it is a finite number above zero, and so in float32 as well."""
    if not (0 < value <= LARGEST and np.float32(value) > 0):
        raise ParameterError(f"{where}: must be a number > 0 that float32 holds (got {value!r})")
    return float(value)


def bits_of(x: Floats) -> NDArray[np.uint32]:
    """Return the bits of contiguous `x`, flat: a view."""
    return x.reshape(-1).view(np.uint32)


def peak(x: ArrayLike) -> float:
    """Return max |x|, 0 of an empty array, NaN if there is a NaN; without a copy of `x`."""
    values = np.asarray(x, np.float32, order="C")
    return float(np.uint32(_largest(bits_of(values))).view(np.float32))


def moments(x: ArrayLike) -> tuple[float, float]:
    """Return E[x²] and E[|x|]."""
    values = np.asarray(x, np.float32, order="C")
    squares, magnitudes = _sums(values.reshape(-1))
    size = max(values.size, 1)
    return squares / size, magnitudes / size


@inlined
def chosen(condition, yes, no):  # type: ignore[no-untyped-def]
    """Return one of two uint32 numbers, without a branch."""
    return np.uint32(yes) if condition else np.uint32(no)


@compiled_loop
def round_to_grid(x, step, offset, low, high, out):  # type: ignore[no-untyped-def]
    """Write (q - offset) `step` into `out`, with q = rint(x / step + offset) in `low`..`high`.

    In float64 the quotient is on the right side of every threshold, and exact at ties, for steps
    that float32 holds and up to 2^17 codes; the product is rounded once.
    """
    for k in range(x.size):
        place = np.float64(x[k]) / step + offset
        place = low if place < low else place
        place = high if place > high else place
        code = (place + ROUNDER) - ROUNDER
        # + 0: a zero is never negative
        out[k] = np.float32((code - offset) * step + 0.0)


@compiled_loop
def round_to_halves(x, step, highest, out):  # type: ignore[no-untyped-def]
    """Write (n + 1/2) `step` into `out`, with n = floor(x / step), at most `highest` steps from 0.

    Exact as `round_to_grid`.
    """
    for k in range(x.size):
        place = np.float64(x[k]) / step
        place = -highest if place < -highest else place
        place = highest if place > highest else place
        whole = (place + ROUNDER) - ROUNDER
        half = (whole - 0.5) if whole > place else (whole + 0.5)
        half = highest if half > highest else half
        out[k] = np.float32(half * step)


def grid_values(step: float, offset: float, low: int, high: int) -> NDArray[np.float64]:
    """Return the values of `round_to_grid`, float64[high - low + 1]."""
    exact = (np.arange(low, high + 1) - offset) * step
    return exact.astype(np.float32).astype(np.float64)


@compiled_loop
def _largest(bits):  # type: ignore[no-untyped-def]
    largest = np.int32(0)
    for k in range(bits.size):
        largest = max(largest, np.int32(bits[k] & MAGNITUDE))
    return largest


@vector_kernel
def summed(x):  # type: ignore[no-untyped-def]
    """Return the sum, in lanes, in float64."""
    total = 0.0
    for k in range(x.size):
        total += np.float64(x[k])
    return total


@vector_kernel
def _summed_powers(x):  # type: ignore[no-untyped-def]
    squares, magnitudes = 0.0, 0.0
    for k in range(x.size):
        value = np.float64(x[k])
        squares += value * value
        magnitudes += abs(value)
    return squares, magnitudes


@compiled_loop
def _sums(x):  # type: ignore[no-untyped-def]
    return _summed_powers(x)
