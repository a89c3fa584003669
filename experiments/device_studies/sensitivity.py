"""Sensitivity of the energy and the accuracy of a device to each assumed parameter alone.

One at a time and by up to ten times, for the intervals of `cbram compare-devices`. What all of them
decide together, each in its own range, is the question of `cbram sensitivity`.
"""

from __future__ import annotations

from typing import Any

from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.changes import cell, is_physics
from cbramsim.experiments.study.cases import Case
from cbramsim.experiments.study.table import Cases

FACTORS = (0.1, 1 / 3, 3.0, 10.0)
"""Factors by which each assumed parameter is changed."""
UNCHANGED = "as it is"
WINDOW = ("g_min", "g_max")
"""Parameters that only make sense together: both are changed as well, keeping their ratio."""


def sensitivity_cases(device: Device, settings: dict[str, Any]) -> list[Case]:
    """Return the device as it is, and with each assumed parameter changed by each factor.

    Unphysical changes (a reversed window, a spread above 2) are left out.
    """
    cases = [Case(UNCHANGED, settings | {"device": device.name}, {"parameter": "", "factor": 1.0})]
    assumed = [
        key for key in device.stated_parameters()
        if device.evidence(key).evidence == "assumed" and _is_changeable(device, key)
    ]  # fmt: skip
    groups = {key: [key] for key in assumed}
    if set(WINDOW) <= set(assumed):
        groups["g_min and g_max"] = list(WINDOW)
    for name, keys in groups.items():
        for factor in FACTORS:
            changes = {key: _scaled(device, key, factor) for key in keys}
            if is_physics(device, changes):
                changed = settings | {"device": device.name} | cell(changes)
                facts = {"parameter": name, "factor": factor}
                cases.append(Case(f"{name} x {factor:.3g}", changed, facts))
    return cases


def tornado(cases: Cases) -> list[dict[str, Any]]:
    """Return the factor of the energies, and the difference of the accuracy, for each change.

    The largest range of the training energy comes first.
    """
    if UNCHANGED not in cases:
        return []
    found: dict[str, dict[str, Any]] = {}
    for case in cases.names:
        row = cases.first(case)
        if case == UNCHANGED:
            continue
        pairs = {
            quantity: cases.paired(case, UNCHANGED, quantity)
            for quantity in ("train_joules", "array_joules", "accuracy")
        }
        entry = found.setdefault(row["parameter"], {"parameter": row["parameter"], "changes": []})
        train, array = (
            float((p[:, 0] / p[:, 1]).mean())
            for p in (pairs["train_joules"], pairs["array_joules"])
        )
        accuracy = pairs["accuracy"]
        entry["changes"].append(
            {
                "factor": row["factor"],
                "train_joules": train,
                "array_joules": array,
                "accuracy": float((accuracy[:, 0] - accuracy[:, 1]).mean()),
            }
        )
    return sorted(found.values(), key=_range, reverse=True)


def _range(entry: dict[str, Any]) -> float:
    moved = [change["train_joules"] for change in entry["changes"]]
    return max(1.0, *moved) / min(1.0, *moved)


def _is_changeable(device: Device, key: str) -> bool:
    """Return whether a parameter can be scaled: it is not a temperature, and not 0."""
    value = getattr(device, key)
    return not key.endswith("_celsius") and not isinstance(value, str | tuple) and value != 0


def _scaled(device: Device, key: str, factor: float) -> float | int:
    value = getattr(device, key) * factor
    return max(2, round(value)) if isinstance(getattr(device, key), int) else value
