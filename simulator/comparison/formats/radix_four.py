r"""FP4 of radix 4 for gradients: sign, three bits of exponent, no mantissa (1-3-0).

Its values are 0 and ±4^k, k = -3..3, and its rounding to the nearest is
:math:`Q(x) = \mathrm{sign}(x)\,4^{\lfloor \log_4 1.6|x| \rfloor}`: the thresholds are the
arithmetic midpoints 2.5 x 4^k, and a tie goes up. Below 2.5 x 4^-4 = 0.009766 it gives 0, from 40
on 64. (X. Sun et al., NeurIPS 2020; the thresholds as in a re-implementation of it.)

The odd phase has a grid of odd powers of two, Q(2x) / 2 or 2 Q(x / 2); the paper does not state
which, so both are available (assumed). In two-phase rounding one gradient is rounded in both
phases, one copy for each of the two products that it enters.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.simulator.comparison.formats.base import (
    INFINITY,
    MAGNITUDE,
    SIGN,
    Floats,
    NumberFormat,
    bits_of,
    chosen,
    prepared,
)

Phase = Literal["even", "odd-low", "odd-high"]
SHIFTS: dict[Phase, float] = {"even": 1.0, "odd-low": 2.0, "odd-high": 0.5}
"""Factor by which a number is multiplied before, and divided after, rounding to the even grid."""
FARTHEST = 1e30
"""Largest scale, and inverse of the smallest, for which float32 holds every result."""
LOWEST, HIGHEST = -3, 3
LARGEST = 4.0**HIGHEST
FIRST_THRESHOLD = np.int32(np.float32(2.5 * 4.0 ** (LOWEST - 1)).view(np.int32))
LOWEST_BITS = np.uint32(np.float32(4.0**LOWEST).view(np.uint32))
STEPS = np.int32(HIGHEST - LOWEST)
TWO_EXPONENTS = np.int32(24)
"""Change of the bits of a float32 number by a factor of 4."""
CHUNK = 1_000_000


class RadixFour(NumberFormat):
    """FP4 1-3-0 of radix 4, on a grid of even or of odd powers of two."""

    bits: Annotated[int, Field(ge=4, le=4)] = 4
    """Bits of one code: sign and exponent."""
    phase: Phase = "even"
    """Grid: `even` 2^-6..2^6, `odd-low` 2^-7..2^5 = Q(2x)/2, `odd-high` 2^-5..2^7 = 2 Q(x/2)."""

    @property
    def name(self) -> str:
        """`fp4`, with the phase if it is odd."""
        return "fp4" if self.phase == "even" else f"fp4-{self.phase}"

    def values(self, scale: float = 1.0) -> NDArray[np.float64]:
        """Return its 15 values, divided by `scale` as `quantise` does it, float64[15]."""
        inverse = np.float32(1) / self._factor(scale)
        positive = np.float64(inverse) * 4.0 ** np.arange(LOWEST, HIGHEST + 1)
        return np.concatenate([-positive[::-1], [0.0], positive])

    def quantise(self, x: ArrayLike, scale: float = 1.0, *, out: Floats | None = None) -> Floats:
        """Return Q(`scale` x) / `scale`, float32[...].

        The product is rounded to float32 before Q; it is exact if the scale is a power of two.
        """
        values, out = prepared(self.name, x, out)
        factor = self._factor(scale)
        _round(values.reshape(-1), factor, np.float32(1) / factor, bits_of(out))
        return out

    def _factor(self, scale: float) -> np.float32:
        if not 1 / FARTHEST <= scale <= FARTHEST:
            raise ParameterError(
                f"{self.name}.scale: must be a number from {1 / FARTHEST:g} to {FARTHEST:g} "
                f"(got {scale!r})"
            )
        return np.float32(scale * SHIFTS[self.phase])


EVEN = RadixFour()


def two_phases(
    x: ArrayLike, scale: float = 1.0, odd: Literal["odd-low", "odd-high"] = "odd-low"
) -> tuple[Floats, Floats]:
    """Return `x` rounded on the even and on the `odd` grid, for the two products of a gradient."""
    return EVEN.quantise(x, scale), RadixFour(phase=odd).quantise(x, scale)


def identical_values(n: int = 10**7, seed: int = 0) -> tuple[int, int]:
    """Compare `n` float32 numbers with the definition in float64: (compared, differing).

    They are every threshold and value with its two neighbours, of either sign, zeros, infinities,
    NaN; the others are random bits, every second with an exponent in the range of the format.
    """
    rng = np.random.default_rng(seed)
    compared = differing = 0
    first = _landmarks()[:n]
    while compared < n:
        count = min(CHUNK, n - compared)
        bits = rng.integers(0, 2**32, count, dtype=np.uint32)
        near = rng.integers(127 - 9, 127 + 9, count, dtype=np.uint32) << np.uint32(23)
        bits[::2] = (bits[::2] & np.uint32(0x807FFFFF)) | near[::2]
        x = bits.view(np.float32)
        if not compared:
            x[: first.size] = first
        with np.errstate(invalid="ignore"):  # signalling NaNs are among them
            kernel, definition = EVEN.quantise(x), _by_definition(x)
        same = (kernel == definition) | (np.isnan(kernel) & np.isnan(definition))
        differing += int(np.count_nonzero(~same))
        compared += count
    return compared, differing


def _by_definition(x: Floats) -> NDArray[np.float64]:
    """Return Q(x) by comparison of float64 numbers with the thresholds, which are exact."""
    powers = np.arange(LOWEST, HIGHEST + 1)
    positive = np.concatenate([[0.0], 4.0**powers])
    size = np.abs(x.astype(np.float64))
    passed = np.searchsorted(2.5 * 4.0 ** (powers - 1), size, side="right")
    result = np.copysign(positive[np.minimum(passed, powers.size)], x)
    return np.where(np.isnan(x), np.nan, result)


def _landmarks() -> Floats:
    powers = 4.0 ** np.arange(LOWEST - 2, HIGHEST + 3)
    exact = np.concatenate([powers, 2.5 * powers]).astype(np.float32)
    up, down = np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(0))
    tiny = np.array([1, 0x7FFFFF, 0x800000, 0x7F7FFFFF], np.uint32).view(np.float32)
    special = np.array([0, np.inf, np.nan], np.float32)
    positive = np.concatenate([exact, up, down, tiny, special])
    return np.concatenate([positive, -positive])


@inlined
def nearest_power(bits):  # type: ignore[no-untyped-def]
    """Return the bits of Q of a float32 number, by comparison and shift of whole numbers."""
    size = np.uint32(bits & MAGNITUDE)
    above = np.int32(np.int32(size) - FIRST_THRESHOLD)
    steps = min(np.int32(above >> TWO_EXPONENTS), STEPS)
    power = np.uint32(LOWEST_BITS + np.uint32(np.uint32(steps) << np.uint32(TWO_EXPONENTS)))
    rounded = chosen(above < 0, 0, np.uint32(power | np.uint32(bits & SIGN)))
    return chosen(size > INFINITY, bits, rounded)


@compiled_loop
def _round(x, factor, inverse, out):  # type: ignore[no-untyped-def]
    for k in range(x.size):
        rounded = nearest_power(np.float32(x[k] * factor).view(np.uint32))
        out[k] = np.float32(np.uint32(rounded).view(np.float32) * inverse).view(np.uint32)
