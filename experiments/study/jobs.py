"""Jobs of a study that are not training runs: done on all cores, each with a file of findings."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from cbramsim import __version__
from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.files import remove_leftovers
from cbramsim.experiments import run_folder
from cbramsim.experiments.results import saved_in
from cbramsim.experiments.study.engine import Task, execute
from cbramsim.experiments.study.findings import Failure
from cbramsim.experiments.study.names import safe_name
from cbramsim.experiments.study.runner import Where

FOLDER = "jobs"


class Job(NamedTuple):
    """A job that is not a training run: a function of plain values."""

    role: str
    """Role, such as `array,soft`."""
    seed: int
    """Seed of the job."""
    function: str
    """Function that does the job, `module:function`, imported where it is done; its return value is
    kept."""
    settings: dict[str, Any]
    """Arguments: plain values."""

    @property
    def name(self) -> str:
        """Name, unique, and that of its file."""
        return f"{self.role},seed={self.seed}"


class Done(NamedTuple):
    """Results of the jobs."""

    records: dict[str, list[dict[str, Any]]]
    """Records by role, one for each seed, in their order."""
    failures: list[Failure]
    """Jobs that failed."""


def carry_out(jobs: list[Job], out: Path, at: Where) -> Done:
    """Do the remaining `jobs`; results already in the folder `out` are reused.

    Raises
    ------
    CbramError
        If a job was done by another version or with other settings, and `at.force` is not set.
    """
    folder = out / FOLDER
    _make(folder)
    left = [job for job in jobs if not _is_done(job, folder, at.force)]
    tasks = (Task(job.name, do, (job._asdict(), str(folder.resolve()))) for job in left)
    failures = []
    with tqdm(
        total=len(jobs), initial=len(jobs) - len(left), unit=" jobs",
        disable=at.quiet, mininterval=0.2 if sys.stderr.isatty() else 10, dynamic_ncols=True,
    ) as bar:  # fmt: skip
        for outcome in execute(tasks, scheduler=at.scheduler, workers=at.workers):
            if outcome.error:
                failures.append(Failure(outcome.name, outcome.error))
            bar.set_postfix_str(outcome.name)
            bar.update()
    records: dict[str, list[dict[str, Any]]] = {}
    failed = {outcome.name for outcome in failures}
    for job in jobs:
        # What a job left that failed now is of other settings.
        if job.name not in failed and (path := _path(job, folder)).is_file():
            with saved_in(path):
                found = json.loads(path.read_text())["found"]
            records.setdefault(job.role, []).append({"seed": job.seed, **found})
    return Done(records, failures)


def do(values: dict[str, Any], folder: str) -> float:
    """Do one job, write its file, and return its time, s."""
    job, begun = Job(**values), time.perf_counter()
    module, _, function = job.function.partition(":")
    found = getattr(import_module(module), function)(**job.settings)
    seconds = time.perf_counter() - begun
    content = {
        "version": __version__, "settings": job.settings, "seconds": seconds, "found": found,
    }  # fmt: skip
    run_folder.write_json(_path(job, Path(folder)), content)
    return seconds


def seconds_of(jobs: list[Job], out: Path) -> dict[str, float]:
    """Return the time of each finished job, s."""
    paths = {job.name: _path(job, out / FOLDER) for job in jobs}
    return {
        name: json.loads(path.read_text())["seconds"]
        for name, path in paths.items()
        if path.is_file()
    }


def _path(job: Job, folder: Path) -> Path:
    return folder / f"{safe_name(job.name)}.json"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    except OSError as error:
        raise CbramError(f"out: cannot write {folder}: {error.strerror}") from None


def _is_done(job: Job, folder: Path, force: bool) -> bool:
    path = _path(job, folder)
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text())
        same = (content["version"], content["settings"]) == (
            __version__, json.loads(json.dumps(job.settings)),
        )  # fmt: skip
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: not a finished job ({error!r}); use --force") from None
    if not same and not force:
        raise CbramError(
            f"out: {path} is of another version or other settings; use --force to do it again"
        )
    return same
