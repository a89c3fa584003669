r"""Reads of cells that are not ohmic: a product that saturates.

A read of inputs that are at `v_read` or at ground is not a product any more: the more word lines
are active, the less voltage is left for the cells, and the less than in proportion they take.
Solving every read (`exact_reads.py`) takes too long while a network learns. To first order the
cells are at `v_read`, where they are as good as ohmic cells of the same conductance. Their
effective conductances, :math:`\tilde G` (`effective_matrix.py`), say what a bit line gets of which
word line; and how much it gets in all, saturates with it:

.. math:: I_k = V_{read} \frac{a_k x_k}{1 + c_k x_k}, \qquad
          x_k = \sum_{i\ \text{active}} \tilde G_{ik}.

The two numbers of a bit line are fitted to exact solutions of patterns of activity drawn from the
images: every other one. The rest are solved to measure by how much such a read is off. For ohmic
cells c is 0 and a is 1; the form is empirical (assumed), and its error measured at every use.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.simulator.lines.circuit import Wires
from cbramsim.simulator.lines.curves import Sinh
from cbramsim.simulator.lines.effective_matrix import effective
from cbramsim.simulator.lines.exact_reads import Reads, exact_reads

PATTERNS = 64
"""Patterns of activity: half of them are fitted to, half measure."""
LEAST = np.finfo(float).tiny
SAME = 1e-9
"""Spread of sums, relative, below which saturation cannot be told from scale."""


class Saturating(NamedTuple):
    """A tile as its terminals see it: a product that saturates."""

    conductance: NDArray[np.float64]
    """a G above, float64[rows, columns], S."""
    bend: NDArray[np.float64]
    """c / a above, float64[columns], 1/S: currents are x / (1 + bend x)."""
    kept: NDArray[np.float64]
    """Mean of 1 / (1 + bend x) over the patterns, float64[columns]."""
    dissipated: NDArray[np.float64]
    """Power of cells and lines while a word line is active, on average, float64[2, rows], W/V²."""
    currents: NDArray[np.float64]
    """Exact currents of the patterns that measure, float64[patterns, columns], per volt, S."""
    off: NDArray[np.float64]
    """By how much such a read is off in each of them, float64[patterns, columns], S."""


def drawn_patterns(densities: NDArray[np.uint8], seed: int) -> NDArray[np.bool_]:
    """Return which inputs spike in windows of some images, bool[PATTERNS, inputs]."""
    some = densities[np.linspace(0, len(densities) - 1, PATTERNS).astype(np.int64)]
    spiked: NDArray[np.bool_] = (
        generator(seed, "wires patterns").integers(0, 256, some.shape) < some
    )
    return spiked


def saturating(
    g: NDArray[np.float64], curve: Sinh, wires: Wires, patterns: NDArray[np.bool_],
    tolerance: float, threads: int | None = None,
) -> Saturating:  # fmt: skip
    """Return a tile as reads of typical `patterns`, bool[patterns, rows], see it.

    `g` are its cells, float64[rows, columns], S; other arguments as for `exact_reads`.
    """
    seen = effective(g, wires, tolerance=tolerance, dissipation=False, threads=threads).conductance
    volts = patterns.astype(np.float64) * curve.v_read
    exact = exact_reads(g, curve, wires, volts, tolerance, threads)
    told, wanted = patterns @ seen, exact.currents / curve.v_read
    scale, bend = _fitted(told[::2], wanted[::2])
    seen *= scale
    summed = patterns @ seen
    reads = saturated(summed, bend)
    return Saturating(
        seen, bend, _part(reads.sum(axis=0), summed.sum(axis=0)), _by_row(exact, volts, g),
        wanted[1::2], (reads - wanted)[1::2],
    )  # fmt: skip


def saturated(summed: NDArray, bend: NDArray) -> NDArray[np.float64]:
    """Return what reads say where effective conductances sum up to `summed`, [..., columns], S."""
    return summed / (1 + bend * summed)  # type: ignore[no-any-return]


def _fitted(
    told: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scale and the bend of every bit line, float64[columns], 1 and 1/S.

    Least squares of a x - c x y = y, which is linear, and then the scale that makes the mean right.
    """
    mean = np.maximum(told.mean(axis=0), LEAST)
    x, y = told / mean, wanted / mean
    xy = x * y
    xx, cross, bent = (x * x).sum(axis=0), (x * xy).sum(axis=0), (xy * xy).sum(axis=0)
    determinant = cross * cross - xx * bent
    c = (xx * (y * xy).sum(axis=0) - cross * xy.sum(axis=0)) / np.where(
        determinant < -SAME * xx * bent, determinant, np.inf
    )
    c = np.maximum(c, 0) / mean
    scale = _part(wanted.sum(axis=0), saturated(told, c).sum(axis=0))
    return scale, c / np.maximum(scale, LEAST)


def _part(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `one` / `other`, 1 where that is nothing."""
    return np.divide(one, other, out=np.ones(one.shape), where=other > LEAST)


def _by_row(
    exact: Reads, volts: NDArray[np.float64], g: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `Saturating.dissipated`: means of the exact reads in which a word line is active.

    Few are, of some: as if each had been active once more, and had then taken what all do of their
    nominal power. What cells of other word lines take is shared out.
    """
    active, v_read = volts > 0, max(float(volts.max()), LEAST)
    nominal = g.sum(axis=1) * v_read**2
    power = np.empty((2, len(g)))
    for into, taken in zip(power, (exact.in_cells, exact.given), strict=True):
        own = (taken * active).sum(axis=0)
        typical = own.sum() / max(float((active @ nominal).sum()), LEAST)
        into[:] = (own + typical * nominal) / (active.sum(axis=0) + 1)
        into *= taken.sum() / max(float((active @ into).sum()), LEAST)
    return np.stack([power[0], power[1] - power[0]]) / v_read**2
