from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.images.second_datasets import slanted
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.several.reuse import (
    Labelled,
    Point,
    Reuse,
    accuracy_on,
    images_to,
    joules_to,
    learning_curve,
    warm_start,
)
from tests.simulator.learning.test_network import SMALL, assert_same, state_of


@pytest.fixture(scope="module")
def trained(mnist: Dataset) -> SpikingNetwork:
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:1000], epochs=1)
    assert network.pruner.fraction > 0.5
    return network.label(mnist.train_images[:300], mnist.train_labels[:300])


@pytest.fixture(scope="module")
def new_images(mnist: Dataset) -> np.ndarray:
    return slanted(mnist.train_images[1000:2000])


def test_a_warm_start_costs_nothing_and_leaves_the_trained_network_alone(
    trained: SpikingNetwork, new_images: np.ndarray
) -> None:
    before = [part.copy() for part in state_of(trained)]
    network = warm_start(trained, new_images)
    assert network.ledger.total() == 0
    assert network.images_seen == network.passes == network.spike_counts.sum() == 0
    assert network.class_counts is None
    np.testing.assert_array_equal(network.crossbar.conductance, trained.crossbar.conductance)
    np.testing.assert_array_equal(network.crossbar.state.cells, trained.crossbar.state.cells)
    np.testing.assert_array_equal(network.crossbar.pulse_counts, trained.crossbar.pulse_counts)
    np.testing.assert_array_equal(network.pixels, trained.pixels)
    network.partial_fit(new_images)
    assert (network.crossbar.conductance != trained.crossbar.conductance).any()
    for old, now in zip(before, state_of(trained), strict=True):
        np.testing.assert_array_equal(old, now)


def test_released_cells_learn_and_kept_ones_do_not(
    trained: SpikingNetwork, new_images: np.ndarray
) -> None:
    held = trained.crossbar.inhibited
    before = trained.crossbar.conductance
    kept = warm_start(trained, new_images, release=False).partial_fit(new_images)
    released = warm_start(trained, new_images)
    released.learn_from(released.prepare(new_images), np.arange(60))
    np.testing.assert_array_equal(kept.crossbar.conductance[held], before[held])
    assert kept.pruner.pruned.sum() == trained.pruner.pruned.sum()
    free = held & ~released.crossbar.inhibited
    assert free.sum() > 0.9 * held.sum()
    assert (released.crossbar.conductance[free] != before[free]).mean() > 0.1


def test_a_released_array_matures_again(trained: SpikingNetwork, new_images: np.ndarray) -> None:
    """Each neuron once it has fired another half of its 40 spikes: 600 of all in 120 images."""
    network = warm_start(trained, new_images)
    inputs = network.prepare(new_images)
    network.learn_from(inputs, np.arange(60))
    assert network.pruner.fraction < 0.1
    for start in range(60, 1000, 100):
        network.learn_from(inputs, np.arange(start, min(start + 100, 1000)))
    assert network.pruner.fraction > 0.7


def test_homeostasis_starts_again_and_the_inputs_are_those_of_the_new_images(
    trained: SpikingNetwork, new_images: np.ndarray
) -> None:
    network = warm_start(trained, new_images)
    assert network.config.competition.homeostasis_at(network.images_seen) == 2.0
    wanted = new_images.reshape(1000, -1)[:, trained.pixels].mean(axis=0) / 256
    np.testing.assert_allclose(network.layers[0].inputs.activity, wanted)
    np.testing.assert_array_equal(network.pruner.around.activity, network.layers[0].inputs.activity)


def test_a_file_is_as_good_as_the_network(
    trained: SpikingNetwork, new_images: np.ndarray, tmp_path: Path
) -> None:
    trained.save(tmp_path / "trained.npz")
    first = warm_start(tmp_path / "trained.npz", new_images).partial_fit(new_images)
    assert_same(first, warm_start(trained, new_images).partial_fit(new_images))


