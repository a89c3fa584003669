"""Cells that share a line with one that is programmed or sensed: what they cost, how they move.

The model of the motion is that of `cbramsim.devices.disturb`.
"""

from __future__ import annotations

import numpy as np

from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    RESET,
    SET,
    affine_train,
    nearby_state,
    shaped_train,
)
from cbramsim.kernels import compiled_loop, inlined, kernel
from cbramsim.rng import next_word, upper_uniform_of
from cbramsim.simulator.array import see_again, store_conductance
from cbramsim.simulator.energy import Operation

HALF_SELECT = int(Operation.HALF_SELECT)


@inlined
def half_selected_column(array, costs, column):  # type: ignore[no-untyped-def]
    """Return the summed conductance of a column, S; 0 in an array without half-selected cells.

    That of all columns where all other cells see a part of the voltage.
    """
    total = 0.0
    if costs.thirds:
        for row in range(array.g.shape[0]):
            total += array.row_sum[row]
    elif costs.half_set > 0:
        for row in range(array.g.shape[0]):
            total += np.float64(array.g_columns[column, row])
    return total


@inlined
def book_half_select(array, costs, row, g, column_sum, half, pulses, account):  # type: ignore[no-untyped-def]
    """Book what `pulses` on a cell, of conductance `g`, drive through others at a part of V.

    The V/2 scheme: the cell's word line at V/2, its bit line at -V/2, all others at ground. Of the
    cells on the two lines, all but the pulsed one see half the voltage. The V/3 scheme: the other
    word lines at -V/6, the other bit lines at V/6. All other cells see a third of the voltage,
    reversed if they are on neither line. Cells that conduct less than in proportion at low voltage
    take less.
    """
    # without a branch, which would keep the compiler from dropping reference counts
    others = (array.row_sum[row] - g) * (not costs.thirds) + (column_sum - g)
    rows, columns = array.g.shape
    cells = rows + columns - 2 + costs.thirds * (rows - 1) * (columns - 1)
    account.counts[HALF_SELECT] += pulses * cells
    account.joules[HALF_SELECT] += pulses * half * others


@inlined
def book_sneak(array, pulse, row, g, account):  # type: ignore[no-untyped-def]
    """Book what sensing one cell, of conductance `g`, drives through others of its word line."""
    account.counts[HALF_SELECT] += array.g.shape[1] - 1
    account.joules[HALF_SELECT] += pulse.v2t_read * (array.row_sum[row] - g)


@inlined
def drive_others(array, costs, column, row, is_set, pulses):  # type: ignore[no-untyped-def]
    """Note that `pulses` of one polarity on a cell are seen, in part, by others.

    A cell sees the sum of what its two lines and the array have seen. What the pulsed cell itself
    does not see counts as followed.
    """
    way = 0 if is_set else 1
    bit_line = array.g.shape[0] + column
    part = pulses * (costs.part_set if is_set else costs.part_reset)
    array.drive[way, row] += part
    array.drive[way, bit_line] += part
    array.driven[way, column, row] += 2 * part
    part = pulses * (costs.across_set if is_set else costs.across_reset)
    if part > 0:
        array.drive[1 - way, -1] += part
        array.drive[1 - way, row] -= part
        array.drive[1 - way, bit_line] -= part
        array.driven[1 - way, column, row] -= part


@kernel
def settle_cell(array, pulse, column, row, rng):  # type: ignore[no-untyped-def]
    """Move a half-selected cell by what it has seen since it was last looked at.

    First by the set pulses, then by the reset pulses: their order counts in the second order of a
    small part only. What is below single precision is kept for the next time. A cell of finite
    states takes one of the two next to where it should be, at random, right on average.
    Returns by how much the cell has changed, S.
    """
    before = np.float64(array.g_columns[column, row])
    after = followed(
        before, array.cells[column], array.drive, array.driven[:, column],
        array.unresolved[column], pulse, array.shapes, column, row, rng,
    )  # fmt: skip
    if after != before:
        store_conductance(array, column, row, before, after)
    return np.float64(after) - before


@kernel
def followed(before, cells, drive, driven, unresolved, pulse, shapes, column, row, rng):  # type: ignore[no-untyped-def]
    """Return where a half-selected cell is now, see `settle_cell`; arrays are of its column."""
    bit_line = driven.shape[1] + column
    seen_up = drive[0, row] + drive[0, bit_line] + drive[0, -1]
    seen_down = drive[1, row] + drive[1, bit_line] + drive[1, -1]
    up, down = max(seen_up - driven[0, row], 0.0), max(seen_down - driven[1, row], 0.0)
    driven[0, row], driven[1, row] = seen_up, seen_down
    low, high = cells[row, G_LOW], cells[row, G_HIGH]
    if up + down == 0.0 or not high > low or before == 0.0:  # stuck, worn out, or not there
        return np.float32(before)
    g = before + np.float64(unresolved[row])
    if pulse.shaped:
        g = shaped_train(g, cells[row], SET, up, pulse, shapes)
        g = shaped_train(g, cells[row], RESET, down, pulse, shapes)
    else:
        g = affine_train(g, low, cells[row, SET + 1], cells[row, SET + 2], up)
        g = affine_train(g, high, cells[row, RESET + 1], cells[row, RESET + 2], down)
    g = min(max(g, min(np.float64(low), before)), max(np.float64(high), before))
    if pulse.finite:
        g = np.float64(nearby_state(g, low, high, upper_uniform_of(next_word(rng)), pulse))
        g = min(max(g, np.float64(low)), np.float64(high))
    after = np.float32(g)
    unresolved[row] = np.float32(g - np.float64(after))
    return after


@kernel
def settle_column(array, pulse, column, rng):  # type: ignore[no-untyped-def]
    """Bring the half-selected cells of a column up to date, if they move at all."""
    if array.drive.shape[1] > 0:
        # one array after the other: a tuple of arrays is costly to hand on for every cell
        g, row_sum, cells, drive = array.g, array.row_sum, array.cells[column], array.drive
        g_column, driven, shapes = array.g_columns[column], array.driven[:, column], array.shapes
        unresolved = array.unresolved[column]
        for row in range(g_column.size):
            before = np.float64(g_column[row])
            after = followed(
                before, cells, drive, driven, unresolved, pulse, shapes, column, row, rng
            )
            g[row, column] = g_column[row] = after
            row_sum[row] += np.float64(after) - before


@compiled_loop
def settle_all(array, pulse, rng):  # type: ignore[no-untyped-def]
    """Bring all half-selected cells up to date, and begin to count again."""
    for column in range(array.g.shape[1]):
        settle_column(array, pulse, column, rng)
        see_again(array, column)
    array.drive[:] = 0
    array.driven[:] = 0
