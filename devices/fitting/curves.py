"""Mean curves of trains of one cell, one polarity and one start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting.measurement import Train

Floats = NDArray[np.float64]
WAYS = ("set", "reset")
ALIKE, ALIKE_NOISE = 0.1, 10.0
"""Difference of first readings up to which trains are averaged: part of the range, and deviations
of the difference of neighbouring readings."""
FEW = 3
"""Number of trains of a curve below which a law matched to it follows their noise."""
SMOOTH = 0.02
"""Part of a train over which its ends are averaged."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Trains by curve, and their means.

    A curve is the mean over cycles, pulse by pulse, of trains of one cell and one polarity that
    begin in about the same state. Other trains are curves of their own: they need not join.
    """

    index: NDArray[np.int64]
    """Cell, way (0 set, 1 reset) and readings of each curve, int64[curves, 3]."""
    readings: Floats
    """Readings of every train, NaN where there are none, float64[trains, longest], S."""
    curve: NDArray[np.int64]
    """Curve of every train, int64[trains]."""
    mean: Floats
    """Mean of each curve, float64[curves, longest], S; NaN where nothing was read."""
    count: NDArray[np.int64]
    """Number of trains that were read there, int64[curves, longest]."""
    cells: tuple[str, ...]

    @classmethod
    def of(cls, trains: tuple[Train, ...]) -> Self:
        """Sort trains into curves."""
        cells = tuple(dict.fromkeys(train.cell for train in trains))
        longest = max(train.readings.size for train in trains)
        readings = np.full((len(trains), longest), np.nan)
        for row, train in zip(readings, trains, strict=True):
            row[: train.readings.size] = train.readings
        steps = np.diff(readings, axis=1)
        scatter = 1.4826 * np.nanmedian(np.abs(steps - np.nanmedian(steps)))
        alike = max(ALIKE * np.ptp(readings[np.isfinite(readings)]), ALIKE_NOISE * scatter)
        keys: dict[tuple[int, int], list[tuple[float, int]]] = {}
        curve = np.zeros(len(trains), np.int64)
        index: list[tuple[int, int, int]] = []
        for i, train in enumerate(trains):
            way = WAYS.index(train.way)
            place = cells.index(train.cell), way
            start = float(np.nanmedian(train.readings[:3]))
            known = keys.setdefault(place, [])
            near = [j for begin, j in known if abs(begin - start) <= alike]
            if near:
                curve[i] = near[0]
                index[near[0]] = (*place, max(index[near[0]][2], train.readings.size))
            else:
                curve[i] = len(index)
                known.append((start, len(index)))
                index.append((*place, train.readings.size))
        return cls._averaged(np.array(index), readings, curve, cells)

    @classmethod
    def _averaged(
        cls, index: NDArray[np.int64], readings: Floats, curve: NDArray[np.int64],
        cells: tuple[str, ...],
    ) -> Self:  # fmt: skip
        there = np.isfinite(readings)
        count = np.zeros((len(index), readings.shape[1]), np.int64)
        total = np.zeros(count.shape)
        np.add.at(count, curve, there)
        np.add.at(total, curve, np.where(there, readings, 0.0))
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return cls(index, readings, curve, mean, count, cells)

    def only(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the same curves as the means of some of the trains, bool[trains]."""
        return self._averaged(self.index, self.readings[chosen], self.curve[chosen], self.cells)

    def again(self, readings: Floats) -> Self:
        """Return the same trains with different readings."""
        return self._averaged(self.index, readings, self.curve, self.cells)

    @cached_property
    def span(self) -> tuple[Floats, Floats]:
        """Lowest and highest of the averaged ends of each cell's curves, float64[cells], S."""
        low, high = np.full(len(self.cells), np.inf), np.full(len(self.cells), -np.inf)
        for (cell, _, readings), mean, count in zip(self.index, self.mean, self.count, strict=True):
            ends = _ends(mean[:readings], count[:readings])
            low[cell], high[cell] = min(low[cell], *ends), max(high[cell], *ends)
        return low, high

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation of the first readings of a curve's trains, float64[curves], S."""
        found = np.zeros(len(self.index))
        for i in range(len(self.index)):
            first = self.readings[self.curve == i, 0]
            first = first[np.isfinite(first)]
            found[i] = first.std(ddof=1) if first.size > 2 else 0.0
        return found

    @cached_property
    def several(self) -> NDArray[np.bool_]:
        """Whether the curve of each train is the mean of `FEW` trains or more, bool[trains]."""
        return np.bincount(self.curve)[self.curve] >= FEW

    @property
    def ways(self) -> tuple[bool, bool]:
        """Whether there are set trains, and reset trains."""
        return bool((self.index[:, 1] == 0).any()), bool((self.index[:, 1] == 1).any())


def _ends(mean: Floats, count: NDArray[np.int64]) -> tuple[float, float]:
    """Return the mean of the first and of the last readings of a curve."""
    there = np.flatnonzero(count)
    some = max(1, round(SMOOTH * there.size))
    first, last = there[:some], there[-some:]
    return (
        float(np.average(mean[first], weights=count[first])),
        float(np.average(mean[last], weights=count[last])),
    )
