"""Learning of the column of a neuron that fires, and the pulses that carry it out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import part
from cbramsim.core.rng import next_word, uniform_of
from cbramsim.core.timed_verbs import change, end_image, learn_spike
from cbramsim.core.verbs import give_pulses, implements, see_again, store
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET, pulse_energy
from cbramsim.simulator.array.writing import nominal_step, sense_cell
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.loop import Scratch
from cbramsim.simulator.learning.rules.rest import Rest
from cbramsim.simulator.timed.config import TimedStdp

PROGRAM_LINE = int(Operation.PROGRAM_LINE)
MOST_PULSES = 256
"""Most pulses that one change gives a cell."""


class TimedWork(NamedTuple):
    """Memory of a network, and its time."""

    scratch: Scratch
    """Memory of a read and an update."""
    rates: NDArray[np.float64]
    """Rate of each grey level, float64[256], Hz."""
    heads: NDArray[np.int64]
    """First input that spikes in each step of a presentation, int64[steps]; -1 for none."""
    links: NDArray[np.int64]
    """Next input that spikes in the same step as each, int64[inputs]."""
    last: NDArray[np.int64]
    """Step of the last spike of each input, int64[inputs]."""
    now: NDArray[np.int64]
    """Present step, int64[1]."""
    wanted: NDArray[np.float64]
    """Changes asked of a column, float64[inputs], S."""
    counts: NDArray[np.int64]
    """Spikes of each neuron in the present image, int64[neurons]."""


class Window(NamedTuple):
    """Rule of one set pulse where the input has spiked within a window, and one reset pulse
    elsewhere."""

    steps: int
    """Length of the window, steps."""


class Traced(NamedTuple):
    """Rule of changes by the traces of the inputs."""

    decay: float
    """dt over the time constant of a trace."""
    eta: float
    """Learning rate."""
    target: float
    """Trace at which nothing changes."""
    exponent: float
    """Exponent of the distance to the largest weight."""
    total: float
    """Sum of the weights of a neuron after each image; 0: not controlled."""
    means: Any
    """Way of changing cells: `Exactly` or `ByPulses`."""


class Exactly(NamedTuple):
    """Exact setting of cells, within their windows; each change is booked as a pulse"""


class ByPulses(NamedTuple):
    """Pulses on sensed cells, whose number is right on average."""


def rule_of(stdp: TimedStdp, dt: float) -> Window | Traced:
    """Return the rule for compiled loops."""
    if stdp.kind == "window":
        return Window(round(stdp.window / dt))
    means = Exactly() if stdp.exact else ByPulses()
    return Traced(dt / stdp.tau, stdp.eta, stdp.target, stdp.exponent, stdp.total, means)


@implements(learn_spike, Rest)
def _(rule, array, column, unit, work, stream, account):  # type: ignore[no-untyped-def]
    pass


@implements(end_image, Rest)
def _(rule, array, counts, unit, work, stream, account):  # type: ignore[no-untyped-def]
    pass


@implements(learn_spike, Window)
def _(rule, array, column, unit, work, stream, account):  # type: ignore[no-untyped-def]
    """Give pulses without sensing: the device determines the step."""
    rows, pulses, n = work.scratch.chosen, work.scratch.pulses, 0
    since = work.now[0] - rule.steps
    for row in range(work.last.size):
        rows[n] = row
        pulses[n] = 1 if work.last[row] >= since else -1
        n += not array.inhibited[column, row]
    give_pulses(array, column, rows, pulses, n, array.booked_as, stream, account)


@implements(end_image, Window)
def _(rule, array, counts, unit, work, stream, account):  # type: ignore[no-untyped-def]
    pass


@implements(learn_spike, Traced)
def _(rule, array, column, unit, work, stream, account):  # type: ignore[no-untyped-def]
    for row in range(work.last.size):
        age = min(np.float64(work.now[0] - work.last[row]), 1e9)
        trace = math.exp(-rule.decay * age)
        room = max(1 - np.float64(array.g_columns[column, row]) / unit, 0.0)
        work.wanted[row] = unit * rule.eta * (trace - rule.target) * room**rule.exponent
    change(rule.means, array, column, work, stream, account)


@implements(end_image, Traced)
def _(rule, array, counts, unit, work, stream, account):  # type: ignore[no-untyped-def]
    if rule.total <= 0:
        return
    for column in range(counts.size):
        if counts[column] == 0:
            continue
        total = 0.0
        for row in range(work.wanted.size):
            total += array.g_columns[column, row]
        factor = rule.total * unit / total - 1
        for row in range(work.wanted.size):
            work.wanted[row] = factor * array.g_columns[column, row]
        change(rule.means, array, column, work, stream, account)


@implements(change, Exactly)
def _(means, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    pulse, costs = array.pulse, array.costs
    for row in range(work.wanted.size):
        if array.inhibited[column, row] or work.wanted[row] == 0:
            continue
        before = np.float64(array.g_columns[column, row])
        low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
        after = np.float32(min(max(before + work.wanted[row], low), high))
        if after == before:
            continue
        is_set = after > before
        operation = array.booked_as.set if is_set else array.booked_as.reset
        v2t = pulse.v2t_set if is_set else pulse.v2t_reset
        gate = pulse.gate_set if is_set else pulse.gate_reset
        store(array.written, array, column, row, before, after)
        account.counts[operation] += 1
        account.joules[operation] += pulse_energy(v2t, gate, before, after)
        account.counts[PROGRAM_LINE] += 1
        account.joules[PROGRAM_LINE] += costs.line_set if is_set else costs.line_reset
    see_again(array.lines, array, column)


@implements(change, ByPulses)
def _(means, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    rows, pulses, n = work.scratch.chosen, work.scratch.pulses, 0
    for row in range(work.wanted.size):
        if array.inhibited[column, row] or work.wanted[row] == 0:
            continue
        given = pulses_for(array, column, row, work.wanted[row], stream, account)
        rows[n], pulses[n] = row, given
        n += given != 0
    give_pulses(array, column, rows, pulses, n, array.booked_as, stream, account)


@part
def pulses_for(array, column, row, wanted, stream, account):  # type: ignore[no-untyped-def]
    """Sense a cell; return the signed pulses that change it by `wanted`, S, on average."""
    seen = np.float64(sense_cell(array, column, row, stream, account))
    low, high = np.float64(array.nominal[0, 0, G_LOW]), np.float64(array.nominal[0, 0, G_HIGH])
    step = nominal_step(array, SET if wanted > 0 else RESET, min(max(seen, low), high))
    if step * wanted <= 0:
        return np.int32(0)
    whole = np.int32(min(wanted / step, MOST_PULSES) + uniform_of(next_word(stream)))
    return whole if wanted > 0 else -whole
