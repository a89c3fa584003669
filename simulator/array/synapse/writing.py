"""The kernels that sense, program and renew weights in several cells.

A weight is sensed at once: its word line is driven once, one amplifier decides on the joined
current, and the loss in lines for each cell is that for one alone (assumed). Cells that are brought
to a target are sensed and programmed one by one.
"""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.rng import next_word
from cbramsim.core.verbs import (
    book_cell_sensed,
    book_column_sensed,
    book_sneak,
    bring_to,
    correct,
    give_pulses,
    implements,
    place,
    renew,
    see_again,
    see_column,
    seen_of,
    sense,
    sense_column,
    settle_cell,
    settle_column,
    take_turns,
)
from cbramsim.devices.pulses import G_HIGH, G_LOW, SET
from cbramsim.simulator.array.cells import BookedAs
from cbramsim.simulator.array.synapse.synapses import (
    Never,
    Refresh,
    Synapses,
    Transfer,
    line_of,
)
from cbramsim.simulator.array.synapse.turns import (
    BothWays,
    BySets,
    first_group_of,
    second_group_of,
)
from cbramsim.simulator.array.writing import (
    SENSE_READ,
    SENSED_STATES,
    give_pulse,
    nominal_step,
    open_conductance,
    sense_cell,
    verify,
)
from cbramsim.simulator.energy.ledger import Operation

RENEWING = BookedAs.both(Operation.RENEWAL_PULSE)
"""Operations under which the pulses of a renewal are booked."""

# ---- sensing -----------------------------------------------------------------------------------


