"""Plan of a study: cases, each with every seed, as runs with names and configurations."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tqdm import tqdm

from cbramsim.core.arguments import whole
from cbramsim.core.errors import CbramError, ParameterError, shown
from cbramsim.core.toml_files import flat, nested
from cbramsim.experiments.study.names import safe_names
from cbramsim.experiments.train.config import TrainConfig

MOST_RUNS = 100_000
"""Most runs of a study."""
LONGEST_ERROR = 500
"""Most characters of the error of a run."""


class Case(NamedTuple):
    """A case to run with every seed."""

    name: str
    """Name, unique in its study."""
    changes: dict[str, Any]
    """Changes of the configuration, by dotted key."""
    facts: dict[str, Any]
    """Columns to write in the table beside the result."""


class PlannedRun(NamedTuple):
    """One run of a study."""

    name: str
    """Name of its folder."""
    settings: dict[str, Any]
    """Settings that distinguish it from the other runs: dotted key -> value, and `variant` if there
    are any."""
    config: TrainConfig
    """Configuration of the run."""
    keep_state: bool = False
    """Whether to keep state.npz once it is finished."""


def planned(
    base: dict[str, Any],
    cases: Iterable[Case],
    seeds: Iterable[int],
    keeps: Callable[[str, int], bool] = lambda case, seed: False,
) -> list[PlannedRun]:
    """Return one run of each case for each seed, on the nested configuration `base`.

    `keeps` returns, for the name of a case and a seed, whether the state of this run is kept.
    Raises `ParameterError` if a key or value is wrong, or two cases have the same name.
    """
    cases = list(cases)
    pairs = [(case, seed) for seed in seeds for case in cases]
    names = safe_names([f"{case.name},seed={seed}" for case, seed in pairs])
    return [
        PlannedRun(
            name,
            {"case": case.name, **case.facts, "seed": seed},
            configured(base, {**case.changes, "seed": seed}),
            keeps(case.name, seed),
        )
        for name, (case, seed) in zip(names, pairs, strict=True)
    ]


def configured(base: dict[str, Any], changes: dict[str, Any]) -> TrainConfig:
    """Return the configuration `base`, with the dotted keys in `changes` changed."""
    return TrainConfig(**nested(flat(base) | flat(changes)))


def check_base(experiment: str, base: dict[str, Any], *varied: str) -> None:
    """Refuse keys that a study itself varies."""
    for key in varied:
        if key in base:
            raise ParameterError(f"{experiment}: {key} is what the study varies")


def check_count(what: str, *factors: int) -> int:
    """Return the number of runs, the product of `factors`; refuse more than `MOST_RUNS`."""
    count = math.prod(factors)
    if count > MOST_RUNS:
        asked = f"{count:,}" if count < 10**15 else "10^15 or more"
        raise ParameterError(f"{what}: must make at most {MOST_RUNS:,} runs (got {asked})")
    return count


def seeds_of(experiment: str, seeds: int, cases: int = 1) -> range:
    """Return the seeds 0, 1, ... of an experiment; refuse invalid numbers.

    Too many runs of cases with these seeds are refused as well.
    """
    whole(f"{experiment}.seeds:", seeds, 1)
    check_count(f"{experiment}.seeds", seeds, cases)
    return range(seeds)


def in_run(name: str, error: Exception) -> CbramError:
    """Return an error that names the run that cannot be made."""
    kind = type(error) if isinstance(error, CbramError) else ParameterError
    text = str(error)
    return kind(
        f"the run {shown(name)}: {text[:LONGEST_ERROR]}{'...' * (len(text) > LONGEST_ERROR)}"
    )


def progress(what: str, count: int, quiet: bool) -> Any:
    """Return a progress bar for the work before the first run; it appears only if that takes
    long."""
    return tqdm(
        total=count, desc=f"{what} runs", unit=" runs", delay=1.0, leave=False, disable=quiet,
        dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 10,
    )  # fmt: skip
