"""Parameter objects in which every value has a source and a grade of evidence, stored as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.presets import Preset
from cbramsim.core.units import to_si
from cbramsim.core.validation import Parameters

Evidence = Literal["published", "derived", "assumed"]


class Provenance(Parameters):
    """Source of a value, and its grade of evidence."""

    evidence: Evidence
    """`published` (read in a source), `derived` (arithmetic on such), or `assumed`."""
    source: str
    """The source, the derivation, or the reason for the assumption."""


SET_BY_USER = Provenance(evidence="assumed", source="set by the user")


class SourcedParameters(Preset):
    """Physical parameters with provenance, loaded from the catalog or from a user's TOML file.

    A field with a unit names it in its annotation, ``Annotated[float, Field(gt=0), "S"]``; files
    may use SI prefixes of it (``unit = "uS"``), and all values inside are SI.
    """

    name: str
    """The name of the preset."""
    summary: str = ""
    """One line of description."""
    provenance: dict[str, Provenance] = Field(default_factory=dict, repr=False)
    """Source and evidence grade of each parameter, by name."""

    def evidence(self, parameter: str) -> Provenance:
        """Return source and grade of `parameter`; a value set manually counts as assumed."""
        return self.provenance.get(parameter, SET_BY_USER)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`; changed values lose their published source."""
        kept = {key: value for key, value in self.provenance.items() if key not in changes}
        return super().replace(**({"provenance": kept} | changes))

    @classmethod
    def physical_parameters(cls) -> list[str]:
        """Names of all fields that carry a number, in the order of their definition."""
        return [key for key in cls.model_fields if key not in SourcedParameters.model_fields]

    def stated_parameters(self) -> list[str]:
        """Names of the parameters that have a source, or a value that is not the default."""
        fields = type(self).model_fields
        return [
            key for key in self.physical_parameters()
            if key in self.provenance or getattr(self, key) != fields[key].default
        ]  # fmt: skip

    def assumed_parameters(self) -> list[str]:
        """Names of the stated parameters that have no source."""
        return [k for k in self.stated_parameters() if self.evidence(k).evidence == "assumed"]

    @property
    def sourced_share(self) -> float:
        """Part of the stated parameters that are published, or derived from published values."""
        stated = self.stated_parameters()
        return 1 - len(self.assumed_parameters()) / len(stated) if stated else 0.0

    @classmethod
    def unit(cls, parameter: str) -> str:
        """Return the SI unit of `parameter`, or an empty text if it has none."""
        metadata = cls.model_fields[parameter].metadata
        return next((item for item in metadata if isinstance(item, str)), "")

    @classmethod
    def _values(cls, table: dict[str, Any], path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {"name": table.pop("name"), "summary": table.pop("summary", "")}
        provenance = {}
        for key, entry in table.items():
            if key not in cls.physical_parameters():
                hint = nearest(key, cls.physical_parameters())
                raise ParameterError(f"{cls.__name__}.{key}: unknown key in {path.name}{hint}")
            values[key], provenance[key] = cls._entry(key, entry)
        return values | {"provenance": provenance}

    def to_table(self) -> dict[str, Any]:
        """Return the stated parameters, with sources, in the form of a catalog file, in SI."""
        table: dict[str, Any] = {"name": self.name, "summary": self.summary}
        for key in self.stated_parameters():
            unit, origin = self.unit(key), self.evidence(key)
            value = getattr(self, key)
            table[key] = {"value": list(value) if isinstance(value, tuple) else value} | (
                {"unit": unit} if unit else {}
            )
            table[key] |= {"evidence": origin.evidence, "source": origin.source}
        return table

    @classmethod
    def _entry(cls, key: str, entry: Any) -> tuple[Any, Provenance]:
        """Return the SI value and the provenance of one ``[key]`` table."""
        where, known = f"{cls.__name__}.{key}", ("value", "unit", "evidence", "source")
        if not isinstance(entry, dict) or "value" not in entry:
            raise ParameterError(f"{where}: must be a table of {', '.join(known)} (got {entry!r})")
        for name in entry:
            if name not in known:
                raise ParameterError(f"{where}.{name}: unknown key{nearest(name, known)}")
        value, base = entry["value"], cls.unit(key)
        numbers = value if isinstance(value, list) and base else [value]
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
            if base and "unit" not in entry:
                raise ParameterError(
                    f"{where}.unit: is required ({base}, with or without a prefix of f p n u m k M)"
                )
            try:
                found = [to_si(number, entry.get("unit", base), base) for number in numbers]
            except ValueError as error:
                raise ParameterError(f"{where}.unit: {error}") from None
            value = found if isinstance(value, list) else found[0]
        try:
            origin = Provenance(
                evidence=entry.get("evidence", "assumed"), source=entry.get("source", "not stated")
            )
        except ParameterError as error:
            raise ParameterError(f"{where}: {error}") from None
        return value, origin
