"""The compiled loop against the NumPy twin: same streams, same physics, same joules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cbramsim.simulator.datasets import Dataset
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.network import SpikingNetwork
from cbramsim.simulator.twin import GeneratorDraws, NumpyTwin
from tests.replay import ReplayDraws

POLICIES = {
    "device": {"pruning": {"kind": "none"}},
    "ideal": {"rule": "ideal", "pruning": {"kind": "none"}},
    "ideal device": {"device": "ideal", "pruning": {"kind": "none"}},
    "soft": {"pruning": {"mature_spikes": 20}},
    "hard": {"pruning": {"kind": "hard", "fraction": 0.4, "mature_spikes": 20}},
}


class SlowRecount(NumpyTwin):
    """Counts the current of every single cell anew at every read."""

    def conductance_of(self, rows: np.ndarray) -> float:
        return math.fsum(self.g[rows].astype(float).ravel().tolist())


def small_network(data: Dataset, **changes) -> tuple[SpikingNetwork, np.ndarray]:
    """A network that has learned a little, so that all kinds of cells occur."""
    network = SpikingNetwork(neurons=37, inputs=101, seed=3, **changes)
    inputs = network.prepare(data.train_images[:600])
    network.resume(inputs, epochs=1)
    return network, inputs


@pytest.mark.parametrize("changes", POLICIES.values(), ids=POLICIES)
def test_loop_and_independent_recount_agree(mnist: Dataset, changes: dict) -> None:
    network, inputs = small_network(mnist, **changes)
    twin = SlowRecount(network, ReplayDraws(network))
    homeostasis = np.float32(network.config.competition.homeostasis_at(network.images_seen))
    before = {op: network.ledger.account("train").counts[op] for op in Operation}
    joules = {op: network.ledger.account("train").joules[op] for op in Operation}

    chosen = np.arange(40)
    network.pruner.policy = network.pruner.policy.replace(kind="none")
    winners = network.learn_from(inputs, chosen)
    expected = [
        [twin.present(inputs[n], homeostasis) for _ in range(winners.shape[1])] for n in chosen
    ]

    np.testing.assert_array_equal(winners, expected)
    np.testing.assert_array_equal(network.spike_counts, twin.spike_counts)
    # The ideal rule's exponential may differ in the last bit between libraries.
    np.testing.assert_allclose(
        network.crossbar.conductance, twin.g, rtol=1e-6 if network.ideal else 0
    )
    np.testing.assert_allclose(
        network.bias - network.bias.mean(), twin.bias - twin.bias.mean(), atol=1e-4
    )
    account = network.ledger.account("train")
    for op in Operation:
        assert account.counts[op] - before[op] == twin.ledger.count("train", op), op
        assert account.joules[op] - joules[op] == pytest.approx(
            twin.ledger.account("train").joules[op], rel=1e-9 if not network.ideal else 1e-7
        ), op


def test_the_twin_learns_with_random_numbers_of_its_own(mnist: Dataset) -> None:
    """Other draws, same physics: pulses, joules and weights agree on average."""
    network, inputs = small_network(mnist, pruning={"kind": "none"})
    twin = NumpyTwin(network, GeneratorDraws(0))
    before = network.ledger.account("train").counts.copy(), network.ledger.total()
    chosen = np.arange(600)
    windows = network.learn_from(inputs, chosen).shape[1]
    for n in chosen:
        for _ in range(windows):
            twin.present(inputs[n], network.config.competition.homeostasis)
    counts = network.ledger.account("train").counts - before[0]
    for op in (Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.SENSE_READ):
        assert twin.ledger.count("train", op) == pytest.approx(counts[op], rel=0.05), op
    assert twin.ledger.total() == pytest.approx(network.ledger.total() - before[1], rel=0.03)
    assert twin.g.mean() == pytest.approx(network.crossbar.conductance.mean(), rel=0.02)
