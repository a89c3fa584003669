"""Values in the form of a report: in a suitable unit, with the significant digits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from cbramsim.core.units import display_unit

DIGITS = 4
"""Significant digits of a number without a spread."""
WIDE = 100.0
"""Ratio of the largest to the smallest value of a column above which each has its own prefix."""
PREFIXED = ("J", "W", "S", "V", "A", "s", "F", "Hz", "m")
"""Units that are written with an SI prefix."""
SIGNS = {"ratio": "×", "times": "×", "degC": "°C"}
"""Units that are written differently."""
QUANTITIES = {"joules": ("energy", "J"), "seconds": ("time", "s")}
"""Word in the name of a column -> the text written instead, and the unit."""
SHARES = {"accuracy", "fraction", "share"}
"""Words in the name of a column whose values are printed in percent, if they are from 0 to 1."""


class Column(NamedTuple):
    """A column of a table, in written form."""

    head: str
    """Name, with the unit."""
    numeric: bool
    """Whether it holds only numbers."""
    texts: list[str]
    """Texts of the cells; nothing where there is no value."""
    keys: list[float] | None
    """Keys by which numbers are sorted, where these cannot be read from the texts."""


def plain(value: Any) -> Any:
    """Return a plain value without NumPy or pandas types; None for a missing one."""
    if isinstance(value, np.generic):
        value = value.item()
    if type(value).__name__ in ("NAType", "NaTType") or (
        isinstance(value, float) and value != value
    ):
        return None
    return value


def is_number(value: Any) -> bool:
    """Return whether a value is a number, and not true or false."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number(value: float, digits: int = DIGITS) -> str:
    """Return a number with some significant digits, whole numbers with all of theirs."""
    size = abs(value)
    if isinstance(value, Integral) or (size < 1e15 and value == int(value)):
        return f"{int(value):,}" if size >= 10_000 else f"{int(value)}"
    if not 1e-3 <= size < 1e7:
        return f"{value:.{digits}g}"
    text = _fixed(value, digits - 1 - _exponent(size))
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_points(value: Any) -> bool:
    """Return whether a value is a table of numbers, and not a range of two."""
    return isinstance(value, list | tuple) and len(value) > 2 and all(map(is_number, value))


def quantity(value: Any, unit: str = "", spread: Any = None) -> str:
    """Return a value, a range of two or a text with its unit, and the spread if there is one.

    Of a table of more than two numbers, their count, the first and the last are returned.
    """
    if is_points(value):
        return f"{len(value)} points, {quantity((value[0], value[-1]), unit)}"
    ends = [plain(end) for end in value] if isinstance(value, list | tuple) else [plain(value)]
    spread = plain(spread)
    if not ends or not all(is_number(end) and math.isfinite(end) for end in ends):
        return " to ".join("none" if end is None else word(end) for end in ends)
    factor, shown = scaled(max(abs(end) for end in ends), unit)
    if is_number(spread) and math.isfinite(spread) and spread > 0:
        decimals = 1 - _exponent(factor * spread)
        texts = [_fixed(factor * end, decimals) for end in (*ends, spread)]
        text = f"{' to '.join(texts[:-1])} ± {texts[-1]}"
    else:
        text = " to ".join(number(end if factor == 1 else factor * end) for end in ends)
    return f"{text} {shown}".rstrip()


def scaled(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor by which values are printed, and their unit then."""
    if unit.startswith("fraction"):
        return 100, "%" + unit.removeprefix("fraction")
    if unit in PREFIXED:
        factor, shown = display_unit(largest, unit)
        return 1 if shown == unit else factor, shown
    return 1, SIGNS.get(unit, unit)


def word(value: Any) -> str:
    """Return any single value as text."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if is_number(value) and math.isfinite(value) else str(value)


def columns(table: Any) -> list[Column]:
    """Return the columns of a table of pandas, or of rows."""
    if hasattr(table, "columns"):
        names = [str(name) for name in table.columns]
        lists: Iterable[Sequence[Any]] = (table.iloc[:, k].tolist() for k in range(len(names)))
    else:
        names = list(dict.fromkeys(name for row in table for name in row))
        lists = ([row.get(name) for row in table] for name in names)
    return [column(name, values) for name, values in zip(names, lists, strict=True)]


def column(name: str, values: Iterable[Any]) -> Column:
    """Return a column of a table; the kind of its numbers follows from its name."""
    cells = [plain(value) for value in values]
    found = [cell for cell in cells if cell is not None]
    head, unit = _told(name, found)
    if not found or not all(is_number(cell) for cell in found):
        return Column(head, False, [word(cell) for cell in cells], None)
    sizes = [abs(cell) for cell in found if cell and math.isfinite(cell)]
    least, most = min(sizes, default=1.0), max(sizes, default=1.0)
    if unit in PREFIXED and most > WIDE * least:
        texts = ["" if cell is None else quantity(cell, unit) for cell in cells]
        return Column(head, True, texts, [math.nan if cell is None else cell for cell in cells])
    factor, shown = scaled(most, unit)
    whole = not unit and all(not math.isfinite(cell) or cell == int(cell) for cell in found)
    fixed = not whole and 1e-3 <= factor * most < 1e7 and most <= WIDE * least
    decimals = max(DIGITS - 1 - _exponent(factor * most), 0)
    while decimals and all(_fixed(factor * cell, decimals).endswith("0") for cell in found):
        decimals -= 1

    def text(cell: float | None) -> str:
        if cell is None:
            return ""
        if not math.isfinite(cell):
            return str(cell)
        return _fixed(factor * cell, decimals) if fixed else number(factor * cell)

    head = f"{head} ({shown})" if shown else head
    return Column(head, True, [text(cell) for cell in cells], None)


def named(name: str, values: Iterable[float]) -> tuple[str, float]:
    """Return the name of a quantity, with its unit, and the factor by which it is written."""
    sizes = [abs(value) for value in values if math.isfinite(value)]
    head, unit = _told(name, sizes)
    factor, shown = scaled(max(sizes, default=1.0) or 1.0, unit)
    return f"{head} ({shown})" if shown else head, factor


def without_none(value: Any) -> Any:
    """Return nested tables in a form for TOML: plain values, without missing ones."""
    if isinstance(value, Mapping):
        inner = {str(key): without_none(item) for key, item in value.items()}
        return {key: item for key, item in inner.items() if item is not None}
    if isinstance(value, list | tuple | np.ndarray):
        return [item for item in map(without_none, value) if item is not None]
    value = plain(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _told(name: str, values: Sequence[Any]) -> tuple[str, str]:
    """Return the name of a column, and the unit of its values by that name."""
    words = re.split(r"[._ ]", name)
    head = " ".join(QUANTITIES.get(one, (one,))[0] for one in words)
    unit = next((QUANTITIES[one][1] for one in words if one in QUANTITIES), "")
    shares = not unit and SHARES & set(words) and all(map(is_number, values))
    return head, "fraction" if shares and all(0 <= one <= 1 for one in values) else unit


def _exponent(size: float) -> int:
    """Return the exponent of the first digit of a size above 0."""
    return math.floor(math.log10(size)) if size > 0 else 0


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{min(max(decimals, 0), 12)}f}"
    return f"{value:,.{min(max(decimals, 0), 12)}f}" if abs(value) >= 10_000 else text
