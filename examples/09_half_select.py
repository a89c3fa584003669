"""The price of bare cells.

Energy of one set pulse in a square array without transistors. In the V/2 scheme the cells on its
two lines see half the voltage, in the V/3 scheme all others see a third: (V/2)^2 G t and
(V/3)^2 G t each (simulator/array/access.py).
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb
from cbramsim import Operation

sizes = [8, 16, 32, 64, 128, 256, 512]
figure, ax = plt.subplots(layout="constrained")
for scheme in ("V/2", "V/3"):
    others = []
    for size in sizes:
        array = cb.Crossbar("subquantum-cbram", (size, size), access="passive", scheme=scheme)
        array.program(column=0, rows=[0], pulses=1)
        account = array.ledger.account("use")
        others.append(account.joules[Operation.HALF_SELECT])
    ax.loglog(sizes, others, "o-", ms=4, label=f"half-selected cells, {scheme}")
pulse = account.joules[Operation.PROGRAM_PULSE]
ax.axhline(pulse, color="black", lw=0.8, label="the pulse itself")
ax.set(xlabel="word lines = bit lines", ylabel="energy (J)")
ax.set_title("Half-selected cells take more than the pulse")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "09_half_select.png"))
