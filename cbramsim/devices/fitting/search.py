"""Least squares over all cells at once: parameters of each cell, and those that cells share.

The Jacobian has one block per cell and a border of shared parameters, so that the normal equations
fall apart into one small system per cell (Schur complement): the cost grows with the number of
cells, not with its cube. The method is that of Levenberg and Marquardt (D. W. Marquardt,
J. SIAM 11, 431, 1963). The filter that whitens the residuals is held while a minimum is searched
and then brought up to date, as in iteratively reweighted least squares.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting import curve
from cbramsim.devices.fitting.laws import TABLE, Candidate

Floats = NDArray[np.float64]

LOW, HIGH, UP, DOWN = range(4)
"""Parameters of a cell: bounds of its window, logarithms of the pulses from end to end."""
REACHED = 0.02
"""How loosely a bound is tied to what the trains reach, part of the window: it decides only where
trains end before they saturate."""
NEARBY = 0.3
"""How far a bound may be from there, part of the window."""
CURVED = 0.3
"""How loosely the measured table is tied to a straight line between its neighbours."""
STEP = 1e-5
"""Step of numerical derivatives; all parameters are of order 1."""
SETTLED = 2e-2
"""Change of parameters that is none."""
LEAST_CURVATURE = 1e-6
"""Added where a parameter has no effect at all."""
REWEIGHTED, ITERATIONS = 3, 15
"""How often the filter is brought up to date, and trials of each search."""
TOLERANCE = 3e-2
"""Decrease of the sum of squares below which a search ends: no more than a small part of the
standard deviation of any parameter."""


class Way(NamedTuple):
    """The trains of one polarity."""

    sign: float
    """+1 for set, -1 for reset pulses."""
    readings: Floats
    """float64[cells, cycles, 1 + pulses], in units of the typical window."""
    curves: Floats
    """Their mean over cycles, float64[cells, 1 + pulses]."""

    def starts(self, read_noise: float) -> Floats:
        """Return states in which trains begin, float64[cells, cycles]: readings less noise."""
        begins, mean = self.readings[:, :, 0], self.curves[:, :1]
        variance = max(float((begins - mean).var()), 1e-30)
        return mean + (begins - mean) * np.sqrt(max(1 - read_noise**2 / variance, 0.0))


@dataclass(frozen=True)
class Noise:
    """Standard deviations in units of the typical window."""

    pulse: float
    """Of one pulse."""
    reading: float
    """Of one reading."""
    pulse_variance: float = 0.0
    """As estimated."""
    reading_variance: float = 0.0
    """As estimated; may be below 0."""


@dataclass(frozen=True)
class Curves:
    """What a law makes of the mean curves."""

    candidate: Candidate
    cells: Floats
    """Parameters of cells, float64[cells, 4]: see `LOW`."""
    shapes: Floats
    """Shape parameters for set and for reset pulses, float64[2, n]."""
    squares: float = np.inf
    """Sum of squared whitened residuals."""
    deviance: float = np.inf
    """-2 log of the likelihood of the residuals, at the best common scale of the noise."""
    cell_variance: Floats | None = None
    """Variance of the cells' parameters if the shared ones are known, float64[cells, 4]."""
    shared_covariance: Floats | None = None
    """Covariance of the shapes, set before reset, float64[2 n, 2 n]."""
    sensitivity: Floats | None = None
    """Derivative of the mean of the cells' parameters with the shapes, float64[4, 2 n]."""

    def of(self, way: int) -> Floats:
        """Return low, high, pulses of each cell for set (0) or reset (1), float64[cells, 3]."""
        cells = self.cells[:, [LOW, HIGH, UP + way]]
        cells[:, UP] = np.exp(cells[:, UP])
        return cells


Filters = tuple[tuple[Floats, ...], ...]


def search(
    ways: tuple[Way, Way], start: Curves, noise: Noise, ties: Ties, rounds: int = REWEIGHTED
) -> Curves:
    """Return the least-squares parameters of a law, from `start` on."""
    best, held = _weighed(ways, start, noise)
    for _ in range(rounds):
        found = _minimised(ways, best, noise, held, ties)
        moved = np.abs(found.cells - best.cells), np.abs(found.shapes - best.shapes)
        best, held = _weighed(ways, found, noise)
        if max(change.max(initial=0) for change in moved) < SETTLED:
            break
    return _with_covariance(ways, best, noise, held, ties) if rounds > 1 else best


def _weighed(ways: tuple[Way, Way], curves: Curves, noise: Noise) -> tuple[Curves, Filters]:
    """Return parameters with their own filter, and what that makes of the residuals."""
    held = _filters(ways, curves, noise)
    residuals = _residuals(ways, curves, noise, held)
    n, squares = residuals.size, float((residuals**2).sum())
    logs = sum(float(np.log(way[-1]).sum()) for way in held)
    deviance = n * np.log(squares / n) + n - 2 * logs
    return replace(curves, squares=squares, deviance=deviance), held


