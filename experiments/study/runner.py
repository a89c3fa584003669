"""Runs of a study in a folder: the remaining ones are done on all cores, or on a cluster.

Each run has a folder of its own, ``runs/<name>/``; ``study.toml`` describes the study. Started
again, it continues where it stopped. Runs with a common beginning of their training share it, see
`sharing`.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomli_w
from tqdm import tqdm

from cbramsim import __version__
from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.files import printable, remove_leftovers, write_atomically
from cbramsim.core.toml_files import flat, parse_toml, read_toml
from cbramsim.experiments import train
from cbramsim.experiments.results import quantities, read_metrics
from cbramsim.experiments.run_folder import (
    CONFIG,
    LOCK,
    MARK,
    METRICS,
    STATE,
    config_text,
    held,
    is_empty,
)
from cbramsim.experiments.study import on_card
from cbramsim.experiments.study.cases import PlannedRun, in_run, progress
from cbramsim.experiments.study.engine import Outcome, Task, execute
from cbramsim.experiments.study.findings import Failure
from cbramsim.experiments.study.sharing import Trunk, branch_off, train_trunk, trunks_of
from cbramsim.experiments.study.table import tidy
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.cuda.coverage import Engine, uses_card
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.old_words import in_todays_words
from cbramsim.simulator.learning.state_file import read_state

if TYPE_CHECKING:
    import pandas as pd


STUDY, RUNS, SHARED, ERROR = "study.toml", "runs", "shared", "error.txt"
OLD = "sweep.toml"
"""Name of `STUDY` up to version 0.9.0."""


class Where(NamedTuple):
    """Place and manner of carrying out runs."""

    scheduler: str | None = None
    """Address of a running Dask cluster; this machine by default."""
    workers: int | None = None
    """Processes on this machine; one per core by default."""
    force: bool = False
    """Whether to repeat runs of another version or configuration, instead of refusing them."""
    quiet: bool = False
    """Whether to show no progress."""
    engine: Engine = "auto"
    """Place where networks learn: `cuda`, a graphics card, `cpu`, or `auto`, a card if there is
    one."""


HERE = Where()
"""Default: on this machine, one process per core."""


class Runner:
    """Runs in a folder, some of them finished, others not.

    `description` is kept as study.toml. Raises `CbramError` if the folder holds other results, or
    cannot be written; or if the device, the circuits or the images of a run do not exist. Nothing
    is written then.

    Attributes
    ----------
    failures
        Runs that failed when they were last tried.
    busy_seconds
        Time that workers have spent in runs.
    reasons
        Reasons why runs were not done on an available graphics card, and their numbers.
    """

    def __init__(
        self, runs: list[PlannedRun], out: Path, description: dict[str, Any], at: Where = HERE
    ) -> None:
        self.runs, self.out, self.at = runs, out, at
        self.failures: list[Failure] = []
        self.busy_seconds = 0.0
        self.reasons: Counter[str] = Counter()
        self._images: dict[str, tuple[int, int]] = {}
        self._adopt(description)

    def folder(self, name: str) -> Path:
        """Return the folder of a run."""
        return self.out / RUNS / name

    def waiting(self) -> list[PlannedRun]:
        """Return the runs that are not finished."""
        return [run for run in self.runs if not self._is_done(run)]

    def finished(self) -> list[PlannedRun]:
        """Return the runs that are finished."""
        return [run for run in self.runs if self._is_done(run)]

    def go(self) -> None:
        """Do the remaining runs; failures are collected, and do not stop the others."""
        waiting = self.waiting()
        self.failures = []
        together, alone = self._divided(waiting)
        trunks = trunks_of(self._begun_anew(alone), self._learned)
        shared = {name: images for trunk in trunks for name, images in trunk.shared.items()}
        steps: dict[str, tuple[PlannedRun | None, int]] = {
            run.name: (run, self._work(run, shared.get(run.name, 0))) for run in waiting
        } | {trunk.name: (None, trunk.images) for trunk in trunks}
        at, done = self.at, len(self.runs) - len(waiting)
        bar = tqdm(
            total=sum(work for _, work in steps.values()), unit=" images", unit_scale=True,
            disable=at.quiet, dynamic_ncols=True, smoothing=0,
            mininterval=0.2 if sys.stderr.isatty() else 30,
        )  # fmt: skip
        with bar:
            for outcome in chain(
                self._carried_out(map(self._shared_task, trunks)),
                on_card.carried_out(together, self.folder, at.scheduler, at.workers),
                self._carried_out(self.tasks(alone, trunks)),
            ):
                run, work = steps[outcome.name]
                self.busy_seconds += outcome.result or 0.0
                if run is not None:  # a run does without the training that it was to share
                    self._take(outcome, run)
                    done += 1
                failed = f", {len(self.failures)} failed" * bool(self.failures)
                bar.set_postfix_str(f"{done}/{len(self.runs)} runs{failed}", refresh=False)
                bar.update(work)
        if not self.waiting():
            shutil.rmtree(self.out / SHARED, ignore_errors=True)

    def _carried_out(self, tasks: Iterable[Task]) -> Iterator[Outcome]:
        """Yield the outcomes of tasks on processors."""
        yield from execute(tasks, scheduler=self.at.scheduler, workers=self.at.workers)

    def _divided(self, runs: list[PlannedRun]) -> tuple[list[PlannedRun], list[PlannedRun]]:
        """Return the runs for a graphics card, and the others; log the reasons."""
        if not runs or not uses_card(self.at.engine, elsewhere=bool(self.at.scheduler)):
            return [], runs
        reasons = {run.name: on_card.why_not_covered(run) for run in runs}
        self.reasons = Counter(reason for reason in reasons.values() if reason)
        for reason, count in self.reasons.items():
            logging.getLogger("cbramsim").warning(
                "%d of %d runs are done on a processor: %s", count, len(runs), reason
            )
        covered = [run for run in runs if not reasons[run.name]]
        return covered, [run for run in runs if reasons[run.name]]

    def tasks(self, runs: Iterable[PlannedRun], trunks: Iterable[Trunk] = ()) -> Iterator[Task]:
        """Yield the tasks that do `runs`, which may begin where `trunks` end."""
        begins = {
            name: str((self.out / SHARED / trunk.name / file).resolve())
            for trunk in trunks
            for name, file in trunk.begins.items()
        }
        for run in runs:
            config = run.config.resolved_paths().model_dump()
            folder = str(self.folder(run.name).resolve())
            yield Task(run.name, perform, (config, folder, run.keep_state, begins.get(run.name)))

    def networks(self, by: str) -> dict[str, SpikingNetwork]:
        """Return the networks whose states were kept: the first for each value of a setting."""
        found: dict[str, SpikingNetwork] = {}
        for run in self.finished():
            state = self.folder(run.name) / STATE
            if run.keep_state and run.settings[by] not in found and state.is_file():
                found[run.settings[by]] = SpikingNetwork.load(state)
        return found

    def table(self) -> pd.DataFrame:
        """Return the settings and the quantities of each finished run, a row each."""
        rows = []
        for run in self.finished():
            metrics = read_metrics(self.folder(run.name))
            timing = {"seconds": metrics.get("run_seconds")}
            rows.append({"run": run.name, **run.settings, **quantities(metrics), **timing})
        return tidy(rows)

    def _shared_task(self, trunk: Trunk) -> Task:
        folder = str((self.out / SHARED / trunk.name).resolve())
        return Task(trunk.name, train_trunk, (trunk.config.model_dump(), folder, trunk.points))

    def _begun_anew(self, runs: list[PlannedRun]) -> Iterator[PlannedRun]:
        """Yield the runs that have not been begun, with a progress bar if the check takes long."""
        with progress("grouping", len(runs), self.at.quiet) as bar:
            for run in runs:
                if not (self.folder(run.name) / CONFIG).is_file():
                    yield run
                bar.update()

    @property
    def learned(self) -> int:
        """Number of images that a run learns in each epoch, at most."""
        return max((learned for learned, _ in self._images.values()), default=0)

    def _learned(self, run: PlannedRun) -> int:
        """Return the number of images that a run learns in each epoch."""
        return self._images[run.name][0]

    def _work(self, run: PlannedRun, shared: int) -> int:
        """Return the number of images that a run presents itself, if its trunk presents
        `shared`."""
        learned, others = self._images[run.name]
        return max(1, run.config.epochs * learned + others - shared)

    def _is_done(self, run: PlannedRun) -> bool:
        """Return whether a run is finished, its time written, and its state gone if unwanted."""
        folder = self.folder(run.name)
        if not (folder / METRICS).is_file():
            return False
        return not (folder / STATE).is_file() or (run.keep_state and _is_timed(folder))

    def _take(self, outcome: Outcome, run: PlannedRun) -> None:
        folder = self.folder(run.name)
        error = outcome.error
        if not error and not (folder / METRICS).is_file():
            error = f"done, but {folder / METRICS} is not there: do all workers see this folder?"
        if error:
            self.failures.append(Failure(run.name, error))
            config = tomli_w.dumps(run.config.model_dump(exclude_none=True))
            text = f"{outcome.trace or error}\nThe run was:\n\n{config}"
            with suppress(OSError, CbramError):  # a full disk: the failure is told all the same
                folder.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / ERROR, lambda file: file.write(text.encode()))

    def _adopt(self, description: dict[str, Any]) -> None:
        """Check the contents of the folder and the planned runs, and make the folder this
        study's."""
        remade = False
        described = [path for path in (self.out / STUDY, self.out / OLD) if path.is_file()]
        if described:
            made_by = read_toml(described[0]).get("cbramsim")
            remade = made_by != __version__
            if remade and not self.at.force:
                raise CbramError(
                    f"out: {printable(self.out)} holds results of cbramsim {made_by}, this is "
                    f"{__version__}; choose another folder, or use --force to do them again"
                )
        elif not (self.out / MARK).is_file() and not is_empty(self.out):
            raise CbramError(f"out: {printable(self.out)} exists and is not the folder of a study")
        text = tomli_w.dumps({**description, "cbramsim": __version__}).encode()
        differing = self._checked(compare=not remade)
        try:
            self._forget(self.runs if remade else differing)
            (self.out / RUNS).mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.out)
        except OSError as error:
            raise CbramError(f"out: cannot write {printable(self.out)}: {error.strerror}") from None
        write_atomically(self.out / STUDY, lambda file: file.write(text))

    def _checked(self, *, compare: bool) -> list[PlannedRun]:
        """Refuse invalid settings; return existing runs with other settings.

        Runs of one data set follow one another, so that it is read once, and not kept in memory.
        """
        groups: dict[tuple[Any, ...], list[PlannedRun]] = defaultdict(list)
        for run in self.runs:
            config = run.config
            groups[
                config.dataset, config.train_images, config.test_images, config.label_images,
                config.validation_images,
            ].append(run)  # fmt: skip
        differing, parts, dataset = [], _Parts(), lru_cache(maxsize=1)(load_dataset)
        with progress("checking", len(self.runs), self.at.quiet) as bar:
            for _, group in sorted(groups.items(), key=lambda item: item[0][0]):
                data = None
                for run in group:
                    try:
                        parts.of(run.config)
                        data = data or train.Data(run.config, dataset(run.config.dataset))
                        others = data.label_count + len(data.score_images)
                        self._images[run.name] = data.train_count, others
                    except (CbramError, OSError, ValueError) as error:
                        raise in_run(run.name, error) from None
                    if (self.folder(run.name) / LOCK).is_file():  # killed: what it left is removed
                        with suppress(CbramError), held(self.folder(run.name)):
                            pass
                    if compare and (how := self._differs(run, data, parts)):
                        if not self.at.force:
                            raise CbramError(
                                f"out: {printable(self.folder(run.name))} {how}; choose another "
                                f"folder, or use --force to do it again"
                            )
                        differing.append(run)
                    bar.update()
        return differing

    def _differs(self, run: PlannedRun, data: train.Data, parts: _Parts) -> str:
        """Return the difference of the run in the folder from the planned one, or nothing."""
        folder = self.folder(run.name)
        if not (folder / CONFIG).is_file():
            return ""
        try:
            config = data.resolve(run.config)
            text = config_text(config)
            if (folder / CONFIG).read_bytes() != text:  # reading it takes longer
                found = flat(in_todays_words(read_toml(folder / CONFIG)))
                planned = flat(parse_toml(text.decode()))
                for key in planned | found:
                    if planned.get(key) != found.get(key):
                        return f"was run with another {key}"
            if (folder / METRICS).is_file():
                return parts.differ(run.config, read_metrics(folder))
        except (DataError, OSError) as error:
            return f"is damaged ({error})"
        return ""

    def _forget(self, runs: list[PlannedRun]) -> None:
        for run in runs:
            for name in (METRICS, CONFIG, STATE, ERROR):
                (self.folder(run.name) / name).unlink(missing_ok=True)


