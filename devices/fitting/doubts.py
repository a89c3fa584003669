"""Limits of the data, and oddities in them, a sentence each."""

from __future__ import annotations

import numpy as np

from cbramsim.devices.fitting.curves import WAYS, Curves
from cbramsim.devices.fitting.intervals import FEWEST
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.noise import NoiseFound
from cbramsim.devices.fitting.ranking import Ranked, smoothed

FAR = 0.03
"""Distance of the mean curve from the data, part of the window, from which on it is reported."""
APART = 0.05
"""Largest gap between successive trains, part of the window."""
SEEN = 0.85
"""Part of the window that trains of one polarity should cover."""
BACKWARDS = 0.1
"""Part of the window by which a mean curve may go the wrong way."""
JUMP = 0.5
"""Step, part of the window, beyond which a cell jumps."""


def doubts(
    measurement: Measurement,
    curves: Curves,
    ranked: list[Ranked],
    arrives: np.ndarray,
    noise: NoiseFound | None,
    extrapolated: bool,
) -> list[str]:
    """Return the warnings of a fit."""
    best = ranked[0]
    found = list(measurement.warnings)
    found += _window(curves, arrives, extrapolated)
    found += _junctions(measurement, curves, best)
    found += _coverage(curves, best)
    found += _shape(curves, best)
    found += _wandering(curves, best, noise)
    found += _alike(ranked)
    found += _noise(noise)
    if len(curves.cells) < FEWEST:
        found.append(
            f"{_count(len(curves.cells), 'cell')}: what differs from cell to cell cannot be told, "
            f"and is left 0"
        )
    if min(np.bincount(curves.curve)) < FEWEST and len(curves.cells) < FEWEST:
        found.append(
            "few cycles: intervals are those of new noise in the same cell, under the law that was "
            "taken"
        )
    return found


def _alike(ranked: list[Ranked]) -> list[str]:
    """Name the laws that fit equally well."""
    best, alike = ranked[0], []
    for other in ranked[1:]:
        more = other.errors**2 - best.errors**2
        if other.law != "table" and abs(more.mean()) <= more.std(ddof=1) / np.sqrt(len(more)):
            alike.append(other.law)
    return [f"these data do not distinguish {best.law} from {', '.join(alike)}"] if alike else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _window(curves: Curves, arrives: np.ndarray, extrapolated: bool) -> list[str]:
    found = []
    for way, bound, told in ((0, 1, "g_max is a lower bound"), (1, 0, "g_min is an upper bound")):
        if not curves.ways[way]:
            found.append(
                f"no {WAYS[way]} pulses were measured: they are taken to be abrupt, one pulse from "
                f"end to end"
            )
        elif not arrives[bound]:
            what = (
                "values beyond the data are extrapolated" if extrapolated
                else f"the window ends with the measured range, so {told}"
            )  # fmt: skip
            found.append(f"{WAYS[way]} trains do not saturate: {what}")
    return found


def _junctions(measurement: Measurement, curves: Curves, best: Ranked) -> list[str]:
    """Compare the beginnings of reset trains with the ends of set trains, and the reverse.

    Trains without the reading before their first pulse begin a step later, and tell nothing.
    """
    found = []
    law = best.match
    for way in (0, 1):
        if any(train.late for train in measurement.trains if train.way == WAYS[1 - way]):
            continue
        gaps = []
        for cell in range(len(curves.cells)):
            ends = [
                law.mean[i, n - 1]
                for i, (c, w, n) in enumerate(curves.index)
                if (c, w) == (cell, way)
            ]
            begins = [
                law.mean[i, 0]
                for i, (c, w, _) in enumerate(curves.index)
                if (c, w) == (cell, 1 - way)
            ]
            if len(ends) == 1 and len(begins) == 1:
                gaps.append((begins[0] - ends[0]) / law.window[cell])
        if gaps and abs(gap := float(np.median(gaps))) > APART:
            here, there = WAYS[way], WAYS[1 - way]
            found.append(
                f"{there} trains begin {100 * abs(gap):.0f} % of the window "
                f"{'above' if gap > 0 else 'below'} where {here} trains end: the cell relaxes in "
                f"between, or the readings of the two are not alike; retention is not fitted"
            )
    return found


def _coverage(curves: Curves, best: Ranked) -> list[str]:
    found = []
    law = best.match
    for way in (0, 1):
        seen = [
            np.ptp(law.mean[i, :n]) / law.window[c]
            for i, (c, w, n) in enumerate(curves.index) if w == way
        ]  # fmt: skip
        if seen and max(seen) < SEEN:
            found.append(
                f"{WAYS[way]} trains cover {100 * max(seen):.0f} % of the window: steps "
                f"elsewhere are the law's"
            )
    return found


def _shape(curves: Curves, best: Ranked) -> list[str]:
    law, found = best.match, []
    inside = 0
    for i, (cell, way, n) in enumerate(curves.index):
        there = curves.count[i, :n] > 0
        depth = (smoothed(curves.mean[i, :n][there], n) - law.low[cell]) / law.window[cell]
        raw = (curves.mean[i, :n][there] - law.low[cell]) / law.window[cell]
        inside += int(((raw > 0.05) & (raw < 0.95)).sum())
        back = (
            np.maximum.accumulate(depth) - depth
            if way == 0
            else depth - np.minimum.accumulate(depth)
        )
        if back.max() > BACKWARDS:
            found.append(
                f"the mean of {WAYS[way]} trains goes back by {100 * back.max():.0f} % of the "
                f"window: noise, or pulses that do not push one way; no law here does that"
            )
            break
    if inside == 0:
        found.append(
            "no reading is inside the window: the cell switches within one pulse, and whether "
            "it has states in between cannot be told; levels = 2 makes it a binary cell"
        )
    elif law.first.max() > JUMP and inside < 4:
        found.append("most of the window is crossed within one pulse: steps are hardly resolved")
    if best.distance > FAR:
        found.append(
            f"the mean curve of the law is {100 * best.distance:.1f} % of the window from the data"
        )
    return found


def _wandering(curves: Curves, best: Ranked, noise: NoiseFound | None) -> list[str]:
    """Warn of the error that pulse noise leaves in the mean of few trains."""
    law = best.match
    trains = np.maximum(curves.count.max(axis=1), 1)[:, None]
    part = np.sqrt(law.variance / trains) / law.window[curves.index[:, 0], None]
    error = float(np.sqrt(np.mean(part[curves.count > 0] ** 2)))
    if noise is not None and np.isfinite(noise.errors[0]):  # its largest plausible value
        error *= float(np.exp(min(1.645 * noise.errors[0], 1.0)))
    if error < FAR / 2:
        return []
    return [
        f"noise of pulses adds up: the mean of so few trains may be {100 * error:.0f} % of the "
        f"window from the mean of many, and so may the law"
    ]


def _noise(noise: NoiseFound | None) -> list[str]:
    if noise is None:
        return [
            "too few readings inside the window to find noise: step_c2c and read_c2c are left 0"
        ]
    found = []
    if noise.lasting:
        found.append(
            f"noise of readings lasts: {100 * noise.lasting:.2g} % of the window with a "
            f"correlation of {noise.memory:.2f} from one to the next; read_c2c is that of two "
            f"readings, one after the other"
        )
    return found
