"""Noise of a pulse as compiled loops see it; the physics is in `cbramsim.devices.pulse_law`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.verbs import implements, mean_step, pulse_noise
from cbramsim.devices.laws import law_of
from cbramsim.devices.laws.shaped import depth_of, interpolated, on_one_grid
from cbramsim.devices.technology import Technology


class EvenScatter(NamedTuple):
    """Noise that is the same in all states."""

    sigma: float
    """Standard deviation of one pulse, S."""


class ShapedScatter(NamedTuple):
    """Noise that depends on the state."""

    sigma: float
    """Standard deviation of one pulse over the shape, S."""
    shapes: NDArray[np.float32]
    """Relative noise of set and of reset pulses by depth, float32[2, points]."""


class StepScatter(NamedTuple):
    """Noise in proportion to the mean step, in addition to another kind of noise."""

    of_step: float
    """Standard deviation of one pulse over its mean step."""
    law: Any
    """Law of the mean step: see `devices.laws`."""
    other: Any
    """Other kind of noise, `EvenScatter` or `ShapedScatter`, independent of this one."""


def scatter_of(device: Technology) -> EvenScatter | ShapedScatter | StepScatter:
    """Return the noise of the pulses of a device."""
    sigma, even = device.step_c2c * device.g_range, (1.0, 1.0)
    scatter: EvenScatter | ShapedScatter = EvenScatter(sigma)
    if device.noise_up or device.noise_down:
        shapes = on_one_grid(device.noise_up or even, device.noise_down or even)
        scatter = ShapedScatter(sigma, shapes)
    if device.step_c2c_of_step:
        return StepScatter(device.step_c2c_of_step, law_of(device), scatter)
    return scatter


@implements(pulse_noise, EvenScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma


@implements(pulse_noise, ShapedScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    return scatter.sigma * interpolated(scatter.shapes, way, depth_of(cells, column, row, way, g))


@implements(pulse_noise, StepScatter)
def _(scatter, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    step = mean_step(scatter.law, cells, column, row, way, g)
    return math.hypot(
        scatter.of_step * step, pulse_noise(scatter.other, cells, column, row, way, g)
    )
