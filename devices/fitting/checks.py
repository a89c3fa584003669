"""Checks that pulse trains can be those of a cell: units, range, directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError
from cbramsim.devices.fitting.forms import Reading, Rough, heading, smoothed

FEWEST = 3
"""Fewest readings of a train."""
MIXED_UNITS = 300.0
"""Trains whose highest readings differ by more than this are taken to be in different units."""
HIGHEST = 1.0
"""Conductance above which a cell is no cell, S."""
PLAUSIBLE = 0.01
"""Conductance above which a reading without a unit is taken not to be in siemens, S."""
OFFSET = 0.05
"""Part of the span by which readings may be below 0: the offset of an instrument."""
FURTHEST = 0.25
"""Part of the span by which a single reading may be below 0, with its noise."""
MOVED = 0.25
"""Part of the span of all readings that a train must cover to show a polarity."""
NEARLY_ALL = 0.9
"""Part of the trains that go the wrong way if polarities are swapped."""
_WINDOW = "pass the window that they stand for, as --window 2uS:20uS"


def with_readings(reading: Reading, trains: list[Rough]) -> list[Rough]:
    """Return trains that begin and end with a reading, without those that have hardly any.

    Raises
    ------
    DataError
        If none is left.
    """
    kept, short = [], []
    for train in trains:
        given = np.flatnonzero(~np.isnan(train.values))
        if given.size < FEWEST:
            short.append((train, given.size))
            continue
        part = slice(given[0], given[-1] + 1)
        times = None if train.times is None else train.times[part]
        kept.append(replace(train, values=train.values[part], lines=train.lines[part], times=times))
    table = reading.table
    if not kept:
        if not any(count for _, count in short):
            raise table.refusal("must be a header and lines of readings (got no readings)")
        train, count = max(short, key=lambda pair: pair[1])
        raise table.refusal(
            f"trains must have at least {FEWEST} readings (got {count}, {train.label})",
            int(train.lines[0]),
        )
    if short:
        reading.warn(
            f"{len(short)} of {len(trains)} trains have fewer than {FEWEST} readings and are left "
            f"out: the first is the {short[0][0].label}"
        )
    missing = sum(int(np.isnan(train.values[train.lines > 0]).sum()) for train in kept)
    missing += sum(int((train.lines == 0).sum()) for train in kept)
    if missing:
        reading.warn(
            f"{missing} of {sum(len(train.values) for train in kept)} readings are missing"
        )
    return kept


def check_unit(reading: Reading, trains: list[Rough]) -> None:
    """Refuse readings in arbitrary units.

    Raises
    ------
    DataError
        If the file says so, or names no unit and the readings cannot be siemens.
    """
    table = reading.table
    for train in trains:
        if train.column in reading.arbitrary:
            raise table.refusal(
                f"column '{table.columns[train.column].text}' is in arbitrary units: {_WINDOW}"
            )
    unnamed = [train for train in trains if train.column in reading.unnamed]
    if not unnamed:
        return
    values = _given(unnamed)
    if np.mean(values < 0) > 0.05 and values.min() < -OFFSET * np.ptp(values):
        raise _refused(
            reading, unnamed, lambda v: v < 0,
            f"at least 0; if units are arbitrary, {_WINDOW}",
        )  # fmt: skip
    if values.max() > PLAUSIBLE:
        raise _refused(
            reading, unnamed, lambda v: v > PLAUSIBLE,
            f"at most {PLAUSIBLE:g} S where no unit is given; name its unit in the header, as "
            f"'conductance (uS)', or if units are arbitrary, {_WINDOW}",
        )  # fmt: skip


def mapped(reading: Reading, trains: list[Rough], window: tuple[float, float]) -> list[Rough]:
    """Return trains in arbitrary units as conductances.

    Raises
    ------
    DataError
        If all readings are the same.
    """
    means = np.concatenate([smoothed(train.values) for train in trains])
    low, high = float(means.min()), float(means.max())
    if not low < high:
        raise reading.table.refusal(f"readings must change with pulses (got {low:g} throughout)")
    scale = (window[1] - window[0]) / (high - low)
    reading.understood.append(
        f"arbitrary units, {low:.4g} taken as {window[0]:g} S and {high:.4g} as {window[1]:g} S"
    )
    return [replace(train, values=window[0] + scale * (train.values - low)) for train in trains]


def check_range(reading: Reading, trains: list[Rough], *, window: bool = False) -> None:
    """Refuse readings that are no conductances of a cell; warn of an offset below 0.

    Raises
    ------
    DataError
        If a reading is above 1 S, or further below 0 than an instrument's offset and noise; with a
        `window` for arbitrary units, there is no such limit.
    """
    values = _given(trains)
    if values.max() > HIGHEST:
        raise _refused(
            reading, trains, lambda v: v > HIGHEST,
            "at most 1 S; name its unit in the header, as 'conductance (uS)'",
        )  # fmt: skip
    lowest = min(float(smoothed(train.values).min()) for train in trains)
    highest = max(float(smoothed(train.values).max()) for train in trains)
    span = highest - lowest
    if values.min() >= 0:
        return
    if window:
        reading.warn(
            f"{int((values < 0).sum())} of {values.size} readings are below 0, down to "
            f"{values.min():.3g} S, with this window"
        )
        return
    mean = min(float(_steadied(train.values).min()) for train in trains)
    if mean < -OFFSET * span or values.min() < -FURTHEST * span:
        limit = OFFSET if mean < -OFFSET * span else FURTHEST
        raise _refused(
            reading, trains, lambda v: v < -limit * span,
            f"at least 0, but for an offset of {OFFSET:.0%} of the span of the readings; if units "
            f"are arbitrary, {_WINDOW}",
        )  # fmt: skip
    below = int((values < 0).sum())
    reading.warn(
        f"{below} of {values.size} readings are below 0, down to {values.min():.3g} S: kept as an "
        f"offset of the instrument"
    )


def check_directions(reading: Reading, trains: list[Rough]) -> list[Rough]:
    """Return trains whose set rises: polarities are swapped if nearly all trains require it."""
    span = np.ptp(_given(trains))
    ways = np.array(
        [
            train.way * heading(train.values) * (np.ptp(smoothed(train.values)) > MOVED * span)
            for train in trains
        ]
    )
    wrong = int((ways < 0).sum())
    if wrong and wrong >= NEARLY_ALL * np.count_nonzero(ways):
        reading.warn(
            f"polarities are taken as swapped: set lowers and reset raises the conductance in "
            f"{wrong} of {len(trains)} trains"
        )
        return [replace(train, way=-train.way) for train in trains]
    if wrong:
        first = trains[int(np.argmax(ways < 0))]
        reading.warn(
            f"{wrong} of {len(trains)} trains go against their polarity: the first is the "
            f"{first.label}"
        )
    return trains


def check_mixed(reading: Reading, trains: list[Rough]) -> None:
    """Refuse trains in different units.

    Raises
    ------
    DataError
        If the highest readings of trains of one polarity are too far apart.
    """
    for way in (1, -1):
        tops = [float(np.nanmax(train.values)) for train in trains if train.way == way]
        if not tops:
            continue
        lowest, highest = max(min(tops), 1e-30), max(tops)
        if highest > MIXED_UNITS * lowest:
            raise reading.table.refusal(
                f"trains must be in one unit (got highest readings from {lowest:.3g} to "
                f"{highest:.3g} S, {highest / lowest:.0f} times apart); leave out cells that do "
                f"not switch"
            )


def _given(trains: list[Rough]) -> NDArray[np.float64]:
    values = np.concatenate([train.values for train in trains])
    return values[~np.isnan(values)]


def _steadied(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the running mean over five readings, or all if there are fewer."""
    values = values[~np.isnan(values)]
    width = min(5, len(values))
    return np.convolve(values, np.full(width, 1 / width), "valid")


def _refused(
    reading: Reading,
    trains: list[Rough],
    wrong: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
    expected: str,
) -> DataError:
    """Return the error of the first reading that is wrong."""
    table = reading.table
    lines = [(train.lines[np.flatnonzero(wrong(train.values))], train.column) for train in trains]
    line, column = min((int(each[0]), column) for each, column in lines if each.size)
    row = int(np.searchsorted(table.lines, line))
    return table.error(row, column, expected)
