r"""Bit slices, and the kernels that read them.

The physical array is an `ArrayState` of rows x (bits x columns): bit line ``p * columns + k`` holds
plane p of column k. Quantities linear in the conductances are kept beside it, as one *logic
conductance* per weight, float32[rows, columns], S:

.. math:: G = G_{min} + \frac{G_{max} - G_{min}}{2^b - 1} \sum_p 2^p x_p, \qquad
          x_p = \frac{G_p - G_{min}}{G_{max} - G_{min}},

with the nominal window, which is all that the read-out knows, and with G_p as reads see it; for a
bit that is sensed, x_p is 0 or 1. A weight that is disconnected adds nothing, and its share of the
reference is taken out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_loop, lean_vector_kernel, part
from cbramsim.core.rng import NORMAL_MASK, next_word
from cbramsim.core.verbs import (
    add_normals,
    add_reference,
    convert,
    implements,
    leave_out,
    missing,
    read,
    seen,
    sense,
    sum_cells,
)
from cbramsim.simulator.array.cells import (
    AllConnected,
    ArrayState,
    BookedAs,
    Disconnected,
    book_rows_read,
    sum_rows,
)
from cbramsim.simulator.energy.ledger import Operation

ADC_CONVERSION = int(Operation.ADC_CONVERSION)
SHIFT_ADD = int(Operation.SHIFT_ADD)
BIT_SENSE = int(Operation.BIT_SENSE)
REWRITING = BookedAs(int(Operation.BIT_SET), int(Operation.BIT_RESET))
"""Operations under which the pulses of a rule are booked."""


class BinarySlices(NamedTuple):
    """Weights in binary cells, for compiled loops."""

    logic: NDArray[np.float32]
    """Logic conductances, float32[rows, columns], S."""
    cells: ArrayState
    """The binary cells, rows x (bits x columns)."""
    bits: int
    """Number of planes."""
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
    """Weights that get no more pulses, bool[>= columns, rows]."""
    codes: NDArray[np.int32]
    """Codes of the column that was last sensed, int32[rows]."""
    written: NDArray[np.int32]
    """Bits of each weight that were last written, int32[rows]."""
    sense_bit: float
    """Energy of one decision of a sense amplifier, J."""
    gaps: AllConnected | Disconnected
    """Disconnected weights: `AllConnected` or `Disconnected`."""
    booked_as: BookedAs
    """Operations under which pulses while learning are booked."""
    sensed: bool
    """Whether a bit counts by its sensed value, rather than by its conductance."""


class Summed(NamedTuple):
    """Exact conversion: the currents of each plane are summed, digitised, shifted and added."""


class NoisySum(NamedTuple):
    """Exact conversion of sums with noise."""

    sigma: float
    """Standard deviation of the noise of one logic conductance in a sum, S."""


class DigitisedSum(NamedTuple):
    """Conversion of sums with noise, by converters that round."""

    step: float
    """Step of the converters, in cells."""
    top: float
    """Half the number of their steps."""


class SensedBits(NamedTuple):
    """Sensing of each bit by itself, without errors."""


class NoisyBits(NamedTuple):
    """Sensing of each bit by itself, with noise that can flip it."""


@lean_loop
def fill_logic(slices):  # type: ignore[no-untyped-def]
    """Update all logic conductances from the cells."""
    for row in range(slices.logic.shape[0]):
        for column in range(slices.logic.shape[1]):
            follow_cells(slices, row, column)


@part
def follow_cells(slices, row, column):  # type: ignore[no-untyped-def]
    """Update the logic conductance of one weight from its cells, as reads see them.

    For a missing weight, that is the current that lines let through others to its bit lines.
    """
    array, codes = slices.cells, 0.0
    floor = 0.0 if missing(slices.gaps, row, column) else slices.g_min
    for plane in range(slices.bits):
        line = plane * slices.logic.shape[1] + column
        cell = np.float64(seen(array.lines, array, row, line))
        if slices.sensed:
            codes += (1 << plane) * np.float64(cell > slices.g_mid)
        else:
            codes += (1 << plane) * (cell - floor) / slices.g_range
    slices.logic[row, column] = np.float32(floor + slices.unit * codes)


# ---- reading -----------------------------------------------------------------------------------


@implements(read, BinarySlices)
def _(slices, readout, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    book_rows_read(slices.cells, 1, work.rows, n_active, account)
    return convert(readout, slices, n_active, work, stream, account)


@implements(convert, Summed)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    _sum_logic(slices, n_active, work)
    return _converted(slices, n_active, account)


@implements(convert, NoisySum)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    _sum_logic(slices, n_active, work)
    numbers = slices.cells.normals[np.int64(next_word(stream) & NORMAL_MASK) :]
    add_normals(slices.gaps, readout.sigma, n_active, work.currents, work, numbers)
    return _converted(slices, n_active, account)


@implements(convert, DigitisedSum)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_cells(slices.cells, work.rows, n_active, work.bit_lines, work, stream)
    shift_and_add(work.bit_lines, slices, readout, n_active, work.currents)
    return _converted(slices, n_active, account)


@part
def _sum_logic(slices, n_active, work):  # type: ignore[no-untyped-def]
    sum_rows(slices.logic, work.rows, n_active, work.currents)
    add_reference(slices.gaps, work.rows, n_active, work.currents, work)


@part
def _converted(slices, n_active, account):  # type: ignore[no-untyped-def]
    account.counts[ADC_CONVERSION] += slices.cells.g.shape[1]
    account.counts[SHIFT_ADD] += (slices.bits - 1) * slices.logic.shape[1]
    return np.float32(n_active * slices.g_mid)


@implements(convert, SensedBits)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    _sum_logic(slices, n_active, work)
    return _sensed(slices, n_active, account)


@implements(convert, NoisyBits)
def _(readout, slices, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    """Use one random draw for a row."""
    array, out = slices.cells, work.currents
    columns, mid = out.size, np.float32(slices.g_mid)
    for k in range(columns):
        out[k] = np.float32(0)
    for r in range(n_active):
        word = next_word(stream)
        row = work.rows[r]
        for plane in range(slices.bits):
            first = plane * columns
            value = np.float32(1 << plane)
            for k in range(columns):
                g = seen(array.lines, array, row, first + k)
                found = sense(array.noise, g, word, first + k, array.normals)
                out[k] += value * np.float32(found > mid and not missing(slices.gaps, row, k))
    for k in range(columns):
        out[k] = np.float32(n_active * slices.g_min + slices.unit * out[k])
    add_reference(slices.gaps, work.rows, n_active, out, work)
    leave_out(slices.gaps, slices.g_min, out, work)
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
