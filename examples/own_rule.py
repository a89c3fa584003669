"""Learning rule: one set pulse where an input spiked, and a random reset pulse elsewhere."""

from typing import NamedTuple

import cbramsim as cb
from cbramsim.core.rng import next_word, uniform_of
from cbramsim.core.verbs import give_pulses, implements, learn


class Additive(NamedTuple):
    """Additive STDP, by whole pulses."""

    down: float
    """Probability of a reset pulse where the input was silent."""


@implements(learn, Additive)
def _(rule, array, winner, total, work, streams, account):
    n = 0
    for row in range(work.spiked.size):
        if work.spiked[row]:
            work.chosen[n], work.pulses[n] = row, 1
            n += 1
        elif uniform_of(next_word(streams.pulses)) < rule.down:
            work.chosen[n], work.pulses[n] = row, -1
            n += 1
    give_pulses(
        array, winner, work.chosen, work.pulses, n, array.booked_as, streams.pulses, account
    )


data = cb.load_dataset("mnist")
images, labels = data.train_images[:150], data.train_labels[:150]
network = cb.SpikingNetwork(
    neurons=20, own=cb.Own(rule=Additive(down=0.05)), pruning={"kind": "none"}
)
network.fit(images[:100], epochs=1).label(images[:100], labels[:100])
print(f"accuracy {network.score(images[100:], labels[100:]):.0%}")
print(f"{network.ledger.total():.3e} J")
