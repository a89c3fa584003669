"""Sizes at which the measured cost rises, beside those at which a cache is stated to be full."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

SEEN = 1.3
"""Smallest ratio of costs at which a boundary counts as seen; less may be noise of the
measurement."""

NEAR = 8.0
"""Largest ratio of a rise's size to the size that fills a cache, for the rise to be of this
cache."""


class Knee(NamedTuple):
    """Rise of the cost where the backward set leaves a cache."""

    inner: str
    """Name of the cache."""
    outer: str
    """Name of the next level."""
    ratio: float | None
    """Typical cost per parameter outside over that inside, less the overhead; None if no network of
    one side was measured. The typical cost is the lower quartile: the upper ones of a level may
    belong to the next knee, which comes early in a cache shared with others."""
    parameters: float | None
    """Size at which the cost passes half way, in the logarithm; None if it is not seen."""


def find(
    sizes: Sequence[int], per_parameter: Sequence[float], levels: Sequence[str],
    names: Sequence[str], overhead: Sequence[float],
) -> list[Knee]:  # fmt: skip
    """Return the rise at every boundary.

    Of each measured network, by rising `sizes` (parameters): cost per parameter, the level where
    its backward set lives, and `overhead`, the part of the cost of a training step that does not
    depend on its work. `names` are those of all levels, innermost first.
    """
    size, cost = np.array(sizes, float), np.array(per_parameter, float)
    # A short step may be found cheaper than the overhead of the fit: then a hundredth is left.
    cost = np.maximum(cost - np.array(overhead) / size, cost / 100)
    found = []
    for inner, outer in pairwise(names):
        inside, outside = ([one == level for one in levels] for level in (inner, outer))
        if not any(inside) or not any(outside):
            found.append(Knee(inner, outer, None, None))
            continue
        low, high = (float(np.quantile(cost[side], 0.25)) for side in (inside, outside))
        both = np.array(inside) | np.array(outside)
        at = _crossing(size[both], cost[both], (low * high) ** 0.5) if high >= SEEN * low else None
        full = size[inside][-1]
        if at is not None and not full / NEAR <= at <= full * NEAR:
            at = None
        found.append(Knee(inner, outer, high / low, at))
    return found


def _crossing(size: np.ndarray, cost: np.ndarray, middle: float) -> float:
    """Return the size above which the cost stays above `middle`."""
    last = int(np.flatnonzero(cost <= middle)[-1])
    if last == len(size) - 1:
        return float(size[last])
    x, y = np.log(size[last : last + 2]), np.log(cost[last : last + 2])
    return float(np.exp(np.interp(np.log(middle), y, x)))
