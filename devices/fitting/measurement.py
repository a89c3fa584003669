"""Measured pulse trains, read from a CSV file and checked.

Columns, by name and in any order: `cycle`, `cell` (any labels), `pulse`, `polarity` (`set` or
`reset`, +1 or -1), `conductance`; and if known `voltage` (V), `width` (s) of the pulse, `unit` of
the conductance. A header may give the unit too: ``conductance (uS)``, ``width [ns]``. Without one
it is SI.

`pulse` counts the pulses of a train, in steps of 1, and 0 is the reading before the first one. If
trains are numbered from 1, each begins with its first reading, and its first pulse goes unused.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, nearest, shown
from cbramsim.core.files import decoded, read_limited
from cbramsim.core.units import to_si

REQUIRED = ("cycle", "cell", "pulse", "polarity", "conductance")
OPTIONAL = {"voltage": "V", "width": "s", "unit": ""}
POLARITIES = {"set": 1, "+1": 1, "1": 1, "reset": -1, "-1": -1}
SHORTEST_TRAIN = 10
"""Pulses below which a law cannot be told."""
MIXED_UNITS = 300.0
"""Trains whose medians differ by more than this are taken to be in different units."""
LARGEST = 64_000_000
"""Bytes of a file: some two million readings."""
MOST_COLUMNS = 100
"""Columns of a file."""
LONGEST_LABEL = 200
"""Characters of a label, or of the name of a column."""
HIGHEST = 1.0
"""Conductance above which a cell is no cell, S."""


@dataclass(frozen=True)
class Measurement:
    """Pulse trains of several cells over several cycles of set and reset."""

    name: str
    """Where they come from."""
    set_readings: NDArray[np.float64]
    """Conductance before a train of set pulses and after each, float64[cells, cycles, 1 + n], S."""
    reset_readings: NDArray[np.float64]
    """The same for reset pulses, float64[cells, cycles, 1 + m], S."""
    conditions: dict[str, float] = field(default_factory=dict)
    """Those of `v_set`, `t_set`, `v_reset`, `t_reset` that are in the file, V and s."""
    sha256: str = ""
    """Hash of the file's bytes, in hexadecimal."""
    warnings: tuple[str, ...] = ()
    """What was odd in the file."""

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.set_readings.shape[0]

    @property
    def cycles(self) -> int:
        """Number of cycles of each cell."""
        return self.set_readings.shape[1]

    @property
    def pulses(self) -> tuple[int, int]:
        """Set pulses and reset pulses of a train."""
        return self.set_readings.shape[2] - 1, self.reset_readings.shape[2] - 1


def read_measurement(path: Path) -> Measurement:
    """Read and check pulse trains.

    Raises
    ------
    DataError
        If the file cannot be read, or a column, a line or a value does not fit; names file, line
        and column.
    """
    content = read_limited(path, LARGEST, "a file of pulse trains")
    table = _Table(path, decoded(path, content))
    siemens = _conductance(table)
    order, trains = _trains(table)
    warnings: list[str] = []
    readings = [
        _readings(table, siemens, order, trains, polarity, warnings) for polarity in (1, -1)
    ]
    _check_units(path, *readings)
    return Measurement(
        name=path.name, set_readings=readings[0], reset_readings=readings[1],
        conditions=_conditions(table, warnings), sha256=hashlib.sha256(content).hexdigest(),
        warnings=tuple(warnings),
    )  # fmt: skip


