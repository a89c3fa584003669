"""The hot loops: one presentation after the other, fused from the kernels of the other rooms.

A presentation is one window: spikes, the in-memory product, the competition, and, while learning,
the update of the winner's column. Nothing in the loops allocates, and every event is booked in the
same pass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.kernels import compiled_loop, inlined, kernel
from cbramsim.rng import State, next_word
from cbramsim.simulator.array import add_noise, sum_rows
from cbramsim.simulator.encoding import draw_spikes
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.neurons import BLOCK, block_sums, draw_winner, exponentials, to_potentials
from cbramsim.simulator.readout import read_tiles
from cbramsim.simulator.stdp import learn_densely, learn_ideally, learn_with_pulses

WORD_LINE_DRIVE = int(Operation.WORD_LINE_DRIVE)
CELL_READ = int(Operation.CELL_READ)
REFERENCE_READ = int(Operation.REFERENCE_READ)
NEURON_UPDATE = int(Operation.NEURON_UPDATE)
OUTPUT_SPIKE = int(Operation.OUTPUT_SPIKE)
READ_WIRE = int(Operation.READ_WIRE)


class Streams(NamedTuple):
    """States of the random streams of a loop, uint64[4] each."""

    spikes: State
    reads: State
    competition: State
    pulses: State


class Neurons(NamedTuple):
    """The neurons as compiled loops see them."""

    bias: NDArray[np.float32]
    """Biases, float32[neurons]."""
    gain: np.float32
    """Potential per siemens of summed conductance."""
    g_mid: float
    """Conductance of a reference cell, S."""


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
    exponent_bits: NDArray[np.int32]
    power_of_two: NDArray[np.float32]
    sums: NDArray[np.float32]


def scratch(inputs: int, neurons: int) -> Scratch:
    """Allocate the memory of one presentation."""
    words = np.zeros(-(-inputs // 8), np.uint64)
    pulse_words = np.zeros(-(-inputs // 4), np.uint64)
    bits = np.zeros(neurons, np.int32)
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
        spared=np.zeros(neurons, np.float32),
        exponent_bits=bits,
        power_of_two=bits.view(np.float32),
        sums=np.zeros(-(-neurons // BLOCK), np.float32),
    )


@kernel
def present(pixels, array, pulse, chain, neurons, streams, work, account):  # type: ignore[no-untyped-def]
    """Present one window; return the sum of the responses.

    Leaves the exponentials of the potentials in ``work.currents`` and the active inputs in
    ``work.rows`` and ``work.spiked``.
    """
    n_active = draw_spikes(
        pixels, work.words, work.random_bytes, work.spiked, work.rows, streams.spikes
    )
    if chain.starts.size > 0:
        read_tiles(
            array, chain, pulse, work.rows, n_active, neurons.g_mid, streams.reads, work.currents,
            account,
        )  # fmt: skip
        offset = np.float32(0)
    else:
        _read(array, pulse, neurons.g_mid, work, n_active, streams.reads)
        offset = np.float32(n_active * neurons.g_mid)
    largest = to_potentials(work.currents, offset, neurons.gain, neurons.bias)
    exponentials(work.currents, largest, work.exponent_bits, work.power_of_two)
    _book_presentation(array, pulse, neurons, work.rows, n_active, account)
    return block_sums(work.currents, work.sums)


@inlined
def _read(array, pulse, g_mid, work, n_active, stream):  # type: ignore[no-untyped-def]
    """Write the sums of the active rows, S, with their noise, into ``work.currents``."""
    sum_rows(array.seen, work.rows, n_active, work.currents)
    per_cell = 0.0
    if array.spared.shape[0] > 0:
        per_cell = g_mid
        sum_rows(array.spared, work.rows, n_active, work.spared)
        for k in range(work.currents.size):
            work.currents[k] += work.spared[k]
    if pulse.sum_sigma > 0:
        add_noise(
            work.currents, pulse.sum_sigma, n_active, work.spared, per_cell, array.normals,
            next_word(stream),
        )  # fmt: skip


@inlined
def _book_presentation(array, pulse, neurons, rows, n_active, account):  # type: ignore[no-untyped-def]
    conductance = 0.0
    cells = 0
    if array.wired.base.shape[0] > 0:
        in_lines = 0.0
        for r in range(n_active):
            row = rows[r]
            conductance += array.row_sum[row] * array.wired.dissipated[0, row]
            in_lines += array.row_sum[row] * array.wired.dissipated[1, row]
            cells += array.n_connected[row]
        account.counts[READ_WIRE] += cells
        account.joules[READ_WIRE] += pulse.v2t_read * in_lines
    else:
        for r in range(n_active):
            conductance += array.row_sum[rows[r]]
            cells += array.n_connected[rows[r]]
    account.counts[WORD_LINE_DRIVE] += n_active
    account.counts[CELL_READ] += cells
    account.joules[CELL_READ] += pulse.v2t_read * conductance
    account.counts[REFERENCE_READ] += n_active
    account.joules[REFERENCE_READ] += pulse.v2t_read * n_active * neurons.g_mid
    account.counts[NEURON_UPDATE] += array.g.shape[1]
    account.counts[OUTPUT_SPIKE] += 1


IDEAL, DEVICE, DENSE = range(3)
"""Ways to update: the winner's column by the ideal rule, or by device pulses; or all columns."""


