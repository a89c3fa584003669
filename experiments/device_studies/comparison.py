"""`cbram compare-devices`: one network in every technology of the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbramsim.core.errors import ParameterError
from cbramsim.core.files import write_atomically
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.experiments import run_folder
from cbramsim.experiments.device_studies.claims import claims
from cbramsim.experiments.device_studies.overhead import Overhead, behaviour_overhead
from cbramsim.experiments.device_studies.sensitivity import (
    FACTORS,
    sensitivity_cases,
    tornado,
)
from cbramsim.experiments.device_studies.study import (
    HERE,
    Case,
    Cases,
    Row,
    Where,
    all_spreads,
    carry_out,
    cell,
    check_base,
    mean_and_spread,
    planned,
    studying,
)
from cbramsim.experiments.results import in_percent, saved_in
from cbramsim.experiments.sweep import Sweep, seeds_of, write_csv

REFERENCE = "subquantum-cbram"
"""The technology that all others are compared with."""
METHODS: dict[str, dict[str, Any]] = {
    "stochastic": {"programming.method": "stochastic"},
    "single pulse": {"programming.method": "stochastic", "programming.max_pulses": 1},
    "verify": {"programming.method": "verify"},
}
"""Ways to program among which the one that suits a device is chosen."""
AS_GOOD = 0.002
"""Validation accuracy that counts as equal: the cheaper method is taken."""
CHOICE_SEED = 1000
"""Seed of the runs by which a method is chosen; those that are reported have others."""
HELD_BACK = 1 / 6
"""Part of the training images that are held back for that choice."""
SPREAD = 0.5
"""Spread of every parameter at which the loss of accuracy is stated."""
TABLE, SUMMARY, REPORT, OVERHEAD = "devices.csv", "summary.json", "table.md", "overhead.json"


class Comparison(NamedTuple):
    """What a comparison found."""

    out: Path
    rows: list[Row]
    """One for each run of a device, as in devices.csv."""
    sensitivity_rows: list[Row]
    """Runs of the reference with one assumed parameter changed."""
    summary: dict[str, Any]
    failures: list[Any]

    def report(self) -> str:
        """Return what was found, for people."""
        lines = [table(self.summary), ""]
        for claim in self.summary["claims"]:
            held = {True: "held  ", False: "missed", None: "      "}[claim["held"]]
            interval = (
                "" if claim["interval"] is None else " [{:.3g}, {:.3g}]".format(*claim["interval"])
            )
            lines.append(f"{held}  {claim['name']:<44} {claim['value']:.4g}{interval}")
        lines += [f"failed  {failure.name}: {failure.error}" for failure in self.failures]
        return "\n".join(lines)


def run(
    base: dict[str, Any],
    out: Path,
    *,
    devices: list[str] | None = None,
    seeds: int = 5,
    programming: str = "auto",
    sensitivity: bool = True,
    at: Where = HERE,
) -> Comparison:
    """Compare devices, or do what is left of it, and write what was found.

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
        `auto`: what suits each device, chosen on held-back training images; or one of `METHODS`.
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
    seeds_of("compare-devices", seeds, len(names))
    with studying(out, "compare-devices", at):
        chosen, choice = _choose(base, out, names, programming, at)
        cases = [
            *(Case(name, METHODS[chosen[name]] | {"device": name}, _facts(name, chosen[name]))
              for name in names),
            *_spread_cases(chosen[REFERENCE]),
        ]  # fmt: skip
        main = _sweep(base, out / "comparison", cases, seeds, at)
        changed = sensitivity_cases(technologies[REFERENCE], METHODS[chosen[REFERENCE]])
        changed_runs = _sweep(base, out / "sensitivity", changed, 1, at) if sensitivity else None
        overhead = _overhead(base, out)
        found = _collect(out, names, main, changed_runs, chosen, choice, overhead)
        _write(found)
    return found


def table(summary: dict[str, Any]) -> str:
    """Return the technologies as a Markdown table, by training energy."""
    lines = [
        "| technology | programming | accuracy | training | x | of which writing | per image read "
        "| pulses | write time, serial | assumed |",
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
            f"{entry['assumed']} of {entry['stated']} |"
        )
    return "\n".join(lines)


# ---- runs --------------------------------------------------------------------------------------


