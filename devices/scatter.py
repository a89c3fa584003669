"""Noise of a pulse as compiled loops see it; the physics is in `cbramsim.devices.pulse_law`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.verbs import implements, pulse_noise
from cbramsim.devices.laws.shaped import depth_of, interpolated, on_one_grid
from cbramsim.devices.technology import Technology


class EvenScatter(NamedTuple):
    """Noise that is the same in all states."""

    sigma: float
    """Standard deviation of one pulse, S."""


class ShapedScatter(NamedTuple):
    """Noise that depends on the state."""

    sigma: float
    """S, times the shape."""
    shapes: NDArray[np.float32]
    """Relative noise of set and of reset pulses by depth, float32[2, points]."""


def scatter_of(device: Technology) -> EvenScatter | ShapedScatter:
    """Return the noise of the pulses of a device."""
    sigma = device.step_c2c * device.g_range
    if not (device.noise_up or device.noise_down):
        return EvenScatter(sigma)
    even = (1.0, 1.0)
    return ShapedScatter(sigma, on_one_grid(device.noise_up or even, device.noise_down or even))


@implements(pulse_noise, EvenScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma


@implements(pulse_noise, ShapedScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma * interpolated(scatter.shapes, way, depth_of(cells, column, row, way, g))
