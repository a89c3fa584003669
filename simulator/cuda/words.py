"""Random words drawn ahead: the same words from the same streams as on a processor.

A stream is a chain, each word after the last. On a card one thread draws words ahead while others
read; those that need words take them from a ring. When a kernel ends, the stream is set back to the
first word that was not taken, so that it continues from there on any device.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import State, fill_with_words, next_word, rotate_left
from cbramsim.core.verbs import implements, verb
from cbramsim.simulator.cuda.source import ALONE


class Ahead(NamedTuple):
    """A stream, and words that have been drawn from it ahead."""

    state: State
    """State of the stream after the words that have been made, uint64[4]."""
    ring: NDArray[np.uint64]
    """The words, a power of two of them: word n is at n modulo their number."""
    made: NDArray[np.int64]
    """Number of words made, int64[1]."""
    taken: NDArray[np.int64]
    """Number of words taken, int64[1]."""


class Words(NamedTuple):
    """Some of the words of a stream, as one thread goes through them; none is taken."""

    ring: NDArray[np.uint64]
    """Ring of the stream."""
    first: int
    """Place of the first of them."""
    gone: NDArray[np.int64]
    """Number of words that the thread has gone through, int64[1]."""


@ALONE.in_place_of(next_word)
@verb
def draw_word(stream: Any) -> Any:
    """Return the next word of a stream."""


@implements(draw_word, Words)
def _(words):  # type: ignore[no-untyped-def]
    place = words.first + words.gone[0]
    words.gone[0] += 1
    return words.ring[place & (words.ring.size - 1)]


@implements(draw_word, Ahead)
def _(stream):  # type: ignore[no-untyped-def]
    make(stream, 1)
    stream.taken[0] += 1
    return stream.ring[(stream.taken[0] - 1) & (stream.ring.size - 1)]


@ALONE.in_place_of(fill_with_words)
def fill(stream, words):  # type: ignore[no-untyped-def]
    """Fill `words` with the next of a stream."""
    for j in range(words.size):
        words[j] = draw_word(stream)


_draw = ALONE.device(fill_with_words)


def make(stream, wanted):  # type: ignore[no-untyped-def]
    """Draw words ahead until `wanted` are available."""
    missing = wanted - (stream.made[0] - stream.taken[0])
    while missing > 0:
        place = stream.made[0] & (stream.ring.size - 1)
        n = min(missing, stream.ring.size - place)
        _draw(stream.state, stream.ring[place : place + n])
        stream.made[0] += n
        missing -= n


def begin_empty(stream):  # type: ignore[no-untyped-def]
    """Start from the state of a stream, with no words drawn ahead."""
    stream.made[0] = stream.taken[0] = 0


def word_ahead(stream, n):  # type: ignore[no-untyped-def]
    """Return word number `n` of the available ones, from 0; it is not taken."""
    return stream.ring[(stream.taken[0] + n) & (stream.ring.size - 1)]


def put_back(stream):  # type: ignore[no-untyped-def]
    """Give back to a stream the words that have been made, but not taken."""
    for _ in range(stream.made[0] - stream.taken[0]):
        step_back(stream.state)
    stream.made[0] = stream.taken[0] = 0


def step_back(state):  # type: ignore[no-untyped-def]
    """Undo one step of `next_word`."""
    d = rotate_left(state[3], 64 - 45)
    a = state[0] ^ d
    # state[1] ^ state[2] is b ^ (b << 17), with b what state[1] was
    b = state[1] ^ state[2]
    b ^= b << np.uint64(17)
    b ^= b << np.uint64(34)
    c = state[1] ^ b ^ a
    state[0], state[1], state[2], state[3] = a, b, c, d ^ b
