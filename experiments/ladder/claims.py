"""Claims of the ladder: readings with intervals, and the constants they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.ladder.approach import Estimate
from cbramsim.experiments.study.claims import Claim, claim
from cbramsim.simulator.energy.bill import Bill, Draws, interval

CLAIMED = {
    "device_factor": (10.0, 100.0),
    "algorithm_factor": (5.0, 20.0),
    "total_factor": (100.0, 1000.0),
}
"""Claimed factors; "another factor of 10" is taken for 5 to 20."""
TITLES = {
    "device_factor": "device: 10-100x less energy than leading memory technologies",
    "algorithm_factor": "algorithm: another 10x (band: 5-20x)",
    "total_factor": "in all: 100-1000x",
}
SOURCE = "press account of the reference (Shi et al., Nature Communications 9, 5312, 2018)"
MOVERS = 3
"""Number of constants that are named as moving a factor most."""


class Reading(NamedTuple):
    """One way to read a claim: a ratio of energies."""

    name: str
    """Description of the comparison."""
    value: float
    """Ratio at the stated values of all constants."""
    samples: NDArray[np.float64]
    """Ratio for each draw of the constants, float64[draws]."""
    bills: tuple[Bill, ...]
    """Bills of which it is made."""
    accuracy: tuple[float, float] | None = None
    """Test accuracy of both sides, where they differ."""

    @property
    def estimate(self) -> Estimate:
        """Value with its central 90 %."""
        return Estimate(self.value, *interval(self.samples))


def reading(
    name: str, above: Bill, below: Bill, draws: Draws, accuracy: tuple[float, float] | None = None
) -> Reading:
    """Return the ratio of the costs of `above` and `below`."""
    samples = above.sample(draws) / below.sample(draws)
    return Reading(name, above.joules / below.joules, samples, (above, below), accuracy)


def median(name: str, readings: list[Reading]) -> Reading:
    """Return the median of several readings, draw by draw."""
    value = float(np.median([one.value for one in readings]))
    samples: NDArray[np.float64] = np.median([one.samples for one in readings], axis=0)
    return Reading(name, value, samples, tuple(bill for one in readings for bill in one.bills))


def product(name: str, one: Reading, other: Reading) -> Reading:
    """Return the product of two readings, draw by draw."""
    return Reading(
        name, one.value * other.value, one.samples * other.samples, one.bills + other.bills
    )


def factor_claim(name: str, readings: list[Reading], definition: str, draws: Draws) -> Claim:
    """Return the claim about a factor, of which the first reading is the headline."""
    low, high = CLAIMED[name]
    first = readings[0]
    value, bottom, top = first.estimate
    return claim(
        name, value, interval=(bottom, top), unit="times", target=[low, high],
        held=low <= value <= high, definition=definition,
        evidence="simulated; constants published, derived and assumed, see constants.csv",
        low=bottom, high=top, reference=SOURCE,
        holds_in_all_of_the_interval=first.estimate.surely_within(low, high),
        share_of_draws_in_which_it_holds=_share(first, low, high),
        to_hold=to_hold(first, low, high, draws),
        readings=[_row(one, low, high) for one in readings],
    )  # fmt: skip


def _row(one: Reading, low: float, high: float) -> dict[str, Any]:
    value, bottom, top = one.estimate
    return {
        "name": one.name, "value": value, "low": bottom, "high": top,
        "held": low <= value <= high, "share_of_draws": _share(one, low, high),
    } | ({} if one.accuracy is None else {"accuracy": list(one.accuracy)})  # fmt: skip


def _share(one: Reading, low: float, high: float) -> float:
    return float(np.mean((one.samples >= low) & (one.samples <= high)))


def to_hold(one: Reading, low: float, high: float, draws: Draws) -> list[dict[str, Any]]:
    """Return the constants that decide whether a claim holds, and their values for it.

    They are those with the largest part in the variance of the factor's logarithm; for each it
    gives the median of drawn over stated value where the claim holds, and where it does not (None:
    never).
    """
    factors = np.log(one.samples)
    if not np.ptp(factors):
        return []
    holds = (one.samples >= low) & (one.samples <= high)
    known = {name: constant for bill in one.bills for name, constant in bill.constants.items()}
    correlations: Mapping[str, float] = {
        name: float(np.corrcoef(np.log(draws.factor(constant)), factors)[0, 1])
        for name, constant in known.items()
        if np.ptp(draws.factor(constant))
    }
    movers = sorted(correlations, key=lambda name: -abs(correlations[name]))[:MOVERS]
    return [
        {
            "constant": name, "evidence": known[name].evidence, "value": known[name].value,
            "unit": known[name].unit, "part_of_variance": correlations[name] ** 2,
            "median_where_it_holds": _median(draws.factor(known[name])[holds]),
            "median_elsewhere": _median(draws.factor(known[name])[~holds]),
        }
        for name in movers
    ]  # fmt: skip


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None
