"""Presentation of a window by the threads of a block: spikes, the product, the competition.

Each thread has inputs and neurons of its own, which are computed by the same source as on a
processor (`cbramsim.core.kernels.each`). This module has the work that threads do together.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, int64

from cbramsim.core.rng import uniform_of
from cbramsim.core.verbs import (
    book_cells_read,
    convert,
    draw_spikes,
    excite,
    fire,
    implements,
    read,
    verb,
)
from cbramsim.simulator.array.cells import ArrayState, book_rows_read, sum_rows
from cbramsim.simulator.cuda.block import (
    WARP,
    before,
    largest,
    me,
    meet,
    nothing,
    own,
    stretch,
    threads,
)
from cbramsim.simulator.cuda.memory import FEW, PULSES_AHEAD
from cbramsim.simulator.cuda.source import TOGETHER
from cbramsim.simulator.cuda.words import Words, make, word_ahead
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.encoding import Poisson
from cbramsim.simulator.learning.loop import present
from cbramsim.simulator.learning.neurons import BLOCK, Stochastic, block_sums, to_potentials
from cbramsim.simulator.learning.rules.ideal import IdealStdp
from cbramsim.simulator.learning.rules.pulsed import PulsedStdp, VerifiedStdp
from cbramsim.simulator.learning.rules.rest import Rest

NEURON_UPDATE = int(Operation.NEURON_UPDATE)
OUTPUT_SPIKE = int(Operation.OUTPUT_SPIKE)
WORD_LINE_DRIVE = int(Operation.WORD_LINE_DRIVE)
REFERENCE_READ = int(Operation.REFERENCE_READ)
ROWS_AT_ONCE = 16
"""Number of rows whose conductances are loaded by a thread at once."""


@TOGETHER.in_place_of(present)
def _(pixels, circuit, account):  # type: ignore[no-untyped-def]
    """Present one window; return the sum of the responses, as `loop.present`."""
    work, streams = circuit.work, circuit.streams
    n_active = draw_spikes(circuit.encoder, pixels, work, streams.spikes)
    draw_ahead(circuit, pixels.size)  # while the others read, and before reads take words
    reference = read(circuit.array, circuit.readout, n_active, work, streams.reads, account)
    if me() == 0:
        account.counts[NEURON_UPDATE] += work.currents.size
        account.counts[OUTPUT_SPIKE] += 1
    return excite(circuit.neurons, reference, work)


@verb
def words_of_update(rule, inputs):  # type: ignore[no-untyped-def]
    """Return how many random words a rule is to find when a neuron has fired."""


def _none(rule, inputs):  # type: ignore[no-untyped-def]
    return 0


def _for_pulses(rule, inputs):  # type: ignore[no-untyped-def]
    """One to sense the column, a quarter for each cell's choice, and some for the pulses."""
    return 1 + (inputs + 3) // 4 + PULSES_AHEAD


for _kind, _words in (
    (Rest, _none), (IdealStdp, _none), (PulsedStdp, _for_pulses), (VerifiedStdp, _for_pulses),
):  # fmt: skip
    implements(words_of_update, _kind)(_words)


