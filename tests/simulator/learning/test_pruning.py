from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.pruning import Pruner, Pruning
from cbramsim.simulator.learning.pruning.neuron import Neuron
from cbramsim.simulator.learning.pruning.selection import ROUNDS, Quota, Saliency
from cbramsim.simulator.learning.pruning.value import FLOOR, Constant, Freeze, Mean, Value, held_at

SHAPE = (80, 6)


def pruner_of(seed: int = 1, **policy) -> tuple[Pruner, Crossbar]:
    crossbar = Crossbar("subquantum-cbram", SHAPE, seed)
    crossbar.phase = "train"
    crossbar.set_weights(np.random.default_rng(2).uniform(-0.8, 0.8, SHAPE))
    activity = np.random.default_rng(3).uniform(0, 0.8, SHAPE[0])
    policy = {"mature_spikes": 10, "stages": 1} | policy
    return Pruner(Pruning(**policy), crossbar, activity), crossbar


def mature_all(pruner: Pruner) -> None:
    pruner.update(np.full(SHAPE[1], 10))


def test_only_mature_neurons_are_pruned() -> None:
    pruner, _ = pruner_of()
    pruner.update(np.array([9, 10, 0, 11, 9, 9]))
    np.testing.assert_array_equal(pruner.mature, [False, True, False, True, False, False])
    np.testing.assert_array_equal(pruner.fraction_per_neuron > 0, pruner.mature)


def test_a_neuron_is_pruned_once() -> None:
    pruner, crossbar = pruner_of()
    mature_all(pruner)
    pruned, joules = pruner.pruned.copy(), crossbar.ledger.total()
    pruner.update(np.full(SHAPE[1], 10_000))
    np.testing.assert_array_equal(pruner.pruned, pruned)
    assert crossbar.ledger.total() == joules


def test_stability_waits_until_the_weights_stand_still() -> None:
    pruner, crossbar = pruner_of(maturity="stability", stable_change=0.02)
    crossbar.set_weights(-crossbar.weights, clip=True)
    mature_all(pruner)
    assert not pruner.mature.any()
    pruner.update(np.full(SHAPE[1], 19))
    assert not pruner.mature.any(), "judged again only after as many spikes again"
    pruner.update(np.full(SHAPE[1], 20))
    assert pruner.mature.all()


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_bounds_wait_until_enough_weights_are_at_a_bound(share: float) -> None:
    pruner, crossbar = pruner_of(maturity="bounds", bound_share=0.5)
    rows, columns = SHAPE
    crossbar.set_weights(
        np.where(np.arange(rows) < share * rows, -1, 0)[:, None].repeat(columns, 1)
    )
    mature_all(pruner)
    assert pruner.mature.all() == (share >= 0.5)
    assert pruner.mature.any() == (share >= 0.5)


def test_trained_waits_for_the_end_of_training(mnist) -> None:
    network = SpikingNetwork(
        neurons=20, inputs=100,
        pruning={"kind": "hard", "maturity": "trained", "selection": "magnitude", "fraction": 0.4},
    )  # fmt: skip
    inputs = network.prepare(mnist.train_images[:400])
    seen = []
    network.resume(inputs, epochs=2, callback=lambda step: seen.append(network.pruner.fraction))
    assert not any(seen)
    np.testing.assert_allclose(network.pruner.fraction_per_neuron, 0.4)
    weights = network.crossbar.weights.T
    kept = np.where(network.pruner.pruned, np.inf, np.abs(weights)).min(axis=1)
    assert (kept > 0).all(), "what is removed lay closest to zero"


def test_stages_take_equal_parts_with_a_mean_of_their_own() -> None:
    pruner, crossbar = pruner_of(stages=3, fraction=0.6, mature_spikes=30)
    before = crossbar.weights.T.copy()
    taken = []
    for stage in range(1, 4):
        pruner.update(np.full(SHAPE[1], 10 * stage - 1))
        assert pruner.fraction == pytest.approx(0.2 * (stage - 1), abs=0.01)
        group = ~pruner.pruned
        pruner.update(np.full(SHAPE[1], 10 * stage))
        group &= pruner.pruned
        assert pruner.fraction == pytest.approx(0.2 * stage, abs=0.01)
        taken.append(group)
    assert pruner.mature.all()
    for column in range(SHAPE[1]):
        held = [np.median(crossbar.weights[group[column], column]) for group in taken]
        means = [before[column, group[column]].mean() for group in taken]
        np.testing.assert_allclose(held, means, atol=0.06)


