"""A trained network in arrays, and what costs its accuracy.

A perceptron that PyTorch has trained is written into pairs of phase-change cells, read through
5-bit converters, and left alone for a month. One cause is added after the other. Your own ONNX file
takes the place of "mnist-mlp" (docs/mapping.md).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

data = cb.load_dataset("mnist")
images, labels = data.test_images[:500], data.test_labels[:500]
config = cb.MappingConfig(device="pcm-nandakumar", readout={"adc_bits": 5})
causes = cb.loss_by_cause(
    "mnist-mlp", data.train_images[:200], images, labels, config, seconds=30 * 86400
)

figure, ax = plt.subplots(layout="constrained")
names = [cause.name if n == 0 else f"+ {cause.name}" for n, cause in enumerate(causes)]
found = [100 * cause.accuracy for cause in causes]
ax.plot(found, names, "o-")
for name, percent in zip(names, found, strict=True):
    ax.annotate(f"{percent:.1f} %", (percent, name), (6, 6), textcoords="offset points", size=8)
ax.invert_yaxis()
ax.set(xlabel="digits recognised (%)")
worst = max(causes, key=lambda cause: cause.lost)
ax.set_title(f"Of all that hardware does, {worst.name} costs most")
figure.savefig(Path(*sys.argv[1:2], "18_map.png"))
