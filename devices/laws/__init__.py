"""Laws of the mean step as compiled loops see them: a file for each; see `devices.pulse_law`."""

from __future__ import annotations

from cbramsim.devices.laws.affine import Affine
from cbramsim.devices.laws.shaped import Shaped
from cbramsim.devices.pulse_law import AFFINE
from cbramsim.devices.technology import Technology


def law_of(device: Technology) -> Affine | Shaped:
    """Return the law of a device for compiled loops."""
    return Affine() if device.law in AFFINE else Shaped.of(device)
