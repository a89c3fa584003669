r"""Execution of the rule by device pulses.

The controller senses a cell, looks up how many pulses of the nominal device would make the wanted
change, :math:`q = |\Delta w| / \text{step}`, and gives pulses as in `Programming`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.kernels import lean_kernel, part
from cbramsim.core.rng import fill_with_words
from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import (
    carry_out,
    correct,
    give_pulses,
    implements,
    learn,
    sense_column,
)
from cbramsim.devices.device import Device
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.learning.rules.stdp import StdpRule

Method = Literal["stochastic", "deterministic", "verify"]


class Programming(Parameters):
    """Pulses by which the controller carries out the change that is asked for.

    With q the pulses of the nominal device that would make the change:

    * `stochastic`: floor(q + U) pulses, U uniform in [0, 1) on a grid of 2^-16: right on average
      also when the device's step is much larger than the change;
    * `deterministic`: q rounded to a whole number;
    * `verify`: as stochastic, but each cell that got pulses is then sensed and corrected, pulse by
      pulse, until it reads as the nominal device would after them (within half a step and two
      standard deviations of the read noise), at most `tries` times. Of binary cells, the bits that
      were written are sensed, and those that read otherwise are written again.
    """

    method: Method = "stochastic"
    """Method of rounding and checking: `stochastic`, `deterministic` or `verify`."""
    max_pulses: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most pulses that one update gives a cell, even if the rule asks for more."""
    tries: Annotated[int, Field(ge=1, le=1000)] = 8
    """Most corrections of a cell in one update, method `verify`."""


