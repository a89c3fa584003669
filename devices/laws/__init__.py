"""Laws of the mean step as compiled loops see them: a file for each; see `devices.pulse_law`."""

from __future__ import annotations

from cbramsim.devices.laws.affine import Affine
from cbramsim.devices.laws.shaped import Shaped
from cbramsim.devices.technology import Technology

TABULATED = ("power", "table")
"""Laws whose step is a `Shaped` one."""


def law_of(device: Technology) -> Affine | Shaped:
    """Return the law of a device for compiled loops."""
    return Shaped.of(device) if device.law in TABULATED else Affine()
