"""Resistive lines in front of cells that are not ohmic: sums of active cells saturate.

Everything else is as for ohmic cells (`resistive_lines.py`): the effect of the load of its own
cells on a column while it learns, and the booking. See `lines/saturating.py` for the model of a
read.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.verbs import (
    book_all_lines,
    book_cell_sensed,
    book_cells_read,
    book_column_sensed,
    book_lines,
    implements,
    lost_in_lines,
    see_again,
    sum_seen,
)
from cbramsim.simulator.array.cells import sum_rows
from cbramsim.simulator.array.resistive_lines import ResistiveLines


class CurvedLines(NamedTuple):
    """Effect of resistive lines on reads of an array of cells that are not ohmic.

    All fields but the last are those of `ResistiveLines`.
    """

    seen: NDArray[np.float32]
    base: NDArray[np.float32]
    starts: NDArray[np.int64]
    above: NDArray[np.float32]
    below: NDArray[np.float32]
    memory: NDArray[np.float32]
    dissipated: NDArray[np.float64]
    along_word: NDArray[np.float64]
    along_bit: NDArray[np.float64]
    bends: NDArray[np.float32]
    """`Saturating.bend` of the bit lines of each row of tiles, float32[tiles, columns], 1/S."""


@implements(sum_seen, CurvedLines)
def _(lines, array, rows, n_active, currents, work):  # type: ignore[no-untyped-def]
    """Add rows in their order, and so tile by tile."""
    tile = work.bit_lines
    for k in range(currents.size):
        currents[k] = np.float32(0)
    first = 0
    for t in range(lines.starts.size - 1):
        end = first
        while end < n_active and rows[end] < lines.starts[t + 1]:
            end += 1
        sum_rows(lines.seen, rows[first:], end - first, tile)
        bend = lines.bends[t]
        for k in range(currents.size):
            currents[k] += tile[k] / (np.float32(1) + bend[k] * tile[k])
        first = end


for _verb in (
    see_again, book_cells_read, book_column_sensed, book_cell_sensed, lost_in_lines, book_lines,
    book_all_lines,
):  # fmt: skip
    implements(_verb, CurvedLines)(_verb.table[ResistiveLines])
