"""Multilayer perceptrons trained by backpropagation: their accuracy and counts."""

from __future__ import annotations

from typing import Any

from cbramsim.experiments.ladder.arrays import Split, points, split
from cbramsim.simulator.comparison.mlp import LotteryTicket, Mlp, MlpConfig, Progress, find_ticket
from cbramsim.simulator.comparison.mlp.counting import Tally
from cbramsim.simulator.comparison.mlp.network import Counts

POINTS, FIRST_POINT = 24, 500
"""Number of points of a learning curve, and images of the first."""


def run(config: dict[str, Any], learned: int, watched: int, tested: int | None) -> dict[str, Any]:
    """Train, watching the accuracy on the way, and score once on the test set.

    `config` are fields of `MlpConfig`; numbers of images as in `arrays.split`.
    """
    data, settings = split(learned, watched, tested), MlpConfig(**config)
    network, curve = Mlp(settings), []

    def look(progress: Progress) -> None:
        accuracy = network.score(*data.watched)
        curve.append({"images": progress.images, "accuracy": accuracy})

    presented = settings.epochs * (learned // settings.batch) * settings.batch
    marks = [n for n in points(presented, POINTS, FIRST_POINT) if n >= settings.batch]
    network.fit(data.images, data.labels, callback=look, marks=marks)
    return {
        "accuracy": network.score(*data.test),
        "curve": curve,
        "training": counted(network.counts.training),
        "inference": one_image(network, data),
        "learned": learned,
        "tested": len(data.test.images),
        "config": settings.model_dump(),
    }


def ticket(
    config: dict[str, Any], rounds: int, learned: int, watched: int, tested: int | None
) -> dict[str, Any]:
    """Find a lottery ticket, judged on watched images, and score its last round once.

    It is trained in `rounds`, between which a fifth of the weights is removed. `config` are fields
    of `MlpConfig`, of every round; numbers of images as in `arrays.split`.
    """
    data, settings = split(learned, watched, tested), MlpConfig(**config)
    found = find_ticket(
        settings, LotteryTicket(rounds=rounds), data.images, data.labels, *data.watched
    )
    return {
        "accuracy": found.network.score(*data.test),
        "rounds": [
            {"surviving": one.surviving, "accuracy": one.accuracy,
             "training": counted(one.training)}
            for one in found.rounds
        ],
        "inference": one_image(found.network, data),
        "learned": learned,
        "tested": len(data.test.images),
        "config": settings.model_dump(),
    }  # fmt: skip


def one_image(network: Mlp, data: Split) -> dict[str, Any]:
    """Return the counts of recognising one image alone, without sharing the transfer of weights."""
    before = network.counts
    network.counts = Counts(before.training, Tally(network.config.layers.depth))
    network.predict(data.test.images[:1])
    alone, network.counts = network.counts.inference, before
    return counted(alone)


def counted(tally: Tally) -> dict[str, Any]:
    """Return the counts of each layer, without pruned weights, as plain values."""
    depth = tally.macs.shape[1]
    return {
        "images": tally.images,
        "steps": tally.steps,
        "layers": [vars(tally.counts(layer, skipping=True)) for layer in range(depth)],
    }
