"""Ranking of candidate laws by their prediction of readings that they were not matched to.

A law is matched to a part of the trains, and its error is that on the others: whole cycles where
each curve is the mean of several, blocks of pulses where it is not. The failure of one law excludes
no other, and a table of steps is always among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.laws import CANDIDATES, KNOTS, SOFT, TABLE, Candidate, steps_at
from cbramsim.devices.fitting.matching import Match, Noise, foretold, match

Floats = NDArray[np.float64]

FOLDS, BLOCKS = 4, 12
"""Parts of the data that are left out in turn, and blocks of pulses where a part is of pulses."""
FEWEST_CYCLES = 3
"""Fewest trains of each curve for which whole cycles are left out."""
LEFT_OVER = 0.02
"""Part of the window that the last fifth of a train covers if the train does not arrive at its
bound."""
SMALL = 0.005
"""Difference of the errors of two laws, part of the window, that is ignored."""
SPAN = 0.1
"""Part of a train over which data are smoothed for `distance`."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A law and its errors."""

    match: Match
    error: float
    """Error of mean curves that were left out, rms, part of the measured range."""
    errors: Floats
    """Error of each fold, float64[folds]."""
    distance: float
    """Distance of the mean curve from the smoothed data, rms, part of the window."""

    @property
    def law(self) -> str:
        """Its name."""
        return self.match.candidate.name

    @property
    def parameters(self) -> int:
        """Free numbers of the shape, of both ways.

        Those of `soft bounds` are its bounds.
        """
        candidate = self.match.candidate
        return 2 if candidate.code == SOFT else 2 * len(candidate.shapes)


def preliminary(curves: Curves, span: tuple[Floats, Floats]) -> Match:
    """Return a table of steps that goes through the curves, without any known bound."""
    open_ended = np.array([False, False])
    simple = [
        match(curves, candidate, span, open_ended)
        for candidate in CANDIDATES
        if candidate.name in ("exponential", "log-time")
    ]
    best = min(simple, key=lambda found: distance(curves, found))
    return match(curves, CANDIDATES[-1], span, open_ended, near=tabulated(best))


def tabulated(found: Match) -> Match:
    """Return a match as one of the law `table`, to begin a search with."""
    depths = np.linspace(0, 1, KNOTS)
    knots, first = np.zeros((2, KNOTS - 1)), found.first.copy()
    for way in (0, 1):
        typical = float(np.exp(np.log(found.first[:, way]).mean()))
        steps = np.maximum(
            steps_at(found.candidate.code, typical, found.shape[way], depths), 1e-3 * typical
        )
        begin = min(max(steps[0], steps.max() / 1e3), 1.0)
        knots[way] = np.log(np.maximum(steps[1:], 1e-3 * begin) / begin)
        first[:, way] *= begin / typical
    return replace(
        found, candidate=CANDIDATES[-1], shape=np.clip(knots, -6.9, 6.9),
        first=np.minimum(first, 1.0),
    )  # fmt: skip


def arrivals(curves: Curves, found: Match) -> NDArray[np.bool_]:
    """Return whether trains arrive at the low bound, and at the high one, bool[2]."""
    arrives = np.zeros(2, np.bool_)
    for way in (0, 1):
        mine = np.flatnonzero(curves.index[:, 1] == way)
        if not mine.size:
            continue
        left = []
        for i in mine:
            cell, _, readings = curves.index[i]
            curve = found.mean[i, :readings]
            ends_there = (
                curve[-1] >= found.high[cell] - 0.1 * found.window[cell] if way == 0
                else curve[-1] <= found.low[cell] + 0.1 * found.window[cell]
            )  # fmt: skip
            if ends_there:
                left.append(abs(curve[-1] - curve[-1 - max(readings // 5, 1)]) / found.window[cell])
        arrives[1 - way] = bool(left) and float(np.median(left)) < LEFT_OVER
    return arrives


def rank(
    curves: Curves,
    span: tuple[Floats, Floats],
    arrives: NDArray[np.bool_],
    noise: Noise,
    candidates: tuple[Candidate, ...] = CANDIDATES,
    *,
    far: bool = False,
) -> list[Ranked]:
    """Match all laws; best first.

    Among laws that are equal within the standard error of the best or `SMALL`, the simplest is
    first (the rule of one standard error: L. Breiman et al., Classification and Regression Trees,
    1984).
    """
    folds = _folds(curves)
    ranked: list[Ranked] = []
    for candidate in candidates:
        near = None
        if candidate.code == TABLE and ranked:
            near = tabulated(min(ranked, key=lambda law: law.error).match)
        found = match(curves, candidate, span, arrives, noise, near, far=far)
        errors = np.array([foretold(fold, found, span, arrives, noise, far=far) for fold in folds])
        error = float(np.sqrt(np.mean(errors**2)))
        ranked.append(Ranked(found, error, errors, distance(curves, found)))
    best = min(ranked, key=lambda law: law.error)
    difference = [law.errors**2 - best.errors**2 for law in ranked]
    as_good = [
        law for law, more in zip(ranked, difference, strict=True)
        if more.mean() <= max(more.std(ddof=1) / np.sqrt(len(more)), SMALL**2)
    ]  # fmt: skip
    taken = min(as_good, key=lambda law: (law.parameters, law.error))
    return [taken, *sorted((law for law in ranked if law is not taken), key=lambda law: law.error)]


def _folds(curves: Curves) -> list[tuple[Curves, Curves]]:
    """Return pairs of curves: those to which laws are matched, and those by which they are
    judged."""
    trains = np.bincount(curves.curve)
    if trains.min() >= FEWEST_CYCLES:
        turn = np.zeros(len(curves.curve), np.int64)
        for i in range(len(curves.index)):
            mine = np.flatnonzero(curves.curve == i)
            turn[mine] = np.arange(mine.size) % min(FOLDS, int(trains.min()))
        return [(curves.only(turn != k), curves.only(turn == k)) for k in range(turn.max() + 1)]
    folds = []
    pulse = np.arange(curves.readings.shape[1])
    length = curves.index[curves.curve, 2][:, None]
    block = (pulse * BLOCKS) // np.maximum(length, BLOCKS)
    for k in range(FOLDS):
        # the start of a curve is never left out: there is nothing to foretell it from
        out = (block % FOLDS == k) & (pulse > 0)
        folds.append(
            (
                curves.again(np.where(out, np.nan, curves.readings)),
                curves.again(np.where(out, curves.readings, np.nan)),
            )
        )
    return folds


def distance(curves: Curves, found: Match) -> float:
    """Return the rms distance of expected curves from the smoothed data, part of the window.

    Means over trains are smoothed by a line over a tenth of the train about each reading (A.
    Savitzky, M. Golay, Anal. Chem. 36, 1627, 1964).
    """
    squares, number = 0.0, 0
    for i, (cell, _, readings) in enumerate(curves.index):
        there = curves.count[i, :readings] > 0
        data = smoothed(curves.mean[i, :readings][there], readings)
        misses = (data - found.mean[i, :readings][there]) / found.window[cell]
        squares, number = squares + float((misses**2).sum()), number + misses.size
    return float(np.sqrt(squares / number))


def smoothed(curve: Floats, readings: int) -> Floats:
    """Return a curve, smoothed as in `distance`."""
    width = min(2 * round(0.5 * SPAN * readings) + 1, curve.size - 1 + curve.size % 2)
    return curve if width < 3 else savgol_filter(curve, width, 1)
