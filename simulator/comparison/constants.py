"""Constants made from sourced parameters and prices, their ranges, and their listing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.provenance import Evidence, SourcedParameters
from cbramsim.core.units import to_si
from cbramsim.simulator.circuits.prices import Price
from cbramsim.simulator.energy.bill import Constant

RANGE_BY_EVIDENCE: Mapping[Evidence, float] = {"published": 1.5, "derived": 2.0, "assumed": 3.0}
"""Factor of the range by grade: a number lies between value / factor and value x factor, unless a
spread is published (assumed). An energy follows its square: an assumed voltage gives a factor of
9."""

KEYS = ("value", "low", "high", "unit", "evidence", "source")
"""Keys of a constant in a TOML file."""
COLUMNS = ("name", "value", "low", "high", "unit", "evidence", "source")
"""Columns of the listing."""


def ranged(
    name: str, value: float, unit: str, evidence: Evidence, source: str, factor: float | None = None
) -> Constant:
    """Return a constant with the range of its grade, or of `factor` either way."""
    constant = Constant(
        name=name, value=value, low=value, high=value, unit=unit, evidence=evidence, source=source
    )
    return constant.within(factor or RANGE_BY_EVIDENCE[evidence])


HIGHEST: Mapping[str, tuple[float, str]] = {
    "e_neuron": (
        1e-12,
        "no winner-take-all circuit of hundreds of neurons is published; up to 1 pJ",
    )
}
"""Parameters whose range extends further up than that of their grade, with reasons."""


def of_parameter(parameters: SourcedParameters, key: str) -> Constant:
    """Return one parameter of a device or a periphery, such as `cmos-28nm.e_sense`."""
    origin = parameters.evidence(key)
    constant = ranged(
        f"{parameters.name}.{key}", getattr(parameters, key), parameters.unit(key),
        origin.evidence, origin.source,
    )  # fmt: skip
    if key in HIGHEST:
        highest, reason = HIGHEST[key]
        constant = constant.replace(
            high=max(constant.high, highest), source=f"{constant.source}; {reason}"
        )
    return constant


def of_price(name: str, price: Price) -> Constant:
    """Return the price of an event as a constant, J."""
    return ranged(name, price.value, "J", price.evidence, price.source)


def constant_of(where: str, entry: Any, name: str, unit: str) -> Constant:
    """Return the constant that a table of a TOML file describes, in SI.

    Parameters
    ----------
    where
        Its key, for messages.
    entry
        The table: value, low and high (the value where they are not given), unit (with a prefix),
        evidence, source.
    name
        Name in bills.
    unit
        The SI unit; `J/B` is an energy, J, per byte.

    Raises
    ------
    ParameterError
        If a key, a number or the unit is not valid.
    """
    if not isinstance(entry, dict):
        raise ParameterError(f"{where}: must be a table of {', '.join(KEYS)} (got {entry!r})")
    for key in entry:
        if key not in KEYS:
            raise ParameterError(f"{where}.{key}: unknown key{nearest(key, KEYS)}")
    numbers: dict[str, Any] = {
        key: entry.get(key, entry.get("value")) for key in ("value", "low", "high")
    }
    for key, value in numbers.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise ParameterError(f"{where}.{key}: must be a number >= 0 (got {value!r})")
        try:
            numbers[key] = to_si(value, entry.get("unit", ""), unit)
        except ValueError as error:
            raise ParameterError(f"{where}.unit: {error}") from None
    return Constant(
        name=name,
        unit=unit.removesuffix("/B"),
        evidence=entry.get("evidence", "assumed"),
        source=entry.get("source", "not stated"),
        **numbers,
    )


def table(constants: Iterable[Constant]) -> str:
    """Return the listing of constants, each once, as a Markdown table."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    for row in rows(constants):
        lines.append("| " + " | ".join(row[key].replace("|", "\\|") for key in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def to_csv(constants: Iterable[Constant]) -> str:
    """Return the listing of constants, each once, as comma-separated values."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(constants))
    return text.getvalue()


def rows(constants: Iterable[Constant]) -> list[dict[str, str]]:
    """Return the listing of constants, see `listed`, as texts by column."""
    return [
        {
            key: f"{value:.4g}" if isinstance(value := getattr(constant, key), float) else value
            for key in COLUMNS
        }
        for constant in listed(constants)
    ]


def listed(constants: Iterable[Constant]) -> list[Constant]:
    """Return constants, each once and by name.

    Raises
    ------
    ValueError
        If two different constants have one name.
    """
    by_name: dict[str, Constant] = {}
    for constant in constants:
        if by_name.setdefault(constant.name, constant) != constant:
            raise ValueError(f"constants: two different ones are called {constant.name}")
    return [constant for _, constant in sorted(by_name.items())]
