"""What was found, beside what the reference reports: every claim is computed from the runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cbramsim.experiments.pruning.plan import (
    ALL_POLICIES,
    HARD_FRACTION,
    MAIN_FRACTION,
    Policy,
)

Row = dict[str, Any]
"""A run as in pruning.csv."""
ANY_FRACTION = 0.9
"""Fraction at which any value policy may show what it can do."""
TOLERANCE = 0.01
"""Loss of accuracy that still counts as equal."""


HELD_AT = {
    "soft-floor": "; pruned cells at their lowest conductance",
    "soft-mean": "; one constant for each neuron, the mean of its pruned weights",
    "soft-mean-2": "; two constants for each neuron, for it is pruned in two stages",
    "soft-constant": "; one constant for the whole array",
    "soft-freeze": "; each pruned weight at its present value",
}
"""What the definition of a claim says of the value."""


class Found:
    """The runs of a study, looked up by what was run."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    def select(self, policy: str = "unpruned", rule: str = "device", **facts: Any) -> list[Row]:
        """Return the runs of a policy, by seed; in the plain setting unless `facts` say otherwise.

        A policy's own maturity is meant unless `facts` name another.
        """
        wanted = {
            "policy": policy, "rule": rule, "update": "winner", "access": "transistor",
            "epochs": self.epochs,
        } | facts  # fmt: skip
        known = ALL_POLICIES.get(policy)
        if known and known.mode != "hard-after":
            wanted.setdefault("maturity", known.maturity)
        rows = [row for row in self.rows if all(row.get(k) == v for k, v in wanted.items())]
        return sorted(rows, key=lambda row: row["seed"])

    @property
    def epochs(self) -> int:
        """Epochs of the plain runs."""
        return max((row["epochs"] for row in self.rows), default=0)

    def values(self, quantity: str, policy: str = "unpruned", **facts: Any) -> np.ndarray:
        """Return one quantity of the runs of a policy, by seed."""
        return np.array([row[quantity] for row in self.select(policy, **facts)], float)

    def ratios(self, quantity: str, above: list[Row], below: list[Row]) -> np.ndarray:
        """Return the quantity of some runs over that of others, seed by seed."""
        under = {row["seed"]: row[quantity] for row in below}
        return np.array(
            [row[quantity] / under[row["seed"]] for row in above if row["seed"] in under]
        )


def claims(rows: list[Row], efficiency: dict[str, float] | None) -> list[dict[str, Any]]:
    """Return what the runs say about each claim, where there are runs that say anything."""
    found = Found(rows)
    constant = {
        "soft_constant_75": "soft-mean",
        "soft_two_constants_75": "soft-mean-2",
        "soft_floor_75": "soft-floor",
        "soft_one_constant_75": "soft-constant",
        "soft_freeze_75": "soft-freeze",
    }
    made = [
        _accuracy(found, "unpruned", "unpruned", None, 0.94, 0.95, "about 94 %"),
        _accuracy(found, "soft_any_90", "soft-freeze", ANY_FRACTION, 0.925, 0.935, None),
        *(
            _accuracy(found, name, policy, MAIN_FRACTION, 0.93, 0.94, "93 %")
            for name, policy in constant.items()
        ),
        _hard(found),
        _write_saving(found),
        _algorithm_saving(found),
        _efficiency(efficiency),
    ]
    return [claim for claim in made if claim]


def _claim(
    name: str,
    values: np.ndarray,
    *,
    unit: str,
    target: float | None,
    held: Callable[[float], bool],
    reference: str | None,
    definition: str,
    **more: Any,
) -> dict[str, Any] | None:
    if not len(values):
        return None
    mean = float(values.mean())
    return {
        "name": name,
        "value": mean,
        "spread": float(values.std(ddof=1)) if len(values) > 1 else None,
        "unit": unit,
        "target": target,
        "held": bool(held(mean)),
        "evidence": "simulated with assumed device parameters",
        "reference": reference,
        "definition": definition,
        "runs": len(values),
        **more,
    }


