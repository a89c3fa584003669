from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.energy.bill import Constant
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.several.federation import (
    Federated,
    Federation,
    Progress,
    federate,
    shards,
    traffic,
)
from cbramsim.simulator.several.joining import (
    Learned,
    concatenate,
    join_neurons,
    matching,
    read_off,
    write_into,
)
from tests.simulator.learning.test_network import SMALL, assert_same

CONFIG = NetworkConfig(**SMALL)


@pytest.fixture(scope="module")
def two(mnist: Dataset) -> Federated:
    return federate(mnist.train_images[:1200], Federation(clients=2, epochs=1), CONFIG)


# ---- shards ------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 2])
def test_shards_are_disjoint_and_leave_nothing_out(mnist: Dataset, classes: int) -> None:
    kwargs = {"labels": mnist.train_labels[:1003], "classes_per_client": 2} if classes else {}
    parts = shards(1003, 4, seed=1, **kwargs)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1003))
    assert {len(part) for part in parts} <= {250, 251, 252}
    again, other = shards(1003, 4, seed=1, **kwargs), shards(1003, 4, seed=2, **kwargs)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(parts, other, strict=True))


def test_shards_by_class_hold_few_classes(mnist: Dataset) -> None:
    """Eight pieces of ten sorted classes: none spans more than three of them."""
    labels = mnist.train_labels[:2000]
    by_chance = shards(2000, 4)
    by_class = shards(2000, 4, labels=labels, classes_per_client=2)
    assert all(len(set(labels[part])) == 10 for part in by_chance)
    assert all(len(set(labels[part])) <= 6 for part in by_class)


def test_one_shard_is_everything_in_order() -> None:
    np.testing.assert_array_equal(shards(10, 1, seed=5)[0], np.arange(10))


# ---- joining -----------------------------------------------------------------------------------


def test_one_client_is_the_single_network_exactly(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:800], mnist.train_labels[:800]
    single = SpikingNetwork(CONFIG).fit(images, epochs=2)
    joint = federate(images, Federation(clients=1, epochs=2), CONFIG).joint
    assert_same(joint, single)
    test = mnist.test_images[:600]
    expected = single.label(images, labels).predict(test)
    np.testing.assert_array_equal(joint.label(images, labels).predict(test), expected)
    # It goes on learning as the single network does.
    assert_same(joint.partial_fit(images), single.partial_fit(images))


def test_concatenated_neurons_are_those_of_the_clients(mnist: Dataset, two: Federated) -> None:
    joint, (a, b) = two.joint, two.clients
    for k, client in enumerate((a, b)):
        columns = slice(30 * k, 30 * (k + 1))
        np.testing.assert_array_equal(
            joint.crossbar.conductance[:, columns], client.crossbar.conductance
        )
        np.testing.assert_array_equal(joint.bias[columns], client.bias)
        np.testing.assert_array_equal(joint.pruner.pruned[columns], client.pruner.pruned)
    assert (a.crossbar.state.cells != b.crossbar.state.cells).any()
    assert a.config.seed == CONFIG.seed != b.config.seed
    assert joint.ledger.total("train") == pytest.approx(
        a.ledger.total("train") + b.ledger.total("train")
    )
    # A read is linear: bit lines side by side give the currents of both.
    v = np.full(120, 0.1)
    currents = [n.crossbar.read(v, noise=False) for n in (joint, a, b)]
    np.testing.assert_allclose(currents[0], np.concatenate(currents[1:]), rtol=1e-6)


def test_names_are_kept_side_by_side(mnist: Dataset, two: Federated) -> None:
    clients = [client.copy() for client in two.clients]
    for client, shard in zip(clients, two.shards, strict=True):
        client.label(mnist.train_images[shard], mnist.train_labels[shard])
    joint = concatenate(clients)
    assert joint.labels_used == 1200
    assert joint.class_counts is not None
    np.testing.assert_array_equal(joint.class_counts[30:], clients[1].class_counts)
    accuracy = joint.score(mnist.train_images[2000:3000], mnist.train_labels[2000:3000])
    named_again = joint.label(mnist.train_images[:1200], mnist.train_labels[:1200])
    better = named_again.score(mnist.train_images[2000:3000], mnist.train_labels[2000:3000])
    assert 0.5 < accuracy < better + 0.05