def draw_ahead(circuit, inputs):  # type: ignore[no-untyped-def]
    """Draw the random words of the next window, and of this one's pulses, by a thread each."""
    last, streams = threads() - 1, circuit.streams
    if me() == last:
        make(streams.spikes, (inputs + 7) // 8)
    if me() == max(last - WARP, 0):
        make(streams.pulses, words_of_update(circuit.rule, inputs))
    if me() == max(last - 2 * WARP, 0):
        make(streams.reads, FEW)
        make(streams.competition, FEW)


@TOGETHER.implements(draw_spikes, Poisson)
def _(encoder, pixels, work, stream):  # type: ignore[no-untyped-def]
    """Draw spikes: byte i of the words of this window decides on input i."""
    first, end = stretch(pixels.size)
    mine = 0
    for i in range(first, end):
        word = word_ahead(stream, i // 8) >> np.uint64(8 * (i % 8))
        spiked = np.uint8(word & np.uint64(255)) < pixels[i]
        work.spiked[i] = spiked
        mine += spiked
    place, n_active = before(mine)
    for i in range(first, end):
        if work.spiked[i]:
            work.rows[place] = i
            place += 1
    if me() == 0:
        stream.taken[0] += (pixels.size + 7) // 8
    meet()
    return n_active


@TOGETHER.implements(read, ArrayState)
def _(array, readout, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    """Draw noise: all threads see the same random words, which are taken once."""
    book_rows_read(array, 1, work.rows, n_active, account)
    gone = cuda.local.array(1, int64)
    gone[0] = 0
    words = Words(stream.ring, stream.taken[0], gone)
    reference = convert(readout, array, n_active, work, words, account)
    meet()
    if me() == 0:
        stream.taken[0] += gone[0]
    return reference


@TOGETHER.in_place_of(book_rows_read)
def _(array, references, rows, n_active, account):  # type: ignore[no-untyped-def]
    if me() == 0:
        cells = references * n_active
        account.counts[WORD_LINE_DRIVE] += n_active
        account.counts[REFERENCE_READ] += cells
        account.joules[REFERENCE_READ] += array.pulse.v2t_read * cells * array.pulse.g_mid
    book_cells_read(array.lines, array, rows, n_active, account)


@TOGETHER.in_place_of(sum_rows)
def _(g, rows, n_active, out):  # type: ignore[no-untyped-def]
    """Add up rows, eight at a time, in the order of `cells.sum_rows`."""
    for k in own(out.size):
        total = np.float32(0)
        r = 0
        while r + ROWS_AT_ONCE <= n_active:
            first, second = eight(g, rows, r, k), eight(g, rows, r + 8, k)
            total = (total + first) + second
            r += ROWS_AT_ONCE
        if r + 8 <= n_active:
            total += eight(g, rows, r, k)
            r += 8
        while r < n_active:
            total += g[rows[r], k]
            r += 1
        out[k] = total


def eight(g, rows, r, k):  # type: ignore[no-untyped-def]
    """Return the sum of eight cells of a column."""
    a, b, c, d = g[rows[r], k], g[rows[r + 1], k], g[rows[r + 2], k], g[rows[r + 3], k]
    e, f, h, i = g[rows[r + 4], k], g[rows[r + 5], k], g[rows[r + 6], k], g[rows[r + 7], k]
    return ((a + b) + (c + d)) + ((e + f) + (h + i))


@TOGETHER.in_place_of(to_potentials)
def _(currents, offset, gain, bias):  # type: ignore[no-untyped-def]
    mine = nothing()
    for k in own(currents.size):
        currents[k] = gain * (currents[k] - offset) + bias[k]
        mine = max(mine, currents[k])
    return largest(mine)


@TOGETHER.in_place_of(block_sums)
def _(values, sums):  # type: ignore[no-untyped-def]
    meet()
    for block in own(sums.size):
        part = np.float32(0)
        for k in range(block * BLOCK, min((block + 1) * BLOCK, values.size)):
            part += values[k]
        sums[block] = part
    meet()
    total = np.float32(0)
    for block in range(sums.size):
        total += sums[block]
    return total


@TOGETHER.implements(fire, Stochastic)
def _(neurons, total, work, word):  # type: ignore[no-untyped-def]
    """Find the same neuron in all threads; one of them applies homeostasis."""
    winner = find_winner(work.currents, work.sums, total, word)
    meet()
    if me() == 0:
        neurons.bias[winner] -= neurons.tiring
    return winner


def find_winner(values, sums, total, word):  # type: ignore[no-untyped-def]
    """Return the result of `neurons.draw_winner`, by the same sums, without a branch."""
    rest = np.float32(uniform_of(word)) * total
    found = sums.size - 1
    for block in range(sums.size - 1):
        if found == sums.size - 1:
            if rest >= sums[block]:
                rest -= sums[block]
            else:
                found = block
    first = found * BLOCK
    last = min(first + BLOCK, values.size) - 1
    winner = last
    for k in range(first, last):
        if winner == last:
            if rest >= values[k]:
                rest -= values[k]
            else:
                winner = k
    return winner
