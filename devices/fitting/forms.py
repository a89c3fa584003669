"""The two forms of files of pulse trains: a line a reading (long), or a column a ramp (wide).

Both give trains whose readings are still in the unit of their column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, nearest
from cbramsim.devices.fitting.columns import (
    ALIASES,
    ALLOWED_POLARITIES,
    READINGS,
    Ramp,
    factor,
    polarity,
    ramp,
)
from cbramsim.devices.fitting.table import LONGEST_LABEL, Table

LARGEST_GAP = 3
"""Readings in a row that may be missing from a train whose pulses are numbered."""
MISSING = 0.2
"""Part of such a train that may be missing."""
MOST_PULSES = 100
"""Pulses between two readings, where it is always as many."""
SAME = 0.01
"""Relative difference below which voltages, and widths, are one."""
GROWTH = 1.05
"""By how much pulses of growing voltage grow at least."""
CLEAR = 0.05
"""Part of its span by which a ramp rises or falls at least."""


@dataclass
class Rough:
    """A train as it stands in a file."""

    way: int
    """+1 for set, -1 for reset, 0 if it does not say."""
    values: NDArray[np.float64]
    """Readings, float64[1 + n]; NaN where missing."""
    lines: NDArray[np.int64]
    """Their lines, int64[1 + n]; 0 where missing."""
    column: int
    """The column that they stand in."""
    cell: str = "0"
    cycle: str = "0"
    voltage: float | None = None
    width: float | None = None
    times: NDArray[np.float64] | None = None

    @property
    def label(self) -> str:
        """What it is called in messages."""
        name = {1: "set train", -1: "reset train"}.get(self.way, "train")
        return f"{name} of cycle {self.cycle} of cell {self.cell}"


@dataclass
class Reading:
    """What is known of a file while it is read."""

    table: Table
    roles: dict[str, int]
    """Column by what it holds."""
    values: NDArray[np.float64]
    """All columns that are numbers, float64[rows, columns]; others are NaN."""
    unnamed: set[int] = field(default_factory=set)
    """Columns of readings without a unit."""
    arbitrary: set[int] = field(default_factory=set)
    """Columns of readings in arbitrary units."""
    warnings: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)

    def column(self, role: str) -> NDArray[np.float64] | None:
        """Return a column of numbers, None if there is none."""
        return self.values[:, self.roles[role]] if role in self.roles else None


def trend(values: NDArray[np.float64]) -> float:
    """Return by which part of its span a train rises (above 0) or falls from end to end."""
    values = values[np.isfinite(values)]
    third = max(len(values) // 3, 1)
    span = np.ptp(values) if len(values) else 0.0
    return float((values[-third:].mean() - values[:third].mean()) / span) if span else 0.0


def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running mean over a fortieth of a train, without what is missing."""
    values = values[np.isfinite(values)]
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


# ---- long form ---------------------------------------------------------------------------------


def long_trains(reading: Reading, column: int) -> list[Rough]:
    """Return the trains of a file with a line a reading, in the order in which they begin.

    Raises
    ------
    DataError
        If a line does not fit the others; names it.
    """
    table = reading.table
    if table.short:
        count = len(table.columns)
        raise table.refusal(f"must have {count} values (got fewer)", table.short)
    cell, cells = labels(reading, "cell")
    cycle, cycles = labels(reading, "cycle")
    way = _directions(reading)
    numbered = "cycle" in reading.roles
    way, kept = _without_pulse(reading, way, np.stack([cell, cycle]))
    keys = np.stack([cell, cycle * numbered, way * numbered])[:, kept]
    rows = kept[np.lexsort((kept, *keys[::-1]))]
    starts = _starts(reading, rows, np.stack([cell, cycle, way]))
    ends = np.append(starts[1:], len(rows))
    pieces = sorted(
        (rows[a:b] for a, b in zip(starts, ends, strict=True)), key=lambda piece: piece[0]
    )
    _check_starts(reading, pieces, cell)
    trains = []
    for piece in pieces:
        values = reading.values[piece, column]
        train = Rough(
            int(way[piece[0]]), values, table.lines[piece], column, cells[cell[piece[0]]],
            cycles[cycle[piece[0]]],
        )  # fmt: skip
        _conditions(reading, train, piece)
        trains.append(_spread_out(reading, train, piece))
    return trains if numbered else list(_numbered(trains))


