"""A cell under set and reset pulses.

The conductance of one subquantum CBRAM cell over three cycles of 64 set and 64 reset pulses, and
what it would be without noise. A pulse goes a fraction of the way to an asymptote, so that steps
shrink along the train (the exponential law: devices/pulse_law.py).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

device = cb.Device.load("subquantum-cbram")
cycles = 3 * [64, -64]
quiet = cb.Crossbar(device.without_variability(), (1, 1)).pulse_train([[0, 0]], cycles)
noisy = cb.Crossbar(device, (1, 1), seed=1).pulse_train([[0, 0]], cycles)

figure, ax = plt.subplots(layout="constrained")
ax.plot(1e6 * quiet.conductance[0], color="black", lw=0.8, label="nominal cell, no noise")
ax.plot(1e6 * noisy.conductance[0], ".", ms=3, label="a cell of the array")
ax.set(xlabel="pulse", ylabel="conductance (µS)", ylim=(0, 30))
ax.set_title("Steps shrink along a train of pulses")
ax.legend(loc="upper right", ncols=2)
figure.savefig(Path(*sys.argv[1:2], "01_one_cell.png"))
