"""A bench for exported cells: trains of pulses in ngspice, and the same by the law in Python."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device

PULSES = 20
EDGE = 1e-3
"""Rise and fall of a pulse, parts of its width."""

PLAIN = Device.load("subquantum-cbram").replace(nonlinearity_up=0.0, nonlinearity_down=0.0)
CASES = {
    "exponential, mild": Device.load("subquantum-cbram"),
    "exponential, steep": Device.load("pcmo"),
    "pulses of different widths": Device.load("taox-tio2"),
    "constant": PLAIN.replace(law="constant", pulses_up=23.0, pulses_down=30.0),
    "power": PLAIN.replace(
        law="power", exponent_up=2.0, exponent_down=0.5, pulses_up=20.0, pulses_down=30.0
    ),
    "table": PLAIN.replace(
        law="table", pulses_up=15.0, pulses_down=25.0,
        shape_up=(1.0, 0.6, 0.5, 0.2, 0.1), shape_down=(1.0, 0.4, 0.3, 0.3, 0.2, 0.0),
    ),
    "linear, soft bounds": Device.load("reram-om"),
    "exponential step": Device.load("hfo2-gong").replace(pulses_up=60.0, pulses_down=170.0),
    "sinh": PLAIN.replace(v_sinh=0.3),
}  # fmt: skip


class Trains(NamedTuple):
    """What set pulses, then as many reset pulses, do to a cell that begins at `g_min`."""

    conductance: NDArray[np.float64]
    """After each pulse, S, float64[2 PULSES]."""
    energy: NDArray[np.float64]
    """Of each pulse, J, float64[2 PULSES]."""


def by_the_law(device: Device) -> Trains:
    """Return what the mean law says: energies at the mean of before and after."""
    g, conductance, energy = device.g_min, [], []
    for k in range(2 * PULSES):
        before = g
        if k < PULSES:
            g = min(g + float(device.step_up(g)), device.g_max)
        else:
            g = max(g - float(device.step_down(g)), device.g_min)
        pulse = "set" if k < PULSES else "reset"
        conductance.append(g)
        energy.append(device.energies(0.5 * (before + g))[pulse])
    return Trains(np.array(conductance), np.array(energy))


def netlist_of(device: Device) -> str:
    """Return a netlist that prints the state and the energy so far after each pulse.

    Before each pulse there is a read: it must not move the state.
    """
    subcircuit = device.to_spice()
    name = re.findall(r"^\.subckt (\w+)", subcircuit, re.M)[0]
    shortest = min(device.t_set, device.t_reset)
    time, corners, after = shortest, ["0 0"], []
    for volts, width in [(device.v_set, device.t_set)] * PULSES + [
        (-device.v_reset, device.t_reset)
    ] * PULSES:
        edge = EDGE * width
        for level, lasting in ((device.v_read, 0.5 * shortest), (volts, width)):
            for moment, value in (
                (time, 0.0), (time + edge, level),
                (time + edge + lasting, level), (time + 2 * edge + lasting, 0.0),
            ):  # fmt: skip
                corners.append(f"{moment:.9e} {value:g}")
            time += 2 * edge + lasting + 0.25 * shortest
        after.append(time - 0.1 * shortest)
    # The energy of reads is left out: it is no part of that of a pulse.
    least = 0.5 * min(device.v_set, device.v_reset)
    scale = 1 / (device.v2t_set * device.g_mid)
    lines = [
        "* trains of pulses", subcircuit.rstrip("\n"),
        f"X1 top 0 {name}", "Vmeter drive top 0", "Vdrive drive 0 PWL(",
        *(f"+ {corner}" for corner in corners), "+ )",
        f"Bpower 0 energy I={scale:.9e}*V(drive)*I(Vmeter)*u(abs(V(drive))-{least:g})",
        "Cenergy energy 0 1", "Renergy energy 0 1e12",
        f".tran {shortest / 50:.9e} {time:.9e}",
        ".control", "set numdgt=9", "run",
    ]  # fmt: skip
    for k, moment in enumerate(after):
        lines.append(f"meas tran state{k} find v(x1.x) at={moment:.9e}")
        lines.append(f"meas tran energy{k} find v(energy) at={moment:.9e}")
    return "\n".join([*lines, "quit", ".endc", ".end", ""])


def simulated(netlist: str) -> dict[str, float]:
    """Return what ngspice measures: `state0`, `energy0`, `state1`, ..., relative numbers."""
    run = subprocess.run(
        ["ngspice", "-b"], input=netlist, capture_output=True, text=True, check=True, timeout=120
    )
    found = re.findall(r"^((?:state|energy)\d+)\s*=\s*(\S+)", run.stdout, re.M)
    assert len(found) == 4 * PULSES, run.stdout + run.stderr
    return {name: float(value) for name, value in found}


def trains_of(device: Device, measured: dict[str, float]) -> Trains:
    """Return in SI what ngspice has measured."""
    state, energy = (
        np.array([measured[f"{name}{k}"] for k in range(2 * PULSES)])
        for name in ("state", "energy")
    )
    joules = np.diff(energy, prepend=0.0) * device.v2t_set * device.g_mid
    return Trains(device.g_min + device.g_range * state, joules)
