r"""Drift: structural relaxation of an amorphous phase lowers the conductance as a power of time.

.. math:: G(t) = G_p\, (t / t_0)^{-\nu},

with t >= :math:`t_0` the time since the cell was programmed (Ielmini et al.; power law of
phase-change memory). The exponent is that of the cell, or depends on the state to which it was
programmed as well, with :math:`x = G_p / G_{max}`,

.. math:: \nu = \mathrm{clip}(a \ln x + b, \nu_1, \nu_2) + \xi\,
          \mathrm{clip}(a' \ln x + b', \sigma_1, \sigma_2) \ge 0,

:math:`\xi` the cell's own standard normal number (Joshi et al., Nature Communications 11, 2473,
2020, with (-0.0155, 0.0244, 0.049, 0.1), (-0.0125, -0.0059, 0.008, 0.045) and 20 s).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Second, Spread, log_normal

ByState = Annotated[tuple[Annotated[float, Field(ge=-10, le=10)], ...], Field(max_length=4)]
LEAST = 1e-9
"""Smallest state, part of `g_max`; lower ones count as this one."""


class Drift(SourcedParameters):
    """Drift with time since programming; none by default."""

    drift_exponent: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Exponent of the drift where it is the same in all states, 0 if there is none."""
    drift_exponent_d2d: Spread = 0.0
    """Spread of `drift_exponent` from cell to cell, relative."""
    drift_by_state: ByState = ()
    """Exponent of the drift where it depends on the state: a, b, lowest and highest."""
    drift_spread_by_state: ByState = ()
    """Absolute spread of that exponent from cell to cell: a', b', lowest and highest."""
    drift_start: Annotated[float, Field(ge=1e-12, le=1e9), Second] = 1.0
    """Time after programming at which the drift begins, s."""

    @model_validator(mode="after")
    def _check_drift(self) -> Self:
        for key in ("drift_by_state", "drift_spread_by_state"):
            values = getattr(self, key)
            if values and (len(values) != 4 or not 0 <= values[2] <= values[3] <= 1):
                raise ValueError(
                    f"{key} must be a slope, an intercept, and a lowest and a highest value "
                    f"between 0 and 1 (got {list(values)})"
                )
        if self.drift_by_state and self.drift_exponent:
            raise ValueError("drift_by_state needs drift_exponent 0")
        if self.drift_spread_by_state and not self.drift_by_state:
            raise ValueError("drift_spread_by_state needs drift_by_state")
        return self

    @property
    def drifts(self) -> bool:
        """Whether a cell drifts."""
        return self.drift_exponent > 0 or bool(self.drift_by_state)

    def drift_exponent_at(self, x: Any) -> Any:
        """Return the mean exponent of cells programmed to `x`, a part of `g_max`."""
        if not self.drift_by_state:
            return np.full_like(np.asarray(x, np.float64), self.drift_exponent)
        return _by_state(self.drift_by_state, x)


class Drifting:
    """Drift of the cells of an array."""

    def __init__(
        self, drift: Drift, g_max: float, shape: tuple[int, ...], rng: np.random.Generator
    ) -> None:
        """Draw the numbers of each cell."""
        self.drift, self._g_max = drift, g_max
        self._exponent = log_normal(rng, drift.drift_exponent, drift.drift_exponent_d2d, shape)
        self._xi = rng.standard_normal(shape) if drift.drift_spread_by_state else None

    def program(self, cells: NDArray[np.bool_], conductance: NDArray[np.float32]) -> None:
        """Take the states of some `cells`, S, as newly programmed."""
        if self.drift.drift_by_state:
            x = conductance[cells] / self._g_max
            exponent = _by_state(self.drift.drift_by_state, x)
            if self._xi is not None:
                exponent += self._xi[cells] * _by_state(self.drift.drift_spread_by_state, x)
            self._exponent[cells] = np.maximum(exponent, 0)

    def left(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fraction of each conductance that drift has left since programming."""
        start = self.drift.drift_start
        return (np.maximum(age, start) / start) ** -self._exponent


def _by_state(law: tuple[float, ...], x: Any) -> Any:
    slope, intercept, lowest, highest = law
    return np.clip(slope * np.log(np.maximum(x, LEAST)) + intercept, lowest, highest)