def _choose(
    base: dict[str, Any], out: Path, names: list[str], programming: str, at: Where
) -> tuple[dict[str, str], list[Row]]:
    """Return the method for each device, and the runs by which it was chosen.

    The best on held-back training images after one epoch; of those that are as good, the one that
    takes least energy. The test set is not touched.
    """
    if programming != "auto":
        return dict.fromkeys(names, programming), []
    cases = [
        Case(f"{name},{method}", settings | {"device": name}, _facts(name, method))
        for name in names
        for method, settings in METHODS.items()
    ]
    runs = planned(_with_held_back(base), cases, [CHOICE_SEED])
    rows = carry_out(runs, out / "programming", {"experiment": "programming"}, at).rows()
    chosen = {}
    for name in names:
        tried = [row for row in rows if row["device"] == name]
        best = max((row["accuracy"] for row in tried), default=0.0)
        good = [row for row in tried if row["accuracy"] >= best - AS_GOOD]
        cheapest = min(good, key=lambda row: row["train_joules"], default=None)
        chosen[name] = cheapest["programming"] if cheapest else "stochastic"
    return chosen, rows


def _with_held_back(base: dict[str, Any]) -> dict[str, Any]:
    from cbramsim.experiments.train import Data, TrainConfig

    images = Data(TrainConfig(**base)).train_count
    return {**base, "validation_images": max(1, round(HELD_BACK * images)), "epochs": 1}


def _facts(name: str, method: str) -> dict[str, Any]:
    return {"device": name, "programming": method}


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


def _sweep(base: dict[str, Any], out: Path, cases: list[Case], seeds: int, at: Where) -> Sweep:
    description = {"experiment": "compare-devices", "base": base, "seeds": seeds}
    runs = planned(base, cases, seeds_of("compare-devices", seeds, len(cases)))
    return carry_out(runs, out, description, at)


def _overhead(base: dict[str, Any], out: Path) -> Overhead:
    """Return what was measured in this folder before, or measure it."""
    path = out / OVERHEAD
    if path.is_file():
        with saved_in(path):
            return Overhead(**json.loads(path.read_text()))
    found = behaviour_overhead(REFERENCE, base.get("train_images"))
    run_folder.write_json(path, found._asdict())
    return found


# ---- what they found ---------------------------------------------------------------------------


def _collect(
    out: Path,
    names: list[str],
    main: Sweep,
    changed: Sweep | None,
    chosen: dict[str, str],
    choice: list[Row],
    overhead: Overhead,
) -> Comparison:
    rows = [row for row in main.rows() if "device" in row and "spread" not in row]
    spread_rows = [row for row in main.rows() if row.get("spread") is not None]
    sensitivity_rows = changed.rows() if changed else []
    cases = Cases(rows)
    entries = [_entry(cases, name, chosen[name]) for name in names if name in cases]
    effects = tornado(Cases(sensitivity_rows))
    summary = {
        "claims": claims(cases, Cases(spread_rows), entries, effects, overhead),
        "devices": entries,
        "sensitivity": {"reference": REFERENCE, "factors": list(FACTORS), "effects": effects},
        "programming": choice,
        "overhead": overhead._asdict(),
        "versions": run_folder.versions(),
    }
    failures = main.failures + (changed.failures if changed else [])
    return Comparison(out, rows, sensitivity_rows, summary, failures)


def _entry(cases: Cases, name: str, method: str) -> dict[str, Any]:
    """Return mean and spread of every quantity of a device, and its ratios to the reference."""
    device = Device.load(name)
    grades = [device.evidence(key).evidence for key in device.stated_parameters()]
    first = cases.of(name)[0]
    quantities = [key for key, value in first.items() if isinstance(value, float | int)]
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
    } | {q: mean_and_spread(cases.values(name, q)) for q in quantities if q != "seed"}  # fmt: skip


ENERGY_PARAMETERS = (
    "g_min", "g_max", "pulses_up", "pulses_down", "v_set", "t_set", "v_reset", "t_reset", "v_read",
    "t_read", "c_gate",
)  # fmt: skip
"""What the energy of a technology follows from."""


def _ratio(cases: Cases, name: str, quantity: str) -> float:
    pairs = cases.paired(name, REFERENCE, quantity)
    return float(np.mean(pairs[:, 0] / pairs[:, 1])) if len(pairs) else float("nan")


def _write(found: Comparison) -> None:
    # matplotlib takes longer to import than a small run takes
    from cbramsim.experiments.device_studies import figures

    write_csv(found.out / TABLE, found.rows)
    run_folder.write_json(found.out / SUMMARY, found.summary)
    text = table(found.summary) + "\n"
    write_atomically(found.out / REPORT, lambda file: file.write(text.encode()))
    figures.comparison(found.rows, found.summary, found.out)
    if found.sensitivity_rows:
        figures.tornado(found.summary["sensitivity"], found.out)
