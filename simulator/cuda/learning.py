"""Learning of the winner's column by the threads of a block: each has cells of its own.

The effect of a pulse on a cell, and its energy, are computed by the same source as on a processor.
The random words are the same as there: cells get pulses in the order of their rows.

Where pulses on one cell affect the next (bare cells of a passive array), or where the number of
random words is not known beforehand (verification), one thread does the work of a processor.
"""

from __future__ import annotations

import numpy as np
from numba import cuda, int64

from cbramsim.core.rng import fill_with_words
from cbramsim.core.verbs import (
    book_lines,
    correct,
    give_pulses,
    implements,
    learn,
    see_again,
    seen_of,
    sense,
    verb,
)
from cbramsim.devices.written import Blurred, Faithful
from cbramsim.simulator.array.access import Passive, Transistor
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.writing import (
    PROGRAM_LINE,
    SENSE_READ,
    pulse_cell,
    sensed_state,
    wear,
)
from cbramsim.simulator.cuda.block import before, me, meet, stretch
from cbramsim.simulator.cuda.source import ALONE, TOGETHER
from cbramsim.simulator.cuda.words import Words, make, word_ahead
from cbramsim.simulator.learning.rules.ideal import IdealStdp
from cbramsim.simulator.learning.rules.pulsed import (
    PulsedStdp,
    VerifiedStdp,
    pulse_column,
    pulses_for,
)

assert fill_with_words
learn_alone = ALONE.verb(learn)
give_alone = ALONE.verb(give_pulses)
correct_alone = ALONE.verb(correct)


@verb
def learn_by(access, rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    """Let the winner's column learn, as `learn`: by all threads, or by one of them."""


@implements(learn_by, Passive)
def _(access, rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    meet()
    if me() == 0:
        learn_alone(rule, array, winner, total, work, streams, account)
    meet()


@verb
def learn_together(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    """Let the winner's column learn by all threads."""


@implements(learn_by, Transistor)
def _(access, rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    learn_together(rule, array, winner, total, work, streams, account)


def _chosen_by_access(rule, array, winner, total, work, streams, account):  # type: ignore[no-untyped-def]
    learn_by(array.access, rule, array, winner, total, work, streams, account)


for _kind in (PulsedStdp, VerifiedStdp, IdealStdp):
    implements(learn_together, _kind)(learn.table[_kind])
    TOGETHER.implements(learn, _kind)(_chosen_by_access)


@TOGETHER.implements(correct, ArrayState)
def _(array, column, n, tries, work, stream, account):  # type: ignore[no-untyped-def]
    meet()
    if me() == 0:
        correct_alone(array, column, n, tries, work, stream, account)
    meet()


@verb
def words_of_write(written):  # type: ignore[no-untyped-def]
    """Return the number of random words of a write beside those of its pulses."""


@implements(words_of_write, Faithful)
def _(written):  # type: ignore[no-untyped-def]
    return 0


@implements(words_of_write, Blurred)
def _(written):  # type: ignore[no-untyped-def]
    return 1


CELL = 1 << 32
"""Contribution of a cell that gets pulses to a sum whose lower bits count words."""


@TOGETHER.in_place_of(wear)
def _(array, column, row, pulses):  # type: ignore[no-untyped-def]
    array.wear[column, row] += np.uint32(pulses)
    cuda.atomic.max(array.hottest, 0, array.wear[column, row])


@TOGETHER.in_place_of(pulse_column)
def _(table, array, column, work, stream, account):  # type: ignore[no-untyped-def]
    """Sense a column, choose pulses, and give them, as `pulsed.pulse_column`.

    `reading.draw_ahead` has drawn the words for all but the pulses, and some for these.
    """
    sensing = 1 + work.pulse_words.size
    first, end = stretch(array.g.shape[0])
    mine = int64(0)
    for row in range(first, end):
        pulses = sense_and_choose(table, array, column, row, work, stream, account)
        work.states[row] = pulses
        if pulses != 0:
            mine += CELL + int64(abs(pulses)) + words_of_write(array.written)
    place, total = before(mine)
    cells, words = total // CELL, total % CELL
    listed = place // CELL
    for row in range(first, end):
        if work.states[row] != 0:
            work.chosen[listed], work.pulses[listed] = row, work.states[row]
            listed += 1
    if sensing + words > stream.ring.size:
        meet()
        if me() == 0:
            stream.taken[0] += sensing
            give_alone(
                array, column, work.chosen, work.pulses, cells, array.booked_as, stream, account
            )
        meet()
        return cells
    if stream.made[0] - stream.taken[0] < sensing + words:
        meet()
        if me() == 0:
            make(stream, sensing + words)
        meet()
    gone = cuda.local.array(1, int64)
    gone[0] = 0
    words_of_mine = Words(stream.ring, stream.taken[0] + sensing + place % CELL, gone)
    for row in range(first, end):
        if work.states[row] != 0:
            pulse_and_book(array, column, row, work.states[row], words_of_mine, account)
    see_again(array.lines, array, column)
    meet()
    if me() == 0:
        stream.taken[0] += sensing + words
    return cells


def sense_and_choose(table, array, column, row, work, stream, account):  # type: ignore[no-untyped-def]
    """Sense one cell, as `writing.sense_column`; return its signed pulses; booked."""
    inhibited = array.inhibited[column, row]
    if not inhibited:
        g = np.float64(array.g_columns[column, row])
        account.counts[SENSE_READ] += 1
        account.joules[SENSE_READ] += array.pulse.v2t_read * g + array.costs.sense
    seen = seen_of(array.written, array, column, row)
    seen = np.float32(sense(array.noise, seen, word_ahead(stream, 0), row, array.normals))
    work.seen[row] = seen
    shorts = word_ahead(stream, 1 + row // 4) >> np.uint64(16 * (row % 4))
    state, short = sensed_state(table, seen), np.uint16(shorts & np.uint64(0xFFFF))
    return pulses_for(table.pulses, state, work.spiked[row], inhibited, short)


def pulse_and_book(array, column, row, pulses, words, account):  # type: ignore[no-untyped-def]
    """Give one cell its pulses, as `writing.give_pulses`."""
    _, joules, lost = pulse_cell(array, column, row, pulses, 0.0, words, account)
    operation, n = array.booked_as.set, abs(pulses)
    line = array.costs.line_set
    if pulses < 0:
        operation, line = array.booked_as.reset, array.costs.line_reset
    account.counts[operation] += n
    account.joules[operation] += joules
    account.counts[PROGRAM_LINE] += n
    account.joules[PROGRAM_LINE] += n * line
    book_lines(array.lines, n, lost, account)
