"""Claims beside those of the reference: every one is computed from the runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbramsim.experiments.pruning.plan import (
    ALL_POLICIES,
    HARD_FRACTION,
    MAIN_FRACTION,
    Policy,
)
from cbramsim.experiments.study.claims import Claim, mean_claim
from cbramsim.experiments.study.table import column, paired

ANY_FRACTION = 0.9
"""Fraction at which all value policies are compared."""
TOLERANCE = 0.01
"""Loss of accuracy that still counts as equal."""


HELD_AT = {
    "soft-floor": "; pruned cells at their lowest conductance",
    "soft-mean": "; one constant for each neuron, the mean of its pruned weights",
    "soft-mean-2": "; two constants for each neuron, for it is pruned in two stages",
    "soft-constant": "; one constant for the whole array",
    "soft-freeze": "; each pruned weight at its present value",
}
"""Description of the value, in the definition of a claim."""


class Found:
    """Runs of a study, a row each as in runs.csv, with look-up by policy."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def select(self, policy: str = "unpruned", rule: str = "device", **facts: Any) -> pd.DataFrame:
        """Return the runs of a policy, by seed; in the plain setting unless `facts` name another.

        A policy's own maturity is meant unless `facts` name another.
        """
        wanted = {
            "policy": policy, "rule": rule, "update": "winner", "access": "transistor",
            "epochs": self.epochs,
        } | facts  # fmt: skip
        known = ALL_POLICIES.get(policy)
        if known and known.mode != "hard-after":
            wanted.setdefault("maturity", known.maturity)
        table = self.table
        for key, value in wanted.items():
            table = table[table[key] == value] if key in table else table[:0]
        return table.sort_values("seed") if len(table) else table

    @property
    def epochs(self) -> int:
        """Epochs of the plain runs."""
        return int(self.table["epochs"].max()) if len(self.table) else 0

    def values(self, quantity: str, policy: str = "unpruned", **facts: Any) -> NDArray[np.float64]:
        """Return one quantity of the runs of a policy, by seed."""
        return column(self.select(policy, **facts), quantity)


def ratios(quantity: str, above: pd.DataFrame, below: pd.DataFrame) -> NDArray[np.float64]:
    """Return the quantity of some runs over that of others, seed by seed."""
    pairs = paired(above, below, quantity)
    found: NDArray[np.float64] = pairs[:, 0] / pairs[:, 1]
    return found


def claims(table: pd.DataFrame) -> list[Claim]:
    """Return the claims for which there are runs."""
    found = Found(table)
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
    ]
    return [claim for claim in made if claim]


def _claim(
    name: str, values: NDArray[np.float64], held: Callable[[float], bool], **facts: Any
) -> Claim | None:
    """Return a claim about the mean over seeds, and whether it is held."""
    made = mean_claim(name, values, **facts)
    return made and made | {"held": bool(held(made["value"]))}


def _accuracy(
    found: Found,
    name: str,
    policy: str,
    fraction: float | None,
    target: float,
    stretch: float,
    reference: str | None,
) -> Claim | None:
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


def _hard(found: Found) -> Claim | None:
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


def _write_saving(found: Found) -> Claim | None:
    before = found.select("unpruned")
    after = found.select("soft-freeze", target_fraction=MAIN_FRACTION)
    if not len(paired(before, after, "accuracy")):
        return None
    loss = _loss(before, after)
    return _claim(
        "write_energy_saving_75",
        ratios("write_joules", before, after),
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


def _trade_off(found: Found, before: pd.DataFrame) -> list[dict[str, float | None]]:
    """Return saving and loss of earlier freezing, of shorter training, and of both together."""
    settings = {
        (row.epochs, row.maturity if row.policy == "soft-freeze" else None)
        for row in found.table.itertuples()
        if row.policy in ("unpruned", "soft-freeze") and row.rule == "device"
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
        if len(paired(before, rows, "accuracy")):
            saving = float(ratios("write_joules", before, rows).mean())
            points.append(
                {
                    "epochs": epochs,
                    "mature_after_share_of_spikes": maturity,
                    "saving": saving,
                    "loss_of_accuracy": _loss(before, rows),
                }
            )
    return sorted(points, key=lambda point: point["saving"])


def _algorithm_saving(found: Found) -> Claim | None:
    steps = decomposition(found)
    if len(steps) < len(STEPS):
        return None
    dense, last = steps[0][1], steps[-1][1]
    if not len(paired(dense, last, "accuracy")):
        return None
    loss = _loss(dense, last)
    return _claim(
        "algorithm_saving",
        ratios("train_joules", dense, last),
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
        without_the_dense_step=_mean(ratios("train_joules", steps[1][1], last)),
        writes_without_the_dense_step=_mean(ratios("write_joules", steps[1][1], last)),
    )


STEPS = (
    ("dense update\nof all columns", {"policy": "unpruned", "rule": "ideal", "update": "dense"}),
    ("winner's column\nonly", {"policy": "unpruned", "rule": "ideal"}),
    ("stochastic\nprogramming", {"policy": "unpruned"}),
    ("soft pruning\n(freeze, 75 %)", {"policy": "soft-freeze", "target_fraction": MAIN_FRACTION}),
)
"""Steps of the algorithm: their names, and the runs that show them."""


def decomposition(found: Found) -> list[tuple[str, pd.DataFrame]]:
    """Return the runs of each step of the algorithm, for those steps that were run."""
    steps = [(label, found.select(**facts)) for label, facts in STEPS]
    return [(label, rows) for label, rows in steps if len(rows)]


def savings(table: pd.DataFrame, policy: Policy) -> dict[str, dict[str, float]] | None:
    """Return the saving by soft pruning of 75 %, kind by kind: joules without, with, and the ratio.

    Writing, sensing and reading are of training, recognition is of scoring; half-selected cells are
    those of a passive array, as with transistors they cost nothing.
    """
    found = Found(table)
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
    saved = {}
    for kind, (quantity, where) in kinds.items():
        without = found.values(quantity, "unpruned", **where)
        having = found.values(quantity, policy.name, **facts, **where)
        if len(without) and len(having):
            ratio = without.mean() / having.mean() if having.mean() else float("inf")
            saved[kind] = {
                "without": float(without.mean()), "with": float(having.mean()),
                "ratio": float(ratio),
            }  # fmt: skip
    return saved or None


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _loss(before: pd.DataFrame, after: pd.DataFrame) -> float:
    """Return the loss of accuracy of some runs against others of the same seeds."""
    pairs = paired(before, after, "accuracy")
    return float((pairs[:, 0] - pairs[:, 1]).mean())
