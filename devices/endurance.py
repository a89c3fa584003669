"""Number of pulses that a cell survives, and the wear of an array by a job.

A cell that has received as many pulses as its own endurance stays at the conductance it has
reached. Published endurances count full set-reset cycles; read as a number of pulses of any size,
they are a lower bound (assumed).
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.arguments import number
from cbramsim.core.provenance import SourcedParameters
from cbramsim.core.validation import zero_or_from
from cbramsim.devices.quantities import Spread, log_normal

YEAR = 365.25 * 86400
"""A year, s."""


class Endurance(SourcedParameters):
    """Number of pulses that a cell survives; unlimited by default."""

    endurance: Annotated[float, Field(ge=0, le=1e18), zero_or_from(1)] = 0.0
    """Pulses that a cell survives on average; 0 if wear is not modelled."""
    endurance_d2d: Spread = 0.0
    """Spread of `endurance` from cell to cell, relative."""


class Wear(NamedTuple):
    """Wear of an array by a job, from the pulses that were counted."""

    pulses: int
    """Pulses in all."""
    mean: float
    """Pulses per cell."""
    hottest: int
    """Pulses of the cell that received the most."""
    hottest_cell: tuple[int, int]
    """Its word line and bit line."""
    worn_out: int
    """Cells that have reached their endurance."""
    images: int
    """Images of the job, for `years`."""
    endurance: float
    """Pulses that a cell survives; 0 if not modelled."""

    def years(self, images_per_second: float) -> float:
        """Return the time until the hottest cell is worn out if the job goes on at a rate, years.

        Infinite if no endurance is stated, or no pulse was given.
        """
        if not self.endurance or not self.hottest or not self.images:
            return float("inf")
        number("Wear.years: images_per_second", images_per_second, 1e-30)
        images = self.images * self.endurance / self.hottest
        return images / images_per_second / YEAR


def draw_endurance(
    endurance: Endurance, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the pulses that each cell survives, float64[shape]: log-normal."""
    return log_normal(rng, endurance.endurance, endurance.endurance_d2d, shape)
