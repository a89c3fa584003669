"""Intervals of the fitted values: by resampling cells and cycles, or new noise if there is one of
each.

Cells and their cycles are resampled where there are several of them. Where there is one of each,
new trains are simulated with the noise that was found (a parametric bootstrap: B. Efron, R.
Tibshirani, An Introduction to the Bootstrap, 1993), and spreads from cell to cell are not known.
Each repetition matches the law anew by one step of Gauss and Newton (the one-step bootstrap: W.
Schucany, S. Wang, Commun. Statist. 20, 2401, 1991).

Simulated trains also show the bias of least squares where noise meets a bound, or where few trains
are averaged; it is subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, t

from cbramsim.core.errors import CbramError
from cbramsim.core.kernels import compiled_loop
from cbramsim.core.rng import generator
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import linear
from cbramsim.devices.fitting.matching import Match, Noise, normal_equations

Floats = NDArray[np.float64]

LEVEL = 0.9
"""Probability that an interval contains the truth."""
FEWEST = 3
"""Fewest cells, or cycles of each curve, that are resampled."""
FEWEST_REPETITIONS = 19


class Interval(NamedTuple):
    """A value and its interval."""

    value: float
    low: float
    """NaN if not known."""
    high: float


@dataclass(frozen=True, eq=False)
class Summary:
    """Technology as means over cells and spreads from cell to cell."""

    low: float
    """S."""
    high: float
    """S."""
    first: Floats
    """Steps at depth 0 of set and reset pulses, parts of the window, float64[2]."""
    shape: Floats
    """float64[2, n]."""
    spread: Floats
    """Relative, of low and high bound and of both steps, float64[4]."""
    noise: Floats
    """Part of the spread from cell to cell that is due to noise, relative deviations,
    float64[4]."""


@compiled_loop
def simulate(curve, steps, bounds, start, spread, noise, normals, out):  # type: ignore[no-untyped-def]
    """Fill the mean of new trains of one curve.

    Parameters
    ----------
    curve
        Cell, way and readings, int64[3].
    steps
        By cell, way and depth, parts of the window, float64[cells, 2, points].
    bounds
        Low and high one of the cell, S.
    start, spread
        Mean and deviation of the beginning of trains, S.
    noise
        `Noise`, as parts of the window of the cell.
    normals
        Standard normal numbers, float64[2, trains, readings].
    out
        Output, float64[readings], S.
    """
    cell, way, readings = curve
    window = bounds[1] - bounds[0]
    edge, sign = (bounds[0], 1.0) if way == 0 else (bounds[1], -1.0)
    out[:] = 0.0
    trains = normals.shape[1]
    for k in range(trains):
        x = sign * (start + spread * normals[0, k, 0] - edge) / window
        for j in range(readings):
            if j > 0:
                step, _ = linear(steps[cell, way], x)
                sigma, _ = linear(noise.pulse[way], x)
                x = min(max(x + step + sigma * normals[0, k, j], 0.0), 1.0)
            out[j] += (edge + sign * window * (x + noise.read * normals[1, k, j])) / trains


def new_trains(
    curves: Curves, found: Match, noise: Noise, i: int, trains: int, rng: np.random.Generator,
    out: Floats,
) -> None:  # fmt: skip
    """Fill the mean of some new trains of the curve `i`, float64[its readings], S.

    They begin like the measured ones, with the part of the spread that is not due to readings.
    """
    cell, _, readings = curve = curves.index[i]
    of_readings = noise.read * found.window.mean()
    scale = found.window.mean() / found.window[cell]
    simulate(
        curve, found.steps, (found.low[cell], found.high[cell]), found.start[i],
        math.sqrt(max(curves.spread[i] ** 2 - of_readings**2, 0.0)),
        Noise(scale * noise.pulse, scale * noise.read),
        rng.standard_normal((2, trains, readings)), out[:readings],
    )  # fmt: skip


class Bootstrap:
    """New estimates of a match, one by one."""

    def __init__(self, curves: Curves, found: Match, noise: Noise, unit: Floats) -> None:
        """Store the match; `unit` is the measured range of each cell, float64[cells], S."""
        self.curves, self.found, self.noise = curves, found, noise
        cell = curves.index[:, 0]
        self.unit, self.unit_of, self.cell = unit[cell, None], unit, cell
        self.cells, self.span = len(curves.cells), curves.span
        # bounds that are those of the measured range err as its ends do
        bounds = 2 * len(found.candidate.shapes) + np.arange(2 * self.cells)
        self.which = np.flatnonzero(found.holds[bounds] > 1)
        self.held = bounds[self.which]
        self.trains = [np.flatnonzero(curves.curve == i) for i in range(len(curves.index))]
        self.cycles = min(len(rows) for rows in self.trains)

    @property
    def known(self) -> float:
        """Degrees of freedom of intervals."""
        if self.cells >= FEWEST:
            return self.cells - 1.0
        return self.cycles - 1.0 if self.cycles >= FEWEST else math.inf

    def simulated(self, rng: np.random.Generator) -> Floats:
        """Return the parameters of trains with new noise."""
        curves = self.curves
        fresh = np.full(curves.mean.shape, np.nan)
        for i, rows in enumerate(self.trains):
            new_trains(curves, self.found, self.noise, i, len(rows), rng, fresh[i])
        return self._moved(fresh, np.ones(self.cells))

    def resampled(self, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
        """Return the parameters of resampled cells and cycles, and the cells."""
        times = np.ones(self.cells, np.int64)
        if self.cells >= FEWEST:
            times = np.bincount(rng.integers(self.cells, size=self.cells), minlength=self.cells)
        fresh = self.curves.mean.copy()
        if self.cycles >= FEWEST:
            for i, rows in enumerate(self.trains):
                chosen = self.curves.readings[rows[rng.integers(len(rows), size=len(rows))]]
                there = np.isfinite(chosen)
                count = there.sum(axis=0)
                fresh[i] = np.where(
                    count > 0, np.where(there, chosen, 0).sum(axis=0) / np.maximum(count, 1), np.nan
                )
        return self._moved(fresh, times.astype(float)), times

    def _moved(self, mean: Floats, times: Floats) -> Floats:
        """Return the parameters for other mean curves: one step of Gauss and Newton."""
        found = self.found
        misses = found.weight * np.where(
            np.isfinite(mean) & (self.curves.count > 0), (found.mean - mean) / self.unit, 0
        )
        root = np.sqrt(times[self.cell])
        matrix, slope = normal_equations(
            found.derivatives * root[:, None], found.columns, misses * root[:, None],
            found.vector.size,
        )  # fmt: skip
        # held where nothing is known: bounds that are not free, and cells that were not drawn
        size = np.diag(matrix)
        matrix[np.diag_indices_from(matrix)] += found.holds + 1e-9 * size.max() + 1e-300
        step = np.linalg.solve(matrix, slope)
        vector = found.vector - np.clip(step, -3, 3)
        low, high = (
            (new - old) / self.unit_of
            for new, old in zip(replace(self.curves, mean=mean).span, self.span, strict=True)
        )
        vector[self.held] += np.concatenate([low, high])[self.which]
        return vector


def own_of(found: Match, span: tuple[Floats, Floats], vector: Floats) -> Floats:
    """Return the parameters of each cell: bounds, S, and both first steps, float64[cells, 4]."""
    cells, shapes = len(span[0]), len(found.candidate.shapes)
    width = span[1] - span[0]
    low, high, first = np.split(vector[2 * shapes : 2 * shapes + 4 * cells], [cells, 2 * cells])
    return np.column_stack(
        [span[0] + width * low, span[0] + width * high, np.exp(first).reshape(cells, 2)]
    )


def summary(
    found: Match,
    span: tuple[Floats, Floats],
    vector: Floats,
    times: NDArray[np.int64] | None = None,
    error: Floats | float = 0.0,
) -> Summary:
    """Return the technology that a vector of parameters describes.

    Parameters
    ----------
    found
        Match from which the vector comes.
    span
        Measured range of every cell, float64[cells] each, S.
    vector
        The parameters.
    times
        Number of times each cell counts, int64[cells]; once by default.
    error
        Variances of the parameters of cells that are due to noise and no spread, float64[4].
    """
    own, shapes = own_of(found, span, vector), len(found.candidate.shapes)
    cells = len(own)
    mean = np.average(own, axis=0, weights=times)
    spread, size = np.zeros(4), np.maximum(np.abs(mean), 1e-300)
    if cells > 1:
        variance = np.average((own - mean) ** 2, axis=0, weights=times) * cells / (cells - 1)
        spread = np.sqrt(np.maximum(variance - error, 0)) / size
    shape = vector[: 2 * shapes].reshape(2, shapes)
    return Summary(float(mean[0]), float(mean[1]), mean[2:], shape, spread, np.sqrt(error) / size)


def check_repetitions(repetitions: int) -> None:
    """Check the number of repetitions.

    Raises
    ------
    CbramError
        If it is too few for the level.
    """
    if 0 < repetitions < FEWEST_REPETITIONS or repetitions < 0:
        raise CbramError(
            f"bootstrap: must be 0, or at least {FEWEST_REPETITIONS} for intervals of "
            f"{100 * LEVEL:g} % (got {repetitions})"
        )


def bootstrap(
    curves: Curves,
    found: Match,
    noise: Noise,
    span: tuple[Floats, Floats],
    values: Callable[[Summary], dict[str, float]],
    repetitions: int,
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[Summary, dict[str, Interval]]:
    """Return the technology, corrected, and an interval of each value.

    Parameters
    ----------
    curves, found, noise, span
        The data and their match.
    values
        Functions of a technology whose intervals are wanted, by name.
    repetitions, seed
        Of the bootstrap; without repetitions nothing is corrected and no interval is known.
    progress
        Progress bar, as `tqdm.tqdm`.
    """
    work = Bootstrap(curves, found, noise, span[1] - span[0])
    if not repetitions:
        technology = summary(found, span, found.vector)
        best = values(technology)
        return technology, {key: Interval(x, math.nan, math.nan) for key, x in best.items()}
    rng = generator(seed, "bootstrap")
    resample = math.isfinite(work.known)
    again, others = [], []
    for _ in progress(range(repetitions)):
        again.append(work.simulated(rng))
        others.append(work.resampled(rng) if resample else (again[-1], None))
    off = np.mean(again, axis=0) - found.vector
    off[work.held] = 0
    vector = np.clip(found.vector - off, *found.bounds)
    error = np.var([own_of(found, span, one) for one in again], axis=0, ddof=1).mean(axis=0)
    technology = summary(found, span, vector, error=error)
    best = values(technology)
    seen = [
        values(summary(found, span, np.clip(other - off, *found.bounds), times))
        for other, times in others
    ]
    quantile = float(t.ppf(0.5 + 0.5 * LEVEL, work.known))
    few = 1.0 if not resample else math.sqrt((work.known + 1) / work.known)
    intervals = {}
    for key, value in best.items():
        all_of = np.array([one[key] for one in seen])
        positive = value > 0 and (all_of > 0).all()
        deviation = few * quantile * (np.log(all_of) if positive else all_of).std(ddof=1)
        low, high = (
            (value * math.exp(-deviation), value * math.exp(deviation)) if positive
            else (value - deviation, value + deviation)
        )  # fmt: skip
        intervals[key] = Interval(value, float(low), float(high))
    return technology, intervals


def spread_interval(value: float, cells: int, noise: float = 0.0) -> Interval:
    """Return the interval of a standard deviation of normal numbers, from its chi-square.

    It is that of the whole observed deviation, from which the variance of the noise is subtracted.
    """
    tails = chi2.ppf([0.5 + 0.5 * LEVEL, 0.5 - 0.5 * LEVEL], cells - 1)
    seen = (value**2 + noise**2) * (cells - 1) / tails
    low, high = np.sqrt(np.maximum(seen - noise**2, 0))
    return Interval(value, float(low), float(high))