def labels(reading: Reading, role: str) -> tuple[NDArray[np.intp], list[str]]:
    """Return for each row which label it has, and the labels in order; "0" where there is none."""
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


def _directions(reading: Reading) -> NDArray[np.int8]:
    """Return +1 for set, -1 for reset and 0 for no pulse, int8[rows]."""
    table = reading.table
    if "polarity" in reading.roles:
        index = reading.roles["polarity"]
        codes, texts = table.texts(index)
        found = [polarity(text) for text in texts]
        if None in found:
            wrong = np.isin(codes, [i for i, value in enumerate(found) if value is None])
            raise table.error(int(np.argmax(wrong)), index, ALLOWED_POLARITIES)
        reading.understood.append(f"polarity from '{table.columns[index].text}'")
        return np.array(found, np.int8)[codes]
    voltage = reading.column("voltage")
    if voltage is None:
        near = nearest("polarity", [each.name for each in table.columns])
        raise table.refusal(f"column polarity is missing{near}, and so is one of voltages")
    reading.understood.append("polarity from the sign of the voltage")
    return np.sign(np.nan_to_num(voltage)).astype(np.int8)


def _without_pulse(
    reading: Reading, way: NDArray[np.int8], of: NDArray[np.intp]
) -> tuple[NDArray[np.int8], NDArray[np.intp]]:
    """Give readings without a pulse to the train that follows; return ways, and rows kept."""
    order = np.lexsort((np.arange(len(way)), *of[::-1]))
    turned = way[order].copy()
    none = np.flatnonzero(turned == 0)
    if none.size == len(way):
        what = "polarity" if "polarity" in reading.roles else "voltage"
        raise reading.table.refusal(f"{what} must be other than 0 for pulses (got 0 in every line)")
    after = none + 1
    inside = after < len(way)
    same = np.zeros(len(none), bool)
    same[inside] = (of[:, order[none[inside]]] == of[:, order[after[inside]]]).all(axis=0)
    twice = same & (turned[np.minimum(after, len(way) - 1)] == 0)
    if twice.any():
        what = "polarity" if "polarity" in reading.roles else "voltage"
        row = int(order[after[np.argmax(twice)]])
        raise reading.table.error(
            row, reading.roles[what], "other than 0 after a reading without a pulse"
        )
    turned[none[same]] = turned[after[same]]
    if not same.all():
        reading.warnings.append(
            f"{int((~same).sum())} readings without a pulse, at the end, are left out"
        )
    filled = way.copy()
    filled[order] = turned
    return filled, np.flatnonzero(filled)


