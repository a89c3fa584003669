"""Random streams: one for each purpose, all from one seed, cheap enough for the inner loop.

A run has one seed. Each purpose (population, spikes, pulses, ...) gets its own stream, so that a
change in one place leaves the others alone. Streams inside compiled loops are xoshiro256++
(D. Blackman, S. Vigna, ACM Trans. Math. Softw. 47, 36, 2021): four 64-bit words of state, saved
and restored as they are. Everything else uses `numpy.random.Generator`.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel

State = NDArray[np.uint64]

NORMAL_BITS = 14
NORMAL_MASK = np.uint64((1 << NORMAL_BITS) - 1)


def seed_sequence(seed: int, purpose: str, *keys: int) -> np.random.SeedSequence:
    """Return the seed of one purpose, and of one of its parts such as an epoch."""
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *keys))


def generator(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """Return a NumPy generator for one purpose."""
    return np.random.default_rng(seed_sequence(seed, purpose, *keys))


def stream(seed: int, purpose: str, *keys: int) -> State:
    """Return the state (4 words) of a xoshiro256++ stream for one purpose."""
    return seed_sequence(seed, purpose, *keys).generate_state(4, np.uint64).astype(np.uint64)


def streams_by_content(seed: int, purpose: str, rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the states of two streams for each of `rows`, uint64[rows, 2, 4], by its content.

    Neither the place of a row nor the other rows matter: equal rows have equal streams.
    """
    common = hashlib.blake2b(f"{seed} {purpose}".encode(), digest_size=64)
    words = np.empty((len(rows), 2, 4), np.uint64)
    for n, row in enumerate(np.ascontiguousarray(rows)):
        digest = common.copy()
        digest.update(row.data)
        words[n] = np.frombuffer(digest.digest(), "<u8").reshape(2, 4)
    words[..., 0] |= np.uint64(1)  # a stream of zeros would stay there
    return words


def normal_table(pad: int) -> NDArray[np.float32]:
    """Return 2^14 standard-normal quantiles in shuffled order, the first `pad` repeated at the end.

    A random index draws one normal number by inverting its distribution function; a random offset
    draws `pad` of them at once. Mean 0 and variance 1 exactly; the tails end at 4.0 sigma.
    """
    return np.resize(_shuffled_normals(), (1 << NORMAL_BITS) + pad)


@cache
def _shuffled_normals() -> NDArray[np.float32]:
    size = 1 << NORMAL_BITS
    inverse = NormalDist().inv_cdf
    quantiles = np.array([inverse((n + 0.5) / size) for n in range(size)])
    quantiles /= np.sqrt(np.mean(quantiles**2))
    return np.random.default_rng(0).permutation(quantiles).astype(np.float32)


@lean_kernel
def rotate_left(x, k):  # type: ignore[no-untyped-def]
    """Rotate 64 bits to the left by `k`."""
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@lean_kernel
def next_word(state):  # type: ignore[no-untyped-def]
    """Advance a stream; return 64 random bits."""
    result = rotate_left(state[0] + state[3], 23) + state[0]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = rotate_left(state[3], 45)
    return result


@lean_kernel
def fill_with_words(state, words):  # type: ignore[no-untyped-def]
    """Fill uint64 `words` with random bits: `next_word` with the state kept in registers."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    for j in range(words.size):
        words[j] = rotate_left(a + d, 23) + a
        shifted = b << np.uint64(17)
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = rotate_left(d, 45)
    state[0], state[1], state[2], state[3] = a, b, c, d


@lean_kernel
def uniform_of(word):  # type: ignore[no-untyped-def]
    """Turn the upper 53 bits of `word` into a number in [0, 1)."""
    return np.float64(word >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@lean_kernel
def upper_uniform_of(word):  # type: ignore[no-untyped-def]
    """Turn the upper 32 bits of `word` into a number in [0, 1), independent of `normal_of`."""
    return np.float64(word >> np.uint64(32)) * (1.0 / 4294967296.0)


@lean_kernel
def normal_of(word, table):  # type: ignore[no-untyped-def]
    """Turn the lower 14 bits of `word` into a standard normal number of `normal_table`."""
    return table[np.int64(word & NORMAL_MASK)]
