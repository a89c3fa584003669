"""The kernels that sense and write bit slices.

Bits are cells of an array like any other: the verbs of that array implement the effects of lines,
access and other cells on a pulse or a sense. A write takes a cell to its own lowest or highest
conductance, by `BinaryWeights.write_pulses` pulses. The bits of a weight are sensed together: their
word line is driven once; the loss in lines for each is that for one alone (assumed).
"""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.rng import next_word
from cbramsim.core.verbs import (
    blur,
    book_cell_sensed,
    book_column_sensed,
    book_lines,
    book_others,
    book_sneak,
    correct,
    give_pulses,
    implements,
    lost_in_lines,
    push_others,
    see_again,
    see_weights_again,
    seen_of,
    sense,
    sense_column,
    settle_cell,
    settle_column,
    settle_weights,
    store,
    sum_of_others,
)
from cbramsim.devices.pulses import G_HIGH, G_LOW, pulse_energy
from cbramsim.simulator.array.access import Moving, Passive, Still, Transistor
from cbramsim.simulator.array.binary.slices import BinarySlices, follow_cells
from cbramsim.simulator.array.resistive_lines import ResistiveLines
from cbramsim.simulator.array.writing import PROGRAM_LINE, SENSE_READ, open_conductance, wear

# ---- sensing -----------------------------------------------------------------------------------


@implements(sense_column, BinarySlices)
def _(slices, table, column, work, stream, account):  # type: ignore[no-untyped-def]
    array, columns = slices.cells, slices.logic.shape[1]
    settle_weights(array.access, slices, column, stream)
    conductance, cells = 0.0, 0
    for plane in range(slices.bits):
        line = plane * columns + column
        cells, in_plane = open_conductance(array.g_columns[line], slices.inhibited[column])
        conductance += in_plane
        book_column_sensed(array.lines, array, line, cells, account)
    account.counts[SENSE_READ] += cells * slices.bits
    account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + cells * array.costs.sense
    for row in range(slices.codes.size):
        if not slices.inhibited[column, row]:
            g = conductance_of_bits(slices, row, column)
            book_sneak(array.access, array, row, slices.bits, g, account)
    sense_codes(slices, column, stream, slices.codes)
    for row in range(slices.codes.size):
        work.states[row] = slices.codes[row]
        work.seen[row] = slices.g_min + slices.unit * slices.codes[row]


@part
def sense_codes(slices, column, stream, codes):  # type: ignore[no-untyped-def]
    """Write the sensed codes of a column into int32 `codes`; one draw per plane."""
    array, mid = slices.cells, np.float32(slices.g_mid)
    codes[:] = 0
    for plane in range(slices.bits):
        line = plane * slices.logic.shape[1] + column
        word = next_word(stream)
        value = np.int32(1 << plane)
        for row in range(codes.size):
            g = seen_of(array.written, array, line, row)
            seen = sense(array.noise, g, word, row, array.normals)
            codes[row] += value * np.int32(seen > mid)


@part
def conductance_of_bits(slices, row, column):  # type: ignore[no-untyped-def]
    """Return the summed conductance of the cells of one weight, S."""
    total = 0.0
    for plane in range(slices.bits):
        total += np.float64(slices.cells.g[row, plane * slices.logic.shape[1] + column])
    return total


@part
def turned_bits(slices, column, row, written, stream, account):  # type: ignore[no-untyped-def]
    """Sense the bits of a weight that were `written`; return those that read otherwise; booked."""
    array, mid = slices.cells, np.float32(slices.g_mid)
    turned, cells, conductance = np.int32(0), 0, 0.0
    for plane in range(slices.bits):
        if (written >> plane) & 1 == 0:
            continue
        line = plane * slices.logic.shape[1] + column
        settle_cell(array.access, array, line, row, stream)
        g = array.g_columns[line, row]
        cells += 1
        conductance += np.float64(g)
        book_cell_sensed(array.lines, array, line, row, np.float64(g), account)
        seen = seen_of(array.written, array, line, row)
        bit = np.int32(sense(array.noise, seen, next_word(stream), 0, array.normals) > mid)
        turned |= (bit ^ ((slices.codes[row] >> plane) & 1)) << plane
    account.counts[SENSE_READ] += cells
    account.joules[SENSE_READ] += (
        array.pulse.v2t_read * conductance
        + array.costs.sense
        - (slices.bits - cells) * slices.sense_bit
    )
    book_sneak(array.access, array, row, cells, conductance, account)
    follow_cells(slices, row, column)
    return turned


# ---- writing -----------------------------------------------------------------------------------


