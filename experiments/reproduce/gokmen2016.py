"""Gokmen and Vlasov, Frontiers in Neuroscience 10, 333 (2016): resistive processing units.

Values from the paper, as recalled and from the example of aihwkit that follows it: 784-256-128-10,
logistic hidden units, softmax outputs, one image at a time, rates 0.01, 0.005 and 0.0025 for ten
epochs each; a test error of 2.0 % in floating point, and at most 2.3 % for cells that meet the
specification: 1,250 constant steps, 30 % spread of steps and bounds, 1 % asymmetry.

Not stated there: the seeds, and how weights begin.

Deviations: four epochs at each rate instead of ten, to save time. No biases.
Pulses have the right number on average, and their trains are not drawn one by one; reads have
neither noise nor converters beyond the cells' own; the pulses of a change come from values of 8
bits. The control is the same with steps that neither differ nor end.
"""

from __future__ import annotations

from typing import Any

from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.study.jobs import Job
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.supervised import CrossbarPerceptron, PerceptronConfig

PAPER = "Gokmen and Vlasov 2016: a perceptron on resistive processing units"
SOURCE = "Gokmen and Vlasov 2016, recalled; aihwkit, example 3"
BOUND = 0.6
"""Largest weight, to which the window of a cell belongs."""
RATES, EPOCHS = (0.01, 0.005, 0.0025), 4
ROWS = (
    Published("specification", "cells of the specification", 0.977, SOURCE, 0.005, about=True,
              evidence="recalled", settings={"exact": False}),
    Published("control", "the same without any spread", 0.98, SOURCE, 0.005, about=True,
              evidence="recalled", settings={"exact": True}),
)  # fmt: skip


def job(row: Published, seed: int, quick: bool) -> Job:
    """Return what is done for a row."""
    settings = dict(row.settings) | {"seed": seed, "images": 600 if quick else 60_000}
    return Job(row.name, seed, f"{__name__}:learn", settings)


def learn(exact: bool, seed: int, images: int) -> dict[str, Any]:
    """Learn MNIST; return the accuracy on the test images, and the energy of the arrays."""
    data = load_dataset("mnist")
    model = CrossbarPerceptron(recipe(exact, seed))
    for rate in RATES:
        model.config = model.config.replace(rates=(rate / BOUND**2,))
        for epoch in range(EPOCHS):
            order = generator(seed, "order of images", RATES.index(rate), epoch).permutation(images)
            model.partial_fit(data.train_images[order], data.train_labels[order], classes=range(10))
    account = model.ledger.account("train")
    return {
        "value": model.score(data.test_images[:images], data.test_labels[:images]),
        "train_joules": float(account.joules.sum()),
    }


def recipe(exact: bool, seed: int) -> PerceptronConfig:
    """Return the perceptron of the paper, in cells of the specification or without spread."""
    device = Device.load("rpu-spec")
    cell = device.differing(device.without_variability()) if exact else {}
    return PerceptronConfig(
        hidden=(256, 128), device="rpu-spec", cell=cell, gain=BOUND, rates=(RATES[0] / BOUND**2,),
        loss="cross-entropy", update="stochastic", initial_weight=0.3, seed=seed,
    )  # fmt: skip
