"""Candidate laws in order of what the data say of them, and what the data cannot tell.

A law is judged by single steps well inside the window, given the state before them: there noise
does not add up, and no bound is near, so that residuals are nearly independent and normal (a
reading is in two steps; its noise is taken to be smaller than that of pulses). Every cell has a
scale of its own, all cells share the shape, and both are found by least squares. Akaike's criterion
(H. Akaike, IEEE Trans. Automat. Contr. 19, 716, 1974) and Schwarz's (G. Schwarz, Ann. Statist. 6,
461, 1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cbramsim.devices.fitting.calibration import Estimate, estimate
from cbramsim.devices.fitting.cells import OWN
from cbramsim.devices.fitting.laws import CANDIDATES, EXPONENTIAL, POWER, TABLE, Candidate
from cbramsim.devices.fitting.measurement import Measurement

INSIDE, BINS = (0.02, 0.85), 48
"""Depths in the window between which steps are judged, and bins of depth in it."""
DISTINCT = 10.0
"""Difference in BIC below which the evidence for one of two laws is not very strong (R. Kass,
A. Raftery, J. Am. Stat. Assoc. 90, 773, 1995): the one that is first in `CANDIDATES` is taken."""
FEW_CYCLES, FEW_CELLS = 3, 2
"""Fewest of which spreads can be told."""


@dataclass(frozen=True)
class Ranked:
    """A law and how well it does."""

    estimate: Estimate
    parameters: int
    """Free parameters, those of all cells included."""
    aic: float
    bic: float

    @property
    def law(self) -> str:
        """Its name."""
        return self.estimate.candidate.name


def rank(measurement: Measurement, seed: int = 0) -> list[Ranked]:
    """Fit each candidate law; best first, by BIC, but of those as good the simplest first.

    Raises
    ------
    DataError
        If the data do not show a window.
    """
    estimates = [estimate(measurement, candidate, seed) for candidate in CANDIDATES]
    steps = _steps(measurement, estimates)
    points = int(sum(way.number.sum() for way in steps))
    ranked = []
    for found in estimates:
        squares = sum(way.within + _least_squares(found.candidate, way) for way in steps)
        k = OWN * measurement.cells + 2 * found.candidate.shapes
        deviance = points * float(np.log(max(squares / points, 1e-30)))
        ranked.append(Ranked(found, k, deviance + 2 * k, deviance + k * float(np.log(points))))
    least = min(law.bic for law in ranked)
    taken = next(law for law in ranked if law.bic < least + DISTINCT)
    return [taken, *sorted((law for law in ranked if law is not taken), key=lambda law: law.bic)]


def mean_steps(
    measurement: Measurement, found: Estimate, way: int, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean steps of set (0) or reset (1) pulses against the state before, for a picture.

    Returns
    -------
    (float64[n], float64[n])
        States, from low to high, and signed steps, parts of the window of each cell.
    """
    cells, sign = found.seen.cells, (1, -1)[way]
    readings = (measurement.set_readings, measurement.reset_readings)[way]
    edge = (cells.low, cells.high)[way][:, None, None]
    data = _binned(sign * (readings - edge) / cells.window[:, None, None], bins)
    count = data.number.sum(axis=0)
    seen = count > 0.05 * count.max()  # the others are of trains that noise took there
    depth, step = (
        (data.number * part).sum(axis=0)[seen] / count[seen] for part in (data.depth, data.step)
    )
    return (depth, step) if way == 0 else (1 - depth, -step)


def _steps(measurement: Measurement, estimates: list[Estimate]) -> list[_Binned]:
    """Return set and reset steps by depth in one window per cell, the same for all laws."""
    cells = next(e.seen.cells for e in estimates if e.candidate.code == EXPONENTIAL)
    window = cells.window[:, None, None]
    return [
        _binned((measurement.set_readings - cells.low[:, None, None]) / window),
        _binned((cells.high[:, None, None] - measurement.reset_readings) / window),
    ]