@implements(give_pulses, BinarySlices)
def _(slices, column, rows, pulses, n, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Change codes within their range, and rewrite the bits that differ."""
    highest = (1 << slices.bits) - 1
    for j in range(n):
        row = rows[j]
        before = slices.codes[row]
        after = min(max(before + pulses[j], 0), highest)
        slices.codes[row] = after
        slices.written[row] = before ^ after
        write_bits(slices, column, row, before ^ after, booked_as, stream, account)
    see_weights_again(slices.cells.lines, slices, column)


@implements(correct, BinarySlices)
def _(slices, column, n, tries, work, stream, account):  # type: ignore[no-untyped-def]
    for j in range(n):
        row, given = work.chosen[j], 0
        turned = slices.written[row]
        while turned != 0:
            turned = turned_bits(slices, column, row, turned, stream, account)
            if given == tries:
                break
            given += 1
            write_bits(slices, column, row, turned, slices.booked_as, stream, account)
    see_weights_again(slices.cells.lines, slices, column)


@lean_loop
def write_codes(slices, column, rows, wanted, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Write codes into the cells of one column that are not inhibited; return the number of misses.

    Parameters
    ----------
    slices
        `BinarySlices`.
    column, rows, wanted
        The neuron; int64[n], word lines, and int64[n], codes.
    booked_as
        `BookedAs`.
    stream, account
        State of the stream "pulses", and `Account`.
    """
    array, columns, codes = slices.cells, slices.logic.shape[1], slices.codes
    missed = 0
    for after in (False, True):
        settle_weights(array.access, slices, column, stream)
        sense_codes(slices, column, stream, codes)
        for j in range(rows.size):
            row = rows[j]
            if array.inhibited[column, row]:
                continue
            g = conductance_of_bits(slices, row, column)
            account.counts[SENSE_READ] += slices.bits
            account.joules[SENSE_READ] += array.pulse.v2t_read * g + array.costs.sense
            book_sneak(array.access, array, row, slices.bits, g, account)
            for plane in range(slices.bits):
                line = plane * columns + column
                one = np.float64(array.g[row, line])
                book_cell_sensed(array.lines, array, line, row, one, account)
            if after:
                missed += codes[row] != wanted[j]
            else:
                turned, codes[row] = codes[row] ^ np.int32(wanted[j]), wanted[j]
                write_bits(slices, column, row, turned, booked_as, stream, account)
    see_weights_again(array.lines, slices, column)
    return missed


@part
def write_bits(slices, column, row, turned, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Write the bits `turned` of the code that a weight should have, each by one write."""
    for plane in range(slices.bits):
        if (turned >> plane) & 1 == 1:
            line = plane * slices.logic.shape[1] + column
            is_set = (slices.codes[row] >> plane) & 1 == 1
            write_bit(slices, line, row, is_set, booked_as, stream, account)
    follow_cells(slices, row, column)


@part
def write_bit(slices, line, row, is_set, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Take one cell to its lowest or highest conductance, and book its pulses."""
    array, pulses = slices.cells, slices.write_pulses
    pulse, costs = array.pulse, array.costs
    settle_cell(array.access, array, line, row, stream)
    others = sum_of_others(array.access, array, line)
    push_others(array.access, array, line, row, is_set, pulses)
    before = array.g_columns[line, row]
    after = array.cells[line, row, G_HIGH if is_set else G_LOW]
    book_others(array.access, array, row, np.float64(before), others, is_set, pulses, account)
    store(array.written, array, line, row, before, after)
    blur(array.written, array, line, row, stream)
    wear(array, line, row, pulses)
    operation = booked_as.set if is_set else booked_as.reset
    v2t = pulse.v2t_set if is_set else pulse.v2t_reset
    gate = pulse.gate_set if is_set else pulse.gate_reset
    account.counts[operation] += pulses
    account.joules[operation] += pulses * pulse_energy(v2t, gate, before, after)
    account.counts[PROGRAM_LINE] += pulses
    account.joules[PROGRAM_LINE] += pulses * (costs.line_set if is_set else costs.line_reset)
    squares = pulses * 0.25 * np.float64(before + after) ** 2
    book_lines(array.lines, pulses, lost_in_lines(array.lines, v2t, squares, line, row), account)


# ---- what else changes what reads see ----------------------------------------------------------


def _weights_stay(access, slices, column, stream):  # type: ignore[no-untyped-def]
    pass


for _kind in (Transistor, Still):
    implements(settle_weights, _kind)(_weights_stay)


@implements(settle_weights, Passive)
def _(access, slices, column, stream):  # type: ignore[no-untyped-def]
    settle_weights(access.others, slices, column, stream)


@implements(settle_weights, Moving)
def _(others, slices, column, stream):  # type: ignore[no-untyped-def]
    for plane in range(slices.bits):
        line = plane * slices.logic.shape[1] + column
        settle_column(others, slices.cells, line, stream)
    for row in range(slices.logic.shape[0]):
        follow_cells(slices, row, column)


@implements(see_weights_again, ResistiveLines)
def _(lines, slices, column):  # type: ignore[no-untyped-def]
    """Update all weights of the column: a cell loads its bit line, and so changes all of them for
    reads."""
    for plane in range(slices.bits):
        see_again(lines, slices.cells, plane * slices.logic.shape[1] + column)
    for row in range(slices.logic.shape[0]):
        follow_cells(slices, row, column)
