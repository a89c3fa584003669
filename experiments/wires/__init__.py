"""`cbram wires`: effect of the resistance of lines on an array, and the speed of its solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbramsim.core.units import in_prefixed
from cbramsim.experiments.study.cases import check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.once import once
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, markdown
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.wires import approximations, claims, figures, learning, timings
from cbramsim.experiments.wires.timings import Timing

DEVICES = ("subquantum-cbram", "gst-pcm")
TIMINGS, LEARNING, POINTS = "timings.json", "learning.csv", "approximations.csv"
QUICK = {"train_images": 1500, "validation_images": 500, "neurons": 50}
"""Settings that make a run of the study smaller, for a look."""
SMALL = {
    "train_images": 60_000, "validation_images": 10_000, "epochs": 1,
    "pruning": {"kind": "none"}, "wires_error": 0.05,
}  # fmt: skip
"""Defaults of the study: runs learn five sixths of the training images once, and are scored on the
others; lines are solved less often than by default."""


def text(entries: list[dict[str, Any]]) -> str:
    """Return the results of each case of learning as a Markdown table."""
    heads = ("case", "accuracy", "reads see", "training", "of which lines")
    return markdown(heads, (
        (
            entry["case"], f"{entry['accuracy']:.2%}", f"{entry['seen_conductance']:.1%}",
            in_prefixed(entry["train_joules"], "J"), in_prefixed(entry["wire_joules"], "J"),
        )
        for entry in entries
    ))  # fmt: skip


def run(
    base: dict[str, Any],
    out: Path,
    *,
    devices: tuple[str, ...] = DEVICES,
    seeds: int = 1,
    quick: bool = False,
    at: Where = HERE,
) -> Findings:
    """Time the solver, measure the effects of lines, learn behind them; or do the remaining part.

    `base` are nested keys of the configuration that all runs share, `devices` presets and TOML
    files; `quick` uses small problems only. Raises `CbramError` if an argument, a device or the
    folder is wrong.
    """
    check_base("wires", base, "device", "seed", "wires", "wiring", "tiles")
    shared: dict[str, Any] = SMALL | (QUICK if quick else {}) | base
    resistances = learning.RESISTANCES[1:2] if quick else learning.RESISTANCES
    sizes = approximations.SIZES[:4] if quick else approximations.SIZES
    config = TrainConfig(**shared)
    seeds_of("wires", seeds)
    with study_folder(out, "wires", at):
        cases = learning.cases(devices, resistances, (config.planned_inputs, config.neurons))
        keeps = learning.drawn(devices[0], resistances)
        runs = planned(shared, cases, seeds_of("wires", seeds, len(cases)), keeps)
        description = {"experiment": "wires", "base": shared, "seeds": seeds}
        runner = Runner(runs, out, description, at)
        runner.go()
        points = approximations.run(devices, sizes)
        timed = once(out / TIMINGS, lambda: _timed(quick))
        found = _collect(runner, points, timed, config, shared, quick)
        found.write(figures.of(points, found.summary, runner, devices[0], resistances))
    return found


def _timed(quick: bool) -> dict[str, dict[str, Any]]:
    return {name: timing._asdict() for name, timing in timings.measure(quick=quick).items()}


def _collect(
    runner: Runner,
    points: list[approximations.Point],
    timed: dict[str, dict[str, Any]],
    config: TrainConfig,
    shared: dict[str, Any],
    quick: bool,
) -> Findings:
    times = {name: Timing(**timing) for name, timing in timed.items()}
    table = runner.table()
    entries = learning.table(Cases(table))
    tiles = learning.largest_tiles(entries, max(config.planned_inputs, config.neurons))
    summary = {
        "claims": [
            *claims.of_timings(times, quick=quick),
            *claims.of_tiles(tiles, runner.learned, config.epochs, config.scored_on),
        ],
        "learning": entries,
        "largest_tiles": tiles,
        "approximations": [point._asdict() for point in points],
        "base": shared,
    }
    tables = {TABLE: table, LEARNING: entries, POINTS: [point._asdict() for point in points]}
    return Findings(
        runner.out, text(entries), summary, tables, runner.failures, base=shared,
        title="What the resistance of lines does",
    )  # fmt: skip
