"""Hot loops for a graphics card: a block of threads for each network.

As `cbramsim.simulator.learning.loop`, for many networks at once.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float64, int64
from numpy.typing import NDArray

from cbramsim.core.kernels import FINGERPRINT
from cbramsim.core.verbs import fire, learn
from cbramsim.simulator.cuda import learning
from cbramsim.simulator.cuda.block import me, meet, own, threads
from cbramsim.simulator.cuda.memory import circuit_of, pick
from cbramsim.simulator.cuda.reading import draw_ahead
from cbramsim.simulator.cuda.source import SIMULATED, TOGETHER
from cbramsim.simulator.cuda.words import begin_empty, put_back, word_ahead
from cbramsim.simulator.energy.ledger import Account, Operation
from cbramsim.simulator.learning.loop import present

assert learning  # it says what threads do together
OPERATIONS = len(Operation)


class Shown(NamedTuple):
    """Images that are presented to each network."""

    networks: NDArray[np.int64]
    """Number of the network of each block, int64[blocks]."""
    first: NDArray[np.int64]
    """Start of the images of each block in `order`, int64[blocks]."""
    end: NDArray[np.int64]
    """End of the images of each block in `order`, int64[blocks]."""
    order: NDArray[np.int64]
    """Images, int64[n]."""


def train(images, shown, winners, spike_counts, circuits, booked, space):  # type: ignore[no-untyped-def]
    """Let networks learn from images, each in an order of its own.

    Parameters
    ----------
    images
        uint8[images, inputs], of all networks.
    shown
        `Shown`, the images for each network.
    winners
        int32[blocks, n, windows], overwritten: the neuron that fired in each window.
    spike_counts
        int64[networks, neurons], added to.
    circuits
        `Circuit` of the networks, `stacked`.
    booked
        `Account` of the networks, `stacked`, in which events are booked.
    space
        `Space` of as many blocks as are shown images.
    """
    block = cuda.blockIdx.x
    network = shown.networks[block]
    streams = pick(circuits.streams, network)
    circuit = circuit_of(circuits, network, streams, space, block)
    account = nothing_booked()
    begin_streams(circuit)
    for n in range(shown.first[block], shown.end[block]):
        pixels = images[shown.order[n]]
        for window in range(winners.shape[1]):
            total = present(pixels, circuit, account)
            word = word_ahead(circuit.streams.competition, 0)
            winner = fire(circuit.neurons, total, circuit.work, word)
            learn(
                circuit.rule, circuit.array, winner, total, circuit.work, circuit.streams, account
            )
            if me() == 0:
                winners[n, window] = winner
                spike_counts[network, winner] += 1
                circuit.streams.competition.taken[0] += 1
            meet()
    end_streams(circuit.streams)
    book(account, booked, network, space, block)


def respond(images, shown, responses, windows, circuits, starts, booked, space):  # type: ignore[no-untyped-def]
    """Write each neuron's mean firing probability for each image into `responses`.

    Parameters
    ----------
    images
        As for `train`.
    shown
        `Shown`: each block presents a stretch of images with random words of its own.
    responses
        float32[n, neurons], overwritten; each row sums to 1.
    windows
        Windows per image.
    circuits
        As for `train`.
    starts
        `Streams` of the blocks, `stacked`.
    booked, space
        As for `train`, of the blocks.
    """
    block = cuda.blockIdx.x
    streams = pick(starts, block)
    circuit = circuit_of(circuits, shown.networks[block], streams, space, block)
    work = circuit.work
    account = nothing_booked()
    begin_streams(circuit)
    for n in range(shown.first[block], shown.end[block]):
        answer = responses[n]
        for k in own(answer.size):
            answer[k] = 0
        for _ in range(windows):
            total = present(images[shown.order[n]], circuit, account)
            share = np.float32(1) / (total * np.float32(windows))
            for k in own(answer.size):
                answer[k] += work.currents[k] * share
    book(account, booked, block, space, block)


def nothing_booked():  # type: ignore[no-untyped-def]
    """Return an account of this thread."""
    counts = cuda.local.array(OPERATIONS, int64)
    joules = cuda.local.array(OPERATIONS, float64)
    for operation in range(OPERATIONS):
        counts[operation] = 0
        joules[operation] = 0.0
    return Account(counts, joules)


def begin_streams(circuit):  # type: ignore[no-untyped-def]
    """Draw the first words."""
    streams = circuit.streams
    if me() == 0:
        begin_empty(streams.spikes)
        begin_empty(streams.reads)
        begin_empty(streams.competition)
        begin_empty(streams.pulses)
    meet()
    draw_ahead(circuit, circuit.work.states.size)
    meet()


def end_streams(streams):  # type: ignore[no-untyped-def]
    """Set streams back to the first word that was not taken."""
    meet()
    if me() == 0:
        put_back(streams.spikes)
        put_back(streams.reads)
        put_back(streams.competition)
        put_back(streams.pulses)


def book(account, booked, network, space, block):  # type: ignore[no-untyped-def]
    """Add the bookings of the threads of a block to the account, in the order of threads."""
    for operation in range(OPERATIONS):
        space.counts[block, me(), operation] = account.counts[operation]
        space.joules[block, me(), operation] = account.joules[operation]
    meet()
    for operation in own(OPERATIONS):
        count, joules = int64(0), 0.0
        for thread in range(threads()):
            count += space.counts[block, thread, operation]
            joules += space.joules[block, thread, operation]
        booked.counts[network, operation] += count
        booked.joules[network, operation] += joules


@cache
def compiled(function: FunctionType, most_threads: int, blocks: int) -> Any:
    """Return a loop for the given most threads of a block, and blocks on a multiprocessor at once.

    It is cached on disk until a source of the package changes, if possible.
    """
    plain = TOGETHER.plain(function)
    if SIMULATED:
        return cuda.jit(plain)
    name = f"{plain.__name__}_{most_threads}_{blocks}"  # by which it is kept
    variant = FunctionType(plain.__code__, plain.__globals__, name)
    variant.__module__, variant.__qualname__ = plain.__module__, name
    loop = cuda.jit(variant, launch_bounds=(most_threads, blocks))
    with suppress(RuntimeError, OSError):  # no folder can be written
        loop.enable_caching()
        kept = loop._cache._cache_file
        kept._source_stamp = FINGERPRINT, kept._source_stamp
    return loop