@compiled_loop
def train(  # type: ignore[no-untyped-def]
    images, order, winners, update, homeostasis, spike_counts,
    array, pulse, costs, rule, tables, chain, neurons, streams, work, account,
):  # fmt: skip
    """Learn from ``images[order]``, in that order.

    Parameters
    ----------
    images
        uint8[images, inputs].
    order
        int64[n], which to present.
    winners
        int32[n, windows], overwritten: the neuron that fired in each window.
    update
        `IDEAL`, `DEVICE` or `DENSE`.
    homeostasis
        Fall of a neuron's bias when it fires.
    spike_counts
        int64[neurons], added to.
    array, pulse, costs, rule, tables, chain, neurons, streams, work, account
        `ArrayState`, `PulseConstants`, `ProgramCosts`, `RuleConstants`, `PulseTables`,
        `Conversion`, `Neurons`, `Streams`, `Scratch`, `Account`.
    """
    for n in range(order.size):
        pixels = images[order[n]]
        for window in range(winners.shape[1]):
            total = present(pixels, array, pulse, chain, neurons, streams, work, account)
            winner = draw_winner(work.currents, work.sums, total, next_word(streams.competition))
            winners[n, window] = winner
            spike_counts[winner] += 1
            neurons.bias[winner] -= homeostasis
            if update == IDEAL:
                learn_ideally(array, pulse, costs, rule, winner, work.spiked, account)
            elif update == DENSE:
                learn_densely(array, pulse, costs, rule, work.currents, total, work.spiked, account)
            else:
                learn_with_pulses(
                    array, pulse, costs, tables, winner, work, streams.pulses, account
                )


@inlined
def begin(streams, starts, n):  # type: ignore[no-untyped-def]
    """Let the streams of image n begin where `starts` says, if it says so; see `respond`."""
    if n < starts.shape[0]:
        for word in range(starts.shape[2]):
            streams.spikes[word] = starts[n, 0, word]
            streams.reads[word] = starts[n, 1, word]


@compiled_loop
def respond(  # type: ignore[no-untyped-def]
    images, responses, windows, array, pulse, chain, neurons, starts, streams, work, account,
):  # fmt: skip
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
        uint64[n, 2, 4], where the streams "spikes" and "reads" begin for each of the first n
        images. Others go on with those of the image before.
    array, pulse, chain, neurons, streams, work, account
        As in `train`.
    """
    for n in range(images.shape[0]):
        begin(streams, starts, n)
        responses[n, :] = 0
        for _ in range(windows):
            total = present(images[n], array, pulse, chain, neurons, streams, work, account)
            share = np.float32(1) / (total * np.float32(windows))
            for k in range(work.currents.size):
                responses[n, k] += work.currents[k] * share
