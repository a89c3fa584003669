"""All cells of the catalog at one glance.

What a set pulse at mid-window takes (V I t, or C V^2 of a gate), how many lead from one end of the
window to the other, and how wide that is. Every number has a source, or is marked as assumed:
`cb.Device.load("epiram").evidence("g_max")`.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import cbramsim as cb

devices = [cb.Device.load(name) for name in cb.Device.catalog()]
devices.sort(key=lambda device: -device.energies(device.g_mid)["set"])
facts = {
    "energy of a set pulse (J)": [device.energies(device.g_mid)["set"] for device in devices],
    "set pulses end to end": [device.pulses_end_to_end("up") for device in devices],
    "highest / lowest conductance": [device.g_max / device.g_min for device in devices],
}

figure, axes = plt.subplots(1, 3, figsize=(7, 4.2), sharey=True, layout="constrained")
for ax, (name, values) in zip(axes, facts.items(), strict=True):
    ax.semilogx(values, [device.name for device in devices], "o", ms=4)
    ax.set_xlabel(name)
    ax.grid(axis="y", color="0.9")
energies = next(iter(facts.values()))
figure.suptitle(f"A pulse takes {min(energies):.0e} to {max(energies):.0e} joules", size=10)
figure.savefig(Path(*sys.argv[1:2], "06_devices.png"))
