"""Claims of the comparison: computed from its runs, held or missed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.device_studies.overhead import Overhead
from cbramsim.experiments.study.claims import Claim, claim, mean_claim
from cbramsim.experiments.study.table import Cases

LEARNS = 0.85
"""Smallest accuracy of a device that counts as learning."""
SMALL_LOSS = 0.02
"""Accuracy that may be lost, a fraction."""
MEASURED = 0.7
"""Smallest part of published or derived parameters for which a device counts as measured."""
TORNADO_FACTOR = 3.0
"""Change of an assumed parameter that the interval of a ratio covers."""


def claims(
    cases: Cases,
    spread: Cases,
    devices: list[dict[str, Any]],
    aged: list[dict[str, Any]],
    effects: list[dict[str, Any]],
    overhead: Overhead,
) -> list[Claim]:
    """Return every claim of the comparison for which there are runs."""
    made = [
        _devices_over_85(devices),
        _measured_within(cases, devices),
        *(_drift_made_up_for(cases, entry) for entry in aged),
        _loss_at_50_percent(spread),
        _overhead(overhead),
        *(_energy_ratio(cases, devices, entry["device"], effects) for entry in devices),
    ]
    return [one for one in made if one]


def _devices_over_85(devices: list[dict[str, Any]]) -> Claim:
    over = [entry["device"] for entry in devices if entry["accuracy"][0] >= LEARNS]
    tried = [entry["device"] for entry in devices]
    return claim(
        "devices_over_85",
        len(over),
        unit="devices",
        target=0.8 * len(tried),
        held=len(over) >= 0.8 * len(tried),
        definition="technologies that learn to at least 85 % test accuracy, mean over seeds",
        devices=over,
        tried=tried,
    )


def _measured_within(cases: Cases, devices: list[dict[str, Any]]) -> Claim | None:
    """Return the number of devices with mostly published parameters that take 10 to 100 times as
    much."""
    reference = devices[0]["device"] if devices else ""
    ratios = {}
    for entry in devices[1:]:
        pairs = cases.paired(entry["device"], reference, "train_joules")
        if 1 - entry["assumed"] / entry["stated"] >= MEASURED and len(pairs):
            ratios[entry["device"]] = float((pairs[:, 0] / pairs[:, 1]).mean())
    if not ratios:
        return None
    within = [name for name, ratio in ratios.items() if 10 <= ratio <= 100]
    return claim(
        "measured_devices_within_10_to_100",
        len(within),
        unit="devices",
        target=len(ratios),
        held=len(within) == len(ratios),
        definition=(
            f"technologies of which at least {MEASURED:.0%} of the parameters are published or "
            "derived, and that take 10 to 100 times the training energy of subquantum-cbram, "
            "which is assumed"
        ),
        ratios=ratios,
    )


def aged_case(name: str, kind: str) -> str:
    """Return the name of the case of a device that has been left alone for a day."""
    return f"{name}, a day later, compensation {kind}"


def _drift_made_up_for(cases: Cases, entry: dict[str, Any]) -> Claim | None:
    """Return the accuracy that a device has lost a day after training, with compensated drift."""
    name = entry["device"]
    best = max(("global", "column"), key=lambda kind: entry[kind][0])
    return _loss(
        f"loss_after_a_day_compensated:{name}",
        cases.paired(name, aged_case(name, best), "accuracy"),
        "accuracy right after training, less that a day later at 25 degC with drift compensation "
        "at read-out, the better of one factor an array and one a bit line, seed by seed",
        compensation=best,
        uncompensated=entry["none"][0],
    )


def _loss_at_50_percent(spread: Cases) -> Claim | None:
    return _loss(
        "loss_at_50_percent_d2d",
        spread.paired("spread=0", "spread=0.5", "accuracy"),
        "accuracy of the reference device without spread from cell to cell, less that with a "
        "spread of 50 % of every parameter, seed by seed",
    )


def _loss(name: str, pairs: NDArray[np.float64], definition: str, **facts: Any) -> Claim | None:
    """Return an accuracy less another, float64[seeds, 2], which should be below `SMALL_LOSS`."""
    losses = pairs[:, 0] - pairs[:, 1]
    held = bool(losses.mean() < SMALL_LOSS) if len(losses) else None
    return mean_claim(
        name, losses, unit="fraction", target=SMALL_LOSS, held=held, definition=definition, **facts
    )


def _overhead(overhead: Overhead) -> Claim:
    ratio = overhead.everything / overhead.plain
    return claim(
        "behaviour_overhead",
        ratio,
        unit="ratio",
        target=1.5,
        held=ratio <= 1.5,
        evidence="measured",
        definition=(
            "time of a training step of the reference device with every behaviour of the simulator "
            "on, over that of the same device without any, in turns, the fastest of each"
        ),
        as_described=overhead.device / overhead.plain,
    )


def _energy_ratio(
    cases: Cases, devices: list[dict[str, Any]], name: str, effects: list[dict[str, Any]]
) -> Claim | None:
    """Return the ratio of a device's training energy to that of the reference."""
    entry = next(entry for entry in devices if entry["device"] == name)
    reference = devices[0]["device"]
    pairs = cases.paired(name, reference, "train_joules")
    if name == reference or not len(pairs):
        return None
    ratios = pairs[:, 0] / pairs[:, 1]
    value = float(ratios.mean())
    return mean_claim(
        f"energy_ratio_to_subquantum:{name}",
        ratios,
        interval=_interval(value, effects),
        unit="ratio",
        held=None,
        definition=(
            "training energy over that of subquantum-cbram, all included, seed by seed; interval: "
            "each assumed parameter of subquantum-cbram changed by up to 3x, one at a time"
        ),
        reference="10 to 100 times (press account of the reference, against unnamed leading "
        "memory technologies)",
        within_10_to_100=10 <= value <= 100,
        array_ratio=entry["ratio"]["array_joules"],
        write_ratio=entry["ratio"]["write_joules"],
        inference_ratio=entry["ratio"]["inference_joules"],
        assumed_parameters=f"{entry['assumed']} of {entry['stated']}",
        assumed_energy_parameters=entry["assumed_energy"],
    )


def _interval(value: float, effects: list[dict[str, Any]]) -> tuple[float, float] | None:
    """Return the range of a ratio whose denominator moves by the largest single effects."""
    moved = [
        change["train_joules"]
        for effect in effects
        for change in effect["changes"]
        if change["factor"] * 1.001 >= 1 / TORNADO_FACTOR and change["factor"] <= TORNADO_FACTOR
    ]
    if not moved:
        return None
    return value / max(1.0, np.max(moved)), value / min(1.0, np.min(moved))
