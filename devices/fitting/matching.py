"""A law matched to curves: forward simulation and weighted least squares.

All cells share the shape of the law. Each has its own window and its own first steps, and each
curve its own start. Residuals are weighted by the noise of the data: that of a reading, and the
accumulated noise of pulses, over the number of trains that were averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import POINTS, CurveStarts, EachCell, follow
from cbramsim.devices.fitting.laws import FARTHEST, POWER, SIGMOID, STRETCHED, TABLE, Candidate

Floats = NDArray[np.float64]

LOOSE, FIRM = 0.3, 1e4
"""Weights of the ties of a bound to the measured range: a deviation of 3 windows, and of 1e-4."""
SMOOTHNESS, LIGHT = 1.0, 1e-2
"""Weights of the bends of the law `table`, in the logarithm of its steps, and of ties that only
hold parameters that the data leave free."""
MOST_ROUNDS = 40
"""Most rounds of least squares."""
DIFFERENCE = 1e-6
"""Step of numerical derivatives; all parameters are of order 1."""
BEYOND, BEYOND_NOISE = 0.05, 3.0
"""Greatest distance of a bound beyond the measured range: part of it, and deviations of a pulse."""
LEAST_STEP = 1e-7
"""Smallest first step, part of the window."""
FLOOR = 1e-3
"""Smallest noise of a reading that is assumed, part of the window."""


class Noise(NamedTuple):
    """Noise as parts of the mean window; in S it is the same in all cells, as in a `Device`."""

    pulse: Floats
    """Noise of one pulse at equally spaced depths, float64[2, m]."""
    read: float
    """Noise of one reading."""


QUIET = Noise(np.zeros((2, 1)), 0.0)


@dataclass(frozen=True, eq=False)
class Match:
    """A law and the parameters with which it matches curves best."""

    candidate: Candidate
    shape: Floats
    """Shape parameters of set and of reset pulses, float64[2, n]."""
    low: Floats
    """float64[cells], S."""
    high: Floats
    """float64[cells], S."""
    first: Floats
    """Steps at depth 0 of set and reset pulses, parts of the window, float64[cells, 2]."""
    start: Floats
    """First conductance of each curve, float64[curves], S."""
    steps: Floats
    """Steps at `POINTS` depths, parts of the window, float64[cells, 2, POINTS]."""
    mean: Floats
    """Expected curves, float64[curves, longest], S."""
    variance: Floats
    """Variance of the state about them, in one train, float64[curves, longest], S²."""
    vector: Floats
    """All parameters, as in the least squares."""
    derivatives: Floats
    """Derivatives of weighted residuals, by kind of parameter, float64[kinds, curves, longest]."""
    columns: NDArray[np.int64]
    """Index of the parameter of a kind that a curve depends on, int64[kinds, curves]."""
    weight: Floats
    """Weight of each reading, float64[curves, longest], per measured range."""
    holds: Floats
    """Squared weights of the ties of each parameter, float64[parameters]."""
    bounds: tuple[Floats, Floats]
    """Bounds of the parameters."""

    @property
    def window(self) -> Floats:
        """float64[cells], S."""
        return self.high - self.low

    def depth(self, g: Floats, cell: Any, way: Any) -> Floats:
        """Return the distances of conductances, S, from the bound where a train begins.

        Parts of the window of each `cell`, from its low bound where the `way` is 0, else from its
        high one; `cell` and `way` are numbers, or arrays that go with the rows of `g`.
        """
        cell, way = (np.reshape(one, (-1, *[1] * (np.ndim(g) - 1))) for one in (cell, way))
        rise = (g - self.low[cell]) / self.window[cell]
        return np.where(way == 0, rise, 1 - rise)


class _Layout:
    """Places of parameters in a vector, and which of them may move."""

    def __init__(self, curves: Curves, candidate: Candidate) -> None:
        cells, shapes = len(curves.cells), len(candidate.shapes)
        sizes = (2 * shapes, cells, cells, 2 * cells, len(curves.index))
        ends = np.cumsum(sizes)
        self.shape, self.low, self.high, self.first, self.start = (
            slice(end - size, end) for end, size in zip(ends, sizes, strict=True)
        )
        self.size, self.shapes, self.cells = int(ends[-1]), shapes, cells
        self.index = curves.index

    @property
    def columns(self) -> NDArray[np.int64]:
        """Index of the parameter of a kind that each curve depends on, int64[kinds, curves]."""
        cell, way = self.index[:, 0], self.index[:, 1]
        return np.array(
            [way * self.shapes + j for j in range(self.shapes)]
            + [place.start + cell for place in (self.low, self.high)]
            + [self.first.start + 2 * cell + way, self.start.start + np.arange(len(cell))]
        )


def match(
    curves: Curves,
    candidate: Candidate,
    span: tuple[Floats, Floats],
    arrives: NDArray[np.bool_],
    noise: Noise = QUIET,
    near: Match | None = None,
    *,
    far: bool = False,
) -> Match:
    """Match a law to curves.

    Parameters
    ----------
    curves
        The data.
    candidate
        The law.
    span
        Measured range of every cell, float64[cells] each, S.
    arrives
        Whether trains arrive at the low and at the high bound, bool[2]: such a bound is free, the
        other is that of the measured range.
    noise
        Of pulses and readings.
    near
        Start of the search; by default several starts.
    far
        Whether a free bound may be far beyond the measured range.
    """
    problem = _Problem(curves, candidate, span, arrives, noise, far)
    if near is not None:
        return problem.solved(problem.vector_of(near))
    best = sorted(problem.starts(), key=problem.first_cost)[:2]
    found = [problem.solution(vector) for vector in best]
    return problem.solved(min(found, key=lambda one: one[1])[0])


class _Problem:
    """Least squares of one law and some curves; conductances in units of each cell's range."""

    def __init__(
        self, curves: Curves, candidate: Candidate, span: tuple[Floats, Floats],
        arrives: NDArray[np.bool_], noise: Noise, far: bool = False,
    ) -> None:  # fmt: skip
        self.curves, self.candidate, self.noise = curves, candidate, noise
        self.low, self.range = span[0], span[1] - span[0]
        self.scale = self.range.mean() / self.range
        self.layout = _Layout(curves, candidate)
        cell = curves.index[:, 0]
        self.data = (curves.mean - self.low[cell, None]) / self.range[cell, None]
        self.there = np.isfinite(self.data)
        self.known = np.where(self.there, self.data, 0.0)
        self.ties = np.where(arrives, LIGHT if far else LOOSE, FIRM)
        self.far = FARTHEST if far else BEYOND + BEYOND_NOISE * float(noise.pulse.max())
        # the step of a set train ends at the high bound
        self.reach = [not arrives[1], not arrives[0]]
        self.has_reach = candidate.code in (POWER, SIGMOID, STRETCHED)
        self.begin = np.array(
            [row[np.flatnonzero(ok)[0]] for row, ok in zip(self.data, self.there, strict=True)]
        )
        self.read = self.scale[cell] * noise.read
        spread = (curves.spread / self.range[cell]) ** 2 - self.read**2
        self.spread = np.sqrt(np.maximum(spread, 0))
        self.steps = np.empty((len(curves.cells), 2, POINTS))
        self.mean, self.variance = np.zeros(self.data.shape), np.zeros(self.data.shape)
        self.weight = np.zeros(self.data.shape)
        self.columns, self.tied = self.layout.columns, self._ties()
        self.lower, self.upper = self._bounds()

    def _bounds(self) -> tuple[Floats, Floats]:
        layout = self.layout
        lower, upper = np.full(layout.size, -np.inf), np.full(layout.size, np.inf)
        bounds = np.array(self.candidate.bounds or np.zeros((0, 2)))
        lower[layout.shape], upper[layout.shape] = (
            np.tile(bounds[:, 0], 2),
            np.tile(bounds[:, 1], 2),
        )
        if self.has_reach:
            for way in (0, 1):
                if not self.reach[way]:
                    upper[layout.shapes * (way + 1) - 1] = 1.0 + 1e-9
        far = self.far
        lower[layout.low], upper[layout.low] = -far, 0.3
        lower[layout.high], upper[layout.high] = 0.7, 1 + far
        lower[layout.start], upper[layout.start] = -far - 0.1, 1.1 + far
        lower[layout.first], upper[layout.first] = np.log(LEAST_STEP), 0.0
        return lower, upper

    def starts(self) -> list[Floats]:
        """Return the possible starts of the search."""
        layout = self.layout
        readings = self.curves.index[:, 2]
        typical = [
            float(np.median(readings[self.curves.index[:, 1] == way])) - 1 if known else 1.0
            for way, known in enumerate(self.curves.ways)
        ]
        vectors = []
        for shape in self.candidate.starts:
            for factor in (0.5, 1.5, 5.0, 25.0):
                vector = np.zeros(layout.size)
                vector[layout.shape] = np.tile(shape, 2)
                vector[layout.high] = 1.0
                steps = np.log(np.clip(factor / np.maximum(typical, 1.0), LEAST_STEP, 1.0))
                vector[layout.first] = np.tile(steps, layout.cells)
                vector[layout.start] = self.begin
                vectors.append(np.clip(vector, self.lower, self.upper))
        return vectors

    def first_cost(self, vector: Floats) -> float:
        """Return the cost without ties, with equal weights of all readings."""
        self.weight = np.sqrt(self.curves.count)
        return float((self.misses(vector) ** 2).sum())

    def vector_of(self, found: Match) -> Floats:
        """Return the parameters of a match as a vector."""
        layout = self.layout
        vector = np.zeros(layout.size)
        vector[layout.shape] = found.shape.ravel()
        vector[layout.low] = (found.low - self.low) / self.range
        vector[layout.high] = (found.high - self.low) / self.range
        vector[layout.first] = np.log(found.first).ravel()
        cell = self.curves.index[:, 0]
        vector[layout.start] = (found.start - self.low[cell]) / self.range[cell]
        return np.clip(vector, self.lower, self.upper)

    def shapes_of(self, vector: Floats) -> Floats:
        """Return the shape of either way, float64[2, n]; r is 1 where trains arrive."""
        shapes = vector[self.layout.shape].reshape(2, self.layout.shapes).copy()
        if self.has_reach:
            shapes[:, -1] = np.where(self.reach, shapes[:, -1], 1.0)
        return shapes

    def follow(self, vector: Floats) -> Floats:
        """Return expected curves, in units of each cell's range."""
        layout = self.layout
        first = np.exp(vector[layout.first]).reshape(layout.cells, 2)
        follow(
            self.candidate.code, self.shapes_of(vector),
            EachCell(vector[layout.low], vector[layout.high], first, self.scale),
            CurveStarts(self.curves.index, vector[layout.start], self.spread),
            self.noise.pulse, self.steps, self.mean, self.variance,
        )  # fmt: skip
        return self.mean

    def misses(self, vector: Floats) -> Floats:
        """Return weighted residuals of the curves, float64[curves, longest]."""
        return self.weight * (self.follow(vector) - self.known)

    def derivatives(self, vector: Floats, misses: Floats) -> Floats:
        """Return the derivatives of the residuals by kind of parameter, float64[kinds, curves,
        longest].

        All parameters of a kind are varied at once, as no curve depends on two of them.
        """
        found = np.empty((len(self.columns), *misses.shape))
        for change, columns in zip(found, self.columns, strict=True):
            away = np.where(vector[columns] + DIFFERENCE > self.upper[columns], -1.0, 1.0)
            there = vector.copy()
            there[columns] = vector[columns] + away * DIFFERENCE
            change[:] = (self.misses(there) - misses) * (away / DIFFERENCE)[:, None]
        return found

    def normal(self, vector: Floats, misses: Floats) -> tuple[Floats, Floats]:
        """Return the normal matrix, and half the gradient of the cost."""
        found = self.derivatives(vector, misses)
        matrix, slope = normal_equations(found, self.columns, misses, vector.size)
        rest = self.tied @ vector - self.wanted
        return matrix + self.tied.T @ self.tied, slope + self.tied.T @ rest

    def cost(self, vector: Floats, misses: Floats) -> float:
        """Return the sum of squares."""
        rest = self.tied @ vector - self.wanted
        return float((misses**2).sum() + rest @ rest)

    def _ties(self) -> Floats:
        """Return the ties of parameters that the data leave free, float64[ties, parameters]."""
        layout = self.layout
        weights = np.zeros(layout.size)
        weights[layout.low], weights[layout.high] = self.ties
        weights[layout.first] = weights[layout.shape] = LIGHT
        ties = np.diag(weights)
        self.wanted = np.zeros(layout.size)
        self.wanted[layout.high] = self.ties[1]
        if self.candidate.code == TABLE:
            n = layout.shapes
            bends = SMOOTHNESS * np.diff(np.eye(n + 1), n=2, axis=0)[:, 1:]
            rows = np.zeros((2 * len(bends), layout.size))
            rows[: len(bends), :n] = bends
            rows[len(bends) :, n : 2 * n] = bends
            ties = np.vstack([ties, rows])
            self.wanted = np.append(self.wanted, np.zeros(len(rows)))
        return ties

    def solution(self, vector: Floats) -> tuple[Floats, float]:
        """Return the least-squares solution near a vector, with fixed weights, and the cost.

        Levenberg and Marquardt's method on the normal equations, which are small where residuals
        are many (K. Levenberg, Quart. Appl. Math. 2, 164, 1944), within bounds by projection.
        """
        self.weigh(vector)
        misses = self.misses(vector)
        cost, damping = self.cost(vector, misses), 1e-3
        for _ in range(MOST_ROUNDS):
            normal, slope = self.normal(vector, misses)
            # parameters that a bound holds back do not move
            held = ((vector <= self.lower) & (slope > 0)) | ((vector >= self.upper) & (slope < 0))
            free, before = np.flatnonzero(~held), cost
            while damping < 1e9:
                there = self.step(vector, normal, slope, free, damping)
                new = self.misses(there)
                if (found := self.cost(there, new)) < cost:
                    vector, misses, cost, damping = there, new, found, max(damping / 8, 1e-9)
                    break
                damping *= 4
            if before - cost <= 1e-5 * before:
                break
            damping = min(damping, 1e3)
        return vector, cost

    def step(
        self, vector: Floats, normal: Floats, slope: Floats, free: NDArray[np.int64],
        damping: float,
    ) -> Floats:  # fmt: skip
        """Return the result of one damped step."""
        damped = normal[np.ix_(free, free)].copy()
        size = np.diag(damped)
        damped[np.diag_indices_from(damped)] += damping * size + 1e-13 * size.max()
        there = vector.copy()
        there[free] -= np.linalg.solve(damped, slope[free])
        return np.clip(there, self.lower, self.upper)

    def weigh(self, vector: Floats) -> None:
        """Set the weights of readings from the accumulated noise."""
        self.follow(vector)
        read = np.maximum(self.read, FLOOR)[:, None]
        deviation = np.sqrt(read**2 + np.where(self.there, self.variance, 0))
        self.weight = np.sqrt(self.curves.count) / deviation

    def solved(self, vector: Floats) -> Match:
        """Return the match at the minimum near a vector, with updated weights."""
        vector, _ = self.solution(vector)
        layout, cell = self.layout, self.curves.index[:, 0]
        self.follow(vector)
        unit = self.range[cell, None]
        mean, variance = self.mean.copy(), self.variance.copy()
        derivatives = self.derivatives(vector, self.misses(vector))
        return Match(
            self.candidate, self.shapes_of(vector), self.low + self.range * vector[layout.low],
            self.low + self.range * vector[layout.high],
            np.exp(vector[layout.first]).reshape(layout.cells, 2),
            self.low[cell] + self.range[cell] * vector[layout.start],
            self.steps.copy(), self.low[cell, None] + unit * mean, unit**2 * variance,
            vector, derivatives, self.columns, self.weight.copy(),
            (self.tied**2).sum(axis=0), (self.lower, self.upper),
        )  # fmt: skip


