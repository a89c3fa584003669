"""Arrays that continue the training of another one, and arrays that learn together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cbramsim.core.toml_files import nested
from cbramsim.experiments.ladder.arrays import points, split
from cbramsim.experiments.ladder.plan import NAMED
from cbramsim.simulator.comparison.array_bill import array_bill
from cbramsim.simulator.energy.bill import Bill
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.images.second_datasets import second_dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.several.federation import Federated, Federation, federate
from cbramsim.simulator.several.reuse import (
    Labelled,
    Point,
    accuracy_on,
    learning_curve,
    warm_start,
)


def second_task(
    network: dict[str, Any],
    second: str,
    images: int | None,
    watched: int,
    pretrain_epochs: int,
    epochs: int,
) -> dict[str, Any]:
    """Learn a second data set in an array that knows a first one, and in a new one.

    `network` are dotted keys of `NetworkConfig`, `second` as in `second_dataset`. The first
    `images` of each data set are used, all by default; learning is watched on the last `watched` of
    them. The first is learned for `pretrain_epochs`, the second for `epochs`.
    """
    pair = second_dataset(second, load_dataset())
    config = NetworkConfig(**nested(network))
    first = pair.first.train_images[:images]
    old = SpikingNetwork(config)
    old.threads = 1
    old.fit(first, epochs=pretrain_epochs)
    new_images, labels, *_ = (part[:images] for part in pair.second)
    learned = len(new_images) - watched
    named = Labelled(new_images[:learned][:NAMED], labels[:learned][:NAMED])
    judged = Labelled(new_images[learned:], labels[learned:])
    curves = {}
    for start in ("warm", "cold"):
        learner = (
            warm_start(old, new_images[:learned]) if start == "warm" else SpikingNetwork(config)
        )
        learner.threads = 1
        curve = learning_curve(
            learner, new_images[:learned], named, judged, [0, *points(epochs * learned)],
            epochs=epochs,
        )  # fmt: skip
        curves[start] = [point._asdict() for point in curve]
    return {
        "second": second, "pretrain_joules": old.ledger.total("train"),
        "pretrain_images": old.images_seen, "curves": curves,
    }  # fmt: skip


def curve_of(record: Mapping[str, Any], start: str) -> list[Point]:
    """Return the learning curve of a `warm` or a `cold` start, naming included."""
    return with_naming(record["curves"][start])


def with_naming(curve: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Return a recorded learning curve; energy includes naming the neurons at that point.

    Recognition needs the names, and after a change of task neurons need new ones.
    """
    points = [Point(**point) for point in curve]
    return [point._replace(joules=point.joules + point.naming_joules) for point in points]


def together(
    network: dict[str, Any], join: dict[str, Any], learned: int, watched: int, tested: int | None
) -> dict[str, Any]:
    """Let several arrays learn shards of the images, join them, name the neurons, and score once.

    `network` are dotted keys of `NetworkConfig` of each array, `join` fields of `Federation`;
    numbers of images as in `arrays.split`. None is watched, so that all rungs learn the same.
    """
    data = split(learned, watched, tested)
    found = federate(data.images, Federation(**join), NetworkConfig(**nested(network)))
    joint = found.joint
    joint.layers[0].ledger = EnergyLedger()
    accuracy = accuracy_on(joint.label(data.images, data.labels), data.test)
    return {
        "accuracy": accuracy,
        "tested": len(data.test.images),
        "join": join,
        "neurons": joint.config.neurons,
        "training": training_bill(found, classes=int(np.max(data.labels)) + 1).to_dict(),
        "inference": (
            array_bill(joint.crossbar, joint.ledger.account("test")) * (1 / len(data.test.images))
        ).to_dict(),
        "bytes": found.bytes_sent,
    }


def training_bill(found: Federated, classes: int) -> Bill:
    """Return the bill of all arrays, joining, naming and communication."""
    bill = found.communication(classes=classes)
    for phase in ("train", "join"):
        bill = bill + array_bill(found.clients[0].crossbar, found.ledger.account(phase))
    return bill + array_bill(found.joint.crossbar, found.joint.ledger.account("label"))
