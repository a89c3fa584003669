"""A product in the array.

Bit-line currents, less that of a reference column, against NumPy's product of the same weights:
I_k - I_ref = (G_max - G_min) / 2 sum_i V_i w_ik (Ohm and Kirchhoff). What differs is the noise of
reading all cells of a bit line.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

rng = np.random.default_rng(0)
crossbar = cb.Crossbar("subquantum-cbram", (256, 64))
crossbar.set_weights(rng.uniform(-1, 1, crossbar.shape))
volts = rng.uniform(0, 0.1, (20, 256))

read = 1e6 * crossbar.read(volts, signed=True)
exact = 1e6 * 0.5 * crossbar.device.g_range * volts @ crossbar.weights

figure, ax = plt.subplots(figsize=(4, 3.6), layout="constrained")
ax.plot(exact, read, "C0.", ms=2)
ax.axline((0, 0), slope=1, color="black", lw=0.8)
ax.set(xlabel="product in NumPy (µA)", ylabel="current of the bit line (µA)")
ax.set_title(f"The array multiplies, with {np.std(read - exact) / np.std(exact):.1%} of noise")
figure.savefig(Path(*sys.argv[1:2], "07_product.png"))
