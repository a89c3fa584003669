"""A device from a measured file.

`measured.csv` holds pulse trains of three cells, four cycles each; they are simulated (subquantum
CBRAM, read with 1 % of noise), so that the truth is known. The law is the one that foretells
left-out trains best; what was not measured is assumed (docs/fit.md).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

found = cb.fit(Path(__file__).with_name("measured.csv"), repetitions=50)
print(found)
print(found.device.evidence("g_max"))

figure, ax = plt.subplots(layout="constrained")
found.plot(ax).set_title("A measured file becomes a device", size=10)
figure.savefig(Path(*sys.argv[1:2], "05_fit.png"))
