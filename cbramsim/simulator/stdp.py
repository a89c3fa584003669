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
  :math:`q = |\Delta w| / \text{step}`, and gives as many as `Programming` says.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.arguments import number
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET, mean_step, pulse_energy
from cbramsim.errors import ParameterError
from cbramsim.kernels import inlined, kernel, vector_kernel
from cbramsim.rng import NORMAL_MASK, fill_with_words, next_word
from cbramsim.simulator.array import see_again, store_conductance
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.half_select import (
    book_half_select,
    book_sneak,
    half_selected_column,
    settle_column,
)
from cbramsim.simulator.writing import SENSED_BITS, flicker_of, program_cells, verify
from cbramsim.validation import Parameters

LTP_PULSE = int(Operation.LTP_PULSE)
LTD_PULSE = int(Operation.LTD_PULSE)
SENSE_READ = int(Operation.SENSE_READ)
PROGRAM_LINE = int(Operation.PROGRAM_LINE)
PROGRAM_WIRE = int(Operation.PROGRAM_WIRE)

SENSED_STATES = 1 << SENSED_BITS
"""States that the sense amplifier tells apart."""
RESOLUTION = 2.0**-25
"""A change below this part of a conductance is lost in single precision."""

Scheme = Literal["stochastic", "deterministic", "verify"]


