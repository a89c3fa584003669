"""Energy by operation and phase.

The ledger of a network that learned, was named and recognised digits. Every read, pulse and charged
line is booked with the state that the cell had: V^2 G t, C V^2, and so on
(simulator/energy/ledger.py). `network.ledger.to_frame()` is the same as a pandas table.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:2000], data.train_labels[:2000]
held_back, truth = data.train_images[-1000:], data.train_labels[-1000:]

network = cb.SpikingNetwork(neurons=100, pruning={"kind": "none"})
network.fit(images, epochs=1).label(images, labels).score(held_back, truth)
nanojoules = 1e9 * network.ledger.total("train") / len(images)

figure, ax = plt.subplots(layout="constrained")
network.ledger.plot(ax).set_title(f"To learn an image takes {nanojoules:.1f} nJ", size=10)
figure.savefig(Path(*sys.argv[1:2], "12_joules.png"))
