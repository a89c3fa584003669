"""Sets of options, and what a small network comes to with each."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.neurons import block_sums, exponentials

IMAGES, NAMED, EPOCHS = 400, 100, 2
BASE: dict[str, Any] = {"neurons": 24, "inputs": 64, "seed": 7}
PRUNED = {"mature_spikes": 20}
SLOPES = {"nonlinearity_up": 0.0, "nonlinearity_down": 0.0}
CURVED = {"law": "power", **SLOPES, "exponent_up": 0.7, "exponent_down": 1.3}
TABLE = {
    "law": "table", **SLOPES, "shape_up": (1.5, 1.0, 0.4), "shape_down": (0.6, 1.0, 1.0, 0.2),
}  # fmt: skip
LOSSY = {"wires": True, "wiring": {"r_word": 40.0, "r_bit": 40.0}, "wires_error": 0.05}
TILED = {"tiles": {"rows": 24, "columns": 10}}
PASSIVE = {"access": "passive"}
SOFT: dict[str, Any] = {**PRUNED, "kind": "soft"}
HARD: dict[str, Any] = {**PRUNED, "kind": "hard", "stages": 1, "selection": "quantile"}
AT_BOUND = {"maturity": "bounds", "bound_share": 0.1}
NONE = {"kind": "none"}


def of(pruning: dict[str, Any] = NONE, **options: Any) -> dict[str, Any]:
    return BASE | {"pruning": pruning} | options


def bits(number: int, **how: Any) -> dict[str, Any]:
    return {"storage": "digital", "digital": {"bits": number, **how}}


CATALOG = Path(__file__).parent / "devices"
"""Devices as 0.5.0 had them, where the catalog has changed since."""
CASES: dict[str, dict[str, Any]] = {
    # pruning
    "unpruned": of(),
    "soft": of(SOFT),
    "soft, floor, quantile": of({**SOFT, "value": "floor", "selection": "quantile"}),
    "soft, constant, magnitude": of({**SOFT, "value": "constant", "selection": "magnitude"}),
    "soft, freeze, write-cost": of({**SOFT, "value": "freeze", "selection": "write-cost"}),
    "soft, distance, bounds": of({**SOFT, "selection": "distance", **AT_BOUND}),
    "soft, stability": of({**SOFT, "maturity": "stability", "stable_change": 0.3}),
    "soft, trained": of({**SOFT, "maturity": "trained", "stages": 1}),
    "hard": of(HARD),
    "hard, threshold": of({**HARD, "selection": "threshold", "fraction": 0.4}),
    "hard, saliency": of({**HARD, "selection": "saliency"}),
    # rules
    "ideal rule": of(SOFT, rule="ideal"),
    "ideal rule, dense": of(rule="ideal", update="dense"),
    "verify": of(SOFT, programming={"scheme": "verify"}, device="ag-a-si"),
    "deterministic": of(SOFT, programming={"scheme": "deterministic"}, device="epiram"),
    # laws and grids
    "law constant": of(SOFT, cell={"law": "constant", **SLOPES}),
    "law power": of(SOFT, cell=CURVED),
    "law table": of(SOFT, cell=TABLE),
    "levels": of(SOFT, cell={"levels": 16}),
    "levels, radix": of(SOFT, cell={"levels": 6, "level_radix": 1.8}),
    "quantum": of(SOFT, cell={"g_quantum": 2e-6}),
    "law table, levels": of(SOFT, cell={**TABLE, "levels": 32}),
    # behaviours of a cell
    "flicker": of(SOFT, cell={"g_flicker": 3e-6, "flicker_duty": 0.3}),
    "flicker, verify": of(
        SOFT, cell={"g_flicker": 3e-6, "flicker_duty": 0.3}, programming={"scheme": "verify"}
    ),
    "stuck and worn": of(SOFT, cell={"stuck_low": 0.05, "stuck_high": 0.05, "endurance": 60.0}),
    "drift": of(SOFT, device=str(CATALOG / "gst-pcm.toml"), celsius=85.0),
    "gates": of(SOFT, device="hzo-fefet"),
    "nonlinear current": of(SOFT, cell={"v_sinh": 0.2}),
    # access
    "passive": of(SOFT, **PASSIVE),
    "passive, disturb": of(SOFT, **PASSIVE, cell={"v_switch": 0.07}),
    "passive, disturb, thirds": of(SOFT, **PASSIVE, scheme="V/3", cell={"v_switch": 0.1}),
    "passive, disturb, levels": of(
        SOFT, **PASSIVE, cell={**CURVED, "v_switch": 0.1, "levels": 32}
    ),
    "passive, hard, ideal rule": of(HARD, **PASSIVE, rule="ideal"),
    "passive, verify": of(SOFT, **PASSIVE, programming={"scheme": "verify"}),
    # lines
    "wires": of(SOFT, **LOSSY),
    "wires, tiles": of(HARD, **LOSSY, **TILED),
    "wires, passive": of(SOFT, **LOSSY, **PASSIVE, cell={"v_switch": 0.07}),
    "wires, verify": of(SOFT, **LOSSY, programming={"scheme": "verify"}),
    "wires, ideal rule, dense": of(**LOSSY, rule="ideal", update="dense"),
    # converters
    "converters": of(SOFT, readout={"adc_bits": 6}),
    "converters with flaws, tiles": of(
        SOFT, **TILED, readout={"adc_bits": 5, "offset_d2d": 0.5, "inl": 0.5, "dnl": 0.3}
    ),
    "converters, wires": of(SOFT, **LOSSY, **TILED, readout={"adc_bits": 8}),
    # binary cells
    "1 bit": of(**bits(1)),
    "2 bits": of(SOFT, **bits(2)),
    "4 bits, converters": of(SOFT, **bits(4, adc_bits=5)),
    "2 bits, sensed, noisy": of(SOFT, **bits(2, read="sensed"), cell={"read_c2c": 0.2}),
    "2 bits, flicker, faults": of(
        SOFT, **bits(2), cell={"g_flicker": 3e-6, "stuck_low": 0.02, "endurance": 300.0}
    ),
    "2 bits, deterministic": of(**bits(2, rule_at="code"), programming={"scheme": "deterministic"}),
}  # fmt: skip


def images_and_labels() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    data = load_dataset("mnist")
    return data.train_images[:IMAGES], data.train_labels[:IMAGES]


def begun(options: dict[str, Any]) -> tuple[SpikingNetwork, NDArray[np.uint8]]:
    """Return a network that has seen nothing yet, and what its array reads of the images."""
    network = SpikingNetwork(**options)
    network.threads = 1
    inputs = network.prepare(images_and_labels()[0])
    layer: Any = getattr(network, "layers", [network])[0]
    if hasattr(layer, "competition_scale"):  # 0.5.0 had neither
        layer.competition_scale = 1.0
    return network, inputs


def resumed(path: Path) -> tuple[SpikingNetwork, NDArray[np.uint8]]:
    """Return a network as it was saved, and what its array reads of the images."""
    network = SpikingNetwork.load(path)
    network.threads = 1
    return network, network.prepare(images_and_labels()[0])


def learned(
    network: SpikingNetwork, inputs: NDArray[np.uint8], epochs: int = EPOCHS
) -> dict[str, Any]:
    """Go on learning; return what there is to compare."""
    images, labels = images_and_labels()
    winners: list[NDArray[np.int32]] = []
    network.resume(inputs, epochs=epochs, callback=lambda step: winners.append(step.winners))
    network.label(images[:NAMED], labels[:NAMED])
    train, label = network.ledger.account("train"), network.ledger.account("label")
    crossbar = network.crossbar
    assert network.class_counts is not None
    return {
        "winners": digest(*winners),
        "conductance": digest(crossbar.conductance),
        "cells": digest(crossbar.state.g, crossbar.state.cells),
        "wear": digest(crossbar.state.wear),
        "pruned": digest(network.pruner.pruned),
        "responses": digest(network.class_counts),
        "counts": [[int(n) for n in account.counts] for account in (train, label)],
        "joules": [[float(joules) for joules in account.joules] for account in (train, label)],
    }


def arithmetic() -> str:
    """Return a digest of sums that processors of other vector widths form in another order."""
    potentials = np.linspace(-9, 0, 500, dtype=np.float32)
    bits = np.zeros(500, np.int32)
    exponentials(potentials, np.float32(0), bits, bits.view(np.float32))
    sums = np.zeros(16, np.float32)
    return digest(potentials, np.array([block_sums(potentials, sums)]), sums)


def digest(*arrays: NDArray[Any]) -> str:
    content = blake2b(digest_size=8)
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()
