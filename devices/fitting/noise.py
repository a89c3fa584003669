r"""Noise of pulses and of readings, separated by the likelihood of single trains.

With every pulse the state x takes a step with noise. Readings have a noise of their own, part of
which may last from one reading to the next (1/f noise, traps):

.. math:: x_{k+1} &= x_k + S(x_k) + \sigma_p \xi_k, \qquad y_k = x_k + u_k + \sigma_w \eta_k, \\
          u_{k+1} &= \rho\,u_k + \sigma_u \sqrt{1 - \rho^2}\,\zeta_k.

The likelihood is that of the Kalman filter for this model, linearised about the prediction (R.
Kalman, J. Basic Eng. 82, 35, 1960). Lasting noise is only included where Schwarz's criterion
requires it. Without it, a slow wandering of readings would be taken for that of the state.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import chi2

from cbramsim.core.kernels import compiled_loop
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import linear
from cbramsim.devices.fitting.matching import Match, Noise

Floats = NDArray[np.float64]

DEPTHS = 9
"""Number of depths at which noise of pulses is estimated where it depends on the state."""
EDGE, NEAR = 3.0, 0.08
"""Distance from a bound within which noise is cut off and not looked at: deviations of a pulse, and
at least this part of the window, but no more than `MOST_EDGE`. Accumulated noise takes single
trains to a bound that their mean stays away from: with several trains, the state predicted from
earlier readings must be as far away. A choice by the past alone leaves the likelihood unbiased."""
MOST_EDGE = 0.3
MOST_READINGS = 40_000
"""Most readings of which the likelihood is taken; of more, every n-th train."""
STRONG = 20.0
"""Evidence, as a difference of Schwarz's criterion, for noise that lasts. More than the usual 10: a
law that was matched to the same trains follows a wandering state, which then seems to return, as
noise of readings does."""
RARE = 1e-3
"""Probability of chance above which noise is taken to be the same in all states."""
LEAST = 1e-5
"""Smallest noise that is searched for, part of the window."""
LONGEST = 0.93
"""Largest correlation of lasting noise: beyond it, it looks like a wandering state."""
FEWEST = 20
"""Fewest innovations from which noise can be estimated."""


class NoiseFound(NamedTuple):
    """Noise of pulses and readings, parts of the mean window: in S it is the same in all cells."""

    pulse: float
    """Noise of one pulse, in the mean over states."""
    white: float
    """Noise of one reading that is new in each."""
    lasting: float
    """Noise of one reading that lasts; 0 if none was found."""
    memory: float
    """Correlation of the lasting noise from one reading to the next."""
    by_depth: Floats
    """Noise of a pulse at `DEPTHS` depths, or at one if no state differs, float64[2, m]."""
    readings: int
    """Number of readings on which the result rests."""
    errors: tuple[float, float]
    """Standard errors of the logarithms of `pulse` and of `white`; NaN where there is none."""

    @property
    def read(self) -> float:
        """Deviation of the difference of two successive readings over the square root of 2."""
        return math.hypot(self.white, self.lasting * math.sqrt(1 - self.memory))

    def simple(self) -> Noise:
        """Return the noise that expected curves need: for readings, that of their averages."""
        longer = (1 + self.memory) / (1 - self.memory)
        return Noise(self.by_depth, math.hypot(self.white, self.lasting * math.sqrt(longer)))


class DepthTrains(NamedTuple):
    """Trains in the form of the likelihood."""

    readings: Floats
    """Readings as depths, NaN where there are none, float64[trains, longest]."""
    inside: NDArray[np.bool_]
    """Readings of which the likelihood is taken, bool[trains, longest]."""
    where: NDArray[np.int64]
    """Cell and way of each train, int64[trains, 2]."""


class NoiseModel(NamedTuple):
    """Model of the state and its readings, all noise as parts of the mean window; see above."""

    steps: Floats
    """Steps of each cell at equally spaced depths, float64[cells, 2, points]."""
    scale: Floats
    """Mean window over that of each cell, float64[cells]."""
    pulse: Floats
    """Noise of a pulse by depth, float64[2, m]."""
    white: float
    """Noise of a reading that is new in each."""
    lasting: float
    """Noise of a reading that lasts."""
    memory: float
    """Correlation of the lasting noise from one reading to the next."""


@compiled_loop
def filter_trains(trains, model, out, depth):  # type: ignore[no-untyped-def]
    """Fill normalised innovations of trains, and their states; return the log-likelihood.

    Parameters
    ----------
    trains, model
        `DepthTrains` and `NoiseModel`.
    out, depth
        Outputs, float64[trains, longest]; NaN where there is no innovation.

    Returns
    -------
    float
        The log-likelihood.
    """
    total, memory = 0.0, model.memory
    for i in range(len(trains.readings)):
        cell, way = trains.where[i]
        scale = model.scale[cell]
        white, lasting = scale * model.white, scale * model.lasting
        out[i] = np.nan
        x, u, begun = 0.0, 0.0, False
        pxx = pxu = 0.0
        puu = lasting * lasting
        for k in range(trains.readings.shape[1]):
            noise, _ = linear(model.pulse[way], x)
            noise *= scale
            if k > 0 and begun:
                step, slope = linear(model.steps[cell, way], x)
                slope += 1.0
                x = min(max(x + step, 0.0), 1.0)
                u *= memory
                pxx = slope * slope * pxx + noise * noise
                pxu = slope * memory * pxu
                puu = memory * memory * (puu - lasting * lasting) + lasting * lasting
            y = trains.readings[i, k]
            if math.isnan(y):
                continue
            if not begun:
                x, begun = y, True
                pxx = white * white + lasting * lasting
                pxu = -lasting * lasting  # x and u add up to what was read
                continue
            e, f = y - x - u, pxx + 2.0 * pxu + puu + white * white
            out[i, k] = e / math.sqrt(f)
            depth[i, k] = x
            if trains.inside[i, k]:
                total -= 0.5 * (math.log(f) + e * e / f)
            gain_x, gain_u = (pxx + pxu) / f, (pxu + puu) / f
            x, u = x + gain_x * e, u + gain_u * e
            pxx, pxu, puu = (
                pxx - gain_x * gain_x * f, pxu - gain_x * gain_u * f, puu - gain_u * gain_u * f,
            )  # fmt: skip
    return total


def find_noise(curves: Curves, law: Match) -> NoiseFound | None:
    """Separate noise of pulses from noise of readings; none if there are too few readings.

    Parameters
    ----------
    curves
        The data.
    law
        A law that goes through them, preferably the most flexible one.
    """
    data = _Data(curves, law)
    guess = data.guess()
    if data.number < FEWEST:
        return None
    plain = minimize(data.unlikely, np.log([guess, guess]), method="Nelder-Mead", options=_SEARCH)
    best, lasting, memory = plain, 0.0, 0.0
    readings = math.log(guess)
    starts = [(readings - 3, readings, readings, logit) for logit in (0.0, 1.5, 3.0)]
    more = min(
        (minimize(data.unlikely, start, method="Nelder-Mead", options=_SEARCH) for start in starts),
        key=lambda one: one.fun,
    )
    if 2 * (plain.fun - more.fun) > 2 * math.log(data.number) + STRONG:
        best = more
        lasting, memory = math.exp(more.x[2]), _memory(more.x[3])
    pulse, white = (math.exp(x) if x > math.log(LEAST) + 0.1 else 0.0 for x in best.x[:2])
    errors = data.errors(best.x)
    if not lasting and data.few:
        pulse, white, errors = data.from_differences()
    by_depth = data.by_depth(pulse, white, lasting, memory)
    return NoiseFound(pulse, white, lasting, memory, by_depth, data.number, errors)


def estimate_again(curves: Curves, law: Match, near: NoiseFound) -> tuple[float, float]:
    """Return noise of pulses and of readings of data similar to those that gave `near`."""
    data = _Data(curves, law)
    start = np.log([near.pulse, near.white])
    found = minimize(data.unlikely, start, method="Nelder-Mead", options=_SEARCH)
    pulse, white = np.exp(np.maximum(found.x, math.log(LEAST)))
    return float(pulse), float(white)


_SEARCH = {"xatol": 5e-3, "fatol": 1e-2, "maxfev": 600}


def _memory(logit: float) -> float:
    return LONGEST / (1 + math.exp(-logit))


class _Data:
    """Trains as depths, and the law that goes through them."""

    def __init__(self, curves: Curves, law: Match) -> None:
        index = curves.index[curves.curve]
        every = -(-int(np.isfinite(curves.readings).sum()) // MOST_READINGS)
        chosen = slice(None, None, every)
        cell, way = index[chosen, 0], index[chosen, 1]
        self.trains = law.depth(curves.readings[chosen], cell, way)
        self.where = index[chosen, :2].copy()
        expected = law.depth(law.mean[curves.curve[chosen]], cell, way)
        several = curves.several[chosen]
        self.expected, self.few = expected, bool(several.mean() < 0.5)
        self.law, self.scale = law, law.window.mean() / law.window
        self.out, self.depth = np.empty(self.trains.shape), np.full(self.trains.shape, np.nan)
        guess = self.guess()
        edge = min(max(EDGE * guess, NEAR), MOST_EDGE)
        self.inside = (expected >= edge) & (expected <= 1 - edge) & np.isfinite(self.trains)
        self.inside[:, 0] = False
        self.run(np.full((2, 1), guess), guess, 0.0, 0.0)
        self.inside[several] &= ((self.depth >= edge) & (self.depth <= 1 - edge))[several]
        self.number = int(self.inside.sum())

    def guess(self) -> float:
        """Return the spread of differences, half of it for pulses and half for readings."""
        steps = np.diff(self.trains, axis=1)
        middle = np.nanmedian(steps)
        return max(1.05 * float(np.nanmedian(np.abs(steps - middle))), 10 * LEAST)

    def run(self, sigma: Floats, white: float, lasting: float, memory: float) -> float:
        model = NoiseModel(self.law.steps, self.scale, sigma, white, lasting, memory)
        trains = DepthTrains(self.trains, self.inside, self.where)
        return filter_trains(trains, model, self.out, self.depth)  # type: ignore[no-any-return]

    def unlikely(self, x: Floats) -> float:
        """Return minus the log-likelihood of logarithms of noise."""
        sizes = np.exp(np.clip(x[:3], math.log(LEAST), 1.0))
        lasting, memory = (sizes[2], _memory(x[3])) if len(x) > 2 else (0.0, 0.0)
        return -self.run(np.full((2, 1), sizes[0]), sizes[1], lasting, memory) + _too_small(x)

    def from_differences(self) -> tuple[float, float, tuple[float, float]]:
        r"""Return noise of pulses and of readings from steps of one and of two pulses.

        Less the law's steps, these have the variances :math:`V_1 = \sigma_p^2 + 2 \sigma_w^2` and
        :math:`V_2 = 2 \sigma_p^2 + 2 \sigma_w^2`. A law that was matched to few trains follows
        their wandering, and hides it from the likelihood, but not from neighbouring readings.
        """
        left = (self.trains - self.expected) / self.scale[self.where[:, :1]]
        left = np.where(self.inside, left, np.nan)
        one, two = (left[:, k:] - left[:, :-k] for k in (1, 2))
        squares = two**2 - one[:, 1:] ** 2
        number = int(np.isfinite(squares).sum())
        variance = max(float(np.nanmean(squares)), 0.0)
        white = math.sqrt(max(0.5 * (float(np.nanmean(one**2)) - variance), 0.0))
        pulse = math.sqrt(variance)
        error = 1.5 * float(np.nanstd(squares)) / math.sqrt(max(number, 1))  # neighbours overlap
        relative = (0.5 * error / size**2 if size > LEAST else math.nan for size in (pulse, white))
        return pulse, white, (next(relative), next(relative))

    def errors(self, x: Floats) -> tuple[float, float]:
        """Return standard errors of the first two of `x`, from the curvature of the likelihood."""
        h = 0.05
        around = np.eye(len(x)) * h
        curvature = np.array(
            [
                [
                    (
                        self.unlikely(x + a + b) - self.unlikely(x + a - b)
                        - self.unlikely(x - a + b) + self.unlikely(x - a - b)
                    ) / (4 * h * h)
                    for b in around
                ]
                for a in around
            ]
        )  # fmt: skip
        with np.errstate(invalid="ignore"):
            found = np.sqrt(np.diag(np.linalg.pinv(curvature)))
        return float(found[0]), float(found[1])

    def by_depth(self, pulse: float, white: float, lasting: float, memory: float) -> Floats:
        """Return noise of a pulse by depth, float64[2, m]; one number if no state differs."""
        even = np.full((2, 1), pulse)
        if not pulse:
            return even
        self.run(even, white, lasting, memory)
        edges = np.linspace(0, 1, DEPTHS + 1)
        squares, counts = np.zeros((2, DEPTHS)), np.zeros((2, DEPTHS))
        way = np.broadcast_to(self.where[:, 1:], self.out.shape)
        inside = np.isfinite(self.out) & self.inside
        place = np.clip(np.searchsorted(edges, self.depth[inside], side="right") - 1, 0, DEPTHS - 1)
        np.add.at(counts, (way[inside], place), 1)
        np.add.at(squares, (way[inside], place), self.out[inside] ** 2)
        seen = counts > 2
        ratio = np.where(seen, squares / np.maximum(counts, 1), 1.0)
        chance = float((0.5 * counts * (ratio - 1) ** 2)[seen].sum())
        if not seen.any() or chi2.sf(chance, seen.sum() - 1) > RARE:
            return even
        share = pulse**2 / (pulse**2 + 2 * white**2)
        if share < 0.3:  # noise of readings, which a device has the same in all states
            return even
        variance = pulse**2 * np.maximum(1 + (ratio - 1) / share, 0.04)
        for row, known in zip(variance, seen, strict=True):
            if known.any():
                row[:] = np.interp(np.arange(DEPTHS), np.flatnonzero(known), row[known])
            else:
                row[:] = pulse**2
        # from the middles of bins to equally spaced depths
        middles = 0.5 * (edges[1:] + edges[:-1])
        return np.sqrt(
            np.stack([np.interp(np.linspace(0, 1, DEPTHS), middles, row) for row in variance])
        )


def _too_small(x: Floats) -> float:
    return float(np.sum(np.maximum(math.log(LEAST) - x[:3], 0) ** 2))
