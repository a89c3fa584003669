"""The kernels that sense and program the cells of an array."""

from __future__ import annotations

import numpy as np

from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    RESET,
    SET,
    affine_step_at,
    depth_at,
    interpolated,
    mean_step,
    nearby_state,
    pulse_energy,
    within,
)
from cbramsim.kernels import compiled_loop, inlined, kernel
from cbramsim.rng import NORMAL_MASK, next_word, normal_of, upper_uniform_of
from cbramsim.simulator.array import see_again, store_conductance
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.half_select import (
    book_half_select,
    book_sneak,
    drive_others,
    half_selected_column,
    settle_cell,
)

SENSED_BITS = 8
"""Resolution with which a cell is sensed before it is programmed (assumed)."""
PROGRAM_LINE = int(Operation.PROGRAM_LINE)
SENSE_READ = int(Operation.SENSE_READ)
PROGRAM_WIRE = int(Operation.PROGRAM_WIRE)


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
    one_row, one_pulse = np.full(1, row, np.int32), np.zeros(1, np.int32)
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
