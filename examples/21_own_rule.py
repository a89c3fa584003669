"""A learning rule of one's own.

One set pulse where an input spiked, now and then a reset pulse where not: the verb `learn`, for a
type of one's own. `give_pulses` books them; nothing else needs to be known of the array.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt

import cbramsim as cb
from cbramsim.core.rng import next_word, uniform_of
from cbramsim.core.verbs import give_pulses, implements, learn


class Additive(NamedTuple):
    """Additive STDP, by whole pulses."""

    down: float
    """Probability of a reset pulse where the input was silent."""


@implements(learn, Additive)
def _(rule, array, winner, total, work, streams, account):
    n, kind, random = 0, array.booked_as, streams.pulses
    for row in range(work.spiked.size):
        if work.spiked[row] or uniform_of(next_word(random)) < rule.down:
            work.chosen[n], work.pulses[n] = row, 1 if work.spiked[row] else -1
            n += 1
    give_pulses(array, winner, work.chosen, work.pulses, n, kind, random, account)


images = cb.load_dataset("mnist").train_images[:400]
own = cb.Own(rule=Additive(down=0.2))
network = cb.SpikingNetwork(neurons=12, own=own, pruning={"kind": "none"}).fit(images, epochs=1)
print(f"{network.ledger.total():.3e} J")

figure, ax = plt.subplots(figsize=(4.2, 3.2), layout="constrained")
network.plot(ax, shown=12).set_title("A rule of whole pulses learns, coarsely", size=10)
figure.savefig(Path(*sys.argv[1:2], "21_own_rule.png"))
