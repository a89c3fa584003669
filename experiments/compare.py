"""`cbram compare`: mean and spread over seeds of finished runs, side by side."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from cbramsim.core.errors import DataError
from cbramsim.core.files import printable
from cbramsim.core.toml_files import flat, read_toml
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.results import in_percent, quantities, read_metrics
from cbramsim.experiments.run_folder import CONFIG, METRICS
from cbramsim.experiments.study.html_values import is_points, quantity
from cbramsim.experiments.study.table import markdown, mean_and_spread
from cbramsim.simulator.learning.old_words import in_todays_words

TOLD = ("accuracy", "accuracy_majority", "pruned_fraction", "train_joules", "write_pulses")
"""Quantities of the table."""


def run(folders: list[Path]) -> list[dict[str, Any]]:
    """Group runs that differ in nothing but the seed, and return a summary of each group.

    It has `settings` (the keys in which the groups differ), `seeds`, and for each of the
    `quantities` mean and standard deviation over seeds. Raises `DataError` if a folder holds no
    finished run.
    """
    groups: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = defaultdict(list)
    for folder in folders:
        config, metrics = _read(folder)
        settings = {k: v for k, v in config.items() if k != "seed"}
        key = json.dumps(settings, sort_keys=True, default=str)
        if config["seed"] in (other["seed"] for other, _ in groups[key]):
            raise DataError(f"{printable(folder)}: seed {config['seed']} is there twice")
        groups[key].append((config, metrics))
    differing = _differing([runs[0][0] for runs in groups.values()])
    return [
        {
            "settings": {key: runs[0][0].get(key) for key in differing},
            "seeds": sorted(config["seed"] for config, _ in runs),
            **_statistics([quantities(metrics) for _, metrics in runs]),
        }
        for runs in groups.values()
    ]


def table(summaries: list[dict[str, Any]]) -> str:
    """Return the summaries as a Markdown table, with standard deviations over seeds."""
    keys = list(summaries[0]["settings"])
    heads = [*keys, "seeds", "accuracy", "majority vote", "pruned", "training energy", "pulses"]
    return markdown(heads, map(_cells, summaries))


def _statistics(runs: list[dict[str, float]]) -> dict[str, Any]:
    return {name: mean_and_spread(np.array([run[name] for run in runs])) for name in runs[0]}


def _cells(summary: dict[str, Any]) -> list[str]:
    mean, spread = summary["train_joules"]
    return [
        *(_setting(key, value) for key, value in summary["settings"].items()),
        str(len(summary["seeds"])),
        *(in_percent(*summary[name]) for name in ("accuracy", "accuracy_majority")),
        f"{summary['pruned_fraction'][0]:.1%}",
        in_prefixed(mean, "J") + ("" if spread is None else f" ± {spread / mean:.1%}"),
        f"{summary['write_pulses'][0] / 1e6:.1f} million",
    ]


def _setting(key: str, value: Any) -> str:
    """Return the text of a setting; of a table of a device, its size and ends."""
    return quantity(value) if key.startswith("device.") and is_points(value) else str(value)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the flattened config and the metrics of a run."""
    name, metrics = printable(folder), read_metrics(folder)
    table = flat(in_todays_words(read_toml(folder / CONFIG)))
    config = {key: value for key, value in table.items() if value != {}}
    try:
        for key in ("epochs", "neurons", "seed"):
            if config[key] != metrics[key]:
                raise DataError(
                    f"{name}: {METRICS} is of {key} = {metrics[key]!r}, {CONFIG} of "
                    f"{config[key]!r}; go on with: cbram train --resume --out {shlex.quote(name)}"
                )
        config["scored on"] = metrics["scored_on"]
        for part in ("device", "periphery"):
            table = metrics[f"{part}_parameters"]
            config |= {f"{part}.{k}": v["value"] for k, v in table.items() if isinstance(v, dict)}
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{name}: {METRICS} or {CONFIG} is not of a run ({error!r})") from None
    return config, metrics


def _differing(configs: list[dict[str, Any]]) -> list[str]:
    """Return the keys, other than the seed, in which configs differ."""
    keys = dict.fromkeys(key for config in configs for key in config if key != "seed")
    return [key for key in keys if len({str(config.get(key)) for config in configs}) > 1]
