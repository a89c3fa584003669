r"""What a write leaves of its own: noise in what reads see, and errors of verified programming.

*Write noise*: reads see the state of a cell with an offset that each write draws anew and that
stays until the next one,

.. math:: G_{seen} = \max(G + \xi\, \sigma_{write} (G_{max} - G_{min}), 0),

while later pulses start from the state G itself (Gong et al., Nature Communications 9, 2102, 2018,
whose trains show it; the form of Rasch et al., AICAS 2021). What reads of the array take follows
what they see; what a pulse takes, or sensing a cell, follows the state.

*Programming noise*: a cell that was programmed to a target by pulses and verification ends about
it, with a standard deviation that depends on the target,

.. math:: \sigma_{prog} = c_0 + c_1 x + c_2 x^2 + \dots, \qquad x = G_{target} / G_{max}

(phase-change memory: Joshi et al., Nature Communications 11, 2473, 2020).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from cbramsim.core.provenance import SourcedParameters
from cbramsim.core.rng import next_word, normal_of
from cbramsim.core.verbs import blur, follow_state, implements, see_column, seen_of, store
from cbramsim.devices.quantities import Siemens, Spread


class WriteNoise(SourcedParameters):
    """What a write leaves beside the state that it reaches; nothing by default."""

    write_c2c: Spread = 0.0
    """Noise of a write that reads see, but not the state: standard deviation as a fraction of
    `g_max - g_min`."""
    program_noise: Annotated[
        tuple[Annotated[float, Field(ge=-1, le=1)], ...], Field(max_length=8), Siemens
    ] = ()
    """Coefficients of the standard deviation about a target, S: see the module."""

    def program_sigma(self, target: Any, g_max: float) -> Any:
        """Return the standard deviation about a target (S) after verified programming, S."""
        x = np.asarray(target, np.float64) / g_max
        return np.maximum(np.polynomial.polynomial.polyval(x, self.program_noise or (0.0,)), 0)


class Faithful(NamedTuple):
    """Reads see the state."""


class Blurred(NamedTuple):
    """Reads see the state with what the last write left."""

    sigma: float
    """Standard deviation of the offset, S."""


def written_of(device: Any) -> Faithful | Blurred:
    """Return what a write of a device leaves."""
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
    """The offset stays."""
    seen = array.g[row, column]
    now = max(seen + (np.float32(after) - np.float32(before)), np.float32(0))
    array.g[row, column] = now
    array.g_columns[column, row] = after
    array.row_sum[row] += np.float64(now) - np.float64(seen)
    follow_state(array.noise, column, row, now)


@implements(blur, Blurred)
def _(written, array, column, row, stream):  # type: ignore[no-untyped-def]
    seen = array.g[row, column]
    offset = np.float32(written.sigma) * normal_of(next_word(stream), array.normals)
    now = max(array.g_columns[column, row] + offset, np.float32(0))
    array.g[row, column] = now
    array.row_sum[row] += np.float64(now) - np.float64(seen)
    follow_state(array.noise, column, row, now)


@implements(seen_of, Blurred)
def _(written, array, column, row):  # type: ignore[no-untyped-def]
    return array.g[row, column]


@implements(see_column, Blurred)
def _(written, array, column, seen):  # type: ignore[no-untyped-def]
    for row in range(array.g.shape[0]):
        seen[row] = array.g[row, column]
