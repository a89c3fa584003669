"""Claims on the accuracies over neurons: targets, and the best published number of each size."""

from __future__ import annotations

from typing import Any

from cbramsim.experiments.neurons.published import Point, best
from cbramsim.experiments.neurons.schedule import BY_SIZE, case_name
from cbramsim.experiments.study.claims import Claim, mean_claim
from cbramsim.experiments.study.table import Cases

TARGETS = {500: (0.95, 0.955), 6400: (0.955, 0.965)}
"""Target and stretch of the accuracy with the class-profile vote, by number of neurons."""
VOTES = {"accuracy": "class-profile vote", "accuracy_majority": "majority vote"}
"""Quantity -> its name."""


def claims(cases: Cases, sizes: list[int], scored: str, *, quick: bool = False) -> list[Claim]:
    """Return the claims about networks of `sizes`; a `quick` look decides none.

    Parameters
    ----------
    cases
        The runs.
    sizes
        Numbers of neurons.
    scored
        Images on which they are scored.
    quick
        Whether few images were learned.
    """
    made = [
        *(_of_target(cases, size, scored) for size in sizes if size in TARGETS),
        *(
            _above(cases, point, vote)
            for size in sizes
            if scored == "test" and (point := best(size)) is not None
            for vote in VOTES
        ),
    ]
    undecided: dict[str, Any] = {"held": None, "stretch_held": None} if quick else {}
    return [claim | undecided for claim in made if claim]


def _of_target(cases: Cases, size: int, scored: str) -> Claim | None:
    target, stretch = TARGETS[size]
    values = cases.values(case_name(BY_SIZE, size), "accuracy")
    made = mean_claim(
        f"accuracy_{size}", values, unit="fraction",
        definition=(
            f"accuracy on the {scored} images of {size} neurons, one layer, not pruned, device "
            "pulses, class-profile vote; labels name neurons only"
        ),
        target=target, stretch=stretch,
    )  # fmt: skip
    return made and made | {
        "held": made["value"] >= target, "stretch_held": made["value"] >= stretch,
    }  # fmt: skip


def _above(cases: Cases, point: Point, vote: str) -> Claim | None:
    """Return the excess of a vote over the best published accuracy of as many neurons."""
    size = point.neurons
    made = mean_claim(
        f"above_published_{size}:{vote.removeprefix('accuracy_').replace('accuracy', 'profile')}",
        cases.values(case_name(BY_SIZE, size), vote) - point.accuracy, unit="fraction",
        definition=(
            f"accuracy of {size} neurons with the {VOTES[vote]}, less the best published one that "
            f"was read in its source: {point.text} ({point.label})"
        ),
        target=0.0,
    )  # fmt: skip
    return made and made | {"held": made["value"] >= 0}
