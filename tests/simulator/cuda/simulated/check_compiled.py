"""The loops as they are compiled for a processor, against the same on a simulated card."""

from __future__ import annotations

import numpy as np

from cbramsim import SpikingNetwork
from cbramsim.simulator.cuda.answers import respond_to
from cbramsim.simulator.cuda.networks import learn_together
from tests.simulator.cuda.simulated.networks import IMAGES, LABELS, differences


def made(seed: int) -> SpikingNetwork:
    one = SpikingNetwork(seed=seed, neurons=6, pruning={"mature_spikes": 4})
    one.prepare(IMAGES)
    return one


def test_the_reference_system() -> None:
    mine, its = ([made(seed) for seed in (1, 2)] for _ in range(2))
    learn_together(mine, mine[0].select_pixels(IMAGES), epochs=1)
    for one, other in zip(mine, its, strict=True):
        other.resume(other.select_pixels(IMAGES), epochs=1)
        one.responder = respond_to  # type: ignore[method-assign]
        for each in (one, other):
            each.label(IMAGES, LABELS)
        a, b = one.recognise(IMAGES, by="image"), other.recognise(IMAGES, by="image")
        assert np.array_equal(a.profile, b.profile)
        assert np.allclose(one.class_counts, other.class_counts, rtol=0, atol=1e-6)
        wrong = differences(one, other)
        wrong.pop("class_counts", None)
        assert not wrong
