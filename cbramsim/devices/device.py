r"""One memory cell technology: conductance range, pulses, noise, voltages.

A potentiating (set) pulse and a depressing (reset) pulse move the conductance by a fraction of its
distance to an asymptote,

.. math:: G \leftarrow G + r_{up} (G_{up,\infty} - G), \qquad
          G \leftarrow G + r_{down} (G_{down,\infty} - G),

which is the exponential pulse curve of the field, :math:`G(P) = B (1 - e^{-P/A}) + G_{min}`
(MLP+NeuroSim V3.0 manual, eqs 1-3), written as one step: :math:`r = 1 - e^{-1/A}` and
:math:`G_\infty = G_{min} + B`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from cbramsim.provenance import SourcedParameters

Spread = Annotated[float, Field(ge=0, le=2)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Siemens, Volt, Second, Farad = "S", "V", "s", "F"


class Device(SourcedParameters):
    """A frozen description of one cell technology, in SI units.

    A quantity and its spreads are named alike: `x`, `x_d2d` (relative standard deviation from
    device to device, drawn once per cell), `x_c2c` (standard deviation from cycle to cycle, drawn
    at every event).
    """

    catalog_package: ClassVar[str] = "cbramsim.devices"

    g_min: Annotated[float, Field(gt=0, le=1), Siemens]
    """Lowest programmable conductance, S."""
    g_min_d2d: Spread = 0.0
    """Spread of `g_min` from cell to cell, relative."""
    g_max: Annotated[float, Field(gt=0, le=1), Siemens]
    """Highest programmable conductance, S."""
    g_max_d2d: Spread = 0.0
    """Spread of `g_max` from cell to cell, relative."""

    r_up: Annotated[float, Field(gt=0, le=1)]
    """Fraction of the distance to `g_up_inf` that one set pulse covers."""
    r_up_d2d: Spread = 0.0
    """Spread of `r_up` from cell to cell, relative."""
    g_up_inf: Annotated[float, Field(gt=0, le=1000), Siemens]
    """Conductance that endless set pulses would approach, S; at least `g_max`."""
    r_down: Annotated[float, Field(gt=0, le=1)]
    """Fraction of the distance to `g_down_inf` that one reset pulse covers."""
    r_down_d2d: Spread = 0.0
    """Spread of `r_down` from cell to cell, relative."""
    g_down_inf: Annotated[float, Field(ge=-1000, le=1), Siemens]
    """Conductance that endless reset pulses would approach, S; at most `g_min`, may be negative."""
    step_c2c: Spread = 0.0
    """Noise of one pulse: standard deviation as a fraction of `g_max - g_min`."""

    stuck_low: Fraction = 0.0
    """Fraction of cells that stay at their lowest conductance whatever the pulses."""
    stuck_high: Fraction = 0.0
    """Fraction of cells that stay at their highest conductance whatever the pulses."""

    v_set: Annotated[float, Field(gt=0, le=100), Volt]
    """Amplitude of a set pulse, V."""
    t_set: Annotated[float, Field(gt=0, le=10), Second]
    """Width of a set pulse, s."""
    v_reset: Annotated[float, Field(gt=0, le=100), Volt]
    """Amplitude of a reset pulse (its magnitude), V."""
    t_reset: Annotated[float, Field(gt=0, le=10), Second]
    """Width of a reset pulse, s."""

    v_read: Annotated[float, Field(gt=0, le=100), Volt]
    """Read voltage on an active word line, V."""
    t_read: Annotated[float, Field(gt=0, le=10), Second]
    """Width of a read pulse, s."""
    read_c2c: Spread = 0.0
    """Noise of one read of one cell: standard deviation as a fraction of `g_max - g_min`."""

    c_cell: Annotated[float, Field(ge=0, le=1e-9), Farad] = 0.0
    """Line capacitance per cell passed, F: charging a line of n cells costs n C V²."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.g_min < self.g_max:
            raise ValueError(f"g_max must be above g_min (got {self.g_max:g} <= {self.g_min:g})")
        if self.g_up_inf < self.g_max:
            raise ValueError(
                f"g_up_inf must be at least g_max, {self.g_max:g} S (got {self.g_up_inf:g} S); for "
                f"N pulses with constant A: g_min + (g_max - g_min) / (1 - exp(-N / A))"
            )
        if self.g_down_inf > self.g_min:
            raise ValueError(
                f"g_down_inf must be at most g_min, {self.g_min:g} S (got {self.g_down_inf:g} S); "
                f"for N pulses with constant A: g_max - (g_max - g_min) / (1 - exp(-N / A))"
            )
        if self.stuck_low + self.stuck_high > 1:
            raise ValueError("stuck_low + stuck_high must be <= 1")
        return self

    @property
    def g_range(self) -> float:
        """Width of the nominal conductance window, S."""
        return self.g_max - self.g_min

    @property
    def g_mid(self) -> float:
        """Middle of the nominal window, S: weight zero, and the state of a reference cell."""
        return 0.5 * (self.g_min + self.g_max)

    def weight_of(self, conductance: Any) -> Any:
        """Return the weight of a conductance (S) or an array: -1 at `g_min`, +1 at `g_max`."""
        return 2 * (conductance - self.g_min) / self.g_range - 1

    def conductance_of(self, weight: Any) -> Any:
        """Return the conductance, S, of a weight or an array of weights: inverse of `weight_of`."""
        return self.g_min + 0.5 * (weight + 1) * self.g_range

    @property
    def pulses_up(self) -> float:
        """Set pulses from `g_min` to `g_max` in the nominal, noiseless device."""
        left = (self.g_up_inf - self.g_max) / (self.g_up_inf - self.g_min)
        return _train_length(self.r_up, left)

    @property
    def pulses_down(self) -> float:
        """Reset pulses from `g_max` to `g_min` in the nominal, noiseless device."""
        left = (self.g_min - self.g_down_inf) / (self.g_max - self.g_down_inf)
        return _train_length(self.r_down, left)

    def without_variability(self) -> Self:
        """Return the same technology with identical, noiseless cells."""
        spreads = [key for key in self.physical_parameters() if key.endswith(("_d2d", "_c2c"))]
        return self.replace(**dict.fromkeys([*spreads, "stuck_low", "stuck_high"], 0.0))


def _train_length(fraction: float, left: float) -> float:
    """Return after how many pulses of `fraction` a distance has shrunk to its part `left`."""
    if left <= 0 or fraction >= 1:
        return math.inf if left <= 0 else 1.0
    return math.log(left) / math.log1p(-fraction)
