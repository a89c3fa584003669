"""Statements of `cbram cache-fit`, each with its definition."""

from __future__ import annotations

from cbramsim.experiments.cache_fit.advice import Advice
from cbramsim.experiments.cache_fit.costs import Costs
from cbramsim.experiments.cache_fit.knees import Knee
from cbramsim.experiments.cache_fit.model import CostModel
from cbramsim.experiments.study.claims import Claim, claim
from cbramsim.simulator.comparison.layers import Layers

AUTHORS = (
    "the model of the authors of BUTTER-E, of energy: mean |error| 21 % on CPUs, 5.5 % on GPUs"
)


def claims(
    own: Layers, costs: Costs | None, fitted: CostModel | None, advice: Advice, found: list[Knee]
) -> list[Claim]:
    """Return every claim for which there are numbers."""
    made: list[Claim] = []
    if costs and advice.best:
        made += _savings(own, costs, advice)
    if fitted:
        made += _model(fitted)
    made += [_knee(knee) for knee in found if knee.ratio is not None]
    return made


def saved(own: Layers, other: Layers, costs: Costs) -> tuple[float, float]:
    """Return the saving of `other` against `own` per parameter and per training datum, in per
    cent."""
    each = costs.per_parameter(other) / costs.per_parameter(own)
    return 100 * (1 - each), 100 * (1 - each * other.parameters / own.parameters)


def _savings(own: Layers, costs: Costs, advice: Advice) -> list[Claim]:
    assert advice.best
    other = advice.best.layers
    intervals = costs.intervals(own, other)
    words = {"per_parameter": "per parameter", "per_datum": "per training datum"}
    return [
        claim(
            f"saving_{key}",
            value,
            unit="%",
            interval=intervals.get(key),
            evidence=costs.evidence,
            definition=(
                f"part of the cost of a training step {words[key]} that the network of the "
                "cheapest size near a cache saves of that of the given network; what it learns "
                "is not compared"
            ),
            cost=costs.source,
            own=own.widths,
            other=other.widths,
        )
        for key, value in zip(words, saved(own, other, costs), strict=True)
    ]


def _model(fitted: CostModel) -> list[Claim]:
    return [
        claim(
            "model_error",
            100 * fitted.error,
            unit="%",
            evidence="measured",
            definition=(
                "mean of |model / measured - 1| over sizes of networks; the model is fitted to them"
            ),
            worst=100 * fitted.worst,
            reference=AUTHORS,
        ),
        claim(
            "model_error_left_out",
            100 * fitted.left_out_error,
            unit="%",
            evidence="measured",
            definition="the same, each size predicted by a model fitted to all others",
            reference=AUTHORS,
        ),
    ]


def _knee(knee: Knee) -> Claim:
    return claim(
        f"cost_beyond:{knee.inner}",
        knee.ratio,
        unit="ratio",
        evidence="measured",
        definition=(
            f"lower quartile of the cost per parameter of networks whose backward set lives in "
            f"{knee.outer}, over that in {knee.inner}, less the overhead of the model"
        ),
        seen=knee.parameters is not None,
        parameters=knee.parameters,
    )
