"""The kernels that sense and program the cells of an array."""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import lean_kernel, lean_loop, lean_vector_kernel, part
from cbramsim.core.rng import next_word, normal_of, upper_uniform_of
from cbramsim.core.verbs import (
    blur,
    book_cell_sensed,
    book_column_sensed,
    book_column_sneak,
    book_lines,
    book_others,
    book_sneak,
    correct,
    give_pulses,
    implements,
    lost_in_lines,
    mean_step,
    nearby_state,
    pulse_noise,
    push_others,
    see_again,
    see_column,
    seen_of,
    sense,
    sense_column,
    settle_cell,
    settle_column,
    store,
    sum_of_others,
)
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET, pulse_energy, within
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.energy.ledger import Operation

SENSED_BITS = 8
"""Resolution with which a cell is sensed before it is programmed (assumed)."""
SENSED_STATES = 1 << SENSED_BITS
"""Number of states that the sense amplifier distinguishes."""
PROGRAM_LINE = int(Operation.PROGRAM_LINE)
SENSE_READ = int(Operation.SENSE_READ)


@implements(give_pulses, ArrayState)
def _(array, column, rows, pulses, n, booked_as, stream, account):  # type: ignore[no-untyped-def]
    sets, set_joules, resets, reset_joules, in_lines = 0, 0.0, 0, 0.0, 0.0
    column_sum = sum_of_others(array.access, array, column)
    for j in range(n):
        change, joules, lost = pulse_cell(
            array, column, rows[j], pulses[j], column_sum, stream, account
        )
        column_sum += change
        in_lines += lost
        if pulses[j] > 0:
            sets += pulses[j]
            set_joules += joules
        else:
            resets -= pulses[j]
            reset_joules += joules
    account.counts[booked_as.set] += sets
    account.joules[booked_as.set] += set_joules
    account.counts[booked_as.reset] += resets
    account.joules[booked_as.reset] += reset_joules
    account.counts[PROGRAM_LINE] += sets + resets
    account.joules[PROGRAM_LINE] += sets * array.costs.line_set + resets * array.costs.line_reset
    book_lines(array.lines, sets + resets, in_lines, account)
    see_again(array.lines, array, column)


