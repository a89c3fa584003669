"""One memory cell technology, composed of the modules that describe its parts.

========================================= ==========================================================
:mod:`~cbramsim.devices.states`           conductance window, levels, quantised states, read noise
:mod:`~cbramsim.devices.one_over_f`       noise of reads that grows with time
:mod:`~cbramsim.devices.pulse_law`        step of the state under a pulse, and its noise
:mod:`~cbramsim.devices.write_noise`      errors that a write leaves beside the state
:mod:`~cbramsim.devices.conduction`       voltages, widths, current-voltage curve, capacitances
:mod:`~cbramsim.devices.disturb`          switching of cells that see a part of the write voltage
:mod:`~cbramsim.devices.faults`           stuck and open cells
:mod:`~cbramsim.devices.drift`            structural relaxation of an amorphous phase
:mod:`~cbramsim.devices.retention`        filaments that dissolve with time and temperature
:mod:`~cbramsim.devices.relaxation`       movement of filaments in the first days
:mod:`~cbramsim.devices.endurance`        wear
========================================= ==========================================================
"""

from __future__ import annotations

from typing import Any, Self

from cbramsim.core.arguments import one_of
from cbramsim.devices.conduction import Conduction
from cbramsim.devices.disturb import Disturb
from cbramsim.devices.drift import Drift
from cbramsim.devices.endurance import Endurance
from cbramsim.devices.faults import Faults
from cbramsim.devices.one_over_f import OneOverF
from cbramsim.devices.pulse_law import PulseLaw
from cbramsim.devices.relaxation import Relaxation
from cbramsim.devices.retention import Retention
from cbramsim.devices.states import States
from cbramsim.devices.write_noise import WriteNoise

VARIABILITY = ("_d2d", "_d2d_of_window", "_c2c")
"""Endings of the names of parameters that make cells, or pulses, differ."""
NOISE = (
    "step_c2c",
    "step_c2c_of_step",
    "noise_up",
    "noise_down",
    "read_c2c",
    "g_flicker",
    "write_c2c",
    "program_noise",
    "read_1f",
)
"""Parameters of noise from event to event."""
FAULTS = ("stuck_low", "stuck_high", "stuck_mid", "stuck_open")
"""Cells that do not switch."""
AGEING = (
    "drift_exponent", "drift_by_state", "drift_spread_by_state", "retention_time",
    "activation_energy", "relaxation_shift", "relaxation_spread", "relaxation_times",
    "relaxation_states", "relaxation_sigmas", "endurance",
)  # fmt: skip
"""Parameters of time and use."""
DISTURB = ("v_switch",)
"""Parameters of the disturbance by programming other cells."""
GRANULARITY = ("levels", "level_radix", "g_quantum")
"""States a cell can take."""


class Technology(
    Endurance,
    Relaxation,
    Retention,
    Drift,
    Faults,
    Disturb,
    Conduction,
    WriteNoise,
    PulseLaw,
    OneOverF,
    States,
):
    """Frozen description of one cell technology, in SI units.

    A quantity and its spreads are named alike: `x`, `x_d2d` (relative standard deviation from
    device to device, drawn once per cell), `x_c2c` (standard deviation from cycle to cycle, drawn
    at every event). Every behaviour but the window, the pulse and the voltages is optional.
    """

    def weight_of(self, conductance: Any) -> Any:
        """Return the weight of a conductance (S) or an array: -1 at `g_min`, +1 at `g_max`."""
        return 2 * (conductance - self.g_min) / self.g_range - 1

    def conductance_of(self, weight: Any) -> Any:
        """Return the conductance, S, of a weight or an array of weights: inverse of `weight_of`."""
        return self.g_min + 0.5 * (weight + 1) * self.g_range

    def step_up(self, conductance: Any) -> Any:
        """Return the mean step of a set pulse of the nominal cell at a conductance, S."""
        return self.g_range * self.relative_step_up((conductance - self.g_min) / self.g_range)

    def step_down(self, conductance: Any) -> Any:
        """Return the size of the mean step of a reset pulse of the nominal cell, S."""
        return self.g_range * self.relative_step_down((conductance - self.g_min) / self.g_range)

    @property
    def ages(self) -> bool:
        """Whether time changes a cell or its noise."""
        return self.drifts or self.relaxes or self.retention_time > 0 or bool(self.read_1f)

    def without(self, *parameters: str) -> Self:
        """Return the same technology with optional `parameters` off."""
        fields = type(self).model_fields
        optional = [key for key in self.physical_parameters() if not fields[key].is_required()]
        for key in parameters:
            one_of("Device.without:", key, optional)
        return self.replace(**{key: fields[key].default for key in parameters})

    def without_variability(self) -> Self:
        """Return the same technology with identical, noiseless cells without faults or ageing."""
        spreads = [key for key in self.physical_parameters() if key.endswith(VARIABILITY)]
        return self.without(*spreads, *NOISE, *FAULTS, *AGEING, *DISTURB)

    def differing(self, other: Technology) -> dict[str, Any]:
        """Return the physical parameters in which `other` differs, with its values."""
        return {
            key: getattr(other, key) for key in self.physical_parameters()
            if getattr(other, key) != getattr(self, key)
        }  # fmt: skip

    @property
    def behaviours(self) -> list[str]:
        """Names of the optional parameters that are in use, in the order of their definition."""
        fields = type(self).model_fields
        return [
            key for key in self.physical_parameters()
            if not fields[key].is_required() and getattr(self, key) != fields[key].default
        ]  # fmt: skip
