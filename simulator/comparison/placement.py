"""Placement of working sets, by the rule of the BUTTER-E authors (facts A.5, notebook 3).

Levels are gone through from the innermost, their capacities of one unit summed up, C += c. A set
takes the share replicated + distributed / units of a level; it lives in the first level where the
occupied bytes and its share fit into C. A level that it does not fit into counts as full from then
on: its occupied bytes are C, as in the authors' code (facts A.5 leave this out). A set that is
stacked on another begins with the bytes that one has occupied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.hierarchy import Hierarchy, Level, in_binary
from cbramsim.simulator.comparison.working_sets import WorkingSet


class Placed(NamedTuple):
    """A working set in its place."""

    working_set: WorkingSet
    """Working set that was placed."""
    level: Level
    """Level where it lives."""
    share: float
    """Bytes that it takes in each unit of the level."""
    occupied: float
    """Bytes of a unit of all levels up to this one that are occupied then."""
    capacity: float
    """Bytes of a unit of all levels up to this one, C."""


def place(working_sets: Iterable[WorkingSet], hierarchy: Hierarchy) -> tuple[Placed, ...]:
    """Place working sets, those of higher priority first.

    Raises
    ------
    ParameterError
        If a set fits in no level.
    """
    placed: dict[str, Placed] = {}
    for entry in working_sets:
        below = placed[entry.stacked_on].occupied if entry.stacked_on else 0.0
        placed[entry.name] = _place(entry, below, hierarchy)
    return tuple(placed.values())


def _place(working_set: WorkingSet, occupied: float, hierarchy: Hierarchy) -> Placed:
    capacity = 0.0
    for level in hierarchy.levels:
        capacity += level.capacity
        if capacity <= occupied:
            continue
        share = working_set.replicated + working_set.distributed / level.units
        if occupied + share <= capacity:
            return Placed(working_set, level, share, occupied + share, capacity)
        occupied = capacity
    raise ParameterError(
        f"Hierarchy.levels: working set {working_set.name} ({in_binary(working_set.total)}) fits "
        f"in no level of {hierarchy.name}, the last is {hierarchy.levels[-1]}"
    )
