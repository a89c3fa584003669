"""`cbram compare-devices`: one network in every technology of the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from cbramsim.core.errors import ParameterError
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies import figures
from cbramsim.experiments.device_studies.changes import all_spreads, cell
from cbramsim.experiments.device_studies.claims import aged_case, claims
from cbramsim.experiments.device_studies.overhead import Overhead, behaviour_overhead
from cbramsim.experiments.device_studies.sensitivity import FACTORS, sensitivity_cases, tornado
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.cases import Case, check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.once import once
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, mean_and_spread
from cbramsim.simulator.array.compensation import Compensation

REFERENCE = "subquantum-cbram"
"""Technology with which all others are compared."""
METHODS: dict[str, dict[str, Any]] = {
    "stochastic": {"programming.method": "stochastic"},
    "single pulse": {"programming.method": "stochastic", "programming.max_pulses": 1},
    "verify": {"programming.method": "verify"},
}
"""Ways to program, from which one is chosen for each device."""
PACES: dict[str, dict[str, Any]] = {
    "1 ms windows": {"programming.method": "stochastic", "encoding.window": 1e-3},
    "1 us windows": {"programming.method": "stochastic", "encoding.window": 1e-6},
}
"""Ways to program cells that change by themselves: images are presented faster than the 10 ms of
the reference, so that cells are programmed again before they have changed much."""
WAYS = METHODS | PACES
FORGETFUL = 86400.0
"""Time constant below which a cell counts as forgetting while it learns, s."""
AGED = {"wait": 86400.0}
"""Time for which trained arrays are left alone before they are read again: a day, at 25 °C."""
COMPENSATIONS: tuple[str, ...] = get_args(Compensation)
"""Ways of compensating drift then: see `simulator.array.compensation`."""
AS_GOOD = 0.002
"""Difference of validation accuracies that counts as none: the cheaper method is then taken."""
CHOICE_SEED = 1000
"""Seed of the runs by which a method is chosen; reported runs have others."""
HELD_BACK = 1 / 6
"""Part of the training images that are held back for that choice."""
SPREAD = 0.5
"""Spread of every parameter at which the loss of accuracy is stated."""
SENSITIVITY, OVERHEAD = "sensitivity.csv", "overhead.json"


def run(
    base: dict[str, Any],
    out: Path,
    *,
    devices: list[str] | None = None,
    seeds: int = 5,
    programming: str = "auto",
    sensitivity: bool = True,
    at: Where = HERE,
) -> Findings:
    """Compare devices, or the remaining ones, and write the findings.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    devices
        Names of presets and TOML files; the whole catalog by default. The reference is added.
    seeds
        Runs of each device, with the seeds 0, 1, ...
    programming
        `auto`: the best for each device, chosen on held-back training images; or one of `METHODS`.
    sensitivity
        Whether to change each assumed parameter of the reference.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument, a device or the folder is wrong.
    """
    check_base("compare-devices", base, "device", "seed", "programming", "cell")
    if programming not in ("auto", *METHODS):
        raise ParameterError(
            f"compare-devices.programming: must be one of {', '.join(('auto', *METHODS))} "
            f"(got {programming!r})"
        )
    names = list(dict.fromkeys([REFERENCE, *(devices or Device.catalog())]))
    technologies = {name: Device.load(name) for name in names}
    names.sort(key=lambda name: (name != REFERENCE, -technologies[name].sourced_share))
    seeds_of("compare-devices", seeds, len(names))
    with study_folder(out, "compare-devices", at):
        chosen, choice = _choose(base, out, names, programming, at)
        cases = [
            *(Case(name, WAYS[chosen[name]] | {"device": name}, _facts(name, chosen[name]))
              for name in names),
            *(case for name in names if _moves(technologies[name])
              for case in _aged_cases(name, chosen[name])),
            *_spread_cases(chosen[REFERENCE]),
        ]  # fmt: skip
        main = _carried_out(base, out / "comparison", cases, seeds, at)
        changed = sensitivity_cases(technologies[REFERENCE], METHODS[chosen[REFERENCE]])
        parts = [main]
        if sensitivity:
            parts.append(_carried_out(base, out / "sensitivity", changed, 1, at))
        found = _collect(out, names, parts, chosen, choice, _overhead(base, out))
        found = found._replace(
            title="One network in every memory technology", base=base,
            evidence=evidence_of(*technologies.values()),
        )  # fmt: skip
        found.write(figures.comparison(found.summary))
    return found


def text(summary: dict[str, Any]) -> str:
    """Return the technologies as Markdown tables: by training energy, and after a day."""
    lines = [
        "| technology | programming | accuracy | training | x | of which writing | per image read "
        "| pulses | write time, serial | published or derived |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for entry in sorted(summary["devices"], key=lambda entry: entry["train_joules"][0]):
        lines.append(
            f"| {entry['device']} | {entry['programming']} | {in_percent(*entry['accuracy'])} | "
            f"{in_prefixed(entry['train_joules'][0], 'J')} | {entry['ratio']['train_joules']:.3g} "
            f"| {in_prefixed(entry['write_joules'][0], 'J')} | "
            f"{in_prefixed(entry['inference_joules'][0], 'J')} | "
            f"{entry['write_pulses'][0] / 1e6:.1f} million | "
            f"{in_prefixed(entry['serial_write_seconds'][0], 's')} | "
            f"{entry['stated'] - entry['assumed']} of {entry['stated']} |"
        )
    if aged := summary["aged"]:
        lines += [
            "",
            "| technology | at once | after a day | one factor an array | one factor a bit line |",
            "| --- | --- | --- | --- | --- |",
        ]
        for entry in aged:
            shown = [in_percent(*entry[key]) for key in ("at_once", *COMPENSATIONS)]
            lines.append(f"| {entry['device']} | {' | '.join(shown)} |")
    return "\n".join(lines)


# ---- runs --------------------------------------------------------------------------------------


def _choose(
    base: dict[str, Any], out: Path, names: list[str], programming: str, at: Where
) -> tuple[dict[str, str], list[dict[Any, Any]]]:
    """Return the method for each device, and the runs by which it was chosen.

    The best on held-back training images after one epoch; of equally good ones, the one that takes
    least energy. The test set is not touched.
    """
    if programming != "auto":
        return dict.fromkeys(names, programming), []
    cases = [
        Case(f"{name},{method}", settings | {"device": name}, _facts(name, method))
        for name in names
        for method, settings in _ways(Device.load(name)).items()
    ]
    runs = planned(_with_held_back(base), cases, [CHOICE_SEED])
    runner = Runner(runs, out / "programming", {"experiment": "programming"}, at)
    runner.go()
    table = runner.table()
    chosen = dict.fromkeys(names, "stochastic")
    for name, tried in table.groupby("device") if len(table) else ():
        good = tried[tried["accuracy"] >= tried["accuracy"].max() - AS_GOOD]
        chosen[name] = good.loc[good["train_joules"].idxmin(), "programming"]
    return chosen, table.to_dict("records")


def _with_held_back(base: dict[str, Any]) -> dict[str, Any]:
    from cbramsim.experiments.train import Data, TrainConfig

    images = Data(TrainConfig(**base)).train_count
    return {**base, "validation_images": max(1, round(HELD_BACK * images)), "epochs": 1}


def _facts(name: str, method: str) -> dict[str, Any]:
    return {"device": name, "programming": method}


def _ways(device: Device) -> dict[str, dict[str, Any]]:
    """Return the ways of programming that may suit a device."""
    forgets = 0 < device.retention_time < FORGETFUL
    paces = ["1 ms windows"] * device.drifts + ["1 us windows"] * forgets
    return METHODS | {pace: PACES[pace] for pace in paces}


def _moves(device: Device) -> bool:
    """Return whether cells that have been programmed move within a day."""
    return device.drifts or device.relaxes


def _aged_cases(name: str, method: str) -> list[Case]:
    """Return a device that is read a day after training, with compensation of its drift."""
    return [
        Case(
            aged_case(name, kind),
            WAYS[method] | AGED | {"device": name, "compensation": kind},
            _facts(name, method) | {"compensation": kind},
        )
        for kind in COMPENSATIONS
    ]


def _spread_cases(method: str) -> list[Case]:
    """Return the reference without any spread between its cells, and with much of it."""
    device = Device.load(REFERENCE)
    return [
        Case(
            f"spread={spread:g}",
            METHODS[method] | {"device": REFERENCE} | cell(all_spreads(device, spread)),
            {"spread": spread},
        )
        for spread in (0.0, SPREAD)
    ]


def _carried_out(
    base: dict[str, Any], out: Path, cases: list[Case], seeds: int, at: Where
) -> Runner:
    description = {"experiment": "compare-devices", "base": base, "seeds": seeds}
    runs = planned(base, cases, seeds_of("compare-devices", seeds, len(cases)))
    runner = Runner(runs, out, description, at)
    runner.go()
    return runner


def _overhead(base: dict[str, Any], out: Path) -> Overhead:
    """Return the earlier measurement in this folder, or measure."""
    images = base.get("train_images")
    return Overhead(**once(out / OVERHEAD, lambda: behaviour_overhead(REFERENCE, images)._asdict()))


# ---- what they found ---------------------------------------------------------------------------


def _collect(
    out: Path,
    names: list[str],
    parts: list[Runner],
    chosen: dict[str, str],
    choice: list[dict[Any, Any]],
    overhead: Overhead,
) -> Findings:
    table, *changed = (part.table() for part in parts)
    spreads = table["spread"].notna() if "spread" in table else pd.Series(False, table.index)
    cases = Cases(table[~spreads])
    entries = [_entry(cases, name, chosen[name]) for name in names if name in cases]
    aged = [_aged(cases, name) for name in names if aged_case(name, "none") in cases]
    effects = tornado(Cases(changed[0])) if changed else []
    summary = {
        "claims": claims(cases, Cases(table[spreads]), entries, aged, effects, overhead),
        "devices": entries,
        "aged": aged,
        "sensitivity": {"reference": REFERENCE, "factors": list(FACTORS), "effects": effects},
        "programming": choice,
        "overhead": overhead._asdict(),
    }
    tables = {TABLE: cases.table} | ({SENSITIVITY: changed[0]} if changed else {})
    failures = [failure for part in parts for failure in part.failures]
    return Findings(out, text(summary), summary, tables, failures)


def _entry(cases: Cases, name: str, method: str) -> dict[str, Any]:
    """Return mean and spread of every quantity of a device, and its ratios to the reference."""
    device = Device.load(name)
    grades = [device.evidence(key).evidence for key in device.stated_parameters()]
    quantities = cases.of(name).select_dtypes("number").columns.drop("seed")
    return {
        "device": name, "programming": method, "seeds": len(cases.of(name)),
        "assumed": grades.count("assumed"), "stated": len(grades),
        "assumed_energy": sorted(
            key for key in ENERGY_PARAMETERS
            if key in device.stated_parameters() and device.evidence(key).evidence == "assumed"
        ),
        "ratio": {
            quantity: _ratio(cases, name, quantity)
            for quantity in ("train_joules", "array_joules", "write_joules", "inference_joules")
        },
    } | {q: mean_and_spread(cases.values(name, q)) for q in quantities}  # fmt: skip


def _aged(cases: Cases, name: str) -> dict[str, Any]:
    """Return the accuracy of a device at once and a day later, by compensation."""
    found = {"at_once": mean_and_spread(cases.values(name, "accuracy"))}
    for kind in COMPENSATIONS:
        found[kind] = mean_and_spread(cases.values(aged_case(name, kind), "accuracy"))
    return {"device": name} | found


ENERGY_PARAMETERS = (
    "g_min", "g_max", "pulses_up", "pulses_down", "v_set", "t_set", "v_reset", "t_reset", "v_read",
    "t_read", "c_gate",
)  # fmt: skip
"""Parameters on which the energy of a technology depends."""


def _ratio(cases: Cases, name: str, quantity: str) -> float:
    pairs = cases.paired(name, REFERENCE, quantity)
    return float(np.mean(pairs[:, 0] / pairs[:, 1])) if len(pairs) else float("nan")
