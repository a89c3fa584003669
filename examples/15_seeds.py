"""Mean and spread over seeds.

Every number of a stochastic network needs its spread: here the accuracy of five networks of each
size, which differ in cells, noise and order of images. On all cores and in a folder that is resumed
`cb.Study` does the same.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:2000], data.train_labels[:2000]
held_back, truth = data.train_images[-1000:], data.train_labels[-1000:]

sizes, found = [10, 20, 40, 80], []
for neurons in sizes:
    for seed in range(5):
        network = cb.SpikingNetwork(neurons=neurons, seed=seed, pruning={"kind": "none"})
        network.fit(images, epochs=1).label(images, labels)
        found.append(100 * network.score(held_back, truth))
found = np.reshape(found, (4, 5))

figure, ax = plt.subplots(layout="constrained")
ax.plot(sizes, found, ".", color="0.7", ms=5)
ax.errorbar(sizes, found.mean(axis=1), found.std(axis=1, ddof=1), fmt="o-", capsize=3)
ax.set(xlabel="neurons", ylabel="new digits recognised (%)", xscale="log")
ax.set_xticks(sizes, sizes)
ax.minorticks_off()
ax.set_title("More neurons know more; five seeds say how sure that is")
figure.savefig(Path(*sys.argv[1:2], "15_seeds.png"))
