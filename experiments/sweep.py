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
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
from tqdm import tqdm

from cbramsim import __version__
from cbramsim.core.arguments import whole
from cbramsim.core.errors import CbramError, DataError, ParameterError, nearest, shown
from cbramsim.core.files import printable, remove_leftovers, write_atomically
from cbramsim.core.toml_files import flat, nested, parse_toml, read_toml
from cbramsim.experiments import train
from cbramsim.experiments.engine import Outcome, Task, execute
from cbramsim.experiments.names import safe_name, safe_names
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
from cbramsim.experiments.study_folder import study_folder
from cbramsim.experiments.train import TrainConfig
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.old_words import in_todays_words
from cbramsim.simulator.learning.state_file import read_state

SWEEP, TABLE, RUNS, ERROR = "sweep.toml", "sweep.csv", "runs", "error.txt"
MOST_RUNS = 100_000
"""Most runs of a sweep or study."""
TOLD_FAILURES = 20
"""Failures that a report lists."""
LONGEST_ERROR = 500
"""Characters that are told of what is wrong with a run."""
KEYS = ("base", "grid", "variants", "keep_state")
"""What a description may have."""


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
    quiet
        Show no progress.

    Raises
    ------
    CbramError
        If the folder holds other results, or cannot be written; or if the device, the circuits or
        the images of a run are not there. Nothing is written then.
    """

    def __init__(
        self, runs: list[PlannedRun], out: Path, description: dict[str, Any], *,
        force: bool = False, quiet: bool = False,
    ) -> None:  # fmt: skip
        self.runs, self.out = runs, out
        self.failures: list[Failure] = []
        self._force, self._quiet = force, quiet
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
        planned = {run.name: run for run in waiting}
        bar = tqdm(
            total=len(self.runs), initial=len(self.runs) - len(waiting), unit=" runs",
            disable=quiet, dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 30,
            smoothing=0,
        )  # fmt: skip
        with bar:
            for outcome in execute(self.tasks(waiting), scheduler=scheduler, workers=workers):
                self._take(outcome, planned[outcome.name])
                if self.failures:
                    bar.set_postfix_str(f"{len(self.failures)} failed", refresh=False)
                bar.update()

    def tasks(self, runs: Iterable[PlannedRun]) -> Iterator[Task]:
        """Yield the tasks that do `runs`."""
        for run in runs:
            config = run.config.resolved_paths().model_dump()
            folder = str(self.folder(run.name).resolve())
            yield Task(run.name, perform, (config, folder, run.keep_state))

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
        """Check what is in the folder and what is to be run, and make the folder this sweep's."""
        remade = False
        if (self.out / SWEEP).is_file():
            made_by = read_toml(self.out / SWEEP).get("cbramsim")
            remade = made_by != __version__
            if remade and not self._force:
                raise CbramError(
                    f"out: {printable(self.out)} holds results of cbramsim {made_by}, this is "
                    f"{__version__}; choose another folder, or use --force to do them again"
                )
        elif not (self.out / MARK).is_file() and not is_empty(self.out):
            raise CbramError(f"out: {printable(self.out)} exists and is not the folder of a sweep")
        text = tomli_w.dumps({**description, "cbramsim": __version__}).encode()
        differing = self._checked(compare=not remade)
        try:
            self._forget(self.runs if remade else differing)
            (self.out / RUNS).mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.out)
        except OSError as error:
            raise CbramError(f"out: cannot write {printable(self.out)}: {error.strerror}") from None
        write_atomically(self.out / SWEEP, lambda file: file.write(text))

    def _checked(self, *, compare: bool) -> list[PlannedRun]:
        """Refuse what no run can be made with; return what is there and was run otherwise.

        Runs of one data set follow one another, so that it is read once, and not kept.
        """
        groups: dict[tuple[Any, ...], list[PlannedRun]] = defaultdict(list)
        for run in self.runs:
            config = run.config
            groups[
                config.dataset, config.train_images, config.test_images, config.label_images,
                config.validation_images,
            ].append(run)  # fmt: skip
        differing, parts, dataset = [], _Parts(), lru_cache(maxsize=1)(load_dataset)
        with _progress("checking", len(self.runs), self._quiet) as bar:
            for _, group in sorted(groups.items(), key=lambda item: item[0][0]):
                data = None
                for run in group:
                    try:
                        parts.of(run.config)
                        data = data or train.Data(run.config, dataset(run.config.dataset))
                    except (CbramError, OSError, ValueError) as error:
                        raise _in_run(run.name, error) from None
                    if (self.folder(run.name) / LOCK).is_file():  # killed: what it left is removed
                        with suppress(CbramError), held(self.folder(run.name)):
                            pass
                    if compare and (how := self._differs(run, data, parts)):
                        if not self._force:
                            raise CbramError(
                                f"out: {printable(self.folder(run.name))} {how}; choose another "
                                f"folder, or use --force to do it again"
                            )
                        differing.append(run)
                    bar.update()
        return differing

    def _differs(self, run: PlannedRun, data: train.Data, parts: _Parts) -> str:
        """Return how the run in the folder differs from the planned one, or nothing."""
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
    """Devices and circuits that runs are made with, each looked at once."""

    KEPT = 1000
    """How many of them are remembered."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, ...], dict[str, Any]] = {}

    def of(self, config: TrainConfig) -> dict[str, Any]:
        """Return what metrics.json says about the device and the circuits of a configuration.

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
        """Return how a finished run of the same configuration was made otherwise, or nothing."""
        made_by = metrics.get("versions", {}).get("cbramsim")
        if made_by != __version__:
            return f"was run with another version ({made_by})"
        for part, table in self.of(config).items():
            if metrics.get(f"{part}_parameters") != table:
                return f"was run with another {part} of this name"
        return ""


