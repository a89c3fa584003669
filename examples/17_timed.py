"""Neurons with time constants.

Leaky integrate-and-fire neurons over an array. One that reaches its threshold resets the others
and moves its weights by eta (x - x_tar) (1 - w)^mu, x the traces of its inputs (after Diehl & Cook
2015); thresholds follow how often their neuron fires (Querlioz et al. 2011; docs/timed.md).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

data = cb.load_dataset("mnist")
network = cb.TimedNetwork(
    neurons=24, dt=1e-3, device="epiram",
    stdp={"kind": "trace", "eta": 0.03, "tau": 0.05},
    adaptation={"kind": "target", "target": 0.4, "rate": 0.1},
)  # fmt: skip
network.fit(data.train_images[:500])

figure, axes = plt.subplots(4, 6, figsize=(5, 3.7), layout="constrained")
for ax, weights in zip(axes.flat, network.weights.T, strict=True):
    ax.imshow(weights.reshape(28, 28), cmap="magma", vmin=0, vmax=1)
    ax.axis("off")
figure.suptitle("Spiking neurons that leak learn digits, too", size=10)
figure.savefig(Path(*sys.argv[1:2], "17_timed.png"))
