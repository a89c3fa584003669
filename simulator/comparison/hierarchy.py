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

from itertools import pairwise
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from cbramsim.core.presets import Preset
from cbramsim.core.validation import Parameters
from cbramsim.simulator.comparison.constants import constant_of
from cbramsim.simulator.energy.bill import Constant

BINARY = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


class Level(Parameters):
    """One level of a memory hierarchy."""

    name: Annotated[str, Field(min_length=1)]
    """Name, such as `L1`: a component of bills."""
    capacity: Annotated[float, Field(ge=1, le=2**80)]
    """Bytes of one unit; a text such as "32 KiB" is understood."""
    units: Annotated[int, Field(ge=1, le=10**9)] = 1
    """Number of units, such as one per core."""
    energy_per_byte: Constant | None = None
    """Energy of one byte read or written, J, if known."""

    @field_validator("capacity", mode="before")
    @classmethod
    def _read_capacity(cls, value: Any) -> Any:
        return bytes_of(value) if isinstance(value, str) else value

    def __str__(self) -> str:
        """Write name, capacity and units."""
        return f"{self.name} ({in_binary(self.capacity)} x {self.units})"


class Hierarchy(Preset):
    """Memory levels, from the innermost to the outermost."""

    catalog_package: ClassVar[str] = "cbramsim.simulator.comparison"

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
        """Level that feeds the arithmetic."""
        return self.levels[0]


def bytes_of(text: str) -> float:
    """Return the bytes of a text such as "24.75 MiB" or "32KiB"."""
    number = text.strip().rstrip("BKMGTi")
    try:
        return float(number) * BINARY[text.strip()[len(number) :]]
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
            constant = constant_of("energy_per_byte", energy, f"{hierarchy}-{name}-byte", "J/B")
            entry = entry | {"energy_per_byte": constant}
        return Level(**entry)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
