"""A month in phase-change memory.

Five states of the cell of Nandakumar et al. (2020), median and 90 % of 200 cells each: amorphous
material relaxes, and G falls as (t / t0)^-nu, the sooner the lower the state (devices/drift.py).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

crossbar = cb.Crossbar("pcm-nandakumar", (200, 5))
crossbar.set_conductance(np.tile([2e-6, 6e-6, 10e-6, 14e-6, 18e-6], (200, 1)))
times = np.geomspace(30, 30 * 86400, 25)
states = []
for step in np.diff(times, prepend=0):
    crossbar.wait(step)
    states.append(1e6 * crossbar.conductance)

figure, ax = plt.subplots(layout="constrained")
low, middle, high = np.percentile(states, (5, 50, 95), axis=1)
for state in range(5):
    ax.semilogx(times, middle[:, state], color=f"C{state}")
    ax.fill_between(times, low[:, state], high[:, state], color=f"C{state}", alpha=0.2)
ax.set_xticks([60, 3600, 86400, 30 * 86400], ["minute", "hour", "day", "month"], minor=False)
ax.minorticks_off()
ax.set(xlabel="time since programming", ylabel="conductance (µS)", ylim=(0, None))
lost = 1 - middle[-1].mean() / middle[0].mean()
ax.set_title(f"Phase-change cells lose {lost:.0%} in a month")
figure.savefig(Path(*sys.argv[1:2], "04_drift.png"))
