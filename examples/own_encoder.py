"""Encoder in which all inputs share one threshold in a window, so that spikes are nested."""

from typing import NamedTuple

import cbramsim as cb
from cbramsim.core.rng import next_word
from cbramsim.core.verbs import draw_spikes, implements


class SharedThreshold(NamedTuple):
    """Encoder in which every pixel above one random level fires, each with its density as
    probability."""

    lowest: int
    """Density at or below which no pixel fires."""


@implements(draw_spikes, SharedThreshold)
def _(encoder, pixels, work, stream):
    level = max(int(next_word(stream) % 256), encoder.lowest)
    count = 0
    for i in range(pixels.size):
        work.spiked[i] = pixels[i] > level
        if work.spiked[i]:
            work.rows[count] = i
            count += 1
    return count


data = cb.load_dataset("mnist")
images, labels = data.train_images[:150], data.train_labels[:150]
network = cb.SpikingNetwork(
    neurons=20, own=cb.Own(encoder=SharedThreshold(lowest=20)), pruning={"kind": "none"}
)
network.fit(images[:100], epochs=1).label(images[:100], labels[:100])
print(f"accuracy {network.score(images[100:], labels[100:]):.0%}")