class Asks(Protocol):
    """Source of requests to change a weight: `StdpRule`, or a part of one."""

    def potentiation(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change upwards at `weight`."""
        ...

    def depression(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change downwards at `weight`, negative."""
        ...


class PulseTable(NamedTuple):
    """Number of pulses that the rule asks of the nominal device, by sensed state."""

    pulses: NDArray[np.float32]
    """Reset pulses for a depression, set pulses for a potentiation, float32[2, 256]."""
    g_min: np.float32
    """Conductance of state 0, S."""
    states_per_siemens: np.float32
    """Sensed states per siemens."""


class PulsedStdp(NamedTuple):
    """The rule by device pulses, which the controller gives without verification."""

    table: Any
    """`PulseTable`, or the `CodeTable` of binary cells."""


class VerifiedStdp(NamedTuple):
    """The rule by device pulses, each cell corrected until it reads as it should."""

    table: Any
    """`PulseTable`, or the `CodeTable` of binary cells."""
    tries: int
    """Most corrections of a cell."""


class DensePulses(NamedTuple):
    """The rule by device pulses on every column, each by its chance of firing.

    As in a conventional network, every presentation senses every cell. The change of column k is
    r_k times that of the rule, where r_k is its chance of firing.
    """

    rule: Any
    """`PulsedStdp` or `VerifiedStdp`."""
    scaled: Any
    """Table of the rule times r_k, of the present column."""
    whole: bool
    """Whether the controller rounds the requested pulses to whole numbers."""


def dense(rule: PulsedStdp | VerifiedStdp, *, whole: bool) -> DensePulses:
    """Return a rule on every column."""
    scaled = rule.table._replace(pulses=np.zeros_like(rule.table.pulses))
    return DensePulses(rule, scaled, whole)


def pulsed_stdp(
    rule: Asks, device: Device, programming: Programming, synapse: Synapse | None = None
) -> PulsedStdp | VerifiedStdp:
    """Return the rule in the form that the controller of a device executes, on weights as in
    `synapse`."""
    return by_pulses(pulse_table(rule, device, programming, synapse), programming)


def by_pulses(table: Any, programming: Programming) -> PulsedStdp | VerifiedStdp:
    """Return the rule by the pulses of a `PulseTable` or `CodeTable`, as in `programming`."""
    if programming.method == "verify":
        return VerifiedStdp(table, programming.tries)
    return PulsedStdp(table)


def pulse_table(
    rule: Asks, device: Device, programming: Programming, synapse: Synapse | None = None
) -> PulseTable:
    """Divide the change that the rule asks for by the step of the nominal device, by state."""
    state = (np.arange(SENSED_STATES) + 0.5) / SENSED_STATES
    # The outermost states stand for the bounds: nothing more is asked for there.
    state[0], state[-1] = 0.0, 1.0
    wanted = wanted_pulses(rule, device, 2 * state - 1, programming, synapse)
    return PulseTable(
        pulses=np.array(wanted, np.float32),
        g_min=np.float32(device.g_min),
        states_per_siemens=np.float32(SENSED_STATES / device.g_range),
    )


def wanted_pulses(
    rule: Asks,
    device: Device,
    weight: NDArray[np.float64],
    programming: Programming,
    synapse: Synapse | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pulses that make the change that the rule asks for.

    Returns
    -------
    tuple of float64[...]
        Reset pulses for a depression and set pulses for a potentiation, at each of `weight`.
    """
    synapse = synapse or Synapse()
    step_up = synapse.rising(device, weight).step
    step_down = synapse.falling(device, weight).step
    tiny = np.finfo(float).tiny
    down = -rule.depression(weight) / np.maximum(step_down, tiny)
    up = rule.potentiation(weight) / np.maximum(step_up, tiny)
    if programming.method == "deterministic":
        down, up = np.rint(down), np.rint(up)
    return np.minimum(down, programming.max_pulses), np.minimum(up, programming.max_pulses)


def expected_write_energy(
    rule: StdpRule,
    device: Device,
    weight: NDArray[np.float64],
    probability: NDArray[np.float64],
    programming: Programming | None,
    synapse: Synapse | None = None,
) -> NDArray[np.float64]:
    """Return the mean energy of the pulses that a cell gets per output spike of its neuron, J.

    To first order: the energy of a pulse at the conductance before it.

    Parameters
    ----------
    rule, device
        The rule, and the nominal device.
    weight
        Weights of the cells, float64[...].
    probability
        Probability of a spike of the input when the neuron fires, float64[...].
    programming
        Way in which pulses are given; None for the ideal rule, with one pulse for any change.
    synapse
        The cells of a weight; one by default.
    """
    within = np.clip(weight, -1, 1)
    down, up = wanted_pulses(rule, device, within, programming or Programming(), synapse)
    if programming is None:
        down, up = np.sign(down), np.sign(up)
    ups, downs = probability * up, (1 - probability) * down
    synapse = synapse or Synapse()
    rising, falling = synapse.rising(device, weight), synapse.falling(device, weight)
    return ups * rising.joules + downs * falling.joules


@implements(learn, PulsedStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    carry_out(rule, rule.table, array, winner, work, streams.pulses, account)


@implements(learn, VerifiedStdp)
def _(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    carry_out(rule, rule.table, array, winner, work, streams.pulses, account)


@implements(learn, DensePulses)
def _(dense, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    wanted, scaled = dense.rule.table.pulses, dense.scaled.pulses
    for column in range(work.currents.size):
        share = work.currents[column] / np.float32(total)
        for way in range(2):
            for state in range(wanted.shape[1]):
                pulses = share * wanted[way, state]
                scaled[way, state] = np.rint(pulses) if dense.whole else pulses
        carry_out(dense.rule, dense.scaled, array, column, work, streams.pulses, account)


@implements(carry_out, PulsedStdp)
def _(rule, table, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    pulse_column(table, array, column, work, stream, account)


@implements(carry_out, VerifiedStdp)
def _(rule, table, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    chosen = pulse_column(table, array, column, work, stream, account)
    correct(array, column, chosen, rule.tries, work, stream, account)


@part
def pulse_column(table, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Sense a column, choose pulses by `PulseTable`, and give them; return the number of cells
    pulsed.

    The sensed values are left in ``work.seen``; rows and pulses in ``work.chosen`` and ``.pulses``.
    """
    sense_column(array, table, column, work, stream, account)
    fill_with_words(stream, work.pulse_words)
    chosen = choose_pulses(
        table.pulses, work.states, work.spiked, array.inhibited[column], work.random_shorts,
        work.chosen, work.pulses,
    )  # fmt: skip
    give_pulses(array, column, work.chosen, work.pulses, chosen, array.booked_as, stream, account)
    return chosen


@lean_kernel
def choose_pulses(table, states, spiked, inhibited, shorts, chosen, pulses):  # type: ignore[no-untyped-def]
    """List the cells that get pulses, and their pulses; return the number of cells.

    A cell in a state for which the rule asks for q pulses gets floor(q + U), U uniform on a grid
    of 2^-16. There is no branch that a processor could not predict.

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
        states[row] = pulses_for(table, states[row], spiked[row], inhibited[row], shorts[row])
    count = 0
    for row in range(states.size):
        chosen[count] = row
        pulses[count] = states[row]
        count += states[row] != 0
    return count


@lean_kernel
def pulses_for(table, state, spiked, inhibited, short):  # type: ignore[no-untyped-def]
    """Return the signed pulses of one cell; arguments as of `choose_pulses`, of that cell."""
    wanted = table[np.uint32(spiked), np.uint32(state)]
    whole = np.int32(wanted + np.float32(short) * np.float32(2.0**-16))
    return whole * (2 * np.int32(spiked) - 1) * (1 - np.int32(inhibited))
