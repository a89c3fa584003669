"""Effects of lines on reads, by size and resistance; and errors of approximations of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.simulator.lines import Terminals, Wires, solve
from cbramsim.simulator.lines.curves import curve_of
from cbramsim.simulator.lines.ladders import along_ladders
from cbramsim.simulator.lines.solver import circuit_of

SIZES = (8, 16, 32, 64, 128, 256, 512)
RESISTANCES = (0.1, 1.0, 10.0)
ACTIVE = 0.25
"""Part of the word lines that is active."""


class Point(NamedTuple):
    """A square array, read with a random quarter of its word lines active."""

    device: str
    size: int
    ohm: float
    """Resistance of one segment of a word line and of a bit line, Ohm."""
    loss: float
    """Part of the current of the bit lines that is lost."""
    least: float
    """Part of its current that the worst bit line keeps."""
    ideal: float
    """Mean relative error of the currents if lines are taken as ideal."""
    series: float
    """Mean relative error if each cell has its own path to the terminals in series."""
    ladders: float
    """Mean relative error if each line is a ladder of its own (`simulator.lines.ladders`)."""
    error: float
    """Bound on the error of the exact solution, as a part of the current of the terminals."""
    cells_share: float
    """Part of the power that is dissipated in the cells."""


def run(
    devices: tuple[str, ...], sizes: tuple[int, ...] = SIZES,
    resistances: tuple[float, ...] = RESISTANCES,
) -> list[Point]:  # fmt: skip
    """Return a point for every device, size and resistance."""
    return [
        point(Device.load(device), size, ohm)
        for device in devices
        for ohm in resistances
        for size in sizes
    ]


def point(device: Device, size: int, ohm: float) -> Point:
    """Read a square array of cells anywhere in the window of a device."""
    rng = generator(0, "approximations", size)
    g = rng.uniform(device.g_min, device.g_max, (size, size)).astype(np.float32).astype(np.float64)
    wires = Wires(r_word=ohm, r_bit=ohm)
    v = np.zeros(size)
    v[rng.permutation(size)[: max(1, round(ACTIVE * size))]] = device.v_read
    solution = solve(g, Terminals.product(v, size, wires), wires, curve=curve_of(device))
    exact, power = solution.outputs, solution.power

    def off(conductance: NDArray[Any]) -> float:
        return float(np.abs(v @ conductance / exact - 1).mean())

    return Point(
        device.name, size, ohm,
        loss=float(1 - exact.sum() / (v @ g).sum()),
        least=float((exact / (v @ g)).min()),
        ideal=off(g),
        series=off(in_series(g, wires)),
        ladders=off(ladders(g, wires)),
        error=solution.error_bound / solution.through,
        cells_share=power.cells / power.source,
    )  # fmt: skip


def in_series(g: NDArray[np.float64], wires: Wires) -> NDArray[np.float64]:
    """Return conductances of cells in series with the line segments on their way, S.

    G / (1 + G R), R = (j + 1) r_word + (rows - i) r_bit: the formula of many simulators. It
    neglects the current of other cells in the same segments.
    """
    rows, columns = g.shape
    way = wires.r_word * np.arange(1, columns + 1) + wires.r_bit * np.arange(rows, 0, -1)[:, None]
    return g / (1 + g * way)


def ladders(g: NDArray[np.float64], wires: Wires) -> NDArray[np.float32]:
    """Return effective conductances if each line is a ladder of its own, S."""
    cells = g.astype(np.float32)
    seen = np.empty_like(cells)
    lines, _ = circuit_of(Terminals.product(np.zeros(len(g)), g.shape[1], wires), wires)
    along_ladders(cells, lines, seen)
    return seen