class _Parts:
    """Devices and circuits of runs, each checked once."""

    KEPT = 1000
    """Number of them that are remembered."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, ...], dict[str, Any]] = {}

    def of(self, config: TrainConfig) -> dict[str, Any]:
        """Return the entries of metrics.json for the device and the circuits of a configuration.

        Raises
        ------
        CbramError
            If the device, a change to it, or the circuits are not known.
        """
        key = config.device, json.dumps(config.cell, default=repr), config.periphery
        if key not in self._tables:
            parts = {"device": config.technology(), "periphery": Periphery.load(config.periphery)}
            if len(self._tables) == self.KEPT:
                self._tables.clear()
            self._tables[key] = {
                name: json.loads(json.dumps(part.to_table())) for name, part in parts.items()
            }
        return self._tables[key]

    def differ(self, config: TrainConfig, metrics: dict[str, Any]) -> str:
        """Return the difference in device or circuits of a finished run of the same configuration,
        or nothing."""
        made_by = metrics.get("versions", {}).get("cbramsim")
        if made_by != __version__:
            return f"was run with another version ({made_by})"
        for part, table in self.of(config).items():
            if metrics.get(f"{part}_parameters") != table:
                return f"was run with another {part} of this name"
        return ""


def perform(
    config: dict[str, Any], folder: str, keep_state: bool, begin: str | None = None
) -> float:
    """Do one run in its folder, or the rest of it: the task of a study.

    It begins with the state of a shared training, if `begin` exists. Returns how long
    that took, s.
    """
    started, out = time.perf_counter(), Path(folder)
    if not _is_timed(out):
        (out / ERROR).unlink(missing_ok=True)
        shared = begin and branch_off(TrainConfig(**config), out, Path(begin))
        run, before = _resumed(out, shared or None) or (
            train.run(TrainConfig(**config), out, force=True, quiet=True, threads=1), 0.0
        )  # fmt: skip
        before = 0.0 if shared else before
        run.amend(run_seconds=before + time.perf_counter() - started)
    if not keep_state:
        (out / STATE).unlink(missing_ok=True)
    return time.perf_counter() - started


def _is_timed(out: Path) -> bool:
    """Return whether everything about a run has been written.

    If not, it was ended between its scoring and this, or is not finished.
    """
    path = out / METRICS
    return path.is_file() and b'"run_seconds"' in path.read_bytes()


def _resumed(out: Path, data: train.Data | None) -> tuple[train.Run, float] | None:
    """Take up a run that was interrupted, if there is one and its state is whole.

    `data` are its images, if they are read already.

    Returns it, once finished, and the seconds that it had been trained for before.
    """
    if not (out / CONFIG).is_file():
        return None
    try:
        saved = read_state(out / STATE) if (out / STATE).is_file() else {}
        return train.resume(out, quiet=True, threads=1, data=data), float(
            saved.get("extra_seconds", 0.0)
        )
    except DataError:
        return None
