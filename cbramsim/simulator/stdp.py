r"""The learning rule: what the winner's column asks for, and how the array carries it out.

When neuron k fires, each of its inputs i changes (Shi et al. 2018; constants assumed):

.. math:: \text{spiked within the window:}\; \Delta w = a\, e^{-b (w + 1)} \quad
          \text{(potentiation)}, \qquad
          \text{otherwise:}\; \Delta w = -c \quad \text{(depression)},

clipped to [-1, 1]. At rest the two balance,
:math:`w^* = -1 + \frac1b \ln \frac{a\,p}{c\,(1 - p)}`, with p the probability that the input
spiked given that the neuron fired: a weight learns a log-odds.

There are two ways to carry it out, with one interface:

* the *ideal rule* sets the conductance to exactly what the rule asks for;
* *device pulses*: the rule asks, the device answers. The controller senses a cell, looks up how
  many pulses of the nominal device would make the wanted change,
  :math:`q = |\Delta w| / \text{step}`, and gives :math:`\lfloor q + U \rfloor` pulses, U uniform
  in [0, 1): right on average also when the device's step is much larger than the wanted change
  (stochastic programming).
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.devices.device import Device
from cbramsim.devices.pulses import pulse_energy
from cbramsim.kernels import inlined, kernel
from cbramsim.rng import next_word, normal_of, uniform_of
from cbramsim.simulator.crossbar import (
    DEPRESS,
    POTENTIATE,
    program_cells,
    store_conductance,
)
from cbramsim.simulator.energy import Operation
from cbramsim.validation import Parameters

LTP_PULSE = int(Operation.LTP_PULSE)
LTD_PULSE = int(Operation.LTD_PULSE)
SENSE_READ = int(Operation.SENSE_READ)
PROGRAM_LINE = int(Operation.PROGRAM_LINE)

SENSED_STATES = 256
"""States that the sense amplifier tells apart: eight bits."""


class StdpRule(Parameters):
    """Constants of the rule, per output spike and in units of the weight, which spans [-1, 1]."""

    ltp: Annotated[float, Field(gt=0, le=2)] = 0.075
    """a: potentiation of a weight at the lower bound."""
    ltp_decay: Annotated[float, Field(ge=0, le=20)] = 2.7
    """b: how steeply potentiation falls with the weight."""
    ltd: Annotated[float, Field(gt=0, le=2)] = 0.0045
    """c: depression."""

    def potentiation(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change that the rule asks for at `weight` when the input spiked."""
        return np.minimum(weight + self.ltp * np.exp(-self.ltp_decay * (weight + 1)), 1) - weight

    def depression(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change (negative) that the rule asks for at `weight` without a spike."""
        return np.maximum(weight - self.ltd, -1) - weight

    def equilibrium(self, probability: float) -> float:
        """Return the weight at which both balance for an input that spikes with `probability`."""
        odds = self.ltp * probability / (self.ltd * (1 - probability))
        return min(max(-1 + math.log(odds) / self.ltp_decay, -1.0), 1.0)


class RuleConstants(NamedTuple):
    """The rule in units of conductance, as plain numbers for the ideal update."""

    ltp: float
    """a, S."""
    ltp_decay: float
    """b, per siemens above `g_min`."""
    ltd: float
    """c, S."""


class PulseTables(NamedTuple):
    """How many pulses the rule asks of the nominal device, by sensed state."""

    up: NDArray[np.float32]
    """Set pulses for a potentiation, float32[256]."""
    down: NDArray[np.float32]
    """Reset pulses for a depression, float32[256]."""
    g_min: float
    """Conductance of state 0, S."""
    states_per_siemens: float
    """Sensed states per siemens."""
    candidate: float
    """Probability with which a cell is considered for depression at all: the largest of `down`."""
    skip: float
    """1 / ln(1 - candidate), for drawing the distance to the next candidate."""


def rule_constants(rule: StdpRule, device: Device) -> RuleConstants:
    """Express `rule` in siemens: a weight of 2 spans the nominal window of `device`."""
    per_weight = 0.5 * device.g_range
    return RuleConstants(rule.ltp * per_weight, rule.ltp_decay / per_weight, rule.ltd * per_weight)


def pulse_tables(rule: StdpRule, device: Device) -> PulseTables:
    """Divide what the rule asks for by what one pulse of the nominal device gives, by state."""
    state = (np.arange(SENSED_STATES) + 0.5) / SENSED_STATES
    # The outermost states stand for the bounds: nothing more is asked for there.
    state[0], state[-1] = 0.0, 1.0
    conductance = device.g_min + state * device.g_range
    weight = 2 * state - 1
    step_up = device.r_up * (device.g_up_inf - conductance) * 2 / device.g_range
    step_down = device.r_down * (conductance - device.g_down_inf) * 2 / device.g_range
    tiny = np.finfo(float).tiny
    up = rule.potentiation(weight) / np.maximum(step_up, tiny)
    down = -rule.depression(weight) / np.maximum(step_down, tiny)
    candidate = min(float(down.max()), 1.0)
    return PulseTables(
        up=np.where(weight < 1, up, 0).astype(np.float32),
        down=np.where(weight > -1, down, 0).astype(np.float32),
        g_min=device.g_min,
        states_per_siemens=SENSED_STATES / device.g_range,
        candidate=candidate,
        skip=1 / math.log1p(-candidate) if candidate < 1 else 0.0,
    )


@inlined
def sensed_state(g, noise, tables):  # type: ignore[no-untyped-def]
    """Return the state that the sense amplifier reports for a cell of conductance `g`, S."""
    state = np.int64((g + noise - tables.g_min) * tables.states_per_siemens)
    return min(max(state, 0), SENSED_STATES - 1)


@kernel
def learn_with_pulses(array, pulse, costs, tables, column, work, n_active, stream, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on one column with device pulses.

    Choosing and programming are two passes each, and choosing is free of branches that a processor
    cannot foresee: an inhibited cell takes part, but is neither sensed nor chosen.

    Parameters
    ----------
    array, pulse, costs
        `ArrayState`, `PulseConstants`, `ProgramCosts`.
    tables
        `PulseTables`.
    column
        The winner.
    work, n_active
        `Scratch` with the inputs that spiked, from `draw_spikes`, and their number.
    stream
        State of the stream "pulses".
    account
        `Account` to book on.
    """
    n = _choose_potentiated(array, pulse, costs, tables, column, work, n_active, stream, account)
    program_cells(
        array, pulse, costs, column, work.chosen, work.pulses, n, POTENTIATE, LTP_PULSE, stream,
        account,
    )  # fmt: skip
    n = _choose_depressed(array, pulse, costs, tables, column, work, stream, account)
    program_cells(
        array, pulse, costs, column, work.chosen, work.pulses, n, DEPRESS, LTD_PULSE, stream,
        account,
    )  # fmt: skip


@kernel
def _choose_potentiated(array, pulse, costs, tables, column, work, n_active, stream, account):  # type: ignore[no-untyped-def]
    """List the cells to potentiate and their pulses in `work`; return how many.

    Every input that spiked is sensed.
    """
    inhibited = array.inhibited[column]
    chosen = sensed = 0
    conductance = 0.0
    for r in range(n_active):
        row = work.rows[r]
        open_to_pulses = not inhibited[row]
        word = next_word(stream)
        g = np.float64(array.g_columns[column, row])
        state = sensed_state(g, pulse.read_sigma * normal_of(word, array.normals), tables)
        pulses = np.int32(tables.up[state] + uniform_of(word))
        work.chosen[chosen] = row
        work.pulses[chosen] = pulses
        chosen += open_to_pulses & (pulses > 0)
        sensed += open_to_pulses
        conductance += open_to_pulses * g
    account.counts[SENSE_READ] += sensed
    account.joules[SENSE_READ] += pulse.v2t_read * conductance + sensed * costs.sense
    return chosen


@kernel
def _choose_depressed(array, pulse, costs, tables, column, work, stream, account):  # type: ignore[no-untyped-def]
    """List the cells to depress and their pulses in `work`; return how many.

    Depression is rare per cell. Instead of a draw for each, it is drawn how many cells to pass
    over to the next candidate; only candidates are sensed.
    """
    inhibited = array.inhibited[column]
    chosen = sensed = 0
    conductance = 0.0
    row = -1
    while True:
        gap = math.log(1.0 - uniform_of(next_word(stream))) * tables.skip
        row += 1 + int(min(gap, 1e9))
        if row >= array.g.shape[0]:
            break
        open_to_pulses = not (work.spiked[row] | inhibited[row])
        word = next_word(stream)
        g = np.float64(array.g_columns[column, row])
        state = sensed_state(g, pulse.read_sigma * normal_of(word, array.normals), tables)
        pulses = np.int32(tables.down[state] / tables.candidate + uniform_of(word))
        work.chosen[chosen] = row
        work.pulses[chosen] = pulses
        chosen += open_to_pulses & (pulses > 0)
        sensed += open_to_pulses
        conductance += open_to_pulses * g
    account.counts[SENSE_READ] += sensed
    account.joules[SENSE_READ] += pulse.v2t_read * conductance + sensed * costs.sense
    return chosen


@kernel
def learn_ideally(array, pulse, costs, rule, column, spiked, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on one column exactly; each change is booked as one ideal pulse."""
    for row in range(array.g.shape[0]):
        if array.inhibited[column, row]:
            continue
        before = array.g_columns[column, row]
        low, high = array.cells[column, row, 0], array.cells[column, row, 1]
        if spiked[row]:
            change = rule.ltp * math.exp(-rule.ltp_decay * (before - low))
            operation, v2t, line = LTP_PULSE, pulse.v2t_set, costs.line_set
        else:
            change = -rule.ltd
            operation, v2t, line = LTD_PULSE, pulse.v2t_reset, costs.line_reset
        after = np.float32(min(max(before + change, low), high))
        if after == before:
            continue
        store_conductance(array, column, row, before, after)
        account.counts[operation] += 1
        account.joules[operation] += pulse_energy(v2t, before, after)
        account.counts[PROGRAM_LINE] += 1
        account.joules[PROGRAM_LINE] += line
