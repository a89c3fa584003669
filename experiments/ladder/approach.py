"""One rung of the ladder: a way to learn and to recognise digits, and its costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from cbramsim.simulator.energy.bill import Bill, Draws, interval

Phase = Literal["training", "inference"]
PHASES: tuple[Phase, ...] = ("training", "inference")
Family = Literal["conventional", "low precision", "neuromorphic chip", "memory array", "our array"]


class Approach(NamedTuple):
    """A way to learn digits, with both of its bills."""

    name: str
    """Name, as it is written in tables and figures."""
    family: Family
    """Kind of machine."""
    accuracy: float
    """Accuracy on the test set, mean over seeds, 0..1."""
    accuracy_spread: float | None
    """Sample standard deviation of it, if there are several seeds."""
    training: Bill | None
    """Bill of the training; None where the machine cannot learn."""
    inference: Bill | None
    """Bill of recognising one image; None where it is not known."""
    shares: Mapping[float, float | None] = {}
    """Accuracy on held-out training images -> part of the training energy spent when it was
    reached; None if it was not."""
    curve: tuple[tuple[float, float], ...] = ()
    """Part of the training energy -> accuracy on held-out training images, of the first seed."""
    includes: str = ""
    """Costs that are priced, and those that are not."""

    def bill(self, phase: Phase) -> Bill | None:
        """Return the bill of a phase."""
        return self.training if phase == "training" else self.inference

    def to_reach(self, accuracy: float) -> Bill | None:
        """Return the bill of training until `accuracy` was reached; None if it never was."""
        share = self.shares.get(accuracy)
        return None if share is None or self.training is None else self.training * share


class Estimate(NamedTuple):
    """A number and its central 90 % when the constants are drawn."""

    value: float
    low: float
    high: float

    def surely_within(self, low: float, high: float) -> bool:
        """Return whether the whole interval lies in a range."""
        return low <= self.low and self.high <= high


def joules(bill: Bill, draws: Draws) -> Estimate:
    """Return the total of a bill with its interval, J."""
    return Estimate(bill.joules, *interval(bill.sample(draws)))


def ratio(above: Bill, below: Bill, draws: Draws) -> Estimate:
    """Return the ratio of the costs of `above` and `below`, with the same constants in both."""
    samples = above.sample(draws) / below.sample(draws)
    return Estimate(above.joules / below.joules, *interval(samples))


def nearest_alternative(
    one: Approach, all_of_them: list[Approach], phase: Phase
) -> Approach | None:
    """Return the approach of another family that costs nearest to `one` on a log axis."""
    mine = one.bill(phase)
    distances = [
        (abs(np.log(bill.joules / mine.joules)), number)
        for number, other in enumerate(all_of_them)
        if other.family != one.family and mine and (bill := other.bill(phase))
    ]
    return all_of_them[min(distances)[1]] if distances else None
