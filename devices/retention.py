r"""What time and temperature do to the conductance of a cell that is left alone.

*Drift* (structural relaxation of an amorphous phase): :math:`G(t) = G_p (t / t_0)^{-\nu}`, t the
time since the cell was programmed, from :math:`t_0` on (Ielmini et al.; power law of PCM).

*Retention* (a filament dissolves): the conductance relaxes towards `g_relaxed`,

.. math:: G(t) = G_r + (G_p - G_r)\, e^{-(t / \tau)^\beta}, \qquad
          \tau(T) = \tau_{ref} \exp\left[\frac{E_a}{k}\left(\frac1T - \frac1{T_{ref}}\right)\right]

(Arrhenius). With a history of temperatures, :math:`t / \tau` is the integral of
:math:`dt / \tau(T)`. In a cell that does both, it is the conductance without its drift that
relaxes.

Both are laws of the time since programming, so each cell has an age. A cell counts as programmed
anew when its conductance is not what `Ageing` left behind: programming itself keeps no clock, and
costs nothing. Waiting for t1 and then t2 is the same as waiting for t1 + t2.
"""

from __future__ import annotations

import math
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.arguments import number
from cbramsim.core.provenance import SourcedParameters
from cbramsim.core.validation import zero_or_from
from cbramsim.devices.quantities import Distance, Second, Spread, log_normal

BOLTZMANN = 8.617333262e-5
"""Boltzmann constant, eV/K."""
ZERO_CELSIUS = 273.15
"""0 °C, K."""
RELAXED = 1e100
"""Time constants after which nothing is left; more would be too large a number."""
COLDEST, HOTTEST = -273.0, 1000.0
"""Range of temperatures, °C."""

Celsius, ElectronVolt = "degC", "eV"


class Retention(SourcedParameters):
    """Drift and retention; neither by default."""

    drift_exponent: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Exponent of the drift, 0 if there is none."""
    drift_exponent_d2d: Spread = 0.0
    """Spread of `drift_exponent` from cell to cell, relative."""
    drift_start: Annotated[float, Field(ge=1e-12, le=1e9), Second] = 1.0
    """Time after programming from which on a cell drifts, s."""

    retention_time: Annotated[float, Field(ge=0, le=1e15), zero_or_from(1e-12), Second] = 0.0
    """Time constant of relaxation at `retention_celsius`, s; 0 if the cell does not relax."""
    retention_time_d2d: Spread = 0.0
    """Spread of `retention_time` from cell to cell, relative."""
    retention_celsius: Annotated[float, Field(gt=COLDEST, le=HOTTEST), Celsius] = 25.0
    """Temperature at which `retention_time` holds, °C."""
    activation_energy: Annotated[float, Field(ge=0, le=10), ElectronVolt] = 0.0
    """Activation energy of relaxation, eV; 0 if it does not depend on temperature."""
    retention_exponent: Annotated[float, Field(ge=0.01, le=2)] = 1.0
    """Stretching of the relaxation: 1 is exponential, below 1 has a long tail."""
    g_relaxed: Distance = 0.0
    """Conductance towards which a cell relaxes, S."""

    @model_validator(mode="after")
    def _check_retention(self) -> Self:
        if self.activation_energy and not self.retention_time:
            raise ValueError("activation_energy needs a retention_time (got 0)")
        return self

    @property
    def ages(self) -> bool:
        """Whether time changes the conductance."""
        return self.drift_exponent > 0 or self.retention_time > 0

    def retention_time_at(self, celsius: float) -> float:
        """Return the time constant of relaxation at a temperature, s."""
        checked_celsius(celsius)
        inverse = 1 / (celsius + ZERO_CELSIUS) - 1 / (self.retention_celsius + ZERO_CELSIUS)
        exponent = self.activation_energy / BOLTZMANN * inverse
        return self.retention_time * math.exp(min(max(exponent, -600.0), 600.0))


def checked_celsius(celsius: float) -> float:
    """Return a temperature, °C, after a check that there is such a one."""
    return number("celsius:", celsius, COLDEST, HOTTEST)


class Ageing:
    """The ages of the cells of an array, and what they do to its conductances.

    Attributes
    ----------
    age
        float64[cells], seconds since each cell was programmed.
    relaxed
        float64[cells], integral of dt / tau since then.
    left
        float32[cells], the conductances that were left behind, S.
    """

    def __init__(
        self, retention: Retention, conductance: NDArray[np.float32], rng: np.random.Generator
    ) -> None:
        """Draw the cells' own drift and retention, and take their present state as new.

        Parameters
        ----------
        retention
            The device's parameters.
        conductance
            float32[...], S.
        rng
            The stream of this purpose.
        """
        shape = conductance.shape
        self.retention = retention
        self.age = np.zeros(shape)
        self.relaxed = np.zeros(shape)
        self.left = conductance.copy()
        self._exponent = log_normal(
            rng, retention.drift_exponent, retention.drift_exponent_d2d, shape
        )
        self._slowness = log_normal(rng, 1.0, retention.retention_time_d2d, shape)

    def wait(
        self, conductance: NDArray[np.float32], seconds: float, celsius: float
    ) -> NDArray[np.float32]:
        """Return the conductances, float32[...], S, after some time at some temperature."""
        programmed = conductance != self.left
        self.age[programmed] = 0
        self.relaxed[programmed] = 0
        g = conductance.astype(np.float64)
        if self.retention.drift_exponent:
            g /= self._drift()
        if self.retention.retention_time:
            tau = self.retention.retention_time_at(celsius)
            g = self._relax(g, seconds / (tau * self._slowness))
        self.age += seconds
        if self.retention.drift_exponent:
            g *= self._drift()
        self.left = g.astype(np.float32)
        return self.left.copy()

    def _drift(self) -> NDArray[np.float64]:
        """Return what drift has left of each conductance since it was programmed, a fraction."""
        start = self.retention.drift_start
        return (np.maximum(self.age, start) / start) ** -self._exponent

    def _relax(self, g: NDArray[np.float64], part: NDArray[np.float64]) -> NDArray[np.float64]:
        beta, target = self.retention.retention_exponent, self.retention.g_relaxed
        before = self.relaxed**beta
        self.relaxed += np.minimum(part, RELAXED)
        return target + (g - target) * np.exp(before - self.relaxed**beta)
