"""Pulse trains in long form: one line for each reading, with its conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import nearest
from cbramsim.devices.fitting.columns import ALLOWED_POLARITIES, polarity
from cbramsim.devices.fitting.forms import (
    Reading,
    Rough,
    factor_of,
    goes_both_ways,
    labels,
    spread_out,
)
from cbramsim.devices.fitting.table import MOST_TRAINS

SAME = 0.01
"""Relative difference below which voltages, or widths, count as equal."""
NONE = 0.001
"""Part of the highest voltage below which a voltage is no pulse."""
GROWTH = 1.05
"""Smallest relative growth of pulses of growing voltage."""
APART = 2.0
"""Largest relative difference of pulses of one voltage."""


def long_trains(reading: Reading, column: int) -> list[Rough]:
    """Return the trains of a file in long form, in the order in which they begin.

    Raises
    ------
    DataError
        If a line does not fit the others; names it.
    """
    table = reading.table
    if table.short[0]:
        line, count = table.short
        raise table.refusal(f"must have {len(table.columns)} values (got {count})", line)
    cell, cells = labels(reading, "cell")
    cycle, cycles = labels(reading, "cycle")
    way = _directions(reading)
    numbered = "cycle" in reading.roles
    silent = way == 0
    way, kept = _without_pulse(reading, way, np.stack([cell, cycle]))
    keys = np.stack([cell, cycle * numbered, way * numbered])[:, kept]
    rows = kept[np.lexsort((kept, *keys[::-1]))]
    starts = _starts(reading, rows, np.stack([cell, cycle, way]), silent)
    if len(starts) > MOST_TRAINS:
        raise table.refusal(f"must have at most {MOST_TRAINS} trains (got {len(starts)})")
    ends = np.append(starts[1:], len(rows))
    pieces = sorted(
        (rows[a:b] for a, b in zip(starts, ends, strict=True)), key=lambda piece: piece[0]
    )
    trains = []
    late = _late(reading, pieces, cell, column)
    for begins_late, piece in zip(late, _joined(reading, pieces, cell, column), strict=True):
        values = reading.values[piece, column]
        train = Rough(
            int(way[piece[-1]]), values, table.lines[piece], column, cells[cell[piece[-1]]],
            cycles[cycle[piece[-1]]], late=begins_late,
        )  # fmt: skip
        _conditions(reading, train, piece)
        trains.append(spread_out(reading, train, piece))
    _merge(trains)
    if not numbered:
        trains = list(_numbered(trains))
    _check_trains(reading, trains)
    return trains


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
    voltage = np.nan_to_num(voltage)
    voltage[np.abs(voltage) < NONE * np.abs(voltage).max()] = 0
    return np.sign(voltage).astype(np.int8)


def _without_pulse(
    reading: Reading, way: NDArray[np.int8], of: NDArray[np.intp]
) -> tuple[NDArray[np.int8], NDArray[np.intp]]:
    """Assign readings without a pulse to the train that follows; return polarities, and rows
    kept."""
    order = np.lexsort((np.arange(len(way)), *of[::-1]))
    turned = way[order].copy()
    none = np.flatnonzero(turned == 0)
    if none.size == len(way):
        what = "polarity" if "polarity" in reading.roles else "voltage"
        raise reading.table.refusal(f"{what} must be given for pulses (got none in any line)")
    after = none + 1
    inside = after < len(way)
    same = np.zeros(len(none), bool)
    same[inside] = (of[:, order[none[inside]]] == of[:, order[after[inside]]]).all(axis=0)
    twice = same & (turned[np.minimum(after, len(way) - 1)] == 0)
    if twice.any():
        what = "polarity" if "polarity" in reading.roles else "voltage"
        row = int(order[after[np.argmax(twice)]])
        raise reading.table.error(row, reading.roles[what], "given after a reading without a pulse")
    turned[none[same]] = turned[after[same]]
    if not same.all():
        reading.warnings.append(
            f"{int((~same).sum())} readings without a pulse, at the end, are left out"
        )
    filled = way.copy()
    filled[order] = turned
    return filled, np.flatnonzero(filled)


def _starts(
    reading: Reading,
    rows: NDArray[np.intp],
    keys: NDArray[np.intp],
    silent: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the places in `rows` at which a train begins.

    `keys` are cell, cycle and way of each row, `silent` those without a pulse.
    """
    keys = keys[:, rows]
    new = np.append(True, (np.diff(keys) != 0).any(axis=0))
    pulse = reading.column("pulse")
    if pulse is None:
        return np.flatnonzero(new | silent[rows])
    index = reading.roles["pulse"]
    for wrong in (np.isnan(pulse), (pulse != np.round(pulse)) | (pulse < 0) | (pulse > 1e9)):
        if wrong.any():
            raise reading.table.error(int(np.argmax(wrong)), index, "a whole number from 0")
    back = np.append(False, np.diff(pulse[rows]) <= 0) & ~new
    restarts = pulse[rows] <= 1
    if "cycle" in reading.roles:  # other conditions are other trains; otherwise it occurs twice
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


