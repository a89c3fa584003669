"""`cbram robustness`: accuracy against the imperfections of a device, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies import figures
from cbramsim.experiments.device_studies.changes import all_spreads, cell
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.cases import Case, check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, mean_and_spread

DAY = 86400.0
FIGURE = "robustness.png"


class Curve(NamedTuple):
    """One imperfection, from none to more than any device has."""

    name: str
    """Name in tables and on the command line."""
    label: str
    """Label of the axis."""
    values: tuple[float, ...]
    """Values at which accuracy is measured."""
    changes: Callable[[Device, float], dict[str, Any]]
    """Dotted keys of the configuration at a value."""
    shown: Callable[[float], str] = "{:g}".format
    """Function that writes a value as text."""


def _retention(celsius: float) -> Callable[[Device, float], dict[str, Any]]:
    return lambda device, seconds: {"wait": seconds, "wait_celsius": celsius}


def _percent(value: float) -> str:
    return f"{100 * value:g} %"


CURVES = (
    Curve("d2d", "spread from cell to cell (%)", (0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0),
          lambda device, x: cell(all_spreads(device, x)), _percent),
    Curve("c2c", "pulse noise (% of the window)", (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3),
          lambda device, x: cell({"step_c2c": x}), _percent),
    Curve("levels", "states per cell", (2, 3, 4, 6, 8, 16, 32, 64, 128, 256),
          lambda device, x: cell({"levels": int(x), "g_quantum": 0.0})),
    Curve("stuck-low", "cells stuck at the lowest conductance (%)", (0, 0.01, 0.03, 0.1, 0.2, 0.3),
          lambda device, x: cell({"stuck_low": x}), _percent),
    Curve("stuck-high", "cells stuck at the highest conductance (%)",
          (0, 0.01, 0.03, 0.1, 0.2, 0.3), lambda device, x: cell({"stuck_high": x}), _percent),
    Curve("stuck-open", "open cells (%)", (0, 0.01, 0.03, 0.1, 0.2, 0.3),
          lambda device, x: cell({"stuck_open": x}), _percent),
    Curve("retention", "time at 85 °C before reading (days)",
          (0, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365.25 * DAY), _retention(85.0),
          lambda x: in_prefixed(x, "s")),
)  # fmt: skip
"""Curves of the study."""


def run(
    device: str,
    base: dict[str, Any],
    out: Path,
    *,
    curves: list[str] | None = None,
    seeds: int = 3,
    at: Where = HERE,
) -> Findings:
    """Measure the fall of accuracy as a device gets worse, one imperfection at a time.

    Parameters
    ----------
    device
        A preset, or a TOML file.
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    curves
        Names of `CURVES`; all by default.
    seeds
        Runs at each point.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument, the device or the folder is wrong.
    """
    check_base("robustness", base, "device", "seed", "cell", "wait", "wait_celsius")
    technology = Device.load(device)
    chosen = _chosen(curves)
    cases = [
        Case(
            f"{curve.name}={value:g}",
            {"device": device} | curve.changes(technology, value),
            {"curve": curve.name, "value": value},
        )
        for curve in chosen
        for value in curve.values
    ]
    runs = planned(base, cases, seeds_of("robustness", seeds, len(cases)))
    description = {"experiment": "robustness", "device": device, "base": base, "seeds": seeds}
    with study_folder(out, "robustness", at):
        runner = Runner(runs, out, description, at)
        runner.go()
        table = runner.table()
        points = _points(chosen, Cases(table))
        summary = {"device": technology.name, "curves": points}
        found = Findings(
            out, text(summary), summary, {TABLE: table}, runner.failures, base=base,
            title=f"How imperfect {technology.name} may be", evidence=evidence_of(technology),
        )  # fmt: skip
        found.write({FIGURE: figures.robustness(points)} if len(table) else {})
    return found


def text(summary: dict[str, Any]) -> str:
    """Return the points of each curve, a line each."""
    shown = {curve.name: curve for curve in CURVES}
    lines = [f"{summary['device']}: accuracy against"]
    for name, points in summary["curves"].items():
        found = ", ".join(
            f"{shown[name].shown(p['value'])}: {in_percent(p['accuracy'], p['spread'])}"
            for p in points
        )
        lines.append(f"{shown[name].label:<44} {found}")
    return "\n".join(lines)


def _chosen(names: list[str] | None) -> list[Curve]:
    known = {curve.name: curve for curve in CURVES}
    for name in names or ():
        if name not in known:
            raise ParameterError(
                f"robustness.curves: must be of {', '.join(known)} (got {name!r})"
                f"{nearest(name, known)}"
            )
    return [known[name] for name in dict.fromkeys(names or known)]


def _points(curves: list[Curve], cases: Cases) -> dict[str, list[dict[str, Any]]]:
    found = {}
    for curve in curves:
        points = []
        for value in curve.values:
            accuracies = cases.values(f"{curve.name}={value:g}", "accuracy")
            if len(accuracies):
                mean, spread = mean_and_spread(accuracies)
                points.append(
                    {"value": value, "accuracy": mean, "spread": spread, "seeds": len(accuracies)}
                )
        if points:
            found[curve.name] = points
    return found
