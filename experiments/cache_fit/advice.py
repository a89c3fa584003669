"""Size of network of least cost per parameter, among those within one to two times of a cache.

The sizes are of one family: inputs, outputs, depth and the ratios of hidden widths stay. The
accuracy of networks of other sizes is not considered here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.placement import Placed, place
from cbramsim.simulator.comparison.working_sets import working_sets

FACTORS = (1.0, 2**0.5, 2.0)
"""Sizes, in units of the largest network whose backward set fits a cache."""
BACKWARD = "b"

Place = Callable[[Layers], tuple[Placed, ...]]


class Candidate(NamedTuple):
    """A network near the size of a cache."""

    level: str
    """Name of the cache."""
    factor: float
    """Wanted size over that of the largest network that fits."""
    layers: Layers
    """Network of that size."""
    lives_in: str
    """Level in which its backward set lives."""
    cost: float | None
    """Cost of a training step, per parameter; None if it is not known."""


class Advice(NamedTuple):
    """Comparison of the candidates."""

    candidates: list[Candidate]
    """All candidates."""
    none_fits: list[str]
    """Caches that even a network of hidden width 1 does not fit into."""
    best: Candidate | None
    """Candidate of the lowest cost per parameter; None if costs are not known."""


def placing(
    hierarchy: Hierarchy, batch: int, images: int, bits: int, *, alone: bool = False
) -> Place:
    """Return a function that places the working sets of a network; `alone` on one core."""
    if alone:
        levels = tuple(level.replace(units=1) for level in hierarchy.levels)
        hierarchy = hierarchy.replace(levels=levels)
    return lambda layers: place(
        working_sets(layers, batch, images, bytes_per_value=bits / 8), hierarchy
    )


def lives_in(placed: tuple[Placed, ...], name: str = BACKWARD) -> str:
    """Return the level in which the working set `name` lives."""
    return next(one.level.name for one in placed if one.working_set.name == name)


def advise(
    layers: Layers,
    hierarchy: Hierarchy,
    where: Place,
    cost: Callable[[Layers], float] | None,
) -> Advice:
    """Compare networks of the family of `layers` near the size of each cache of `hierarchy`.

    Its last level counts as main memory, all others as caches. `where` places the working sets of a
    network, `cost` returns what a training step costs per parameter.
    """
    names = [level.name for level in hierarchy.levels]
    candidates, none_fits = [], []
    for depth, level in enumerate(names[:-1]):
        largest = _largest(layers, where, names[: depth + 1])
        if largest is None:
            none_fits.append(level)
            continue
        for factor in FACTORS:
            found = scaled(layers, factor * largest.parameters) if factor > 1 else largest
            candidates.append(
                Candidate(level, factor, found, lives_in(where(found)), cost and cost(found))
            )
    known = [one for one in candidates if one.cost is not None]
    best = min(known, key=lambda one: one.cost or 0.0, default=None)
    return Advice(candidates, none_fits, best)


def scaled(layers: Layers, parameters: float) -> Layers:
    """Return the network of the family of `layers` nearest to a number of parameters."""
    low, high = _ends(layers, lambda found: found.parameters < parameters)
    below, above = times(layers, low), times(layers, high)
    nearer_below = parameters**2 < below.parameters * above.parameters
    return below if nearer_below else above


def times(layers: Layers, factor: float) -> Layers:
    """Return `layers` with all hidden widths times a factor, at least 1."""
    first, *hidden, last = layers.widths
    return Layers(widths=(first, *(max(1, round(width * factor)) for width in hidden), last))


def _largest(layers: Layers, where: Place, inside: list[str]) -> Layers | None:
    """Return the largest network whose backward set lives in one of the levels `inside`."""
    low, _ = _ends(layers, lambda found: lives_in(where(found)) in inside)
    found = times(layers, low)
    return found if lives_in(where(found)) in inside else None


def _ends(layers: Layers, holds: Callable[[Layers], bool]) -> tuple[float, float]:
    """Return factors, closely below and above the one from which on `holds` is not true."""
    low, high = 0.0, 1.0
    while holds(times(layers, high)):
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(times(layers, middle)) else (low, middle)
    return low, high
