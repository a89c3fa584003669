"""Comparison of a card and a processor: twins, one of which learns on each."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from cbramsim.core.errors import CbramError
from cbramsim.experiments.card_benchmark.timing import (
    Images,
    Stretch,
    on_the_card,
    seeded,
    untrained,
)
from cbramsim.simulator.cuda.answers import respond_to
from cbramsim.simulator.energy.ledger import Account
from cbramsim.simulator.learning.network import SpikingNetwork, Step

MOST = {"winners": 0.0, "conductances": 1e-5, "joules": 1e-5, "answers": 1e-4}
"""Largest differences: share of the windows in which another neuron fires; conductances, in parts
of the window; joules and counts of any operation, relative; chances that a neuron fires."""

EARLY = {"pruning.mature_spikes": 2}
"""Keys by which twins also prune, and go on learning."""


class Twins(NamedTuple):
    """Results of twins, and the time that learning them took on the card."""

    networks: list[SpikingNetwork]
    """Networks from the card."""
    differences: list[dict[str, float]]
    """Differences of each network from its twin, see `MOST`."""
    stretch: Stretch
    """Duration of learning on the card."""
    answering: tuple[float, float]
    """Seconds in which the first network answered on the card, for the first time and again."""


def twins(images: Images, base: dict[str, Any], pairs: int) -> Twins:
    """Let pairs of networks learn from the same images, twice, on a core and on the card.

    Raises
    ------
    CbramError
        If most of the pairs differ. Some may: where a number lies between two states, another
        rounding of its last digit decides, and from there on each takes other random words.
    """
    configs = seeded(base, pairs, **EARLY)
    alone, inputs = untrained(images.train, configs)
    winners: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for n, network in enumerate(alone):

        def hear(step: Step, n: int = n) -> None:
            winners["core", n].append(step.winners)

        network.resume(inputs, epochs=2, callback=hear)

    def note(n: int, step: Step) -> None:
        winners["card", n].append(step.winners)

    together, inputs = untrained(images.train, configs)
    stretch = on_the_card(together, inputs, 2, np.inf, callback=note)
    answering = _asked(together[0], images), _asked(together[0], images)
    found = []
    for n, (mine, its) in enumerate(zip(together, alone, strict=True)):
        fired = (np.concatenate(winners[where, n]) for where in ("card", "core"))
        found.append({"winners": _share(*fired), **differences(mine, its, images)})
    check(found)
    return Twins(together, found, stretch, answering)


def differences(mine: SpikingNetwork, its: SpikingNetwork, images: Images) -> dict[str, float]:
    """Return the differences of a network from the card from its twin, which answers on a core."""
    span = its.device.g_range
    g = np.abs(mine.crossbar.conductance - its.crossbar.conductance).max() / span
    mine.responder = respond_to  # type: ignore[method-assign]
    chances = [np.concatenate(list(one.responses(images.train, "label"))) for one in (mine, its)]
    booked = [_booked(mine.ledger.account(name), its.ledger.account(name)) for name in PHASES]
    return {
        "conductances": float(g), "joules": max(booked),
        "answers": float(np.abs(chances[0] - chances[1]).max()),
    }  # fmt: skip


PHASES = ("train", "label")


def agreeing(found: list[dict[str, float]]) -> int:
    """Return how many twins agree, given how much they differ: see `MOST`."""
    return sum(all(one[what] <= most for what, most in MOST.items()) for one in found)


def check(found: list[dict[str, float]]) -> None:
    """Raise `CbramError` unless most twins agree."""
    agree = agreeing(found)
    if 2 * agree <= len(found):
        least = {what: min(one[what] for one in found) for what in MOST}
        told = ", ".join(f"{what} {least[what]:.2g} (at most {MOST[what]:g})" for what in MOST)
        raise CbramError(
            f"--engine cuda: the card does not compute what a processor does: of {len(found)} "
            f"networks {len(found) - agree} differ, the best by: {told}"
        )


def _asked(network: SpikingNetwork, images: Images) -> float:
    """Return the time of the answers of a network on the card, s."""
    network.responder = respond_to  # type: ignore[method-assign]
    start = perf_counter()
    list(network.responses(images.train, "test"))
    return perf_counter() - start


def _share(mine: Any, its: Any) -> float:
    return float((mine != its).mean())


def _booked(mine: Account, its: Account) -> float:
    """Return the largest relative difference of the bookings of any operation."""
    pairs = ((mine.counts, its.counts), (mine.joules, its.joules))
    return max(
        float((np.abs(a - b) / np.where(b, np.abs(b), 1.0)).max(initial=0.0)) for a, b in pairs
    )
