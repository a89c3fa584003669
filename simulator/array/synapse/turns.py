"""Choice of the cells of a weight that get the pulses of an update, or a weight written anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import part
from cbramsim.core.verbs import implements, place, take_turns


class BothWays(NamedTuple):
    """Set and reset pulses; the reverse for cells of a falling side."""


class BySets(NamedTuple):
    """Set pulses only, for pairs: on one side to rise, on the other to fall."""


class Orders(NamedTuple):
    """Pulses of one update, sorted by the cells that get them."""

    planes: NDArray[np.int64]
    """Plane of the cells, one entry for each side, int64[2]."""
    counts: NDArray[np.int64]
    """Number of pulsed cells of each side, int64[2]."""
    rows: NDArray[np.int32]
    """Rows of these cells, int32[2, rows + 1]."""
    pulses: NDArray[np.int32]
    """Signed pulses of these cells, int32[2, rows + 1]."""

    @classmethod
    def of(cls, rows: int) -> Orders:
        """Return memory for the orders of a column of `rows` weights."""
        return cls(*np.zeros((2, 2), np.int64), *np.zeros((2, 2, rows + 1), np.int32))


def second_group(weight, share):  # type: ignore[no-untyped-def]
    """Return the weight, -1 to 1, of the more significant cells, which make up 1 - `share`.

    It is as much of `weight` as they can take; 0 if there are none.
    """
    return np.minimum(np.maximum(weight / max(1 - share, 1e-300), -1), 1) if share < 1 else 0.0


def first_group(weight, second, share):  # type: ignore[no-untyped-def]
    """Return the weight, -1 to 1, of the cells that learn, if the others have `second`."""
    return np.minimum(np.maximum((weight - (1 - share) * second) / share, -1), 1)


second_group_of, first_group_of = part(second_group), part(first_group)
"""Weights of the two groups, for compiled loops."""


@implements(place, BothWays)
def _(writing, weight):  # type: ignore[no-untyped-def]
    return weight


@implements(place, BySets)
def _(writing, weight):  # type: ignore[no-untyped-def]
    return 2 * np.maximum(weight, 0.0) - 1


@implements(take_turns, BothWays)
def _(writing, synapses, column, rows, pulses, n):  # type: ignore[no-untyped-def]
    """Take all cells of the neuron in turn, the two sides of a pair one after the other."""
    orders = synapses.orders
    plane = synapses.updates[column] % synapses.written
    sign = np.int32(1) if synapses.parts[plane] > 0 else np.int32(-1)
    orders.planes[0], orders.counts[0], orders.counts[1] = plane, n, 0
    for j in range(n):
        orders.rows[0, j], orders.pulses[0, j] = rows[j], sign * pulses[j]


@implements(take_turns, BySets)
def _(writing, synapses, column, rows, pulses, n):  # type: ignore[no-untyped-def]
    """Take the cells of each side in turn."""
    orders = synapses.orders
    pair = synapses.updates[column] % (synapses.written // 2)
    for side in range(2):
        orders.planes[side], orders.counts[side] = 2 * pair + side, 0
    for j in range(n):
        side = np.int64(pulses[j] < 0)
        at = orders.counts[side]
        orders.rows[side, at], orders.pulses[side, at] = rows[j], abs(pulses[j])
        orders.counts[side] = at + 1