class Programming(Parameters):
    """How the controller turns the change that is asked for into pulses.

    With q the pulses of the nominal device that would make the change:

    * `stochastic`: floor(q + U) pulses, U uniform in [0, 1) on a grid of 2^-16: right on average
      also when the device's step is much larger than the change;
    * `deterministic`: q rounded to a whole number;
    * `verify`: as stochastic, but each cell that got pulses is then sensed and corrected, pulse by
      pulse, until it reads as the nominal device would after them (within half a step and two
      standard deviations of the read noise), at most `tries` times.
    """

    scheme: Scheme = "stochastic"
    """`stochastic`, `deterministic` or `verify`."""
    max_pulses: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most pulses that one update gives a cell, whatever the rule asks for."""
    tries: Annotated[int, Field(ge=1, le=1000)] = 8
    """Most corrections of a cell in one update, scheme `verify`."""


class StdpRule(Parameters):
    """Constants of the rule, per output spike and in units of the weight, which spans [-1, 1]."""

    ltp: Annotated[float, Field(ge=1e-9, le=2)] = 0.15
    """a: potentiation of a weight at the lower bound."""
    ltp_decay: Annotated[float, Field(ge=0, le=20)] = 3.6
    """b: how steeply potentiation falls with the weight."""
    ltd: Annotated[float, Field(ge=1e-9, le=2)] = 0.0046
    """c: depression."""

    def potentiation(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change that the rule asks for at `weight` when the input spiked."""
        return np.minimum(weight + self.ltp * np.exp(-self.ltp_decay * (weight + 1)), 1) - weight

    def depression(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change (negative) that the rule asks for at `weight` without a spike."""
        return np.maximum(weight - self.ltd, -1) - weight

    def equilibrium(self, probability: float) -> float:
        """Return the weight at which both balance for an input that spikes with `probability`."""
        if not 0 < number("StdpRule.equilibrium: probability", probability) < 1:
            raise ParameterError(
                f"StdpRule.equilibrium: probability must be > 0 and < 1 (got {probability:g})"
            )
        odds = self.ltp * probability / (self.ltd * (1 - probability))
        return min(max(-1 + math.log(odds) / self.ltp_decay, -1.0), 1.0)

    def probability(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a spike that a weight has learned: `equilibrium`, inverted."""
        odds = self.ltd / self.ltp * np.exp(self.ltp_decay * (weight + 1))
        return odds / (1 + odds)


class RuleConstants(NamedTuple):
    """The rule in units of conductance, as plain numbers for the ideal update."""

    ltp: float
    """a, S."""
    ltp_decay: float
    """b, per siemens above `g_min`."""
    ltd: float
    """c, S."""
    g_min: float
    """Conductance of the weight -1, S."""


class PulseTables(NamedTuple):
    """How many pulses the rule asks of the nominal device, by sensed state."""

    pulses: NDArray[np.float32]
    """float32[2, 256]: reset pulses for a depression, set pulses for a potentiation."""
    g_min: np.float32
    """Conductance of state 0, S."""
    states_per_siemens: np.float32
    """Sensed states per siemens."""
    tries: int
    """Corrections of a cell after its pulses; 0 without verification."""


def rule_constants(rule: StdpRule, device: Device) -> RuleConstants:
    """Express `rule` in siemens: a weight of 2 spans the nominal window of `device`."""
    per_weight = 0.5 * device.g_range
    return RuleConstants(
        rule.ltp * per_weight,
        rule.ltp_decay / per_weight,
        rule.ltd * per_weight,
        device.g_min,
    )


def pulse_tables(rule: StdpRule, device: Device, programming: Programming) -> PulseTables:
    """Divide what the rule asks for by what one pulse of the nominal device gives, by state."""
    state = (np.arange(SENSED_STATES) + 0.5) / SENSED_STATES
    # The outermost states stand for the bounds: nothing more is asked for there.
    state[0], state[-1] = 0.0, 1.0
    return PulseTables(
        pulses=np.array(wanted_pulses(rule, device, 2 * state - 1, programming), np.float32),
        g_min=np.float32(device.g_min),
        states_per_siemens=np.float32(SENSED_STATES / device.g_range),
        tries=programming.tries if programming.scheme == "verify" else 0,
    )


def wanted_pulses(
    rule: StdpRule, device: Device, weight: NDArray[np.float64], programming: Programming
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how many pulses the controller wants to give for the change that the rule asks for.

    Returns
    -------
    tuple of float64[...]
        Reset pulses for a depression and set pulses for a potentiation, at each of `weight`.
    """
    conductance = device.conductance_of(weight)
    step_up = device.step_up(conductance) * 2 / device.g_range
    step_down = device.step_down(conductance) * 2 / device.g_range
    tiny = np.finfo(float).tiny
    down = -rule.depression(weight) / np.maximum(step_down, tiny)
    up = rule.potentiation(weight) / np.maximum(step_up, tiny)
    if programming.scheme == "deterministic":
        down, up = np.rint(down), np.rint(up)
    return np.minimum(down, programming.max_pulses), np.minimum(up, programming.max_pulses)


def expected_write_energy(
    rule: StdpRule,
    device: Device,
    weight: NDArray[np.float64],
    probability: NDArray[np.float64],
    programming: Programming | None,
) -> NDArray[np.float64]:
    """Return the mean energy of the pulses that a cell gets per output spike of its neuron, J.

    To first order: the energy of a pulse at the conductance before it.

    Parameters
    ----------
    rule, device
        What asks, and the nominal device that answers.
    weight
        Of the cells, float64[...].
    probability
        With which the input spikes when the neuron fires, float64[...].
    programming
        How pulses are given; None for the ideal rule, which gives one pulse for any change.
    """
    within = np.clip(weight, -1, 1)
    down, up = wanted_pulses(rule, device, within, programming or Programming())
    if programming is None:
        down, up = np.sign(down), np.sign(up)
    ups, downs = probability * up, (1 - probability) * down
    v2t = ups * device.v2t_set + downs * device.v2t_reset
    return v2t * device.conductance_of(weight) + ups * device.gate_set + downs * device.gate_reset


@kernel
def learn_with_pulses(array, pulse, costs, tables, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on one column with device pulses: sense it, choose, program.

    Parameters
    ----------
    array, pulse, costs
        `ArrayState`, `PulseConstants`, `ProgramCosts`.
    tables
        `PulseTables`.
    column
        The winner.
    work
        `Scratch` with the inputs that spiked, from `draw_spikes`.
    stream
        State of the stream "pulses".
    account
        `Account` to book on.
    """
    settle_column(array, pulse, column, stream)
    cells, conductance = open_conductance(array.g_columns[column], array.inhibited[column])
    account.counts[SENSE_READ] += cells
    account.joules[SENSE_READ] += pulse.v2t_read * conductance + cells * costs.sense
    if array.wired.base.shape[0] > 0:
        lines = sensing_in_lines(array, column)
        account.counts[PROGRAM_WIRE] += cells
        account.joules[PROGRAM_WIRE] += pulse.v2t_read * lines
    if costs.half_set > 0:
        for row in range(work.states.size):
            if not array.inhibited[column, row]:
                book_sneak(array, pulse, row, np.float64(array.g_columns[column, row]), account)
    sense_states(array, pulse, tables, column, next_word(stream), work.states, work.seen)
    fill_with_words(stream, work.pulse_words)
    chosen = choose_pulses(
        tables.pulses, work.states, work.spiked, array.inhibited[column], work.random_shorts,
        work.chosen, work.pulses,
    )  # fmt: skip
    program_cells(
        array, pulse, costs, column, work.chosen, work.pulses, chosen, LTP_PULSE, LTD_PULSE,
        stream, account,
    )  # fmt: skip
    if tables.tries > 0:
        for j in range(chosen):
            target = nominal_result(work.seen[work.chosen[j]], work.pulses[j], pulse, array)
            verify(
                array, pulse, costs, column, work.chosen[j], target, tables.tries,
                LTP_PULSE, LTD_PULSE, stream, account,
            )  # fmt: skip
    see_again(array, column)


@kernel
def nominal_result(g, pulses, pulse, array):  # type: ignore[no-untyped-def]
    """Return where some signed pulses would take the nominal cell, without noise, S."""
    cell = array.nominal
    after = np.float64(g)
    for _ in range(abs(pulses)):
        after += mean_step(after, cell, SET if pulses > 0 else RESET, pulse, array.shapes)
    return min(max(after, np.float64(cell[G_LOW])), np.float64(cell[G_HIGH]))


@vector_kernel
def open_conductance(g, inhibited):  # type: ignore[no-untyped-def]
    """Return the number of cells that still get pulses, and their summed conductance, S."""
    cells = 0
    conductance = 0.0
    for row in range(g.size):
        cells += not inhibited[row]
        conductance += np.float64(g[row]) * (not inhibited[row])
    return cells, conductance


@kernel
def sensing_in_lines(array, column):  # type: ignore[no-untyped-def]
    """Return the sum of G² R over the cells of a column that still get pulses, S."""
    total = 0.0
    along_word = array.wired.along_word[column]
    for row in range(array.wired.along_bit.size):
        g = np.float64(array.g_columns[column, row]) * (not array.inhibited[column, row])
        total += g * g * (array.wired.along_bit[row] + along_word)
    return total


@kernel
def sense_states(array, pulse, tables, column, word, states, seen):  # type: ignore[no-untyped-def]
    """Write into int32 `states` what is sensed of the cells of a column.

    Each cell has noise of its own, all from one draw, as in `sensed`. Where it is needed again, for
    verification, the conductance that is seen goes into float32 `seen`.
    """
    g = array.g_columns[column]
    sigma = np.float32(pulse.read_sigma)
    offset = np.int64(word & NORMAL_MASK)
    low, per_siemens = tables.g_min, tables.states_per_siemens
    if pulse.flicker > 0 or tables.tries > 0:
        for row in range(g.size):
            seen[row] = g[row] + sigma * array.normals[offset + row]
            if pulse.flicker > 0:
                seen[row] += flicker_of(word, row, pulse, array.normals)
            states[row] = state_of(seen[row], low, per_siemens)
    else:  # what is seen is not kept: a loop that vectorises
        for row in range(g.size):
            noise = sigma * array.normals[offset + row]
            states[row] = state_of(g[row] + noise, low, per_siemens)


@inlined
def state_of(g, low, per_siemens):  # type: ignore[no-untyped-def]
    """Return the sensed state of a conductance, S; `low` is that of state 0."""
    state = np.int32((g - low) * per_siemens)
    return min(max(state, np.int32(0)), np.int32(SENSED_STATES - 1))


@kernel
def choose_pulses(table, states, spiked, inhibited, shorts, chosen, pulses):  # type: ignore[no-untyped-def]
    """List the cells that get pulses, and how many; return how many cells.

    A cell in a state for which the rule asks for q pulses gets floor(q + U), U uniform on a grid
    of 2^-16. There is no branch that a processor could not foresee.

    Parameters
    ----------
    table
        float32[2, 256] of `PulseTables`.
    states, spiked, inhibited
        int32, bool, bool[rows]; the states are used up.
    shorts
        uint16[>= rows], random.
    chosen, pulses
        int32[rows + 1], overwritten: rows, and pulses (set pulses positive, reset negative).
    """
    for row in range(states.size):
        wanted = table[np.uint32(spiked[row]), np.uint32(states[row])]
        whole = np.int32(wanted + np.float32(shorts[row]) * np.float32(2.0**-16))
        sign = 2 * np.int32(spiked[row]) - 1
        states[row] = whole * sign * (1 - np.int32(inhibited[row]))
    count = 0
    for row in range(states.size):
        chosen[count] = row
        pulses[count] = states[row]
        count += states[row] != 0
    return count


@kernel
def learn_ideally(array, pulse, costs, rule, column, spiked, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on one column exactly; each change is booked as one ideal pulse."""
    column_sum = half_selected_column(array, costs, column)
    for row in range(array.g.shape[0]):
        if array.inhibited[column, row]:
            continue
        before = np.float64(array.g_columns[column, row])
        low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
        if spiked[row]:
            change = rule.ltp * math.exp(-rule.ltp_decay * (before - rule.g_min))
            operation, v2t, gate = LTP_PULSE, pulse.v2t_set, pulse.gate_set
            line, half = costs.line_set, costs.half_set
        else:
            change = -rule.ltd
            operation, v2t, gate = LTD_PULSE, pulse.v2t_reset, pulse.gate_reset
            line, half = costs.line_reset, costs.half_reset
        after = np.float32(min(max(before + change, low), high))
        if after == before:
            continue
        if costs.half_set > 0:
            book_half_select(array, costs, row, before, column_sum, half, 1, account)
            column_sum += np.float64(after) - before
        store_conductance(array, column, row, before, after)
        account.counts[operation] += 1
        account.joules[operation] += pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += 1
        account.joules[PROGRAM_LINE] += line
        if array.wired.base.shape[0] > 0:
            path = array.wired.along_bit[row] + array.wired.along_word[column]
            account.counts[PROGRAM_WIRE] += 1
            account.joules[PROGRAM_WIRE] += 0.25 * v2t * (before + after) ** 2 * path
    see_again(array, column)


@kernel
def learn_densely(array, pulse, costs, rule, chances, total, spiked, account):  # type: ignore[no-untyped-def]
    """Carry out the rule on every column, each by its share of the responsibility.

    What a conventional network does: every presentation writes every cell. Column k changes by
    r_k times what the rule asks for, r_k = ``chances[k] / total`` its chance of firing: the mean of
    the update that spiking makes. Each cell gets one ideal pulse, also where the change is below
    the resolution of the state.

    Parameters
    ----------
    array, pulse, costs, rule
        `ArrayState`, `PulseConstants`, `ProgramCosts`, `RuleConstants`.
    chances, total
        float32[columns] and their sum.
    spiked
        bool[rows], the inputs that spiked.
    account
        `Account` to book on.
    """
    _book_all_cells(array, pulse, costs, spiked, 0.5, account)
    for column in range(array.g.shape[1]):
        share = np.float64(chances[column]) / total
        if share * max(rule.ltp, rule.ltd) < RESOLUTION * rule.g_min:
            continue
        for row in range(array.g.shape[0]):
            g = np.float64(array.g_columns[column, row])
            low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
            if spiked[row]:
                asked = g + rule.ltp * math.exp(-rule.ltp_decay * (g - rule.g_min))
            else:
                asked = g - rule.ltd
            change = share * (min(max(asked, low), high) - g)
            store_conductance(array, column, row, g, np.float32(g + change))
        see_again(array, column)
    _book_all_cells(array, pulse, costs, spiked, 0.5, account)
    rows, columns = array.g.shape
    sets = 0
    for row in range(rows):
        sets += spiked[row]
    account.counts[LTP_PULSE] += sets * columns
    account.counts[LTD_PULSE] += (rows - sets) * columns
    account.joules[LTP_PULSE] += sets * columns * pulse.gate_set
    account.joules[LTD_PULSE] += (rows - sets) * columns * pulse.gate_reset
    account.counts[PROGRAM_LINE] += rows * columns
    lines = sets * costs.line_set + (rows - sets) * costs.line_reset
    account.joules[PROGRAM_LINE] += columns * lines
    account.counts[PROGRAM_WIRE] += array.wired.along_bit.size * columns


@inlined
def _book_all_cells(array, pulse, costs, spiked, part, account):  # type: ignore[no-untyped-def]
    """Book `part` of the energy of one pulse on every cell, at their present conductances."""
    set_conductance, reset_conductance = 0.0, 0.0
    for row in range(array.g.shape[0]):
        if spiked[row]:
            set_conductance += array.row_sum[row]
        else:
            reset_conductance += array.row_sum[row]
    account.joules[LTP_PULSE] += part * pulse.v2t_set * set_conductance
    account.joules[LTD_PULSE] += part * pulse.v2t_reset * reset_conductance
    for row in range(array.wired.along_bit.size):
        v2t = pulse.v2t_set if spiked[row] else pulse.v2t_reset
        lines = 0.0
        for column in range(array.g.shape[1]):
            path = array.wired.along_bit[row] + array.wired.along_word[column]
            lines += np.float64(array.g[row, column]) ** 2 * path
        account.joules[PROGRAM_WIRE] += part * v2t * lines
