"""Learning behind resistive lines: accuracy and energy by size of the tiles and resistance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.experiments.study.cases import Case
from cbramsim.experiments.study.runner import Runner
from cbramsim.experiments.study.table import Cases, mean_and_spread
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.lines import Solution, Terminals, Wires, solve
from cbramsim.simulator.lines.curves import curve_of

RESISTANCES = (0.5, 2.0, 8.0)
"""Resistances of a segment, Ohm."""
SIDES = (64, 128, 256, 0)
"""Most word lines and bit lines of a tile; 0 for one array of all cells."""
OPAQUE = 0.2
"""Smallest transmitted part of the current of a read; tiles below it are left out."""
TOLERATED = 0.01
"""Loss of accuracy that a tile may cost."""
DRAWN = (128, 0)
"""Sides of the tiles of which receptive fields are drawn."""
QUANTITIES = (
    "accuracy", "train_joules", "array_joules", "cell_read_joules", "read_wire_joules",
    "wire_joules", "inference_joules", "seen_conductance", "wires_error",
)  # fmt: skip
"""Quantities that are reported of each case."""


def cases(
    devices: tuple[str, ...], resistances: tuple[float, ...], shape: tuple[int, int]
) -> list[Case]:
    """Return every device with ideal lines, and with each resistance on each size of tile.

    Tiles that are all but opaque are left out.
    """
    made = []
    for device in devices:
        facts = {"device": device, "ohm": 0.0, "side": 0}
        made.append(Case(f"{device},ideal", {"device": device}, facts))
        made += [
            _case(device, ohm, side)
            for ohm in resistances
            for side in SIDES
            if transparency(device, ohm, side, shape) >= OPAQUE
        ]
    return made


def transparency(device: str, ohm: float, side: int, shape: tuple[int, int]) -> float:
    """Return the part of the current of a read that a tile of cells at mid-window transmits.

    With a quarter of its word lines active, evenly spread; `shape` is that of all cells.
    """
    technology = Device.load(device)
    rows, columns = (-(-count // -(-count // (side or count))) for count in shape)
    g = np.full((rows, columns), technology.g_mid)
    v = np.where(np.arange(rows) % 4 == 0, technology.v_read, 0.0)
    wires = Wires(r_word=ohm, r_bit=ohm)
    curve, terminals = curve_of(technology), Terminals.product(v, columns, wires)
    outputs = solve(g, terminals, wires, curve=curve).outputs
    return float(outputs.sum() / (v @ g).sum())


def _case(device: str, ohm: float, side: int) -> Case:
    changes = {
        "device": device, "wires": True, "wiring.r_word": ohm, "wiring.r_bit": ohm,
        "tiles.rows": side, "tiles.columns": side,
    }  # fmt: skip
    return Case(name(device, ohm, side), changes, {"device": device, "ohm": ohm, "side": side})


def name(device: str, ohm: float, side: int) -> str:
    """Return the name of a case."""
    return f"{device},{ohm:g} Ohm,{side or 'one array'}"


def drawn(device: str, resistances: tuple[float, ...]) -> Callable[[str, int], bool]:
    """Return a function of a case and a seed: whether its network is drawn, and so is kept."""
    cases = [f"{device},ideal", *(name(device, _middle(resistances), side) for side in DRAWN)]
    return lambda case, seed: case in cases and seed == 0


def table(cases: Cases) -> list[dict[str, Any]]:
    """Return mean and spread of the results of each case."""
    found = []
    for case in cases.names:
        entry = {key: cases.first(case)[key] for key in ("case", "device", "ohm", "side")}
        for quantity in QUANTITIES:
            mean, spread = mean_and_spread(cases.values(case, quantity))
            entry |= {quantity: mean, f"{quantity}_spread": spread}
        found.append(entry)
    return found


def largest_tiles(entries: list[dict[str, Any]], side_of_all: int) -> list[dict[str, Any]]:
    """Return the largest tile that costs little accuracy, for each device and resistance.

    None if the smallest one looked at costs more; `side_of_all` stands for one array of all cells.
    """
    ideal = {entry["device"]: entry["accuracy"] for entry in entries if not entry["ohm"]}
    found = []
    for device, ohm in dict.fromkeys((e["device"], e["ohm"]) for e in entries if e["ohm"]):
        good = [
            entry["side"] or side_of_all
            for entry in entries
            if (entry["device"], entry["ohm"]) == (device, ohm)
            and device in ideal
            and ideal[device] - entry["accuracy"] <= TOLERATED
        ]
        found.append({"device": device, "ohm": ohm, "side": max(good, default=None)})
    return found


class Field(NamedTuple):
    """Weights that the neurons of one run have learned."""

    title: str
    pixels: NDArray[np.int64]
    """Pixels that are read."""
    image_pixels: int
    """Pixels of an image."""
    weights: NDArray[np.float32]
    """Weights as reads see them, float32[inputs, neurons]."""


def fields(runner: Runner, device: str, resistances: tuple[float, ...]) -> list[Field]:
    """Return the receptive fields of a device with ideal lines, on tiles and in one array."""
    ohm = _middle(resistances)
    wanted = {f"{device},ideal": "ideal lines"}
    wanted |= {
        name(device, ohm, side): f"{ohm:g} Ω, {f'tiles of {side}' if side else 'one array'}"
        for side in DRAWN
    }
    found, networks = [], runner.networks("case")
    for case, title in wanted.items():
        if network := networks.get(case):
            assert network.pixels is not None
            assert isinstance(network.crossbar, Crossbar)
            weights = network.device.weight_of(network.crossbar.seen)
            found.append(Field(title, network.pixels, network.encoder.of, weights))
    return found


def read_of_learned_cells(
    runner: Runner, device: str, resistances: tuple[float, ...]
) -> tuple[Solution, str] | None:
    """Solve a read of cells that have learned with ideal lines, as one array with lines.

    A quarter of the word lines is active: those that most often are. Returns the solution, and the
    cells.
    """
    network = runner.networks("case").get(f"{device},ideal")
    if network is None:
        return None
    ohm = _middle(resistances)
    wires = Wires(r_word=ohm, r_bit=ohm)
    activity = network.layers[0].inputs.activity
    often = np.argsort(-activity)[: activity.size // 4]
    v = np.zeros(activity.size)
    v[often] = network.device.v_read
    g = network.crossbar.conductance.astype(np.float64)
    curve, terminals = curve_of(network.device), Terminals.product(v, g.shape[1], wires)
    solution = solve(g, terminals, wires, curve=curve)
    rows, columns = g.shape
    return solution, f"{device}, {rows} x {columns} cells that have learned, {ohm:g} Ω"


def _middle(resistances: tuple[float, ...]) -> float:
    return sorted(resistances)[len(resistances) // 2]
