"""Arguments of plain functions that are not what they should be, and what is said about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cbramsim import (
    Bill,
    Crossbar,
    Device,
    Draws,
    EnergyLedger,
    Federation,
    Hierarchy,
    Layers,
    Mlp,
    NetworkConfig,
    Operation,
    Periphery,
    SpikingNetwork,
    Terminals,
    Tiles,
    Wires,
    federate,
    learning_curve,
    warm_start,
)
from cbramsim.core.errors import CbramError
from cbramsim.simulator.array.binary import BinaryCrossbar
from cbramsim.simulator.circuits.adc import Adc, Converters
from cbramsim.simulator.comparison.layers import shaped
from cbramsim.simulator.energy.bill import interval
from cbramsim.simulator.lines import LineFaults, effective, solve
from cbramsim.simulator.several.federation import shards
from cbramsim.simulator.several.joining import Learned, concatenate, join_neurons, read_off
from cbramsim.simulator.several.reuse import Reuse

DEVICE = Device.load("subquantum-cbram")
WIRES = Wires()
GRID = np.full((3, 2), 1e-5)
DRIVEN = Terminals.product([0.1, 0.1, 0.1], 2, WIRES)
IMAGES = np.zeros((4, 9), np.uint8)
NETWORK = NetworkConfig(neurons=4, inputs=9)
RAGGED = [[1.0, 2.0], [3.0]]
MASKED = np.ma.masked_array([0.1, 0.1, 0.1], [False, True, False])


def array() -> Crossbar:
    return Crossbar(DEVICE, (3, 2), seed=1)


def binary() -> BinaryCrossbar:
    return BinaryCrossbar(DEVICE, (3, 2), seed=1)


WHOLE = "must be a whole number"
CASES: list[tuple[Callable[[], Any], str]] = [
    # Crossbar
    *[
        (lambda seed=seed: Crossbar(DEVICE, (3, 2), seed=seed), f"Crossbar.seed: {WHOLE} >= 0 and <=")
        for seed in (-1, 1.5, "1", None, True, 2**63, [1], math.nan)
    ],
    (lambda: Crossbar(3, (3, 2)), "device: must be a text or a path (got 3)"),  # type: ignore[arg-type]
    (lambda: Crossbar(DEVICE, (3, 2), periphery=3), "periphery: must be a text or a path"),  # type: ignore[arg-type]
    (lambda: Crossbar(DEVICE, (3, 2), ledger={}), "Crossbar.ledger: must be an EnergyLedger or None"),  # type: ignore[arg-type]
    (lambda: Crossbar(DEVICE, (3, 2), tiles=2), "Crossbar.tiles: must be a Tiles or None"),  # type: ignore[arg-type]
    (lambda: Crossbar(DEVICE, (3, 2), wire=None), "Crossbar: options must be one of access, scheme"),  # type: ignore[call-arg]
    (lambda: Crossbar(DEVICE, (3, 2), wires=True), "Crossbar.wires: must be a Wires or None"),  # type: ignore[arg-type]
    (lambda: Crossbar(DEVICE, (True, 2)), "Crossbar.shape: must be two whole numbers"),
    (lambda: Crossbar(DEVICE, (10**6, 10**6)), "Crossbar.shape: must be at most 16,777,216 cells"),
    (lambda: Crossbar(DEVICE, (10**5000, 1)), "Crossbar.shape: must be at most 16,777,216 cells"),
    (lambda: array().read(RAGGED), "Crossbar.read: voltages must be numbers, in rows of one length"),
    (lambda: array().read(["a"] * 3), "Crossbar.read: voltages must be real numbers (got <U1"),
    (lambda: array().read([1j] * 3), "voltages must be real numbers (got complex128"),
    (lambda: array().read([None] * 3), "voltages must be real numbers (got object"),
    (lambda: array().read([True] * 3), "voltages must be real numbers (got bool"),
    (lambda: array().read([10**30] * 3), "voltages must be real numbers (got object"),
    (lambda: array().read(MASKED), "voltages must be real numbers (got values under a mask)"),
    (lambda: array().read([]), "voltages must have 3 values on the last axis"),
    (lambda: array().read([0.1, 0.1]), "(got shape (2,): this looks transposed, use .T)"),
    (lambda: array().read([1e300] * 3), "voltages must be >= -100 and <= 100 V (got 1e+300 in size)"),
    (lambda: array().read([math.inf] * 3), "voltages must be finite"),
    (lambda: array().read([0.1] * 3, signed="no"), "Crossbar.read: signed must be true or false"),  # type: ignore[arg-type]
    (lambda: array().read([0.1] * 3, noise=1), "Crossbar.read: noise must be true or false"),  # type: ignore[arg-type]
    (lambda: array().read_spikes([0, 1, 2]), "spikes must be true or false, or 1 or 0"),
    (lambda: array().read_spikes(["", "", "x"]), "Crossbar.read_spikes: spikes must be real numbers"),
    (lambda: array().program(0.0, [0], 1), f"Crossbar.program: column {WHOLE} >= 0 and <= 1"),  # type: ignore[arg-type]
    (lambda: array().program(0, [True], 1), "Crossbar.program: rows must be whole numbers"),
    (lambda: array().program(0, [[0], [1]], 1), "rows must be one row of numbers (got shape (2, 1))"),
    (lambda: array().program(0, RAGGED, 1), "rows must be whole numbers"),
    (lambda: array().program(0, [0], "1"), "pulses must be whole numbers >= -1000000 and <= 1000000"),
    (lambda: array().program(0, [0], True), "pulses must be whole numbers"),
    (lambda: array().program_to(0, [0], "1"), "Crossbar.program_to: target must be real numbers"),
    (lambda: array().program_to(0, [0], 1e-5, 99), "operation must be an Operation (got 99)"),  # type: ignore[arg-type]
    (lambda: array().pulse_train([[0, 0]], 10**9), "pulses must be whole numbers"),
    (lambda: array().pulse_train([[0, 0]], [60_000] * 2), f"pulses, in all, {WHOLE} >= 0 and <= 100000"),
    (lambda: array().pulse_train([[0, 0]] * 1000, 90_000), "cells times pulses must be <= 50,000,000"),
    (lambda: array().pulse_train([[0, "a"]], 1), "Crossbar.pulse_train: cells must be real numbers"),
    (lambda: array().write_verify([[0, 0]], 1e-5, tolerance="1"), "write_verify: tolerance must be a"),  # type: ignore[arg-type]
    (lambda: array().write_verify([[0, 0]], 1e-5, budget=True), f"write_verify: budget {WHOLE}"),
    (lambda: array().write_verify([[0, 0]], 1e-5, corrections=[]), "corrections must be one of"),  # type: ignore[arg-type]
    (lambda: array().wait("1"), "Crossbar.wait: seconds must be a finite number (got '1')"),  # type: ignore[arg-type]
    (lambda: array().wait(hours=True), "Crossbar.wait: hours must be a finite number (got True)"),
    (lambda: array().wait(years=1e300), "Crossbar.wait: time must be a number >= 0 and <= 1e+15 s"),
    (lambda: array().wait(1, celsius=None), "celsius: must be a number >= -273 and <= 1000"),  # type: ignore[arg-type]
    (lambda: array().wear(-1), f"Crossbar.wear: images {WHOLE} >= 0 (got -1)"),
    (lambda: array().solve([0.1] * 3), "Crossbar.solve: needs an array with wires"),
    # BinaryCrossbar
    (lambda: BinaryCrossbar(DEVICE, 3), "BinaryCrossbar.shape: must be two whole numbers"),  # type: ignore[arg-type]
    (lambda: BinaryCrossbar(DEVICE, (3, 2), 2), "BinaryCrossbar.binary: must be a BinaryWeights"),  # type: ignore[arg-type]
    (lambda: BinaryCrossbar(DEVICE, (3, 2), seed=-1), f"Crossbar.seed: {WHOLE}"),
    (lambda: binary().set_codes([[1.0, 2.0]]), "set_codes: codes must be whole numbers >= 0 and <= 3"),
    (lambda: binary().set_codes(4), "codes must be whole numbers >= 0 and <= 3 (got 4)"),
    (lambda: binary().set_weights(1.5), "must be >= -1 and <= 1 (got 6 of 6 outside, by up to 0.5"),
    (lambda: binary().set_weights(np.zeros((2, 3))), "this looks transposed, use .T"),
    (lambda: binary().program_to(2, [0], 1e-5), f"program_to: column {WHOLE} >= 0 and <= 1 (got 2)"),
    (lambda: binary().program_to(0, [0], math.nan), "target must be >= 0"),
    # networks
    (lambda: SpikingNetwork({}), "SpikingNetwork.config: must be a NetworkConfig or None"),  # type: ignore[arg-type]
    *[
        (lambda n=n: SpikingNetwork(NETWORK).fit(IMAGES, epochs=n), f"fit.epochs: {WHOLE} >= 1 and <=")
        for n in (-1, 0, 2.5, math.inf, "2", True, None, 10**9)
    ],
    (lambda: SpikingNetwork(NETWORK).fit(IMAGES, callback=3), "callback: must be a function, or None"),  # type: ignore[arg-type]
    *[
        (lambda n=n: setattr(SpikingNetwork(NETWORK), "threads", n), f"threads: {WHOLE} >= 1 and <= 1024")
        for n in (0, -1, "2", 1.5, True, None, 10**9)
    ],
    (lambda: SpikingNetwork(NETWORK).resume(3, epochs=1), "must be given what `prepare` returned"),  # type: ignore[arg-type]
    (lambda: SpikingNetwork(NETWORK).release(), "SpikingNetwork.release: fit comes first"),
    (lambda: SpikingNetwork(NETWORK).label(IMAGES, [10**7] * 4), "labels must be below 1,000"),
    (lambda: SpikingNetwork(NETWORK).label(IMAGES, [[0], [0, 1]]), "labels must be whole numbers"),
    (lambda: SpikingNetwork(NETWORK).predict(IMAGES, vote=3), "vote: must be one of profile, majority"),  # type: ignore[arg-type]
    (lambda: warm_start(3, IMAGES), "warm_start.source: must be a SpikingNetwork or a text or a path"),  # type: ignore[arg-type]
    (lambda: learning_curve(3, IMAGES, (), (), []), "learning_curve.network: must be a SpikingNetwork"),  # type: ignore[arg-type]
    (
        lambda: learning_curve(SpikingNetwork(NETWORK), IMAGES, IMAGES, (IMAGES, [0] * 4), [1]),  # type: ignore[arg-type]
        "learning_curve.named: must be Labelled",
    ),
    (
        lambda: learning_curve(SpikingNetwork(NETWORK), IMAGES, *[(IMAGES, [0] * 4)] * 2, [1], epochs=0),  # type: ignore[arg-type]
        f"learning_curve.epochs: {WHOLE} >= 1",
    ),
    (lambda: federate(IMAGES, 3), "federate.federation: must be a Federation or None"),  # type: ignore[arg-type]
    (lambda: federate(IMAGES, config={}), "federate.config: must be a NetworkConfig or None"),  # type: ignore[arg-type]
    (lambda: federate(IMAGES, Federation(clients=2), NETWORK, threads=0), f"threads: {WHOLE}"),
    (lambda: federate(IMAGES, Federation(clients=5), NETWORK), "shards.clients: must be >= 1 and <= 4"),
    (lambda: Federation(clients=True), f"Federation.clients: {WHOLE}"),
    (lambda: shards(4, 2.0), f"shards.clients: {WHOLE}"),  # type: ignore[arg-type]
    (lambda: shards(4, 2, seed=-1), f"shards.seed: {WHOLE}"),
    (lambda: read_off(3, 8), "read_off.network: must be a SpikingNetwork"),  # type: ignore[arg-type]
    (lambda: join_neurons([], [], "match"), "join_neurons.learned: must be of one client or more"),
    (lambda: join_neurons([Learned(GRID, GRID[0])], [0], "match"), "join_neurons.images: must be whole"),
    (lambda: concatenate([3]), "concatenate.networks: must be a SpikingNetwork"),  # type: ignore[list-item]
    (lambda: Reuse(pretrain=1, adapt=1, cold=1).per_use(math.inf), f"Reuse.uses: {WHOLE}"),  # type: ignore[arg-type]
    # ledgers and bills
    (lambda: EnergyLedger().add("a", 3, 1, 1.0), "EnergyLedger.add: operation must be an Operation"),  # type: ignore[arg-type]
    (lambda: EnergyLedger().add("a", Operation.CELL_READ, 1.5, 1.0), f"add: count {WHOLE}"),  # type: ignore[arg-type]
    (lambda: EnergyLedger().add("a", Operation.CELL_READ, 1, math.nan), "joules must be a finite number"),
    (lambda: EnergyLedger().add("a", Operation.CELL_READ, 2**62 + 1, 1.0), "add: count must be"),
    (lambda: EnergyLedger().add("a", Operation.CELL_READ, -1, 1.0), "add: count must be"),
    (lambda: EnergyLedger().clear([]), "EnergyLedger.clear: phase must be a text"),  # type: ignore[arg-type]
    (lambda: EnergyLedger.from_arrays({}), "from_arrays: ledger_phases is missing"),
    (lambda: interval(np.array([]), 0.9), "interval: samples must be at least one (got none)"),
    (lambda: EnergyLedger().account(3), "EnergyLedger: phase must be a text (got 3)"),  # type: ignore[arg-type]
    (lambda: EnergyLedger().count("a", 3), "EnergyLedger.count: operation must be an Operation"),  # type: ignore[arg-type]
    (lambda: Bill().add("a", math.inf), "Bill.add: count must be a finite number (got inf)"),
    (lambda: Bill().add("a", 1, 3.0), "Bill.add: constants must be a Constant (got 3.0)"),  # type: ignore[arg-type]
    (lambda: Bill() * "2", "Bill: factor must be a finite number (got '2')"),  # type: ignore[operator]
    (lambda: Bill() + 1, "Bill: what is added must be a Bill"),  # type: ignore[operator]
    (lambda: Bill().sample(100), "Bill.sample: draws must be a Draws (got 100)"),  # type: ignore[arg-type]
    *[(lambda n=n: Draws(n), f"Draws.count: {WHOLE} >= 1 and <= 1000000") for n in (0, 1e3, 10**12)],
    (lambda: Draws(10, seed=-1), f"Draws.seed: {WHOLE}"),
    (lambda: interval(np.zeros(3), 1.5), "interval: level must be a number >= 0 and <= 1"),
    # binary
    (lambda: Layers.parse(3), "Layers.parse: text must be a text (got 3)"),  # type: ignore[arg-type]
    (lambda: Layers.parse("3," + "9" * 400), "Layers.widths: must be two or more whole numbers"),
    (lambda: shaped("rectangle", 3, 10, 10, 10**400), f"shaped.size: {WHOLE} >= 1 and <="),
    (lambda: shaped("rectangle", 2.5, 10, 10, 100), f"shaped.depth: {WHOLE}"),  # type: ignore[arg-type]
    (lambda: shaped(3, 3, 10, 10, 100), "shaped.shape: must be one of"),  # type: ignore[arg-type]
    (lambda: Mlp({}), "Mlp.config: must be a MlpConfig or None"),  # type: ignore[arg-type]
    (lambda: Mlp(layers=(10**6, 10**6)), "Mlp.config: must have at most 33,554,432 parameters"),
    (lambda: Mlp(seed=2**64), f"MlpConfig.seed: {WHOLE}"),
    (lambda: Hierarchy.load(3), "hierarchy: must be a text or a path (got 3)"),  # type: ignore[arg-type]
    (lambda: Periphery.load(None), "periphery: must be a text or a path (got None)"),  # type: ignore[arg-type]
    (lambda: DEVICE.without("v_sett"), "Device.without: must be one of"),
    (lambda: Converters(Adc(), 2.0), f"Converters.columns: {WHOLE} >= 1"),  # type: ignore[arg-type]
    (lambda: Converters(Adc(), 2, seed=-1), f"Converters.seed: {WHOLE}"),
    (lambda: Converters(Adc(), 2).convert(["a", "b"]), "Converters.convert: values must be real numbers"),
    # circuits
    (lambda: Tiles(rows=True), f"Tiles.rows: {WHOLE}"),
    (lambda: Terminals.product(RAGGED, 2, WIRES), "Terminals.product: voltages must be numbers, in rows"),
    (lambda: Terminals.product([0.1], 0, WIRES), f"Terminals.product: columns {WHOLE} >= 1"),
    (lambda: Terminals.product([0.1], 2, None), "Terminals.product: wires must be a Wires"),  # type: ignore[arg-type]
    (lambda: Terminals.selected(0, 1.0, (3, 2), "V/2", WIRES), "cell and shape must be two whole"),  # type: ignore[arg-type]
    (lambda: Terminals.selected((0, 0), "1", (3, 2), "V/2", WIRES), "voltage must be a finite number"),  # type: ignore[arg-type]
    (lambda: solve(RAGGED, DRIVEN, WIRES), "solve.conductance: must be numbers, in rows of one length"),
    (lambda: solve(GRID * 1j, DRIVEN, WIRES), "solve.conductance: must be real numbers (got complex"),
    (lambda: solve([*GRID.tolist(), ["a", "b"]], DRIVEN, WIRES), "solve.conductance: must be real"),
    (lambda: solve(GRID, (1, 2), WIRES), "solve.terminals: must be a Terminals"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, 2.0), "solve.wires: must be a Wires (got 2.0)"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, WIRES, faults=3), "solve.faults: must be a LineFaults or None"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, WIRES, tolerance="1"), "solve.tolerance: must be a finite number"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, WIRES, method=[]), "solve.method: must be one of"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, WIRES, faults=LineFaults(open_word=((9, 9),))), "LineFaults.open_word"),
    (lambda: solve(GRID, DRIVEN, WIRES, faults=LineFaults(open_word=((0.5, 1),))), "LineFaults.open_word"),
    (lambda: solve(GRID, DRIVEN, WIRES, faults=LineFaults(open_word=(3,))), "LineFaults.open_word"),  # type: ignore[arg-type]
    (lambda: solve(GRID, DRIVEN, WIRES, faults=LineFaults(open_word=3)), "open_word: must be a tuple or a list"),  # type: ignore[arg-type]
    (lambda: solve(GRID * 1e300, DRIVEN, WIRES), "conductance: that is finite must be a number >= 0 and <= 1e+15"),
    (lambda: solve(GRID, Terminals.product([1e300] * 3, 2, WIRES), WIRES), "Terminals.word_left: must be"),
    (lambda: effective(GRID * 1e300, WIRES), "conductance: that is finite must be a number"),
    (lambda: effective(3.0, WIRES), "effective.conductance: must be [rows, columns]"),
    (lambda: effective(GRID, WIRES, threads=0), f"effective.threads: {WHOLE} >= 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CASES, ids=[f"{n}" for n in range(len(CASES))])
def test_it_is_refused_by_name(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(CbramError) as error:
        call()
    assert message in str(error.value)


def test_scalars_of_numpy_stand_for_their_values() -> None:
    assert Crossbar(DEVICE, (np.int64(3), np.int32(2)), seed=np.uint8(1)).shape == (3, 2)
    assert Draws(np.int64(3)).count == 3
    network = SpikingNetwork(NETWORK)
    network.threads = np.int64(2)
    assert network.threads == 2


def test_looking_at_a_phase_does_not_open_it() -> None:
    ledger = EnergyLedger()
    assert ledger.total("train") == ledger.count("train", Operation.CELL_READ) == 0
    assert ledger.phases == []
