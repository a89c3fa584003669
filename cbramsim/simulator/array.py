"""The cells of an array as compiled loops see them, and the kernels that read and program them.

The equations are in the docstrings of `cbramsim.simulator.crossbar` and `cbramsim.devices.device`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    RESET,
    SET,
    affine_step_at,
    affine_train,
    depth_at,
    interpolated,
    mean_step,
    nearby_state,
    pulse_energy,
    shaped_train,
    within,
)
from cbramsim.kernels import compiled_loop, inlined, kernel, vector_kernel
from cbramsim.rng import NORMAL_MASK, next_word, normal_of, upper_uniform_of
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.wires.following import Wired, see_column

SENSED_BITS = 8
"""Resolution with which a cell is sensed before it is programmed (assumed)."""
PROGRAM_LINE = int(Operation.PROGRAM_LINE)
SENSE_READ = int(Operation.SENSE_READ)
HALF_SELECT = int(Operation.HALF_SELECT)
PROGRAM_WIRE = int(Operation.PROGRAM_WIRE)


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
def sensed(g, pulse, word, normals):  # type: ignore[no-untyped-def]
    """Return what a sense amplifier sees of a cell at `g`, S: with read noise, and flicker."""
    seen = g + np.float32(pulse.read_sigma) * normal_of(word, normals)
    return seen + flicker_of(word, 0, pulse, normals) if pulse.flicker > 0 else seen


@inlined
def flicker_of(word, row, pulse, normals):  # type: ignore[no-untyped-def]
    """Return the difference of a flickering conductance from its mean, S.

    One word serves all cells of a column, as in `add_noise`: bits that the read noise leaves are an
    offset into the table of normal numbers, one of which is compared with a quantile.
    """
    other = np.int64((word >> np.uint64(20)) & NORMAL_MASK) + row
    upper = normals[other] < pulse.flicker_quantile
    return np.float32(pulse.flicker * (upper - pulse.flicker_duty))


@inlined
def correction(seen, target, band, pulse, nominal, shapes):  # type: ignore[no-untyped-def]
    """Return the pulse that takes a cell closer to `target`: 1, -1, or 0 if it is close enough.

    Close is within half a step of the nominal cell and `band`, S.
    """
    if target - seen > 0.5 * mean_step(seen, nominal, SET, pulse, shapes) + band:
        return 1
    if seen - target > -0.5 * mean_step(seen, nominal, RESET, pulse, shapes) + band:
        return -1
    return 0


@kernel
def program_cells(array, pulse, costs, column, rows, pulses, n, if_set, if_reset, rng, account):  # type: ignore[no-untyped-def]
    """Give the first `n` of `rows` in one column their `pulses`, and book each pulse.

    With resistive lines the drivers make up for the drop on the way to a cell (assumed), which
    then sees its nominal voltage V; the lines dissipate (G V)² R t on top.

    Parameters
    ----------
    array, pulse, costs
        `ArrayState`, `PulseConstants`, `ProgramCosts`.
    column
        The bit line.
    rows, pulses, n
        int[>= n], word lines, and pulses: set pulses if positive, reset pulses if negative.
    if_set, if_reset
        The `Operation` to book set and reset pulses as.
    rng
        State of the stream "pulses".
    account
        `Account` to book on.
    """
    sets, set_joules, resets, reset_joules, line_joules = 0, 0.0, 0, 0.0, 0.0
    wired = array.wired.base.shape[0] > 0
    column_sum = half_selected_column(array, costs, column)
    disturbs = array.drive.shape[1] > 0
    for j in range(n):
        row = rows[j]
        is_set = pulses[j] > 0
        if disturbs:
            column_sum += settle_cell(array, pulse, column, row, rng)
            drive_others(array, costs, column, row, is_set, abs(pulses[j]))
        low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
        start = SET if is_set else RESET
        edge = array.cells[column, row, start]
        step, slope = array.cells[column, row, start + 1], array.cells[column, row, start + 2]
        v2t = pulse.v2t_set if is_set else pulse.v2t_reset
        gate = pulse.gate_set if is_set else pulse.gate_reset
        first = array.g_columns[column, row]
        # A cell that time took out of its window is not pushed back by a pulse the other way.
        floor, ceiling = min(low, first), max(high, first)
        before = first
        joules = 0.0
        squares = 0.0
        for _ in range(abs(pulses[j])):
            word = next_word(rng)
            if pulse.shaped:
                depth = depth_at(before, edge, low + high - edge)
                mean = step * interpolated(array.shapes, start, depth)
            else:
                mean = affine_step_at(before, edge, step, slope)
            noise = pulse.step_sigma * normal_of(word, array.normals)
            after = before + mean + noise
            if pulse.finite:
                after = nearby_state(after, low, high, upper_uniform_of(word), pulse)
            after = within(after, floor, ceiling)
            joules += pulse_energy(v2t, gate, before, after)
            squares += 0.25 * np.float64(before + after) ** 2
            before = after
        array.wear[column, row] += np.uint32(abs(pulses[j]))
        if costs.half_set > 0:
            half = costs.half_set if is_set else costs.half_reset
            book_half_select(
                array, costs, row, np.float64(first), column_sum, half, abs(pulses[j]), account
            )
            column_sum += np.float64(before) - np.float64(first)
        store_conductance(array, column, row, first, before)
        if wired:
            path = array.wired.along_bit[row] + array.wired.along_word[column]
            line_joules += v2t * squares * path
        if is_set:
            sets += pulses[j]
            set_joules += joules
        else:
            resets -= pulses[j]
            reset_joules += joules
    account.counts[if_set] += sets
    account.joules[if_set] += set_joules
    account.counts[if_reset] += resets
    account.joules[if_reset] += reset_joules
    account.counts[PROGRAM_LINE] += sets + resets
    account.joules[PROGRAM_LINE] += sets * costs.line_set + resets * costs.line_reset
    if wired:
        account.counts[PROGRAM_WIRE] += sets + resets
        account.joules[PROGRAM_WIRE] += line_joules


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


@compiled_loop
def program_column(array, pulse, costs, column, rows, pulses, operation, rng, account):  # type: ignore[no-untyped-def]
    """Give cells of one column their signed `pulses`; those that are inhibited get none."""
    allowed = np.empty_like(pulses)
    for r in range(rows.size):
        allowed[r] = 0 if array.inhibited[column, rows[r]] else pulses[r]
    program_cells(
        array, pulse, costs, column, rows, allowed, rows.size, operation, operation, rng, account
    )
    see_again(array, column)


@kernel
def sense_cell(array, pulse, costs, column, row, rng, account):  # type: ignore[no-untyped-def]
    """Return what the controller senses of one cell, S; booked."""
    if array.drive.shape[1] > 0:
        settle_cell(array, pulse, column, row, rng)
    g = np.float64(array.g_columns[column, row])
    account.counts[SENSE_READ] += 1
    account.joules[SENSE_READ] += pulse.v2t_read * g + costs.sense
    if costs.half_set > 0:
        book_sneak(array, pulse, row, g, account)
    if array.wired.base.shape[0] > 0:
        path = array.wired.along_bit[row] + array.wired.along_word[column]
        account.counts[PROGRAM_WIRE] += 1
        account.joules[PROGRAM_WIRE] += pulse.v2t_read * g * g * path
    return sensed(g, pulse, next_word(rng), array.normals)


@kernel
def verify(array, pulse, costs, column, row, target, budget, if_set, if_reset, rng, account):  # type: ignore[no-untyped-def]
    """Sense one cell and correct it, pulse by pulse, until it reads as `target`.

    Returns whether it did before `budget` pulses were spent. Senses and pulses are booked.
    """
    one_row, one_pulse = np.full(1, row), np.zeros(1, np.int64)
    band = 2 * pulse.sum_sigma
    given = 0
    while True:
        seen = sense_cell(array, pulse, costs, column, row, rng, account)
        one_pulse[0] = correction(seen, target, band, pulse, array.nominal, array.shapes)
        if one_pulse[0] == 0:
            return True
        if given == budget:
            return False
        given += 1
        program_cells(
            array, pulse, costs, column, one_row, one_pulse, 1, if_set, if_reset, rng, account
        )


@compiled_loop
def program_to(array, pulse, costs, column, rows, targets, budget, operation, rng, account):  # type: ignore[no-untyped-def]
    """Program and verify, see `Crossbar.program_to`; return how many cells were given up."""
    missed = 0
    for r in range(rows.size):
        if not array.inhibited[column, rows[r]]:
            missed += not verify(
                array, pulse, costs, column, rows[r], targets[r], budget, operation, operation,
                rng, account,
            )  # fmt: skip
    see_again(array, column)
    return missed
