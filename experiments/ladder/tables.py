"""Tables of the ladder: ladder.csv, constants.csv, and a table for people."""

from __future__ import annotations

from typing import Any

from cbramsim.core.units import in_prefixed
from cbramsim.experiments.ladder.approach import (
    PHASES,
    Approach,
    Phase,
    joules,
    nearest_alternative,
    ratio,
)
from cbramsim.experiments.ladder.figures import times
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.table import markdown
from cbramsim.simulator.comparison.constants import listed
from cbramsim.simulator.energy.bill import FIRMEST_FIRST, Bill, Draws

TOTAL = "total"


def rows(approaches: list[Approach], draws: Draws) -> list[dict[str, Any]]:
    """Return a row for each approach, phase and component, and for each total."""
    found = []
    for one in approaches:
        for phase in PHASES:
            bill = one.bill(phase)
            if bill is None:
                continue
            for component in bill.components():
                part = bill.of(component)
                found.append(_row(one, phase, component, part, _weakest(part), draws))
            found.append(_row(one, phase, TOTAL, bill, bill.evidence, draws))
    return found


def _row(
    one: Approach, phase: Phase, component: str, bill: Bill, evidence: str, draws: Draws
) -> dict[str, Any]:
    value, low, high = joules(bill, draws)
    return {
        "approach": one.name, "phase": phase, "component": component, "joules": value, "low": low,
        "high": high, "evidence": evidence,
    }  # fmt: skip


def _weakest(bill: Bill) -> str:
    return max((charge.evidence for charge in bill), key=FIRMEST_FIRST.index)


def constants(approaches: list[Approach]) -> list[dict[str, Any]]:
    """Return every constant of a bill, with its range and source."""
    used = (
        constant
        for one in approaches
        for phase in PHASES
        if (bill := one.bill(phase)) is not None
        for constant in bill.constants.values()
    )
    return [constant.model_dump() for constant in listed(used)]


def entries(approaches: list[Approach], baseline: Approach, draws: Draws) -> list[dict[str, Any]]:
    """Return one entry for each approach, most expensive training first, as in summary.json."""
    return [_entry(one, approaches, baseline, draws) for one in approaches]


def _entry(
    one: Approach, approaches: list[Approach], baseline: Approach, draws: Draws
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "approach": one.name, "family": one.family, "accuracy": one.accuracy,
        "accuracy_spread": one.accuracy_spread, "includes": one.includes,
    }  # fmt: skip
    for phase in PHASES:
        bill, base = one.bill(phase), baseline.bill(phase)
        if bill is None:
            entry[phase] = None
            continue
        near = nearest_alternative(one, approaches, phase)
        entry[phase] = {
            **joules(bill, draws)._asdict(),
            "components": bill.components(),
            "to_baseline": base and ratio(bill, base, draws)._asdict(),
            "nearest_alternative": near and near.name,
            "to_nearest": near and ratio(bill, near.bill(phase), draws)._asdict(),  # type: ignore[arg-type]
        }
    entry["joules_to_reach"] = {
        f"{accuracy:.0%}": None if (bill := one.to_reach(accuracy)) is None
        else joules(bill, draws)._asdict()
        for accuracy in one.shares
    }  # fmt: skip
    return entry


def table(found: list[dict[str, Any]], baseline: str) -> str:
    """Return the entries as a Markdown table, with grams of CO2 where they have them."""
    reached = list(found[0]["joules_to_reach"])
    with_co2 = any("grams_co2" in (entry["inference"] or {}) for entry in found)
    head = [
        "approach", "accuracy", "to train", f"x {baseline}", "nearest alternative",
        *(f"to {accuracy}" for accuracy in reached), "an image", f"x {baseline}",
        *(("CO2 to train", "CO2 an image") if with_co2 else ()),
    ]  # fmt: skip
    rows = []
    for entry in found:
        training, inference = entry["training"], entry["inference"]
        rows.append([
            entry["approach"],
            in_percent(entry["accuracy"], entry["accuracy_spread"]),
            _energy(training),
            _ratio(training, "to_baseline"),
            _nearest(training),
            *(_energy(entry["joules_to_reach"].get(accuracy)) for accuracy in reached),
            _energy(inference),
            _ratio(inference, "to_baseline"),
            *((_grams(training), _grams(inference)) if with_co2 else ()),
        ])  # fmt: skip
    return markdown(head, rows)


def _nearest(phase: dict[str, Any] | None) -> str:
    return f"{_ratio(phase, 'to_nearest')} {phase['nearest_alternative']}" if phase else ""


def _energy(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "-"
    low, value, high = (in_prefixed(estimate[key], "J") for key in ("low", "value", "high"))
    return f"{value} ({low} to {high})"


def _grams(phase: dict[str, Any] | None) -> str:
    return in_prefixed(phase["grams_co2"], "g") if phase else "-"


def _ratio(phase: dict[str, Any] | None, key: str) -> str:
    return "" if not phase or not phase[key] else times(phase[key]["value"])
