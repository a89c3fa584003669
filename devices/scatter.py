"""Noise of a pulse as compiled loops see it; the physics is in `cbramsim.devices.pulse_law`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.verbs import implements, pulse_noise
from cbramsim.devices.device import Device
from cbramsim.devices.laws.shaped import depth_of, interpolated


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


def scatter_of(device: Device) -> EvenScatter | ShapedScatter:
    """Return the noise of the pulses of a device."""
    sigma = device.step_c2c * device.g_range
    shapes = [np.array(getattr(device, f"noise_{way}") or (1, 1)) for way in ("up", "down")]
    if not (device.noise_up or device.noise_down):
        return EvenScatter(sigma)
    depth = np.linspace(0, 1, math.lcm(*(len(shape) - 1 for shape in shapes)) + 1)
    both = [np.interp(depth, np.linspace(0, 1, len(shape)), shape) for shape in shapes]
    return ShapedScatter(sigma, np.array(both, np.float32))


@implements(pulse_noise, EvenScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma


@implements(pulse_noise, ShapedScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma * interpolated(scatter.shapes, way, depth_of(cells, column, row, way, g))
