"""Verdict of the samples on the claim, and its certainty."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbramsim.experiments.sensitivity.limits import CLAIMED, SMALL_LOSS
from cbramsim.experiments.sensitivity.plan import SETS
from cbramsim.experiments.sensitivity.results import LEADERS, Answer, Question, leaders
from cbramsim.experiments.study.claims import Claim, claim, mean_claim

SOURCE = "press account of the reference, against unnamed leading memory technologies"
FEW = 0.5
"""Share of the samples in which the claim has to hold to count as held."""


def claims(asked: Question, found: Answer, technologies: list[dict[str, Any]]) -> list[Claim]:
    """Return every claim for which there are runs.

    Parameters
    ----------
    asked, found
        The study and its result.
    technologies
        As of `results.by_technology`.
    """
    by_name = {entry["technology"]: entry for entry in technologies}
    made = [
        *(_as_assumed(found, name) for name in SETS if name in by_name),
        *(_share(by_name[name]) for name in SETS if name in by_name),
        _decided(asked, found),
        _resolved(found, "energy"),
        _resolved(found, "accuracy"),
    ]
    return [one for one in made if one]


def _as_assumed(found: Answer, name: str) -> Claim | None:
    low, high = CLAIMED
    values = found.assumed[name]
    made = mean_claim(
        f"ratio_as_assumed:{name}", values, unit="ratio", target=[low, high], reference=SOURCE,
        definition=(
            f"training energy, median over the technologies of the set {name}, over that of the "
            "cell as assumed, seed by seed"
        ),
    )  # fmt: skip
    return made and made | {"held": low <= made["value"] <= high}


def _share(entry: dict[str, Any]) -> Claim:
    name, held = entry["technology"], entry["holds"]
    return claim(
        f"claim_holds:{name}", held["share"], interval=held["interval"], unit="fraction of samples",
        target=FEW, held=held["share"] >= FEW,
        definition=(
            "share of the samples of all assumed parameters in which the ratio is 10 to 100; "
            "interval: bootstrap over blocks of samples"
        ),
        below=entry["below"]["share"], above=entry["above"]["share"],
        holds_and_learns=entry["holds_and_learns"]["share"],
        note=(
            f"below 10 in {_percent(entry['below'])}, above 100 in {_percent(entry['above'])}; "
            f"holds, and accuracy at most {SMALL_LOSS:.0%} lower, in "
            f"{_percent(entry['holds_and_learns'])}"
        ),
    )  # fmt: skip


def _percent(entry: dict[str, Any]) -> str:
    return f"{100 * entry['share']:.0f} %"


def _decided(asked: Question, found: Answer) -> Claim | None:
    """Return how much of the variance the leading parameters decide.

    At least what the total indices of the others do not reach.
    """
    if found.of_energy is None or asked.taken.method != "sobol":
        return None
    leading = leaders(found)
    others = np.delete(np.arange(len(asked.ranges)), leading)
    value = 1 - float(found.of_energy.total[others].sum())
    width = float((found.of_energy.total_half[others] ** 2).sum() ** 0.5)
    return claim(
        "decided_by_three", value, interval=(value - width, value + width),
        unit="fraction of variance",
        definition=(
            f"1 less the total indices of all but the {LEADERS} leading parameters, of the "
            "logarithm of the training energy, and so of the ratio: a lower bound of the part that "
            "these decide, alone and together"
        ),
        parameters=[asked.ranges[number].parameter for number in leading],
        note=", ".join(asked.ranges[number].parameter for number in leading),
    )  # fmt: skip


def _resolved(found: Answer, quantity: str) -> Claim | None:
    """Return whether the ranking of the leading parameters is more than chance."""
    of = found.of_energy if quantity == "energy" else found.of_accuracy
    if of is None:
        return None
    count = of.resolved()
    return claim(
        f"ranking_resolved:{quantity}", count, unit="parameters", target=LEADERS,
        held=count >= LEADERS,
        definition=(
            "how many parameters lead one by one, each with the 95 % interval of its index above "
            "that of the next"
        ),
        blocks=of.blocks, widest=float(of.total_half.max()),
    )  # fmt: skip
