r"""Reads of a column while it learns: the load of its own cells on its bit line.

Between two solutions of all lines (`WiredReads`), a presentation changes one column. On its bit
line, cells m and i share the resistance :math:`K_{im}` of the common segments on their way to the
sense circuit,

.. math:: K_{im} = r_{bit}\,(M - \max(i, m)) + r_{sense}, \qquad \text{or, sensed at both ends,}
          \qquad K_{im} = r_{bit}\,\frac{(\min(i, m) + 1)\,(M - \max(i, m))}{M + 1},

for M rows, and cell m takes part of the current of cell i through it. To first order the part that
is left is :math:`1 / (1 + q_i)`, :math:`q_i = \sum_m K_{im} G_m`. The conductance that reads see is
therefore taken as

.. math:: \tilde G_i = B_i \frac{G_i}{1 + q_i},

with B such that it was exact when the lines were last solved. Two running sums give q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_loop
from cbramsim.core.verbs import (
    book_all_lines,
    book_cell_sensed,
    book_cells_read,
    book_column_sensed,
    book_lines,
    implements,
    lost_in_lines,
    see_again,
    seen,
    sum_seen,
)
from cbramsim.simulator.array.cells import sum_rows
from cbramsim.simulator.energy.ledger import Operation

CELL_READ = int(Operation.CELL_READ)
READ_WIRE = int(Operation.READ_WIRE)
PROGRAM_WIRE = int(Operation.PROGRAM_WIRE)


class ResistiveLines(NamedTuple):
    """Effect of resistive lines on an array."""

    seen: NDArray[np.float32]
    """Conductances as reads see them, float32[rows, columns], S."""
    base: NDArray[np.float32]
    """Factor B above, float32[columns, rows]."""
    starts: NDArray[np.int64]
    """First row of each tile, and the end of the last, int64[tiles + 1]."""
    above: NDArray[np.float32]
    """Factors of K for a cell m above cell i: ``above[0, i] * above[1, m]``, float32[2, rows],
    Ohm."""
    below: NDArray[np.float32]
    """Factors of K for a cell m below cell i."""
    memory: NDArray[np.float32]
    """Memory of a column, float32[rows]."""
    dissipated: NDArray[np.float64]
    """Power of a read, float64[2, rows]: into cells and into lines, both per siemens of the row's
    sum, averaged over the other word lines that are active."""
    along_word: NDArray[np.float64]
    """Resistance from the driver of a word line to each column, float64[columns], Ohm."""
    along_bit: NDArray[np.float64]
    """Resistance from each row along the bit line to its end, float64[rows], Ohm."""


@implements(sum_seen, ResistiveLines)
def _(lines, array, rows, n_active, currents, work):  # type: ignore[no-untyped-def]
    sum_rows(lines.seen, rows, n_active, currents)


@implements(seen, ResistiveLines)
def _(lines, array, row, column):  # type: ignore[no-untyped-def]
    return lines.seen[row, column]


@implements(see_again, ResistiveLines)
def _(lines, array, column):  # type: ignore[no-untyped-def]
    g, base = array.g_columns[column], lines.base[column]
    load_of_column(g, lines.starts, lines.above, lines.below, lines.memory)
    for row in range(g.size):
        lines.seen[row, column] = base[row] * g[row] / (np.float32(1) + lines.memory[row])


@implements(book_cells_read, ResistiveLines)
def _(lines, array, rows, n_active, account):  # type: ignore[no-untyped-def]
    in_cells, in_lines, cells = 0.0, 0.0, 0
    for r in range(n_active):
        row = rows[r]
        in_cells += array.row_sum[row] * lines.dissipated[0, row]
        in_lines += array.row_sum[row] * lines.dissipated[1, row]
        cells += array.n_connected[row]
    account.counts[CELL_READ] += cells
    account.joules[CELL_READ] += array.pulse.v2t_read * in_cells
    account.counts[READ_WIRE] += cells
    account.joules[READ_WIRE] += array.pulse.v2t_read * in_lines


@implements(book_column_sensed, ResistiveLines)
def _(lines, array, column, cells, account):  # type: ignore[no-untyped-def]
    total = 0.0
    along_word = lines.along_word[column]
    for row in range(lines.along_bit.size):
        g = np.float64(array.g_columns[column, row]) * (not array.inhibited[column, row])
        total += g * g * (lines.along_bit[row] + along_word)
    account.counts[PROGRAM_WIRE] += cells
    account.joules[PROGRAM_WIRE] += array.pulse.v2t_read * total


@implements(book_cell_sensed, ResistiveLines)
def _(lines, array, column, row, g, account):  # type: ignore[no-untyped-def]
    path = lines.along_bit[row] + lines.along_word[column]
    account.counts[PROGRAM_WIRE] += 1
    account.joules[PROGRAM_WIRE] += array.pulse.v2t_read * g * g * path


@implements(lost_in_lines, ResistiveLines)
def _(lines, i2t, squares, column, row):  # type: ignore[no-untyped-def]
    return i2t * squares * (lines.along_bit[row] + lines.along_word[column])


@implements(book_lines, ResistiveLines)
def _(lines, pulses, joules, account):  # type: ignore[no-untyped-def]
    account.counts[PROGRAM_WIRE] += pulses
    account.joules[PROGRAM_WIRE] += joules


@implements(book_all_lines, ResistiveLines)
def _(lines, array, spiked, part, account):  # type: ignore[no-untyped-def]
    for row in range(lines.along_bit.size):
        i2t = array.pulse.i2t_set if spiked[row] else array.pulse.i2t_reset
        squares = 0.0
        for column in range(array.g.shape[1]):
            if array.inhibited[column, row]:
                continue
            path = lines.along_bit[row] + lines.along_word[column]
            squares += np.float64(array.g[row, column]) ** 2 * path
        account.joules[PROGRAM_WIRE] += part * i2t * squares


@lean_loop
def anchor(g_columns, live, lines):  # type: ignore[no-untyped-def]
    """Take the lines as now seen as the basis of updates; `live` are the cells that can switch.

    The loss in lines of a cell that conducts nothing is taken as that of the last conducting cell
    above it.
    """
    for column in range(g_columns.shape[0]):
        g = g_columns[column]
        load_of_column(g, lines.starts, lines.above, lines.below, lines.memory)
        last = np.float32(1)
        for row in range(g.size):
            load = np.float32(1) + lines.memory[row]
            if g[row] > 0:
                part = last = lines.seen[row, column] / g[row]
            else:
                part = last if live[column, row] else np.float32(0)
            lines.base[column, row] = part * load


@lean_kernel
def load_of_column(g, starts, above, below, load):  # type: ignore[no-untyped-def]
    """Write q of a column, tile by tile, into float32[rows] `load`."""
    for t in range(starts.size - 1):
        first, end = starts[t], starts[t + 1]
        total = np.float32(0)
        for n in range(end - first):
            row = end - 1 - n
            load[row] = below[0, row] * total
            total += below[1, row] * g[row]
        total = np.float32(0)
        for row in range(first, end):
            total += above[1, row] * g[row]
            load[row] += above[0, row] * total
