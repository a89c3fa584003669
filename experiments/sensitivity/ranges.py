"""Ranges of the assumed parameters of subquantum CBRAM, with reasons.

A factor of 3 either way where nothing is known but an order of magnitude; less or more where a
source or the catalog says so. Sizes are drawn evenly in their logarithm, shares of cells that fail
and energies of activation evenly. Ranges are assumed as well: an index says which parameter
decides *if it may be anywhere in its range*.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from cbramsim.core.errors import ParameterError
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.states import G0
from cbramsim.experiments.study.table import markdown

THRICE = "a factor of 3 either way: only the order of magnitude is known"


class Range(NamedTuple):
    """Range of a parameter."""

    parameter: str
    """Name of the parameter of the device."""
    low: float
    """End that is nearer to zero, in SI units."""
    high: float
    """Other end, in SI units."""
    reason: str
    """Reason for these ends."""
    scale: Literal["log", "linear"] = "log"
    """Scale on which the values are drawn evenly."""

    def at(self, place: float) -> float:
        """Return the value at a place: 0 at `low`, 1 at `high`, and beyond in the same steps."""
        if self.scale == "linear":
            return self.low + place * (self.high - self.low)
        return self.low * (self.high / self.low) ** place

    def place(self, value: float) -> float:
        """Return where a value is: inverse of `at`."""
        if self.scale == "linear":
            return (value - self.low) / (self.high - self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)


RANGES = (
    Range("g_min", 0.01 * G0, 0.09 * G0, f"{THRICE}; one tellurium atom, recalled, unconfirmed"),
    Range("g_min_d2d", 0.1 / 3, 0.3, THRICE),
    Range("g_max", 0.1 * G0, 0.9 * G0, "a factor of 3: from an order of magnitude below the "
          "conductance quantum, the lower of two derivations, to just below it, where metal "
          "filaments begin"),
    Range("g_max_d2d", 0.1 / 3, 0.3, THRICE),
    Range("pulses_up", 32, 128, "the catalog of analog synapses, whose middle is assumed"),
    Range("pulses_up_d2d", 0.2 / 3, 0.6, THRICE),
    Range("nonlinearity_up", 1.2455 / 3, 3 * 1.2455,
          "a factor of 3 either way: labels in the catalog are 0.04 to 6.8"),
    Range("pulses_down", 32, 128, "as pulses_up"),
    Range("pulses_down_d2d", 0.2 / 3, 0.6, THRICE),
    Range("nonlinearity_down", -1.2455 / 3, -3 * 1.2455, "as nonlinearity_up"),
    Range("step_c2c", 0.02 / 3, 0.06, "a factor of 3 either way: analog filament synapses lie at "
          "1.5 to 5 % of the window"),
    Range("stuck_low", 0, 0.05, "yield is not published; arrays of ReRAM in the catalog name 10 to "
          "13 % of faulty cells in all", "linear"),
    Range("stuck_high", 0, 0.05, "as stuck_low", "linear"),
    Range("v_set", 0.5, 2.0, "a factor of 2: 0.5 and 1 V are the scale of a pulse; more than the "
          "lowest supply of the product line, 1.65 V, takes a pump"),
    Range("t_set", 1e-6 / 3, 1e-5, "from a third of what is assumed to the 10 us of the scale of a "
          "pulse"),
    Range("v_reset", 0.5, 2.0, "as v_set"),
    Range("t_reset", 1e-6 / 3, 1e-5, "as t_set"),
    Range("v_read", 0.05, 0.2, "a factor of 2: less drowns in the offset of an amplifier, more "
          "comes near the lowest voltage that switches, 0.5 V"),
    Range("t_read", 1e-7 / 3, 3e-7, THRICE),
    Range("read_c2c", 0.01 / 3, 0.03, THRICE),
    Range("c_cell", 0.2e-15 / 3, 0.6e-15, THRICE),
    Range("activation_energy", 0.5, 1.5, "by half either way; no cell dissolves in the hours of "
          "a training, so it must have no effect: a control", "linear"),
)  # fmt: skip
"""Every assumed parameter of the reference device, in SI units."""


def ranges_of(device: Device) -> list[Range]:
    """Return the ranges of all parameters of a device that are assumed.

    Raises
    ------
    ParameterError
        If there is none for one of them, or it does not hold the value that is assumed.
    """
    known = {one.parameter: one for one in RANGES}
    found = []
    for parameter in device.assumed_parameters():
        if parameter not in known:
            raise ParameterError(
                f"sensitivity: {parameter} of {device.name} is assumed, and no range is stated for "
                "it; see cbramsim.experiments.sensitivity.ranges"
            )
        one, value = known[parameter], getattr(device, parameter)
        if not min(one.low, one.high) <= value <= max(one.low, one.high):
            raise ParameterError(
                f"sensitivity: {parameter} of {device.name} must be within its range, {one.low:g} "
                f"to {one.high:g} (got {value:g})"
            )
        found.append(one)
    return found


def as_markdown(device: Device) -> str:
    """Return the ranges of a device as a Markdown table."""
    rows = []
    for one in ranges_of(device):
        unit = device.unit(one.parameter)
        assumed, low, high = (
            in_prefixed(value, unit) if unit else f"{value:.3g}"
            for value in (getattr(device, one.parameter), one.low, one.high)
        )
        rows.append([f"`{one.parameter}`", assumed, f"{low} to {high}", one.scale, one.reason])
    return markdown(("parameter", "assumed", "range", "evenly in", "why"), rows)
