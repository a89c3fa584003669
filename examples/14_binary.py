"""Weights in binary cells.

The same network with each weight a code of b bits in b cells, as in the reference experiment
(Shi et al. 2018); the sum of every plane of bits is converted, shifted and added. An update writes
the bits that changed. (One seed: 15_seeds.py shows what that is worth.)
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:3000], data.train_labels[:3000]
held_back, truth = data.train_images[-2000:], data.train_labels[-2000:]


def learned(**storage):
    network = cb.SpikingNetwork(neurons=50, pruning={"kind": "none"}, **storage)
    return network.fit(images, epochs=1).label(images, labels)


names = ["1 bit", "2 bits", "3 bits", "4 bits", "analog"]
networks = [learned(storage="binary", binary={"bits": bits}) for bits in (1, 2, 3, 4)]
networks.append(learned())

figure, axes = plt.subplots(1, 2, layout="constrained")
axes[0].bar(names, [100 * network.score(held_back, truth) for network in networks])
axes[1].bar(names, [1e9 * network.ledger.total("train") / len(images) for network in networks])
axes[0].set_ylabel("new digits recognised (%)")
axes[1].set_ylabel("energy to learn an image (nJ)")
for ax in axes:
    ax.tick_params(axis="x", rotation=40)
figure.suptitle("A few bits learn as well as an analog cell; each costs energy", size=10)
figure.savefig(Path(*sys.argv[1:2], "14_binary.png"))
