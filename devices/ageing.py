"""Changes with time in the cells of an array that is left alone: drift, retention, relaxation.

All are laws of the time since programming, so each cell has an age. A cell counts as programmed
anew when its conductance differs from the one that `Ageing` left: programming itself keeps no
clock, and needs no extra time. Waiting for t1 and then t2 is the same as waiting for t1 + t2.

In a cell with several of them, retention acts on the conductance without drift, and relaxation on
the result of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.drift import Drifting
from cbramsim.devices.relaxation import Relaxing
from cbramsim.devices.retention import Dissolving
from cbramsim.devices.technology import Technology


class Ageing:
    """Ages of the cells of an array, and their effect on its conductances.

    Attributes
    ----------
    age
        float64[cells], seconds since each cell was programmed.
    relaxed
        float64[cells], integral of dt / tau since then.
    left
        float32[cells], the conductances after the last wait, S.
    programmed
        float32[cells], the conductances to which cells were programmed, S; None if no law needs
        them.
    """

    def __init__(
        self, device: Technology, conductance: NDArray[np.float32], rng: np.random.Generator
    ) -> None:
        """Draw the numbers of each cell, and take the present state as new.

        Parameters
        ----------
        device
            The technology.
        conductance
            float32[...], S.
        rng
            The stream of this purpose.
        """
        shape = conductance.shape
        self.device = device
        self.age = np.zeros(shape)
        self.relaxed = np.zeros(shape)
        self.left = conductance.copy()
        self._drifting = Drifting(device, device.g_max, shape, rng)
        self._dissolving = Dissolving(device, shape, rng)
        self._relaxing = Relaxing(device, shape, rng) if device.relaxes else None
        by_state = device.relaxes or device.drift_by_state
        self.programmed = conductance.copy() if by_state else None
        self._drifting.program(np.ones(shape, np.bool_), conductance)

    def wait(
        self, conductance: NDArray[np.float32], seconds: float, celsius: float
    ) -> NDArray[np.float32]:
        """Return the conductances, float32[...], S, after some time at some temperature."""
        self._note(conductance)
        device, g = self.device, conductance.astype(np.float64)
        if self._relaxing is not None:
            g -= self._relaxing.moved(self.programmed, self.age)  # type: ignore[arg-type]
        if device.drifts:
            g /= self._drifting.left(self.age)
        if device.retention_time:
            g = self._dissolving.wait(g, self.relaxed, seconds, celsius)
        self.age += seconds
        if device.drifts:
            g *= self._drifting.left(self.age)
        if self._relaxing is not None:
            g += self._relaxing.moved(self.programmed, self.age)  # type: ignore[arg-type]
            np.maximum(g, 0, out=g)
        self.left = g.astype(np.float32)
        return self.left.copy()

    def _note(self, conductance: NDArray[np.float32]) -> None:
        """Take cells whose conductance has changed since the last wait as programmed anew."""
        anew = conductance != self.left
        self.age[anew] = 0
        self.relaxed[anew] = 0
        if self.programmed is not None:
            self.programmed[anew] = conductance[anew]
            self._drifting.program(anew, conductance)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state of the cells, by name, for `restore`."""
        arrays: dict[str, NDArray[Any]] = {
            "age": self.age, "relaxed": self.relaxed, "left": self.left,
        }  # fmt: skip
        return arrays if self.programmed is None else arrays | {"programmed": self.programmed}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the state that `to_arrays` returned."""
        for name, saved in arrays.items():
            getattr(self, name)[:] = saved
        if self.programmed is not None:
            self._drifting.program(np.ones(self.age.shape, np.bool_), self.programmed)
