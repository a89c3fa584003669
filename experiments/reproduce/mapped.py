"""Perceptrons trained in software and mapped onto crossbars with lines that have resistance.

Values from a table of perceptrons in memristive hardware (Nature Communications 2024, Table 5, by
its own count): a single layer trained elsewhere and solved in SPICE, 91 %; a perceptron with
hidden units likewise, 96 %; 14x14-20-10, 92 % simulated (82.3 % measured on the chip).

Not stated there: the cells and their spread, the resistance of the lines, the size of the arrays,
how weights are written, converters, and how the networks were trained.

Deviations: 784-10 and 784-100-10 as they come with this package, 14x14-20-10 trained here in FP32
on the means of 2 x 2 pixels. Cells are subquantum-cbram in pairs, written by pulses until each
reads as it should; arrays of at most 128 x 128 cells with exact lines of 2 Ohm a segment; inputs
bit by bit, 8-bit converters. All of that is assumed, so these rows test the way, not the chip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.comparison.mlp import Mlp
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.mapping import MappingConfig, TrainedNetwork, map_network

PAPER = "Perceptrons trained in software, in crossbars with resistive lines"
SOURCE = "Nature Communications 2024, Table 5"
SMALL = (196, 20, 10)
ROWS = (
    Published("single-layer", "single layer, 784-10", 0.91, SOURCE, 0.02,
              settings={"model": "mnist-slp"}),
    Published("perceptron", "perceptron, 784-100-10", 0.96, SOURCE, 0.02, at_least=True,
              settings={"model": "mnist-mlp"}),
    Published("small", "perceptron, 14x14-20-10", 0.92, SOURCE, 0.02, at_least=True,
              settings={"model": ""}),
)  # fmt: skip


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed, "images": 500 if quick else 10_000}
    return Job(row.name, seed, f"{__name__}:measure", settings)


def measure(model: str, seed: int, images: int) -> dict[str, Any]:
    """Map a network; return the accuracy on the test images in the arrays, and in software."""
    data = load_dataset("mnist")
    train, test = data.train_images, data.test_images[:images]
    if not model:
        train, test = halved(train), halved(test)
    network: Any = model or trained(train, data.train_labels, seed, epochs=8 if images > 500 else 1)
    mapped = map_network(network, train, MappingConfig(wires=True, seed=seed))
    labels = data.test_labels[:images]
    return {
        "value": mapped.score(test, labels),
        "software": mapped.network.score(test, labels),
        "image_joules": mapped.ledger.total("test") / len(test),
        "write_joules": mapped.ledger.total("program"),
    }


def trained(
    images: NDArray[np.uint8], labels: NDArray[Any], seed: int, epochs: int
) -> TrainedNetwork:
    """Return 14x14-20-10, trained in FP32."""
    mlp = Mlp(layers=SMALL, epochs=epochs, seed=seed, shift=0, label_smoothing=0.0)
    mlp.fit(images, labels)
    return TrainedNetwork.from_arrays(
        [layer.weights for layer in mlp.layers], [layer.bias for layer in mlp.layers]
    )


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of 2 x 2 pixels, uint8[n, 14, 14]."""
    blocks = images.reshape(len(images), 14, 2, 14, 2).mean(axis=(2, 4))
    return np.floor(blocks + 0.5).astype(np.uint8)
