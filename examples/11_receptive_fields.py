"""A network that learns digits without labels.

Thirty-six neurons, one bit line each, after 5,000 digits. The neuron that fires moves its weights
towards the inputs that spiked, by set and reset pulses (STDP), so that each comes to stand for one
shape. Labels only name neurons afterwards.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:5000], data.train_labels[:5000]
held_back, truth = data.train_images[-2000:], data.train_labels[-2000:]

network = cb.SpikingNetwork(neurons=36, pruning={"kind": "none"})
network.fit(images, epochs=1).label(images, labels)
accuracy = network.score(held_back, truth)

figure, ax = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
network.plot(ax, shown=36)
ax.set_title(f"Neurons learn shapes; they name {accuracy:.0%} of new digits", size=10)
figure.savefig(Path(*sys.argv[1:2], "11_receptive_fields.png"))
