"""Networks that learn together on a simulated card, against each by itself on a processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cbramsim import SpikingNetwork
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.cuda import networks
from cbramsim.simulator.cuda.batch import Batch
from cbramsim.simulator.cuda.networks import Together, learn_together
from cbramsim.simulator.learning import network as processor
from tests.simulator.cuda.simulated.networks import IMAGES, differences, with_typed_numbers
from tests.simulator.cuda.simulated.networks import network as made

SOFT = {"mature_spikes": 2}
CASES: dict[str, dict[str, Any]] = {
    "saliency, mean": {"pruning": SOFT},
    "magnitude, freeze": {"pruning": SOFT | {"selection": "magnitude", "value": "freeze"}},
    "distance, floor": {
        "pruning": SOFT | {"selection": "distance", "value": "floor", "stages": 1}
    },
    "write cost, constant, verify": {
        "pruning": SOFT | {"selection": "write-cost", "value": "constant"},
        "programming": {"method": "verify"},
    },
    "stability, ideal": {
        "pruning": SOFT | {"maturity": "stability", "stable_change": 1.0}, "rule": "ideal"
    },
    "trained": {"pruning": {"maturity": "trained"}},
    "hard": {"pruning": {"kind": "hard", "mature_spikes": 2}},
    "hard, passive": {"pruning": {"kind": "hard", "mature_spikes": 2}, "access": "passive"},
    "drift": {
        "device": "gst-pcm", "pruning": SOFT, "encoding": {"windows": 1, "window": 60.0}
    },
    "endurance": {"cell": {"endurance": 3.0}, "pruning": {"kind": "none"}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (networks, processor):
        monkeypatch.setattr(module, "IMAGES_PER_STEP", 4)


def network(seed: int = 1, **changes: Any) -> SpikingNetwork:
    """Return a network of which an image is shown in one window."""
    return made(seed, **({"encoding": {"windows": 1}} | changes))


def pixels(one: SpikingNetwork) -> Any:
    return one.select_pixels(IMAGES)


def as_on_a_processor(one: SpikingNetwork, epochs: int, seed: int = 1, **changes: Any) -> None:
    """Compare all of a network's state with that of one that has learned by itself."""
    other = network(seed, **changes)
    other.resume(pixels(other), epochs=epochs)
    assert not differences(one, other)


@pytest.mark.parametrize("name", CASES)
def test_two_networks(name: str) -> None:
    changes = CASES[name]
    mine = [network(seed, **changes) for seed in (1, 2)]
    learn_together(mine, pixels(mine[0]), epochs=2)
    for one in mine:
        as_on_a_processor(one, 2, one.config.seed, **changes)
        assert one.pruner.fraction > 0 or name == "endurance"
        if name == "endurance":
            assert one.crossbar.wear().worn_out > 0
        if name == "drift":  # also on the way, not only in the end
            assert one.crossbar.clock.seconds > 2 * 100


