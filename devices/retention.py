r"""Retention: a filament dissolves with time, faster at higher temperature.

The conductance relaxes towards `g_relaxed`,

.. math:: G(t) = G_r + (G_p - G_r)\, e^{-(t / \tau)^\beta}, \qquad
          \tau(T) = \tau_{ref} \exp\left[\frac{E_a}{k}\left(\frac1T - \frac1{T_{ref}}\right)\right]

(Arrhenius). With a history of temperatures, :math:`t / \tau` is the integral of
:math:`dt / \tau(T)`.
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
"""Number of time constants after which nothing is left; larger numbers could overflow."""
COLDEST, HOTTEST = -273.0, 1000.0
"""Range of temperatures, °C."""

Celsius, ElectronVolt = "degC", "eV"


class Retention(SourcedParameters):
    """Loss of the state with time and temperature; none by default."""

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

    def retention_time_at(self, celsius: float) -> float:
        """Return the time constant of relaxation at a temperature, s."""
        checked_celsius(celsius)
        inverse = 1 / (celsius + ZERO_CELSIUS) - 1 / (self.retention_celsius + ZERO_CELSIUS)
        exponent = self.activation_energy / BOLTZMANN * inverse
        return self.retention_time * math.exp(min(max(exponent, -600.0), 600.0))


def checked_celsius(celsius: float) -> float:
    """Return a temperature, °C, after a check of its range."""
    return number("celsius:", celsius, COLDEST, HOTTEST)


class Dissolving:
    """Retention of the cells of an array."""

    def __init__(
        self, retention: Retention, shape: tuple[int, ...], rng: np.random.Generator
    ) -> None:
        """Draw the numbers of each cell."""
        self.retention = retention
        self._slowness = log_normal(rng, 1.0, retention.retention_time_d2d, shape)

    def wait(
        self, g: NDArray[np.float64], relaxed: NDArray[np.float64], seconds: float, celsius: float
    ) -> NDArray[np.float64]:
        """Return conductances, S, after some time; `relaxed`, integral of dt / tau, is updated."""
        tau = self.retention.retention_time_at(celsius)
        beta, target = self.retention.retention_exponent, self.retention.g_relaxed
        before = relaxed**beta
        relaxed += np.minimum(seconds / (tau * self._slowness), RELAXED)
        return target + (g - target) * np.exp(before - relaxed**beta)