def perform(config: dict[str, Any], folder: str, keep_state: bool) -> None:
    """Do one run in its folder, or what is left of it: the task of a sweep."""
    started, out = time.perf_counter(), Path(folder)
    if not _is_timed(out):
        (out / ERROR).unlink(missing_ok=True)
        run, before = _resumed(out) or (
            train.run(TrainConfig(**config), out, force=True, quiet=True, threads=1), 0.0
        )  # fmt: skip
        run.amend(run_seconds=before + time.perf_counter() - started)
    if not keep_state:
        (out / STATE).unlink(missing_ok=True)


def _is_timed(out: Path) -> bool:
    """Return whether all was written about a run that there is to say.

    If not, it was ended between its scoring and this, or is not finished.
    """
    path = out / METRICS
    return path.is_file() and b'"run_seconds"' in path.read_bytes()


def _resumed(out: Path) -> tuple[train.Run, float] | None:
    """Take up a run that was interrupted, if there is one and its state is whole.

    Returns it, once finished, and the seconds that it had been trained for before.
    """
    if not (out / CONFIG).is_file():
        return None
    try:
        saved = read_state(out / STATE) if (out / STATE).is_file() else {}
        return train.resume(out, quiet=True, threads=1), float(saved.get("extra_seconds", 0.0))
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
    runs = plan(table, quiet=quiet)
    out = out or Path("runs") / description.stem
    with study_folder(out, "sweep", scheduler=scheduler, workers=workers):
        sweep = Sweep(runs, out, table, force=force, quiet=quiet)
        try:
            sweep.go(scheduler=scheduler, workers=workers, quiet=quiet)
        finally:
            sweep.write_table()
    return sweep


def plan(table: dict[str, Any], *, quiet: bool = True) -> list[PlannedRun]:
    """Return the runs that a description asks for.

    Parameters
    ----------
    table
        The description.
    quiet
        Show no progress.

    Raises
    ------
    ParameterError
        If it is not of the form in the module's docstring, asks for more than `MOST_RUNS` runs, or
        a key or value is wrong.
    """
    base, keep_state = _checked_table(table)
    grid = _checked_grid(table.get("grid", {}))
    variants = _checked_variants(table.get("variants", [{}]), grid)
    count = check_count("sweep.grid", len(variants), *map(len, grid.values()))
    short = _short_names(grid)
    texts: list[str] = []
    runs: list[PlannedRun] = []
    combinations = itertools.product(variants, itertools.product(*grid.values()))
    with _progress("planning", count, quiet) as bar:
        for variant, values in combinations:
            chosen = dict(zip(grid, values, strict=True))
            name = variant.get("name", "")
            settings = ({"variant": name} if name else {}) | chosen
            parts = [name] * bool(name) + [f"{short[k]}={_text(v)}" for k, v in chosen.items()]
            text = ",".join(parts)
            changes = {key: value for key, value in variant.items() if key != "name"}
            try:
                config = configured(base, changes | chosen)
            except (CbramError, OSError, ValueError) as error:
                raise _in_run(text, error) from None
            texts.append(safe_name(text))  # not all of a long one
            runs.append(PlannedRun("", settings, config, keep_state))
            bar.update()

    configs = [run.config.model_dump_json() for run in runs]
    first: dict[str, str] = {}
    for one, text in zip(configs, texts, strict=True):
        if (other := first.setdefault(one, text)) != text:
            raise ParameterError(f"sweep: {other} and {text} are one and the same run")

    def identity(place: int) -> str:
        """Return what makes a run: values are the same if they make the same, as 1 and 1.0 do."""
        return f"{runs[place].settings.get('variant')} {configs[place]}"

    try:
        names = safe_names(texts, identity)
    except ParameterError as error:
        raise ParameterError(f"sweep: {error}") from None
    return [run._replace(name=name) for run, name in zip(runs, names, strict=True)]