class _Binned(NamedTuple):
    """Steps of every cell by depth, float64[cells, bins], and what is lost by binning."""

    number: NDArray[np.float64]
    depth: NDArray[np.float64]
    step: NDArray[np.float64]
    within: float
    """Sum of squares about the means of the bins."""


def _binned(depth: NDArray[np.float64], bins: int = BINS) -> _Binned:
    """Sort the steps of trains, float64[cells, cycles, 1 + pulses], into bins of depth.

    A step counts if the reading before the one where it begins is inside: its noise is in neither.
    """
    inside = (depth[:, :, :-2] > INSIDE[0]) & (depth[:, :, :-2] < INSIDE[1])
    begin, step = depth[:, :, 1:-1], np.diff(depth[:, :, 1:], axis=2)
    cell = np.broadcast_to(np.arange(len(depth))[:, None, None], inside.shape)[inside]
    place = np.clip(begin[inside], 0, 1 - 1e-9)
    where = (cell, (place * bins).astype(int))
    count, depths, steps = (np.zeros((len(depth), bins)) for _ in range(3))
    np.add.at(count, where, 1)
    np.add.at(depths, where, place)
    np.add.at(steps, where, step[inside])
    safe = np.maximum(count, 1)
    within = float((step[inside] ** 2).sum() - (steps**2 / safe).sum())
    return _Binned(count, depths / safe, steps / safe, within)


def _least_squares(candidate: Candidate, data: _Binned) -> float:
    """Return the least sum of squares of binned steps about a law."""

    def squares(shape: NDArray[np.float64]) -> float:
        law = _relative_steps(candidate, shape, data.depth)
        scale = (data.number * data.step * law).sum(axis=1) / np.maximum(
            (data.number * law**2).sum(axis=1), 1e-12
        )
        return float((data.number * (data.step - scale[:, None] * law) ** 2).sum())

    if not candidate.shapes:
        return squares(np.zeros(0))
    starts = [shape[0] for shape in candidate.first_shapes()]
    found = [minimize(squares, start, method="BFGS", tol=1e-8) for start in starts]
    return min(float(one.fun) for one in found)


def _relative_steps(
    candidate: Candidate, shape: NDArray[np.float64], depth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the steps of a law against depth, to within a factor."""
    if candidate.code == TABLE:
        knots = np.linspace(0, 1, shape.size + 1)
        return np.interp(depth, knots, np.concatenate([[1.0], shape]))
    if candidate.code == POWER:
        return np.maximum(1 - depth, 1e-3) ** shape[0]
    # affine in the depth, from 1 to exp(-k)
    return np.ones_like(depth) if not shape.size else 1 + np.expm1(-shape[0]) * depth


def doubts(measurement: Measurement, ranked: list[Ranked]) -> list[str]:
    """Return what the data cannot tell, a sentence each."""
    found = list(measurement.warnings)
    best = ranked[0]
    for other in ranked[1:]:
        if other.bic - best.bic < DISTINCT:
            found.append(
                f"laws {best.law} and {other.law} cannot be told apart (BIC differs by "
                f"{other.bic - best.bic:+.1f}): the simpler is taken"
            )
    if measurement.cycles < FEW_CYCLES:
        found.append(
            f"{measurement.cycles} cycles are too few to tell noise from misfit: step_c2c and "
            f"read_c2c are left 0"
        )
    if measurement.cells < FEW_CELLS:
        found.append("one cell cannot show spreads from cell to cell: they are left 0")
    for way, name in ((0, "set"), (1, "reset")):
        told = best.estimate.arrives[:, 1 - way]
        if told.all():
            continue
        which = f"{name} trains do not saturate in {int((~told).sum())} of {len(told)} cells"
        if told.sum() >= max(0.5 * len(told), 3):
            found.append(f"{which}: their bound is taken to be like that of the others")
        else:
            bound = "g_max is a lower bound" if way == 0 else "g_min is an upper bound"
            found.append(
                f"{which}: {bound}, and pulses_{'up' if way == 0 else 'down'} is about the length "
                f"of a train"
            )
    return found
