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
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.arguments import number
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET, pulse_energy
from cbramsim.errors import ParameterError
from cbramsim.kernels import lean_kernel, lean_vector_kernel, part
from cbramsim.rng import fill_with_words, next_word
from cbramsim.simulator.array import ArrayState, store_conductance
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.writing import (
    SENSED_BITS,
    nominal_step,
    verify,
)
from cbramsim.validation import Parameters
from cbramsim.verbs import (
    book_all_lines,
    book_column_sensed,
    book_column_sneak,
    book_lines,
    book_others,
    give_pulses,
    implements,
    learn,
    lost_in_lines,
    see_again,
    sense,
    sense_column,
    settle_column,
    sum_of_others,
)

LTP_PULSE = int(Operation.LTP_PULSE)
LTD_PULSE = int(Operation.LTD_PULSE)
SENSE_READ = int(Operation.SENSE_READ)
PROGRAM_LINE = int(Operation.PROGRAM_LINE)

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


class PulseTable(NamedTuple):
    """How many pulses the rule asks of the nominal device, by sensed state."""

    pulses: NDArray[np.float32]
    """float32[2, 256]: reset pulses for a depression, set pulses for a potentiation."""
    g_min: np.float32
    """Conductance of state 0, S."""
    states_per_siemens: np.float32
    """Sensed states per siemens."""


class PulsedStdp(NamedTuple):
    """The rule by device pulses, which the controller gives without looking again."""

    table: Any
    """`PulseTable`, or the `CodeTable` of binary cells."""


class VerifiedStdp(NamedTuple):
    """The rule by device pulses, each cell corrected until it reads as it should."""

    table: PulseTable
    tries: int
    """Most corrections of a cell."""


def ideal_stdp(rule: StdpRule, device: Device) -> IdealStdp:
    """Express `rule` in siemens: a weight of 2 spans the nominal window of `device`."""
    per_weight = 0.5 * device.g_range
    return IdealStdp(
        rule.ltp * per_weight,
        rule.ltp_decay / per_weight,
        rule.ltd * per_weight,
        device.g_min,
    )


def pulsed_stdp(
    rule: StdpRule, device: Device, programming: Programming
) -> PulsedStdp | VerifiedStdp:
    """Return the rule as the controller of a device carries it out."""
    table = pulse_table(rule, device, programming)
    if programming.scheme == "verify":
        return VerifiedStdp(table, programming.tries)
    return PulsedStdp(table)


def pulse_table(rule: StdpRule, device: Device, programming: Programming) -> PulseTable:
    """Divide what the rule asks for by what one pulse of the nominal device gives, by state."""
    state = (np.arange(SENSED_STATES) + 0.5) / SENSED_STATES
    # The outermost states stand for the bounds: nothing more is asked for there.
    state[0], state[-1] = 0.0, 1.0
    return PulseTable(
        pulses=np.array(wanted_pulses(rule, device, 2 * state - 1, programming), np.float32),
        g_min=np.float32(device.g_min),
        states_per_siemens=np.float32(SENSED_STATES / device.g_range),
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


# ---- the ideal rule ----------------------------------------------------------------------------


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


# ---- device pulses -----------------------------------------------------------------------------


@implements(learn, PulsedStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    pulse_column(rule.table, array, winner, work, streams.pulses, account)


@implements(learn, VerifiedStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    """Each cell that got pulses is corrected until it reads as the nominal cell would."""
    stream = streams.pulses
    chosen = pulse_column(rule.table, array, winner, work, stream, account)
    for j in range(chosen):
        target = nominal_result(array, work.seen[work.chosen[j]], work.pulses[j])
        verify(array, winner, work.chosen[j], target, rule.tries, array.booked_as, stream, account)
    see_again(array.lines, array, winner)


@part
def pulse_column(table, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Sense a column, choose pulses by `PulseTable`, and give them; return to how many cells.

    What was sensed is left in ``work.seen``; rows and pulses in ``work.chosen`` and ``.pulses``.
    """
    sense_column(array, table, column, work, stream, account)
    fill_with_words(stream, work.pulse_words)
    chosen = choose_pulses(
        table.pulses, work.states, work.spiked, array.inhibited[column], work.random_shorts,
        work.chosen, work.pulses,
    )  # fmt: skip
    give_pulses(array, column, work.chosen, work.pulses, chosen, array.booked_as, stream, account)
    return chosen


@part
def nominal_result(array, g, pulses):  # type: ignore[no-untyped-def]
    """Return where some signed pulses would take the nominal cell, without noise, S."""
    after = np.float64(g)
    way = SET if pulses > 0 else RESET
    for _ in range(abs(pulses)):
        after += nominal_step(array, way, after)
    low, high = array.nominal[0, 0, G_LOW], array.nominal[0, 0, G_HIGH]
    return min(max(after, np.float64(low)), np.float64(high))


@lean_vector_kernel
def open_conductance(g, inhibited):  # type: ignore[no-untyped-def]
    """Return the number of cells that still get pulses, and their summed conductance, S."""
    cells = 0
    conductance = 0.0
    for row in range(g.size):
        cells += not inhibited[row]
        conductance += np.float64(g[row]) * (not inhibited[row])
    return cells, conductance


@implements(sense_column, ArrayState)
def _(array, table, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Each cell has noise of its own, all from one draw."""
    settle_column(array.access, array, column, stream)
    cells, conductance = open_conductance(array.g_columns[column], array.inhibited[column])
    account.counts[SENSE_READ] += cells
    account.joules[SENSE_READ] += array.pulse.v2t_read * conductance + cells * array.costs.sense
    book_column_sensed(array.lines, array, column, cells, account)
    book_column_sneak(array.access, array, column, account)
    word = next_word(stream)
    g, noise, normals = array.g_columns[column], array.noise, array.normals
    states, seen = work.states, work.seen
    low, per_siemens = table.g_min, table.states_per_siemens
    for row in range(g.size):
        seen[row] = sense(noise, g[row], word, row, normals)
        state = np.int32((seen[row] - low) * per_siemens)
        states[row] = min(max(state, np.int32(0)), np.int32(SENSED_STATES - 1))


@lean_kernel
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