def test_matching_undoes_a_permutation_exactly(rng: np.random.Generator) -> None:
    reference = rng.uniform(-1, 1, (120, 40))
    order = rng.permutation(40)
    found = matching(reference, reference[:, order])
    np.testing.assert_array_equal(order[found], np.arange(40))
    # Also when every neuron is noisy, and one has learned nothing.
    noisy = reference[:, order] + rng.normal(0, 0.1, reference.shape)
    noisy[:, 7] = -1
    np.testing.assert_array_equal(matching(reference, noisy), found)


def test_matched_neurons_survive_joining_and_others_do_not(rng: np.random.Generator) -> None:
    first = Learned(rng.uniform(-1, 1, (120, 40)), rng.normal(0, 1, 40))
    order = rng.permutation(40)
    second = Learned(first.weights[:, order], first.bias[order])
    joined = join_neurons([first, second], [100, 300], "match")
    np.testing.assert_allclose(joined.weights, first.weights, atol=1e-15)
    np.testing.assert_allclose(joined.bias, first.bias, atol=1e-15)
    mixed = join_neurons([first, second], [100, 300], "average")
    np.testing.assert_allclose(mixed.weights, 0.25 * first.weights + 0.75 * second.weights)


@pytest.mark.parametrize("how", ["match", "average"])
def test_joining_identical_arrays_changes_nothing(how: str, rng: np.random.Generator) -> None:
    one = Learned(rng.uniform(-1, 1, (50, 20)), rng.normal(0, 1, 20))
    joined = join_neurons([one, one, one], [5, 6, 7], how)  # type: ignore[arg-type]
    np.testing.assert_allclose(joined.weights, one.weights, atol=1e-15)
    np.testing.assert_allclose(joined.bias, one.bias, atol=1e-15)


def test_weights_travel_from_one_array_to_another(two: Federated) -> None:
    """What is read off one array and written into another is there, within what a cell can do."""
    source, target = (client.copy() for client in two.clients)
    g = source.crossbar.conductance.copy()
    learned = read_off(source, bits=8)
    np.testing.assert_array_equal(source.crossbar.conductance, g)
    codes = (learned.weights + 1) * 255 / 2
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.corrcoef(learned.weights.ravel(), source.crossbar.weights.ravel())[0, 1] > 0.99
    before = target.ledger.total("train")
    misses = write_into(target, learned)
    written = np.clip(target.crossbar.weights, -1, 1)
    assert np.corrcoef(learned.weights.ravel(), written.ravel())[0, 1] > 0.97
    assert misses < 0.2 * written.size
    assert not target.pruner.pruned.any()
    assert target.ledger.total("train") == before
    pulses = target.ledger.count("join", Operation.PROGRAM_PULSE)
    assert pulses == target.crossbar.pulse_counts.sum() - two.clients[1].crossbar.pulse_counts.sum()
    assert pulses > 0
    assert source.ledger.count("join", Operation.BIT_SENSE) == 8 * learned.weights.size
    assert source.ledger.total("join") > 0


def test_coarser_weights_are_fewer(two: Federated) -> None:
    assert np.unique(read_off(two.clients[0].copy(), bits=2).weights).size <= 4


# ---- federations -------------------------------------------------------------------------------


