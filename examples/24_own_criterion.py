"""A pruning criterion of one's own.

The weights of the inputs that spike least are pruned, whatever has been learned. A criterion is any
object with the method `choose`; nothing is compiled.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb


class Silent:
    """Chooses the weights of the least active inputs."""

    activity: np.ndarray

    def choose(self, neuron, quota) -> np.ndarray:
        """Return bool[inputs]; `quota.size` of those that are `quota.free`."""
        return quota.lowest(self.activity)


images = cb.load_dataset("mnist").train_images[:400]
silent = Silent()
network = cb.SpikingNetwork(
    neurons=12, own=cb.Own(criterion=silent),
    pruning={"kind": "hard", "fraction": 0.5, "mature_spikes": 10},
)  # fmt: skip
network.prepare(images)  # chooses the pixels
silent.activity = images.reshape(len(images), -1).mean(axis=0)[network.pixels]
network.fit(images, epochs=1)
print(f"pruned {network.pruner.fraction:.1%}")

figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
canvas = np.full(784, np.nan)
canvas[network.pixels] = 100 * network.pruner.pruned.mean(axis=0)
figure.colorbar(ax.imshow(canvas.reshape(28, 28)), label="neurons that lost the pixel (%)")
ax.set_title("Silent pixels are pruned")
ax.axis("off")
figure.savefig(Path(*sys.argv[1:2], "24_own_criterion.png"))
