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

from cbramsim.devices.pulses import G_HIGH, G_LOW, pulse_energy
from cbramsim.kernels import compiled_loop, inlined, kernel, vector_kernel
from cbramsim.rng import NORMAL_MASK, next_word
from cbramsim.simulator.array import add_noise, store_conductance, sum_rows
from cbramsim.simulator.writing import PROGRAM_LINE, SENSE_READ, flicker_of


class Slices(NamedTuple):
    """What compiled loops know of the bit slices, as plain numbers."""

    bits: int
    """Planes."""
    sensed: bool
    """Whether bits are read one by one rather than as sums."""
    noisy: bool
    """Whether read noise can turn a bit that is sensed."""
    noise: float
    """Standard deviation of the noise of one logic conductance in an exact sum, S."""
    adc_step: float
    """Step of the converters, in cells; 0 if exact."""
    adc_top: float
    """Half the number of their steps."""
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


@compiled_loop
def write_codes(  # type: ignore[no-untyped-def]
    logic, array, slices, pulse, costs, column, rows, wanted, operation, stream, account
):
    """Write codes into cells of one column, but inhibited ones; return how many read otherwise.

    Parameters
    ----------
    logic, array, slices, pulse, costs
        As in `train`.
    column, rows, wanted
        The neuron; int64[n], word lines, and int64[n], codes.
    operation
        The `Operation` to book all pulses as.
    stream, account
        State of the stream "pulses", and `Account`.
    """
    columns = logic.shape[1]
    codes = np.empty(array.g.shape[0], np.int32)
    missed = 0
    for after in (False, True):
        sense_codes(array, slices, pulse, column, columns, stream, codes)
        for j in range(rows.size):
            row = rows[j]
            if array.inhibited[column, row]:
                continue
            conductance = 0.0
            for plane in range(slices.bits):
                conductance += np.float64(array.g[row, plane * columns + column])
            account.counts[SENSE_READ] += slices.bits
            account.joules[SENSE_READ] += pulse.v2t_read * conductance + costs.sense
            if after:
                missed += codes[row] != wanted[j]
            else:
                write_code(
                    logic, array, slices, pulse, costs, column, row, codes[row], wanted[j],
                    operation, operation, account,
                )  # fmt: skip
    return missed


@compiled_loop
def fill_logic(logic, array, slices):  # type: ignore[no-untyped-def]
    """Bring all logic conductances into step with the cells."""
    for row in range(logic.shape[0]):
        for column in range(logic.shape[1]):
            logic[row, column] = logic_conductance(array.g, slices, logic.shape[1], row, column)


@kernel
def read_slices(logic, array, slices, pulse, work, n_active, lines, stream):  # type: ignore[no-untyped-def]
    """Write the sum of the active rows' weights into ``work.currents``, as logic conductance, S."""
    if slices.sensed:
        if slices.noisy:
            count_bits(array, slices, pulse, work.rows, n_active, stream, work.currents)
        else:  # all bits read as they did when they were written
            sum_rows(logic, work.rows, n_active, work.currents)
    elif slices.adc_step > 0:
        sum_rows(array.g, work.rows, n_active, lines)
        if pulse.sum_sigma > 0:
            add_noise(
                lines, pulse.sum_sigma, n_active, work.spared, 0.0, array.normals, next_word(stream)
            )
        shift_and_add(lines, slices, n_active, work.currents)
    else:
        sum_rows(logic, work.rows, n_active, work.currents)
        if slices.noise > 0:
            add_noise(
                work.currents, slices.noise, n_active, work.spared, 0.0, array.normals,
                next_word(stream),
            )  # fmt: skip


@vector_kernel
def shift_and_add(lines, slices, n_active, out):  # type: ignore[no-untyped-def]
    """Digitise the bit lines' currents against the reference column, weight them by 2^p and add.

    Parameters
    ----------
    lines
        float32[bits x columns], summed conductance of each bit line, S.
    slices, n_active
        `Slices`, active word lines.
    out
        float32[columns], overwritten: logic conductance, S.
    """
    columns = out.size
    reference = np.float32(n_active * slices.g_mid)
    per_step = np.float32(1 / (slices.g_range * slices.adc_step))
    bottom, top = np.float32(-slices.adc_top), np.float32(slices.adc_top - 1)
    for k in range(columns):
        out[k] = reference
    for plane in range(slices.bits):
        value = np.float32(slices.unit * slices.adc_step * (1 << plane))
        line = lines[plane * columns : (plane + 1) * columns]
        for k in range(columns):
            steps = np.rint((line[k] - reference) * per_step)
            out[k] += value * min(max(steps, bottom), top)


