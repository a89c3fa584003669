"""Several cells for a weight.

The noise of a product whose weights are the means of N cells, read side by side. What reads add is
independent from cell to cell, so that it falls as 1 / sqrt(N) (simulator/array/synapse/).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

weights = np.random.default_rng(0).uniform(-1, 1, (128, 64))
volts = np.random.default_rng(1).uniform(0, 0.1, (200, 128))
cells, noise = [1, 2, 4, 8, 16], []
for n in cells:
    array = cb.SynapseCrossbar("subquantum-cbram", (128, 64), cb.Synapse(cells=n))
    array.set_weights(weights)
    exact = 0.5 * array.device.g_range * volts @ array.weights
    noise.append(100 * np.std(array.read(volts) - exact) / np.std(exact))

figure, ax = plt.subplots(layout="constrained")
ax.loglog(cells, noise, "o", label="read in the array")
ax.loglog(cells, noise[0] / np.sqrt(cells), color="black", lw=0.8, label=r"$1 / \sqrt{N}$")
ax.set_xticks(cells, cells)
ax.set_yticks([1, 2, 4, 8], [1, 2, 4, 8])
ax.minorticks_off()
ax.set(xlabel="cells of a weight", ylabel="noise of a product (% of its spread)")
ax.set_title(f"{cells[-1]} cells read {noise[0] / noise[-1]:.1f} times as exactly as one")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "10_several_cells.png"))
