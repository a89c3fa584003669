"""A perceptron that learns from labels in the array.

Backpropagation by pulses: outputs are read along the bit lines, slopes come back along the word
lines of the same cells, and each cell gets the pulses that the product of both asks for, rounded at
random (simulator/supervised/).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.train_images[:2000], data.train_labels[:2000]
held_back, truth = data.train_images[-500:], data.train_labels[-500:]

figure, ax = plt.subplots(layout="constrained")
for device in ("ideal", "subquantum-cbram"):
    perceptron = cb.CrossbarPerceptron(hidden=(30,), device=device)
    accuracy = []
    for part in range(5):
        perceptron.partial_fit(images[part::5], labels[part::5], range(10))
        accuracy.append(100 * perceptron.score(held_back, truth))
    label = f"{device}, {1e6 * perceptron.ledger.total('train'):.0f} µJ"
    ax.plot(np.arange(1, 6) * len(images) / 5, accuracy, "o-", ms=4, label=label)
ax.set(xlabel="images learned", ylabel="new digits recognised (%)", ylim=(0, 100))
ax.set_title("Backpropagation goes through the cells themselves")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "16_perceptron.png"))