def _joined(
    reading: Reading, pieces: list[NDArray[np.intp]], cell: NDArray[np.intp], column: int
) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each train, from the reading before its first pulse on.

    Where the numbers of pulses run on from the train before, that reading is its last, unless the
    file repeats it. Refuses trains whose first pulses are not in the file.
    """
    pulse, values = reading.column("pulse"), reading.values[:, column]
    ends: dict[int, np.intp] = {}
    for piece in pieces:
        of, last = int(cell[piece[0]]), None
        if pulse is not None and (start := pulse[piece[0]]) > 1:
            last = ends.get(of)
            gap = start - (-1.0 if last is None else pulse[last])
            if gap not in (0, 1):
                raise reading.table.error(
                    int(piece[0]), reading.roles["pulse"],
                    "0 or 1 where a train begins, or go on from the train before it",
                )  # fmt: skip
            if gap == 0 or (last is not None and values[last] == values[piece[0]]):
                last = None  # it is there twice
        ends[of] = piece[-1]
        yield piece if last is None else np.insert(piece, 0, last)


def _late(
    reading: Reading, pieces: list[NDArray[np.intp]], cell: NDArray[np.intp], column: int
) -> list[bool]:
    """Return whether each train lacks the reading before its first pulse.

    It does if its numbers begin at 1. Where trains repeat the last reading of the train before,
    numbers count readings instead of pulses, and nothing is missing.
    """
    pulse, values = reading.column("pulse"), reading.values[:, column]
    if pulse is None:
        return [False] * len(pieces)
    ends: dict[int, np.intp] = {}
    repeats = []
    for piece in pieces:
        of = int(cell[piece[0]])
        if pulse[piece[0]] >= 1 and of in ends:
            repeats.append(values[piece[0]] == values[ends[of]])
        ends[of] = piece[-1]
    counts_readings = bool(repeats) and all(repeats)
    return [bool(pulse[piece[0]] == 1) and not counts_readings for piece in pieces]


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
        reading.warn("times are not used: some are missing, or go back")
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
        steps = np.diff(of_pulses)
        ramp = high > GROWTH * low and len(np.unique(of_pulses)) > 2
        goes = {1: "growing", -1: "falling"}.get(int((steps >= 0).all()) - int((steps <= 0).all()))
        if (ramp and goes) or high > APART * low:
            raise reading.table.error(
                int(piece[-1]), reading.roles[role],
                f"the same for all pulses of a train, not pulses of {goes or 'any'} {role}, from "
                f"{low:g} to {high:g} {unit}",
            )  # fmt: skip
        way = "set" if train.way > 0 else "reset"
        reading.warn(
            f"{role} of {way} pulses is not the same throughout a train: its median is used"
        )
    return float(np.median(of_pulses)) * scale


def _numbered(trains: list[Rough]) -> Iterator[Rough]:
    """Number the cycles of each cell: one ends where a train has the polarity of an earlier one."""
    seen: dict[str, tuple[int, set[int]]] = {}
    for train in trains:
        cycle, ways = seen.get(train.cell, (0, set()))
        if train.way in ways:
            cycle, ways = cycle + 1, set()
        seen[train.cell] = cycle, ways | {train.way}
        yield replace(train, cycle=str(cycle))


def _merge(trains: list[Rough]) -> None:
    """Give trains with nearly equal voltages, or widths, the same value."""
    for role in ("voltage", "width"):
        found = np.unique([value for train in trains if (value := getattr(train, role))])
        if not found.size:
            continue
        groups = np.split(found, np.flatnonzero(found[1:] > (1 + SAME) * found[:-1]) + 1)
        middle = {value: float(np.median(group)) for group in groups for value in group.tolist()}
        for train in trains:
            if value := getattr(train, role):
                setattr(train, role, middle[value])


def _check_trains(reading: Reading, trains: list[Rough]) -> None:
    """Refuse trains that occur twice, or cannot be of one polarity."""
    seen: set[tuple[object, ...]] = set()
    for train in trains:
        key = train.cell, train.cycle, train.way, train.voltage, train.width
        if key in seen:
            raise reading.table.refusal(f"the {train.label} is there twice", int(train.lines[0]))
        seen.add(key)
    signs = {train.way for train in trains}
    if "polarity" not in reading.roles and len(signs) == 1:
        for train in trains:
            if goes_both_ways(train.values):
                raise reading.table.refusal(
                    f"column polarity is missing: voltages have one sign, and the {train.label} "
                    f"both rises and falls",
                    int(train.lines[0]),
                )
