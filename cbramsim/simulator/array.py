"""The cells of an array as compiled loops see them, and the kernels that read and store them.

The equations are in the docstrings of `cbramsim.simulator.crossbar` and `cbramsim.devices.device`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.kernels import inlined, kernel, vector_kernel
from cbramsim.rng import NORMAL_MASK
from cbramsim.simulator.wires.following import Wired, see_column


class ArrayState(NamedTuple):
    """The cells of an array as compiled loops see them."""

    g: NDArray[np.float32]
    """Conductances, float32[rows, columns], S: a row is contiguous, for rows are read."""
    g_columns: NDArray[np.float32]
    """The same conductances, float32[columns, rows]: a column is contiguous, for it is columns that
    are programmed. Whatever changes a cell writes both."""
    cells: NDArray[np.float32]
    """Each cell's own window and steps, float32[columns, rows, 6], see `draw_population`."""
    wear: NDArray[np.uint32]
    """Pulses that each cell has got, uint32[columns, rows]."""
    inhibited: NDArray[np.bool_]
    """Cells that get no more pulses, bool[columns, rows]."""
    spared: NDArray[np.float32]
    """Reference conductance that a disconnected cell takes out of its column's comparison, S:
    float32[rows, columns], or no rows while every cell is connected."""
    row_sum: NDArray[np.float64]
    """Sum of `g` over each row, kept in step with every pulse, float64[rows], S."""
    n_connected: NDArray[np.int64]
    """Connected cells of each row, int64[rows]."""
    nominal: NDArray[np.float32]
    """The nominal cell with which a controller reckons, float32[6]."""
    shapes: NDArray[np.float32]
    """Relative steps by depth in the window, float32[2, points], see `step_shapes`."""
    normals: NDArray[np.float32]
    """Standard-normal numbers to draw from, see `normal_table`."""
    seen: NDArray[np.float32]
    """The conductances as reads see them, float32[rows, columns], S: behind the resistance of the
    lines, or, with ideal lines, `g` itself."""
    wired: Wired
    """What lines with resistance make of the cells; empty with ideal lines."""
    drive: NDArray[np.float64]
    """Where half-selected cells move: write pulses, or parts of one, that the cells of each word
    line, of each bit line, and all have seen, float64[2, rows + columns + 1]; set and reset
    pulses apart. Nothing, where they stay."""
    driven: NDArray[np.float64]
    """How many of them each cell has followed, or does not see, float64[2, columns, rows]."""
    unresolved: NDArray[np.float32]
    """What they have moved each cell besides, below single precision, float32[columns, rows], S."""


class ProgramCosts(NamedTuple):
    """Energies of programming that do not depend on the state of the cell, J."""

    line_set: float
    """Charging the lines for one set pulse."""
    line_reset: float
    """Charging the lines for one reset pulse."""
    sense: float
    """Sensing one cell to `SENSED_BITS` bits, but for the current through it."""
    half_set: float
    """(V/2)² t of a set pulse, V² s, in a passive array, or (V/3)² t; 0 where half-selected cells
    are shut off by their transistors."""
    half_reset: float
    """The same of a reset pulse, V² s."""
    thirds: bool = False
    """Whether all other cells see a third of the voltage, rather than those on the two lines half
    of it."""
    part_set: float = 0.0
    """How far a set pulse moves other cells on its lines, part of a step."""
    part_reset: float = 0.0
    """The same of a reset pulse."""
    across_set: float = 0.0
    """How far a set pulse moves cells on neither line, which see it reversed: part of a reset."""
    across_reset: float = 0.0
    """How far a reset pulse moves cells on neither line: part of a set."""


@vector_kernel
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


@inlined
def add_noise(out, sigma, n_active, spared, per_cell, normals, word):  # type: ignore[no-untyped-def]
    """Add the read noise of the open cells to each of `out`, by one random draw.

    Each of a bit line's `n_active` cells has the standard deviation `sigma`, less those that are
    disconnected: ``spared / per_cell``, if `per_cell` is above 0.

    The draw is an offset into the table of normal numbers: neighbours in the table are
    independent, so the numbers of one read are.
    """
    offset = np.int64(word & NORMAL_MASK)
    if per_cell > 0:
        for k in range(out.size):
            cells = max(n_active - spared[k] / per_cell, 0.0)
            out[k] += np.float32(sigma * math.sqrt(cells)) * normals[offset + k]
    else:
        total = np.float32(sigma * math.sqrt(n_active))
        for k in range(out.size):
            out[k] += total * normals[offset + k]


@inlined
def store_conductance(array, column, row, before, after):  # type: ignore[no-untyped-def]
    """Change one cell from `before` to `after` wherever its conductance is kept.

    Behind resistive lines, `see_again` says what reads then see of its column.
    """
    array.g[row, column] = after
    array.g_columns[column, row] = after
    array.row_sum[row] += np.float64(after) - np.float64(before)


@kernel
def see_again(array, column):  # type: ignore[no-untyped-def]
    """Bring what reads see of a column into step with its cells."""
    if array.wired.base.shape[0] > 0:
        see_column(array.seen, array.g_columns[column], array.wired, column)