def expected(ways: tuple[Way, Way], curves: Curves, noise: Noise) -> tuple[Floats, Floats]:
    """Return the mean set and reset curves that a law expects, float64[cells, pulses] each."""
    held = _filters(ways, curves, noise)
    for filters in held:
        filters[3][:] = 0  # no gain: the curve is not corrected by what is read
    residuals = _residuals(ways, curves, noise, held)
    split = ways[0].curves.shape[1] - 1
    parts = residuals[:, :split], residuals[:, split:]
    found = [
        trains.curves[:, 1:] - trains.sign * part / filters[4]
        for trains, part, filters in zip(ways, parts, held, strict=True)
    ]
    return found[0], found[1]


def _filters(ways: tuple[Way, Way], curves: Curves, noise: Noise) -> Filters:
    sigmas = np.array([noise.pulse, noise.reading, LEAST_NOISE])
    filters = []
    for way, trains in enumerate(ways):
        held = tuple(np.empty_like(trains.curves[:, 1:]) for _ in range(5))
        curve.gains(
            curves.candidate.code, trains.sign, trains.curves, trains.starts(noise.reading),
            curves.of(way), curves.shapes[way], sigmas, *held,
        )  # fmt: skip
        filters.append(held)
    return tuple(filters)


LEAST_NOISE = 1e-4
"""Noise that counts in weights even if there is less, part of the window."""


def _residuals(ways: tuple[Way, Way], curves: Curves, noise: Noise, held: Filters) -> Floats:
    """Return whitened residuals, float64[cells, pulses]; gain and weights are those of `held`."""
    parts = []
    for way, (trains, fresh) in enumerate(zip(ways, _filters(ways, curves, noise), strict=True)):
        residuals = np.empty_like(fresh[0])
        curve.innovations(
            curves.candidate.code, trains.sign, trains.curves, curves.of(way), curves.shapes[way],
            *fresh[:3], *held[way][3:], residuals,
        )  # fmt: skip
        parts.append(residuals)
    return np.concatenate(parts, axis=1)


def _minimised(
    ways: tuple[Way, Way], curves: Curves, noise: Noise, held: Filters, ties: Ties
) -> Curves:
    residuals = _residuals(ways, curves, noise, held)
    best = replace(curves, squares=_total(residuals, ties, curves))
    damping = 1e-4
    equations = _normal_equations(ways, best, noise, held, residuals, ties)
    for _ in range(ITERATIONS):
        trial = _moved(best, *_solved(*equations, damping), ties.reached)
        trial_residuals = _residuals(ways, trial, noise, held)
        squares = _total(trial_residuals, ties, trial)
        if not squares < best.squares:
            damping = max(10 * damping, 1e-4)
            if damping > 1e6:
                break
            continue
        gain = best.squares - squares
        best, residuals, damping = replace(trial, squares=squares), trial_residuals, damping / 10
        if gain < TOLERANCE:
            break
        equations = _normal_equations(ways, best, noise, held, residuals, ties)
    return replace(best, squares=float((residuals**2).sum()))


class Ties:
    """Weak ties that decide what the trains do not: see `REACHED` and `CURVED`."""

    def __init__(self, ways: tuple[Way, Way]) -> None:
        low, high = _end(ways[1].curves), _end(ways[0].curves)
        self.reached = np.stack([low, np.maximum(high, low + LEAST_NOISE)], axis=1)
        self.expected = self.reached
        self.width = np.full_like(self.reached, REACHED)

    def expecting(self, bounds: Floats, told: NDArray[np.bool_]) -> Ties:
        """Return ties to the other cells for `bounds`, [cells, 2], that trains have not `told`.

        Where most cells do not tell theirs, a bound stays what trains reach.
        """
        ties = copy(self)
        ties.expected, ties.width = self.expected.copy(), self.width.copy()
        for key in (LOW, HIGH):
            known = bounds[told[:, key], key]
            if len(known) >= max(0.5 * len(told), 3):
                ties.expected[~told[:, key], key] = known.mean()
                ties.width[~told[:, key], key] = max(float(known.std(ddof=1)), 0.5 * REACHED)
        return ties

    def residuals(self, curves: Curves) -> tuple[Floats, Floats]:
        """Return those of cells, float64[cells, 2] for `LOW` and `HIGH`, and of the shapes."""
        bounds = (curves.cells[:, :UP] - self.expected) / self.width
        bends = (
            _bending(curves) @ np.append(1.0, curves.shapes[0]),
            _bending(curves) @ np.append(1.0, curves.shapes[1]),
        )
        return bounds, np.concatenate(bends) / CURVED


