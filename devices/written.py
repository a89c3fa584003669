"""Errors of a write in compiled loops; the physics is in `devices.write_noise`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cbramsim.core.kernels import part
from cbramsim.core.rng import next_word, normal_of
from cbramsim.core.verbs import blur, follow_state, implements, see_column, seen_of, store
from cbramsim.devices.technology import Technology


class Faithful(NamedTuple):
    """Reads that see the state."""


class Blurred(NamedTuple):
    """Reads that see the state with the offset of the last write."""

    sigma: float
    """Standard deviation of the offset, S."""


def written_of(device: Technology) -> Faithful | Blurred:
    """Return the errors of a write of a device."""
    return Blurred(device.write_c2c * device.g_range) if device.write_c2c else Faithful()


@implements(store, Faithful)
def _(written, array, column, row, before, after):  # type: ignore[no-untyped-def]
    array.g[row, column] = after
    array.g_columns[column, row] = after
    array.row_sum[row] += np.float64(after) - np.float64(before)
    follow_state(array.noise, column, row, after)


@implements(blur, Faithful)
def _(written, array, column, row, stream):  # type: ignore[no-untyped-def]
    pass


@implements(seen_of, Faithful)
def _(written, array, column, row):  # type: ignore[no-untyped-def]
    return array.g_columns[column, row]


@implements(see_column, Faithful)
def _(written, array, column, seen):  # type: ignore[no-untyped-def]
    g = array.g_columns[column]
    for row in range(g.size):
        seen[row] = g[row]


@implements(store, Blurred)
def _(written, array, column, row, before, after):  # type: ignore[no-untyped-def]
    """Keep the offset."""
    array.g_columns[column, row] = after
    _show(array, column, row, array.g[row, column] + (np.float32(after) - np.float32(before)))


@implements(blur, Blurred)
def _(written, array, column, row, stream):  # type: ignore[no-untyped-def]
    offset = np.float32(written.sigma) * normal_of(next_word(stream), array.normals)
    _show(array, column, row, array.g_columns[column, row] + offset)


@part
def _show(array, column, row, g):  # type: ignore[no-untyped-def]
    """Let reads see a cell at `g`, S, or at 0 where that is negative."""
    before, now = array.g[row, column], max(g, np.float32(0))
    array.g[row, column] = now
    array.row_sum[row] += np.float64(now) - np.float64(before)
    follow_state(array.noise, column, row, now)


@implements(seen_of, Blurred)
def _(written, array, column, row):  # type: ignore[no-untyped-def]
    return array.g[row, column]


@implements(see_column, Blurred)
def _(written, array, column, seen):  # type: ignore[no-untyped-def]
    for row in range(array.g.shape[0]):
        seen[row] = array.g[row, column]