def _accuracy(
    found: Found,
    name: str,
    policy: str,
    fraction: float | None,
    target: float,
    stretch: float,
    reference: str | None,
) -> dict[str, Any] | None:
    facts = {} if fraction is None else {"target_fraction": fraction}
    what = "without pruning" if fraction is None else f"{policy}, {fraction:.0%} of the weights"
    pruned = found.values("pruned_fraction", policy, **facts)
    return _claim(
        name,
        found.values("accuracy", policy, **facts),
        unit="fraction of the test images",
        target=target,
        held=lambda mean: mean >= target and bool((pruned >= (fraction or 0) - 0.005).all()),
        reference=reference,
        definition=f"device pulses, {what}, class-profile vote{HELD_AT.get(policy, '')}",
        stretch=stretch,
        majority=_mean(found.values("accuracy_majority", policy, **facts)),
        pruned_fraction=_mean(pruned),
    )


def _hard(found: Found) -> dict[str, Any] | None:
    facts = {"target_fraction": HARD_FRACTION}
    return _claim(
        "hard_during_40",
        found.values("accuracy", "hard", **facts),
        unit="fraction of the test images",
        target=0.90,
        held=lambda mean: mean < 0.90,
        reference="below 90 %",
        definition=(
            "device pulses, the lowest 40 % of each neuron's weights removed while learning, "
            "class-profile vote; held means that it is as low as the reference reports"
        ),
        majority=_mean(found.values("accuracy_majority", "hard", **facts)),
        least_salient=_mean(found.values("accuracy", "hard-salient", **facts)),
        magnitude_after_training=_mean(found.values("accuracy", "hard-after", **facts)),
    )


def _write_saving(found: Found) -> dict[str, Any] | None:
    before = found.select("unpruned")
    after = found.select("soft-freeze", target_fraction=MAIN_FRACTION)
    if not _seeds(before) & _seeds(after):
        return None
    loss = _loss(before, after)
    return _claim(
        "write_energy_saving_75",
        found.ratios("write_joules", before, after),
        unit="ratio",
        target=2.0,
        held=lambda mean: mean >= 2 and loss <= TOLERANCE,
        reference="part of about 10",
        definition=(
            "energy of all programming pulses and their lines in training without pruning, over "
            "the same with soft-freeze of 75 %, same seed; equal accuracy means within 1 point of "
            "the unpruned network at full length. The control is in trade_off: what shorter "
            "training saves without pruning (no share of spikes), and with it"
        ),
        stretch=5.0,
        loss_of_accuracy=loss,
        trade_off=_trade_off(found, before),
    )


def _trade_off(found: Found, before: list[Row]) -> list[dict[str, float | None]]:
    """Return saving and loss of earlier freezing, of shorter training, and of both together."""
    settings = {
        (row["epochs"], row["maturity"] if row["policy"] == "soft-freeze" else None)
        for row in found.rows
        if row["policy"] in ("unpruned", "soft-freeze") and row["rule"] == "device"
    }
    points = []
    for epochs, maturity in settings:
        rows = (
            found.select("unpruned", epochs=epochs)
            if maturity is None
            else found.select(
                "soft-freeze", target_fraction=MAIN_FRACTION, maturity=maturity, epochs=epochs
            )
        )
        if _seeds(before) & _seeds(rows):
            saving = float(found.ratios("write_joules", before, rows).mean())
            points.append(
                {
                    "epochs": epochs,
                    "mature_after_share_of_spikes": maturity,
                    "saving": saving,
                    "loss_of_accuracy": _loss(before, rows),
                }
            )
    return sorted(points, key=lambda point: point["saving"])


