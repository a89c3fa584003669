"""The numbers of README: what this version finds, each by a run of its own, three seeds of each.

`cbram reproduce readme` writes readme.json: the version, the table as README shows it, and each
number. The published ones are those of Shi et al. 2018, see `shi2018`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbramsim import __version__
from cbramsim.core.units import in_prefixed
from cbramsim.experiments import run_folder
from cbramsim.experiments.reproduce import shi2018
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study import jobs
from cbramsim.experiments.study.cases import seeds_of
from cbramsim.experiments.study.findings import Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.jobs import Job
from cbramsim.experiments.study.runner import HERE, Where
from cbramsim.experiments.study.table import markdown, mean_and_spread
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.mapping import MappingConfig, map_network

NUMBERS = "readme.json"
HEADS = ("in an array of subquantum CBRAM cells", "test accuracy", "energy", "published")
SEEDS = 3


class Row(NamedTuple):
    """A row of README's table."""

    name: str
    """Name of its job."""
    what: str
    """Text of the row."""
    function: str
    """Function that does the work of the row."""
    settings: dict[str, Any]
    """Arguments, except the seed and the number of images."""
    published: str
    """Published value."""


LEARN, MAP = f"{__name__}:learn", f"{__name__}:mapped"
ROWS = (
    Row("unpruned", "learns MNIST without labels, 500 neurons, not pruned", LEARN,
        {"pruning": {"kind": "none"}}, "about 94 %"),
    Row("soft-75", "75 % of the weights soft-pruned while it learns (the default)", LEARN,
        {"pruning": {"kind": "soft", "fraction": 0.75}}, "93 %"),
    Row("hard-40", "40 % pruned conventionally: the lowest, removed", LEARN,
        {"pruning": {"kind": "hard", "fraction": 0.4}}, "below 90 %"),
    Row("lenet", "LeNet trained in software, written into arrays", MAP,
        {"model": "mnist-lenet"}, "-"),
)  # fmt: skip


def run(out: Path, *, seeds: int = SEEDS, quick: bool = False, at: Where = HERE) -> Findings:
    """Measure the numbers of README, and write them into a folder; arguments as for `reproduce`."""
    images = 500 if quick else 60_000
    planned = [
        Job(row.name, seed, row.function, {**row.settings, "seed": seed, "images": images})
        for row in ROWS
        for seed in seeds_of("reproduce", seeds)
    ]
    with study_folder(out, "reproduce", at):
        done = jobs.carry_out(planned, out, at)
        table = table_of(done.records)
        found = {"version": __version__, "seeds": seeds, "table": table, "numbers": done.records}
        run_folder.write_json(out / NUMBERS, found)
        findings = Findings(
            out, table, {"claims": [], "quick": quick}, {}, done.failures,
            title="What README says", closing=f"written to {out / NUMBERS}",
        )  # fmt: skip
        findings.write({})
    return findings


def table_of(records: dict[str, list[dict[str, Any]]]) -> str:
    """Return README's table, by the name of each row what its runs found."""
    rows = []
    for row in ROWS:
        runs = records.get(row.name, [])
        if not runs:
            rows.append([row.what, "-", "-", row.published])
            continue
        found = np.array([each["accuracy"] for each in runs])
        accuracy = in_percent(float(found.mean()), mean_and_spread(found)[1])
        joules = float(np.mean([each["joules"] for each in runs]))
        per = "an image" if row.function == MAP else "to learn 60,000 images, 3 times"
        rows.append([row.what, accuracy, f"{in_prefixed(joules, 'J')} {per}", row.published])
    return markdown(HEADS, rows)


def learn(pruning: dict[str, Any], seed: int, images: int) -> dict[str, Any]:
    """Learn MNIST as the default job does; return accuracy, and the energy of learning."""
    found = shi2018.learn(pruning, seed, images)
    return {"accuracy": found["value"], "joules": found["train_joules"], "pruned": found["pruned"]}


def mapped(model: str, seed: int, images: int) -> dict[str, Any]:
    """Map a network that comes along; return accuracy, and the energy of one test image."""
    data = load_dataset("mnist")
    tested = min(images, len(data.test_images))
    network = map_network(model, data.train_images, MappingConfig(seed=seed))
    test, labels = data.test_images[:tested], data.test_labels[:tested]
    return {
        "accuracy": network.score(test, labels),
        "joules": network.ledger.total("test") / tested,
        "software": network.network.score(test, labels),
    }
