"""`cbram attribute`: cost of each imperfection of a device, in accuracy and in energy.

Each imperfection is switched off in the device as it is, and on in the device without any. The two
differ if imperfections act together, or if one hides another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies import figures
from cbramsim.experiments.device_studies.changes import cell
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.cases import Case, check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, mean_and_spread

IMPERFECTIONS: dict[str, tuple[str, ...]] = {
    "spread of the window": (
        "g_min_d2d", "g_max_d2d", "g_min_d2d_of_window", "g_max_d2d_of_window",
    ),
    "spread of the steps": (
        "pulses_d2d", "pulses_up_d2d", "pulses_down_d2d", "nonlinearity_up_d2d",
        "nonlinearity_down_d2d", "slope_up_d2d", "slope_down_d2d",
    ),
    "nonlinear steps": (
        "law", "nonlinearity_up", "nonlinearity_down", "slope_up", "slope_down", "exponent_up",
        "exponent_down", "factor_up", "factor_down", "rate_up", "rate_down", "shape_up",
        "shape_down",
    ),
    "pulse noise": ("step_c2c", "step_c2c_of_step"),
    "noise of writes": ("write_c2c",),
    "finite states": ("levels", "level_radix", "g_quantum"),
    "read noise": ("read_c2c", "read_1f"),
    "flicker": ("g_flicker", "flicker_duty"),
    "faults": ("stuck_low", "stuck_mid", "stuck_high", "stuck_open", "fault_cluster"),
    "nonlinear current": ("v_sinh",),
    "drift": (
        "drift_exponent", "drift_exponent_d2d", "drift_by_state", "drift_spread_by_state",
    ),
    "movement after programming": (
        "relaxation_shift", "relaxation_spread", "relaxation_times", "relaxation_states",
        "relaxation_sigmas",
    ),
    "relaxation": ("retention_time", "retention_time_d2d", "activation_energy"),
    "wear": ("endurance", "endurance_d2d"),
}  # fmt: skip
"""Imperfections that are switched off and on, by the parameters that cause them."""
ALL, NONE = "as it is", "without any"
QUANTITIES = ("accuracy", "train_joules", "write_joules", "write_pulses")
FIGURE = "attribution.png"


def run(
    device: str, base: dict[str, Any], out: Path, *, seeds: int = 3, at: Where = HERE
) -> Findings:
    """Switch the imperfections of a device off and on, one at a time, and rank their costs.

    Parameters
    ----------
    device
        A preset, or a TOML file.
    base
        Keys of the configuration that all runs share, nested; `wait` and `wait_celsius` let cells
        relax before they are read.
    out
        The folder.
    seeds
        Runs of each case.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument, the device or the folder is wrong, or the device has no imperfection.
    """
    check_base("attribute", base, "device", "seed", "cell")
    technology = Device.load(device)
    present = imperfections(technology)
    if not present:
        raise ParameterError(f"attribute: {technology.name} has no imperfection to switch off")
    cases = attribution_cases(device, technology, present)
    runs = planned(base, cases, seeds_of("attribute", seeds, len(cases)))
    description = {"experiment": "attribute", "device": device, "base": base, "seeds": seeds}
    with study_folder(out, "attribute", at):
        runner = Runner(runs, out, description, at)
        runner.go()
        table = runner.table()
        summary = attribute(technology.name, present, Cases(table))
        found = Findings(
            out, text(summary), summary, {TABLE: table}, runner.failures, base=base,
            title=f"What each imperfection of {technology.name} costs",
            evidence=evidence_of(technology),
        )  # fmt: skip
        found.write({FIGURE: figures.attribution(summary)} if len(table) else {})
    return found


def imperfections(device: Device) -> dict[str, dict[str, Any]]:
    """Return the imperfections that a device has, with the values of their parameters."""
    used = set(device.behaviours)
    return {
        name: {key: getattr(device, key) for key in keys}
        for name, keys in IMPERFECTIONS.items()
        if used & set(keys)
    }


def attribution_cases(name: str, device: Device, present: dict[str, dict[str, Any]]) -> list[Case]:
    """Return the device as it is, without any imperfection, and one at a time off and on."""
    off = {
        imperfection: {key: type(device).model_fields[key].default for key in values}
        for imperfection, values in present.items()
    }
    nothing = {key: value for changes in off.values() for key, value in changes.items()}

    def case(label: str, changes: dict[str, Any], **facts: str) -> Case:
        changes = {k: list(v) if isinstance(v, tuple) else v for k, v in changes.items()}
        return Case(label, {"device": name} | cell(changes), facts)

    return [
        case(ALL, {}, imperfection="", switched=""),
        case(NONE, nothing, imperfection="", switched=""),
        *(case(f"{i} off", off[i], imperfection=i, switched="off") for i in present),
        *(case(f"{i} on", nothing | present[i], imperfection=i, switched="on") for i in present),
    ]


def attribute(device: str, present: dict[str, Any], cases: Cases) -> dict[str, Any]:
    """Return the cost of each imperfection, from finished runs: the contents of summary.json.

    `effects` has one entry for each imperfection, the most costly in accuracy first; `baselines`
    mean and spread of the device as it is, and without any imperfection.
    """
    effects: list[dict[str, Any]] = [
        {
            "imperfection": name,
            "parameters": sorted(present[name]),
            "alone": _effect(cases, with_=f"{name} on", without=NONE),
            "among": _effect(cases, with_=ALL, without=f"{name} off"),
        }
        for name in present
    ]
    effects.sort(key=lambda effect: -max(_loss(effect["alone"]), _loss(effect["among"])))
    baselines = {
        name: {q: mean_and_spread(cases.values(name, q)) for q in QUANTITIES}
        for name in (ALL, NONE)
        if name in cases
    }
    warnings = [
        f"{effect['imperfection']} ({', '.join(effect['parameters'])}) had no effect in these runs"
        for effect in effects
        if effect["alone"]["same"] and effect["among"]["same"]
    ]
    return {
        "device": device, "effects": effects, "baselines": baselines, "warnings": warnings,
    }  # fmt: skip


def text(summary: dict[str, Any]) -> str:
    """Return the findings as a Markdown table."""
    baselines = ", ".join(
        f"{in_percent(*found['accuracy'])} {name}"
        for name, found in summary["baselines"].items()
        if found["accuracy"][0] is not None
    )
    lines = [
        f"{summary['device']}: {baselines}",
        "",
        "| imperfection | costs when on alone | is lost when on among all | energy alone | "
        "energy among all |",
        "| --- | --- | --- | --- | --- |",
    ]
    for effect in summary["effects"]:
        alone, among = effect["alone"], effect["among"]
        lines.append(
            f"| {effect['imperfection']} | {_points(alone)} | {_points(among)} | "
            f"{_factor(alone)} | {_factor(among)} |"
        )
    lines += [f"warning  {warning}" for warning in summary["warnings"]]
    return "\n".join(lines)


def _effect(cases: Cases, *, with_: str, without: str) -> dict[str, Any]:
    """Return the effect of an imperfection, from runs that differ in nothing else, seed by seed."""
    accuracy = cases.paired(without, with_, "accuracy")
    joules = cases.paired(with_, without, "train_joules")
    loss, spread = mean_and_spread(accuracy[:, 0] - accuracy[:, 1])
    factor, factor_spread = mean_and_spread(joules[:, 0] / joules[:, 1])
    same = bool((accuracy[:, 0] == accuracy[:, 1]).all() and (joules[:, 0] == joules[:, 1]).all())
    return {
        "accuracy_loss": loss, "accuracy_loss_spread": spread,
        "energy_factor": factor, "energy_factor_spread": factor_spread,
        "same": same and len(accuracy) > 0,
    }  # fmt: skip


def _loss(effect: dict[str, Any]) -> float:
    return effect["accuracy_loss"] if effect["accuracy_loss"] is not None else -1.0


def _points(effect: dict[str, Any]) -> str:
    if effect["accuracy_loss"] is None:
        return "-"
    spread = effect["accuracy_loss_spread"]
    return (
        f"{100 * effect['accuracy_loss']:+.2f}"
        + ("" if spread is None else f" ± {100 * spread:.2f}")
        + " points"
    )


def _factor(effect: dict[str, Any]) -> str:
    return "-" if effect["energy_factor"] is None else f"{effect['energy_factor']:.3f}x"
