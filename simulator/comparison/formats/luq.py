r"""LUQ: FP4 1-3-0 of radix 2 with unbiased rounding (B. Chmiel et al., ICLR 2023).

Values are 0 and ±alpha 2^k, k = 0..levels - 1, with the highest at the largest number to be
rounded: alpha = max|x| / 2^(levels - 1).

The paper's alpha = max|x| / 2^(2^(b-1)) with b = 3 is max|x| / 16, five powers of two; a 3-bit
exponent has codes for 0 and seven, alpha = max|x| / 64. The number of powers is therefore a
parameter; seven, all codes used, is the default (assumed).
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.core.rng import State, fill_with_words
from cbramsim.simulator.comparison.formats.base import (
    INFINITY,
    ONE,
    SIGN,
    Floats,
    NumberFormat,
    check_positive,
    chosen,
    peak,
    prepared,
)

MANTISSA = np.uint32(23)
EXPONENT = np.uint32(0x7F800000)
THREE_QUARTERS = np.int32(0x3F400000)
"""Bits of the float32 number 0.75."""
HALVES = np.float32(2**31)
CHUNK = 1024
"""Number of random numbers drawn at a time."""


class Luq(NumberFormat):
    """Format of 0 and powers of two up to the largest number."""

    bits: Annotated[int, Field(ge=2, le=6)] = 4
    """Bits of one code: sign and exponent."""
    levels: Annotated[int, Field(ge=1, le=31)] = 7
    """Powers of two among the values; of 4 bits the most, while 5 is the paper's formula."""

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if self.levels > 2 ** (self.bits - 1) - 1:
            raise ValueError(
                f"levels must be at most {2 ** (self.bits - 1) - 1} at {self.bits} bits "
                f"(got {self.levels})"
            )
        return self

    @property
    def name(self) -> str:
        """`luq`, with the number of levels if it is not 7."""
        return "luq" if self.levels == 7 else f"luq{self.levels}"

    def values(self, largest: float = 1.0) -> NDArray[np.float64]:
        """Return all values below `largest`, float64[2 levels + 1]."""
        positive = np.float64(self._alpha(largest)) * 2.0 ** np.arange(self.levels)
        return np.concatenate([-positive[::-1], [0.0], positive])

    def quantise(
        self, x: ArrayLike, largest: float | None = None, *, out: Floats | None = None
    ) -> Floats:
        r"""Return the nearest powers, float32[...]: :math:`2^{\lfloor \log_2 4|x|/3 \rfloor}`.

        By this formula numbers below 3/4 alpha become 0. `largest` is max|x| if not given.
        """
        values, out = prepared(self.name, x, out)
        alpha = self._alpha_of(values, largest)
        if not alpha:
            out[...] = values
            return out
        _nearest(values.reshape(-1), alpha, self.levels, out.reshape(-1))
        return out

    def draw(
        self, x: ArrayLike, stream: State, samples: int = 1, largest: float | None = None, *,
        out: Floats | None = None,
    ) -> Floats:  # fmt: skip
        """Return `x` rounded at random to one of its two neighbours, float32[...].

        Its mean is x, to 2^-24 of x and 2^-31 of alpha, for |x| up to `largest`; beyond, it is the
        highest value.

        Parameters
        ----------
        x
            Numbers, such as gradients.
        stream
            xoshiro256++ state, `cbramsim.core.rng.stream`; advanced.
        samples
            Number of independent results that are averaged.
        largest
            The highest value, such as a `running_maximum`; max|x| if not given.
        out
            Array for the result.
        """
        if samples < 1:
            raise ParameterError(f"{self.name}.samples: must be >= 1 (got {samples})")
        values, out = prepared(self.name, x, out)
        alpha = self._alpha_of(values, largest)
        if not alpha:
            out[...] = values
            return out
        _draw(values.reshape(-1), alpha, self.levels, samples, stream, out.reshape(-1))
        return out

    def _alpha(self, largest: float) -> np.float32:
        where = f"{self.name}.largest"
        alpha = np.float32(check_positive(where, largest)) * np.float32(2.0 ** (1 - self.levels))
        return np.float32(check_positive(where, float(alpha)))

    def _alpha_of(self, values: Floats, largest: float | None) -> np.float32:
        """Return alpha; 0 where all numbers are 0."""
        largest = peak(values) if largest is None else largest
        return self._alpha(largest) if largest != 0 else np.float32(0)


def running_maximum(previous: float, largest: float, eta: float = 0.1) -> float:
    """Return m = (1 - eta) max|x| + eta m_previous, the `largest` of the next step.

    The default of eta is assumed.
    """
    return (1 - eta) * largest + eta * previous


@inlined
def drawn_power(place, word, levels):  # type: ignore[no-untyped-def]
    """Return the bits of a random neighbour of `place` = |x| / alpha, by 32 random bits.

    Above 1: random bits are added to those of the mantissa, and what carries into the exponent
    doubles the number, with a probability that is the mantissa. Below: 1 with probability `place`.
    """
    bits = np.float32(place).view(np.uint32)
    carried = np.uint32(np.uint32(bits + np.uint32(word >> np.uint32(9))) & EXPONENT)
    top = np.uint32(ONE + np.uint32(np.uint32(levels - 1) << MANTISSA))
    power = chosen(carried > top, top, carried)
    threshold = np.int32(min(place, np.float32(0.99999994)) * HALVES)
    small = chosen(np.int32(word >> np.uint32(1)) < threshold, ONE, 0)
    drawn = chosen(bits < ONE, small, power)
    return chosen(bits > INFINITY, bits, drawn)


@inlined
def signed(power, number, zero):  # type: ignore[no-untyped-def]
    """Return a power with the sign of `number`, without one if it is `zero`."""
    sign = np.uint32(np.float32(number).view(np.uint32) & SIGN)
    return np.uint32(chosen(zero, 0, sign) | power).view(np.float32)


@compiled_loop
def _draw(x, alpha, levels, samples, stream, out):  # type: ignore[no-untyped-def]
    pairs, sums = np.empty(CHUNK // 2, np.uint64), np.empty(CHUNK, np.float32)
    words = pairs.view(np.uint32)
    share = np.float32(1) / np.float32(samples)
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        part, result = x[first : first + count], out[first : first + count]
        sums[:] = 0
        for _ in range(samples):
            fill_with_words(stream, pairs)
            for k in range(count):
                power = drawn_power(np.float32(abs(part[k]) / alpha), words[k], levels)
                sums[k] += signed(power, part[k], power == 0)
        for k in range(count):
            result[k] = np.float32(sums[k] * share) * alpha


@compiled_loop
def _nearest(x, alpha, levels, out):  # type: ignore[no-untyped-def]
    for k in range(x.size):
        bits = np.float32(abs(x[k]) / alpha).view(np.uint32)
        above = np.int32(np.int32(bits) - THREE_QUARTERS)
        steps = min(np.int32(above >> np.int32(23)), np.int32(levels - 1))
        power = chosen(above < 0, 0, np.uint32(ONE + np.uint32(np.uint32(steps) << MANTISSA)))
        power = chosen(bits > INFINITY, bits, power)
        out[k] = np.float32(signed(power, x[k], power == 0) * alpha)
