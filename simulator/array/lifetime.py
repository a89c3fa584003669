"""Effects of time and pulses on the cells of an array: ageing and wear."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import number, whole
from cbramsim.core.rng import generator
from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device
from cbramsim.devices.endurance import YEAR, Wear, draw_endurance
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.cells import ArrayState

LONGEST_WAIT = 1e15
"""Longest wait, s; a longer one is taken for a mistake."""


class Lifetime:
    """Number of pulses that each cell survives; any number, if the device does not wear out."""

    def __init__(self, device: Device, shape: tuple[int, int], seed: int) -> None:
        """Draw the limits of cells, float64[columns, rows]."""
        self.endurance = device.endurance
        self.limit: NDArray[np.float64] | None = None
        if device.endurance:
            self.limit = draw_endurance(device, shape, generator(seed, "endurance"))
        self._weakest = 0.0 if self.limit is None else float(self.limit.min())

    def wear(self, counts: NDArray[np.uint32], images: int) -> Wear:
        """Return the wear by pulses: `counts` of each cell; `images` as for `Crossbar.wear`."""
        whole("Crossbar.wear: images", images)
        column, row = np.unravel_index(int(counts.argmax()), counts.shape)
        return Wear(
            pulses=int(counts.sum(dtype=np.int64)),
            mean=float(counts.mean()),
            hottest=int(counts.max()),
            hottest_cell=(int(row), int(column)),
            worn_out=0 if self.limit is None else int((counts >= self.limit).sum()),
            images=images,
            endurance=self.endurance,
        )

    def lasts(self, array: ArrayState) -> bool:
        """Return whether no cell has received as many pulses as the weakest survives."""
        return self.limit is None or array.hottest[0] < self._weakest

    def wear_out(self, array: ArrayState) -> None:
        """Let every cell that has got as many pulses as it survives stay where it is."""
        if self.limit is not None and not self.lasts(array):
            dead = array.wear >= self.limit
            g = array.g_columns[dead]
            array.cells[dead, G_LOW] = g
            array.cells[dead, G_HIGH] = g


def age(array: ArrayState, ageing: Ageing, seconds: float, celsius: float) -> NDArray[np.float32]:
    """Return the conductances after some time, float32[columns, rows], S; stuck cells stay."""
    g = array.g_columns
    ages = array.cells[..., G_HIGH] > array.cells[..., G_LOW]
    return np.where(ages, ageing.wait(g, seconds, celsius), g)


def total_seconds(method: str, seconds: float, hours: float, days: float, years: float) -> float:
    """Return a time in seconds, after a check of its parts."""
    named = {"seconds": seconds, "hours": hours, "days": days, "years": years}
    for name, part in named.items():
        number(f"{method}: {name}", part)
    total = seconds + 3600 * hours + 86400 * days + YEAR * years
    return number(f"{method}: time", total, 0, LONGEST_WAIT, "s")
