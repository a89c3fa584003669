"""The spread of cells.

The same 64 set and 64 reset pulses, given to 400 cells that differ in window, number of pulses and
nonlinearity. How much cells differ is assumed for subquantum CBRAM, as
`cb.Device.load("subquantum-cbram").evidence("g_max_d2d")` says.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

crossbar = cb.Crossbar("subquantum-cbram", (20, 20))
cells = np.argwhere(crossbar.connected)
g = 1e6 * crossbar.pulse_train(cells, [64, -64]).conductance  # [cells, pulses + 1]

figure, ax = plt.subplots(layout="constrained")
ax.plot(g[::40].T, lw=0.5, color="C0")
ax.fill_between(range(129), *np.percentile(g, (5, 95), axis=0), alpha=0.2, label="90 % of cells")
ax.plot(np.median(g, axis=0), lw=2, color="C1", label="median")
ax.set(xlabel="pulse", ylabel="conductance (µS)", title="No two cells take pulses alike")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "02_many_cells.png"))
