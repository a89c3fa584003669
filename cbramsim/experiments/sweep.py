"""`cbram sweep`: any grid over any keys of config.toml, each run in a folder of its own.

A sweep is described by a TOML file::

    keep_state = false          # keep state.npz of finished runs

    [base]                      # what all runs share: keys of config.toml
    epochs = 1

    [grid]                      # every combination is run
    seed = [0, 1, 2]
    pruning.fraction = [0.25, 0.5, 0.75]

    [[variants]]                # optional: the grid is run for each
    name = "soft"
    pruning.kind = "soft"

    [[variants]]
    name = "hard"
    pruning.kind = "hard"

It writes ``runs/<name>/`` for each run, ``sweep.toml`` (the description) and ``sweep.csv``. Started
again, it goes on where it stopped.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from tqdm import tqdm

from cbramsim import __version__
from cbramsim.errors import CbramError, DataError, ParameterError
from cbramsim.experiments import train
from cbramsim.experiments.engine import Outcome, Task, execute
from cbramsim.experiments.results import quantities, read_metrics
from cbramsim.experiments.run_folder import (
    CONFIG,
    METRICS,
    STATE,
)
from cbramsim.experiments.train import TrainConfig
from cbramsim.files import write_atomically
from cbramsim.simulator.periphery import Periphery
from cbramsim.toml_files import flat, nested, read_toml

SWEEP, TABLE, RUNS, ERROR = "sweep.toml", "sweep.csv", "runs", "error.txt"


class PlannedRun(NamedTuple):
    """One run of a sweep."""

    name: str
    """Of its folder."""
    settings: dict[str, Any]
    """What tells it from the other runs: dotted key -> value, and `variant` if there are any."""
    config: TrainConfig
    """What to do."""
    keep_state: bool = False
    """Whether to keep state.npz once it is finished."""


class Failure(NamedTuple):
    """A run that failed."""

    name: str
    """Of its folder."""
    error: str
    """One line."""


class Sweep:
    """Runs in a folder: some of them finished, some still to do.

    Parameters
    ----------
    runs
        All runs.
    out
        The folder.
    description
        What to keep as sweep.toml.
    force
        Do runs of another version or configuration again, instead of refusing them.

    Raises
    ------
    CbramError
        If the folder holds other results, or cannot be written.
    """

    def __init__(
        self, runs: list[PlannedRun], out: Path, description: dict[str, Any], *, force: bool = False
    ) -> None:
        self.runs, self.out = runs, out
        self.failures: list[Failure] = []
        self._force = force
        self._data: dict[tuple[Any, ...], train.Data] = {}
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

    def go(
        self, *, scheduler: str | None = None, workers: int | None = None, quiet: bool = False
    ) -> None:
        """Do what is left to do; failures are collected, and do not stop the others.

        Parameters
        ----------
        scheduler, workers
            As for `cbramsim.experiments.engine.execute`.
        quiet
            Show no progress.
        """
        waiting = self.waiting()
        self.failures = []
        bar = tqdm(
            total=len(self.runs), initial=len(self.runs) - len(waiting), unit=" runs",
            disable=quiet, dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 30,
            smoothing=0,
        )  # fmt: skip
        with bar:
            for outcome in execute(self.tasks(waiting), scheduler=scheduler, workers=workers):
                self._take(outcome)
                if self.failures:
                    bar.set_postfix_str(f"{len(self.failures)} failed", refresh=False)
                bar.update()

    def tasks(self, runs: Iterable[PlannedRun]) -> list[Task]:
        """Return the tasks that do `runs`."""
        return [
            Task(
                run.name,
                perform,
                (
                    run.config.resolved_paths().model_dump(),
                    str(self.folder(run.name).resolve()),
                    run.keep_state,
                ),
            )
            for run in runs
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return the settings and the quantities of each finished run."""
        rows = []
        for run in self.finished():
            metrics = read_metrics(self.folder(run.name))
            timing = {"seconds": metrics.get("run_seconds")}
            rows.append({"run": run.name, **run.settings, **quantities(metrics), **timing})
        return rows

    def write_table(self) -> None:
        """Write sweep.csv."""
        write_csv(self.out / TABLE, self.rows())

    def _is_done(self, run: PlannedRun) -> bool:
        return (self.folder(run.name) / METRICS).is_file()

    def _take(self, outcome: Outcome) -> None:
        folder = self.folder(outcome.name)
        error = outcome.error
        if not error and not (folder / METRICS).is_file():
            error = f"done, but {folder / METRICS} is not there: do all workers see this folder?"
        if error:
            self.failures.append(Failure(outcome.name, error))
            folder.mkdir(parents=True, exist_ok=True)
            run = next(run for run in self.runs if run.name == outcome.name)
            config = tomli_w.dumps(run.config.model_dump(exclude_none=True))
            (folder / ERROR).write_text(f"{outcome.trace or error}\nThe run was:\n\n{config}")

    def _adopt(self, description: dict[str, Any]) -> None:
        """Check what is in the folder, and make it this sweep's."""
        if (self.out / SWEEP).is_file():
            made_by = read_toml(self.out / SWEEP).get("cbramsim")
            if made_by != __version__ and not self._force:
                raise CbramError(
                    f"out: {self.out} holds results of cbramsim {made_by}, this is {__version__}; "
                    f"choose another folder, or use --force to do them again"
                )
            if made_by != __version__:
                self._forget(self.runs)
        elif self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise CbramError(f"out: {self.out} exists and is not the folder of a sweep")
        self._check_configs()
        try:
            (self.out / RUNS).mkdir(parents=True, exist_ok=True)
            text = tomli_w.dumps({**description, "cbramsim": __version__}).encode()
            write_atomically(self.out / SWEEP, lambda file: file.write(text))
        except OSError as error:
            raise CbramError(f"out: cannot write {self.out}: {error.strerror}") from None

    def _check_configs(self) -> None:
        """Refuse, or forget, runs of the same name that were run otherwise."""
        differing = [(run, key) for run in self.runs if (key := self._differs(run))]
        if differing and not self._force:
            run, key = differing[0]
            raise CbramError(
                f"out: {self.folder(run.name)} was run with another {key}; choose another folder, "
                f"or use --force to do it again"
            )
        self._forget([run for run, _ in differing])

    def _differs(self, run: PlannedRun) -> str:
        """Return in what the run in the folder differs from the planned one, or nothing."""
        folder = self.folder(run.name)
        if not (folder / CONFIG).is_file():
            return ""
        found = flat(read_toml(folder / CONFIG))
        planned = flat(self._resolved(run.config).model_dump(exclude_none=True))
        keys = (key for key in planned | found if planned.get(key) != found.get(key))
        return next(keys, "") or (self._made_otherwise(run) if self._is_done(run) else "")

    def _made_otherwise(self, run: PlannedRun) -> str:
        """Return in what a finished run differs although its configuration does not."""
        metrics = read_metrics(self.folder(run.name))
        if metrics["versions"]["cbramsim"] != __version__:
            return f"version ({metrics['versions']['cbramsim']})"
        periphery = Periphery.load(run.config.periphery)
        for part, now in (("device", run.config.technology()), ("periphery", periphery)):
            table = json.loads(json.dumps(now.to_table()))
            if metrics[f"{part}_parameters"] != table:
                return f"{part} of this name"
        return ""

    def _resolved(self, config: TrainConfig) -> TrainConfig:
        """Return `config` as a run writes it, with the numbers of images that there are."""
        asked = (
            config.dataset, config.train_images, config.test_images, config.label_images,
            config.validation_images,
        )  # fmt: skip
        if asked not in self._data:
            self._data[asked] = train.Data(config, quiet=True)
        return self._data[asked].resolve(config)

    def _forget(self, runs: list[PlannedRun]) -> None:
        for run in runs:
            for name in (METRICS, CONFIG, STATE, ERROR):
                (self.folder(run.name) / name).unlink(missing_ok=True)


