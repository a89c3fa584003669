"""Binary floating-point formats with subnormal numbers and infinity: float16, bfloat16."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop
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

LISTABLE = 16
"""Most bits of a format whose values are listed."""


class FloatFormat(NumberFormat):
    """Sign, exponent, mantissa as in IEEE 754: rounded to the nearest value, ties to even.

    Numbers half a step above the largest one, or more, become infinite. Zeros keep their sign.
    """

    label: str
    """Its name, such as `fp16`."""
    exponent_bits: Annotated[int, Field(ge=2, le=8)]
    """Bits of the exponent; the highest exponent is for infinity and NaN."""

    @model_validator(mode="after")
    def _check_mantissa(self) -> Self:
        if not 1 <= self.mantissa_bits <= 23:
            raise ValueError(
                f"bits must leave 1 to 23 for the mantissa beside sign and exponent "
                f"(got {self.mantissa_bits} of {self.bits})"
            )
        return self

    @property
    def name(self) -> str:
        """Its name."""
        return self.label

    @property
    def mantissa_bits(self) -> int:
        """Bits of the mantissa, without the leading one."""
        return self.bits - 1 - self.exponent_bits

    @property
    def lowest_exponent(self) -> int:
        """Exponent of the smallest normal number, 2 to this power."""
        return 2 - 2 ** (self.exponent_bits - 1)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return (2 - 2.0**-self.mantissa_bits) * 2.0 ** (1 - self.lowest_exponent)

    def values(self) -> NDArray[np.float64]:
        """Return its finite values, float64[codes]; of the two zeros one."""
        if self.bits > LISTABLE:
            raise ParameterError(
                f"{self.name}: values are listed up to {LISTABLE} bits (got {self.bits})"
            )
        fraction = np.arange(2**self.mantissa_bits) / 2.0**self.mantissa_bits
        exponents = np.arange(self.lowest_exponent, 2 - self.lowest_exponent)
        normal = (1 + fraction) * np.exp2(exponents)[:, None]
        positive = np.concatenate([fraction * 2.0**self.lowest_exponent, normal.ravel()])
        return np.concatenate([-positive[:0:-1], positive])

    def quantise(self, x: ArrayLike, *, out: Floats | None = None) -> Floats:
        """Return `x` rounded to the nearest value, float32[...]."""
        values, out = prepared(self.name, x, out)
        if self.mantissa_bits == 23 and self.exponent_bits == 8:
            np.copyto(out, values)
            return out
        smallest = np.float32(2.0**self.lowest_exponent).view(np.uint32)
        largest = np.float32(self.largest).view(np.uint32)
        # whose last digit is that of the subnormal numbers: its addition rounds to them
        aligner = np.float32(2.0 ** (self.lowest_exponent - self.mantissa_bits + 23))
        shift = 23 - self.mantissa_bits
        _round(bits_of(values), np.uint32(shift), smallest, largest, aligner, bits_of(out))
        return out


@compiled_loop
def _round(bits, shift, smallest, largest, aligner, out):  # type: ignore[no-untyped-def]
    """Write rounded numbers: `bits`, those of the first and the last normal number, uint32."""
    half = np.uint32((np.uint32(1) << shift) >> np.uint32(1))
    kept = np.uint32(~np.uint32((np.uint32(1) << shift) - np.uint32(1)))
    below_half = np.uint32(half - np.uint32(half > 0))
    for k in range(bits.size):
        sign, size = np.uint32(bits[k] & SIGN), np.uint32(bits[k] & MAGNITUDE)
        odd = np.uint32(np.uint32(size >> shift) & np.uint32(half > 0))
        normal = np.uint32(np.uint32(size + below_half + odd) & kept)
        normal = chosen(normal > largest, INFINITY, normal)
        number = size.view(np.float32)
        subnormal = np.float32(np.float32(number + aligner) - aligner).view(np.uint32)
        rounded = chosen(size < smallest, subnormal, normal)
        out[k] = np.uint32(chosen(size > INFINITY, size, rounded) | sign)
