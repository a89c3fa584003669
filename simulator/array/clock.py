"""Time of an array: one clock for use and for waiting, which ages the cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device

DRIFT_STEP = 100.0
"""Seconds of use after which laws of the logarithm of time are updated."""
PREFIX = "clock_"
"""Prefix of the names of saved arrays."""
RELAXED_STEP = 1e-3
"""Part of the time constant of relaxation after which it is updated."""


class Clock:
    """Time of an array, at no cost for a device that does not age.

    While the array is in use, time is accumulated until it matters, and cells then age in one step.

    Attributes
    ----------
    seconds
        The time.
    pending
        Seconds that have passed, but not yet changed any cell.
    celsius
        Their temperature, °C.
    ageing
        Ageing of the cells; None until the clock is started, or if they do not age.
    """

    def __init__(
        self,
        device: Device,
        rng: np.random.Generator,
        age: Callable[[Ageing, float, float], None],
    ) -> None:
        """Make a stopped clock.

        Parameters
        ----------
        device
            Technology of the cells.
        rng
            The stream from which the cells' own drift and relaxation are drawn.
        age
            Called with `ageing`, seconds and temperature, to age the cells.
        """
        self.device = device
        self.seconds = self.pending = 0.0
        self.celsius = 25.0
        self.ageing: Ageing | None = None
        self._rng, self._age = rng, age

    def start(self, conductance: NDArray[np.float32]) -> None:
        """Take the present state of the cells, float32[...], S, as newly programmed."""
        if self.device.ages and self.ageing is None:
            self.ageing = Ageing(self.device, conductance, self._rng)

    def advance(self, seconds: float, celsius: float) -> None:
        """Let time pass at some temperature."""
        self.seconds += seconds
        if self.ageing is None:
            return
        if celsius != self.celsius:
            self.settle()
            self.celsius = celsius
        self.pending += seconds
        if self.pending >= self._step():
            self.settle()

    def waits(self, seconds: float, celsius: float) -> bool:
        """Return whether cells do not age yet when some time passes, s."""
        if self.ageing is None:
            return not self.device.ages
        return celsius == self.celsius and self.pending + seconds < self._step()

    def settle(self) -> None:
        """Let the cells age by the pending time."""
        if self.ageing is not None and self.pending:
            seconds, self.pending = self.pending, 0.0
            self._age(self.ageing, seconds, self.celsius)

    def _step(self) -> float:
        device = self.device
        relaxation = (
            RELAXED_STEP * device.retention_time_at(self.celsius)
            if device.retention_time
            else np.inf
        )
        logarithmic = device.drifts or device.relaxes or device.read_1f
        return min(relaxation, DRIFT_STEP if logarithmic else np.inf)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the clock as arrays that can be saved; `restore` reads them back."""
        arrays: dict[str, NDArray[Any]] = {
            "clock": np.array([self.seconds, self.pending, self.celsius])
        }
        if self.ageing is not None:
            arrays |= {PREFIX + name: kept for name, kept in self.ageing.to_arrays().items()}
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]], conductance: NDArray[np.float32]) -> None:
        """Restore a saved clock, which stands still if it had not been started."""
        self.seconds, self.pending, self.celsius = (float(x) for x in arrays["clock"])
        if "clock_age" in arrays:
            self.start(conductance)
            assert self.ageing is not None  # what does not age has no ages in its state
            self.ageing.restore({name: arrays[PREFIX + name] for name in self.ageing.to_arrays()})
