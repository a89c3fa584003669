"""Constants made from sourced parameters and prices, how far each may be off, and their listing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from cbramsim.provenance import Evidence, SourcedParameters
from cbramsim.simulator.bill import Constant
from cbramsim.simulator.periphery.prices import Price

RANGE_BY_EVIDENCE: Mapping[Evidence, float] = {"published": 1.5, "derived": 2.0, "assumed": 3.0}
"""A number may lie between value / factor and value x factor, unless a spread is published
(assumed). What goes with its square follows: an assumed voltage makes a factor of 9 in energy."""

COLUMNS = ("name", "value", "low", "high", "unit", "evidence", "source")
"""Of the listing."""


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
"""Parameters whose range goes further up than their grade says, and why."""


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
    """Return the listing of constants, each once and by name, as texts by column.

    Raises
    ------
    ValueError
        If two different constants have one name.
    """
    by_name: dict[str, Constant] = {}
    for constant in constants:
        if by_name.setdefault(constant.name, constant) != constant:
            raise ValueError(f"constants: two different ones are called {constant.name}")
    return [
        {
            key: f"{value:.4g}" if isinstance(value := getattr(constant, key), float) else value
            for key in COLUMNS
        }
        for _, constant in sorted(by_name.items())
    ]
