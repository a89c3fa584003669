"""Probability that a stored bit is misread: counted over an array, and in closed form.

A bit is sensed against the middle of the nominal window. It reads wrong always if its cell is stuck
at the other level or its level is on the wrong side, and sometimes if noise takes it there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import NORMAL_MASK
from cbramsim.devices.noise import Flickering
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.crossbar import Crossbar


class BitErrors(NamedTuple):
    """Probability that a bit just written is misread, both values equally likely."""

    static: float
    """Part of the bits that read wrong without noise: stuck cells, levels on the wrong side."""
    total: float
    """Part of the bits that read wrong, with read noise."""


def count_bit_errors(cells: Crossbar, rng: np.random.Generator, reads: int) -> BitErrors:
    """Count errors with 0, then 1 in every cell, sensed `reads` times each as in compiled loops."""
    state, pulse = cells.state, cells.pulse
    mid, size = np.float32(cells.device.g_mid), state.g.size
    wrong = static = 0
    for level, bit in ((G_LOW, False), (G_HIGH, True)):
        g = state.cells[..., level]
        static += int(((g > mid) != bit).sum())
        for _ in range(reads):
            draws = rng.integers(NORMAL_MASK + 1, size=(2, *g.shape))
            seen = g + np.float32(pulse.read_sigma) * state.normals[draws[0]]
            if isinstance(state.noise, Flickering):
                upper = state.normals[draws[1]] < state.noise.quantile
                seen += np.float32(state.noise.distance) * (upper - np.float32(state.noise.duty))
            wrong += int(((seen > mid) != bit).sum())
    return BitErrors(static / (2 * size), wrong / (2 * size * reads))


def expected_bit_error_rate(cells: Crossbar) -> float:
    r"""Return the total in closed form: the tail of the read noise beyond the reference.

    :math:`P = \frac12 \langle Q(\frac{G_{mid} - G_{low}}{\sigma}) +
    Q(\frac{G_{high} - G_{mid}}{\sigma}) \rangle` over the cells, Q the Gaussian tail; with flicker,
    over its two values as well.
    """
    flicker, duty = cells.device.g_flicker, cells.device.flicker_duty
    shifts = [(1.0, 0.0)]
    if flicker:
        shifts = [(duty, flicker * (1 - duty)), (1 - duty, -flicker * duty)]
    total = 0.0
    for level, sign in ((G_LOW, 1), (G_HIGH, -1)):
        g = cells.state.cells[..., level].astype(np.float64)
        for chance, shift in shifts:
            margin = sign * (cells.device.g_mid - g - shift)
            total += 0.5 * chance * _tail(margin, cells.pulse.read_sigma).mean()
    return float(total)


def noise_turns_bits(cells: Crossbar) -> bool:
    """Return whether noise may turn a bit: a cell is, in any of its states, near the reference.

    The effects of lines, and the movement of half-selected cells, are not predicted.
    """
    state, mid = cells.state, cells.device.g_mid
    reach = cells.pulse.read_sigma * float(np.abs(state.normals).max()) + cells.device.g_flicker
    if cells.disturbs or cells.wired:
        return reach > 0
    levels = (state.cells[..., G_LOW], state.cells[..., G_HIGH], state.g)
    return any(bool((np.abs(g - mid) <= reach).any()) for g in levels)


def _tail(margin: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return the probability that normal noise of `sigma` exceeds a margin, of any sign."""
    if not sigma:
        return (margin <= 0).astype(np.float64)
    from scipy.special import ndtr  # scipy takes long to import

    return ndtr(-margin / sigma)  # type: ignore[no-any-return]