def test_more_stages_move_the_weights_less() -> None:
    """A constant for each part of a distribution fits it better than one for all."""

    def moved(stages: int) -> float:
        pruner, crossbar = pruner_of(stages=stages)
        before = crossbar.weights.copy()
        pruner.finish()  # does nothing: only `trained` waits for the end
        for spikes in range(0, 20):
            pruner.update(np.full(SHAPE[1], spikes))
        assert pruner.fraction == pytest.approx(0.75, abs=0.01)
        return float(((crossbar.weights - before) ** 2).mean())

    assert moved(3) < moved(2) < moved(1)


@pytest.mark.parametrize(
    "selection", ["quantile", "distance", "magnitude", "saliency", "write-cost"]
)
@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.75, 1.0])
def test_selection_by_neuron_takes_the_asked_fraction_of_each(
    selection: str, fraction: float
) -> None:
    pruner, _ = pruner_of(selection=selection, fraction=fraction)
    mature_all(pruner)
    np.testing.assert_allclose(pruner.fraction_per_neuron, fraction, atol=0.5 / SHAPE[0])


def test_the_threshold_meets_the_fraction_over_the_array() -> None:
    pruner, crossbar = pruner_of(selection="threshold", fraction=0.6)
    crossbar.set_weights(crossbar.weights + np.linspace(-0.4, 0.4, SHAPE[1]), clip=True)
    for mature in range(1, SHAPE[1] + 1):
        pruner.update(np.where(np.arange(SHAPE[1]) < mature, 10, 0))
    assert pruner.fraction == pytest.approx(0.6, abs=0.02)
    assert np.ptp(pruner.fraction_per_neuron) > 0.1, "neurons with lower weights give more"


def test_quantile_takes_the_lowest_and_distance_the_outermost() -> None:
    pruner, crossbar = pruner_of(selection="quantile", fraction=0.5, value="freeze")
    weights = crossbar.weights.T
    mature_all(pruner)
    assert weights[pruner.pruned].max() <= weights[~pruner.pruned].max()
    for column in range(SHAPE[1]):
        taken = pruner.pruned[column]
        assert weights[column, taken].max() <= weights[column, ~taken].min()
    pruner, crossbar = pruner_of(selection="distance", fraction=0.5, value="freeze")
    mature_all(pruner)
    for column in range(SHAPE[1]):
        taken = pruner.pruned[column]
        size = np.abs(weights[column])
        assert size[taken].min() >= size[~taken].max()


def test_write_cost_takes_what_costs_most_to_keep_learning() -> None:
    pruner, crossbar = pruner_of(selection="write-cost", value="freeze", fraction=0.3)
    crossbar.set_weights(np.random.default_rng(5).uniform(-1, 1, SHAPE))
    costs = np.array([Neuron(pruner.around, c).write_energy for c in range(SHAPE[1])])
    mature_all(pruner)
    for column in range(SHAPE[1]):
        taken = pruner.pruned[column]
        assert costs[column, taken].min() >= costs[column, ~taken].max()
    # A weight at the floor is next to free: it gets nothing to go down, and little to go up.
    floor = Neuron(pruner.around._replace(activity=np.full(SHAPE[0], 0.01)), 0)
    floor.weights[:] = -1
    assert floor.write_energy.max() < 0.1 * costs.mean()


def test_saliency_disturbs_the_drive_less_than_the_quantile() -> None:
    def disturbance(selection: str, seed: int) -> float:
        pruner, crossbar = pruner_of(seed, selection=selection, fraction=0.5)
        before = crossbar.weights.T.copy()
        mature_all(pruner)
        moved = crossbar.weights.T - before
        return float((moved**2 * pruner.around.activity * (1 - pruner.around.activity)).sum())

    seeds = range(10)
    saliency, quantile = (
        sum(disturbance(selection, seed) for seed in seeds)
        for selection in ("saliency", "quantile")
    )
    assert saliency < quantile


@pytest.mark.parametrize("size", [0, 1, 7, 8, 127, 128, 129, 1000, 5001])
def test_the_mean_is_that_of_numpy_to_the_last_bit(size: int) -> None:
    rng = np.random.default_rng(size)
    weights, group = rng.normal(size=2 * size + 1), np.zeros(2 * size + 1, np.bool_)
    group[rng.permutation(group.size)[:size]] = True
    mean = weights[group].mean() if size else -1.0
    np.testing.assert_array_equal(held_at(Mean(), weights, group), mean)


def test_a_group_is_one_truth_value_per_weight() -> None:
    with pytest.raises(ParameterError, match=r"Quota.hold: group must be bool\[3\]"):
        held_at(Mean(), np.zeros(3), np.ones(4, np.bool_))


