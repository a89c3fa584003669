"""Options of a network whose weights are in binary cells: rules and criteria against references."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.overhead import loaded
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from tests.simulator.array.test_binary import assert_same, network_of

CBRAM = Device.load("subquantum-cbram")

# ---- the ideal rule ----------------------------------------------------------------------------


def test_the_ideal_rule_is_that_of_cells_without_variability(mnist: Dataset) -> None:
    """The same network, bit for bit, as by device pulses in cells that have none."""
    spread = loaded(CBRAM)
    ideal, _ = network_of(mnist, rule="ideal", device=spread)
    same, _ = network_of(mnist, device=spread.without_variability())
    other, _ = network_of(mnist, device=spread)
    assert_same(ideal, same)
    assert (ideal.crossbar.codes != other.crossbar.codes).any()
    assert len(np.unique(ideal.crossbar.state.g)) == 2


def test_an_ideal_network_is_saved_and_goes_on(mnist: Dataset, tmp_path: Path) -> None:
    network, inputs = network_of(mnist, rule="ideal", cell={"stuck_low": 0.05, "v_switch": 0.1})
    network.save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    for each in (network, again):
        each.resume(inputs, epochs=2)
    assert_same(network, again)
