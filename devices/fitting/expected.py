r"""Expected trains: mean and variance of a state after each pulse, noise and bounds included.

The state is taken to be normal before a pulse, with mean m and variance v. A pulse moves it to

.. math:: \mu = m + S(m), \qquad s^2 = (1 + S'(m))^2 v + \sigma^2,

exact where the step is linear in the state, and the bounds of the window cut off what is beyond:

.. math:: m' &= s\,[\varphi(\alpha) - \varphi(\beta)] + \mu\,[\Phi(\beta) - \Phi(\alpha)]
                + 1 - \Phi(\beta) \\
          \langle x^2 \rangle &= (\mu^2 + s^2)[\Phi(\beta) - \Phi(\alpha)]
                + s\,[\mu\,\varphi(\alpha) - (1 + \mu)\,\varphi(\beta)] + 1 - \Phi(\beta)

with :math:`\alpha = -\mu / s` and :math:`\beta = (1 - \mu) / s` (moments of a normal number that is
clipped to [0, 1]). A fit thus includes the effect of noise at a bound on a mean, without simulating
it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.devices.fitting.laws import STRETCHED, step_at

Floats = NDArray[np.float64]

CERTAIN = 1e-6
"""Deviation, part of the window, below which a state counts as exact."""
FAR = 6.0
"""Distance from a bound, in deviations, beyond which it cuts nothing off."""
POINTS = 257
"""Number of depths between which steps are linear."""


class EachCell(NamedTuple):
    """Quantities that each cell has of its own."""

    low: Floats
    """Lower bound, float64[cells]."""
    high: Floats
    """Upper bound, float64[cells]."""
    first: Floats
    """Steps at depth 0 of set and of reset pulses, parts of its window, float64[cells, 2]."""
    scale: Floats
    """Mean window over the cell's own, float64[cells]."""


class CurveStarts(NamedTuple):
    """Curves that are expected, and their starting points."""

    which: NDArray[np.int64]
    """Cell and way (0 set, 1 reset), and number of readings, int64[curves, 3]."""
    start: Floats
    """Mean of the first reading, float64[curves]."""
    spread: Floats
    """Deviation of the state there, float64[curves]."""


@inlined
def clipped(mean, deviation):  # type: ignore[no-untyped-def]
    """Return mean and variance of a normal number that is clipped to [0, 1]."""
    if deviation < CERTAIN:
        return min(max(mean, 0.0), 1.0), 0.0
    alpha, beta = -mean / deviation, (1.0 - mean) / deviation
    if alpha < -FAR and beta > FAR:
        return mean, deviation * deviation
    below = 0.5 * math.erfc(-alpha * math.sqrt(0.5))
    above = 0.5 * math.erfc(beta * math.sqrt(0.5))
    at_low = math.exp(-0.5 * alpha * alpha) / math.sqrt(2 * math.pi)
    at_high = math.exp(-0.5 * beta * beta) / math.sqrt(2 * math.pi)
    inside = 1.0 - below - above
    first = deviation * (at_low - at_high) + mean * inside + above
    second = (
        (mean * mean + deviation * deviation) * inside
        + deviation * (mean * at_low - (1.0 + mean) * at_high)
        + above
    )
    return first, max(second - first * first, 0.0)


@inlined
def linear(values, depth):  # type: ignore[no-untyped-def]
    """Return the interpolation of values at equally spaced depths, and its derivative by the
    depth."""
    last = values.size - 1
    if last == 0:
        return values[0], 0.0
    place = min(max(depth, 0.0), 1.0) * last
    j = min(int(place), last - 1)
    slope = values[j + 1] - values[j]
    return values[j] + slope * (place - j), slope * last


@inlined
def tabulate(code, first, shapes, steps):  # type: ignore[no-untyped-def]
    """Fill the steps of each cell at equally spaced depths, float64[cells, 2, points]."""
    points = steps.shape[2]
    for cell in range(len(steps)):
        for way in range(2):
            for j in range(points):
                if cell == 0 or code == STRETCHED:
                    depth = j / (points - 1)
                    steps[cell, way, j] = step_at(code, first[cell, way], shapes[way], depth)
                else:
                    ratio = first[cell, way] / first[0, way]
                    steps[cell, way, j] = ratio * steps[0, way, j]


@compiled_loop
def follow(code, shapes, cells, curves, sigma, steps, means, variances):  # type: ignore[no-untyped-def]
    """Fill expected readings and the variance of the state, of every curve, in units of readings.

    Parameters
    ----------
    code
        The law.
    shapes
        Shape parameters of both ways, float64[2, n].
    cells, curves
        `EachCell` and `CurveStarts`, conductances in units of readings.
    sigma
        Noise of a pulse, part of the mean window, at equally spaced depths, float64[2, m].
    steps
        Filled with the steps, parts of the window, float64[cells, 2, POINTS].
    means, variances
        Outputs, float64[curves, readings].
    """
    tabulate(code, cells.first, shapes, steps)
    for i in range(len(curves.which)):
        cell, way, readings = curves.which[i]
        window = cells.high[cell] - cells.low[cell]
        edge, sign = (cells.low[cell], 1.0) if way == 0 else (cells.high[cell], -1.0)
        mean, deviation = sign * (curves.start[i] - edge) / window, curves.spread[i] / window
        variance = deviation * deviation
        for k in range(readings):
            if k > 0:
                step, slope = linear(steps[cell, way], mean)
                noise, _ = linear(sigma[way], mean)
                noise *= cells.scale[cell]
                slope += 1.0
                mean, variance = clipped(
                    mean + step, math.sqrt(slope * slope * variance + noise * noise)
                )
            means[i, k] = edge + sign * window * mean
            variances[i, k] = window * window * variance
