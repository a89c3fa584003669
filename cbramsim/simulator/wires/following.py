r"""What reads see of a column while it learns: how its own cells load its bit line.

Between two looks at all the lines (`WiredReads`), a presentation changes one column. On its bit
line, cells m and i have the resistance :math:`K_{im}` of the segments in common on their way to
what is sensed,

.. math:: K_{im} = r_{bit}\,(M - \max(i, m)) + r_{sense}, \qquad \text{or, sensed at both ends,}
          \qquad K_{im} = r_{bit}\,\frac{(\min(i, m) + 1)\,(M - \max(i, m))}{M + 1},

for M rows, and cell m takes part of the current of cell i through it. To first order the part that
is left is :math:`1 / (1 + q_i)`, :math:`q_i = \sum_m K_{im} G_m`. What reads see of the column is
therefore taken as

.. math:: \tilde G_i = B_i \frac{G_i}{1 + q_i},

with B such that it was exact when the lines were last looked at. Two running sums give q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.kernels import compiled_loop, kernel


class Wired(NamedTuple):
    """What resistive lines make of an array; empty with ideal lines."""

    base: NDArray[np.float32]
    """B above, float32[columns, rows]."""
    starts: NDArray[np.int64]
    """First row of each tile, and the end of the last, int64[tiles + 1]."""
    above: NDArray[np.float32]
    """K is ``above[0, i] * above[1, m]`` for a cell m above cell i, float32[2, rows], and 1 Ohm."""
    below: NDArray[np.float32]
    """The same for a cell m below cell i."""
    memory: NDArray[np.float32]
    """Of a column, float32[rows]."""
    dissipated: NDArray[np.float64]
    """Where the power of a read goes, float64[2, rows]: into cells and into lines, both per siemens
    of the row's sum, averaged over the other word lines that are active."""
    along_word: NDArray[np.float64]
    """Resistance from the driver of a word line to each column, float64[columns], Ohm."""
    along_bit: NDArray[np.float64]
    """Resistance from each row along the bit line to its end, float64[rows], Ohm."""


def no_wires() -> Wired:
    """Return what says that lines are ideal."""
    none = np.zeros((0, 0), np.float32)
    return Wired(
        none, np.zeros(0, np.int64), none, none, np.zeros(0, np.float32), np.zeros((2, 0)),
        np.zeros(0), np.zeros(0),
    )  # fmt: skip


@kernel
def see_column(seen, g, wired, column):  # type: ignore[no-untyped-def]
    """Write what reads see of a column of conductances `g`, float32[rows], into `seen`."""
    base = wired.base[column]
    load_of_column(g, wired.starts, wired.above, wired.below, wired.memory)
    for row in range(g.size):
        seen[row, column] = base[row] * g[row] / (np.float32(1) + wired.memory[row])


@compiled_loop
def anchor(seen, g_columns, wired):  # type: ignore[no-untyped-def]
    """Take the lines as they are seen now, float32[rows, columns], for what follows."""
    for column in range(g_columns.shape[0]):
        g = g_columns[column]
        load_of_column(g, wired.starts, wired.above, wired.below, wired.memory)
        for row in range(g.size):
            load = np.float32(1) + wired.memory[row]
            part = seen[row, column] / g[row] if g[row] > 0 else np.float32(0)
            wired.base[column, row] = part * load


@kernel
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
