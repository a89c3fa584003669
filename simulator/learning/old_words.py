"""Names of earlier versions in configurations, translated to the present ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cbramsim.core.errors import ParameterError


def in_todays_words(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested keys and values of a configuration, with present names for older ones.

    Up to version 0.8.0 `storage` "binary" was "digital", the table `binary` was `digital`, and
    `programming.method` was `programming.scheme`.

    Raises
    ------
    ParameterError
        If both an old key and its present name are given.
    """
    found = _renamed(table, "digital", "binary")
    if isinstance(found.get("storage"), str) and found["storage"] == "digital":
        found["storage"] = "binary"
    if isinstance(programming := found.get("programming"), dict):
        found["programming"] = _renamed(programming, "scheme", "method", "programming.")
    if isinstance(layers := found.get("later_layers"), list | tuple):
        found["later_layers"] = [
            in_todays_words(layer) if isinstance(layer, dict) else layer for layer in layers
        ]
    return found


def _renamed(table: Mapping[str, Any], old: str, new: str, within: str = "") -> dict[str, Any]:
    if old in table and new in table:
        raise ParameterError(f"{within}{old}: is the old name of {within}{new}, and both are given")
    return {new if key == old else key: value for key, value in table.items()}