@kernel
def count_bits(array, slices, pulse, rows, n_active, stream, out):  # type: ignore[no-untyped-def]
    """Sense every bit of the active rows by itself, with its noise, and sum the codes into `out`.

    One random draw serves a row, as in `add_noise`.
    """
    columns = out.size
    sigma, mid = np.float32(pulse.read_sigma), np.float32(slices.g_mid)
    for k in range(columns):
        out[k] = np.float32(0)
    for r in range(n_active):
        word = next_word(stream)
        offset = np.int64(word & NORMAL_MASK)
        for plane in range(slices.bits):
            first = plane * columns
            g = array.g[rows[r], first : first + columns]
            noise = array.normals[offset + first : offset + first + columns]
            value = np.float32(1 << plane)
            for k in range(columns):
                seen = g[k] + sigma * noise[k]
                if pulse.flicker > 0:
                    seen += flicker_of(word, first + k, pulse, array.normals)
                out[k] += value * np.float32(seen > mid)
    for k in range(columns):
        out[k] = np.float32(n_active * slices.g_min + slices.unit * out[k])


@kernel
def sense_codes(array, slices, pulse, column, columns, stream, codes):  # type: ignore[no-untyped-def]
    """Write into int32 `codes` what is sensed of a column's bits; one draw per plane."""
    sigma, mid = np.float32(pulse.read_sigma), np.float32(slices.g_mid)
    codes[:] = 0
    for plane in range(slices.bits):
        g = array.g_columns[plane * columns + column]
        word = next_word(stream)
        offset = np.int64(word & NORMAL_MASK)
        noise = array.normals[offset : offset + g.size]
        value = np.int32(1 << plane)
        if pulse.flicker > 0:
            for row in range(g.size):
                seen = g[row] + sigma * noise[row] + flicker_of(word, row, pulse, array.normals)
                codes[row] += value * np.int32(seen > mid)
        else:  # a loop that vectorises
            for row in range(g.size):
                codes[row] += value * np.int32(g[row] + sigma * noise[row] > mid)


@inlined
def write_code(  # type: ignore[no-untyped-def]
    logic, array, slices, pulse, costs, column, row, old, new, if_set, if_reset, account
):
    """Rewrite the bits in which two codes differ, each by one write, and book its pulses."""
    columns = logic.shape[1]
    flipped = old ^ new
    pulses = slices.write_pulses
    for plane in range(slices.bits):
        if (flipped >> plane) & 1 == 0:
            continue
        line = plane * columns + column
        is_set = (new >> plane) & 1 == 1
        before = array.g_columns[line, row]
        after = array.cells[line, row, G_HIGH if is_set else G_LOW]
        store_conductance(array, line, row, before, after)
        array.wear[line, row] += np.uint32(pulses)
        operation = if_set if is_set else if_reset
        v2t = pulse.v2t_set if is_set else pulse.v2t_reset
        gate = pulse.gate_set if is_set else pulse.gate_reset
        account.counts[operation] += pulses
        account.joules[operation] += pulses * pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += pulses
        account.joules[PROGRAM_LINE] += pulses * (costs.line_set if is_set else costs.line_reset)
    logic[row, column] = logic_conductance(array.g, slices, columns, row, column)


@inlined
def logic_conductance(g, slices, columns, row, column):  # type: ignore[no-untyped-def]
    """Return the logic conductance of one weight, S, from its cells in float32[rows, lines]."""
    codes = 0.0
    for plane in range(slices.bits):
        cell = np.float64(g[row, plane * columns + column])
        if slices.sensed:
            codes += (1 << plane) * np.float64(cell > slices.g_mid)
        else:
            codes += (1 << plane) * (cell - slices.g_min) / slices.g_range
    return np.float32(slices.g_min + slices.unit * codes)
