"""Memory hierarchies as data: levels with capacity, number of units, energy per byte.

A file has a `name`, a `summary`, and one ``[[levels]]`` after another, from the innermost::

    [[levels]]
    name = "L1"
    capacity = "32 KiB"
    units = 36
    energy_per_byte = { value = 2.5, low = 1.25, high = 5, unit = "pJ/B",
                        evidence = "assumed", source = "..." }

The energy may be missing: then working sets can be placed, but nothing can be priced.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator

from cbramsim.errors import DataError, ParameterError, nearest
from cbramsim.simulator.bill import Constant
from cbramsim.units import to_si
from cbramsim.validation import Parameters

BINARY = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
ENERGY_KEYS = ("value", "low", "high", "unit", "evidence", "source")


class Level(Parameters):
    """One level of a memory hierarchy."""

    name: Annotated[str, Field(min_length=1)]
    """Its name, such as `L1`: a component of bills."""
    capacity: Annotated[float, Field(gt=0)]
    """Bytes of one unit; a text such as "32 KiB" is understood."""
    units: Annotated[int, Field(ge=1)] = 1
    """How many there are, such as one per core."""
    energy_per_byte: Constant | None = None
    """Energy of one byte read or written, J, if known."""

    @field_validator("capacity", mode="before")
    @classmethod
    def _read_capacity(cls, value: Any) -> Any:
        return bytes_of(value) if isinstance(value, str) else value

    def __str__(self) -> str:
        """Write name, capacity and units."""
        return f"{self.name} ({in_binary(self.capacity)} x {self.units})"


class Hierarchy(Parameters):
    """Memory levels, from the innermost to the outermost."""

    name: str
    """The name of the preset."""
    summary: str = ""
    """One line of description."""
    levels: tuple[Level, ...]
    """The levels, innermost first, or their tables; capacity of a unit must not shrink outwards."""

    @field_validator("levels", mode="before")
    @classmethod
    def _read_levels(cls, value: Any, known: ValidationInfo) -> Any:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(f"must be one or more tables, [[levels]] (got {value})")
        return tuple(_level(entry, known.data.get("name", "")) for entry in value)

    @field_validator("levels")
    @classmethod
    def _check_levels(cls, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        for inner, outer in pairwise(levels):
            if outer.capacity < inner.capacity:
                raise ValueError(f"{outer} is smaller than {inner}")
        names = [level.name for level in levels]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"names must differ (got {twice[0]} twice)")
        return levels

    @property
    def innermost(self) -> Level:
        """The level that feeds the arithmetic."""
        return self.levels[0]

    @classmethod
    def catalog(cls) -> dict[str, Path]:
        """Return the presets that ship with the package: name -> TOML file."""
        folder = Path(str(resources.files("cbramsim.simulator.digital") / "catalog"))
        return {path.stem: path for path in sorted(folder.glob("*.toml"))}

    @classmethod
    def load(cls, name_or_path: str | Path) -> Self:
        """Load a preset by name, or a user's TOML file of the same form.

        Raises
        ------
        ParameterError
            If the name, a key, a unit or a value is not valid.
        DataError
            If the file cannot be read or is not TOML.
        """
        presets, path = cls.catalog(), Path(name_or_path)
        if path.suffix != ".toml":
            if str(name_or_path) not in presets:
                raise ParameterError(
                    f"hierarchy: must be one of {', '.join(presets)}, or a .toml file "
                    f"(got {str(name_or_path)!r}){nearest(str(name_or_path), presets)}"
                )
            path = presets[str(name_or_path)]
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"hierarchy file {path}: {error}") from None
        try:
            return cls(**({"name": path.stem} | table))
        except ParameterError as error:
            raise ParameterError(f"{path.name}: {error}") from None


def bytes_of(text: str) -> float:
    """Return the bytes that a text such as "24.75 MiB" stands for."""
    number, _, unit = text.strip().partition(" ")
    try:
        return float(number) * BINARY[unit.strip()]
    except (ValueError, KeyError):
        raise ValueError(
            f"must be a number and one of {', '.join(BINARY)}, such as 32 KiB (got {text!r})"
        ) from None


def in_binary(size: float) -> str:
    """Write bytes with the largest binary prefix that leaves a number of at least one."""
    unit, scale = max(
        (item for item in BINARY.items() if item[1] <= size), key=lambda x: x[1], default=("B", 1)
    )
    return f"{size / scale:.4g} {unit}"


def _level(entry: Any, hierarchy: str) -> Level:
    """Return a level from its table, the energy as a constant in J."""
    if isinstance(entry, Level):
        return entry
    if not isinstance(entry, dict):
        raise ValueError(f"must be tables, [[levels]] (got {entry!r})")
    name = entry.get("name", "nameless")
    energy = entry.get("energy_per_byte")
    try:
        if isinstance(energy, dict):
            entry = entry | {"energy_per_byte": _constant(energy, f"{hierarchy}-{name}-byte")}
        return Level(**entry)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _constant(table: dict[str, Any], name: str) -> Constant:
    for key in table:
        if key not in ENERGY_KEYS:
            raise ValueError(f"energy_per_byte.{key}: unknown key{nearest(key, ENERGY_KEYS)}")
    numbers = {key: table.get(key, table.get("value")) for key in ("value", "low", "high")}
    for key, value in numbers.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise ValueError(f"energy_per_byte.{key}: must be a number >= 0 (got {value})")
        try:
            numbers[key] = to_si(value, table.get("unit", ""), "J/B")
        except ValueError as error:
            raise ValueError(f"energy_per_byte.unit: {error}") from None
    return Constant(
        name=name,
        unit="J",
        evidence=table.get("evidence", "assumed"),
        source=table.get("source", "not stated"),
        **numbers,
    )
