"""A cell in plain numbers: stated parameters with sources, derived figures, and tables of
pulses."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np

from cbramsim.devices.technology import Technology

CELSIUS = (25.0, 55.0, 85.0, 125.0)
"""Temperatures at which retention is given, °C."""
STATES = 101
"""Number of states at which steps are given."""
LONGEST = 1000
"""Pulses of a train at most."""


def to_json(device: Technology) -> str:
    """Return `to_dict`, and tables of the mean law, as JSON.

    Its `tables` are trains from one bound towards the other, conductance (S) by pulse number, and
    mean steps of set and reset pulses (S) by conductance (S), of the nominal cell without noise.
    """
    g = np.linspace(device.g_min, device.g_max, STATES)
    tables = {
        "set_train": _train(device, "up"),
        "reset_train": _train(device, "down"),
        "mean_step": {
            "conductance": g.tolist(),
            "set": np.asarray(device.step_up(g)).tolist(),
            "reset": np.asarray(device.step_down(g)).tolist(),
        },
    }
    return json.dumps(to_dict(device) | {"tables": tables}, indent=2)


def to_dict(device: Technology) -> dict[str, Any]:
    """Return name, summary, parameters and derived figures, in SI units, for JSON."""
    few, all_ = len(device.assumed_parameters()), len(device.stated_parameters())
    marks = {"g_min": device.g_min, "g_mid": device.g_mid, "g_max": device.g_max}
    derived: dict[str, Any] = {
        "on_off_ratio": _finite(device.on_off_ratio),
        "states": device.state_count,
        "pulses_up": _finite(device.pulses_end_to_end("up")),
        "pulses_down": _finite(device.pulses_end_to_end("down")),
        "energy_joules": {
            pulse: {mark: device.energies(g)[pulse] for mark, g in marks.items()}
            for pulse in ("set", "reset", "read")
        },
        "stated_parameters": all_,
        "assumed_parameters": few,
    }
    if device.retention_time:
        derived["retention_seconds_at_celsius"] = {
            f"{t:g}": device.retention_time_at(t) for t in CELSIUS
        }
    if device.drifts:
        derived["drift_percent_per_decade"] = drift_per_decade(device)
    if device.endurance:
        derived["endurance_pulses"] = device.endurance
    return {
        "name": device.name,
        "summary": device.summary,
        "parameters": parameters(device),
        "derived": derived,
    }


def parameters(device: Technology) -> dict[str, dict[str, Any]]:
    """Return value, unit, evidence and source of all parameters that are stated, or not default."""
    entries = {}
    for key in device.stated_parameters():
        value, origin = getattr(device, key), device.evidence(key)
        entries[key] = {
            "value": list(value) if isinstance(value, tuple) else value,
            "unit": device.unit(key),
            "evidence": origin.evidence,
            "source": origin.source,
        }
    return entries


def drift_per_decade(device: Technology) -> float:
    """Return the change of a state at `g_max` over ten times the time, per cent: negative."""
    return 100 * (10 ** -float(device.drift_exponent_at(1.0)) - 1)


def _train(device: Technology, way: Literal["up", "down"]) -> dict[str, list[Any]]:
    """Return the conductances before and after each pulse of a train, S, by pulse number."""
    pulses = math.ceil(min(device.pulses_end_to_end(way), LONGEST))
    g = [device.g_min if way == "up" else device.g_max]
    for _ in range(pulses):
        if way == "up":
            g.append(min(g[-1] + float(device.step_up(g[-1])), device.g_max))
        else:
            g.append(max(g[-1] - float(device.step_down(g[-1])), device.g_min))
    return {"pulse": list(range(pulses + 1)), "conductance": g}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
