"""Kernels of one cell: what one pulse does to its conductance, and what it costs.

The physics is in the docstring of `cbramsim.devices.device`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cbramsim.devices.device import Device
from cbramsim.kernels import inlined

G_LOW, G_HIGH, R_UP, R_DOWN = range(4)
"""Where a cell keeps its own window and step fractions, see `cbramsim.devices.population`."""


class PulseConstants(NamedTuple):
    """What all cells of a device share, as plain numbers for compiled loops."""

    r_up: float
    """Nominal fraction of a set pulse: what a controller reckons with."""
    r_down: float
    """Nominal fraction of a reset pulse."""
    g_up_inf: float
    """Asymptote of set pulses, S."""
    g_down_inf: float
    """Asymptote of reset pulses, S."""
    step_sigma: float
    """Standard deviation of the noise of one pulse, S."""
    v2t_set: float
    """V² t of a set pulse, V² s: times a conductance it is an energy."""
    v2t_reset: float
    """V² t of a reset pulse, V² s."""
    v2t_read: float
    """V² t of a read pulse, V² s."""
    read_sigma: float
    """Standard deviation of the noise of one cell in one read, S."""


def pulse_constants(device: Device) -> PulseConstants:
    """Gather the constants of `device` that compiled loops need."""
    return PulseConstants(
        r_up=device.r_up,
        r_down=device.r_down,
        g_up_inf=device.g_up_inf,
        g_down_inf=device.g_down_inf,
        step_sigma=device.step_c2c * device.g_range,
        v2t_set=device.v_set**2 * device.t_set,
        v2t_reset=device.v_reset**2 * device.t_reset,
        v2t_read=device.v_read**2 * device.t_read,
        read_sigma=device.read_c2c * device.g_range,
    )


@inlined
def pulsed(g, asymptote, fraction, noise, low, high):  # type: ignore[no-untyped-def]
    """Return the conductance after one pulse, S.

    ``g + fraction (asymptote - g) + noise``, clipped to the cell's own window [low, high],
    and rounded to the single precision in which the array keeps it.
    """
    after = g + fraction * (asymptote - g) + noise
    return np.float32(min(max(after, low), high))


@inlined
def pulse_energy(v2t, before, after):  # type: ignore[no-untyped-def]
    """Return the energy of one pulse, J: V² t times the mean of conductance before and after."""
    return v2t * 0.5 * (np.float64(before) + np.float64(after))
