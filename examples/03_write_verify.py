"""Programming with verification.

Five states, 80 cells each. Left, every cell gets the number of pulses that a nominal cell needs;
right, each is sensed after every pulse until it reads as wanted, within 2 % of the window
(simulator/array/programming.py).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

device = cb.Device.load("subquantum-cbram")
targets = device.conductance_of(np.linspace(-0.9, 0.7, 5))
quiet = cb.Crossbar(device.without_variability(), (1, 1)).pulse_train([[0, 0]], 100)
counts = np.abs(quiet.conductance[0] - targets[:, None]).argmin(axis=1)

blind, verified = (cb.Crossbar(device, (80, 5)) for _ in range(2))
for column, (target, pulses) in enumerate(zip(targets, counts, strict=True)):
    cells = [[row, column] for row in range(80)]
    blind.program(column, range(80), pulses)
    verified.write_verify(cells, target, tolerance=0.02 * device.g_range)

figure, axes = plt.subplots(1, 2, sharey=True, layout="constrained")
for ax, array, name in zip(axes, (blind, verified), ("blind", "verified"), strict=True):
    ax.hist(1e6 * array.conductance, np.linspace(0, 28, 57), histtype="stepfilled")
    ax.set(xlabel="conductance (µS)", title=f"{name}: {1e9 * array.ledger.total():.1f} nJ")
axes[0].set_ylabel("cells")
figure.suptitle("Verification tells states apart that pulses alone smear", size=10)
figure.savefig(Path(*sys.argv[1:2], "03_write_verify.png"))
