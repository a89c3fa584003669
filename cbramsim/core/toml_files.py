"""TOML files of a size that a person may have written: as nested tables, or as one with dotted
keys."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from cbramsim.core.errors import DataError, ParameterError, shown
from cbramsim.core.files import printable, read_text

LARGEST = 1_000_000
"""Bytes of a file."""
MOST = 20_000
"""Keys and values of a file, those of inner tables and lists included."""
DEEPEST = 16
"""Parts of a dotted key, and tables or lists within each other."""
_TOO_DEEP = f"tables and lists must be at most {DEEPEST} deep"
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*{_PART}){{{DEEPEST}}}")
"""Beginning of a key for which the time of the parser would grow with the square of its length."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    DataError
        If it is missing, is not TOML, or is larger or deeper than a person would write.
    """
    text = read_text(path, LARGEST, "a TOML file")
    try:
        return parse_toml(text)
    except ValueError as error:
        raise DataError(f"{printable(path)}: {error}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables that a text in TOML describes.

    Raises
    ------
    ValueError
        If it is not TOML, or deeper than `DEEPEST`, or has more keys and values than `MOST`.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {DEEPEST} parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a whole number has too many digits") from None
    if (count := _count(table, DEEPEST)) > MOST:
        raise ValueError(f"must have at most {MOST} keys and values (got {count})")
    return table


def parse_value(text: str) -> Any:
    """Return the value of a text in TOML, or the text itself if it is not a value."""
    try:
        found = parse_toml(f"value = {text}")
    except ValueError:
        return text
    return found["value"] if len(found) == 1 else text


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with dotted keys; an empty table stays one."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        is_table = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{key}.") if is_table else {prefix + key: value}
    return found


def nested(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table with dotted keys as nested ones: the inverse of `flat`.

    Raises
    ------
    ParameterError
        If a key is not valid, or names both a value and a table.
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        *parents, last = key.split(".")
        if not all((*parents, last)) or len(parents) >= DEEPEST:
            raise ParameterError(
                f"{shown(key)}: a key must be 1 to {DEEPEST} names with dots between them"
            )
        inner = found
        for parent in (*parents, last) if value == {} else parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ParameterError(f"{key}: {parent} must be a table (got {shown(inner)})")
        if value != {}:
            if isinstance(inner.get(last), dict):
                raise ParameterError(f"{key}: must be a table (got {shown(value)})")
            inner[last] = value
    return found


def _count(value: Any, depth: int) -> int:
    """Return the number of keys and values in a table or list, inner ones included."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"whole numbers must have at most 64 bits (got {value.bit_length()})")
    if not isinstance(value, dict | list):
        return 0
    if depth < 0:
        raise ValueError(_TOO_DEEP)
    inner = value.values() if isinstance(value, dict) else value
    return len(inner) + sum(_count(item, depth - 1) for item in inner)
