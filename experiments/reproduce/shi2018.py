"""Shi et al., Nature Communications 9, 5312 (2018): soft pruning in a subquantum CBRAM array.

Values from the paper: 93 % on MNIST with up to 75 % of the weights soft-pruned while learning,
against below 90 % with only 40 % pruned conventionally; about 94 % unpruned. 397 inputs, 500
neurons.

Not stated there: all parameters of the cell as this simulator needs them, the constants of the
rule, the number of images, which vote names the class, and how maturity is judged.

Deviations: the default job of this package, whose constants were chosen on a validation split;
class-profile vote. Its soft pruning is in two stages, and holds weights at a neuron's mean. The
conventional kind removes a neuron's lowest weights while it learns.
"""

from __future__ import annotations

from typing import Any

from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.pruning import Pruning

PAPER = "Shi et al. 2018: soft pruning in subquantum CBRAM"
ROWS = (
    Published("unpruned", "not pruned", 0.94, "main text", 0.01, at_least=True, about=True,
              settings={"kind": "none"}),
    Published("soft-75", "75 % soft-pruned", 0.93, "main text", 0.01, at_least=True,
              settings={"kind": "soft", "fraction": 0.75}),
    Published("hard-40", "40 % pruned conventionally (below)", 0.90, "main text", 0.0,
              at_most=True, settings={"kind": "hard", "fraction": 0.4},
              note="which weights are removed is not stated: the least salient would cost nothing"),
)  # fmt: skip


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = {"pruning": dict(row.settings), "seed": seed, "images": 500 if quick else 60_000}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(pruning: dict[str, Any], seed: int, images: int) -> dict[str, Any]:
    """Learn MNIST as the default job does; return the accuracy on the test images."""
    config = TrainConfig(pruning=Pruning(**pruning), seed=seed)
    data = load_dataset(config.dataset)
    network = SpikingNetwork(config.network())
    network.fit(data.train_images[:images], epochs=config.epochs)
    network.label(data.train_images[:images], data.train_labels[:images])
    tested = min(images, len(data.test_images))
    return {
        "value": network.score(data.test_images[:tested], data.test_labels[:tested]),
        "pruned": network.pruner.fraction,
        "train_joules": network.ledger.totals()["train"],
    }
