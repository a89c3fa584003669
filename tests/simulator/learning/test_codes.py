"""Options of a network whose weights are in binary cells: rules and criteria against references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.simulator.array.binary import BinaryCrossbar, BinaryWeights
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.pruning.neuron import Neuron
from cbramsim.simulator.learning.rules.codes import expected_code_energy, wanted_codes
from cbramsim.simulator.learning.rules.stdp import StdpRule
from tests.simulator.array.test_binary import RULE, assert_same, network_of, one_update

CBRAM = Device.load("subquantum-cbram")

# ---- the ideal rule ----------------------------------------------------------------------------


def test_the_ideal_rule_is_that_of_cells_without_variability(mnist: Dataset) -> None:
    """The same network, bit for bit, as by device pulses in cells that have none."""
    spread = CBRAM.replace(stuck_low=0.05, read_c2c=0.1, g_max_d2d=0.3)
    ideal, _ = network_of(mnist, rule="ideal", device=spread)
    same, _ = network_of(mnist, device=spread.without_variability())
    other, _ = network_of(mnist, device=spread)
    assert_same(ideal, same)
    assert (ideal.crossbar.codes != other.crossbar.codes).any()
    assert len(np.unique(ideal.crossbar.state.g)) == 2


def test_an_ideal_network_is_saved_and_goes_on(mnist: Dataset, tmp_path: Path) -> None:
    network, inputs = network_of(mnist, rule="ideal", cell={"stuck_low": 0.05})
    network.save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    for each in (network, again):
        each.resume(inputs, epochs=2)
    assert_same(network, again)


# ---- the cost of learning on -------------------------------------------------------------------


def written(crossbar: BinaryCrossbar) -> float:
    account = crossbar.cells.ledger.account("train")
    return float(account.joules[Operation.BIT_SET] + account.joules[Operation.BIT_RESET])


@pytest.mark.parametrize(
    ("bits", "code"), [(1, 0), (1, 1), (2, 1), (4, 0), (4, 7), (4, 8), (8, 3), (8, 128)]
)
@pytest.mark.parametrize("pixel", [26, 200])
def test_expected_energy_of_codes_is_the_mean_of_many_updates(
    bits: int, code: int, pixel: int
) -> None:
    rows, runs, rule = 4000, 60, StdpRule(ltp=0.3, ltd=0.02)
    binary = BinaryWeights(bits=bits, write_pulses=2)
    crossbar = BinaryCrossbar(CBRAM, (rows, 1), binary, seed=1)
    crossbar.set_codes(code)
    expected = expected_code_energy(rule, crossbar, 0, np.full(rows, pixel / 256)).sum()
    found = []
    for seed in range(runs):
        crossbar.set_codes(code)
        before = written(crossbar)
        one_update(crossbar, wanted_codes(rule, binary), pixel, seed)
        found.append(written(crossbar) - before)
    error = np.std(found) / np.sqrt(runs)
    assert np.mean(found) == pytest.approx(expected, abs=4 * error + 1e-3 * expected)
    assert error < 0.15 * expected


def test_a_write_costs_what_its_bits_say() -> None:
    """1 bit, by hand: chance of a write times V² t at the mean of both levels."""
    device = CBRAM.without_variability()
    crossbar = BinaryCrossbar(device, (2, 3), BinaryWeights(bits=1, rule_at="code"))
    crossbar.set_codes([[0] * 3, [1] * 3])
    low, high = expected_code_energy(RULE, crossbar, 1, np.array([0.3, 0.3]))
    mid = 0.5 * (device.g_min + device.g_max)
    assert low == pytest.approx(0.3 * RULE.ltp / 2 * device.v_set**2 * device.t_set * mid)
    assert high == pytest.approx(0.7 * RULE.ltd / 2 * device.v_reset**2 * device.t_reset * mid)
    assert not expected_code_energy(RULE, crossbar, 1, np.full(2, 0.3), "deterministic").any()


def test_what_costs_most_is_pruned_first(mnist: Dataset) -> None:
    pruning = {"selection": "write-cost", "value": "freeze", "stages": 1, "mature_spikes": 54}
    network, _ = network_of(mnist, binary={"bits": 3}, pruning=pruning)
    pruned = network.pruner.pruned
    assert pruned.any()
    assert (pruned.sum(axis=1) % round(0.75 * 101) == 0).all()
    before = network.crossbar.codes
    around = network.pruner.around
    column = int(np.flatnonzero(~network.pruner.mature)[0])
    neuron = Neuron(around, column)
    activity, p = around.activity, around.rule.probability(neuron.weights)
    p = np.where(neuron.weights <= -1 + RULE.ltd, np.minimum(p, activity), p)
    np.testing.assert_allclose(
        neuron.write_energy, expected_code_energy(RULE, network.crossbar, column, p)
    )
    network.pruner._prune(neuron, column)
    cost, taken = neuron.write_energy, network.pruner.pruned[column]
    assert cost[taken].min() >= cost[~taken].max()
    np.testing.assert_array_equal(network.crossbar.codes, before)