def foretold(
    curves: tuple[Curves, Curves], found: Match, span: tuple[Floats, Floats],
    arrives: NDArray[np.bool_], noise: Noise, *, far: bool = False,
) -> float:  # fmt: skip
    """Return the distance of a law matched to one part of the data from the other part.

    The law is matched anew by one step of Gauss and Newton from the match of all the data.

    Parameters
    ----------
    curves
        Curves to which the law is matched, and curves by which it is judged.
    found
        Match of all the data.
    span, arrives, noise, far
        As in `match`.

    Returns
    -------
    float
        The rms error of the mean over all curves of a way, part of the measured range.
    """
    train, test = (_Problem(part, found.candidate, span, arrives, noise, far) for part in curves)
    train.weigh(found.vector)
    normal, slope = train.normal(found.vector, train.misses(found.vector))
    everywhere = np.arange(found.vector.size)
    tries = [
        train.step(found.vector, normal, slope, everywhere, damping) for damping in (1e-6, 0.1, 1.0)
    ]
    there = min([*tries, found.vector], key=lambda one: train.cost(one, train.misses(one)))
    misses = np.where(test.there, test.follow(there) - test.known, 0) * curves[1].count
    squares = number = 0.0
    for way in (0, 1):
        mine = curves[1].index[:, 1] == way
        counts = curves[1].count[mine].sum(axis=0)
        squares += float((misses[mine].sum(axis=0) ** 2 / np.maximum(counts, 1)).sum())
        number += float(counts.sum())
    return float(np.sqrt(squares / number))


def normal_equations(
    derivatives: Floats, columns: NDArray[np.int64], misses: Floats, size: int
) -> tuple[Floats, Floats]:
    """Return the normal matrix, float64[size, size], and half the gradient, float64[size]."""
    matrix, slope = np.zeros((size, size)), np.zeros(size)
    blocks = np.einsum("gck,hck->cgh", derivatives, derivatives)
    np.add.at(matrix, (columns.T[:, :, None], columns.T[:, None, :]), blocks)
    np.add.at(slope, columns, np.einsum("gck,ck->gc", derivatives, misses))
    return matrix, slope
