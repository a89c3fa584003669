"""Networks whose weights are in several cells: they learn, resume, are pruned, and pay for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.train.metrics import wires
from cbramsim.simulator.array.synapse import Synapse, SynapseCrossbar
from cbramsim.simulator.comparison.array_bill import network_bill
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.rules.pulsed import Programming, wanted_pulses
from cbramsim.simulator.learning.rules.stdp import StdpRule
from cbramsim.simulator.several.joining import check_joinable

DEVICE = Device.load("subquantum-cbram")
PAIRS: dict[str, Any] = {"cells": 2, "pair": True, "pulses": "set", "renew_every": 30}
NOISY = {"cell": {"step_c2c": 0.02, "read_c2c": 0.02}, "neurons": 20, "seed": 3}


def network(synapse: dict[str, Any], **changes: Any) -> SpikingNetwork:
    config: dict[str, Any] = NOISY | {"synapse": synapse, "pruning": {"kind": "none"}} | changes
    return SpikingNetwork(**config)


@pytest.mark.parametrize(
    ("synapse", "changes"),
    [
        (PAIRS, {}),
        ({"cells": 3}, {"programming": {"method": "verify"}}),
        ({"pair": True, "significance": 3, "renew_every": 20}, {}),
    ],
    ids=["by sets", "verified sums", "two significances"],
)
def test_learning_that_was_interrupted_comes_to_the_same_end(
    mnist: Dataset, tmp_path: Path, synapse: dict[str, Any], changes: dict[str, Any]
) -> None:
    one = network(synapse, **changes)
    images = one.prepare(mnist.train_images[:600])
    for start in range(0, 300, 100):
        one.learn_from(images, np.arange(start, start + 100))
    one.save(tmp_path / "state.npz")
    other = SpikingNetwork.load(tmp_path / "state.npz")
    for each in (one, other):
        each.learn_from(images, np.arange(300, 600))
    mine, theirs = one.to_state(), other.to_state()
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    array, account = one.crossbar, one.ledger.account("train")
    assert isinstance(array, SynapseCrossbar)
    assert array.updates.sum() == account.counts[Operation.OUTPUT_SPIKE]
    assert account.counts[Operation.PROGRAM_LINE] == array.state.wear.sum()
    renewed = array.synapse.pulses == "set" or array.synapse.significance > 1
    assert (account.counts[Operation.RENEWAL_PULSE] > 0) == renewed


def test_many_cells_learn_what_one_ideal_cell_learns(mnist: Dataset) -> None:
    """The finer the steps of the sum, the closer to exact updates: the field's reason for it."""
    images = mnist.train_images[:1500]
    rough = {"pulses_up": 4, "pulses_down": 4, "nonlinearity_up": 0.0, "nonlinearity_down": 0.0}
    common = {"cell": rough, "neurons": 10, "seed": 1, "pruning": {"kind": "none"}}
    exact = SpikingNetwork(**common, rule="ideal").fit(images, epochs=1)
    distances = []
    for cells in (1, 16):
        found = SpikingNetwork(**common, synapse={"cells": cells}).fit(images, epochs=1)
        sorted_by = [np.sort(each.crossbar.weights, axis=None) for each in (found, exact)]
        distances.append(np.abs(sorted_by[0] - sorted_by[1]).mean())
    assert distances[1] < 0.5 * distances[0]


def test_the_controller_asks_for_as_many_pulses_as_a_weight_needs() -> None:
    """N cells need N times the pulses; a pair of symmetric cells twice as many."""
    rule, weight = StdpRule(), np.linspace(-0.9, 0.9, 7)
    free = Programming(max_pulses=10_000)
    one = wanted_pulses(rule, DEVICE, weight, free)
    for cells in (2, 5):
        several = wanted_pulses(rule, DEVICE, weight, free, Synapse(cells=cells))
        np.testing.assert_allclose(several, np.multiply(cells, one), rtol=1e-12)
    pair = Synapse(pair=True)
    rising, falling = pair.rising(DEVICE, weight), pair.falling(DEVICE, weight)
    np.testing.assert_allclose(rising.step, falling.step[::-1], rtol=1e-12)
    g, mirrored = DEVICE.conductance_of(weight), DEVICE.conductance_of(-weight)
    mean = 0.5 * (DEVICE.step_up(g) + DEVICE.step_down(mirrored))
    np.testing.assert_allclose(rising.step, mean / DEVICE.g_range, rtol=1e-12)


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_weights_in_several_cells_are_pruned(mnist: Dataset, kind: str) -> None:
    pruning = {"kind": kind, "fraction": 0.5, "mature_spikes": 30}
    found = network({"pair": True}, pruning=pruning).fit(mnist.train_images[:800], epochs=1)
    pruned = found.pruner.pruned.T
    assert pruned.mean() == pytest.approx(0.5, abs=0.05)
    weights = found.crossbar.weights
    if kind == "hard":
        assert not weights[pruned].any()
        assert not found.crossbar.connected[pruned].any()
    else:
        assert found.crossbar.inhibited[pruned].all()
        held = np.median(weights[pruned])
        assert np.abs(weights[pruned] - held).mean() < 0.5
    found.label(mnist.train_images[:800], mnist.train_labels[:800])
    assert found.score(mnist.test_images[:400], mnist.test_labels[:400]) > 0.35


@pytest.mark.parametrize(
    "kept", [{"synapse": {"pair": True}}, {"storage": "binary"}], ids=["pairs", "binary"]
)
def test_what_lines_do_to_cells_is_in_the_metrics(mnist: Dataset, kept: dict[str, Any]) -> None:
    found = SpikingNetwork(neurons=5, inputs=30, wires=True, **kept).fit(mnist.train_images[:40])
    part = wires(found)["seen"]
    assert 0.9 < part < 1
    lines = found.crossbar.wired
    assert lines is not None
    g = found.crossbar.state.g
    assert part == pytest.approx(lines.conductance(g).sum() / g.sum(), rel=1e-6)


def test_the_bill_of_several_cells_is_their_ledger(mnist: Dataset) -> None:
    found = network(PAIRS).fit(mnist.train_images[:300], epochs=1)
    bill = network_bill(found, "train")
    assert bill.joules == pytest.approx(found.ledger.totals()["train"], rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage": "binary"}, "storage must be analog with several cells a weight"),
        ({"synapse": {"cells": 65}}, "synapse.cells: must be a whole number >= 1 and <= 64"),
        ({"synapse": {"pulse": "set"}}, "synapse.pulse: unknown key (did you mean 'pulses'?)"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        NetworkConfig(**({"synapse": {"cells": 2}} | changes))
    assert message in str(error.value)


def test_federations_need_one_cell_a_weight() -> None:
    with pytest.raises(ParameterError, match=r"needs cells of a weight \(synapse\) 1 \(got 2\)"):
        check_joinable(NetworkConfig(synapse=Synapse(cells=2)))