class _Table:
    """The columns of a CSV file, as text, with the numbers of their lines."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.units: dict[str, str] = {}
        self.lines: list[int] = []
        try:
            self.columns = self._columns(csv.reader(io.StringIO(text)))
        except csv.Error as error:
            raise DataError(f"{path}: {error}") from None
        if not self.lines:
            raise DataError(f"{path}: must be a header and lines of readings (got no readings)")
        for name in REQUIRED:
            if name not in self.columns:
                raise DataError(f"{path}: column {name} is missing{nearest(name, self.columns)}")

    def _columns(self, reader: Any) -> dict[str, list[str]]:
        """Return the values of each column by its name; equal texts are kept once."""
        rows = ((reader.line_num, row) for row in reader if row)
        _, header = next(rows, (0, []))
        if len(header) > MOST_COLUMNS:
            raise DataError(
                f"{self.path}: must have at most {MOST_COLUMNS} columns (got {len(header)})"
            )
        names = [self._named(cell) for cell in header]
        columns: list[list[str]] = [[] for _ in names]
        known: dict[str, str] = {}
        for number, row in rows:
            if len(row) != len(names):
                raise DataError(
                    f"{self.path}, line {number}: must have {len(names)} values (got {len(row)})"
                )
            self.lines.append(number)
            for column, value in zip(columns, row, strict=True):
                value = value.strip()
                column.append(known.setdefault(value, value))
        return dict(zip(names, columns, strict=True))

    def _named(self, cell: str) -> str:
        """Return the name in a cell of the header; keep its unit."""
        if len(cell) > LONGEST_LABEL:
            raise DataError(
                f"{self.path}: the name of a column must have at most {LONGEST_LABEL} characters "
                f"(got {len(cell)})"
            )
        match = re.fullmatch(r"\s*(\w[\w ]*?)\s*(?:[(\[]\s*(.*?)\s*[)\]])?\s*", cell)
        if match is None:
            return cell
        name = match[1].lower()
        if match[2] is not None:
            self.units[name] = match[2]
        if name in self.units and name not in ("conductance", "voltage", "width"):
            raise DataError(f"{self.path}: column {name} takes no unit (got '{match[2]}')")
        return name

    def error(self, row: int, name: str, expected: str) -> DataError:
        """Return the error of one value."""
        value = shown(self.columns[name][row])
        return DataError(
            f"{self.path}, line {self.lines[row]}: {name} must be {expected} (got {value})"
        )

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of finite numbers, float64[lines]."""
        column = self.columns[name]
        try:
            numbers = np.fromiter(map(float, column), np.float64, len(column))
        except ValueError:
            row = next(i for i, value in enumerate(column) if not _is_number(value))
            raise self.error(row, name, "a number") from None
        if not np.isfinite(numbers).all():
            raise self.error(int(np.argmin(np.isfinite(numbers))), name, "a finite number")
        return numbers


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _conductance(table: _Table) -> NDArray[np.float64]:
    """Return the readings in siemens, float64[lines]."""
    siemens = table.numbers("conductance") * _siemens_per_unit(table)
    for wrong, expected in (
        (siemens < 0, "at least 0"),
        (siemens > HIGHEST, "at most 1 S; name its unit in the header, as 'conductance (uS)'"),
    ):
        if wrong.any():
            raise table.error(int(np.argmax(wrong)), "conductance", expected)
    return siemens


def _siemens_per_unit(table: _Table) -> NDArray[np.float64] | float:
    if "unit" not in table.columns:
        return _factor(table, "conductance", "S")
    if "conductance" in table.units:
        raise DataError(f"{table.path}: unit of conductance is in the header and in a column")
    units = np.array(table.columns["unit"])
    factors = np.empty(len(units))
    for unit in np.unique(units):
        try:
            factors[units == unit] = to_si(1.0, str(unit), "S")
        except ValueError:
            row = int(np.argmax(units == unit))
            raise table.error(row, "unit", "S, with or without a prefix") from None
    return factors


def _factor(table: _Table, name: str, base: str) -> float:
    """Return the SI value of the unit in the header of a column, 1 if there is none."""
    try:
        return to_si(1.0, table.units.get(name, base), base)
    except ValueError as error:
        raise DataError(f"{table.path}: unit of {name} {error}") from None


def _trains(table: _Table) -> tuple[NDArray[np.intp], dict[tuple[int, int, int], slice]]:
    """Return lines in order of their trains, and (polarity, cell, cycle) -> place in that order."""
    polarity = _polarity(table)
    pulse = table.numbers("pulse")
    cell_names, cell = np.unique(_labels(table, "cell"), return_inverse=True)
    cycle_names, cycle = np.unique(_labels(table, "cycle"), return_inverse=True)
    order = np.lexsort((np.arange(len(pulse)), cycle, cell, polarity))
    keys = np.stack([polarity, cell, cycle])[:, order]
    first = np.flatnonzero(np.append(True, (np.diff(keys) != 0).any(axis=0)))
    steps = np.diff(pulse[order])
    steps[first[1:] - 1] = 1
    if (steps != 1).any():
        raise table.error(
            int(order[1 + np.argmax(steps != 1)]), "pulse", "one more than before it in its train"
        )
    starts = pulse[order][first]
    if not np.isin(starts, (0, 1)).all() or len(np.unique(starts)) > 1:
        wrong = int(order[first[np.argmax((starts != starts[0]) | ~np.isin(starts, (0, 1)))]])
        raise table.error(wrong, "pulse", "0 where a train begins, or 1 in all trains")
    ends = np.append(first[1:], len(order))
    trains = {
        (int(keys[0, a]), int(keys[1, a]), int(keys[2, a])): slice(int(a), int(b))
        for a, b in zip(first, ends, strict=True)
    }
    for way, name in ((1, "set"), (-1, "reset")):
        for i, cell_name in enumerate(cell_names):
            for j, cycle_name in enumerate(cycle_names):
                if (way, i, j) not in trains:
                    raise DataError(
                        f"{table.path}: cell {cell_name} has no {name} pulses in cycle {cycle_name}"
                    )
    return order, trains


