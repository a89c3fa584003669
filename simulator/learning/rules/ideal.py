"""Ideal execution of the rule: cells are set to exactly the requested conductance."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import each, lean_kernel, part
from cbramsim.core.verbs import (
    book_all_lines,
    book_all_others,
    book_lines,
    book_others,
    implements,
    learn,
    lost_in_lines,
    see_again,
    seen_by,
    store,
    sum_of_others,
)
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, pulse_energy
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.rules.stdp import StdpRule

LTP_PULSE = int(Operation.LTP_PULSE)
LTD_PULSE = int(Operation.LTD_PULSE)
PROGRAM_LINE = int(Operation.PROGRAM_LINE)
HALF_SELECT = int(Operation.HALF_SELECT)

RESOLUTION = 2.0**-25
"""Smallest change, part of a conductance, that is not lost in single precision."""


class IdealStdp(NamedTuple):
    """The rule in units of conductance: the winner's cells are set to the requested conductance."""

    ltp: float
    """Parameter a of the rule, S."""
    ltp_decay: float
    """Parameter b of the rule, per siemens above `g_min`."""
    ltd: float
    """Parameter c of the rule, S."""
    g_min: float
    """Conductance of the weight -1, S."""


class DenseStdp(NamedTuple):
    """The rule on every column, each by its chance of firing."""

    ideal: IdealStdp
    held_cells: NDArray[np.int64]
    """Number of cells of each row that get no pulses, int64[rows]."""
    held_sum: NDArray[np.float64]
    """Their summed conductance, float64[rows], S, constant while images are learned."""

    @classmethod
    def of(cls, ideal: IdealStdp, rows: int) -> Self:
        """Return the rule on an array with a number of rows."""
        return cls(ideal, np.zeros(rows, np.int64), np.zeros(rows))

    def refresh(self, array: ArrayState) -> None:
        """Record the cells that get no pulses; needed once any have been pruned or released."""
        held = array.inhibited
        self.held_cells[:] = held.sum(axis=0)
        self.held_sum[:] = np.where(held, array.g_columns, 0).sum(axis=0, dtype=np.float64)


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
    """Set each cell of the winner to the requested conductance; each change is booked as one
    pulse."""
    pulse, costs = array.pulse, array.costs
    column_sum = sum_of_others(array.access, array, winner)
    for row in each(array.g.shape[0]):
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
        store(array.written, array, winner, row, before, after)
        account.counts[operation] += 1
        account.joules[operation] += pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += 1
        account.joules[PROGRAM_LINE] += line
        squares = 0.25 * (before + after) ** 2
        i2t = pulse.i2t_set if is_set else pulse.i2t_reset
        book_lines(array.lines, 1, lost_in_lines(array.lines, i2t, squares, winner, row), account)
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

    As in a conventional network, every presentation writes every cell. Column k changes by r_k
    times the change of the rule, where r_k is its chance of firing: the mean of the update by
    spikes. Each cell gets one ideal pulse, also where the change is below the resolution of the
    state.
    """
    ideal, costs, spiked = rule.ideal, array.costs, work.spiked
    _book_all_cells(rule, array, spiked, 0.5, account)
    for column in range(array.g.shape[1]):
        share = np.float64(work.currents[column]) / total
        if share * max(ideal.ltp, ideal.ltd) < RESOLUTION * ideal.g_min:
            continue
        for row in range(array.g.shape[0]):
            if array.inhibited[column, row]:
                continue
            g = np.float64(array.g_columns[column, row])
            low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
            change = share * (min(max(asked(ideal, g, spiked[row]), low), high) - g)
            store(array.written, array, column, row, g, np.float32(g + change))
        see_again(array.lines, array, column)
    _book_all_cells(rule, array, spiked, 0.5, account)
    rows, columns = array.g.shape
    sets, resets = 0, 0
    for row in range(rows):
        if spiked[row]:
            sets += columns - rule.held_cells[row]
        else:
            resets += columns - rule.held_cells[row]
    account.counts[LTP_PULSE] += sets
    account.counts[LTD_PULSE] += resets
    account.joules[LTP_PULSE] += sets * array.pulse.gate_set
    account.joules[LTD_PULSE] += resets * array.pulse.gate_reset
    account.counts[PROGRAM_LINE] += sets + resets
    account.joules[PROGRAM_LINE] += sets * costs.line_set + resets * costs.line_reset
    account.counts[HALF_SELECT] += (sets + resets) * seen_by(array.access, array)
    book_lines(array.lines, sets + resets, 0.0, account)


@part
def _book_all_cells(rule, array, spiked, part, account):  # type: ignore[no-untyped-def]
    """Book `part` of the energy of one pulse on every open cell, at present conductances."""
    set_conductance, reset_conductance = 0.0, 0.0
    for row in range(array.g.shape[0]):
        if spiked[row]:
            set_conductance += array.row_sum[row] - rule.held_sum[row]
        else:
            reset_conductance += array.row_sum[row] - rule.held_sum[row]
    account.joules[LTP_PULSE] += part * array.pulse.v2t_set * set_conductance
    account.joules[LTD_PULSE] += part * array.pulse.v2t_reset * reset_conductance
    book_all_others(array.access, array, rule, spiked, part, account)
    book_all_lines(array.lines, array, spiked, part, account)
