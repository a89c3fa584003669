"""Hot loops over presentations, composed of the verbs of `cbramsim.core.verbs`.

A presentation is one window: spikes, the in-memory product, the competition, and, while learning,
the update of the winner's column. Nothing in the loops allocates, and every event is booked in the
same pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_loop, part
from cbramsim.core.rng import State, next_word
from cbramsim.core.verbs import draw_spikes, excite, fire, learn, read
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.neurons import BLOCK

NEURON_UPDATE = int(Operation.NEURON_UPDATE)
OUTPUT_SPIKE = int(Operation.OUTPUT_SPIKE)


class Streams(NamedTuple):
    """States of the random streams of a loop, uint64[4] each."""

    spikes: State
    reads: State
    competition: State
    pulses: State


class Scratch(NamedTuple):
    """Memory of one presentation."""

    words: NDArray[np.uint64]
    random_bytes: NDArray[np.uint8]
    spiked: NDArray[np.bool_]
    pulse_words: NDArray[np.uint64]
    random_shorts: NDArray[np.uint16]
    states: NDArray[np.int32]
    seen: NDArray[np.float32]
    chosen: NDArray[np.int32]
    pulses: NDArray[np.int32]
    rows: NDArray[np.int32]
    currents: NDArray[np.float32]
    spared: NDArray[np.float32]
    variances: NDArray[np.float32]
    exponent_bits: NDArray[np.int32]
    power_of_two: NDArray[np.float32]
    sums: NDArray[np.float32]
    partial: NDArray[np.float32]
    codes: NDArray[np.uint16]
    bit_lines: NDArray[np.float32]
    planes: NDArray[np.float32]
    of_plane: NDArray[np.float32]
    one_row: NDArray[np.int32]
    one_pulse: NDArray[np.int32]


def scratch(inputs: int, neurons: int, planes: int = 1) -> Scratch:
    """Allocate the memory of one presentation; `planes` are the cells of a weight."""
    words = np.zeros(-(-inputs // 8), np.uint64)
    pulse_words = np.zeros(-(-inputs // 4), np.uint64)
    exponents = np.zeros(neurons, np.int32)
    return Scratch(
        words=words,
        random_bytes=words.view(np.uint8),
        spiked=np.zeros(inputs, np.bool_),
        pulse_words=pulse_words,
        random_shorts=pulse_words.view(np.uint16),
        states=np.zeros(inputs, np.int32),
        seen=np.zeros(inputs, np.float32),
        chosen=np.zeros(inputs + 1, np.int32),
        pulses=np.zeros(inputs + 1, np.int32),
        rows=np.zeros(inputs + 1, np.int32),
        currents=np.zeros(neurons, np.float32),
        spared=np.zeros(planes * neurons, np.float32),
        variances=np.zeros(planes * neurons, np.float32),
        exponent_bits=exponents,
        power_of_two=exponents.view(np.float32),
        sums=np.zeros(-(-neurons // BLOCK), np.float32),
        partial=np.zeros((1, neurons), np.float32),
        codes=np.zeros((1, neurons), np.uint16),
        bit_lines=np.zeros(planes * neurons, np.float32),
        planes=np.zeros(planes * neurons, np.float32),
        of_plane=np.zeros(inputs, np.float32),
        one_row=np.zeros(1, np.int32),
        one_pulse=np.zeros(1, np.int32),
    )


class Circuit(NamedTuple):
    """Parts of a layer, for compiled loops: their types select the kernels."""

    encoder: Any
    """Encoder of a row of inputs as spikes: `Poisson`, `Trace`."""
    array: Any
    """Array of the weights: `ArrayState`, `BinarySlices` or `Synapses`."""
    readout: Any
    """Circuit between bit lines and neurons: `Direct`, `Converted`, or one of binary cells."""
    neurons: Any
    """Neurons that decide which of them fire: `Stochastic`."""
    rule: Any
    """Learning rule of the array: see `learning.rules`."""
    streams: Streams
    """Streams of random numbers."""
    work: Scratch
    """Memory of one presentation."""


@part
def present(pixels, circuit, account):  # type: ignore[no-untyped-def]
    """Present one window; return the sum of the responses.

    Leaves the responses in ``work.currents`` and the active inputs in ``work.rows`` and
    ``work.spiked``.
    """
    work, streams = circuit.work, circuit.streams
    n_active = draw_spikes(circuit.encoder, pixels, work, streams.spikes)
    if not 0 <= n_active <= pixels.size:
        raise IndexError("draw_spikes: must return how many inputs fire")
    reference = read(circuit.array, circuit.readout, n_active, work, streams.reads, account)
    account.counts[NEURON_UPDATE] += work.currents.size
    account.counts[OUTPUT_SPIKE] += 1
    return excite(circuit.neurons, reference, work)


@lean_loop
def train(images, order, winners, spike_counts, circuit, account):  # type: ignore[no-untyped-def]
    """Learn from ``images[order]``, in that order.

    Parameters
    ----------
    images
        uint8[images, inputs].
    order
        int64[n], indices of the images to present.
    winners
        int32[n, windows], overwritten: the neuron that fired in each window.
    spike_counts
        int64[neurons], added to.
    circuit, account
        `Circuit`, and `Account` in which events are booked.
    """
    for n in range(order.size):
        pixels = images[order[n]]
        for window in range(winners.shape[1]):
            total = present(pixels, circuit, account)
            word = next_word(circuit.streams.competition)
            winner = fire(circuit.neurons, total, circuit.work, word)
            if not 0 <= winner < spike_counts.size:
                raise IndexError("fire: must return the number of a neuron")
            winners[n, window] = winner
            spike_counts[winner] += 1
            learn(
                circuit.rule, circuit.array, winner, total, circuit.work, circuit.streams, account
            )


@lean_kernel
def begin(streams, starts, n):  # type: ignore[no-untyped-def]
    """Set the streams of image n to the states in `starts`, if it has any; see `respond`."""
    if n < starts.shape[0]:
        for word in range(starts.shape[2]):
            streams.spikes[word] = starts[n, 0, word]
            streams.reads[word] = starts[n, 1, word]


@lean_loop
def respond(images, responses, windows, starts, circuit, account):  # type: ignore[no-untyped-def]
    """Write each neuron's mean firing probability for each image into `responses`.

    Parameters
    ----------
    images
        uint8[images, inputs].
    responses
        float32[images, neurons], overwritten; each row sums to 1.
    windows
        Windows per image.
    starts
        uint64[n, 2, 4], initial states of the streams "spikes" and "reads" for each of the first n
        images. Other images continue the streams of the image before.
    circuit, account
        `Circuit`, and `Account` in which events are booked.
    """
    work = circuit.work
    for n in range(images.shape[0]):
        begin(circuit.streams, starts, n)
        responses[n, :] = 0
        for _ in range(windows):
            total = present(images[n], circuit, account)
            share = np.float32(1) / (total * np.float32(windows))
            for k in range(work.currents.size):
                responses[n, k] += work.currents[k] * share


@lean_loop
def relay(images, winners, starts, circuit, account):  # type: ignore[no-untyped-def]
    """Write the neuron that fires in each window into `winners`, without learning.

    Parameters
    ----------
    images, starts, circuit, account
        As for `respond`.
    winners
        int32[images, windows], overwritten.
    """
    for n in range(images.shape[0]):
        begin(circuit.streams, starts, n)
        for window in range(winners.shape[1]):
            total = present(images[n], circuit, account)
            word = next_word(circuit.streams.competition)
            winners[n, window] = fire(circuit.neurons, total, circuit.work, word)