@pytest.mark.parametrize("value", [FLOOR, Constant(0.3), Mean(), Freeze()])
@pytest.mark.parametrize("size", [0, 1, 20, 48])
def test_saliency_is_what_its_docstring_says(value: Value, size: int) -> None:
    """Against sorting; weights are on a grid, so that there are equals, and some are not free."""
    pruner, _ = pruner_of(seed=size)
    free = np.arange(SHAPE[0]) % 5 < 3
    for column in range(SHAPE[1]):
        neuron = Neuron(pruner.around, column)
        neuron.weights[:] = np.round(neuron.weights, 1)
        quota = Quota(size, free, value, lambda: 0.0)
        group = quota.lowest(neuron.weights)
        for _ in range(ROUNDS):
            moved = neuron.weights - quota.hold(neuron, group)
            group = quota.lowest(moved**2 * neuron.variance, then=neuron.weights)
        np.testing.assert_array_equal(Saliency().choose(neuron, quota), group)


@pytest.mark.parametrize(("value", "constant"), [("floor", 0), ("mean", 0), ("constant", -0.4)])
def test_soft_pruned_weights_are_held_at_the_value(value: str, constant: float) -> None:
    pruner, crossbar = pruner_of(value=value, constant=constant)
    before = crossbar.weights.T.copy()
    mature_all(pruner)
    step = 0.06
    for column in range(SHAPE[1]):
        taken = pruner.pruned[column]
        held = {"floor": -1.0, "mean": before[column, taken].mean(), "constant": constant}[value]
        weights = crossbar.weights[taken, column]
        # Each cell stops within the acceptance band, or at the floor of its own window.
        assert np.median(np.abs(weights - held)) < step
        assert (weights > -1.2).all()
        assert (weights > held + 0.15).sum() <= pruner.missed
    assert pruner.missed <= 0.06 * pruner.pruned.sum()
    assert crossbar.ledger.count("train", Operation.PRUNE_SET_PULSE) > 0
    assert crossbar.ledger.count("train", Operation.LTD_PULSE) == 0


def test_freeze_costs_no_pulse_and_changes_nothing() -> None:
    pruner, crossbar = pruner_of(value="freeze")
    before = crossbar.conductance.copy()
    mature_all(pruner)
    np.testing.assert_array_equal(crossbar.conductance, before)
    assert crossbar.ledger.total() == 0
    assert pruner.fraction == pytest.approx(0.75)


def test_hard_pruned_cells_carry_no_current_and_weigh_zero() -> None:
    pruner, crossbar = pruner_of(kind="hard", fraction=0.4)
    mature_all(pruner)
    assert not crossbar.conductance.T[pruner.pruned].any()
    assert not crossbar.weights.T[pruner.pruned].any()
    assert crossbar.conductance.T[~pruner.pruned].all()


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_pruned_cells_receive_no_pulse_while_learning_goes_on(mnist, kind: str) -> None:
    network = SpikingNetwork(
        neurons=20, inputs=100, pruning={"kind": kind, "mature_spikes": 30, "fraction": 0.5}
    )
    inputs = network.prepare(mnist.train_images[:1000])
    network.resume(inputs, epochs=1)
    mature = network.pruner.mature.copy()
    assert mature.any()
    pruned = network.pruner.pruned & mature[:, None]
    before = network.crossbar.conductance.T[pruned].copy()
    others = network.crossbar.conductance.T[~pruned].copy()
    network.resume(inputs, epochs=2)
    np.testing.assert_array_equal(network.crossbar.conductance.T[pruned], before)
    assert (network.crossbar.conductance.T[~pruned] != others).any()


def test_hard_pruning_is_the_conventional_one_unless_told_otherwise() -> None:
    hard = Pruning(kind="hard")
    assert (hard.selection, hard.stages) == ("quantile", 1)
    assert Pruning(kind="hard", selection="saliency", stages=3).stages == 3
    soft = Pruning()
    assert (soft.selection, soft.stages) == ("saliency", 2)
    assert soft.replace(kind="hard") == hard
    assert hard.replace(kind="soft") == soft
    assert hard.replace(selection="magnitude").selection == "magnitude"
    assert NetworkConfig(pruning={"kind": "hard"}).pruning == hard


def test_no_pruning_prunes_nothing() -> None:
    pruner, _ = pruner_of(kind="none")
    mature_all(pruner)
    assert pruner.fraction == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fraction": 1.2}, "Pruning.fraction: must be a number >= 0 and <= 1 (got 1.2)"),
        ({"kind": "sotf"}, "must be one of none, soft, hard (got 'sotf') (did you mean 'soft'?)"),
        (
            {"mature_spikes": 0},
            "Pruning.mature_spikes: must be a whole number >= 1 and <= 1e+12 (got 0)",
        ),
        (
            {"stages": 2, "selection": "threshold"},
            "Pruning: stages must be 1 with selection threshold (got 2)",
        ),
    ],
)
def test_an_impossible_policy_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        Pruning(**changes)
    assert message in str(error.value)
