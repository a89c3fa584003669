"""Competition and encoding: kernels against NumPy, and distributions against theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from cbramsim.core.rng import fill_with_words, generator, next_word, normal_table, stream
from cbramsim.core.verbs import draw_spikes
from cbramsim.simulator.learning.encoding import Poisson, most_active_pixels
from cbramsim.simulator.learning.loop import scratch
from cbramsim.simulator.learning.neurons import (
    Competition,
    block_sums,
    draw_winner,
    exponentials,
    to_potentials,
)
from tests.replay import Xoshiro


@given(size=st.integers(1, 600), scale=st.floats(0.01, 200), seed=st.integers(0, 2**31))
def test_exponentials_equal_numpy(size: int, scale: float, seed: int) -> None:
    u = np.random.default_rng(seed).normal(0, scale, size).astype(np.float32)
    work = scratch(1, size)
    result = u.copy()
    exponentials(result, u.max(), work.exponent_bits, work.power_of_two)
    x = (u - u.max()).astype(np.float64)
    # Rounding of x log2(e) to single precision is amplified by |x|.
    np.testing.assert_allclose(result, np.exp(x), rtol=3e-7 + 2e-7 * np.abs(x).max(), atol=1e-37)


def test_potentials_equal_their_formula(rng: np.random.Generator) -> None:
    currents = rng.random(77).astype(np.float32)
    bias = rng.normal(size=77).astype(np.float32)
    result = currents.copy()
    largest = to_potentials(result, np.float32(0.3), np.float32(2.0), bias)
    expected = 2.0 * (currents - 0.3) + bias
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert largest == result.max()


@pytest.mark.parametrize("size", [1, 5, 32, 33, 70])
def test_winners_follow_the_softmax(size: int) -> None:
    chances = np.random.default_rng(0).exponential(size=size).astype(np.float32)
    sums = np.zeros(-(-size // 32), np.float32)
    total = block_sums(chances, sums)
    assert total == pytest.approx(chances.sum(), rel=1e-5)
    state = stream(1, "test")
    counts = np.zeros(size, int)
    for _ in range(20_000):
        counts[draw_winner(chances, sums, total, np.uint64(next_word(state)))] += 1
    expected = 20_000 * chances.astype(float) / chances.sum(dtype=float)
    if size > 1:
        assert chisquare(counts, expected).pvalue > 1e-3


def test_the_last_random_number_still_finds_a_winner() -> None:
    chances = np.full(33, 0.1, np.float32)
    sums = np.zeros(2, np.float32)
    total = block_sums(chances, sums)
    assert draw_winner(chances, sums, total, np.uint64(2**64 - 1)) == 32


@given(inputs=st.integers(1, 50), seed=st.integers(0, 1000))
def test_spikes_equal_a_replay_of_their_stream(inputs: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, inputs, np.uint8)
    state = stream(seed, "spikes")
    replay = Xoshiro(state)
    work = scratch(inputs, 1)
    n = draw_spikes(Poisson(), pixels, work, state)
    words = np.array([replay.word() for _ in range(-(-inputs // 8))], "<u8")
    expected = words.view(np.uint8)[:inputs] < pixels
    np.testing.assert_array_equal(work.spiked, expected)
    np.testing.assert_array_equal(work.rows[:n], np.flatnonzero(expected))


def test_an_input_spikes_in_proportion_to_its_grey_level() -> None:
    pixels = np.array([0, 1, 64, 128, 255], np.uint8)
    state = stream(0, "spikes")
    work = scratch(5, 1)
    counts = np.zeros(5)
    windows = 20_000
    for _ in range(windows):
        draw_spikes(Poisson(), pixels, work, state)
        counts += work.spiked
    expected = pixels / 256
    error = np.sqrt(expected * (1 - expected) / windows)
    assert (np.abs(counts / windows - expected) <= 4.5 * error).all()


def test_the_397_most_active_pixels_of_mnist(mnist) -> None:
    images = mnist.train_images.reshape(60_000, 784)
    pixels = most_active_pixels(images, 397)
    activity = (images > 0).mean(axis=0)
    assert len(pixels) == 397
    assert activity[pixels].min() > 0.05
    assert (activity > 0.05).sum() == 398, "the 397 are those above 5 %, but for one"


def test_homeostasis_halves_on_schedule() -> None:
    competition = Competition(homeostasis=0.4, homeostasis_halving=1000)
    assert competition.homeostasis_at(0) == pytest.approx(0.4)
    assert competition.homeostasis_at(3000) == pytest.approx(0.05)


def test_xoshiro_gives_the_published_sequence() -> None:
    """First outputs for the state 1, 2, 3, 4, as in the reference implementation's ports."""
    state = np.array([1, 2, 3, 4], np.uint64)
    expected = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    assert [int(next_word(state)) for _ in range(5)] == expected


def test_filling_equals_drawing_one_by_one() -> None:
    first, second = stream(9, "a"), stream(9, "a")
    words = np.zeros(17, np.uint64)
    fill_with_words(first, words)
    assert [int(next_word(second)) for _ in range(17)] == words.tolist()
    np.testing.assert_array_equal(first, second)


def test_streams_of_different_purpose_differ() -> None:
    seen = {tuple(stream(0, purpose).tolist()) for purpose in ("spikes", "reads", "pulses")}
    seen |= {tuple(stream(1, "spikes").tolist()), tuple(stream(0, "spikes", 1).tolist())}
    assert len(seen) == 5
    assert generator(0, "order", 0).random() != generator(0, "order", 1).random()


def test_the_normal_table_is_standard_normal() -> None:
    table = normal_table(100)
    body = table[: 1 << 14].astype(float)
    assert body.mean() == pytest.approx(0, abs=1e-6)
    assert body.std() == pytest.approx(1, abs=1e-6)
    assert kstest(body, "norm").pvalue > 0.99
    assert abs(np.corrcoef(body[:-1], body[1:])[0, 1]) < 0.03
    np.testing.assert_array_equal(table[1 << 14 :], table[:100])
