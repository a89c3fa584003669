"""Runs of a study on a graphics card: their choice, their batches, and the task of a batch."""

from __future__ import annotations

import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from cbramsim.experiments.study.cases import PlannedRun
from cbramsim.experiments.study.engine import Outcome, Task, cores, execute, has_dask, one_line
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.cuda.coverage import SIMULATED, why_not

PROCESSES = 4
"""Number of processes that share a card: while one handles its networks, others compute."""
MOST_RUNS = 300
"""Most runs of a batch: unsaved work of a batch is lost with it."""


def why_not_covered(run: PlannedRun) -> str:
    """Return the reason why a run is not done on a card, or nothing if it is."""
    return why_not(run.config.network(), run.config.technology())


def batches_of(runs: Iterable[PlannedRun]) -> Iterator[list[PlannedRun]]:
    """Yield runs that learn from the same images, in parts that processes share."""
    groups: dict[Any, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        groups[run.config.dataset, run.config.neurons].append(run)
    for group in groups.values():
        size = min(-(-len(group) // PROCESSES), MOST_RUNS)
        for first in range(0, len(group), size):
            yield group[first : first + size]


def carried_out(
    runs: Iterable[PlannedRun],
    folder: Callable[[str], Path],
    scheduler: str | None,
    workers: int | None,
) -> Iterator[Outcome]:
    """Do runs on a card, and yield the outcome of each.

    Parameters
    ----------
    runs
        Each is one that a card does.
    folder
        Returns the folder of a run, given its name.
    scheduler, workers
        As for `engine.execute`; a cluster has a worker for each card.
    """
    batches = list(batches_of(runs))
    share = 1.0 if scheduler else 1 / max(min(PROCESSES, len(batches)), 1)
    names = {f"batch-{n}": [run.name for run in batch] for n, batch in enumerate(batches)}
    tasks = (
        Task(name, perform_together, ([_plain(run, folder) for run in batch], share))
        for name, batch in zip(names, batches, strict=True)
    )
    for outcome in execute(tasks, scheduler=scheduler, workers=_processes(workers)):
        for name in names[outcome.name]:
            nothing = 0.0, outcome.error or "not done", outcome.trace
            seconds, error, trace = (outcome.result or {}).get(name, nothing)
            yield Outcome(name, seconds, error, trace)


def _processes(workers: int | None) -> int:
    """Return the number of processes that share a card: one without Dask."""
    if workers is not None:
        return workers
    return min(PROCESSES, cores()) if has_dask() and not SIMULATED else 1


def _plain(run: PlannedRun, folder: Callable[[str], Path]) -> tuple[str, dict[str, Any], str, bool]:
    config = run.config.resolved_paths().model_dump()
    return run.name, config, str(folder(run.name).resolve()), run.keep_state


def perform_together(
    runs: list[tuple[str, dict[str, Any], str, bool]], share: float
) -> dict[str, tuple[float, str, str]]:
    """Do runs on a card, each in its folder: the task of a batch.

    Parameters
    ----------
    runs
        Name, configuration, folder and whether the state is kept, of each.
    share
        Part of the memory of the card that may be used.

    Returns
    -------
    dict
        By name: the time of each, s; or its error, in one line and in full.
    """
    from cbramsim.experiments.train.together import Told, Wanted, run_together

    kept = {Path(folder): (name, keep_state) for name, _, folder, keep_state in runs}
    found: dict[str, tuple[float, str, str]] = {}
    started = time.perf_counter()

    def done(run: Any) -> None:
        name, keep_state = kept[run.out]
        seconds = (time.perf_counter() - started) / len(runs)
        finish(run, seconds, keep_state=keep_state)
        found[name] = seconds, "", ""

    def failed(folder: Path, error: Exception) -> None:
        trace = "".join(traceback.format_exception(error))
        found[kept[folder][0]] = 0.0, one_line(error), trace

    wanted = [Wanted(TrainConfig(**config), Path(folder)) for _, config, folder, _ in runs]
    run_together(wanted, Told(done, failed), share)
    return found


def finish(run: Any, seconds: float, *, keep_state: bool) -> None:
    """Record the time of a run, and remove its state unless that is kept."""
    from cbramsim.experiments.run_folder import STATE

    run.amend(run_seconds=seconds)
    if not keep_state:
        (run.out / STATE).unlink(missing_ok=True)
