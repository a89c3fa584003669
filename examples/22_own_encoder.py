"""An encoder of one's own.

All inputs share one threshold in a window, so that spikes are nested: every pixel above a random
level fires, each still with its density as probability. The verb is `draw_spikes`.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt

import cbramsim as cb
from cbramsim.core.rng import next_word
from cbramsim.core.verbs import draw_spikes, implements


class SharedThreshold(NamedTuple):
    """One random level for all pixels."""

    lowest: int
    """No pixel at or below this density fires."""


@implements(draw_spikes, SharedThreshold)
def _(encoder, pixels, work, stream):
    level, count = max(int(next_word(stream) % 256), encoder.lowest), 0
    for i in range(pixels.size):
        work.spiked[i] = pixels[i] > level
        if work.spiked[i]:
            work.rows[count] = i
            count += 1
    return count


images = cb.load_dataset("mnist").train_images[:400]
own = cb.Own(encoder=SharedThreshold(lowest=20))
network = cb.SpikingNetwork(neurons=12, own=own, pruning={"kind": "none"}).fit(images, epochs=1)
print(f"{network.ledger.total():.3e} J")

figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
network.plot(ax, shown=12).set_title("Shapes, learned from nested spikes", size=10)
figure.savefig(Path(*sys.argv[1:2], "22_own_encoder.png"))
