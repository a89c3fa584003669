"""Noise of reads as compiled loops see it; the physics is in `cbramsim.devices.states`."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from cbramsim.core.rng import NORMAL_MASK, next_word
from cbramsim.core.verbs import add_normals, add_read_noise, follow_state, implements, sense
from cbramsim.devices.one_over_f import Growing
from cbramsim.devices.technology import Technology


class Noiseless(NamedTuple):
    """Reads are exact."""


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
    """Of the two values, S."""
    duty: float
    """Fraction of the time in the upper of them."""
    quantile: float
    """A standard normal number is below it with the probability `duty`."""


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
    """The word is an offset into the table of normal numbers, whose neighbours are independent."""
    return g + np.float32(noise.sigma) * normals[np.int64(word & NORMAL_MASK) + row]


@implements(sense, Flickering)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    """Bits that the normal part leaves are another offset, to a number that a quantile divides."""
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
    """Of many cells, flicker adds up to a normal number as well."""
    offset = np.int64(next_word(stream) & NORMAL_MASK)
    add_normals(array.gaps, noise.of_sum, n_active, currents, work, array.normals[offset:])


def _unchanged(noise, column, row, g):  # type: ignore[no-untyped-def]
    pass


for _kind in (Noiseless, Steady, Flickering):
    implements(follow_state, _kind)(_unchanged)
