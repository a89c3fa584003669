"""Random words drawn ahead, and what threads tell one another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cbramsim.core.rng import next_word, stream
from cbramsim.simulator.cuda import words
from cbramsim.simulator.cuda.block import before, largest, me
from cbramsim.simulator.cuda.memory import Common, pick, stacked
from cbramsim.simulator.cuda.sizes import SPEAKING, shared_bytes
from cbramsim.simulator.cuda.source import ALONE, TOGETHER
from cbramsim.simulator.cuda.words import Ahead
from cbramsim.simulator.learning.loop import Streams
from tests.simulator.cuda.simulated.schedule import Block, at_random, backward, forward

draw = ALONE.plain(words.draw_word.table[Ahead])
make, put_back = ALONE.plain(words.make), ALONE.plain(words.put_back)


def ahead(size: int) -> Ahead:
    state = stream(1, "check")
    return Ahead(state, np.zeros(size, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64))


def test_stepping_back_undoes_a_step() -> None:
    rng = np.random.default_rng(0)
    special = [[1, 0, 0, 0], [0, 0, 0, 1], [2**64 - 1] * 4, [1 << 63, 0, 1, 1 << 63]]
    for state in (*np.array(special, np.uint64), *rng.integers(0, 2**64, (200, 4), np.uint64)):
        now = state.copy()
        next_word(now)
        assert not np.array_equal(now, state)
        words.step_back(now)
        assert np.array_equal(now, state)


def test_words_are_those_of_the_stream_however_they_are_drawn() -> None:
    """Some are drawn ahead, some taken one by one, around the end of the ring several times."""
    mine, its = ahead(16), stream(1, "check")
    rng = np.random.default_rng(0)
    for _ in range(60):
        make(mine, int(rng.integers(0, 17)))
        there = int(mine.made[0] - mine.taken[0])
        assert 0 <= there <= 16
        peeked = [words.word_ahead(mine, n) for n in range(there)]
        took = [draw(mine) for _ in range(int(rng.integers(0, 20)))]
        assert took == [next_word(its) for _ in took]
        assert peeked[: len(took)] == took[:there]
    make(mine, 9)
    put_back(mine)
    assert np.array_equal(mine.state, its)
    assert mine.made[0] == mine.taken[0] == 0


def saying(value: Any, sums: Any, totals: Any, maxima: Any) -> None:
    for turn in range(value.shape[0]):
        sums[turn, me()], totals[turn, me()] = before(value[turn, me()])
        maxima[turn, me()] = largest(np.float32(value[turn, me()]))


@pytest.mark.parametrize("threads", [4, 8, 20])
@pytest.mark.parametrize("order", [forward, backward, at_random(0)])
def test_sums_and_maxima_over_threads(threads: int, order: Any) -> None:
    """Against plain sums; one right after the other, which uses the same memory."""
    rng = np.random.default_rng(threads)
    value = rng.integers(-(2**40), 2**40, (3, threads))
    sums, totals = np.zeros_like(value), np.zeros_like(value)
    maxima = np.zeros(value.shape, np.float32)
    Block(0, threads, SPEAKING, order).run(saying, (value, sums, totals, maxima))
    assert np.array_equal(sums, np.cumsum(value, axis=1) - value)
    assert np.array_equal(totals, np.repeat(value.sum(axis=1, keepdims=True), threads, axis=1))
    assert (maxima == value.astype(np.float32).max(axis=1, keepdims=True)).all()


def careless(told: Any, heard: Any) -> None:
    told[me()] = me()
    heard[me()] = told[me() - 1]


def hasty(told: Any, heard: Any) -> None:
    if me() > 2:
        TOGETHER.plain(before)(1)


@pytest.mark.parametrize(
    ("kernel", "what"), [(careless, "without a meeting"), (hasty, "threads wait at")]
)
def test_the_checks_see_what_a_card_would_not_forgive(kernel: Any, what: str) -> None:
    told = np.zeros(8, np.int64)
    with pytest.raises(AssertionError, match=what):
        Block(0, 8, SPEAKING, forward).run(kernel, (told, told.copy()))


def test_what_is_stacked_can_be_picked() -> None:
    """`normals` are the same of all networks, and kept once."""
    parts = [Streams(np.full(3, n), float(n), n, (np.zeros(2),)[0]) for n in range(4)]
    side = stacked(parts)
    for n, part in enumerate(parts):
        for mine, its in zip(pick(side, n), part, strict=True):
            assert np.array_equal(mine, its)
    shared = stacked([np.zeros(5)] * 3, "normals")
    assert isinstance(shared, Common)
    assert pick(shared, 2).shape == (5,)


@pytest.mark.parametrize(("inputs", "neurons"), [(1, 1), (784, 500), (36, 6), (7, 33)])
def test_shared_memory_is_enough(inputs: int, neurons: int) -> None:
    """All that `circuit_of` takes: potentials, sums of 32, exponents, rows, spikes."""
    taken = 4 * (2 * neurons + -(-neurons // 32) + inputs + 1) + 4 * ((inputs + 4) // 4)
    assert SPEAKING + taken == shared_bytes(inputs, neurons)
