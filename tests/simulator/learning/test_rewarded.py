"""STDP modulated by reward: what is asked for, what labels change, and that it pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.rules.pulsed import Programming, pulse_table
from cbramsim.simulator.learning.rules.rewarded import Scaled
from cbramsim.simulator.learning.rules.stdp import StdpRule

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (300, 40)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 300)
RULE = StdpRule()


def network(**changes: Any) -> SpikingNetwork:
    config: dict[str, Any] = {"neurons": 9, "inputs": 40, "pruning": {"kind": "none"}, "seed": 4}
    return SpikingNetwork(**(config | changes))


def reward(classes: int = 3, right: float = 1.0, wrong: float = 0.2) -> dict[str, Any]:
    return {"classes": classes, "reward": right, "punishment": wrong}


def test_what_is_asked_for_is_the_rule_in_part_or_the_other_way_round() -> None:
    w = np.linspace(-1, 1, 41)
    whole, reversed_ = Scaled(RULE, 1.0), Scaled(RULE, -0.3)
    np.testing.assert_array_equal(whole.potentiation(w), RULE.potentiation(w))
    np.testing.assert_array_equal(whole.depression(w), RULE.depression(w))
    inside = np.abs(w) < 0.9
    up, down = (f(w)[inside] for f in (reversed_.potentiation, reversed_.depression))
    np.testing.assert_allclose(up, -0.3 * RULE.depression(w)[inside])
    np.testing.assert_allclose(down, -0.3 * RULE.potentiation(w)[inside])
    assert reversed_.potentiation(w)[0] == pytest.approx(0.3 * RULE.ltd)  # off the floor
    device, programming = Device.load("subquantum-cbram"), Programming()
    one, other = (pulse_table(each, device, programming) for each in (whole, RULE))
    np.testing.assert_array_equal(one.pulses, other.pulses)


def test_without_reward_and_punishment_nothing_changes() -> None:
    still = network(reward=reward(right=0.0, wrong=0.0))
    inputs = still.prepare(IMAGES)
    before = still.crossbar.weights
    still.resume(inputs, LABELS, epochs=2)
    np.testing.assert_array_equal(still.crossbar.weights, before)
    for operation in (Operation.SENSE_READ, Operation.LTP_PULSE, Operation.LTD_PULSE):
        assert still.ledger.count("train", operation) == 0


def test_where_all_is_right_it_is_the_rule_without_labels() -> None:
    one = network(reward=reward(classes=1)).fit(IMAGES, np.zeros(300, int), epochs=2)
    other = network().fit(IMAGES, epochs=2)
    np.testing.assert_array_equal(one.crossbar.weights, other.crossbar.weights)
    mine, theirs = (each.ledger.account("train") for each in (one, other))
    np.testing.assert_array_equal(mine.counts, theirs.counts)
    np.testing.assert_array_equal(mine.joules, theirs.joules)


def test_where_all_is_wrong_it_goes_the_other_way() -> None:
    images = np.tile(np.repeat([255, 0], 20).astype(np.uint8), (300, 1))
    settings: dict[str, Any] = {
        "neurons": 1, "initial_weight": 0.0, "initial_weight_d2d": 0.0, "inputs": 40,
        "encoding": {"levels": "fixed"},
    }  # fmt: skip
    right = network(reward=reward(2), **settings).fit(images, np.zeros(300, int), epochs=1)
    wrong = network(reward=reward(2, wrong=1.0), **settings).fit(
        images, np.ones(300, int), epochs=1
    )
    for each, sign in ((right, 1), (wrong, -1)):
        spiked, silent = each.crossbar.weights[:20], each.crossbar.weights[20:]
        assert sign * spiked.mean() > 0.2
        assert sign * silent.mean() < -0.2


def test_reward_beats_learning_without_labels() -> None:
    """At equal neurons, images and passes; on training images that were held back."""
    data = load_dataset("mnist")
    images, labels = data.train_images[:2000], data.train_labels[:2000]
    held_back = data.train_images[-1000:], data.train_labels[-1000:]
    found = []
    for settings in ({}, {"reward": reward(10)}):
        scores = []
        for seed in range(2):
            learned = network(neurons=30, inputs=None, seed=seed, **settings)
            learned.fit(images, labels, epochs=2).label(images, labels)
            scores.append(learned.score(*held_back))
        found.append(np.mean(scores))
    assert found[1] > found[0] + 0.03


def test_a_rewarded_network_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    one = network(reward=reward()).partial_fit(IMAGES, LABELS)
    one.save(tmp_path / "state.npz")
    other = SpikingNetwork.load(tmp_path / "state.npz")
    for each in (one, other):
        each.partial_fit(IMAGES, LABELS)
    np.testing.assert_array_equal(one.crossbar.weights, other.crossbar.weights)


def test_labels_and_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"y must be the classes of the images"):
        network(reward=reward()).fit(IMAGES)
    with pytest.raises(ParameterError, match=r"y.* <= 2"):
        network(reward=reward()).fit(IMAGES, LABELS + 1)
    with pytest.raises(ParameterError, match=r"y must be one for each image"):
        network(reward=reward()).fit(IMAGES, LABELS[:5])
    with pytest.raises(ParameterError, match=r"reward.classes must be 0 unless rule is device"):
        network(reward=reward(), rule="ideal")
    with pytest.raises(ParameterError, match=r"reward.classes must be > 0 for rewards"):
        network(reward={"punishment": 0.5})
