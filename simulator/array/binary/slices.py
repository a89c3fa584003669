r"""Bit slices: the kernels that read, sense and write them.

The physical array is an `ArrayState` of rows x (bits x columns): bit line ``p * columns + k`` holds
plane p of column k. What is linear in the conductances is kept beside it, as one *logic
conductance* per weight, float32[rows, columns], S:

.. math:: G = G_{min} + \frac{G_{max} - G_{min}}{2^b - 1} \sum_p 2^p x_p, \qquad
          x_p = \frac{G_p - G_{min}}{G_{max} - G_{min}},

with the nominal window, for that is what the read-out knows; sensed digitally, x_p is 0 or 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_loop, lean_vector_kernel, part
from cbramsim.core.rng import NORMAL_MASK, next_word
from cbramsim.core.verbs import (
    add_normals,
    book_cells_read,
    convert,
    give_pulses,
    implements,
    read,
    sense,
    sense_column,
)
from cbramsim.devices.pulses import G_HIGH, G_LOW, pulse_energy
from cbramsim.simulator.array.cells import (
    REFERENCE_READ,
    WORD_LINE_DRIVE,
    AllConnected,
    ArrayState,
    BookedAs,
    store_conductance,
    sum_cells,
    sum_rows,
)
from cbramsim.simulator.array.writing import PROGRAM_LINE, SENSE_READ, open_conductance
from cbramsim.simulator.energy.ledger import Operation

ADC_CONVERSION = int(Operation.ADC_CONVERSION)
SHIFT_ADD = int(Operation.SHIFT_ADD)
BIT_SENSE = int(Operation.BIT_SENSE)
REWRITING = BookedAs(int(Operation.BIT_SET), int(Operation.BIT_RESET))
"""What the pulses of a rule are booked as."""


class BinarySlices(NamedTuple):
    """Weights in binary cells, for compiled loops."""

    logic: NDArray[np.float32]
    """Logic conductances, float32[rows, columns], S."""
    cells: ArrayState
    """The binary cells, rows x (bits x columns)."""
    bits: int
    """Planes."""
    g_min: float
    """Nominal lowest conductance, S."""
    g_mid: float
    """Conductance with which a bit is compared, S."""
    g_range: float
    """Nominal window, S."""
    unit: float
    """Logic conductance of one code, S."""
    write_pulses: int
    """Pulses of a binary write."""
    inhibited: NDArray[np.bool_]
    """Which weights get no more pulses, bool[>= columns, rows]."""
    codes: NDArray[np.int32]
    """Codes of the column that was last sensed, int32[rows]."""
    booked_as: BookedAs
    """What pulses while learning are booked as."""
    sensed: bool
    """Whether a bit counts as what it is sensed as, rather than by its conductance."""


class Summed(NamedTuple):
    """The currents of each plane are summed, digitised exactly, shifted and added."""


class NoisySum(NamedTuple):
    """The same, with noise."""

    sigma: float
    """Standard deviation of the noise of one logic conductance in a sum, S."""


class DigitisedSum(NamedTuple):
    """The same, by converters that round."""

    step: float
    """Step of the converters, in cells."""
    top: float
    """Half the number of their steps."""


class SensedBits(NamedTuple):
    """Every bit is sensed by itself, and read as it was written."""


class NoisyBits(NamedTuple):
    """Every bit is sensed by itself, with noise that can turn it."""


@lean_loop
def write_codes(slices, column, rows, wanted, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """Write codes into cells of one column, but inhibited ones; return how many read otherwise.

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
        sense_codes(slices, column, stream, codes)
        for j in range(rows.size):
            row = rows[j]
            if array.inhibited[column, row]:
                continue
            conductance = 0.0
            for plane in range(slices.bits):
                conductance += np.float64(array.g[row, plane * columns + column])
            account.counts[SENSE_READ] += slices.bits
            account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + array.costs.sense
            if after:
                missed += codes[row] != wanted[j]
            else:
                write_code(slices, column, row, codes[row], wanted[j], booked_as, account)
    return missed


