"""`cbram wires`: what the resistance of lines does to an array, and how fast it is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.units import in_prefixed
from cbramsim.experiments import run_folder
from cbramsim.experiments.device_studies.study import (
    HERE,
    Cases,
    Where,
    carry_out,
    check_base,
    planned,
    studying,
)
from cbramsim.experiments.results import read_metrics, saved_in
from cbramsim.experiments.sweep import Sweep, seeds_of, write_csv
from cbramsim.experiments.train import TrainConfig
from cbramsim.experiments.wires import approximations, claims, learning, timings
from cbramsim.experiments.wires.timings import Timing

DEVICES = ("subquantum-cbram", "gst-pcm")
SUMMARY, TIMINGS = "summary.json", "timings.json"
TABLE, POINTS = "learning.csv", "approximations.csv"
QUICK = {"train_images": 1500, "validation_images": 500, "neurons": 50}
"""What a run of the study is made smaller by, for a look."""
SMALL = {
    "train_images": 60_000, "validation_images": 10_000, "epochs": 1,
    "pruning": {"kind": "none"}, "wires_error": 0.05,
}  # fmt: skip
"""Unless the base says otherwise: runs learn five sixths of the training images once, and are
scored on the others; lines are solved for less often than by default."""


class Found(NamedTuple):
    """What the experiment found."""

    out: Path
    summary: dict[str, Any]
    failures: list[Any]

    def to_json(self) -> str:
        """Return the summary as one JSON object."""
        return json.dumps(self.summary, indent=2)

    def report(self) -> str:
        """Return what was found, for people."""
        lines = [_claim_line(claim) for claim in self.summary["claims"]]
        lines.append("")
        for entry in self.summary["learning"]:
            lines.append(
                f"{entry['case']:<34} {entry['accuracy']:7.2%}  reads see "
                f"{entry['seen_conductance']:6.1%}  training "
                f"{in_prefixed(entry['train_joules'], 'J'):>8}, of which lines "
                f"{in_prefixed(entry['wire_joules'], 'J'):>8}"
            )
        lines += [f"failed  {failure.name}: {failure.error}" for failure in self.failures]
        return "\n".join(lines)


def _claim_line(claim: dict[str, Any]) -> str:
    held = {True: "held  ", False: "missed", None: "      "}[claim["held"]]
    value = "none" if claim["value"] is None else f"{claim['value']:.4g}"
    line = f"{held}  {claim['name']:<38} {value:>10} {claim['unit']:<6}"
    if claim.get("error") is not None:
        line += f" error {claim['error']:.1e}"
    skipped = claim.get("facts", {}).get("skipped")
    return line + (f"\n        {skipped}" if skipped else "")


def run(
    base: dict[str, Any],
    out: Path,
    *,
    devices: tuple[str, ...] = DEVICES,
    seeds: int = 1,
    quick: bool = False,
    at: Where = HERE,
) -> Found:
    """Time the solver, look what lines do, learn behind them; or do what is left of it.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    devices
        Presets and TOML files.
    seeds
        Runs of each kind.
    quick
        Only a look: small problems.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument, a device or the folder is wrong.
    """
    check_base("wires", base, "device", "seed", "wires", "wiring", "tiles")
    shared: dict[str, Any] = SMALL | (QUICK if quick else {}) | base
    resistances = learning.RESISTANCES[1:2] if quick else learning.RESISTANCES
    sizes = approximations.SIZES[:4] if quick else approximations.SIZES
    config = TrainConfig(**shared)
    seeds_of("wires", seeds)
    with studying(out, "wires", at):
        cases = learning.cases(devices, resistances, (config.planned_inputs, config.neurons))
        runs = planned(shared, cases, seeds_of("wires", seeds, len(cases)))
        plan = learning.keep_some(runs, devices[0], resistances)
        description = {"experiment": "wires", "base": shared, "seeds": seeds}
        sweep = carry_out(plan, out, description, at)
        points = approximations.run(devices, sizes)
        timed = claims.of_timings(_timed(out, quick=quick), quick=quick)
        found = _collect(out, sweep, points, timed, shared)
        _write(found, points, sweep, devices[0], resistances)
    return found


def _timed(out: Path, *, quick: bool) -> dict[str, Timing]:
    """Return what was measured in this folder before, or measure it."""
    path = out / TIMINGS
    if path.is_file():
        with saved_in(path):
            saved = json.loads(path.read_text())
            return {name: Timing(**timing) for name, timing in saved.items()}
    found = timings.measure(quick=quick)
    run_folder.write_json(path, {name: timing._asdict() for name, timing in found.items()})
    return found


def _collect(
    out: Path,
    sweep: Sweep,
    points: list[approximations.Point],
    timed: list[dict[str, Any]],
    shared: dict[str, Any],
) -> Found:
    config = TrainConfig(**shared)
    entries = learning.table(Cases(sweep.rows()))
    tiles = learning.largest_tiles(entries, max(config.planned_inputs, config.neurons))
    scored = "validation" if config.validation_images else "test"
    summary = {
        "claims": [
            *timed,
            *claims.of_tiles(tiles, _learned(sweep), config.epochs, scored),
        ],
        "learning": entries,
        "largest_tiles": tiles,
        "approximations": [point._asdict() for point in points],
        "base": shared,
        "versions": run_folder.versions(),
    }
    return Found(out, summary, sweep.failures)


def _learned(sweep: Sweep) -> int:
    """Return how many images the runs learned."""
    for run in sweep.finished():
        return int(read_metrics(sweep.folder(run.name))["train_images"])
    return 0


def _write(
    found: Found,
    points: list[approximations.Point],
    sweep: Sweep,
    device: str,
    resistances: tuple[float, ...],
) -> None:
    # matplotlib takes longer to import than a small run takes
    from cbramsim.experiments.wires import figures

    write_csv(found.out / TABLE, found.summary["learning"])
    write_csv(found.out / POINTS, [point._asdict() for point in points])
    run_folder.write_json(found.out / SUMMARY, found.summary)
    figures.approximations(points, found.out)
    if found.summary["learning"]:
        figures.learning(found.summary["learning"], found.out)
    if read := learning.read_of_learned_cells(sweep, device, resistances):
        figures.maps(*read, found.out)
    if panels := learning.fields(sweep, device, resistances):
        figures.fields(panels, found.out)
