"""Common parts of the entries of networks with time: a memristor by its pulse law, and learning
MNIST.

The memristor of Querlioz et al. steps by :math:`a_+ e^{-b_+ x}` at a set pulse and by
:math:`a_- e^{-b_- (1 - x)}` at a reset pulse, with x its position in its window. This is the law
`table` of `Device`, here at 65 points: exact to 3e-4 of a step for b = 3.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbramsim.devices.device import Device
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.timed import TimedConfig, TimedNetwork

BASE = "subquantum-cbram"
"""Device from which all but the window, the law and the spreads is taken: energies have little
meaning"""
POINTS = 65


def memristor(
    rise: float, fall: float, b_rise: float = 3.0, b_fall: float = 0.0, lowest: float = 1e-4
) -> dict[str, Any]:
    """Return the changes that make `BASE` a memristor without spreads, in parts of its window.

    Parameters
    ----------
    rise, fall
        a+ and a-: largest steps of a set and of a reset pulse.
    b_rise, b_fall
        b+ and b-.
    lowest
        Lowest conductance over the highest.
    """
    known = Device.load(BASE)
    changes = known.differing(known.without_variability())
    depth = np.linspace(0, 1, POINTS)
    return changes | {
        "g_min": lowest * known.g_max,
        "law": "table", "nonlinearity_up": 0.0, "nonlinearity_down": 0.0,
        "pulses_up": 1 / rise, "pulses_down": 1 / fall,
        "shape_up": np.exp(-b_rise * depth).tolist(),
        "shape_down": np.exp(-b_fall * depth).tolist(),
    }  # fmt: skip


def learned(config: TimedConfig, passes: int, images: int, votes: Sequence[str]) -> dict[str, Any]:
    """Learn MNIST; return the accuracy on the test images by each vote, the first as `value`.

    Neurons are named by the first 10,000 of the training images.
    """
    data = load_dataset("mnist")
    network, began = TimedNetwork(config), time.perf_counter()
    network.fit(data.train_images[:images], epochs=passes)
    seconds = time.perf_counter() - began
    account = network.ledger.account("train")
    named = min(images, 10_000)
    network.label(data.train_images[:named], data.train_labels[:named])
    tested = min(images, len(data.test_images))
    counts = network.respond(data.test_images[:tested])
    truth = data.test_labels[:tested]
    found = {}
    for vote in votes:
        network.config = network.config.replace(vote=vote)
        found[vote] = float((network.recognise(counts) == truth).mean())
    return {
        "value": found[votes[0]], **found,
        "spikes_per_image": float(counts.sum() / tested),
        "mean_weight": float(network.weights.mean()),
        "images_per_second": passes * images / seconds,
        "train_joules": float(account.joules.sum()),
    }  # fmt: skip
