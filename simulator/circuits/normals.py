r"""Normal numbers in bulk, computed in vector registers: the noise of a batch of products.

G. E. P. Box, M. E. Muller, Ann. Math. Stat. 29, 610 (1958): with u, t uniform,
:math:`\sqrt{-2 \ln u}\,(\cos 2\pi t, \sin 2\pi t)` are two independent standard normal numbers.
Logarithm, sine and cosine are polynomials in float32, so that eight are computed at once; u has 24
bits and is never 0, so that the largest number is :math:`\sqrt{2 \ln 2^{25}}` = 5.9.

The uniform numbers come from `LANES` generators xoshiro128++ (D. Blackman, S. Vigna, ACM Trans.
Math. Softw. 47, 36, 2021), side by side, seeded anew by a stream of `core.rng` in each call:
the four words of that stream remain the whole state.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import inlined, kernel, vector_kernel
from cbramsim.core.rng import next_word

LANES = 64
"""Number of parallel generators, a multiple of the numbers in a vector register."""


def _polynomial(function: Callable[[NDArray], NDArray], low: float, high: float, degree: int):  # type: ignore[no-untyped-def]
    """Return the coefficients, highest first, of the Chebyshev interpolation of `function`."""
    fit = np.polynomial.Chebyshev.interpolate(function, degree, domain=[low, high])
    return tuple(np.float32(c) for c in fit.convert(kind=np.polynomial.Polynomial).coef[::-1])


def _log1p_ratio(x: NDArray) -> NDArray:
    """Return -2 ln(1 + x) / x."""
    return -2 * np.where(x == 0, 1, np.log1p(x) / np.where(x == 0, 1, x))


LOG = _polynomial(_log1p_ratio, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 8)
"""-2 ln(1 + x) / x for 1 + x between the roots of 1/2 and 2."""
SIN = _polynomial(lambda y: 2 * np.pi * np.sinc(2 * np.sqrt(y)), 0, 0.25, 6)
"""sin(2 pi t) / t in powers of t², for t between -1/2 and 1/2."""
COS = _polynomial(lambda y: np.cos(2 * np.pi * np.sqrt(y)), 0, 0.25, 6)
"""cos(2 pi t) in powers of t², likewise."""
LOG_OF_2 = np.float32(-2 * math.log(2))
ROOT_HALF = np.int32(0x3F3504F3)
"""The bits of float32 sqrt(1/2)."""
UNIT = np.float32(2.0**-24)


@kernel
def seed_lanes(state):  # type: ignore[no-untyped-def]
    """Return states of `LANES` generators, uint32[4, LANES], from a stream of `core.rng`."""
    lanes = np.empty((4, LANES), np.uint32)
    for j in range(LANES):
        a, b = next_word(state), next_word(state)
        lanes[0, j], lanes[1, j] = np.uint32(a), np.uint32(a >> np.uint64(32))
        # A generator must not be all zero.
        lanes[2, j], lanes[3, j] = np.uint32(b) | np.uint32(1), np.uint32(b >> np.uint64(32))
    return lanes


@inlined
def _rotate_left(x, k):  # type: ignore[no-untyped-def]
    return np.uint32(np.uint32(x << np.uint32(k)) | np.uint32(x >> np.uint32(32 - k)))


@inlined
def _step(lanes, j):  # type: ignore[no-untyped-def]
    """Advance generator `j`; return 32 random bits."""
    a, b, c, d = lanes[0, j], lanes[1, j], lanes[2, j], lanes[3, j]
    word = np.uint32(_rotate_left(np.uint32(a + d), 7) + a)
    c2 = np.uint32(c ^ a)
    d2 = np.uint32(d ^ b)
    lanes[1, j] = np.uint32(b ^ c2)
    lanes[0, j] = np.uint32(a ^ d2)
    lanes[2, j] = np.uint32(c2 ^ np.uint32(b << np.uint32(9)))
    lanes[3, j] = _rotate_left(d2, 11)
    return word


@vector_kernel
def normal_pairs(lanes, out):  # type: ignore[no-untyped-def]
    """Fill `out`, float32[2 LANES], with standard normal numbers."""
    for j in range(LANES):
        first = _step(lanes, j)
        second = _step(lanes, j)
        u = (np.float32(np.int32(first >> np.uint32(8))) + np.float32(0.5)) * UNIT
        bits = np.int32(np.float32(u).view(np.int32) - ROOT_HALF)
        exponent = np.int32(bits >> np.int32(23))
        mantissa = np.int32(bits - np.int32(exponent << np.int32(23)) + ROOT_HALF)
        x = np.int32(mantissa).view(np.float32) - np.float32(1)
        log = LOG[0]
        for k in range(1, 9):
            log = log * x + LOG[k]
        radius = math.sqrt(log * x + LOG_OF_2 * np.float32(exponent))
        t = np.float32(np.int32(np.int32(second) >> np.int32(8))) * UNIT
        y = t * t
        sine, cosine = SIN[0], COS[0]
        for k in range(1, 7):
            sine = sine * y + SIN[k]
            cosine = cosine * y + COS[k]
        out[j] = radius * cosine
        out[LANES + j] = radius * sine * t


@kernel
def fill_normals(state, out):  # type: ignore[no-untyped-def]
    """Fill `out`, float32[n], with independent standard normal numbers."""
    lanes = seed_lanes(state)
    rest = np.empty(2 * LANES, np.float32)
    for start in range(0, out.size, 2 * LANES):
        left = out.size - start
        normal_pairs(lanes, out[start : start + 2 * LANES] if left >= 2 * LANES else rest)
        if left < 2 * LANES:
            for j in range(left):
                out[start + j] = rest[j]
