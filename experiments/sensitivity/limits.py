"""Limits of a parameter at which the claim fails: with the others as assumed, and with all varied.

The claim is about a ratio: the training energy of what the cell is compared with, the median over
technologies, over that of the cell, both of the same job and seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.experiments.sensitivity.indices import CONFIDENCE, LEVELS, RESAMPLES, Sample
from cbramsim.experiments.sensitivity.ranges import Range

CLAIMED = (10.0, 100.0)
"""Claimed ratio of energies."""
SMALL_LOSS = 0.02
"""Accuracy below that of the cell as assumed that still counts as learning as well."""
BINS = 8
"""Parts of a range in which samples of Sobol are counted."""


def holds(ratio: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the claim holds."""
    low, high = CLAIMED
    return (ratio >= low) & (ratio <= high)


def share(taken: Sample, true: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, Any]:
    """Return in which share of the points in `among` something is true, with its interval.

    The interval is of a bootstrap over blocks, as points of one block are much alike.
    """
    together = taken.block * taken.times
    blocks = among.reshape(-1, together)
    hits = (true & among).reshape(-1, together).sum(axis=1)
    counts = blocks.sum(axis=1)
    if not counts.sum():
        return {"share": None, "interval": None, "points": 0}
    drawn = generator(0, "shares").integers(len(hits), size=(RESAMPLES, len(hits)))
    of_drawn = counts[drawn].sum(axis=1)
    some = of_drawn > 0
    shares = hits[drawn].sum(axis=1)[some] / of_drawn[some]
    outside = 50 * (1 - CONFIDENCE)
    return {
        "share": float(hits.sum() / counts.sum()),
        "interval": [float(end) for end in np.percentile(shares, (outside, 100 - outside))],
        "points": int(counts.sum()),
    }


def with_others(
    taken: Sample, ranges: list[Range], number: int, ratio: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return in which share of the samples the claim holds, over the values of a parameter."""
    places, known = taken.points[:, number], np.isfinite(ratio)
    count = LEVELS if taken.method == "morris" else BINS
    if taken.method == "morris":  # on a grid, of which the ends belong to it
        part = np.rint(places * (count - 1)).astype(int)
        centres = np.arange(count) / (count - 1)
    else:
        part = np.minimum((places * count).astype(int), count - 1)
        centres = (np.arange(count) + 0.5) / count
    found = []
    for one, centre in enumerate(centres):
        among = known & (part == one)
        entry = share(taken, holds(ratio), among)
        if entry["points"]:
            spread = np.percentile(ratio[among], (5, 25, 50, 75, 95))
            found.append(
                {"place": float(centre), "value": ranges[number].at(float(centre)),
                 "ratio": [float(one) for one in spread]} | entry
            )  # fmt: skip
    return found


def alone(
    one: Range, device: Device, curve: list[tuple[float, float]]
) -> dict[str, float | bool | None]:
    """Return between which values of a parameter the claim holds, all others as assumed.

    Parameters
    ----------
    one
        The parameter, and its range.
    device
        The cell as assumed.
    curve
        Places and ratios, in the order of the places.

    Returns
    -------
    dict
        `holds` as assumed; `low` and `high`, the values next to the assumed one at which that
        changes, in SI units, None if it does not as far as was looked; and as factors of what is
        assumed, `low_factor` and `high_factor`, if that has a size.
    """
    assumed = getattr(device, one.parameter)
    places, ratios = (np.array(values) for values in zip(*curve, strict=True))
    edges = sorted(
        place for bound in CLAIMED for place in _crossings(places, np.log(ratios / bound))
    )
    middle = one.place(assumed)
    held = bool(holds(np.exp(np.interp([middle], places, np.log(ratios))))[0])
    low = next((one.at(place) for place in reversed(edges) if place <= middle), None)
    high = next((one.at(place) for place in edges if place > middle), None)
    return {
        "holds": held, "low": low, "high": high,
        "low_factor": low / assumed if low is not None and assumed else None,
        "high_factor": high / assumed if high is not None and assumed else None,
        "looked_from": one.at(float(places.min())),
        "looked_to": one.at(float(places.max())),
    }  # fmt: skip


def _crossings(places: NDArray[np.float64], heights: NDArray[np.float64]) -> list[float]:
    """Return where a line through points crosses zero."""
    found = []
    for at in np.flatnonzero(np.diff(np.sign(heights)) != 0):
        here, there = heights[at], heights[at + 1]
        found.append(float(places[at] + (places[at + 1] - places[at]) * here / (here - there)))
    return found
