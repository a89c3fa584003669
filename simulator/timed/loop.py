"""Loops of networks with time: step after step, with work only for events.

Nothing in the loops allocates, and every event is booked in the same pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.timed_verbs import (
    discharge,
    end_image,
    learn_spike,
    pass_time,
    relax,
    rest,
    sleeps,
    take,
)
from cbramsim.core.verbs import sum_cells
from cbramsim.simulator.array.cells import book_rows_read
from cbramsim.simulator.learning.loop import NEURON_UPDATE, OUTPUT_SPIKE, Streams
from cbramsim.simulator.timed.coding import NEVER, open_calendar, spikes_of
from cbramsim.simulator.timed.neurons import farthest_above
from cbramsim.simulator.timed.rules import TimedWork

MOST_TRIES = 10
"""Most presentations of an image for which too few neurons fire."""
HARDER = 0.5
"""Relative rise of the rates with each of these."""


class TimedCircuit(NamedTuple):
    """Parts of a network with time, for compiled loops."""

    coding: Any
    """Coding of spikes: `Poisson` or `Jittered`."""
    array: Any
    """Array of the weights: `ArrayState`."""
    neurons: Any
    """Neurons: `Integrating` or `Conducting`."""
    rule: Any
    """Learning rule: `Window`, `Traced`, or `Rest`."""
    unit: float
    """Conductance of the weight 1, S."""
    dt: float
    """Step, s."""
    pause: int
    """Steps after a presentation."""
    anew: bool
    """Whether all is put to rest before an image."""
    fewest: int
    """Fewest spikes in all; with fewer, an image is presented again."""
    streams: Streams
    """Streams of random numbers."""
    work: TimedWork
    """Memory, and time."""


@part
def fire_all(circuit, account):  # type: ignore[no-untyped-def]
    """Let all neurons above their thresholds fire, the farthest above first; each learns."""
    neurons, work = circuit.neurons, circuit.work
    now = work.now[0]
    winner = farthest_above(neurons.u, neurons.limits, neurons.ready, now)
    while winner >= 0:
        discharge(neurons, winner, now)
        work.counts[winner] += 1
        account.counts[OUTPUT_SPIKE] += 1
        learn_spike(
            circuit.rule, circuit.array, winner, circuit.unit, work, circuit.streams.pulses,
            account,
        )  # fmt: skip
        winner = farthest_above(neurons.u, neurons.limits, neurons.ready, now)


@part
def take_spikes(n, circuit, account):  # type: ignore[no-untyped-def]
    """Read the first `n` of ``work.scratch.rows`` together into the neurons."""
    array, scratch = circuit.array, circuit.work.scratch
    book_rows_read(array, 0, scratch.rows, n, account)
    sum_cells(array, scratch.rows, n, scratch.currents, scratch, circuit.streams.reads)
    account.counts[NEURON_UPDATE] += scratch.currents.size
    take(circuit.neurons, scratch.currents, circuit.unit, circuit.work.now[0])


@part
def present_once(pixels, factor, circuit, account):  # type: ignore[no-untyped-def]
    """Present an image once, and let the pause pass; ``work.counts`` has the spikes of each
    neuron."""
    work, neurons, spikes = circuit.work, circuit.neurons, circuit.streams.spikes
    start, normals = work.now[0], circuit.array.normals
    if circuit.anew:
        rest(neurons, start)
        for row in range(work.last.size):
            work.last[row] = NEVER
    for k in range(work.counts.size):
        work.counts[k] = 0
    open_calendar(circuit.coding, pixels, factor, work, spikes, normals)
    for step in range(work.heads.size + circuit.pause):
        now = work.now[0] = start + step
        n = 0
        if step < work.heads.size and work.heads[step] >= 0:
            n = spikes_of(circuit.coding, pixels, factor, step, now, work, spikes, normals)
        if n == 0 and sleeps(neurons):
            continue
        pass_time(neurons, now)
        if n > 0:
            take_spikes(n, circuit, account)
        fire_all(circuit, account)
    work.now[0] = start + work.heads.size + circuit.pause


@part
def present(pixels, circuit, account):  # type: ignore[no-untyped-def]
    """Present an image at rising rates until the neurons fire often enough."""
    factor = 1.0
    for _ in range(MOST_TRIES):
        present_once(pixels, factor, circuit, account)
        end_image(
            circuit.rule, circuit.array, circuit.work.counts, circuit.unit, circuit.work,
            circuit.streams.pulses, account,
        )  # fmt: skip
        seconds = circuit.dt * (circuit.work.heads.size + circuit.pause)
        relax(circuit.neurons.adaptation, circuit.neurons.limits, circuit.work.counts, seconds)
        if circuit.work.counts.sum() >= circuit.fewest:
            break
        factor += HARDER


@lean_loop
def run_images(images, order, counts, circuit, account):  # type: ignore[no-untyped-def]
    """Present ``images[order]``, one after the other, and learn if there is a rule.

    Parameters
    ----------
    images
        uint8[images, inputs].
    order
        int64[n], indices of the images to present.
    counts
        int32[n, neurons], overwritten: spikes of each neuron.
    circuit, account
        `TimedCircuit`, and `Account` in which events are booked.
    """
    for n in range(order.size):
        present(images[order[n]], circuit, account)
        for k in range(counts.shape[1]):
            counts[n, k] = circuit.work.counts[k]