@implements(sense_column, Synapses)
def _(synapses, table, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Add independent noise of each cell; one draw serves a plane."""
    array, planes = synapses.cells, synapses.parts.size
    seen, one, mid = work.seen, work.of_plane, np.float32(array.pulse.g_mid)
    seen[:] = mid
    conductance, cells = 0.0, 0
    for plane in range(planes):
        line = line_of(synapses, plane, column)
        settle_column(array.access, array, line, stream)
        cells, in_plane = open_conductance(array.g_columns[line], array.inhibited[line])
        conductance += in_plane
        book_column_sensed(array.lines, array, line, cells, account)
        word = next_word(stream)
        see_column(array.written, array, line, one)
        for row in range(seen.size):
            g = sense(array.noise, one[row], word, row, array.normals)
            seen[row] += synapses.parts[plane] * np.float32(g - mid)
    account.counts[SENSE_READ] += cells
    account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + cells * array.costs.sense
    for row in range(seen.size):
        state = np.int32((seen[row] - table.g_min) * table.states_per_siemens)
        work.states[row] = min(max(state, np.int32(0)), np.int32(SENSED_STATES - 1))
        if not synapses.inhibited[column, row]:
            book_weight_sneak(synapses, column, row, account)


@part
def book_weight_sneak(synapses, column, row, account):  # type: ignore[no-untyped-def]
    """Book the energy that sensing a weight drives through other cells of its word line."""
    array, g = synapses.cells, 0.0
    for plane in range(synapses.parts.size):
        g += np.float64(array.g_columns[line_of(synapses, plane, column), row])
    book_sneak(array.access, array, row, synapses.parts.size, g, account)


@part
def sense_planes(synapses, column, row, cells, stream, account):  # type: ignore[no-untyped-def]
    """Return the sensed part of some cells of a weight, all at once; booked.

    `cells` are the first plane, the end, and the step from one to the next.
    """
    array, first, end, step = synapses.cells, cells[0], cells[1], cells[2]
    total, seen, sensed = 0.0, 0.0, 0
    for plane in range(first, end, step):
        line = line_of(synapses, plane, column)
        settle_cell(array.access, array, line, row, stream)
        g = np.float64(array.g_columns[line, row])
        book_cell_sensed(array.lines, array, line, row, g, account)
        shown = np.float64(seen_of(array.written, array, line, row))
        shown = sense(array.noise, shown, next_word(stream), 0, array.normals)
        seen += synapses.parts[plane] * (shown - array.pulse.g_mid)
        total += g
        sensed += 1
    account.counts[SENSE_READ] += 1
    account.joules[SENSE_READ] += array.pulse.v2t_read * total + array.costs.sense
    book_sneak(array.access, array, row, sensed, total, account)
    return seen / (0.5 * window(array))


@part
def window(array):  # type: ignore[no-untyped-def]
    """Return the width of the nominal window, S."""
    return np.float64(array.nominal[0, 0, G_HIGH]) - np.float64(array.nominal[0, 0, G_LOW])


# ---- pulses ------------------------------------------------------------------------------------


@implements(give_pulses, Synapses)
def _(synapses, column, rows, pulses, n, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Give the pulses; set pulses are booked as such also where they make a weight fall."""
    give_in_turn(synapses, column, rows, pulses, n, booked_as, stream, account)
    synapses.updates[column] += 1
    renew(synapses.renewal, synapses, column, stream, account)
    see_all_again(synapses, column)


@part
def give_in_turn(synapses, column, rows, pulses, n, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Give weights their pulses on the cells whose turn it is: as `give_pulses`."""
    orders = synapses.orders
    take_turns(synapses.writing, synapses, column, rows, pulses, n)
    for side in range(2):
        if orders.counts[side] > 0:
            line = line_of(synapses, orders.planes[side], column)
            give_pulses(
                synapses.cells, line, orders.rows[side], orders.pulses[side], orders.counts[side],
                booked_as, stream, account,
            )  # fmt: skip


@implements(correct, Synapses)
def _(synapses, column, n, tries, work, stream, account):  # type: ignore[no-untyped-def]
    """Correct each weight until it reads as one of nominal cells after the same pulses.

    Corrections go to the cells whose turn is next.
    """
    array = synapses.cells
    mid, half = array.pulse.g_mid, 0.5 * window(array)
    band = 0.0
    for plane in range(synapses.parts.size):
        band += (2 * array.pulse.sum_sigma * np.float64(synapses.parts[plane])) ** 2
    band = np.sqrt(band)
    row, way = np.int32(0), np.int32(0)
    for j in range(n):
        row = work.chosen[j]
        wanted = np.float64(work.seen[row])
        for _ in range(abs(work.pulses[j])):
            wanted += weight_step(synapses, wanted, work.pulses[j] > 0)
        wanted = min(max(wanted, mid - half), mid + half)
        for given in range(tries + 1):
            seen = mid + half * sense_planes(
                synapses, column, row, (0, synapses.parts.size, 1), stream, account
            )
            missing = wanted - seen
            step = abs(weight_step(synapses, seen, missing > 0))
            if abs(missing) <= 0.5 * step + band or given == tries:
                break
            way = np.int32(1) if missing > 0 else np.int32(-1)
            work.one_row[0], work.one_pulse[0] = row, way
            give_in_turn(
                synapses, column, work.one_row, work.one_pulse, 1, synapses.booked_as, stream,
                account,
            )  # fmt: skip
    see_all_again(synapses, column)


@part
def weight_step(synapses, g, rises):  # type: ignore[no-untyped-def]
    """Return the signed step of a pulse on a weight of nominal cells that is seen at g, S."""
    array = synapses.cells
    state = np.int64((g - np.float64(array.nominal[0, 0, G_LOW])) * SENSED_STATES / window(array))
    state = min(max(state, 0), SENSED_STATES - 1)
    return np.float64(synapses.steps[1, state]) if rises else -np.float64(synapses.steps[0, state])


# ---- weights written anew ----------------------------------------------------------------------


@implements(renew, Never)
def _(renewal, synapses, column, stream, account):  # type: ignore[no-untyped-def]
    pass


@implements(renew, Refresh)
def _(renewal, synapses, column, stream, account):  # type: ignore[no-untyped-def]
    """Sense each side by itself: its contribution to the weight is half of its filling."""
    if synapses.updates[column] % renewal.every != 0:
        return
    for row in range(synapses.cells.g.shape[0]):
        if not synapses.inhibited[column, row]:
            written = synapses.written
            up = sense_planes(synapses, column, row, (0, written, 2), stream, account)
            down = sense_planes(synapses, column, row, (1, written, 2), stream, account)
            full, other = 0.5 + max(up, -down), 0.5 + min(up, -down)
            if full > renewal.above and other > renewal.empty:
                write_anew(
                    synapses, synapses.writing, column, row, up + down, RENEWING, stream, account
                )


@implements(renew, Transfer)
def _(renewal, synapses, column, stream, account):  # type: ignore[no-untyped-def]
    if synapses.updates[column] % renewal.every != 0:
        return
    for row in range(synapses.cells.g.shape[0]):
        if not synapses.inhibited[column, row]:
            weight = sense_planes(
                synapses, column, row, (0, synapses.parts.size, 1), stream, account
            )
            write_anew(synapses, synapses.writing, column, row, weight, RENEWING, stream, account)


@part
def write_anew(synapses, form, column, row, weight, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Bring all cells of a weight to their places in a `form` of writing; return whether all got
    there.

    The more significant ones come first, and of a pair the side with less conductance. The cells
    that follow make up the remaining difference, as it is sensed.
    """
    mid, half = synapses.cells.pulse.g_mid, 0.5 * window(synapses.cells)
    planes, written, sides = synapses.parts.size, synapses.written, 2 - synapses.references
    second = second_group_of(weight, synapses.share)
    first = first_group_of(weight, second, synapses.share)
    reached, missing = True, 0.0
    for group in range(planes // written):
        start = ((group + 1) * written) % planes
        wanted = second if start >= written else first
        part = (1 - synapses.share if start >= written else synapses.share) / sides
        for turn in range(sides):
            side = turn if wanted <= 0 else sides - 1 - turn
            sign = 1.0 - 2.0 * side
            planned = place(form, sign * wanted)
            of_cell = min(max(planned + sign * missing / part, -1.0), 1.0)
            for plane in range(start + side, start + written, sides):
                line = line_of(synapses, plane, column)
                reached &= bring_to(
                    synapses.writing, synapses, line, row, mid + half * of_cell, booked_as, stream,
                    account,
                )  # fmt: skip
            if start >= written or turn < sides - 1:
                cells = (start + side, start + written, sides)
                got = sense_planes(synapses, column, row, cells, stream, account)
                missing += sign * part * planned - got
    return reached


@implements(bring_to, BothWays)
def _(writing, synapses, line, row, target, booked_as, stream, account):  # type: ignore[no-untyped-def]
    array, budget = synapses.cells, synapses.budget.there
    return verify(array, line, row, target, budget, booked_as, stream, account)


@implements(bring_to, BySets)
def _(writing, synapses, line, row, target, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Give reset pulses until it reads no more than the target, then set pulses until no less.

    No more and no less are within half a set pulse: one reset pulse may go the whole way. A cell
    that is above only within the noise is not reset.
    """
    array, budget = synapses.cells, synapses.budget
    most, band = target + 0.5 * nominal_step(array, SET, target), 2 * array.pulse.sum_sigma
    seen, given = sense_cell(array, line, row, stream, account), 0
    if seen > most + band:
        while seen > most and given < budget.down:
            give_pulse(array, line, row, -1, booked_as, stream, account)
            seen = sense_cell(array, line, row, stream, account)
            given += 1
        seen = sense_cell(array, line, row, stream, account)
    reached, given = seen <= most + band, 0
    while target - seen > 0.5 * nominal_step(array, SET, seen) and given < budget.there:
        give_pulse(array, line, row, 1, booked_as, stream, account)
        seen = sense_cell(array, line, row, stream, account)
        given += 1
    return reached and given < budget.there


@part
def see_all_again(synapses, column):  # type: ignore[no-untyped-def]
    """Update all cells of a column as reads see them."""
    for plane in range(synapses.parts.size):
        see_again(synapses.cells.lines, synapses.cells, line_of(synapses, plane, column))


@lean_loop
def program_weights(synapses, form, column, rows, weights, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Write weights of one column anew, float64[n], without inhibited ones; return the number of
    misses.

    Parameters
    ----------
    synapses, form
        `Synapses`, and the form of writing whose places the cells take.
    column, rows
        The neuron, and int64[n], word lines.
    weights
        float64[n], -1 to 1.
    booked_as
        `BookedAs`.
    stream, account
        State of the stream "pulses", and `Account`.
    """
    missed = 0
    for r in range(rows.size):
        if not synapses.inhibited[column, rows[r]]:
            missed += not write_anew(
                synapses, form, column, rows[r], weights[r], booked_as, stream, account
            )
    see_all_again(synapses, column)
    return missed