def test_cells_are_brought_here_only_when_they_may_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cells that wear out are looked at once one may have; and are then as on a processor."""
    looked: list[int] = []
    fetch = Batch.fetch

    def noted(batch: Batch, n: int) -> None:
        looked.append(n)
        fetch(batch, n)

    monkeypatch.setattr(Batch, "fetch", noted)
    changes: dict[str, Any] = {"device": "ag-a-si", "pruning": {"kind": "none"}}
    for endurance, once in ((1e6, True), (12.0, False)):
        looked.clear()
        mine = network(**changes, cell={"endurance": endurance})
        learn_together([mine], pixels(mine), epochs=4)
        as_on_a_processor(mine, 4, **changes, cell={"endurance": endurance})
        assert (len(looked) == 1) == once
    assert mine.crossbar.wear().worn_out > 0
    assert len(looked) < 1 + 2 * 4


def test_each_leaves_after_its_own_epochs() -> None:
    changes: dict[str, Any] = {"pruning": SOFT}
    mine, epochs = [network(seed, **changes) for seed in range(3)], [1, 3, 2]
    steps = list(Together(mine, pixels(mine[0]), epochs).steps())
    assert [len(step) for step in steps] == [3] * 2 + [2] * 2 + [1] * 2
    for one, passes in zip(mine, epochs, strict=True):
        assert one.passes == passes
        as_on_a_processor(one, passes, one.config.seed, **changes)


@pytest.mark.parametrize("changes", [{"pruning": {"maturity": "trained"}}, {"device": "gst-pcm"}])
def test_going_on_after_the_end(changes: dict[str, Any]) -> None:
    """What the end of learning has changed is undone first."""
    mine = network(**changes)
    for epochs in (1, 2):
        learn_together([mine], pixels(mine), epochs=epochs)
    as_on_a_processor(mine, 2, **changes)


class Stop(Exception):
    pass


def test_from_the_middle_of_a_pass_and_back() -> None:
    """Begun on a processor, gone on with on a card, saved there in mid-pass, ended here."""
    changes: dict[str, Any] = {
        "pruning": SOFT, "device": "gst-pcm", "encoding": {"windows": 2}
    }  # fmt: skip
    mine, other = network(1, **changes), network(2, **changes)

    def stop(step: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        mine.resume(pixels(mine), epochs=2, callback=stop)
    assert (mine.passes, mine.position) == (0, 4)
    together = Together([mine, other], pixels(mine), [2, 2])
    steps = together.steps()
    for _ in range(2):
        next(steps)
    together.fetch(0)
    assert (mine.passes, mine.position) == (1, 4)
    kept = SpikingNetwork.from_state(mine.to_state(), "of a check")
    (layer,) = kept.layers
    layer.crossbar.state = with_typed_numbers(layer.crossbar.state)
    layer.rule = with_typed_numbers(layer.rule)
    kept.resume(pixels(kept), epochs=2)
    as_on_a_processor(kept, 2, **changes)


def test_an_interrupted_network_is_whole() -> None:
    mine = network(pruning=SOFT)

    def stop(n: int, step: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        learn_together([mine], pixels(mine), epochs=1, callback=stop)
    assert mine.position == 4
    with pytest.raises(DataError, match="interrupted pass"):
        learn_together([mine], pixels(mine)[::-1].copy(), epochs=1)
    mine.resume(pixels(mine), epochs=1)
    as_on_a_processor(mine, 1, pruning=SOFT)


def test_only_images_that_were_prepared_are_learned() -> None:
    mine, bare = network(), SpikingNetwork(neurons=6)
    for one, images in ((bare, pixels(mine)), (mine, pixels(mine)[:, 1:]), (mine, IMAGES * 1.0)):
        with pytest.raises(DataError, match="what `prepare` returned"):
            Together([one], images, [1])


def test_it_does_not_matter_who_else_is_there() -> None:
    changes: dict[str, Any] = {"pruning": SOFT}

    def learned(*seeds: int) -> dict[int, SpikingNetwork]:
        mine = [network(seed, **changes) for seed in seeds]
        learn_together(mine, pixels(mine[0]), epochs=1)
        return dict(zip(seeds, mine, strict=True))

    alone, three, turned = learned(5)[5].to_state(), learned(4, 5, 6), learned(6, 5)
    for others in (three, turned):
        found = others[5].to_state()
        for name, value in alone.items():
            assert np.array_equal(found[name], value), name


def test_winners_are_told() -> None:
    mine, its = network(), network()
    heard: list[Any] = []
    learn_together([mine], pixels(mine), epochs=1, callback=lambda n, step: heard.append(step))
    told: list[Any] = []
    its.resume(pixels(its), epochs=1, callback=told.append)
    for a, b in zip(heard, told, strict=True):
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.winners, b.winners)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"neurons": 7}, "same shapes"),
        ({"cell": {"levels": 16}}, "same shapes and types"),
        ({"encoding": {"windows": 3}}, "same shapes"),
        ({"wires": True}, "wires must be False"),
    ],
)
def test_networks_that_do_not_fit_are_refused(other: dict[str, Any], why: str) -> None:
    two = [network(), network(**other)]
    with pytest.raises(ParameterError, match=why):
        Together(two, pixels(two[0]), [1, 1])
