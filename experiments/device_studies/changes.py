"""Common parts of the studies of devices: changes to a device as changes to the configuration."""

from __future__ import annotations

from typing import Any

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device


def all_spreads(device: Device, relative: float) -> dict[str, float]:
    """Return the changes that give every parameter of a device one relative spread.

    Spreads of nonlinearity labels and slopes are absolute; they become that part of the value.
    `pulses_d2d`, which set and reset steps share, is not changed.
    """
    changes = {}
    for key in device.physical_parameters():
        if key.endswith("_d2d") and key != "pulses_d2d":
            value = getattr(device, key.removesuffix("_d2d"))
            absolute = key.startswith(("nonlinearity", "slope"))
            changes[key] = relative * (abs(value) if absolute else 1.0)
    return changes


def cell(changes: dict[str, Any]) -> dict[str, Any]:
    """Return changes to a device as dotted keys of the configuration."""
    return {f"cell.{key}": value for key, value in changes.items()}


def is_physics(device: Device, changes: dict[str, Any]) -> bool:
    """Return whether there is a device with these changes: no window inside out, and so on."""
    try:
        device.replace(**changes)
    except ParameterError:
        return False
    return True
