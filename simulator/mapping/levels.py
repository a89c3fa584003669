"""Levels of word lines for inputs, and their bits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.mapping.layers import Floats

ONES = np.array([bin(code).count("1") for code in range(256)], np.uint8)
"""Number of bits of a code that are 1."""


SQUARES = [
    np.array(
        [
            sum(4.0**bit for bit in range(bits) if code >> bit & 1) / max((1 << bits) - 1, 1) ** 2
            for code in range(256)
        ],
        np.float32,
    )
    for bits in range(9)
]
"""Sum of the squared weights of the reads in which a code has a 1, by bits, float32[256] each."""


LEAST = 1e-30
"""Smallest range of inputs; a smaller one counts as none."""


class Levels(NamedTuple):
    """Rounding of inputs to levels of word lines."""

    low: float
    """Input of level 0."""
    span: float
    """Difference between the inputs of level 1 and of level 0."""
    bits: int
    """Resolution; 0 for any level."""

    @classmethod
    def of(cls, inputs: Floats, bits: int, percentile: float) -> Levels:
        """Return the levels for the values of calibration, leaving a part in percent beyond them.

        The lowest input, the most common one in images, is level 0 exactly.
        """
        low = min(float(np.percentile(inputs, 100 - percentile, method="lower")), 0.0)
        high = max(float(np.percentile(inputs, percentile, method="higher")), 0.0)
        if high == low:  # there is next to nothing but 0
            low, high = min(float(inputs.min()), 0.0), max(float(inputs.max()), 0.0)
        return cls(low, high - low if high - low > LEAST else 1.0, bits)

    @property
    def top(self) -> int:
        """The highest code."""
        return max((1 << self.bits) - 1, 1)

    def codes(self, inputs: Floats) -> NDArray[Any]:
        """Return the codes of inputs, uint8[...]; without `bits` their levels, float32[...]."""
        level = (inputs - np.float32(self.low)) * np.float32(1 / self.span)
        np.clip(level, 0, 1, out=level)
        if not self.bits:
            return level
        level *= self.top
        level += np.float32(0.5)
        return level.astype(np.uint8)