def _labels(table: _Table, name: str) -> NDArray[Any]:
    """Return the labels of a column, str[lines]."""
    column = table.columns[name]
    if "" in column:
        raise table.error(column.index(""), name, "a label")
    for row, label in enumerate(column):
        if len(label) > LONGEST_LABEL:
            raise table.error(row, name, f"a label of at most {LONGEST_LABEL} characters")
    return np.array(column)


def _polarity(table: _Table) -> NDArray[np.int64]:
    column = table.columns["polarity"]
    known = POLARITIES | {value: POLARITIES.get(value.lower(), 0) for value in set(column)}
    polarity = np.array([known[value] for value in column])
    if (polarity == 0).any():
        raise table.error(int(np.argmin(polarity != 0)), "polarity", "set or reset, or +1 or -1")
    return polarity


def _readings(
    table: _Table,
    siemens: NDArray[np.float64],
    order: NDArray[np.intp],
    trains: dict[tuple[int, int, int], slice],
    polarity: int,
    warnings: list[str],
) -> NDArray[np.float64]:
    """Return the trains of one polarity, float64[cells, cycles, readings], S."""
    name = "set" if polarity == 1 else "reset"
    mine = {key[1:]: place for key, place in trains.items() if key[0] == polarity}
    lengths = [place.stop - place.start for place in mine.values()]
    shortest = min(lengths)
    if shortest <= SHORTEST_TRAIN:
        place = next(p for p in mine.values() if p.stop - p.start == shortest)
        raise DataError(
            f"{table.path}, line {table.lines[order[place.start]]}: a train must have more than "
            f"{SHORTEST_TRAIN} readings to tell a law (got {shortest}, {name})"
        )
    if shortest < max(lengths):
        warnings.append(
            f"{name} trains have {shortest} to {max(lengths)} readings: the first {shortest} of "
            f"each are used"
        )
    cells, cycles = (1 + max(key[axis] for key in mine) for axis in (0, 1))
    readings = np.empty((cells, cycles, shortest))
    for (cell, cycle), place in mine.items():
        readings[cell, cycle] = siemens[order[place]][:shortest]
    return readings


def _check_units(path: Path, *readings: NDArray[np.float64]) -> None:
    for trains in readings:
        medians = np.maximum(np.median(trains, axis=2), 1e-30)
        lowest, highest = medians.min(), medians.max()
        if highest > MIXED_UNITS * lowest:
            raise DataError(
                f"{path}: trains must be in one unit (got medians from {lowest:.3g} to "
                f"{highest:.3g} S, {highest / lowest:.0f} times apart); leave out cells that do "
                f"not switch"
            )


def _conditions(table: _Table, warnings: list[str]) -> dict[str, float]:
    """Return voltages and widths of set and reset pulses where the file has them."""
    conditions = {}
    polarity = _polarity(table)
    for name, letter in (("voltage", "v"), ("width", "t")):
        if name not in table.columns:
            continue
        values = np.abs(table.numbers(name)) * _factor(table, name, OPTIONAL[name])
        for way, sign in (("set", 1), ("reset", -1)):
            # the reading before a train may carry no pulse
            given = values[(polarity == sign) & (values > 0)]
            if not given.size:
                raise DataError(f"{table.path}: {name} must be above 0 for {way} pulses (got 0)")
            conditions[f"{letter}_{way}"] = float(np.median(given))
            if not math.isclose(given.min(), given.max(), rel_tol=0.01):
                warnings.append(
                    f"{name} of {way} pulses is not the same throughout ({given.min():g} to "
                    f"{given.max():g} {OPTIONAL[name]}): its median is used"
                )
    return conditions
