"""Neurons of one's own.

The one whose current is furthest above its threshold fires, and its threshold rises. Two verbs:
`excite` turns currents into chances, `fire` names the winner.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb
from cbramsim.core.verbs import excite, fire, implements


class Hard(NamedTuple):
    """Hard winner-take-all with adaptive thresholds."""

    threshold: np.ndarray  # float64[neurons], S
    rise: float  # S


@implements(excite, Hard)
def _(neurons, reference, work):
    best = 0
    for k in range(work.currents.size):
        work.currents[k] -= neurons.threshold[k]
        best = k if work.currents[k] > work.currents[best] else best
    work.currents[:] = 0
    work.currents[best] = 1
    return np.float32(1)


@implements(fire, Hard)
def _(neurons, total, work, word):
    winner = work.currents.argmax()
    neurons.threshold[winner] += neurons.rise
    return winner


images = cb.load_dataset("mnist").train_images[:400]
figure, ax = plt.subplots(layout="constrained")
for rise in (0, 0.02, 0.2):
    own = cb.Own(neurons=lambda layer: Hard(np.zeros(12), rise * layer.device.g_range))  # noqa: B023
    network = cb.SpikingNetwork(neurons=12, own=own, pruning={"kind": "none"}).fit(images, epochs=1)
    ax.plot(np.sort(network.spike_counts), "o-", ms=4, label=f"rise {rise:g} of the window")
print(network.spike_counts.tolist())
ax.set(xlabel="neuron, in order", ylabel="spikes", title="Thresholds that rise give all a turn")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "23_own_neurons.png"))
