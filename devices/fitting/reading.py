"""Measured pulse trains, read from text files in common formats, and checked.

*Text.* UTF-8, UTF-16 or cp1252, with or without a byte order mark. Columns are separated by commas,
semicolons, tabs, bars or spaces; decimals by a point, or by a comma where columns are not. Empty
rows, comments (`#`, `%`, `//`) and lines above the header are left out. An empty cell, or `nan`, is
a missing reading.

*Units* are in the header, as ``G (uS)``, ``width [ns]``, ``G / uS`` or ``time_s``, in a row below
it, or (of a conductance) in a column `unit`. Without one a column is SI. A reading is a

* conductance: `conductance`, `G`;
* resistance: `resistance`, `R`;
* current: `current`, `I`, with a column `read voltage`, `v_read`, or the argument `read_voltage`,
  either of which is also the read voltage of the device, whatever a reading is;
* or in arbitrary units, with the argument `window`.

*Long form*: one line for each reading, with named columns in any order: one of readings, and

* `polarity`: `set` or `reset`, +1 or -1, `LTP` or `LTD`, potentiation or depression, up or down;
  without it, the sign of the `voltage`;
* `pulse` (optional), which counts the pulses of a train, and 0 is the reading before the first one.
  Where the number goes on from the train before it, that is its last reading. A train numbered
  from 1 begins with its first reading; its first pulse goes unused, and a warning says so. A small
  gap is a missing reading;
* `cell`, `cycle` (optional): any labels. Without `cycle`, a cycle ends where a polarity recurs;
* `voltage`, `width` of the pulses, `time` of the reading (optional). Trains differ in them; a
  reading without a pulse, voltage 0 or empty, is the one before the train that follows.

*Wide form*: one column for each ramp, as instruments write them: `set 1`, `LTP`, `cell3 LTD (uS)`.
Without a polarity in the header, a rising ramp is a set. A first column may count pulses;
`cell` and `cycle` may be columns too.

Other columns are left out, and named. Everything else is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.fitting.checks import (
    HIGHEST,
    check_directions,
    check_mixed,
    check_range,
    check_unit,
    mapped,
    with_readings,
)
from cbramsim.devices.fitting.columns import (
    READINGS,
    UNITS,
    WEAK,
    Ramp,
    factor,
    is_arbitrary,
    kind_of,
)
from cbramsim.devices.fitting.forms import Reading, Rough, factor_of, same_meaning
from cbramsim.devices.fitting.long_form import long_trains
from cbramsim.devices.fitting.measurement import Measurement, Train
from cbramsim.devices.fitting.table import Table
from cbramsim.devices.fitting.wide_form import missing_reading, ramps, wide_trains

LABELS = ("cell", "cycle", "polarity", "unit")
"""Roles of the columns that are read as texts."""


def read_measurement(
    path: Path | str,
    *,
    window: tuple[float, float] | None = None,
    read_voltage: float | None = None,
) -> Measurement:
    """Read and check pulse trains.

    Parameters
    ----------
    path
        The file; see this module for its forms.
    window
        The conductances of the lowest and the highest reading in arbitrary units, S, of the running
        means over a fortieth of each train. Readings between them are mapped linearly.
    read_voltage
        Voltage at which currents were read, V, if the file does not say.

    Raises
    ------
    DataError
        If the file cannot be read, or a column, a line or a value does not fit; names file, line
        and column.
    ParameterError
        If `window` or `read_voltage` is out of range.
    """
    if window is not None and not 0 <= window[0] < window[1] <= HIGHEST:
        raise ParameterError(
            f"window: must be two conductances from 0 to {HIGHEST:g} S, the lower first "
            f"(got {window[0]:g} and {window[1]:g})"
        )
    if read_voltage is not None and not 1e-6 <= abs(read_voltage) <= 100:
        raise ParameterError(f"read_voltage: must be from 1e-6 to 100 V (got {read_voltage:g})")
    path = Path(path)
    table = Table(path)
    wide, roles, kinds = _form(table)
    reading = Reading(table, roles, _numbers(table, roles, kinds))
    for index, kind in kinds.items():
        _to_siemens(reading, index, kind, window is not None, read_voltage)
    rough = wide_trains(reading, wide) if wide else long_trains(reading, roles["reading"])
    rough = with_readings(reading, rough)
    if window is None:
        check_unit(reading, rough)
    else:
        rough = mapped(reading, rough, window)
    check_range(reading, rough, window=window is not None)
    rough = check_directions(reading, rough)
    check_mixed(reading, rough)
    _warn_of_late(reading, rough)
    return Measurement(
        name=path.name,
        trains=tuple(map(_train, rough)),
        sha256=hashlib.sha256(table.content).hexdigest(),
        understood=_understood(reading, rough, kinds),
        warnings=tuple(reading.warnings),
        read_voltage=_read_at(reading, read_voltage),
    )


def _read_at(reading: Reading, stated: float | None) -> float | None:
    """Return the voltage of the reads, V, by their column or as it is `stated`."""
    column = reading.column("read voltage")
    if column is None:
        return None if stated is None else abs(stated)
    volts = np.abs(column[np.isfinite(column)])
    volts = volts[volts > 0]
    if not volts.size:
        return None if stated is None else abs(stated)
    return float(np.median(volts)) * factor_of(reading, "read voltage", "V")


def _warn_of_late(reading: Reading, trains: list[Rough]) -> None:
    """Warn of trains that lack the reading before their first pulse."""
    late = {train.way for train in trains if train.late}
    if late:
        way = "" if late == {train.way for train in trains} else "set " if 1 in late else "reset "
        reading.warn(f"the reading before pulse 1 is missing: one step of each {way}train is lost")


def _train(rough: Rough) -> Train:
    return Train(
        "set" if rough.way > 0 else "reset", rough.values, rough.cell, rough.cycle, rough.voltage,
        rough.width, rough.times, rough.late,
    )  # fmt: skip


# ---- columns -----------------------------------------------------------------------------------


def _form(table: Table) -> tuple[dict[int, Ramp], dict[str, int], dict[int, str]]:
    """Return the ramps (none in long form), columns by role, and kinds of readings.

    In long form the column of the readings is `reading`.
    """
    if not table.headed:
        wide, roles = _unnamed(table)
        return wide, roles, dict.fromkeys(wide, "conductance")
    roles, twice = _roles(table)
    kind = next((name for name in READINGS if name in roles), "")
    long = kind and roles.keys() & {"polarity", "voltage", "cell", "cycle"}
    wide = {} if long else ramps(table)
    if not wide and not long:
        raise missing_reading(table)
    kinds = {roles[kind]: kind} if long else {i: kind_of(table.columns[i]) for i in wide}
    used = {role: index for role, index in roles.items() if role not in READINGS}
    if "current" not in kinds.values() and "read voltage" in twice:
        used.pop("read voltage", None)
    for role in ("polarity", "voltage", "width", "time", "unit") if wide else ():
        used.pop(role, None)
    for role, pair in twice.items():
        if role in used or (kind == role and roles[role] in kinds):
            raise same_meaning(table, pair, role)
    for role, index in used.items():
        unit = table.columns[index].unit
        if role not in UNITS and unit and unit != "#" and not is_arbitrary(unit):
            raise table.refusal(f"column {table.columns[index].title} takes no unit (got '{unit}')")
    if long:
        used["reading"] = roles[kind]
    return wide, used, kinds


def _roles(table: Table) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
    """Return columns by role, and pairs of columns with the same role."""
    roles: dict[str, int] = {}
    twice: dict[str, tuple[int, int]] = {}
    for weak in (False, True):
        for i, each in enumerate(table.columns):
            role = each.role
            if not role or (each.name in WEAK) != weak:
                continue
            if role not in roles:
                roles[role] = i
            elif not weak or table.columns[roles[role]].name in WEAK:
                twice.setdefault(role, (roles[role], i))
    if "time" in twice:  # of the start and of the end, say
        del roles["time"], twice["time"]
    return roles, twice


def _unnamed(table: Table) -> tuple[dict[int, Ramp], dict[str, int]]:
    """Return ramps and roles of a file without a header."""
    count = len(table.columns)
    values = table.numbers(list(range(count)))
    whole = (values == np.round(values)).all(axis=0)
    counts = whole[0] and count > 1 and len(values) > 2 and bool((np.diff(values[:, 0]) == 1).all())
    ramps = range(int(counts), count)
    if table.delimiter == "," and whole.all():
        raise table.refusal(
            "must have a header: commas between whole numbers may be decimal commas"
        )
    if len(ramps) > 2 and whole[ramps.start :].any():
        column = ramps.start + int(np.argmax(whole[ramps.start :])) + 1
        raise table.refusal(
            f"must have a header (column {column} of {count} has whole numbers only)"
        )
    return {i: Ramp(0, "", "") for i in ramps}, {"pulse": 0} if counts else {}


def _numbers(table: Table, roles: dict[str, int], kinds: dict[int, str]) -> NDArray[np.float64]:
    """Return all columns that must be numbers, float64[rows, columns]; NaN in others."""
    wanted = {index for role, index in roles.items() if role not in (*LABELS, "time")} | set(kinds)
    values = np.full((len(table.lines), len(table.columns)), np.nan)
    values[:, sorted(wanted)] = table.numbers(sorted(wanted))
    if "time" in roles:
        try:
            scale = factor(table.columns[roles["time"]].unit or "s", "s")
            values[:, [roles["time"]]] = scale * table.numbers([roles["time"]])
        except ValueError:  # a date, say
            del roles["time"]
    return values


def _to_siemens(
    reading: Reading, index: int, kind: str, mapped: bool, read_voltage: float | None
) -> None:
    """Turn a column of readings into conductances; leave arbitrary units as they are."""
    table, values = reading.table, reading.values[:, index]
    column = table.columns[index]
    unit = column.unit
    if (kind == "relative" and not unit) or (unit and is_arbitrary(unit)):
        reading.arbitrary.add(index)
        return
    if unit and mapped and kind != "current":
        raise table.refusal(f"column '{column.text}' has a unit: a window is for arbitrary units")
    try:
        scale = factor(unit, READINGS[kind] or "S") if unit else 1.0
    except ValueError as error:
        raise table.refusal(f"unit of {column.title} {error}") from None
    if not unit:
        reading.unnamed.add(index)
    if kind == "conductance" and "unit" in reading.roles:
        values *= _units(reading, index)
    elif kind == "current":
        voltage = reading.column("read voltage")
        if voltage is not None:
            volts = voltage * factor_of(reading, "read voltage", "V")
            wrong = np.isfinite(values) & ~(np.abs(volts) > 0)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise table.error(row, reading.roles["read voltage"], "other than 0")
            with np.errstate(over="ignore"):
                values *= scale / np.where(np.abs(volts) > 0, volts, np.nan)
        elif read_voltage is not None:
            values *= scale / read_voltage
        elif mapped:
            reading.arbitrary.add(index)
        else:
            raise table.refusal(
                f"column '{column.text}' is a current: must have a column 'read voltage (V)' as "
                f"well, or pass --read-voltage"
            )
        if mapped and index not in reading.arbitrary and unit:
            raise table.refusal(
                f"column '{column.text}' has a unit: a window is for arbitrary units"
            )
    elif kind == "resistance":
        if (values <= 0).any():
            raise table.error(int(np.argmax(values <= 0)), index, "above 0")
        with np.errstate(over="ignore"):
            values[:] = 1 / (values * scale)
    else:
        values *= scale


def _units(reading: Reading, index: int) -> NDArray[np.float64]:
    """Return the SI values of the units in the column of units, float64[rows]."""
    table = reading.table
    if table.columns[index].unit:
        raise table.refusal("unit of conductance is in the header and in a column")
    codes, texts = table.texts(reading.roles["unit"])
    factors = np.ones(len(texts))
    for code, text in enumerate(texts):
        try:
            factors[code] = factor(text, "S")
        except ValueError:
            row = int(np.argmax(codes == code))
            raise table.error(row, reading.roles["unit"], "S, with or without a prefix") from None
    reading.unnamed.discard(index)
    return factors[codes]


# ---- what was understood -------------------------------------------------------------------------


def _understood(reading: Reading, trains: list[Rough], kinds: dict[int, str]) -> str:
    """Return a summary of how the file was understood, in one line."""
    table = reading.table
    form = "one line a reading" if "reading" in reading.roles else "one column a ramp"
    names = dict.fromkeys(table.columns[train.column].text for train in trains)
    cells, cycles = ({getattr(train, part) for train in trains} for part in ("cell", "cycle"))
    parts = [
        *table.form, form, *reading.understood,
        f"readings in {_listed(list(names))}",
        f"{_counted(len(cells), 'cell')}, {_counted(len(cycles), 'cycle')}",
    ]  # fmt: skip
    for way, name in ((1, "set"), (-1, "reset")):
        pulses = [len(train.values) - 1 for train in trains if train.way == way]
        if pulses:
            low, high = min(pulses), max(pulses)
            span = f"{low}" if low == high else f"{low} to {high}"
            parts.append(f"{_counted(len(pulses), f'{name} train')} of {span} pulses")
        else:
            parts.append(f"no {name} trains")
    used = {*reading.roles.values(), *kinds}
    left = [
        each.text or f"column {i + 1} (no name)"
        for i, each in enumerate(table.columns)
        if i not in used
    ]
    if left:
        parts.append(f"left out: {_listed(left)}")
    return "; ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _listed(names: list[str]) -> str:
    """Write names, leaving out the middle of a long list."""
    names = [name if len(name) <= 40 else f"{name[:40]}..." for name in names]
    if len(names) > 6:
        names = [*names[:4], "...", names[-1]]
    return ", ".join(name if name == "..." else f"'{name}'" for name in names)
