"""The rule carried out ideally: cells are set to exactly what it asks for."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cbramsim.core.kernels import lean_kernel, part
from cbramsim.core.verbs import (
    book_all_lines,
    book_lines,
    book_others,
    implements,
    learn,
    lost_in_lines,
    see_again,
    sum_of_others,
)
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, pulse_energy
from cbramsim.simulator.array.cells import store_conductance
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.rules.stdp import StdpRule

LTP_PULSE = int(Operation.LTP_PULSE)
LTD_PULSE = int(Operation.LTD_PULSE)
PROGRAM_LINE = int(Operation.PROGRAM_LINE)

RESOLUTION = 2.0**-25
"""A change below this part of a conductance is lost in single precision."""


class IdealStdp(NamedTuple):
    """The rule in units of conductance: the winner's cells are set to what it asks for."""

    ltp: float
    """a, S."""
    ltp_decay: float
    """b, per siemens above `g_min`."""
    ltd: float
    """c, S."""
    g_min: float
    """Conductance of the weight -1, S."""


class DenseStdp(NamedTuple):
    """The rule on every column, each by its chance of firing."""

    ideal: IdealStdp


def ideal_stdp(rule: StdpRule, device: Device) -> IdealStdp:
    """Express `rule` in siemens: a weight of 2 spans the nominal window of `device`."""
    per_weight = 0.5 * device.g_range
    return IdealStdp(
        rule.ltp * per_weight,
        rule.ltp_decay / per_weight,
        rule.ltd * per_weight,
        device.g_min,
    )


@implements(learn, IdealStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    """Set each cell of the winner to what is asked for; each change is booked as one pulse."""
    pulse, costs = array.pulse, array.costs
    column_sum = sum_of_others(array.access, array, winner)
    for row in range(array.g.shape[0]):
        if array.inhibited[winner, row]:
            continue
        before = np.float64(array.g_columns[winner, row])
        low, high = array.cells[winner, row, G_LOW], array.cells[winner, row, G_HIGH]
        is_set = work.spiked[row]
        if is_set:
            operation, v2t, gate, line = LTP_PULSE, pulse.v2t_set, pulse.gate_set, costs.line_set
        else:
            operation, v2t, gate, line = (
                LTD_PULSE, pulse.v2t_reset, pulse.gate_reset, costs.line_reset,
            )  # fmt: skip
        after = np.float32(min(max(asked(rule, before, is_set), low), high))
        if after == before:
            continue
        book_others(array.access, array, row, before, column_sum, is_set, 1, account)
        column_sum += np.float64(after) - before
        store_conductance(array, winner, row, before, after)
        account.counts[operation] += 1
        account.joules[operation] += pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += 1
        account.joules[PROGRAM_LINE] += line
        squares = 0.25 * (before + after) ** 2
        book_lines(array.lines, 1, lost_in_lines(array.lines, v2t, squares, winner, row), account)
    see_again(array.lines, array, winner)


@lean_kernel
def asked(rule, g, spiked):  # type: ignore[no-untyped-def]
    """Return the conductance that the rule asks for at `g`, S, before it is clipped."""
    if spiked:
        return g + rule.ltp * math.exp(-rule.ltp_decay * (g - rule.g_min))
    return g - rule.ltd


@implements(learn, DenseStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on every column, each by its share of the responsibility.

    What a conventional network does: every presentation writes every cell. Column k changes by
    r_k times what the rule asks for, r_k its chance of firing: the mean of the update that spiking
    makes. Each cell gets one ideal pulse, also where the change is below the resolution of the
    state.
    """
    ideal, costs, spiked = rule.ideal, array.costs, work.spiked
    _book_all_cells(array, spiked, 0.5, account)
    for column in range(array.g.shape[1]):
        share = np.float64(work.currents[column]) / total
        if share * max(ideal.ltp, ideal.ltd) < RESOLUTION * ideal.g_min:
            continue
        for row in range(array.g.shape[0]):
            g = np.float64(array.g_columns[column, row])
            low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
            change = share * (min(max(asked(ideal, g, spiked[row]), low), high) - g)
            store_conductance(array, column, row, g, np.float32(g + change))
        see_again(array.lines, array, column)
    _book_all_cells(array, spiked, 0.5, account)
    rows, columns = array.g.shape
    sets = 0
    for row in range(rows):
        sets += spiked[row]
    account.counts[LTP_PULSE] += sets * columns
    account.counts[LTD_PULSE] += (rows - sets) * columns
    account.joules[LTP_PULSE] += sets * columns * array.pulse.gate_set
    account.joules[LTD_PULSE] += (rows - sets) * columns * array.pulse.gate_reset
    account.counts[PROGRAM_LINE] += rows * columns
    lines = sets * costs.line_set + (rows - sets) * costs.line_reset
    account.joules[PROGRAM_LINE] += columns * lines
    book_lines(array.lines, rows * columns, 0.0, account)


@part
def _book_all_cells(array, spiked, part, account):  # type: ignore[no-untyped-def]
    """Book `part` of the energy of one pulse on every cell, at their present conductances."""
    set_conductance, reset_conductance = 0.0, 0.0
    for row in range(array.g.shape[0]):
        if spiked[row]:
            set_conductance += array.row_sum[row]
        else:
            reset_conductance += array.row_sum[row]
    account.joules[LTP_PULSE] += part * array.pulse.v2t_set * set_conductance
    account.joules[LTD_PULSE] += part * array.pulse.v2t_reset * reset_conductance
    book_all_lines(array.lines, array, spiked, part, account)
