r"""Reads of cells that are not ohmic: a product that saturates.

A read of inputs that are at `v_read` or at ground is no longer a product: with more active word
lines the voltage at the cells is lower, and their currents fall more than in proportion. Solving
every read (`exact_reads.py`) takes too long while a network learns. To first order the cells are at
`v_read`, where they behave like ohmic cells of the same conductance. Their effective conductances,
:math:`\tilde G` (`effective_matrix.py`), give the current of a bit line from each word line; the
total current saturates with their sum:

.. math:: I_k = V_{read} \frac{a_k x_k}{1 + c_k x_k}, \qquad
          x_k = \sum_{i\ \text{active}} \tilde G_{ik}.

The two numbers of a bit line are fitted to exact solutions of every other one of the patterns of
activity drawn from the images. The rest are solved to measure the error of such a read. For ohmic
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
"""Number of patterns of activity: half are used for the fit, half to measure its error."""
LEAST = np.finfo(float).tiny
SAME = 1e-9
"""Relative spread of sums below which saturation cannot be distinguished from scale."""


class Saturating(NamedTuple):
    """Tile as its terminals see it: a product that saturates."""

    conductance: NDArray[np.float64]
    """Product a G above, float64[rows, columns], S."""
    bend: NDArray[np.float64]
    """Ratio c / a above, float64[columns], 1/S: currents are x / (1 + bend x)."""
    kept: NDArray[np.float64]
    """Mean of 1 / (1 + bend x) over the patterns, float64[columns]."""
    dissipated: NDArray[np.float64]
    """Power of cells and lines while a word line is active, on average, float64[2, rows], W/V²."""
    currents: NDArray[np.float64]
    """Exact currents of the patterns that measure, float64[patterns, columns], per volt, S."""
    off: NDArray[np.float64]
    """Error of such a read in each of them, float64[patterns, columns], S."""


def drawn_patterns(densities: NDArray[np.uint8], seed: int) -> NDArray[np.bool_]:
    """Return the inputs that spike in windows of some images, bool[PATTERNS, inputs]."""
    some = densities[np.linspace(0, len(densities) - 1, PATTERNS).astype(np.int64)]
    spiked: NDArray[np.bool_] = (
        generator(seed, "wires patterns").integers(0, 256, some.shape) < some
    )
    return spiked


def saturating(
    g: NDArray[np.float64], curve: Sinh, wires: Wires, patterns: NDArray[np.bool_],
    tolerance: float, threads: int | None = None,
) -> Saturating:  # fmt: skip
    """Return a tile for reads of typical `patterns`, bool[patterns, rows].

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
    """Return the result of reads for sums `summed` of effective conductances, [..., columns], S."""
    return summed / (1 + bend * summed)  # type: ignore[no-any-return]


def _fitted(
    told: NDArray[np.float64], wanted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scale and the bend of every bit line, float64[columns], 1 and 1/S.

    Linear least squares of a x - c x y = y, then the scale for which the mean is right.
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
    """Return `one` / `other`, 1 where `other` is 0."""
    return np.divide(one, other, out=np.ones(one.shape), where=other > LEAST)


def _by_row(
    exact: Reads, volts: NDArray[np.float64], g: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return `Saturating.dissipated`: means of the exact reads in which a word line is active.

    Some are rarely active: each counts as active once more, with the mean ratio of all to its
    nominal power. The power of cells on other word lines is shared out.
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
