"""Grids of states as compiled loops see them; the physics is in `cbramsim.devices.states`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cbramsim.core.kernels import floor, lean_kernel
from cbramsim.core.rng import next_word, upper_uniform_of
from cbramsim.core.verbs import implements, nearby_state, nearby_state_drawn
from cbramsim.devices.technology import Technology


class Continuous(NamedTuple):
    """An analog cell: every conductance of its window is a state."""


class EvenLevels(NamedTuple):
    """States at equal distances in the cell's own window."""

    levels: int


class SpacedLevels(NamedTuple):
    """States whose distances from the lowest grow by a ratio."""

    levels: int
    radix: float


class Quanta(NamedTuple):
    """States at the multiples of a quantum of conductance."""

    quantum: float
    """S."""


def grid_of(device: Technology) -> Continuous | EvenLevels | SpacedLevels | Quanta:
    """Return the grid of a device."""
    if device.level_radix:
        return SpacedLevels(device.levels, device.level_radix)
    if device.levels:
        return EvenLevels(device.levels)
    return Quanta(device.g_quantum) if device.g_quantum else Continuous()


@implements(nearby_state, Continuous)
def _(grid, g, low, high, uniform):  # type: ignore[no-untyped-def]
    return g


@implements(nearby_state, EvenLevels)
def _(grid, g, low, high, uniform):  # type: ignore[no-untyped-def]
    return _even(g, low, np.float64(high - low) / (grid.levels - 1), uniform)


@implements(nearby_state, Quanta)
def _(grid, g, low, high, uniform):  # type: ignore[no-untyped-def]
    return _even(g, low, grid.quantum, uniform)


@implements(nearby_state, SpacedLevels)
def _(grid, g, low, high, uniform):  # type: ignore[no-untyped-def]
    """Leave `g` outside the window unchanged."""
    window = np.float64(high - low)
    if window <= 0:
        return np.float64(low)
    place = (g - low) / window
    if place < 0 or place > 1:
        return np.float64(g)
    above, below, left = 1.0, 1 / grid.radix, grid.levels - 2
    while left > 0 and place < below:
        above, below, left = below, below / grid.radix, left - 1
    if left == 0:
        below = 0.0
    chosen = above if (place - below) / (above - below) + uniform >= 1 else below
    return low + chosen * window


@lean_kernel
def _even(g, low, distance, uniform):  # type: ignore[no-untyped-def]
    steps = floor((g - low) / distance + uniform) if distance > 0 else 0.0
    return low + steps * distance


@implements(nearby_state_drawn, Continuous)
def _(grid, g, low, high, stream):  # type: ignore[no-untyped-def]
    return g


def _drawn(grid, g, low, high, stream):  # type: ignore[no-untyped-def]
    state = np.float64(nearby_state(grid, g, low, high, upper_uniform_of(next_word(stream))))
    return min(max(state, np.float64(low)), np.float64(high))


for _kind in (EvenLevels, SpacedLevels, Quanta):
    implements(nearby_state_drawn, _kind)(_drawn)
