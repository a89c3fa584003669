"""How a network answers on a simulated card, against a processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cbramsim import SpikingNetwork
from cbramsim.simulator.cuda import answers as card
from cbramsim.simulator.cuda import batch
from cbramsim.simulator.cuda.answers import respond_to
from cbramsim.simulator.cuda.sizes import shared_bytes
from cbramsim.simulator.learning import labelling
from tests.simulator.cuda.simulated.networks import (
    IMAGES,
    LABELS,
    differences,
    energies_apart,
    network,
    with_typed_numbers,
)
from tests.simulator.cuda.simulated.schedule import Block, at_random, backward, forward


def learned(**changes: Any) -> SpikingNetwork:
    one = network(**changes)
    one.resume(one.select_pixels(IMAGES), epochs=1)
    return one


def scheduled(loop: Any, blocks: int, shape: tuple[int, int], arguments: tuple[Any, ...]) -> None:
    """Stand in for `batch.launch`: each block in another order of its threads."""
    for block in range(blocks):
        order = (forward, backward, at_random(block))[block % 3]
        Block(block, 8, shared_bytes(*shape), order).run(loop, arguments)


def answers(one: SpikingNetwork, by: Any) -> Any:
    one.label(IMAGES, LABELS)
    return one.recognise(IMAGES, by=by)


@pytest.mark.parametrize("by", ["position", "image"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pruning": {"kind": "hard", "mature_spikes": 2}},
        {"device": "gst-pcm", "compensation": "column"},
        {"encoding": {"windows": 1, "recognition_windows": 3}, "cell": {"g_flicker": 1e-6}},
    ],
)
def test_as_on_a_processor(
    changes: dict[str, Any], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of 3 images, of which the last is not full."""
    monkeypatch.setattr(batch, "threads_for", lambda shape: 8)
    monkeypatch.setattr(card, "launch", scheduled)
    for module in (labelling, card):
        monkeypatch.setattr(module, "IMAGES_PER_BATCH", 3)
    mine, its = learned(**changes), learned(**changes)
    for one in (mine, its):
        if "compensation" in changes:
            one.wait(days=30)
        (layer,) = one.layers
        layer.crossbar.state = with_typed_numbers(layer.crossbar.state)
    mine.responder = respond_to  # type: ignore[method-assign]
    a, b = answers(mine, by), answers(its, by)
    assert np.array_equal(a.profile, b.profile)
    assert np.array_equal(a.majority, b.majority)
    assert np.array_equal(mine.class_counts, its.class_counts)
    accounts = zip(mine.ledger.accounts(), its.ledger.accounts(), strict=True)
    for (phase, mine_), (other, its_) in accounts:
        assert phase == other
        assert np.array_equal(mine_.counts, its_.counts)
        assert energies_apart(mine_.joules, its_.joules) < 1e-12
    assert not differences(mine, its)
    for mine_, its_ in zip(
        mine.responses(IMAGES, "check", by=by), its.responses(IMAGES, "check", by=by), strict=True
    ):
        assert np.array_equal(mine_, its_)
        assert np.allclose(mine_.sum(axis=1), 1, atol=1e-6)
