r"""Weights on a uniform grid, clipped by their own statistics (SAWB).

The clip is :math:`\alpha = c_1 \sqrt{E[w^2]} - c_2 E[|w|]`, or max |w| if that is not positive.
Coefficients are those of IBM's fms-model-optimizer, `sawb_utils.py`.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from cbramsim.simulator.comparison.formats.base import (
    Floats,
    NumberFormat,
    check_positive,
    grid_values,
    moments,
    peak,
    prepared,
    round_to_grid,
    round_to_halves,
)

COEFFICIENTS: dict[tuple[int, bool], tuple[float, float]] = {
    (2, False): (3.12, 2.064),
    (2, True): (2.6, 1.71),
    (3, False): (7.509, 6.892),
    (4, False): (12.68, 12.80),
    (4, True): (12.035, 12.03),
    (5, False): (17.74, 18.64),
    (7, True): (28.24, 30.81),
    (8, False): (31.76, 35.04),
    (8, True): (31.76, 35.04),
}
"""c_1 and c_2 by bits, and by whether 0 is a value (codes 103, 403, 703, 803 of the source)."""


class Sawb(NumberFormat):
    """Weights between -alpha and alpha, rounded to the nearest value.

    With 0: 2^b - 1 values, the multiples of alpha / (2^(b-1) - 1); ties to the even multiple.
    Without: 2^b values, 2^b - 1 steps from -alpha to alpha; ties up.
    """

    bits: Annotated[int, Field(ge=2, le=8)] = 4
    """Bits of one code: 2, 3, 4, 5, 8; with 0 2, 4, 7, 8."""
    zero: bool = False
    """Whether 0 is a value."""

    @model_validator(mode="after")
    def _check_coefficients(self) -> Self:
        if (self.bits, self.zero) not in COEFFICIENTS:
            known = ", ".join(str(b) for b, zero in COEFFICIENTS if zero == self.zero)
            kind = "with" if self.zero else "without"
            raise ValueError(f"bits must be one of {known} {kind} zero (got {self.bits})")
        return self

    @property
    def name(self) -> str:
        """`sawb4`, or `sawb4-zero`."""
        return f"sawb{self.bits}" + ("-zero" if self.zero else "")

    @property
    def steps(self) -> int:
        """Steps from -alpha to alpha."""
        return 2**self.bits - 1 - self.zero

    def clip(self, w: ArrayLike) -> float:
        """Return alpha for the weights `w`; 1 where all are 0."""
        c1, c2 = COEFFICIENTS[self.bits, self.zero]
        square, magnitude = moments(w)
        alpha = c1 * math.sqrt(square) - c2 * magnitude
        return alpha if alpha > 0 else peak(w) or 1.0

    def values(self, clip: float = 1.0) -> NDArray[np.float64]:
        """Return all values with alpha = `clip`, float64[steps + 1]."""
        return grid_values(self._step(clip), self.steps / 2, 0, self.steps)

    def quantise(
        self, x: ArrayLike, clip: float | None = None, *, out: Floats | None = None
    ) -> Floats:
        """Return weights rounded with alpha = `clip`, or with their own, float32[...]."""
        values, out = prepared(self.name, x, out)
        step, half = self._step(self.clip(values) if clip is None else clip), self.steps / 2
        if self.zero:
            round_to_grid(values.reshape(-1), step, 0.0, -half, half, out.reshape(-1))
        else:
            round_to_halves(values.reshape(-1), step, half, out.reshape(-1))
        return out

    def _step(self, clip: float) -> float:
        return float(np.float32(check_positive(f"{self.name}.clip", clip * 2 / self.steps)))
