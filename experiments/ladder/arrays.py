"""Learning in an array: its costs, and its accuracy while learning and at the end."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.toml_files import nested
from cbramsim.experiments.ladder.plan import NAMED
from cbramsim.simulator.comparison.array_bill import network_bill
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.several.reuse import Labelled, accuracy_on, learning_curve

POINTS = 10
"""Points of an array's learning curve."""
FIRST_POINT = 1_500
"""Images of the first point."""


class Split(NamedTuple):
    """Images of the ladder."""

    images: NDArray[np.uint8]
    """Images to learn."""
    labels: NDArray[np.uint8]
    """Labels of those, to name neurons."""
    watched: Labelled
    """Other training images, on which learning is watched."""
    test: Labelled
    """Images for the final score."""


def split(learned: int, watched: int, tested: int | None) -> Split:
    """Return the bundled MNIST as the ladder splits it: the last training images are watched.

    Raises
    ------
    ParameterError
        If there are not enough images.
    """
    data = load_dataset()
    available = len(data.train_images)
    if learned + watched > available:
        raise ParameterError(
            f"ladder.learned: must be at most {available - watched}, with {watched} watched "
            f"(got {learned})"
        )
    return Split(
        data.train_images[:learned],
        data.train_labels[:learned],
        Labelled(data.train_images[-watched:], data.train_labels[-watched:]),
        Labelled(data.test_images[:tested], data.test_labels[:tested]),
    )


def points(presented: int, count: int = POINTS, first: int = FIRST_POINT) -> list[int]:
    """Return the numbers of images at which to measure: evenly in the logarithm, the last at the
    end."""
    return sorted({int(n) for n in np.geomspace(min(first, presented), presented, count)})


def run(
    network: dict[str, Any], learned: int, watched: int, tested: int | None, epochs: int
) -> dict[str, Any]:
    """Learn in an array for some epochs, and score once on the test set.

    `network` are dotted keys of `NetworkConfig`; numbers of images as in `split`.
    """
    data = split(learned, watched, tested)
    spiking = SpikingNetwork(NetworkConfig(**nested(network)))
    spiking.threads = 1
    named = Labelled(data.images[:NAMED], data.labels[:NAMED])
    curve = learning_curve(
        spiking, data.images, named, data.watched, points(epochs * learned), epochs=epochs
    )
    accuracy = accuracy_on(spiking.label(data.images, data.labels), data.test)
    return {
        "accuracy": accuracy,
        "presented": spiking.images_seen,
        "tested": len(data.test.images),
        "device": spiking.device.name,
        "curve": [point._asdict() for point in curve],
        "training": (network_bill(spiking, "train") + network_bill(spiking, "label")).to_dict(),
        "inference": (network_bill(spiking, "test") * (1 / len(data.test.images))).to_dict(),
        "ledger": spiking.ledger.to_dict(),
        "pruned": spiking.pruner.fraction,
        "windows": spiking.config.encoding.windows,
        "window": spiking.config.encoding.window,
        "shape": list(spiking.crossbar.shape),
    }