def _end(curves: Floats) -> Floats:
    """Return where mean curves end, float64[cells]."""
    return curves[:, -max(curves.shape[1] // 20, 1) :].mean(axis=1)


def _bending(curves: Curves) -> Floats:
    """Return the matrix of second differences of a table, of no rows for other laws."""
    points = curves.shapes.shape[1] + 1
    if curves.candidate.code != TABLE:
        return np.zeros((0, points))
    return np.diff(np.eye(points), 2, axis=0)


def _total(residuals: Floats, ties: Ties, curves: Curves) -> float:
    bounds, bends = ties.residuals(curves)
    return float((residuals**2).sum() + (bounds**2).sum() + (bends**2).sum())


def _jacobian(
    ways: tuple[Way, Way], curves: Curves, noise: Noise, held: Filters, residuals: Floats
) -> tuple[Floats, Floats]:
    """Return derivatives with the cells' own, [cells, pulses, 4], and the shared parameters.

    Set and reset parameters are moved at once, for each acts on its own trains only.
    """
    split = ways[0].curves.shape[1] - 1
    shapes = curves.shapes.shape[1]
    own = np.zeros((*residuals.shape, 4))
    shared = np.zeros((*residuals.shape, 2 * shapes))
    for key in (LOW, HIGH, UP):
        cells = curves.cells.copy()
        cells[:, key] += STEP
        if key == UP:
            cells[:, DOWN] += STEP
        change = (_residuals(ways, replace(curves, cells=cells), noise, held) - residuals) / STEP
        if key == UP:
            own[:, :split, UP], own[:, split:, DOWN] = change[:, :split], change[:, split:]
        else:
            own[:, :, key] = change
    for j in range(shapes):
        moved = curves.shapes.copy()
        moved[:, j] += STEP
        change = (_residuals(ways, replace(curves, shapes=moved), noise, held) - residuals) / STEP
        shared[:, :split, j], shared[:, split:, shapes + j] = change[:, :split], change[:, split:]
    return own, shared


Equations = tuple[Floats, Floats, Floats, Floats, Floats]


def _normal_equations(
    ways: tuple[Way, Way],
    curves: Curves,
    noise: Noise,
    held: Filters,
    residuals: Floats,
    ties: Ties,
) -> Equations:
    """Return the blocks of J'J, own, mixed and shared, and of J'r, with the ties."""
    own, shared = _jacobian(ways, curves, noise, held, residuals)
    own_t = own.transpose(0, 2, 1)
    a, b = own_t @ own, own_t @ shared
    flat = shared.reshape(residuals.size, shared.shape[2])
    c = flat.T @ flat
    g = (own_t @ residuals[:, :, None])[:, :, 0]
    h = flat.T @ residuals.ravel()
    a += LEAST_CURVATURE * np.eye(4)
    c += LEAST_CURVATURE * np.eye(len(c))
    bounds, bends = ties.residuals(curves)
    for key in (LOW, HIGH):
        a[:, key, key] += 1 / ties.width[:, key] ** 2
        g[:, key] += bounds[:, key] / ties.width[:, key]
    bend = _bending(curves)[:, 1:] / CURVED
    c += np.kron(np.eye(2), bend.T @ bend)
    h += np.concatenate([bend.T @ part for part in np.split(bends, 2)])
    return a, b, c, g, h


def _solved(
    a: Floats, b: Floats, c: Floats, g: Floats, h: Floats, damping: float
) -> tuple[Floats, Floats]:
    """Return the step of Levenberg and Marquardt for cells and shapes."""
    a = a + damping * a * np.eye(4)
    c = c + damping * c * np.eye(len(c))
    right = np.concatenate((b, g[:, :, None]), axis=2)
    inner = np.linalg.solve(a, right)
    inner_b, inner_g = inner[:, :, :-1], inner[:, :, -1]
    b_t = b.transpose(0, 2, 1)
    schur = c - (b_t @ inner_b).sum(axis=0)
    rest = h - (b_t @ inner_g[:, :, None]).sum(axis=0)[:, 0]
    shared = np.linalg.lstsq(schur, rest, rcond=1e-14)[0] if len(c) else np.zeros(0)
    return -(inner_g - inner_b @ shared), -shared


def _moved(curves: Curves, own: Floats, shared: Floats, reached: Floats) -> Curves:
    """Return the parameters after a step, kept where a law exists."""
    cells = curves.cells + np.clip(own, -1, 1)
    margin = NEARBY * (reached[:, HIGH] - reached[:, LOW])
    low, high = reached[:, LOW], reached[:, HIGH]
    cells[:, LOW] = np.clip(cells[:, LOW], np.maximum(low - margin, low / 3), low + margin)
    cells[:, HIGH] = np.clip(cells[:, HIGH], high - margin, high + margin)
    cells[:, UP:] = np.clip(cells[:, UP:], 0.0, np.log(1e6))
    shapes = curves.shapes + np.clip(shared, -2, 2).reshape(curves.shapes.shape)
    return replace(curves, cells=cells, shapes=np.clip(shapes, *curves.candidate.bounds))


def _with_covariance(
    ways: tuple[Way, Way], curves: Curves, noise: Noise, held: Filters, ties: Ties
) -> Curves:
    residuals = _residuals(ways, curves, noise, held)
    a, b, c, _, _ = _normal_equations(ways, curves, noise, held, residuals, ties)
    inverse = np.linalg.inv(a)
    covariance = np.linalg.pinv(c - (b.transpose(0, 2, 1) @ inverse @ b).sum(axis=0))
    return replace(
        curves,
        cell_variance=np.diagonal(inverse, axis1=1, axis2=2).copy(),
        shared_covariance=covariance,
        sensitivity=-(inverse @ b).mean(axis=0),
    )
