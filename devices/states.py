r"""Conductances that a cell can take, and the noise with which a read sees them.

A cell is analog, or has a finite number of states: `levels` of them in its own window, or one at
each multiple of `g_quantum` (an atomic constriction: a fraction of the conductance quantum
:math:`G_0 = 2e^2/h`). A pulse then moves the cell to one of the two states next to where its law
would have put it, with probabilities for which the law holds on average. A device of two levels
is a stochastic binary cell.

The N = `levels` states lie at equal distances, or, with a radix r = `level_radix`, at distances
from the lowest that grow by r: :math:`G_0 = G_{min}` and
:math:`G_k = G_{min} + (G_{max} - G_{min})\, r^{k-(N-1)}`, k = 1..N - 1. In a differential pair with
a cell at `g_min`, these are exactly 0 and N - 1 powers of r.

*Flicker*: the conductance jumps between two values, `g_flicker` apart, and spends the fraction
`flicker_duty` of its time in the upper one (random telegraph noise). The state is the mean over
time. Reads are taken to be further apart than the jumps, so that each sees an independent one
(assumed).
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Conductance, Distance, Lowest, Spread

G0 = 2 * 1.602176634e-19**2 / 6.62607015e-34
"""Conductance quantum 2e²/h, S: 77.48 µS."""


class States(SourcedParameters):
    """Conductance window, the states in it, and the noise of a read."""

    g_min: Lowest
    """Lowest programmable conductance, S; 0 if such a cell conducts nothing."""
    g_min_d2d: Spread = 0.0
    """Spread of `g_min` from cell to cell, relative."""
    g_min_d2d_of_window: Spread = 0.0
    """Spread as before, but normal, as a fraction of `g_max - g_min`; no bound is below 0."""
    g_max: Conductance
    """Highest programmable conductance, S."""
    g_max_d2d: Spread = 0.0
    """Spread of `g_max` from cell to cell, relative."""
    g_max_d2d_of_window: Spread = 0.0
    """Spread as before, but normal, as a fraction of `g_max - g_min`."""

    levels: Annotated[int, Field(ge=0, le=65536)] = 0
    """States in the window; 0 if the cell is analog."""
    level_radix: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Ratio of the distances of two neighbouring levels from the lowest; 0 if evenly spaced."""
    g_quantum: Distance = 0.0
    """Distance of the states of an atomic constriction, S; 0 if the cell is analog."""

    read_c2c: Spread = 0.0
    """Noise of one read of one cell: standard deviation as a fraction of `g_max - g_min`."""
    g_flicker: Distance = 0.0
    """Distance of the two values between which a conductance flickers, S."""
    flicker_duty: Annotated[float, Field(ge=1e-9, lt=1)] = 0.5
    """Fraction of the time that the conductance spends at the upper value."""

    @model_validator(mode="after")
    def _check_states(self) -> Self:
        if not self.g_min < self.g_max:
            raise ValueError(f"g_max must be above g_min (got {self.g_max:g} <= {self.g_min:g})")
        if self.levels == 1:
            raise ValueError("levels must be 0 (analog), or at least 2 (got 1)")
        if self.levels and self.g_quantum:
            raise ValueError("levels must be 0 if g_quantum is given")
        if self.level_radix:
            self._check_radix()
        if self.g_quantum > self.g_range:
            raise ValueError(
                f"g_quantum must be at most g_max - g_min, {self.g_range:g} S "
                f"(got {self.g_quantum:g} S)"
            )
        if self.g_flicker > self.g_range:
            raise ValueError(
                f"g_flicker must be at most g_max - g_min, {self.g_range:g} S "
                f"(got {self.g_flicker:g} S)"
            )
        return self

    def _check_radix(self) -> None:
        if not self.level_radix > 1:
            raise ValueError(
                f"level_radix must be 0 (evenly spaced), or above 1 (got {self.level_radix:g})"
            )
        if not self.levels:
            raise ValueError("level_radix needs levels (got levels 0, an analog cell)")
        first, second = self.nominal_states()[:2].astype(np.float32)
        if not first < second:
            raise ValueError(
                f"level_radix must leave the lowest two of {self.levels} levels apart in single "
                f"precision (got {self.level_radix:g})"
            )

    def nominal_states(self) -> NDArray[np.float64]:
        """Return the states of the nominal cell, float64[states], S; none if it is analog."""
        if self.g_quantum:
            lowest, highest = self._quanta()
            return self.g_quantum * np.arange(lowest, highest + 1, dtype=np.float64)
        return self.g_min + self.g_range * level_places(self.levels, self.level_radix)

    @property
    def state_count(self) -> int:
        """Number of states of the nominal cell; 0 if it is analog."""
        if not self.g_quantum:
            return self.levels
        lowest, highest = self._quanta()
        return highest - lowest + 1

    def _quanta(self) -> tuple[int, int]:
        """Return the lowest and the highest state of an atomic constriction, in quanta."""
        lowest = max(round(self.g_min / self.g_quantum), 1)
        return lowest, max(round(self.g_max / self.g_quantum), lowest)

    @property
    def g_range(self) -> float:
        """Width of the nominal conductance window, S."""
        return self.g_max - self.g_min

    @property
    def on_off_ratio(self) -> float:
        """Highest over lowest conductance; infinite if a cell can conduct nothing."""
        return self.g_max / self.g_min if self.g_min else math.inf

    @property
    def g_mid(self) -> float:
        """Middle of the nominal window, S: weight zero, and the state of a reference cell."""
        return 0.5 * (self.g_min + self.g_max)

    @property
    def flicker_sigma(self) -> float:
        """Standard deviation of the flicker of one cell, S."""
        return self.g_flicker * (self.flicker_duty * (1 - self.flicker_duty)) ** 0.5


def level_places(levels: int, radix: float) -> NDArray[np.float64]:
    """Return the places of a cell's levels in its window, 0 to 1, float64[levels]."""
    if not radix:
        return np.linspace(0, 1, levels)
    places = np.power(radix, np.arange(1.0 - levels, 1.0), dtype=np.float64)
    places[0] = 0
    return places
