"""Beside conventional hardware.

What learning 3,000 digits once takes in an array, and in a perceptron on a processor at 45 nm with
its caches. Bars: central 90 % when every constant is drawn within its range (docs/ladder.md). The
perceptron is the more accurate: each is named with what it recognises.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb
from cbramsim.simulator.comparison.arithmetic import mac
from cbramsim.simulator.comparison.array_bill import network_bill
from cbramsim.simulator.comparison.bottom_up import train_bill

data = cb.load_dataset("mnist")
images, labels = data.train_images[:3000], data.train_labels[:3000]
held_back, truth = data.train_images[-2000:], data.train_labels[-2000:]

network = cb.SpikingNetwork(neurons=50).fit(images, epochs=1).label(images, labels)
models, bills = {"array": network}, [network_bill(network, "train")]
server = cb.Hierarchy.load("server-45nm")
for bits, precision in ((8, "int8"), (32, "fp32")):
    models[precision] = mlp = cb.Mlp(precision=precision, epochs=1).fit(images, labels)
    each = train_bill(mlp.config.layers, 128, len(images), server, bits, mac(precision))
    bills.append(each * len(images))
draws = cb.Draws(2000)
low, middle, high = np.transpose([np.percentile(b.sample(draws), (5, 50, 95)) for b in bills])

figure, ax = plt.subplots(figsize=(5, 2.2), layout="constrained")
names = [f"{name}, {m.score(held_back, truth):.0%}" for name, m in models.items()]
ax.errorbar(middle, names, xerr=(middle - low, high - middle), fmt="o", capsize=3)
ax.set(xscale="log", xlabel="energy of learning 3,000 images (J)", ylim=(-0.5, 2.5))
ratio = round(middle[2] / middle[0], -2)
message = f"The array takes some {ratio:,.0f} times less than FP32, and is less accurate"
figure.suptitle(message, size=10)
figure.savefig(Path(*sys.argv[1:2], "19_conventional.png"))