@part
def give_pulse(array, column, row, way, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Give one cell a set pulse, `way` 1, or a reset pulse, -1: as `give_pulses`."""
    column_sum = sum_of_others(array.access, array, column)
    _, joules, lost = pulse_cell(array, column, row, way, column_sum, stream, account)
    operation = booked_as.set if way > 0 else booked_as.reset
    account.counts[operation] += 1
    account.joules[operation] += joules
    account.counts[PROGRAM_LINE] += 1
    account.joules[PROGRAM_LINE] += array.costs.line_set if way > 0 else array.costs.line_reset
    book_lines(array.lines, 1, lost, account)


@part
def pulse_cell(array, column, row, pulses, column_sum, stream, account):  # type: ignore[no-untyped-def]
    """Give one cell its signed `pulses`.

    With resistive lines the drivers compensate the voltage drop on the way to a cell (assumed),
    which then sees its nominal voltage; the lines dissipate I² R t in addition, with I its current
    at that voltage.

    Returns
    -------
    tuple of float
        Change of its conductance, S, energy of the cell, and energy of the lines, J.
    """
    pulse, is_set = array.pulse, pulses > 0
    settled = settle_cell(array.access, array, column, row, stream)
    push_others(array.access, array, column, row, is_set, abs(pulses))
    low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
    way = SET if is_set else RESET
    v2t = pulse.v2t_set if is_set else pulse.v2t_reset
    i2t = pulse.i2t_set if is_set else pulse.i2t_reset
    gate = pulse.gate_set if is_set else pulse.gate_reset
    first = array.g_columns[column, row]
    # A cell that time took out of its window is not pushed back by a pulse the other way.
    floor, ceiling = min(low, first), max(high, first)
    before = first
    joules = 0.0
    squares = 0.0
    for _ in range(abs(pulses)):
        word = next_word(stream)
        mean = mean_step(array.law, array.cells, column, row, way, before)
        noise = pulse_noise(array.scatter, array.cells, column, row, way, before)
        noise *= normal_of(word, array.normals)
        target = before + mean + noise
        target = nearby_state(array.grid, target, low, high, upper_uniform_of(word))
        after = within(target, floor, ceiling)
        joules += pulse_energy(v2t, gate, before, after)
        squares += 0.25 * np.float64(before + after) ** 2
        before = after
    wear(array, column, row, abs(pulses))
    g = np.float64(first)
    book_others(array.access, array, row, g, column_sum + settled, is_set, abs(pulses), account)
    store(array.written, array, column, row, first, before)
    blur(array.written, array, column, row, stream)
    change = settled + (np.float64(before) - g)
    return change, joules, lost_in_lines(array.lines, i2t, squares, column, row)


@part
def wear(array, column, row, pulses):  # type: ignore[no-untyped-def]
    """Count the pulses that a cell gets."""
    array.wear[column, row] += np.uint32(pulses)
    array.hottest[0] = max(array.hottest[0], array.wear[column, row])


@lean_loop
def program_column(array, column, rows, pulses, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Give cells of one column their signed `pulses`."""
    give_pulses(array, column, rows, pulses, rows.size, booked_as, stream, account)


@part
def sense_cell(array, column, row, stream, account):  # type: ignore[no-untyped-def]
    """Return the conductance of one cell that the controller senses, S; booked."""
    settle_cell(array.access, array, column, row, stream)
    g = np.float64(array.g_columns[column, row])
    account.counts[SENSE_READ] += 1
    account.joules[SENSE_READ] += array.pulse.v2t_read * g + array.costs.sense
    book_sneak(array.access, array, row, 1, g, account)
    book_cell_sensed(array.lines, array, column, row, g, account)
    seen = np.float64(seen_of(array.written, array, column, row))
    return sense(array.noise, seen, next_word(stream), 0, array.normals)


@part
def nominal_step(array, way, g):  # type: ignore[no-untyped-def]
    """Return the signed mean step that a controller assumes, that of the nominal cell, S."""
    return mean_step(array.reckoned, array.nominal, 0, 0, way, g)


@part
def correction(array, seen, target, band):  # type: ignore[no-untyped-def]
    """Return the pulse that takes a cell closer to `target`: 1, -1, or 0 if it is close enough.

    Close is within half a step of the nominal cell and `band`, S.
    """
    if target - seen > 0.5 * nominal_step(array, SET, seen) + band:
        return 1
    if seen - target > -0.5 * nominal_step(array, RESET, seen) + band:
        return -1
    return 0


@part
def verify(array, column, row, target, budget, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Sense one cell and correct it, pulse by pulse, until it reads as `target`.

    Returns whether it did before `budget` pulses were spent. Senses and pulses are booked.
    """
    band = 2 * array.pulse.sum_sigma
    given = 0
    while True:
        seen = sense_cell(array, column, row, stream, account)
        way = correction(array, seen, target, band)
        if way == 0:
            return True
        if given == budget:
            return False
        given += 1
        give_pulse(array, column, row, way, booked_as, stream, account)


@implements(correct, ArrayState)
def _(array, column, n, tries, work, stream, account):  # type: ignore[no-untyped-def]
    """Correct each cell until it reads as the nominal cell after the same pulses."""
    for j in range(n):
        row = work.chosen[j]
        target = nominal_result(array, work.seen[row], work.pulses[j])
        verify(array, column, row, target, tries, array.booked_as, stream, account)
    see_again(array.lines, array, column)


@part
def nominal_result(array, g, pulses):  # type: ignore[no-untyped-def]
    """Return the conductance of the nominal cell after some signed pulses, without noise, S."""
    after = np.float64(g)
    way = SET if pulses > 0 else RESET
    for _ in range(abs(pulses)):
        after += nominal_step(array, way, after)
    low, high = array.nominal[0, 0, G_LOW], array.nominal[0, 0, G_HIGH]
    return min(max(after, np.float64(low)), np.float64(high))


@lean_loop
def program_to(array, column, rows, targets, budget, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Program and verify, see `Crossbar.program_to`; return the number of cells given up."""
    missed = 0
    for r in range(rows.size):
        if not array.inhibited[column, rows[r]]:
            missed += not verify(
                array, column, rows[r], targets[r], budget, booked_as, stream, account
            )
    see_again(array.lines, array, column)
    return missed


@implements(sense_column, ArrayState)
def _(array, table, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Sense with independent noise of each cell, all from one draw."""
    settle_column(array.access, array, column, stream)
    cells, conductance = open_conductance(array.g_columns[column], array.inhibited[column])
    account.counts[SENSE_READ] += cells
    account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + cells * array.costs.sense
    book_column_sensed(array.lines, array, column, cells, account)
    book_column_sneak(array.access, array, column, account)
    word = next_word(stream)
    noise, normals = array.noise, array.normals
    states, seen = work.states, work.seen
    see_column(array.written, array, column, seen)
    for row in range(array.g.shape[0]):
        seen[row] = sense(noise, seen[row], word, row, normals)
        states[row] = sensed_state(table, seen[row])


@lean_kernel
def sensed_state(table, g):  # type: ignore[no-untyped-def]
    """Return the state of a `PulseTable` for a cell that is seen at `g`, S."""
    state = np.int32((g - table.g_min) * table.states_per_siemens)
    return min(max(state, np.int32(0)), np.int32(SENSED_STATES - 1))


@lean_vector_kernel
def open_conductance(g, inhibited):  # type: ignore[no-untyped-def]
    """Return the number of cells that still get pulses, and their summed conductance, S."""
    cells = 0
    conductance = 0.0
    for row in range(g.size):
        cells += not inhibited[row]
        conductance += np.float64(g[row]) * (not inhibited[row])
    return cells, conductance