def perform(config: dict[str, Any], folder: str, keep_state: bool) -> None:
    """Do one run in its folder, or what is left of it: the task of a sweep."""
    started, out = time.perf_counter(), Path(folder)
    if (out / METRICS).is_file():  # done by a worker that did not live to say so
        return
    (out / ERROR).unlink(missing_ok=True)
    run = _resumed(out) or train.run(TrainConfig(**config), out, force=True, quiet=True, threads=1)
    run.amend(run_seconds=time.perf_counter() - started)
    if not keep_state:
        (out / STATE).unlink(missing_ok=True)


def _resumed(out: Path) -> train.Run | None:
    """Take up a run that was interrupted, if there is one and its state is whole."""
    if not (out / CONFIG).is_file():
        return None
    try:
        return train.resume(out, quiet=True, threads=1)
    except DataError:
        return None


def run(
    description: Path,
    out: Path | None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    force: bool = False,
    quiet: bool = False,
) -> Sweep:
    """Carry out the sweep that a TOML file describes, and write its table.

    Raises
    ------
    CbramError
        If the description, the folder or the scheduler is wrong.
    """
    table = read_toml(description)
    sweep = Sweep(plan(table), out or Path("runs") / description.stem, table, force=force)
    try:
        sweep.go(scheduler=scheduler, workers=workers, quiet=quiet)
    finally:
        sweep.write_table()
    return sweep


