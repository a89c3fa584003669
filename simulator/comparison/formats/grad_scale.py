"""One scale per layer, adapted so that the layer's gradients fill the range of a narrow format.

A re-implementation of the published method learns the scale s by its "gradient", -1 where the
largest gradient is above the range and +1 where it is below: under descent, s - eta gradient, this
increases a scale that is already too large. The rule is therefore explicit here: halve it, or
double it.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from cbramsim.core.validation import Parameters

Scale = Annotated[float, Field(ge=1e-37, le=1e37)]


class GradScale(Parameters):
    """Rule of a layer's scale s: s/2 if s max|g| > `top`, 2s if it is < `top` / 2."""

    top: Scale = 64.0
    """Largest value of the format."""
    start: Scale = 1000.0
    """Scale to begin with."""
    lowest: Scale = 3.8e-6
    """Lowest scale."""
    highest: Scale = 3.8e18
    """Highest scale."""

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if not self.lowest <= self.start <= self.highest:
            raise ValueError(
                f"start must be from lowest to highest, {self.lowest:g} to {self.highest:g} "
                f"(got {self.start:g})"
            )
        return self

    def updated(self, scale: float, largest: float) -> float:
        """Return the scale for the next step, after gradients up to `largest` = max|g|.

        If all gradients are 0, or one is NaN, the scale is kept.
        """
        if math.isnan(largest) or not largest:
            return scale
        if scale * largest > self.top:
            scale /= 2
        elif scale * largest < self.top / 2:
            scale *= 2
        return min(max(scale, self.lowest), self.highest)