def _algorithm_saving(found: Found) -> dict[str, Any] | None:
    steps = decomposition(found)
    if len(steps) < len(STEPS):
        return None
    dense, last = steps[0][1], steps[-1][1]
    if not _seeds(dense) & _seeds(last):
        return None
    loss = _loss(dense, last)
    return _claim(
        "algorithm_saving",
        found.ratios("train_joules", dense, last),
        unit="ratio",
        target=10.0,
        held=lambda mean: mean >= 10 and loss <= TOLERANCE,
        reference="about 10",
        definition=(
            "energy of training, all of it, with dense updates of every column at every "
            "presentation, over that with winner-only updates, stochastic programming and soft "
            "pruning (freeze, 75 %); equal accuracy means within 1 point. Nearly all of it is the "
            "first step, for a dense update writes every cell, also where the change is nil; what "
            "remains without that step is given beside it"
        ),
        stretch=100.0,
        loss_of_accuracy=loss,
        without_the_dense_step=_mean(found.ratios("train_joules", steps[1][1], last)),
        writes_without_the_dense_step=_mean(found.ratios("write_joules", steps[1][1], last)),
    )


STEPS = (
    ("dense update\nof all columns", {"policy": "unpruned", "rule": "ideal", "update": "dense"}),
    ("winner's column\nonly", {"policy": "unpruned", "rule": "ideal"}),
    ("stochastic\nprogramming", {"policy": "unpruned"}),
    ("soft pruning\n(freeze, 75 %)", {"policy": "soft-freeze", "target_fraction": MAIN_FRACTION}),
)
"""The steps of the algorithm: what they are called, and which runs show them."""


def decomposition(found: Found) -> list[tuple[str, list[Row]]]:
    """Return the runs of each step of the algorithm, for those steps that were run."""
    steps = [(label, found.select(**facts)) for label, facts in STEPS]
    return [(label, rows) for label, rows in steps if rows]


def savings(rows: list[Row], policy: Policy) -> dict[str, dict[str, float]] | None:
    """Return what soft pruning of 75 % saves, kind by kind: joules without, with, and the ratio.

    Writing, sensing and reading are of training, recognition is of scoring; half-selected cells
    are those of a passive array, for with transistors they cost nothing.
    """
    found = Found(rows)
    facts = {"target_fraction": MAIN_FRACTION}
    kinds = {
        "write pulses (number)": ("write_pulses", {}),
        "programming pulses and lines": ("write_joules", {}),
        "sensing before programming": ("sense_joules", {}),
        "reading while learning": ("read_joules", {}),
        "cell current while learning": ("cell_read_joules", {}),
        "cell current in recognition": ("test_cell_read_joules", {}),
        "half-selected cells (passive array)": ("half_select_joules", {"access": "passive"}),
    }
    table = {}
    for kind, (quantity, where) in kinds.items():
        without = found.values(quantity, "unpruned", **where)
        having = found.values(quantity, policy.name, **facts, **where)
        if len(without) and len(having):
            ratio = without.mean() / having.mean() if having.mean() else float("inf")
            table[kind] = {
                "without": float(without.mean()), "with": float(having.mean()),
                "ratio": float(ratio),
            }  # fmt: skip
    return table or None


def _efficiency(efficiency: dict[str, float] | None) -> dict[str, Any] | None:
    if not efficiency:
        return None
    return _claim(
        "sweep_efficiency",
        np.array([efficiency["efficiency"]]),
        unit="fraction",
        target=0.9,
        held=lambda value: value >= 0.9,
        reference=None,
        definition=(
            "time that the runs take alone, one after the other, over workers times the time of "
            "the sweep: the share of the workers' time spent in runs, times how much longer a run "
            "takes alone than beside others"
        ),
        **{key: value for key, value in efficiency.items() if key != "efficiency"},
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _seeds(rows: list[Row]) -> set[int]:
    return {row["seed"] for row in rows}


def _loss(before: list[Row], after: list[Row]) -> float:
    """Return by how much the accuracy of some runs is below that of others of the same seeds."""
    accuracy = {row["seed"]: row["accuracy"] for row in before}
    return float(
        np.mean([accuracy[r["seed"]] - r["accuracy"] for r in after if r["seed"] in accuracy])
    )