def check_count(what: str, *factors: int) -> int:
    """Return the number of runs, the product of `factors`; refuse more than `MOST_RUNS`."""
    count = math.prod(factors)
    if count > MOST_RUNS:
        asked = f"{count:,}" if count < 10**15 else "10^15 or more"
        raise ParameterError(f"{what}: must make at most {MOST_RUNS:,} runs (got {asked})")
    return count


def seeds_of(experiment: str, seeds: int, cases: int = 1) -> range:
    """Return the seeds 0, 1, ... of a study; refuse numbers that are none, or too large.

    Parameters
    ----------
    experiment
        The study, for the message.
    seeds
        How many.
    cases
        What is run with each.
    """
    whole(f"{experiment}.seeds:", seeds, 1)
    check_count(f"{experiment}.seeds", seeds, cases)
    return range(seeds)


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
    told = sweep.failures[:TOLD_FAILURES]
    lines += [f"failed  {failure.name}: {failure.error}" for failure in told]
    if more := len(sweep.failures) - len(told):
        lines.append(f"failed  {more:,} more: see {ERROR} in their folders")
    lines.append(f"{len(finished)} of {len(sweep.runs)} runs in {sweep.out}, table in {TABLE}")
    return "\n".join(lines)


def _checked_table(table: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return what all runs share, and whether to keep their states."""
    unknown = [key for key in table if key not in (*KEYS, "cbramsim")]
    if unknown:
        hint = nearest(unknown[0], KEYS)
        raise ParameterError(
            f"sweep: unknown key {unknown[0]!r}; known are {', '.join(KEYS)}{hint}"
        )
    base, keep_state = table.get("base", {}), table.get("keep_state", False)
    if not isinstance(base, dict):
        raise ParameterError(f"sweep.base: must be a table (got {shown(base)})")
    if not isinstance(keep_state, bool):
        raise ParameterError(f"sweep.keep_state: must be true or false (got {shown(keep_state)})")
    return base, keep_state


def _checked_grid(grid: Any) -> dict[str, list[Any]]:
    checked = flat(grid) if isinstance(grid, dict) else {}
    if not checked:
        raise ParameterError(
            "sweep.grid: must be a table of keys with lists of values, at least one (got "
            f"{shown(grid) if grid else 'none'})"
        )
    for key, values in checked.items():
        if not isinstance(values, list) or not values:
            raise ParameterError(
                f"sweep.grid.{key}: must be a list of at least one value (got {shown(values)})"
            )
    return checked


def _checked_variants(variants: Any, grid: dict[str, list[Any]]) -> list[dict[str, Any]]:
    if not (isinstance(variants, list) and variants and all(map(_is_table, variants))):
        raise ParameterError(
            f"sweep.variants: must be a list of tables, [[variants]] (got {shown(variants)})"
        )
    checked = [flat(variant) for variant in variants]
    names = set()
    for variant in checked if variants != [{}] else ():
        name = variant.get("name")
        if not isinstance(name, str) or not name:
            raise ParameterError("sweep.variants.name: is required of every variant")
        if name in names:
            raise ParameterError(f"sweep.variants.name: {shown(name)} is there twice")
        names.add(name)
        if both := [key for key in variant if key in grid]:
            raise ParameterError(f"sweep.variants.{both[0]}: is in the grid as well")
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
    """Return a value as part of the name of a run."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _in_run(name: str, error: Exception) -> CbramError:
    """Return an error that tells which run cannot be made."""
    kind = type(error) if isinstance(error, CbramError) else ParameterError
    text = str(error)
    return kind(
        f"the run {shown(name)}: {text[:LONGEST_ERROR]}{'...' * (len(text) > LONGEST_ERROR)}"
    )


def _progress(what: str, count: int, quiet: bool) -> Any:
    """Return a bar for what is done before the first run; it shows only if that takes long."""
    return tqdm(
        total=count, desc=f"{what} runs", unit=" runs", delay=1.0, leave=False, disable=quiet,
        dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 10,
    )  # fmt: skip
