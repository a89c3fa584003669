"""Li et al., Nature Communications 9, 2385 (2018): 64-54-10 in a 128 x 64 HfO2 1T1R array.

Values from the abstract and the introduction: a two-layer network in a 128 x 64 array learns MNIST
in situ from 80,000 samples with an online algorithm, and then classifies 91.71 % of 10,000 test
images, with 11 % of the cells unresponsive to programming pulses. From a third party: 8 x 8 pixels,
54 hidden units.

Not stated there: how far a conductance is from where it is written, and whether that is noise of
each update; learning rate, batch, and outputs; how images are made smaller; in which state the
unresponsive cells are. Only what is named above could be read.

Deviations: images are 24 x 24 pixels in the middle, in means of 3 x 3; samples are drawn from the
60,000 training images with replacement. Weights are pairs of cells (64 inputs, 128 rows). A cell is
moved by pulses of equal steps, without noise, where the paper sets it by the voltage of its
transistor: what is judged is whether the published number is reached. Softmax outputs, logistic
hidden units, inputs as voltages. Unresponsive cells are at their lowest conductance. `gain` and
rates were chosen on 10,000 training images that were held back. Beside it: no cell unresponsive;
and a measured HfO2 cell (`hfo2-gong`, another one) with its noise, image by image and in batches
of 50 with Adam, which has fewer pulses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.supervised import CrossbarPerceptron

PAPER = "Li et al. 2018: in situ learning in a 128 x 64 memristor array"
SAMPLES = 80_000
UNRESPONSIVE = 0.11
ABSTRACT = "abstract"
GAIN, RATE = 2.0, 0.05
LINEAR: dict[str, Any] = {"device": "ideal", "rates": (RATE,)}
MEASURED: dict[str, Any] = {"device": "hfo2-gong", "rates": (0.003,)}
BATCHES: dict[str, Any] = MEASURED | {
    "batch": 50, "optimizer": {"kind": "adam"}, "rates": (0.01,)
}  # fmt: skip


def _row(
    name: str, what: str, part: float, config: dict[str, Any], near: float | None
) -> Published:
    settings = {"unresponsive": part, "config": config}
    return Published(
        name, what, 0.9171, ABSTRACT, near, at_least=near is not None, settings=settings
    )


ROWS = (
    _row("linear", "linear cells, 11 % unresponsive", UNRESPONSIVE, LINEAR, 0.015),
    _row("all-good", "linear cells, all good", 0.0, LINEAR, None),
    _row("measured", "hfo2-gong, 11 % unresponsive", UNRESPONSIVE, MEASURED, None),
    _row("measured-adam", "hfo2-gong, Adam in batches of 50", UNRESPONSIVE, BATCHES, None),
)


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed, "samples": 2000 if quick else SAMPLES}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(unresponsive: float, config: dict[str, Any], seed: int, samples: int) -> dict[str, Any]:
    """Learn MNIST online; return the accuracy on the test images."""
    data = load_dataset("mnist")
    model = CrossbarPerceptron(
        hidden=(54,), cell={"stuck_low": unresponsive}, synapse={"pair": True},
        encoding="amplitude", loss="cross-entropy", gain=GAIN, seed=seed, **config,
    )  # fmt: skip
    order = np.random.default_rng(seed).integers(len(data.train_images), size=samples)
    images = small(data.train_images)
    model.partial_fit(images[order], data.train_labels[order], classes=range(10))
    return {
        "value": model.score(small(data.test_images), data.test_labels),
        "train_joules": model.ledger.totals()["train"],
    }


def small(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images as 8 x 8 means of 3 x 3 pixels, uint8[n, 8, 8]."""
    means = images[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4))
    return np.rint(means).astype(np.uint8)
