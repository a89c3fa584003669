"""The study itself: runs the plan as a sweep, and writes table, claims and figures."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from cbramsim.core.errors import ParameterError
from cbramsim.core.files import write_atomically
from cbramsim.core.units import in_prefixed
from cbramsim.experiments import run_folder
from cbramsim.experiments.engine import cores, execute, has_dask
from cbramsim.experiments.pruning import plan as planning
from cbramsim.experiments.pruning.claims import Found, Row, claims, savings
from cbramsim.experiments.pruning.plan import (
    ALL_POLICIES,
    HARD_FRACTION,
    MAIN_FRACTION,
)
from cbramsim.experiments.results import in_percent, read_metrics, saved_in, statistics
from cbramsim.experiments.study_folder import study_folder
from cbramsim.experiments.sweep import PlannedRun, Sweep, seeds_of, write_csv

TABLE, SUMMARY, TIMING, REPORT = "pruning.csv", "summary.json", "timing.json", "table.md"
COLUMNS = (
    "mode", "value", "target_fraction", "pruned_fraction", "seed", "accuracy",
    "accuracy_majority", "train_joules", "test_joules", "write_pulses", "read_joules", "seconds",
    "rule", "policy", "maturity", "epochs", "update", "access",
)  # fmt: skip
"""The first columns of pruning.csv; the other quantities follow."""


def run(
    base: dict[str, Any],
    out: Path,
    *,
    seeds: int = 5,
    fractions: tuple[float, ...] = planning.FRACTIONS,
    rules: tuple[str, ...] = ("device", "ideal"),
    scheduler: str | None = None,
    workers: int | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Study:
    """Run the study, or what is left of it, and write what it found.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    seeds
        Runs of each kind, with the seeds 0, 1, ...
    fractions
        Pruned fractions of the curves, beside 0 and the reference's.
    rules
        `device`, `ideal` or both.
    scheduler, workers, force, quiet
        As for `cbramsim.experiments.sweep.Sweep`.

    Raises
    ------
    CbramError
        If an argument, the folder or the scheduler is wrong.
    """
    _check(base, seeds, fractions, rules)
    all_seeds = _seeds(seeds, fractions)
    description = {
        "experiment": "pruning", "base": base, "seeds": seeds, "fractions": list(fractions),
        "rules": list(rules),
    }  # fmt: skip
    with study_folder(out, "pruning", scheduler=scheduler, workers=workers):
        plan = planning.make_plan(base, all_seeds, fractions, rules)
        sweep = Sweep(planning.runs(plan), out, description, force=force, quiet=quiet)
        if len(sweep.waiting()) == len(sweep.runs):
            (out / TIMING).unlink(missing_ok=True)
        study = Study(sweep, workers=None if scheduler else (workers or _default_workers()))
        try:
            study.go(scheduler=scheduler, quiet=quiet)
        finally:
            study.write()
        study.draw()
    return study


class Study:
    """A study in a folder.

    Attributes
    ----------
    sweep
        Its runs.
    rows
        One for each finished run, as in pruning.csv.
    summary
        What summary.json holds.
    """

    def __init__(self, sweep: Sweep, workers: int | None) -> None:
        self.sweep, self.workers = sweep, workers
        self.rows: list[Row] = []
        self.summary: dict[str, Any] = {}

    def go(self, *, scheduler: str | None, quiet: bool) -> None:
        """Do what is left to do, and measure how well the workers were used."""
        waiting = self.sweep.waiting()
        if not waiting:
            return
        started = time.perf_counter()
        try:
            self.sweep.go(scheduler=scheduler, workers=self.workers, quiet=quiet)
        finally:
            self._add_time(waiting, time.perf_counter() - started)
        if self.workers and self.workers > 1 and not self.sweep.failures:
            self._measure_slowdown()

    def write(self) -> None:
        """Write the table and the summary of the runs that are finished."""
        self.rows = [self._row(row) for row in self.sweep.rows()]
        if not self.rows:
            return
        write_csv(self.sweep.out / TABLE, self.rows)
        self.summary = {
            "claims": claims(self.rows, self._efficiency()),
            "policies": self._policies(),
            "savings": {name: savings(self.rows, ALL_POLICIES[name]) for name in planning.SAVERS},
            "runs": len(self.rows),
            "failed": [failure._asdict() for failure in self.sweep.failures],
            "versions": run_folder.versions(),
        }
        run_folder.write_json(self.sweep.out / SUMMARY, self.summary)
        text = self.table() + "\n"
        write_atomically(self.sweep.out / REPORT, lambda file: file.write(text.encode()))

    def draw(self) -> None:
        """Write the figures."""
        # matplotlib takes longer to import than a small run takes
        from cbramsim.experiments.pruning.figures import draw_all

        draw_all(self)

    def table(self) -> str:
        """Return the policies at the reference's fractions as a Markdown table."""
        lines = [
            "| weights | pruned | accuracy | majority vote | training | of which writing | "
            "write pulses | reference |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for entry in self.summary["policies"]:
            lines.append(
                f"| {entry['rule']}, {entry['label']} | {entry['pruned_fraction'][0]:.1%} | "
                f"{in_percent(*entry['accuracy'])} | {in_percent(*entry['accuracy_majority'])} | "
                f"{in_prefixed(entry['train_joules'][0], 'J')} | "
                f"{in_prefixed(entry['write_joules'][0], 'J')} | "
                f"{entry['write_pulses'][0] / 1e6:.1f} million | {entry['reference']} |"
            )
        return "\n".join(lines)

    def report(self) -> str:
        """Return what was found, for people."""
        lines = [self.table() if self.summary else "", ""]
        for claim in self.summary.get("claims", ()):
            scale, unit = (100, " %") if claim["unit"].startswith("fraction") else (1, "x")
            spread = "" if claim["spread"] is None else f" ± {scale * claim['spread']:.2f}"
            lines.append(
                f"{'held  ' if claim['held'] else 'missed'}  {claim['name']:<24} "
                f"{scale * claim['value']:.2f}{spread}{unit} (target {scale * claim['target']:g}"
                f"{unit}{', reference ' + claim['reference'] if claim['reference'] else ''})"
            )
        lines += [f"failed  {failure.name}: {failure.error}" for failure in self.sweep.failures]
        lines.append(f"{len(self.rows)} of {len(self.sweep.runs)} runs in {self.sweep.out}")
        return "\n".join(lines)

    def _row(self, row: Row) -> Row:
        first = {key: row.get(key) for key in COLUMNS}
        return first | {key: value for key, value in row.items() if key not in first}

    def _policies(self) -> list[dict[str, Any]]:
        """Return mean and spread of each policy at the reference's fraction."""
        found, entries = Found(self.rows), []
        for rule in ("device", "ideal"):
            for name, label, fraction, reference in (
                ("unpruned", "not pruned", None, "about 94 %"),
                *((p.name, p.label, _fraction(p), _reference(p)) for p in ALL_POLICIES.values()),
            ):
                facts = {} if fraction is None else {"target_fraction": fraction}
                rows = found.select(name, rule, **facts)
                if rows:
                    entries.append(
                        {"rule": rule, "policy": name, "label": label, "reference": reference}
                        | _statistics(rows)
                    )
        return entries

    # ---- how well the workers were used --------------------------------------------------------

    def _add_time(self, waiting: list[PlannedRun], wall: float) -> None:
        """Add up the time of the workers, and their time in runs, over all sessions."""
        if not self.workers:  # those of a cluster elsewhere come and go
            return
        timing = self._timing()
        busy = sum(self._seconds(run.name) or 0.0 for run in waiting)
        timing["busy_seconds"] = timing.get("busy_seconds", 0.0) + busy
        timing["worker_seconds"] = timing.get("worker_seconds", 0.0) + self.workers * wall
        run_folder.write_json(self.sweep.out / TIMING, timing)

    def _measure_slowdown(self) -> None:
        """Time one run alone and beside others, twice each, in turns."""
        assert self.workers
        alone, beside = np.array([[self._timed(1), self._timed(self.workers)] for _ in range(2)]).T
        if np.isfinite([alone, beside]).all():
            timing = self._timing()
            timing["alone_seconds"] = float(np.mean(alone))
            timing["beside_seconds"] = float(np.mean(beside))
            run_folder.write_json(self.sweep.out / TIMING, timing)

    def _timed(self, count: int) -> float:
        """Return how long one and the same run takes on average, `count` times at once."""
        run = self.sweep.runs[-1]._replace(keep_state=False)
        runs = [run._replace(name=f"timing-{n}") for n in range(count)]
        folders = [self.sweep.folder(run.name) for run in runs]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for _ in execute(self.sweep.tasks(runs), workers=count, isolated=True):
            pass
        seconds = [self._seconds(run.name) or np.nan for run in runs]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return float(np.mean(seconds))

    def _efficiency(self) -> dict[str, float] | None:
        timing = self._timing()
        if "alone_seconds" not in timing or "worker_seconds" not in timing:
            return None
        used = timing["busy_seconds"] / timing["worker_seconds"]
        slower = timing["alone_seconds"] / timing["beside_seconds"]
        shares = {"utilisation": used, "alone_over_beside": slower, "efficiency": used * slower}
        return timing | shares

    def _timing(self) -> dict[str, float]:
        path = self.sweep.out / TIMING
        if not path.is_file():
            return {}
        with saved_in(path):
            return {name: float(value) for name, value in json.loads(path.read_text()).items()}

    def _seconds(self, name: str) -> float | None:
        path = self.sweep.folder(name) / run_folder.METRICS
        return read_metrics(path.parent).get("run_seconds") if path.is_file() else None


def _default_workers() -> int:
    return cores() if has_dask() else 1


def _fraction(policy: planning.Policy) -> float:
    return MAIN_FRACTION if policy.mode == "soft" else HARD_FRACTION


def _reference(policy: planning.Policy) -> str:
    return "93 %" if policy.mode == "soft" else "below 90 %"


def _statistics(rows: list[Row]) -> dict[str, tuple[float, float | None]]:
    names = (
        "accuracy", "accuracy_majority", "pruned_fraction", "train_joules", "write_joules",
        "sense_joules", "read_joules", "test_joules", "write_pulses",
    )  # fmt: skip
    return statistics([{name: row[name] for name in names} for row in rows])


def _seeds(seeds: int, fractions: tuple[float, ...]) -> tuple[int, ...]:
    """Return the seeds, refusing more runs of the curves than there may be."""
    curves = len(ALL_POLICIES) * (len(set(fractions)) + 2)
    return tuple(seeds_of("pruning", seeds, curves))


def _check(
    base: dict[str, Any], seeds: int, fractions: tuple[float, ...], rules: tuple[str, ...]
) -> None:
    seeds_of("pruning", seeds)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ParameterError(
                f"pruning.fractions: must be numbers > 0 and <= 1 (got {fraction:g})"
            )
    for rule in rules:
        if rule not in ("device", "ideal"):
            raise ParameterError(f"pruning.rules: must be of device, ideal (got {rule!r})")
    swept = {"pruning", "seed", "rule", "update", "access"} & set(base)
    if swept:
        raise ParameterError(f"pruning: {sorted(swept)[0]} is what the study varies")