def _starts(reading: Reading, rows: NDArray[np.intp], keys: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where in `rows` a train begins; `keys` are cell, cycle and way of each row."""
    keys = keys[:, rows]
    new = np.append(True, (np.diff(keys) != 0).any(axis=0))
    pulse = reading.column("pulse")
    if pulse is None:
        return np.flatnonzero(new)
    index = reading.roles["pulse"]
    for wrong in (np.isnan(pulse), (pulse != np.round(pulse)) | (pulse < 0) | (pulse > 1e9)):
        if wrong.any():
            raise reading.table.error(int(np.argmax(wrong)), index, "a whole number from 0")
    back = np.append(False, np.diff(pulse[rows]) <= 0) & ~new
    restarts = pulse[rows] <= 1
    if "cycle" in reading.roles:  # other conditions are other trains; else it is there twice
        changed = np.zeros(len(rows), bool)
        for role in ("voltage", "width"):
            if (values := reading.column(role)) is not None:
                changed[1:] |= np.diff(_known(values[rows])) != 0
        # the reading before the first pulse may have no voltage of its own
        changed[:-1] |= changed[1:]
        restarts &= changed
    wrong = back & ~restarts
    if wrong.any():
        row = int(np.argmax(wrong))
        before = pulse[rows[row - 1]]
        raise reading.table.error(
            int(rows[row]), index, f"larger than before it in its train, {before:g}"
        )
    return np.flatnonzero(new | back)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.nan_to_num(values))


def _check_starts(reading: Reading, pieces: list[NDArray[np.intp]], cell: NDArray[np.intp]) -> None:
    """Refuse trains of which the first pulses are not in the file."""
    pulse = reading.column("pulse")
    if pulse is None:
        return
    ends: dict[int, float] = {}
    for piece in pieces:
        start, of = pulse[piece[0]], int(cell[piece[0]])
        if start > 1 and start - ends.get(of, -1.0) not in (0, 1):
            raise reading.table.error(
                int(piece[0]), reading.roles["pulse"],
                "0 or 1 where a train begins, or go on from the train before it",
            )  # fmt: skip
        ends[of] = pulse[piece[-1]]


def _spread_out(reading: Reading, train: Rough, piece: NDArray[np.intp]) -> Rough:
    """Return a train with gaps where its pulses were not read."""
    pulse = reading.column("pulse")
    if pulse is None:
        return train
    steps = np.diff(pulse[piece])
    if not steps.size or (steps == 1).all():
        return train
    index, table = reading.roles["pulse"], reading.table
    regular = steps.size > 2 and (steps == steps[0]).all() and steps[0] <= MOST_PULSES
    if regular:
        note = f"only every {steps[0]:.0f}th pulse was read"
        if note not in reading.warnings:
            reading.warnings.append(note)
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
    values, lines = np.full(size, np.nan), np.zeros(size, np.int64)
    values[place], lines[place] = train.values, train.lines
    times = None
    if train.times is not None:
        times = np.full(size, np.nan)
        times[place] = train.times
    return replace(train, values=values, lines=lines, times=times)


def _conditions(reading: Reading, train: Rough, piece: NDArray[np.intp]) -> None:
    """Set voltage, width and times of a train."""
    for role, unit in (("voltage", "V"), ("width", "s")):
        column = reading.column(role)
        if column is not None:
            setattr(train, role, _condition(reading, train, piece, column, (role, unit)))
    times = reading.column("time")
    if times is None:
        return
    if np.isnan(times[piece]).any() or (np.diff(times[piece]) < 0).any():
        note = "times are not used: some are missing, or go back"
        if note not in reading.warnings:
            reading.warnings.append(note)
    else:
        train.times = times[piece]


def _condition(
    reading: Reading,
    train: Rough,
    piece: NDArray[np.intp],
    column: NDArray[np.float64],
    named: tuple[str, str],
) -> float | None:
    """Return the voltage or the width of the pulses of a train, None if it is not given.

    The reading before the first pulse may have any, or none.
    """
    role, unit = named
    values = np.abs(column[piece])
    scale = factor_of(reading, role, unit)
    given = values[values > 0]
    if not given.size:
        if np.isnan(values).all():
            return None
        raise reading.table.error(int(piece[0]), reading.roles[role], "above 0 for pulses")
    later = values[1:][values[1:] > 0]
    of_pulses = later if later.size else given
    low, high = of_pulses.min(), of_pulses.max()
    if high > (1 + SAME) * low:
        if (
            high > GROWTH * low
            and len(np.unique(of_pulses)) > 2
            and (np.diff(of_pulses) >= 0).all()
        ):
            raise reading.table.error(
                int(piece[-1]), reading.roles[role],
                f"the same for all pulses of a train, not pulses of growing {role} from {low:g}",
            )  # fmt: skip
        way = "set" if train.way > 0 else "reset"
        note = f"{role} of {way} pulses is not the same throughout a train: its median is used"
        if note not in reading.warnings:
            reading.warnings.append(note)
    return float(np.median(of_pulses)) * scale


def factor_of(reading: Reading, role: str, base: str) -> float:
    """Return the SI value of the unit of a column, 1 if it has none."""
    column = reading.table.columns[reading.roles[role]]
    try:
        return factor(column.unit, base) if column.unit else 1.0
    except ValueError as error:
        raise reading.table.refusal(f"unit of {column.name} {error}") from None


def _numbered(trains: list[Rough]) -> Iterator[Rough]:
    """Number the cycles of each cell: one ends where a train has the polarity of an earlier one."""
    seen: dict[str, tuple[int, set[int]]] = {}
    for train in trains:
        cycle, ways = seen.get(train.cell, (0, set()))
        if train.way in ways:
            cycle, ways = cycle + 1, set()
        seen[train.cell] = cycle, ways | {train.way}
        yield replace(train, cycle=str(cycle))


# ---- wide form ---------------------------------------------------------------------------------


def ramps(table: Table) -> dict[int, Ramp]:
    """Return which columns are ramps, and what their headers say; none if that is not clear."""
    found = {
        i: said
        for i, each in enumerate(table.columns)
        if not (each.role and each.role not in READINGS) and (said := ramp(each)) is not None
    }
    if any(said.way for said in found.values()):
        return {i: said for i, said in found.items() if said.way}
    for kind in READINGS:
        mine = {i: said for i, said in found.items() if table.columns[i].role == kind}
        if mine:
            return mine
    return found


def wide_trains(reading: Reading, found: dict[int, Ramp]) -> list[Rough]:
    """Return the trains of a file with a column a ramp.

    Raises
    ------
    DataError
        If a column is none, or two are the same; names it.
    """
    cell, cells = labels(reading, "cell")
    cycle, cycles = labels(reading, "cycle")
    _, first, of = np.unique(
        np.stack([cell, cycle]), axis=1, return_index=True, return_inverse=True
    )
    groups = [np.flatnonzero(of.ravel() == group) for group in np.argsort(first)]
    labelled = {"cell", "cycle"} & reading.roles.keys()
    trains: list[Rough] = []
    for rows in groups:
        for index, said in found.items():
            train = _ramp(reading, rows, index, said)
            if train is None:
                continue
            if "cell" in labelled:
                train.cell = cells[cell[rows[0]]]
            if "cycle" in labelled:
                train.cycle = cycles[cycle[rows[0]]]
            trains.append(train)
    return _told_apart(reading, trains, found)


def _ramp(reading: Reading, rows: NDArray[np.intp], index: int, said: Ramp) -> Rough | None:
    """Return the ramp in some rows of a column, None if these are empty."""
    table = reading.table
    given = np.flatnonzero(np.isfinite(reading.values[rows, index]))
    if not given.size:
        return None
    piece = rows[given[0] : given[-1] + 1]
    values = reading.values[piece, index]
    gaps = np.diff(given) - 1
    if gaps.size and gaps.max() > max(LARGEST_GAP, MISSING * len(piece)):
        row = rows[given[int(np.argmax(gaps))]] + 1
        raise table.error(int(row), index, "a reading: a column holds one train")
    if (pulse := reading.column("pulse")) is not None:
        wrong = np.append(False, ~(np.diff(pulse[piece]) > 0)) | (pulse[piece] % 1 != 0)
        if wrong.any():
            raise table.error(
                int(piece[np.argmax(wrong)]), reading.roles["pulse"],
                "a whole number, larger than before it",
            )  # fmt: skip
    train = Rough(said.way, values, table.lines[piece], index, said.cell or "0", said.cycle)
    train = _spread_out(reading, train, piece)
    if not said.way:
        train.way = _direction(reading, train)
    return train


def _direction(reading: Reading, train: Rough) -> int:
    """Return the way in which a ramp goes."""
    slope = trend(train.values)
    if abs(slope) < CLEAR or goes_both_ways(train.values):
        name = reading.table.columns[train.column].text
        raise reading.table.refusal(
            f"column '{name}' must go up or down to be a train of set or reset pulses; name its "
            f"polarity in the header, as 'LTP 1 (uS)'"
        )
    return 1 if slope > 0 else -1


def _told_apart(reading: Reading, trains: list[Rough], found: dict[int, Ramp]) -> list[Rough]:
    """Number ramps whose headers do not; refuse two of one name and number."""
    count: dict[tuple[str, int], int] = {}
    seen: dict[tuple[str, str, int], int] = {}
    for train in trains:
        if not train.cycle:
            number = count.get((train.cell, train.way), 0)
            count[train.cell, train.way] = number + 1
            train.cycle = str(number)
        key = train.cell, train.cycle, train.way
        if key in seen:
            both = (seen[key], train.column)
            raise same_meaning(reading.table, both, train.label)
        seen[key] = train.column
    return trains


def same_meaning(table: Table, columns: tuple[int, int], meaning: str) -> DataError:
    """Return the error of two columns that mean the same thing."""
    first, second = (
        f"{i + 1} '{table.columns[i].text}'" if table.headed else str(i + 1) for i in columns
    )
    return table.refusal(
        f"columns {first} and {second} both mean {meaning}; leave out one, or rename it"
    )


def missing_reading(table: Table) -> DataError:
    """Return the error of a file without a column of readings."""
    names = [each.name for each in table.columns]
    near = nearest("conductance", names)
    known = ", ".join(name for name in ALIASES if name in READINGS and name != "relative")
    return table.refusal(
        f"column conductance is missing{near}: must have one of {known}, or one column a ramp, "
        f"such as 'LTP 1 (uS)'"
    )
