from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from cbramsim.core.rng import stream
from cbramsim.simulator.circuits import normals
from cbramsim.simulator.circuits.normals import LANES, fill_normals


@njit
def _words(lanes: np.ndarray, n: int) -> np.ndarray:
    out = np.empty(n, np.uint32)
    for i in range(n):
        out[i] = normals._step(lanes, 0)
    return out


def xoshiro128(state: list[int], n: int) -> list[int]:
    """Say xoshiro128++ again, with Python's whole numbers."""
    mask = 2**32 - 1

    def rotl(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & mask

    out = []
    s = list(state)
    for _ in range(n):
        out.append((rotl((s[0] + s[3]) & mask, 7) + s[0]) & mask)
        t = (s[1] << 9) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)
    return out


def draw(n: int, seed: int = 1) -> np.ndarray:
    out = np.empty(n, np.float32)
    fill_normals(stream(seed, "normals"), out)
    return out.astype(np.float64)


def test_the_generator_is_xoshiro128() -> None:
    state = [1, 2, 3, 2**32 - 5]
    lanes = np.repeat(np.array(state, np.uint32)[:, None], LANES, axis=1)
    assert _words(lanes, 200).tolist() == xoshiro128(state, 200)


def test_numbers_are_those_of_box_and_muller() -> None:
    lanes = normals.seed_lanes(stream(4, "normals"))
    words = np.array([xoshiro128(lanes[:, j].tolist(), 2) for j in range(LANES)])
    u = ((words[:, 0] >> 8) + 0.5) / 2**24
    angle = 2 * np.pi * ((words[:, 1].astype(np.uint32).view(np.int32) >> 8) / 2**24)
    radius = np.sqrt(-2 * np.log(u))
    out = draw(2 * LANES, seed=4)
    np.testing.assert_allclose(out[:LANES], radius * np.cos(angle), atol=3e-6)
    np.testing.assert_allclose(out[LANES:], radius * np.sin(angle), atol=3e-6)


def test_the_distribution_is_normal() -> None:
    n = 2_000_000
    x = draw(n)
    assert x.mean() == pytest.approx(0, abs=4 / np.sqrt(n))
    assert x.var() == pytest.approx(1, abs=4 * np.sqrt(2 / n))
    assert stats.skew(x) == pytest.approx(0, abs=4 * np.sqrt(6 / n))
    assert stats.kurtosis(x) == pytest.approx(0, abs=4 * np.sqrt(24 / n))
    assert stats.kstest(x[:300_000], "norm").pvalue > 1e-3
    tail = 2 * stats.norm.sf(4) * n
    assert np.count_nonzero(np.abs(x) > 4) == pytest.approx(tail, abs=4 * np.sqrt(tail))


@pytest.mark.parametrize("lag", [1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES, 500])
def test_numbers_are_independent(lag: int) -> None:
    """Neither the numbers nor their squares are correlated."""
    x = draw(500_000, seed=lag)
    n = x.size - lag
    for y, variance in ((x, 1.0), (x**2 - 1, 2.0)):
        assert y[lag:] @ y[:-lag] / n == pytest.approx(0, abs=4 * variance / np.sqrt(n))


@pytest.mark.parametrize("n", [0, 1, 127, 128, 129, 1000])
def test_any_number_of_numbers_is_drawn(n: int) -> None:
    assert draw(n).tolist() == draw(2000)[:n].tolist()


def test_each_call_draws_others_and_the_stream_says_which() -> None:
    state = stream(1, "normals")
    first, second = np.empty(300, np.float32), np.empty(300, np.float32)
    fill_normals(state, first)
    kept = state.copy()
    fill_normals(state, second)
    assert np.intersect1d(first, second).size < 3
    fill_normals(kept, first)
    assert (first == second).all()
