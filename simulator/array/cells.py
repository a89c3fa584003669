"""Cells of an array in the form of compiled loops, and the kernels that read and store them.

The equations are in the docstrings of `simulator.array.crossbar` and `devices.device`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import each, lean_vector_kernel, part
from cbramsim.core.verbs import (
    add_normals,
    add_read_noise,
    add_reference,
    book_cells_read,
    compensate,
    convert,
    implements,
    leave_out,
    missing,
    read,
    sum_cells,
    sum_seen,
)
from cbramsim.devices.pulses import PulseConstants
from cbramsim.simulator.energy.ledger import Operation

WORD_LINE_DRIVE = int(Operation.WORD_LINE_DRIVE)
REFERENCE_READ = int(Operation.REFERENCE_READ)


class BookedAs(NamedTuple):
    """Operations under which pulses are booked."""

    set: int
    """`Operation` of set pulses."""
    reset: int
    """`Operation` of reset pulses."""

    @classmethod
    def both(cls, operation: Operation) -> Self:
        """Return one operation for set and for reset pulses."""
        return cls(int(operation), int(operation))


LEARNING = BookedAs(int(Operation.LTP_PULSE), int(Operation.LTD_PULSE))
"""Operations under which the pulses of a rule are booked."""


class ProgramCosts(NamedTuple):
    """Energies of programming that depend neither on the state of a cell nor on the access, J."""

    line_set: float
    """Energy of charging the lines for one set pulse."""
    line_reset: float
    """Energy of charging the lines for one reset pulse."""
    sense: float
    """Energy of sensing one cell to `SENSED_BITS` bits, without the current through it."""


class ArrayState(NamedTuple):
    """Cells of an array, with their physics and connections, for compiled loops."""

    g: NDArray[np.float32]
    """Conductances as reads see them, float32[rows, columns], S: a row is contiguous, as rows are
    read."""
    g_columns: NDArray[np.float32]
    """States of the cells, float32[columns, rows], S: the same conductances, unless writes leave
    noise. A column is contiguous, as columns are programmed. Every change of a cell writes both."""
    cells: NDArray[np.float32]
    """Each cell's own window and steps, float32[columns, rows, 6], see `draw_population`."""
    wear: NDArray[np.uint32]
    """Pulses that each cell has received, uint32[columns, rows]."""
    hottest: NDArray[np.uint32]
    """Pulses of the cell that has received the most, kept in step with every pulse, uint32[1]."""
    inhibited: NDArray[np.bool_]
    """Cells that get no more pulses, bool[columns, rows]."""
    row_sum: NDArray[np.float64]
    """Sum of `g` over each row, kept in step with every pulse, float64[rows], S."""
    n_connected: NDArray[np.int64]
    """Connected cells of each row, int64[rows]."""
    nominal: NDArray[np.float32]
    """Nominal cell that a controller assumes, float32[1, 1, 6]."""
    reckoned: Any
    """Law that a controller assumes."""
    normals: NDArray[np.float32]
    """Standard-normal numbers to draw from, see `normal_table`."""
    pulse: PulseConstants
    """Numbers that all cells share."""
    costs: ProgramCosts
    """Energies of programming."""
    booked_as: BookedAs
    """Operations under which pulses while learning are booked."""
    law: Any
    """Law of the mean step of a pulse: see `devices.laws`."""
    scatter: Any
    """Noise of a pulse: see `devices.scatter`."""
    written: Any
    """Errors that a write leaves: see `devices.written`."""
    grid: Any
    """States in which a pulse may end: see `devices.grids`."""
    noise: Any
    """Noise of a read: see `devices.noise`."""
    gain: Any
    """Compensation of drift: see `array.compensation`."""
    gaps: Any
    """Disconnected cells: `AllConnected` or `Disconnected`."""
    lines: Any
    """Lines between cells and terminals: `IdealLines` or `ResistiveLines`."""
    access: Any
    """Access device of each cell: see `simulator.array.access`."""


class AllConnected(NamedTuple):
    """Marker that every cell is part of the array."""


