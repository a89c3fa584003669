"""Soft against hard pruning.

Accuracy over the part of the weights that is pruned while the network learns, three seeds. Hard
pruning removes the cells of the lowest weights; soft pruning (Shi et al. 2018) holds them at
constants, where they get no more pulses but still speak.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:1500], data.train_labels[:1500]
held_back, truth = data.train_images[-1000:], data.train_labels[-1000:]


def accuracy(**pruning):
    found = []
    for seed in range(3):
        network = cb.SpikingNetwork(neurons=30, seed=seed, pruning={"mature_spikes": 120} | pruning)
        network.fit(images, epochs=1).label(images, labels)
        found.append(100 * network.score(held_back, truth))
    return np.mean(found), np.std(found, ddof=1)


fractions = np.array([0, 0.25, 0.5, 0.75])
figure, ax = plt.subplots(layout="constrained")
for kind in ("soft", "hard"):
    points = [accuracy(kind=kind, fraction=fraction) for fraction in fractions]
    ax.errorbar(100 * fractions, *np.transpose(points), fmt="o-", ms=4, capsize=3, label=kind)
ax.set(xlabel="weights pruned (%)", ylabel="new digits recognised (%)")
ax.set_title("Weights that are held cost less than weights that are gone")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "13_pruning.png"))
