"""Lines with resistance.

The voltage that is left for each cell of a 128 x 128 array when all word lines are driven with
0.1 V from the left, bit lines are at ground at the bottom, and every segment has 5 Ohm. Kirchhoff's
law holds at all 32,768 nodes (docs/wires.md).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

crossbar = cb.Crossbar("subquantum-cbram", (128, 128), wires=cb.Wires(r_word=5, r_bit=5))
crossbar.set_weights(np.random.default_rng(0).uniform(-1, 1, crossbar.shape))
volts = np.full(128, 0.1)
solution = crossbar.solve(volts)
arrives = solution.outputs.sum() / (volts @ crossbar.conductance).sum()

figure, ax = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
solution.plot(ax).set_title(f"Behind resistive lines {arrives:.0%} of the current arrive", size=10)
figure.savefig(Path(*sys.argv[1:2], "08_lines.png"))
