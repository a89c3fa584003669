"""Neurons of which the one furthest above its threshold fires, and its threshold then rises."""

from typing import NamedTuple

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


images, labels, *_ = (part[:150] for part in cb.load_dataset("mnist"))
own = cb.Own(neurons=lambda layer: Hard(np.zeros(20), 0.2 * layer.device.g_range))
network = cb.SpikingNetwork(neurons=20, own=own, pruning={"kind": "none"})
network.fit(images, epochs=1).label(images, labels)
print(f"accuracy on what was learned {network.score(images, labels):.0%}")