class Disconnected(NamedTuple):
    """Cells that have been taken out, with their share of the comparison."""

    spared: NDArray[np.float32]
    """Reference conductance that a disconnected cell takes out of its column's comparison, S,
    float32[rows, columns]; 0 for others."""
    g_mid: float
    """Conductance of a reference cell, S."""


@part
def book_rows_read(array, references, rows, n_active, account):  # type: ignore[no-untyped-def]
    """Book a read of active rows, with reference cells on each, without its conversion."""
    cells = references * n_active
    account.counts[WORD_LINE_DRIVE] += n_active
    account.counts[REFERENCE_READ] += cells
    account.joules[REFERENCE_READ] += array.pulse.v2t_read * cells * array.pulse.g_mid
    book_cells_read(array.lines, array, rows, n_active, account)


@implements(read, ArrayState)
def _(array, readout, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    book_rows_read(array, 1, work.rows, n_active, account)
    return convert(readout, array, n_active, work, stream, account)


@implements(sum_cells, ArrayState)
def _(array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    sum_seen(array.lines, array, rows, n_active, currents, work)
    add_reference(array.gaps, rows, n_active, currents, work)
    add_read_noise(array.noise, array, rows, n_active, currents, work, stream)
    compensate(array.gain, array, currents, work)


@lean_vector_kernel
def sum_rows(g, rows, n_active, out):  # type: ignore[no-untyped-def]
    """Add up the rows of `g` at the first `n_active` of `rows` into `out`, float32[columns].

    The in-memory product with a vector of spikes: eight rows at a time, so that a sum is loaded
    and stored once for eight additions.
    """
    columns = out.size
    for k in range(columns):
        out[k] = np.float32(0)
    r = 0
    while r + 8 <= n_active:
        a, b, c, d = g[rows[r]], g[rows[r + 1]], g[rows[r + 2]], g[rows[r + 3]]
        e, f, h, i = g[rows[r + 4]], g[rows[r + 5]], g[rows[r + 6]], g[rows[r + 7]]
        for k in range(columns):
            out[k] += ((a[k] + b[k]) + (c[k] + d[k])) + ((e[k] + f[k]) + (h[k] + i[k]))
        r += 8
    while r < n_active:
        a = g[rows[r]]
        for k in range(columns):
            out[k] += a[k]
        r += 1


@implements(add_reference, AllConnected)
def _(gaps, rows, n_active, currents, work):  # type: ignore[no-untyped-def]
    pass


@implements(add_normals, AllConnected)
def _(gaps, sigma, n_active, currents, work, numbers):  # type: ignore[no-untyped-def]
    total = np.float32(sigma * math.sqrt(n_active))
    for k in each(currents.size):
        currents[k] += total * numbers[k]


@implements(add_reference, Disconnected)
def _(gaps, rows, n_active, currents, work):  # type: ignore[no-untyped-def]
    """Leave the spared conductance in ``work.spared``, for `add_normals` and `leave_out`."""
    sum_rows(gaps.spared, rows, n_active, work.spared[: currents.size])
    for k in each(currents.size):
        currents[k] += work.spared[k]


@implements(add_normals, Disconnected)
def _(gaps, sigma, n_active, currents, work, numbers):  # type: ignore[no-untyped-def]
    for k in each(currents.size):
        cells = max(n_active - work.spared[k] / gaps.g_mid, 0.0)
        currents[k] += np.float32(sigma * math.sqrt(cells)) * numbers[k]


@implements(leave_out, AllConnected)
def _(gaps, g, currents, work):  # type: ignore[no-untyped-def]
    pass


@implements(leave_out, Disconnected)
def _(gaps, g, currents, work):  # type: ignore[no-untyped-def]
    part = np.float32(g / gaps.g_mid)
    for k in each(currents.size):
        currents[k] -= part * work.spared[k]


@implements(missing, AllConnected)
def _(gaps, row, column):  # type: ignore[no-untyped-def]
    return False


@implements(missing, Disconnected)
def _(gaps, row, column):  # type: ignore[no-untyped-def]
    return gaps.spared[row, column] > 0