@lean_loop
def fill_logic(slices):  # type: ignore[no-untyped-def]
    """Bring all logic conductances into step with the cells."""
    for row in range(slices.logic.shape[0]):
        for column in range(slices.logic.shape[1]):
            slices.logic[row, column] = logic_conductance(slices, row, column)


# ---- reading -----------------------------------------------------------------------------------


@implements(read, BinarySlices)
def _(slices, readout, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    array = slices.cells
    account.counts[WORD_LINE_DRIVE] += n_active
    account.counts[REFERENCE_READ] += n_active
    account.joules[REFERENCE_READ] += array.pulse.v2t_read * n_active * slices.g_mid
    book_cells_read(array.lines, array, work.rows, n_active, account)
    return convert(readout, slices, n_active, work, stream, account)


@implements(convert, Summed)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_rows(slices.logic, work.rows, n_active, work.currents)
    return _converted(slices, n_active, account)


@implements(convert, NoisySum)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_rows(slices.logic, work.rows, n_active, work.currents)
    numbers = slices.cells.normals[np.int64(next_word(stream) & NORMAL_MASK) :]
    add_normals(AllConnected(), readout.sigma, n_active, work.currents, work, numbers)
    return _converted(slices, n_active, account)


@implements(convert, DigitisedSum)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_cells(slices.cells, work.rows, n_active, work.bit_lines, work, stream)
    shift_and_add(work.bit_lines, slices, readout, n_active, work.currents)
    return _converted(slices, n_active, account)


@part
def _converted(slices, n_active, account):  # type: ignore[no-untyped-def]
    account.counts[ADC_CONVERSION] += slices.cells.g.shape[1]
    account.counts[SHIFT_ADD] += (slices.bits - 1) * slices.logic.shape[1]
    return np.float32(n_active * slices.g_mid)


@implements(convert, SensedBits)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_rows(slices.logic, work.rows, n_active, work.currents)
    return _sensed(slices, n_active, account)


@implements(convert, NoisyBits)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    """One random draw serves a row."""
    array, out = slices.cells, work.currents
    columns, mid = out.size, np.float32(slices.g_mid)
    for k in range(columns):
        out[k] = np.float32(0)
    for r in range(n_active):
        word = next_word(stream)
        for plane in range(slices.bits):
            first = plane * columns
            g = array.g[work.rows[r], first : first + columns]
            value = np.float32(1 << plane)
            for k in range(columns):
                seen = sense(array.noise, g[k], word, first + k, array.normals)
                out[k] += value * np.float32(seen > mid)
    for k in range(columns):
        out[k] = np.float32(n_active * slices.g_min + slices.unit * out[k])
    return _sensed(slices, n_active, account)


@part
def _sensed(slices, n_active, account):  # type: ignore[no-untyped-def]
    account.counts[BIT_SENSE] += n_active * slices.cells.g.shape[1]
    account.counts[SHIFT_ADD] += n_active * slices.logic.shape[1]
    return np.float32(n_active * slices.g_mid)


@lean_vector_kernel
def shift_and_add(lines, slices, readout, n_active, out):  # type: ignore[no-untyped-def]
    """Digitise the bit lines' currents against the reference column, weight them by 2^p and add.

    Parameters
    ----------
    lines
        float32[bits x columns], summed conductance of each bit line, S.
    slices, readout, n_active
        `BinarySlices`, `DigitisedSum`, active word lines.
    out
        float32[columns], overwritten: logic conductance, S.
    """
    columns = out.size
    reference = np.float32(n_active * slices.g_mid)
    per_step = np.float32(1 / (slices.g_range * readout.step))
    bottom, top = np.float32(-readout.top), np.float32(readout.top - 1)
    for k in range(columns):
        out[k] = reference
    for plane in range(slices.bits):
        value = np.float32(slices.unit * readout.step * (1 << plane))
        line = lines[plane * columns : (plane + 1) * columns]
        for k in range(columns):
            steps = np.rint((line[k] - reference) * per_step)
            out[k] += value * min(max(steps, bottom), top)


# ---- learning and writing ----------------------------------------------------------------------


@implements(sense_column, BinarySlices)
def _(slices, table, column, work, stream, account):  # type: ignore[no-untyped-def]
    array, columns = slices.cells, slices.logic.shape[1]
    conductance, cells = 0.0, 0
    for plane in range(slices.bits):
        g = array.g_columns[plane * columns + column]
        cells, in_plane = open_conductance(g, slices.inhibited[column])
        conductance += in_plane
    account.counts[SENSE_READ] += cells * slices.bits
    account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + cells * array.costs.sense
    sense_codes(slices, column, stream, slices.codes)
    for row in range(slices.codes.size):
        work.states[row] = slices.codes[row]
        work.seen[row] = slices.g_min + slices.unit * slices.codes[row]


@implements(give_pulses, BinarySlices)
def _(slices, column, rows, pulses, n, booked_as, stream, account):  # type: ignore[no-untyped-def]
    """The codes stay within their range; bits that differ are rewritten."""
    highest = (1 << slices.bits) - 1
    for j in range(n):
        before = slices.codes[rows[j]]
        after = min(max(before + pulses[j], 0), highest)
        write_code(slices, column, rows[j], before, after, booked_as, account)
        slices.codes[rows[j]] = after


@part
def sense_codes(slices, column, stream, codes):  # type: ignore[no-untyped-def]
    """Write into int32 `codes` what is sensed of a column's bits; one draw per plane."""
    array, mid = slices.cells, np.float32(slices.g_mid)
    codes[:] = 0
    for plane in range(slices.bits):
        g = array.g_columns[plane * slices.logic.shape[1] + column]
        word = next_word(stream)
        value = np.int32(1 << plane)
        for row in range(g.size):
            seen = sense(array.noise, g[row], word, row, array.normals)
            codes[row] += value * np.int32(seen > mid)


@part
def write_code(slices, column, row, old, new, booked_as, account):  # type: ignore[no-untyped-def]
    """Rewrite the bits in which two codes differ, each by one write, and book its pulses."""
    array, columns = slices.cells, slices.logic.shape[1]
    pulse, costs, pulses = array.pulse, array.costs, slices.write_pulses
    flipped = old ^ new
    for plane in range(slices.bits):
        if (flipped >> plane) & 1 == 0:
            continue
        line = plane * columns + column
        is_set = (new >> plane) & 1 == 1
        before = array.g_columns[line, row]
        after = array.cells[line, row, G_HIGH if is_set else G_LOW]
        store_conductance(array, line, row, before, after)
        array.wear[line, row] += np.uint32(pulses)
        operation = booked_as.set if is_set else booked_as.reset
        v2t = pulse.v2t_set if is_set else pulse.v2t_reset
        gate = pulse.gate_set if is_set else pulse.gate_reset
        account.counts[operation] += pulses
        account.joules[operation] += pulses * pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += pulses
        account.joules[PROGRAM_LINE] += pulses * (costs.line_set if is_set else costs.line_reset)
    slices.logic[row, column] = logic_conductance(slices, row, column)


@part
def logic_conductance(slices, row, column):  # type: ignore[no-untyped-def]
    """Return the logic conductance of one weight, S, from its cells."""
    codes = 0.0
    for plane in range(slices.bits):
        cell = np.float64(slices.cells.g[row, plane * slices.logic.shape[1] + column])
        if slices.sensed:
            codes += (1 << plane) * np.float64(cell > slices.g_mid)
        else:
            codes += (1 << plane) * (cell - slices.g_min) / slices.g_range
    return np.float32(slices.g_min + slices.unit * codes)
