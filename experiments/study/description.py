"""Descriptions of studies: any grid over any keys of config.toml.

As a TOML file::

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
"""

from __future__ import annotations

import itertools
from typing import Any

from cbramsim.core.errors import CbramError, ParameterError, nearest, shown
from cbramsim.core.toml_files import flat
from cbramsim.experiments.study.cases import (
    PlannedRun,
    check_count,
    configured,
    in_run,
    progress,
)
from cbramsim.experiments.study.names import safe_name, safe_names

KEYS = ("base", "grid", "variants", "keep_state")
"""Keys that a description may have."""


def plan(table: dict[str, Any], *, quiet: bool = True) -> list[PlannedRun]:
    """Return the runs of a description.

    Raises `ParameterError` if it is not of the form in the module's docstring, asks for more than
    `MOST_RUNS` runs, or a key or value is wrong.
    """
    base, keep_state = _checked_table(table)
    grid = _checked_grid(table.get("grid", {}))
    variants = _checked_variants(table.get("variants", [{}]), grid)
    count = check_count("sweep.grid", len(variants), *map(len, grid.values()))
    short = _short_names(grid)
    texts: list[str] = []
    runs: list[PlannedRun] = []
    combinations = itertools.product(variants, itertools.product(*grid.values()))
    with progress("planning", count, quiet) as bar:
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
                raise in_run(text, error) from None
            texts.append(safe_name(text))  # not all of a long one
            runs.append(PlannedRun("", settings, config, keep_state))
            bar.update()

    configs = [run.config.model_dump_json() for run in runs]
    first: dict[str, str] = {}
    for one, text in zip(configs, texts, strict=True):
        if (other := first.setdefault(one, text)) != text:
            raise ParameterError(f"sweep: {other} and {text} are one and the same run")

    def identity(place: int) -> str:
        """Return the identity of a run: values are the same if they give the same run, as 1 and 1.0
        do."""
        return f"{runs[place].settings.get('variant')} {configs[place]}"

    try:
        names = safe_names(texts, identity)
    except ParameterError as error:
        raise ParameterError(f"sweep: {error}") from None
    return [run._replace(name=name) for run, name in zip(runs, names, strict=True)]


def _checked_table(table: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the base that all runs share, and whether to keep their states."""
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
