"""What the studies of devices share: runs of labelled cases over seeds, and their statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.names import safe_names
from cbramsim.experiments.study_folder import study_folder
from cbramsim.experiments.sweep import PlannedRun, Sweep, configured

Row = dict[str, Any]
"""A finished run: its settings and its quantities."""


class Case(NamedTuple):
    """Something to run with every seed."""

    name: str
    """Unique in its sweep."""
    changes: dict[str, Any]
    """Dotted keys of the configuration."""
    facts: dict[str, Any]
    """What to write in the table beside the result."""


class Where(NamedTuple):
    """Where and how runs are carried out."""

    scheduler: str | None = None
    workers: int | None = None
    force: bool = False
    quiet: bool = False


HERE = Where()
"""On this machine, one process per core."""


def planned(base: dict[str, Any], cases: Iterable[Case], seeds: Iterable[int]) -> list[PlannedRun]:
    """Return one run of each case for each seed.

    Raises
    ------
    ParameterError
        If a key or value is wrong, or two cases have the same name.
    """
    cases = list(cases)
    pairs = [(case, seed) for seed in seeds for case in cases]
    names = safe_names([f"{case.name},seed={seed}" for case, seed in pairs])
    return [
        PlannedRun(
            name,
            {"case": case.name, **case.facts, "seed": seed},
            configured(base, {**case.changes, "seed": seed}),
        )
        for name, (case, seed) in zip(names, pairs, strict=True)
    ]


@contextmanager
def studying(out: Path, command: str, at: Where) -> Iterator[None]:
    """Hold the folder of a study: see `cbramsim.experiments.study_folder.study_folder`."""
    with study_folder(out, command, scheduler=at.scheduler, workers=at.workers):
        yield


def carry_out(runs: list[PlannedRun], out: Path, description: dict[str, Any], at: Where) -> Sweep:
    """Do what is left of `runs` in the folder `out`, and return the sweep."""
    sweep = Sweep(runs, out, description, force=at.force, quiet=at.quiet)
    sweep.go(scheduler=at.scheduler, workers=at.workers, quiet=at.quiet)
    return sweep


class Cases:
    """Finished runs, looked up by case."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def __contains__(self, case: str) -> bool:
        """Return whether there is a finished run of a case."""
        return any(row["case"] == case for row in self.rows)

    def of(self, case: str) -> list[Row]:
        """Return the runs of a case, by seed."""
        return sorted((r for r in self.rows if r["case"] == case), key=lambda row: row["seed"])

    def values(self, case: str, quantity: str) -> NDArray[np.float64]:
        """Return a quantity of the runs of a case, by seed."""
        return np.array([row[quantity] for row in self.of(case)], float)

    def paired(self, case: str, other: str, quantity: str) -> NDArray[np.float64]:
        """Return a quantity of two cases, float64[seeds, 2], for the seeds that both have."""
        pairs = {row["seed"]: row[quantity] for row in self.of(other)}
        both = [(r[quantity], pairs[r["seed"]]) for r in self.of(case) if r["seed"] in pairs]
        return np.array(both, float).reshape(-1, 2)


def mean_and_spread(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation; None where there are too few values."""
    mean = float(values.mean()) if len(values) else None
    return mean, float(values.std(ddof=1)) if len(values) > 1 else None


def check_base(experiment: str, base: dict[str, Any], *varied: str) -> None:
    """Refuse keys that an experiment itself varies."""
    for key in varied:
        if key in base:
            raise ParameterError(f"{experiment}: {key} is what the study varies")


def all_spreads(device: Device, relative: float) -> dict[str, float]:
    """Return the changes that give every parameter of a device one relative spread.

    Spreads of nonlinearity labels are absolute; they become that part of the label.
    """
    changes = {}
    for key in device.physical_parameters():
        if key.endswith("_d2d"):
            value = getattr(device, key.removesuffix("_d2d"))
            changes[key] = relative * (abs(value) if key.startswith("nonlinearity") else 1.0)
    return changes


def cell(changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes to a device as dotted keys of the configuration."""
    return {f"cell.{key}": value for key, value in changes.items()}
