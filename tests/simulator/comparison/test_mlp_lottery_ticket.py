from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import CbramError
from cbramsim.simulator.comparison.mlp import LotteryTicket, Mlp, MlpConfig, find_ticket
from cbramsim.simulator.comparison.mlp.lottery_ticket import pruned, rewound
from cbramsim.simulator.comparison.traffic import step_counts
from cbramsim.simulator.images.datasets import Dataset

CONFIG = MlpConfig(layers=(784, 30, 20, 10), epochs=2)


def parts(mnist: Dataset) -> tuple[np.ndarray, ...]:
    images, labels = mnist.train_images, mnist.train_labels
    return images[:1024], labels[:1024], images[50_000:51_000], labels[50_000:51_000]


@pytest.mark.parametrize("scope", ["layer", "network"])
def test_the_smallest_go_and_never_come_back(scope: str) -> None:
    network, ticket = Mlp(CONFIG), LotteryTicket(scope=scope, share=0.3)
    masks = [np.ones(layer.weights.shape, bool) for layer in network.layers]
    for _ in range(3):
        before, masks = masks, pruned(network, masks, ticket)
        limits = []
        for layer, old, new in zip(network.layers, before, masks, strict=True):
            assert not (new & ~old).any()
            gone, kept = np.abs(layer.weights[old & ~new]), np.abs(layer.weights[new])
            limits.append((gone.max(initial=0), kept.min(initial=np.inf)))
            if scope == "layer":
                assert gone.max() <= kept.min()
                assert gone.size == round(0.3 * old.sum())
        if scope == "network":
            assert max(gone for gone, _ in limits) <= min(kept for _, kept in limits)
            left = sum(int(old.sum()) for old in before)
            assert left - sum(int(new.sum()) for new in masks) == round(0.3 * left)
        for layer in network.layers:
            layer.weights[:] = np.random.default_rng(0).permuted(layer.weights)


def test_rounds_go_back_to_the_first_weights_exactly(mnist: Dataset) -> None:
    """The last round is that of a network with the first weights and the last mask."""
    X, y, *held_out = parts(mnist)
    found = find_ticket(CONFIG, LotteryTicket(rounds=3), X, y, *held_out)
    again = Mlp(CONFIG)
    for layer, (weights, bias), winner in zip(
        again.layers, found.start, found.network.layers, strict=True
    ):
        np.testing.assert_array_equal(weights, layer.weights)
        assert not bias.any()
        layer.prune(winner.mask)
        assert not layer.weights[~winner.mask].any()
        assert not winner.weights[~winner.mask].any()
    again.train(X, y)
    for layer, winner in zip(again.layers, found.network.layers, strict=True):
        np.testing.assert_array_equal(layer.weights, winner.weights)


def test_all_rounds_are_counted(mnist: Dataset) -> None:
    X, y, *held_out = parts(mnist)
    found = find_ticket(CONFIG, LotteryTicket(rounds=4, share=0.5), X, y, *held_out)
    one = step_counts(CONFIG.layers, 128, master=False, states=1) * 16
    for number, past in enumerate(found.rounds):
        assert past.surviving == pytest.approx(0.5**number, rel=1e-3)
        assert past.training.counts() == one
        skipping = past.training.counts(skipping=True)
        assert skipping.forward == round(one.forward * past.surviving)
        assert skipping.update == skipping.forward
    assert found.rounds[0].accuracy > 0.3
    assert found.rounds[0].accuracy == Mlp(CONFIG).fit(X, y).score(*held_out)


def test_rounds_can_go_back_to_where_training_was_after_some_batches(mnist: Dataset) -> None:
    X, y, *held_out = parts(mnist)
    found = find_ticket(CONFIG, LotteryTicket(rounds=2, rewind=5), X, y, *held_out)

    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    early = Mlp(CONFIG)
    with pytest.raises(Stop):
        early.train(X, y, callback=stop, marks=[5 * 128])
    for layer, (weights, bias) in zip(early.layers, found.start, strict=True):
        np.testing.assert_array_equal(weights, layer.weights)
        np.testing.assert_array_equal(bias, layer.bias)
    assert [past.training.steps for past in found.rounds] == [16, 11]


def test_rewinding_changes_nothing_but_what_is_pruned() -> None:
    network = Mlp(CONFIG, seed=3)
    start = [(layer.weights, layer.bias + 1) for layer in network.layers]
    masks = [layer.weights > 0 for layer in network.layers]
    back = rewound(CONFIG, start, masks)
    for layer, (weights, bias), mask in zip(back.layers, start, masks, strict=True):
        np.testing.assert_array_equal(layer.weights, np.where(mask, weights, 0))
        np.testing.assert_array_equal(layer.bias, bias)
        assert (weights < 0).any()  # the kept ones are left alone


def test_wrong_tickets_are_refused_by_name(mnist: Dataset) -> None:
    with pytest.raises(CbramError, match=r"LotteryTicket\.share: .*< 1 \(got 1\)"):
        LotteryTicket(share=1)
    with pytest.raises(CbramError, match=r"LotteryTicket\.scope: must be one of layer, network"):
        LotteryTicket(scope="all")
    with pytest.raises(CbramError, match=r"LotteryTicket\.rewind: must be < 16, .* \(got 16\)"):
        find_ticket(CONFIG, LotteryTicket(rewind=16), *parts(mnist))
