"""Use of its workers by a study: the part of their time that runs take, and how they slow down
others.

It is kept in timing.json over all sessions of a study.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from cbramsim.experiments import run_folder
from cbramsim.experiments.results import read_metrics, saved_in
from cbramsim.experiments.study.claims import Claim, claim
from cbramsim.experiments.study.engine import cores, execute, has_dask
from cbramsim.experiments.study.runner import Runner

TIMING = "timing.json"
ENOUGH = 0.9
"""Target of the share of the workers' time that runs take."""


class Usage:
    """Findings on the workers that do the runs of a study."""

    def __init__(self, runner: Runner) -> None:
        self.runner, at = runner, runner.at
        self._path = runner.out / TIMING
        # those of a cluster elsewhere come and go
        self.workers = 0 if at.scheduler else at.workers or (cores() if has_dask() else 1)
        if len(runner.waiting()) == len(runner.runs):
            self._path.unlink(missing_ok=True)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Add up the time of the workers, and the part of it that runs take."""
        if not self.workers or not self.runner.waiting():
            yield
            return
        started, busy = time.perf_counter(), self.runner.busy_seconds
        try:
            yield
        finally:
            wall, known = time.perf_counter() - started, self._known()
            known["busy_seconds"] = known.get("busy_seconds", 0.0) + self.runner.busy_seconds - busy
            known["worker_seconds"] = known.get("worker_seconds", 0.0) + self.workers * wall
            run_folder.write_json(self._path, known)
        if self.workers > 1 and not self.runner.failures:
            self._measure_slowdown()

    def claim(self) -> Claim | None:
        """Return the claim about the use of the workers, if that was measured."""
        known = self._known()
        if "alone_seconds" not in known or "worker_seconds" not in known:
            return None
        used = known["busy_seconds"] / known["worker_seconds"]
        slower = known["alone_seconds"] / known["beside_seconds"]
        return claim(
            "sweep_efficiency", used * slower, unit="fraction", target=ENOUGH,
            held=used * slower >= ENOUGH, evidence="measured",
            definition=(
                "time that the runs take alone, one after the other, over workers times the time "
                "of the sweep: the share of the workers' time spent in runs, times how much longer "
                "a run takes alone than beside others"
            ),
        ) | {"utilisation": used, "alone_over_beside": slower} | known  # fmt: skip

    def _measure_slowdown(self) -> None:
        """Time one run alone and beside others, twice each, in turns."""
        alone, beside = np.array([[self._timed(1), self._timed(self.workers)] for _ in range(2)]).T
        if np.isfinite([alone, beside]).all():
            known = self._known()
            known["alone_seconds"] = float(np.mean(alone))
            known["beside_seconds"] = float(np.mean(beside))
            run_folder.write_json(self._path, known)

    def _timed(self, count: int) -> float:
        """Return the mean time of the same run, `count` times at once."""
        runner = self.runner
        run = runner.runs[-1]._replace(keep_state=False)
        runs = [run._replace(name=f"timing-{n}") for n in range(count)]
        folders = [runner.folder(run.name) for run in runs]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for _ in execute(runner.tasks(runs), workers=count, isolated=True):
            pass
        done = [folder for folder in folders if (folder / run_folder.METRICS).is_file()]
        seconds = [read_metrics(folder)["run_seconds"] for folder in done]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        return float(np.mean(seconds)) if len(done) == count else np.nan

    def _known(self) -> dict[str, float]:
        if not self._path.is_file():
            return {}
        with saved_in(self._path):
            known = json.loads(self._path.read_text())
            return {name: float(value) for name, value in known.items()}
