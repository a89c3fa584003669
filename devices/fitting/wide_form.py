"""Pulse trains in wide form: one column for each ramp, as instruments write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, nearest
from cbramsim.devices.fitting.columns import ALIASES, READINGS, Ramp, ramp, strange_unit
from cbramsim.devices.fitting.forms import (
    LARGEST_GAP,
    MISSING,
    Reading,
    Rough,
    goes_both_ways,
    heading,
    labels,
    same_meaning,
    spread_out,
)
from cbramsim.devices.fitting.table import MOST_TRAINS, Table


def ramps(table: Table) -> dict[int, Ramp]:
    """Return the columns that are ramps, and the contents of their headers; none if that is not
    clear."""
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
    """Return the trains of a file in wide form.

    Raises
    ------
    DataError
        If a column is not a ramp, or two are the same; names it.
    """
    cell, cells = labels(reading, "cell")
    cycle, cycles = labels(reading, "cycle")
    _, first, of = np.unique(
        np.stack([cell, cycle]), axis=1, return_index=True, return_inverse=True
    )
    if len(first) * len(found) > MOST_TRAINS:
        count = len(first) * len(found)
        raise reading.table.refusal(f"must have at most {MOST_TRAINS} trains (got {count})")
    of = of.ravel()
    in_order = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))[:-1])
    groups = [in_order[group] for group in np.argsort(first)]
    labelled = {"cell", "cycle"} & reading.roles.keys()
    trains: list[Rough] = []
    for index in found:
        if unit := strange_unit(reading.table.columns[index]):
            raise reading.table.refusal(
                f"unit of {reading.table.columns[index].text} must be S, Ohm or A, with or without "
                f"a prefix, or a.u. (got '{unit}')"
            )
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
    train = spread_out(reading, train, piece)
    if not said.way:
        train.way = _direction(reading, train)
    return train


def _direction(reading: Reading, train: Rough) -> int:
    """Return the direction of a ramp."""
    way = heading(train.values)
    if not way or goes_both_ways(train.values):
        name = reading.table.columns[train.column].text
        raise reading.table.refusal(
            f"column '{name}' must go up or down to be a train of set or reset pulses; name its "
            f"polarity in the header, as 'LTP 1 (uS)'"
        )
    note = "set is what rises"
    if note not in reading.understood:
        reading.understood.append(note)
    return way


def _told_apart(reading: Reading, trains: list[Rough], found: dict[int, Ramp]) -> list[Rough]:
    """Number ramps whose headers do not; refuse two with the same name and number."""
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


def missing_reading(table: Table) -> DataError:
    """Return the error of a file without a column of readings."""
    names = [each.name for each in table.columns]
    near = nearest("conductance", names)
    known = ", ".join(name for name in ALIASES if name in READINGS and name != "relative")
    return table.refusal(
        f"column conductance is missing{near}: must have one of {known}, or one column a ramp, "
        f"such as 'LTP 1 (uS)'"
    )
