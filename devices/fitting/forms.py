"""Trains as they are in a file, before their readings are known to be conductances."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError
from cbramsim.devices.fitting.columns import factor, readable
from cbramsim.devices.fitting.table import LONGEST_LABEL, MOST_VALUES, Table

LARGEST_GAP = 3
"""Most successive readings that may be missing from a train whose pulses are numbered."""
MISSING = 0.2
"""Largest part of such a train that may be missing."""
MOST_PULSES = 100
"""Most pulses between two readings, where their number is constant."""
CLEAR = 4.0
"""Fewest standard errors by which a train rises or falls."""


@dataclass
class Rough:
    """A train as it is in a file."""

    way: int
    """+1 for set, -1 for reset, 0 if not stated."""
    values: NDArray[np.float64]
    """Readings, float64[1 + n]; NaN where missing."""
    lines: NDArray[np.int64]
    """Lines of the readings, int64[1 + n]; 0 where missing."""
    column: int
    """Index of their column."""
    cell: str = "0"
    cycle: str = "0"
    voltage: float | None = None
    width: float | None = None
    times: NDArray[np.float64] | None = None
    late: bool = False
    """Whether the reading before the first pulse is missing."""

    @property
    def label(self) -> str:
        """Name in messages."""
        name = {1: "set train", -1: "reset train"}.get(self.way, "train")
        return readable(f"{name} of cycle {self.cycle} of cell {self.cell}")


@dataclass
class Reading:
    """Knowledge of a file while it is read."""

    table: Table
    roles: dict[str, int]
    """Column by its role."""
    values: NDArray[np.float64]
    """All columns that are numbers, float64[rows, columns]; others are NaN."""
    unnamed: set[int] = field(default_factory=set)
    """Columns of readings without a unit."""
    arbitrary: set[int] = field(default_factory=set)
    """Columns of readings in arbitrary units."""
    spread: int = 0
    """Number of readings of the trains spread out so far."""
    warnings: list[str] = field(default_factory=list)
    """Oddities of the file, each once."""
    understood: list[str] = field(default_factory=list)
    """Statements of how the file was understood."""

    def warn(self, what: str) -> None:
        """Add a warning, once."""
        if what not in self.warnings:
            self.warnings.append(what)

    def column(self, role: str) -> NDArray[np.float64] | None:
        """Return a column of numbers, None if there is none."""
        return self.values[:, self.roles[role]] if role in self.roles else None


def heading(values: NDArray[np.float64]) -> int:
    """Return whether a train rises (+1) or falls (-1) from end to end, 0 if that is not clear.

    Its last third is compared with its first; the noise is that of second differences, their
    median, so that neither a slope nor a jump counts.
    """
    values = values[~np.isnan(values)]
    third = max(len(values) // 3, 1)
    if len(values) < 3:
        return 0
    rise = values[-third:].mean() - values[:third].mean()
    noise = np.median(np.abs(np.diff(values, 2))) / (0.6745 * 6**0.5)
    least = max(CLEAR * noise * (2 / third) ** 0.5, 1e-9 * np.ptp(values))
    return int(np.sign(rise)) if abs(rise) > least else 0


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running mean over a fortieth of a train, without missing readings."""
    values = values[~np.isnan(values)]
    width = max(len(values) // 40, 1)
    return np.convolve(values, np.full(width, 1 / width), "valid") if width > 1 else values


def goes_both_ways(values: NDArray[np.float64]) -> bool:
    """Return whether a train rises and falls by more than half of its span."""
    values = smoothed(values)
    if len(values) < 3:
        return False
    rise = (values - np.minimum.accumulate(values)).max()
    fall = (np.maximum.accumulate(values) - values).max()
    return bool(min(rise, fall) > 0.5 * np.ptp(values))


def labels(reading: Reading, role: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return the index of the label of each row, and the labels in order; "0" where there is
    none."""
    table = reading.table
    if role not in reading.roles:
        return np.zeros(len(table.lines), np.intp), ["0"]
    index = reading.roles[role]
    codes, texts = table.texts(index)
    for code, text in enumerate(texts):
        if not text or len(text) > LONGEST_LABEL:
            expected = f"a label of at most {LONGEST_LABEL} characters" if text else "a label"
            found = np.flatnonzero(codes == code)
            if found.size:
                raise table.error(int(found[0]), index, expected)
    return codes, texts


def spread_out(reading: Reading, train: Rough, piece: NDArray[np.intp]) -> Rough:
    """Return a train with gaps where its pulses were not read."""
    pulse = reading.column("pulse")
    if pulse is None:
        if (parted := reading.table.parted[piece[1:]]).any():
            raise reading.table.refusal(
                "must have no empty row within a train whose pulses are not numbered",
                int(reading.table.lines[piece[1 + int(np.argmax(parted))]]),
            )
        return train
    steps = np.diff(pulse[piece])
    if not steps.size or (steps == 1).all():
        return train
    index, table = reading.roles["pulse"], reading.table
    regular = steps.size > 2 and (steps == steps[0]).all() and steps[0] <= MOST_PULSES
    if regular:
        reading.warn(f"readings are {steps[0]:.0f} pulses apart")
    else:
        wide = steps > LARGEST_GAP + 1
        if wide.any() or (steps - 1).sum() > MISSING * (len(piece) + (steps - 1).sum()):
            row = int(np.argmax(wide)) if wide.any() else int(np.argmax(steps > 1))
            before = pulse[piece[row]]
            raise table.error(
                int(piece[row + 1]), index, f"one more than before it in its train, {before:g}"
            )
    place = (pulse[piece] - pulse[piece[0]]).astype(np.intp)
    size = int(place[-1]) + 1
    reading.spread += size
    if reading.spread > MOST_VALUES:
        raise table.refusal(f"must have at most {MOST_VALUES} pulses")
    values, lines = np.full(size, np.nan), np.zeros(size, np.int64)
    values[place], lines[place] = train.values, train.lines
    times = None
    if train.times is not None:
        times = np.full(size, np.nan)
        times[place] = train.times
    return replace(train, values=values, lines=lines, times=times)


def factor_of(reading: Reading, role: str, base: str) -> float:
    """Return the SI value of the unit of a column, 1 if it has none."""
    column = reading.table.columns[reading.roles[role]]
    try:
        return factor(column.unit, base) if column.unit else 1.0
    except ValueError as error:
        raise reading.table.refusal(f"unit of {column.title} {error}") from None


def same_meaning(table: Table, columns: tuple[int, int], meaning: str) -> DataError:
    """Return the error of two columns that mean the same thing."""
    first, second = (
        f"{i + 1} '{table.columns[i].text}'" if table.headed else str(i + 1) for i in columns
    )
    return table.refusal(
        f"columns {first} and {second} both mean {meaning}; leave out one, or rename it"
    )
