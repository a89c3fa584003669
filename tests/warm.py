"""Compiles the loops that most tests share: `python -m tests.warm learning|recognition`.

Before the workers of a test session start, so that no two of them compile the same loop.
"""

from __future__ import annotations

import sys

import numpy as np

from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.learning.network import SpikingNetwork

IMAGES = np.eye(16, dtype=np.uint8) * 255
LABELS = np.arange(16) % 2


def networks() -> list[SpikingNetwork]:
    """Return a small network of each storage."""
    pruning = {"mature_spikes": 4}
    return [
        SpikingNetwork(neurons=4, pruning=pruning, storage=storage)
        for storage in ("analog", "binary")
    ]


def learning() -> None:
    """Compile what learning runs through."""
    for network in networks():
        network.fit(IMAGES, epochs=1)


def recognition() -> None:
    """Compile what naming, recognition, lines and programming by hand run through."""
    for network in networks():
        network.prepare(IMAGES)
        network.label(IMAGES, LABELS).predict(IMAGES)
    SpikingNetwork(neurons=4, wires=True, pruning={"kind": "none"}).fit(IMAGES, epochs=1)
    crossbar = Crossbar("subquantum-cbram", (4, 4))
    crossbar.program(0, [0, 1], [3, -3])
    crossbar.write_verify([[0, 0]], [crossbar.device.g_mid])


if __name__ == "__main__":
    {"learning": learning, "recognition": recognition}[sys.argv[1]]()
