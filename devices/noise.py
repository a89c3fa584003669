"""Noise of reads as compiled loops see it; see `devices.states` and `devices.one_over_f`."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import each, lean_kernel, lean_vector_kernel
from cbramsim.core.rng import NORMAL_MASK, next_word
from cbramsim.core.verbs import add_normals, add_read_noise, follow_state, implements, sense
from cbramsim.devices.technology import Technology


class Noiseless(NamedTuple):
    """Exact reads."""


class Steady(NamedTuple):
    """Normal noise, independent from cell to cell and from read to read."""

    sigma: float
    """Standard deviation of one cell in one read, S."""


class Flickering(NamedTuple):
    """Normal noise, and a conductance that jumps between two values."""

    sigma: float
    """Standard deviation of the normal part, S."""
    of_sum: float
    """Standard deviation of both, for a sum over many cells, S."""
    distance: float
    """Distance of the two values, S."""
    duty: float
    """Fraction of the time in the upper of them."""
    quantile: float
    """Quantile of a standard normal number with the probability `duty`."""


class Growing(NamedTuple):
    """Normal noise of a read and 1/f noise, as compiled loops see them."""

    sigma: float
    """Standard deviation of the normal part of one cell, S."""
    factor: float
    exponent: float
    limit: float
    g_max: float
    """S."""
    fresh: float
    """Variance of the relative noise of a new cell, for a factor of 1."""
    variance: NDArray[np.float32]
    """Variance of the 1/f noise of each cell, float32[rows, columns], S²."""

    @classmethod
    def of(cls, device: Technology, shape: tuple[int, int]) -> Self:
        """Return the noise of the cells of an array, all new."""
        a, b, limit = device.read_1f
        fresh = float(device.one_over_f_spectrum(0.0))
        return cls(
            device.read_c2c * device.g_range, a, b, limit, device.g_max, fresh,
            np.zeros(shape, np.float32),
        )  # fmt: skip


def noise_of(
    device: Technology, shape: tuple[int, int]
) -> Noiseless | Steady | Flickering | Growing:
    """Return the noise of an array of a device, `shape` (word lines, bit lines)."""
    if device.read_1f:
        return Growing.of(device, shape)
    sigma, flicker = device.read_c2c * device.g_range, device.flicker_sigma
    if flicker:
        return Flickering(
            sigma, math.hypot(sigma, flicker), device.g_flicker, device.flicker_duty,
            NormalDist().inv_cdf(device.flicker_duty),
        )  # fmt: skip
    return Steady(sigma) if sigma else Noiseless()


@implements(sense, Noiseless)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    return g


@implements(sense, Steady)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    """Use the word as an offset into the table of normal numbers, whose neighbours are
    independent."""
    return g + np.float32(noise.sigma) * normals[np.int64(word & NORMAL_MASK) + row]


@implements(sense, Flickering)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    """Use the bits that the normal part leaves as another offset, to a number that a quantile
    divides."""
    seen = g + np.float32(noise.sigma) * normals[np.int64(word & NORMAL_MASK) + row]
    other = np.int64((word >> np.uint64(20)) & NORMAL_MASK) + row
    upper, lower = 1.0 - noise.duty, 0.0 - noise.duty
    return seen + np.float32(noise.distance * (upper if normals[other] < noise.quantile else lower))


@implements(add_read_noise, Noiseless)
def _(noise, array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    pass


@implements(add_read_noise, Steady)
def _(noise, array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    offset = np.int64(next_word(stream) & NORMAL_MASK)
    add_normals(array.gaps, noise.sigma, n_active, currents, work, array.normals[offset:])


@implements(add_read_noise, Flickering)
def _(noise, array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    """Add normal noise: the flicker of many cells adds up to a normal number too."""
    offset = np.int64(next_word(stream) & NORMAL_MASK)
    add_normals(array.gaps, noise.of_sum, n_active, currents, work, array.normals[offset:])


@lean_kernel
def _variance(noise, g):  # type: ignore[no-untyped-def]
    if not g > 0:
        return np.float32(0)
    part = min(noise.factor * math.pow(g / noise.g_max, noise.exponent), noise.limit)
    return np.float32(noise.fresh * (g * part) ** 2)


@implements(sense, Growing)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    """Take the cell as new; its two parts use numbers from two places of the table."""
    seen = g + np.float32(noise.sigma) * normals[np.int64(word & NORMAL_MASK) + row]
    other = np.int64((word >> np.uint64(20)) & NORMAL_MASK) + row
    return seen + np.float32(math.sqrt(_variance(noise, np.float64(g)))) * normals[other]


@implements(follow_state, Growing)
def _(noise, column, row, g):  # type: ignore[no-untyped-def]
    noise.variance[row, column] = _variance(noise, np.float64(g))


@implements(add_read_noise, Growing)
def _(noise, array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    word = next_word(stream)
    offset, other = np.int64(word & NORMAL_MASK), np.int64((word >> np.uint64(20)) & NORMAL_MASK)
    add_normals(array.gaps, noise.sigma, n_active, currents, work, array.normals[offset:])
    sums = work.variances[: currents.size]
    _sum_variances(noise.variance, rows, n_active, sums)
    for k in each(currents.size):
        currents[k] += np.float32(math.sqrt(sums[k])) * array.normals[other + k]


@lean_vector_kernel
def _sum_variances(variance, rows, n_active, out):  # type: ignore[no-untyped-def]
    for k in each(out.size):
        out[k] = np.float32(0)
    for r in range(n_active):
        of_row = variance[rows[r]]
        for k in each(out.size):
            out[k] += of_row[k]


def _unchanged(noise, column, row, g):  # type: ignore[no-untyped-def]
    pass


for _kind in (Noiseless, Steady, Flickering):
    implements(follow_state, _kind)(_unchanged)