@pytest.mark.parametrize("join", ["match", "average"])
def test_every_round_books_what_it_does(mnist: Dataset, join: str) -> None:
    plan = Federation(clients=2, join=join, epochs=1, rounds=2)  # type: ignore[arg-type]
    seen: list[Progress] = []
    result = federate(mnist.train_images[:800], plan, CONFIG, callback=seen.append)
    windows = CONFIG.encoding.windows
    assert result.ledger.count("train", Operation.OUTPUT_SPIKE) == 800 * windows
    assert {(p.round, p.client) for p in seen} == {(n, k) for n in (0, 1) for k in (0, 1)}
    assert sum(len(p.step.images) for p in seen) == 800
    # Each of two rounds reads both arrays; the first writes both, the last one of them.
    cells = 120 * 30
    join_phases = [client.ledger.count("join", Operation.CELL_READ) for client in result.clients]
    assert join_phases == [2 * cells, 2 * cells]
    written = [client.ledger.count("join", Operation.PROGRAM_PULSE) for client in result.clients]
    last = result.joint.ledger.count("join", Operation.PROGRAM_PULSE)
    assert result.ledger.count("join", Operation.PROGRAM_PULSE) == sum(written) + last
    assert min(*written, last) > 0
    again = federate(mnist.train_images[:800], plan, CONFIG)
    assert_same(result.joint, again.joint)


def test_homeostasis_goes_by_the_images_of_all(two: Federated) -> None:
    competition = two.clients[0].config.competition
    assert competition.homeostasis_at(600) == CONFIG.competition.homeostasis_at(1200)


def test_bytes_have_a_closed_form(two: Federated) -> None:
    """FedAvg: 2 m |w| b / 8 for the weights, and likewise 32 bits per bias."""
    network = two.clients[0]
    assert traffic(network, bits=8, clients=5) == 2 * 5 * (120 * 30 * 8 + 30 * 32) // 8
    assert traffic(network, bits=4, clients=5) == 2 * 5 * (120 * 30 * 4 + 30 * 32) // 8
    # Concatenated: up with one's own, down with those of both; before that, counts of 784 pixels.
    up, counts = (120 * 30 * 8 + 30 * 32) // 8, 784 * 4 + 98
    assert two.bytes_sent == 2 * counts + 2 * up + 2 * 2 * up


def test_communication_is_bytes_times_a_price_that_one_states(two: Federated) -> None:
    mine = Constant(
        name="mine", value=2.0, low=1.0, high=4.0, unit="J", evidence="assumed", source="test"
    )
    bill = two.communication(mine)
    assert bill.components() == {"communication": 2.0 * two.bytes_sent}
    named = two.communication(mine, classes=10)
    assert named.joules - bill.joules == 2.0 * 2 * 2 * 60 * 10 * 4
    wired = two.communication()
    (constant,) = wired.constants.values()
    assert wired.evidence == constant.evidence == "assumed"
    assert constant.high / constant.low >= 100


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clients": 0}, "Federation.clients: must be a whole number >= 1"),
        ({"join": "mach"}, "must be one of concatenate, match, average (got 'mach')"),
        ({"join": "match", "rounds": 2}, "Federation.rounds: must be a multiple or a divisor"),
        ({"rounds": 3}, "Federation.rounds: must be 1 to concatenate (got 3)"),
        ({"clients": 500}, "shards.clients: must be >= 1 and <= 400, the number of images"),
        ({"classes_per_client": 2}, "federate.labels: are required"),
    ],
)
def test_a_wrong_plan_is_refused(mnist: Dataset, changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        federate(mnist.train_images[:400], Federation(**changes), CONFIG)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage": "binary"}, r"needs storage analog \(got binary\)"),
        ({"wires": True}, r"needs wires false \(got True\)"),
        ({"pruning": {"kind": "hard"}}, r"needs pruning\.kind none or soft \(got hard\)"),
    ],
)
def test_arrays_that_cannot_be_joined_are_refused(
    mnist: Dataset, changes: dict, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        federate(mnist.train_images[:400], None, NetworkConfig(**changes))


def test_what_does_not_fit_together_is_refused(mnist: Dataset, two: Federated) -> None:
    with pytest.raises(ParameterError, match="at least one"):
        concatenate([])
    other = SpikingNetwork(two.clients[0].config).fit(mnist.train_images[5000:5200], epochs=1)
    with pytest.raises(ParameterError, match="must share pixels"):
        concatenate([two.clients[0], other])
    with pytest.raises(ParameterError, match="must have learned"):
        concatenate([SpikingNetwork(two.clients[0].config)])
    with pytest.raises(ParameterError, match="must be one of match, average"):
        join_neurons([], [], "mach")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="images must show something"):
        federate(np.zeros((5, 784)))