def plan(table: dict[str, Any]) -> list[PlannedRun]:
    """Return the runs that a description asks for.

    Raises
    ------
    ParameterError
        If it is not of the form in the module's docstring, or a key or value is wrong.
    """
    unknown = set(table) - {"cbramsim", "base", "grid", "variants", "keep_state"}
    if unknown:
        raise ParameterError(
            f"sweep: unknown key {sorted(unknown)[0]!r}; known are base, grid, variants, keep_state"
        )
    if not isinstance(table.get("base", {}), dict):
        raise ParameterError(f"sweep.base: must be a table (got {table['base']!r})")
    grid = _checked_grid(table.get("grid", {}))
    variants = _checked_variants(table.get("variants", [{}]))
    short = _short_names(grid)
    runs = []
    for variant, values in itertools.product(variants, itertools.product(*grid.values())):
        chosen = dict(zip(grid, values, strict=True))
        name = variant.get("name", "")
        settings = ({"variant": name} if name else {}) | chosen
        parts = [_text(name)] * bool(name) + [f"{short[k]}={_text(v)}" for k, v in chosen.items()]
        changes = {key: value for key, value in variant.items() if key != "name"}
        config = configured(table.get("base", {}), changes | chosen)
        runs.append(
            PlannedRun(",".join(parts), settings, config, bool(table.get("keep_state", False)))
        )
    _check_names(runs)
    return runs


def configured(base: dict[str, Any], changes: dict[str, Any]) -> TrainConfig:
    """Return the configuration `base`, with the dotted keys in `changes` changed."""
    return TrainConfig(**nested(flat(base) | flat(changes)))


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV, with a column for every key that occurs."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def report(sweep: Sweep, table: Callable[[list[Path]], str]) -> str:
    """Return what a sweep found, for people."""
    finished = sweep.finished()
    lines = [table([sweep.folder(run.name) for run in finished])] if finished else []
    lines += [f"failed  {failure.name}: {failure.error}" for failure in sweep.failures]
    lines.append(f"{len(finished)} of {len(sweep.runs)} runs in {sweep.out}, table in {TABLE}")
    return "\n".join(lines)


def _checked_grid(grid: Any) -> dict[str, list[Any]]:
    if not isinstance(grid, dict) or not grid:
        raise ParameterError(
            "sweep.grid: must be a table of keys with lists of values, at least one (got "
            f"{grid or 'none'})"
        )
    checked = flat(grid)
    for key, values in checked.items():
        if not isinstance(values, list) or not values:
            raise ParameterError(
                f"sweep.grid.{key}: must be a list of at least one value (got {values!r})"
            )
    return checked


def _checked_variants(variants: Any) -> list[dict[str, Any]]:
    if not (isinstance(variants, list) and variants and all(map(_is_table, variants))):
        raise ParameterError("sweep.variants: must be a list of tables, [[variants]]")
    checked = [flat(variant) for variant in variants]
    if variants != [{}]:
        for variant in checked:
            if not isinstance(variant.get("name"), str) or not variant["name"]:
                raise ParameterError("sweep.variants.name: is required of every variant")
    return checked


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _short_names(grid: dict[str, list[Any]]) -> dict[str, str]:
    """Return the last part of each key, or the whole key where that is not unique."""
    last = [key.rpartition(".")[2] for key in grid]
    return {
        key: name if last.count(name) == 1 else key for key, name in zip(grid, last, strict=True)
    }


def _text(value: Any) -> str:
    """Return a value as part of a folder's name."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^\w.+-]+", "_", text)


def _check_names(runs: list[PlannedRun]) -> None:
    names = set()
    for run in runs:
        if run.name in names:
            raise ParameterError(f"sweep: the run '{run.name}' is there twice")
        names.add(run.name)