def test_what_was_taken_out_cannot_be_released(mnist: Dataset, new_images: np.ndarray) -> None:
    config = SMALL | {"pruning": {"kind": "hard", "mature_spikes": 40}}
    network = SpikingNetwork(**config).fit(mnist.train_images[:600], epochs=1)
    with pytest.raises(ParameterError, match=r"release: pruning\.kind must be none or soft"):
        warm_start(network, new_images)
    kept = warm_start(network, new_images, release=False)
    np.testing.assert_array_equal(kept.crossbar.connected, network.crossbar.connected)
    with pytest.raises(DataError, match="must have 784 pixels"):
        warm_start(network, new_images[:, 2:], release=False)


# ---- learning curves ---------------------------------------------------------------------------


def test_a_curve_does_not_disturb_what_is_learned(mnist: Dataset, trained: SpikingNetwork) -> None:
    images = mnist.train_images[:900]
    named = Labelled(mnist.train_images[2000:2300], mnist.train_labels[2000:2300])
    judged = Labelled(mnist.train_images[3000:3200], mnist.train_labels[3000:3200])
    without = SpikingNetwork(**SMALL).fit(images, epochs=2)
    network = SpikingNetwork(**SMALL)
    curve = learning_curve(network, images, named, judged, (0, 300, 900, 1800), epochs=2)
    assert_same(network, without)
    assert network.ledger.phases == ["train"]
    assert [point.images for point in curve] == [0, 400, 900, 1800]
    assert curve[0].joules == 0
    assert curve[-1].joules == network.ledger.total("train")
    last = network.copy().label(*named)
    assert curve[-1].accuracy == accuracy_on(last, judged)
    assert curve[-1].naming_joules == last.ledger.total("label")
    # From where a network is, with its images counted from there.
    inputs = network.images_seen
    again = learning_curve(network, images, named, judged, range(0, 401, 400))
    assert network.images_seen == inputs + 900
    assert [point.images for point in again] == [0, 400]
    assert again[0].accuracy == curve[-1].accuracy
    assert 0 < again[1].joules < network.ledger.total("train") - curve[-1].joules


@pytest.mark.parametrize("at", [(), (-200, 200), (0, 1000)])
def test_points_that_are_never_reached_are_refused(mnist: Dataset, at: tuple) -> None:
    some = Labelled(mnist.train_images[:100], mnist.train_labels[:100])
    with pytest.raises(ParameterError, match=r"learning_curve\.at: must be numbers of images >= 0"):
        learning_curve(SpikingNetwork(**SMALL), mnist.train_images[:900], some, some, at)


CURVE = [Point(0, 0.0, 1.0, 0.5), Point(200, 2.0, 1.0, 0.7), Point(400, 3.0, 1.0, 0.9)]


@pytest.mark.parametrize(
    ("accuracy", "joules", "images"),
    [(0.4, 0, 0), (0.5, 0, 0), (0.6, 1, 100), (0.7, 2, 200), (0.85, 2.75, 350), (0.9, 3, 400)],
)
def test_energy_is_interpolated_at_the_same_accuracy(
    accuracy: float, joules: float, images: float
) -> None:
    assert joules_to(CURVE, accuracy) == pytest.approx(joules)
    assert images_to(CURVE, accuracy) == pytest.approx(images)


def test_an_accuracy_that_is_never_reached_has_no_energy() -> None:
    assert joules_to(CURVE, 0.91) is None


def test_reuse_pays_beyond_the_break_even() -> None:
    reuse = Reuse(pretrain=12.0, adapt=1.0, cold=4.0, inference=0.5)
    assert reuse.break_even == 4.0
    assert reuse.per_use(4, 100) == pytest.approx(reuse.per_cold_use(100))
    assert reuse.per_use(5) < reuse.per_cold_use() < reuse.per_use(3)
    assert Reuse(pretrain=1.0, adapt=4.0, cold=4.0).break_even == math.inf
    with pytest.raises(ParameterError, match=r"Reuse\.uses"):
        reuse.per_use(0)


def test_only_training_is_booked_after_a_warm_start(
    trained: SpikingNetwork, new_images: np.ndarray
) -> None:
    network = warm_start(trained, new_images).partial_fit(new_images)
    windows = network.config.encoding.windows
    assert network.ledger.phases == ["train"]
    assert network.ledger.count("train", Operation.OUTPUT_SPIKE) == 1000 * windows
