"""Two layers in a row: what the second is given, what it learns, what it books and what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim import NetworkConfig, Own, SpikingNetwork
from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.core.verbs import draw_spikes, excite, fire, implements
from cbramsim.simulator.comparison.array_bill import array_bill, network_bill
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.encoding import Trace
from cbramsim.simulator.learning.inputs import Inputs
from cbramsim.simulator.learning.loop import scratch

SECOND: dict[str, Any] = {
    "neurons": 60,
    "stdp": {"ltd": 0.002},
    "competition": {"sharpness": 10, "homeostasis": 0.5},
    "pruning": {"kind": "none"},
}
TWO: dict[str, Any] = {
    "neurons": 100,
    "encoding": {"windows": 10},
    "pruning": {"kind": "none"},
    "later_layers": [SECOND],
    "seed": 3,
}


def state_of(network: SpikingNetwork) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in network.to_state().items()}


def assert_same(one: SpikingNetwork, other: SpikingNetwork) -> None:
    mine, theirs = state_of(one), state_of(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def learned(mnist: Dataset) -> SpikingNetwork:
    images, labels = mnist.train_images[:4000], mnist.train_labels[:4000]
    return SpikingNetwork(**TWO).fit(images, epochs=3).label(images, labels)


def test_an_input_is_active_from_its_first_spike_in_an_image_on() -> None:
    work, trace, words = scratch(6, 2), Trace(np.zeros(1, np.int64)), stream(0, "unused")
    for image in ([4, 1, 4], [0, 0, 5]):
        seen: set[int] = set()
        for winner in image:
            seen.add(winner)
            count = draw_spikes(trace, np.array(image, np.int32), work, words)
            assert work.rows[:count].tolist() == sorted(seen)
            assert np.flatnonzero(work.spiked).tolist() == sorted(seen)


def test_the_activity_of_later_inputs_is_counted() -> None:
    config = NetworkConfig(wires=True, encoding={"windows": 4})
    inputs, rng = Inputs.of_neurons(7, config), np.random.default_rng(0)
    prior = inputs.activity.copy(), inputs.together.copy()
    drawn = rng.integers(0, 7, (200_000, 4))
    active = np.array([[(drawn[:, : w + 1] == k).any(axis=1).mean() for k in range(7)] for w in range(4)])  # fmt: skip
    np.testing.assert_allclose(prior[0], active.mean(axis=0), atol=2e-3)  # all fire alike
    total, windows = 4 * prior[0], 4
    both = 4 * prior[1]
    for images in (3, 5):
        winners = rng.integers(0, 7, (images, 4), np.int32)
        inputs.count(winners)
        for row in winners:
            for w in range(4):
                on = np.isin(np.arange(7), row[: w + 1])
                total, both, windows = total + on, both + np.outer(on, on), windows + 1
    np.testing.assert_allclose(inputs.activity, total / windows)
    np.testing.assert_allclose(inputs.together, both / windows, atol=1e-7)


def test_the_second_layer_learns_from_the_first(learned: SpikingNetwork, mnist: Dataset) -> None:
    """An untrained second layer, named and judged in the same way, knows only what chance has
    connected."""
    images, labels = mnist.train_images[50_000:52_000], mnist.train_labels[50_000:52_000]
    blank = learned.copy()
    blank.layers[1].begin()
    blank.layers[1].bias[:] = 0
    blank.label(mnist.train_images[:4000], mnist.train_labels[:4000])
    knows, knew = learned.score(images, labels), blank.score(images, labels)
    assert knows > 0.75
    assert knew < knows - 0.15


def test_the_first_layer_does_not_know_of_the_second(
    learned: SpikingNetwork, mnist: Dataset
) -> None:
    alone = SpikingNetwork(**TWO | {"later_layers": []}).fit(mnist.train_images[:4000], epochs=3)
    first, only = learned.layers[0], alone.layers[0]
    np.testing.assert_array_equal(first.crossbar.conductance, only.crossbar.conductance)
    np.testing.assert_array_equal(first.spike_counts, only.spike_counts)
    assert first.ledger.total("train") == only.ledger.total("train")


def test_the_ledger_is_the_sum_of_the_layers(learned: SpikingNetwork) -> None:
    first, second = learned.layers
    for phase in ("train", "label"):
        assert learned.ledger.total(phase) == pytest.approx(
            first.ledger.total(phase) + second.ledger.total(phase), rel=1e-14
        )
    assert 0 < second.ledger.total("train") < first.ledger.total("train")
    # By hand: a read drives the word lines of all neurons that have fired, past all cells.
    windows = 10 * 3 * 4000
    counts = second.ledger.account("train").counts
    assert counts[Operation.OUTPUT_SPIKE] == windows == second.spike_counts.sum()
    prior = Inputs.of_neurons(100, learned.config)
    active = second.inputs.activity * second.inputs.windows - prior.activity * prior.windows
    assert counts[Operation.WORD_LINE_DRIVE] == round(active.sum())
    assert counts[Operation.CELL_READ] == 60 * counts[Operation.WORD_LINE_DRIVE]


def test_the_bill_of_a_network_is_that_of_its_layers(learned: SpikingNetwork) -> None:
    bill = network_bill(learned, "train")
    assert bill.joules == pytest.approx(learned.ledger.total("train"), rel=1e-9)
    each = [array_bill(one.crossbar, one.ledger.account("train")) for one in learned.layers]
    assert bill.joules == pytest.approx(sum(one.joules for one in each), rel=1e-12)


def test_an_interrupted_network_of_two_layers_goes_on_to_the_same_bits(
    tmp_path: Path, mnist: Dataset
) -> None:
    options = TWO | {"neurons": 20, "later_layers": [SECOND | {"neurons": 10, "pruning": {
        "kind": "soft", "maturity": "trained"}}]}  # fmt: skip
    images = mnist.train_images[:600]
    whole = SpikingNetwork(**options).fit(images, epochs=2)
    stopped = SpikingNetwork(**options)
    inputs = stopped.prepare(images)

    def stop(step: Any) -> None:
        if stopped.images_seen == 400:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.resume(inputs, epochs=1, callback=stop)
    stopped.save(tmp_path / "state.npz")
    resumed = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(resumed, stopped)
    resumed.resume(resumed.prepare(images), epochs=1)  # finished once, and learning after all
    assert resumed.layers[1].pruner.fraction == pytest.approx(0.75, abs=0.01)
    resumed.resume(resumed.prepare(images), epochs=2)
    assert_same(resumed, whole)


def test_an_answer_depends_on_the_image_only(learned: SpikingNetwork, mnist: Dataset) -> None:
    images = mnist.test_images[:40]
    together = learned.predict(images)
    np.testing.assert_array_equal(learned.predict(images[::-1])[::-1], together)


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({"neuron": 5}, r"later_layers: .*neuron: unknown key"),
        ({"neurons": 0}, r"later_layers: .*neurons: must be .*got 0"),
        ({"seed": 1}, r"later_layers\[0\] must leave seed to the network"),
        ({"pruning": {"fraction": 2}}, r"later_layers: .*fraction"),
    ],
)
def test_wrong_layers_are_refused(later: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        NetworkConfig(later_layers=[later])


def test_a_layer_is_the_first_but_for_what_is_said() -> None:
    config = NetworkConfig(
        pruning={"kind": "soft", "fraction": 0.6, "stages": 3}, access="passive", seed=9,
        later_layers=[{"neurons": 7, "pruning": {"fraction": 0.5}}, {"access": "transistor"}],
    )  # fmt: skip
    first, second, third = config.of_layers()
    assert first == config.replace(later_layers=())
    assert (second.neurons, second.access, second.pruning.stages) == (7, "passive", 3)
    assert second.pruning.fraction == 0.5
    assert (third.neurons, third.access, third.pruning) == (500, "transistor", first.pruning)
    assert len({layer.seed for layer in (first, second, third)}) == 3


def test_a_state_with_other_layers_is_refused(learned: SpikingNetwork) -> None:
    state = state_of(learned)
    with pytest.raises(Exception, match="layer2_clock"):
        SpikingNetwork.from_state({k: v for k, v in state.items() if k != "layer2_clock"}, "")
    with pytest.raises(Exception, match="layer3_bias: unknown entry"):
        SpikingNetwork.from_state(state | {"layer3_bias": np.zeros(1, np.float32)}, "")
    wrong = state["layer2_conductance"] + 1
    with pytest.raises(Exception, match="layer2_conductance must be"):
        SpikingNetwork.from_state(state | {"layer2_conductance": wrong}, "")


class Tiring(NamedTuple):
    """The neuron with the largest current fires; its threshold then rises."""

    threshold: NDArray[np.float64]


@implements(excite, Tiring)
def _(neurons: Any, reference: Any, work: Any) -> Any:
    for k in range(work.currents.size):
        work.currents[k] -= neurons.threshold[k]
    return np.float32(1)


@implements(fire, Tiring)
def _(neurons: Any, total: Any, work: Any, word: Any) -> Any:
    best = 0
    for k in range(work.currents.size):
        best = k if work.currents[k] > work.currents[best] else best
    neurons.threshold[best] += 1e-4
    return best


def test_recognition_leaves_neurons_of_ones_own_as_they_are(mnist: Dataset) -> None:
    own = Own(neurons=lambda layer: Tiring(np.zeros(layer.config.neurons)))
    options = TWO | {"neurons": 12, "later_layers": [{"neurons": 5}]}
    network = SpikingNetwork(**options, own=own).fit(mnist.train_images[:200], epochs=1)
    before = state_of(network)
    first = [r.copy() for r in network.responses(mnist.test_images[:30], "test")]
    again = [r.copy() for r in network.responses(mnist.test_images[:30], "test")]
    np.testing.assert_array_equal(first, again)
    after = state_of(network)
    for name in before:
        if "ledger" not in name:
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)
