"""Numbers and kernels of one pulse on one cell: its bounds, and its energy.

The step of a pulse is in `cbramsim.devices.laws`, the states it may reach in `devices.grids`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel
from cbramsim.devices.pulse_law import AFFINE
from cbramsim.devices.technology import Technology

G_LOW, STEP_UP, SLOPE_UP, G_HIGH, STEP_DOWN, SLOPE_DOWN = range(6)
"""Places of the window and steps of a cell, see `cbramsim.devices.population`."""
CELL_SIZE = 6
"""Numbers that each cell keeps."""
SET, RESET = G_LOW, G_HIGH
"""Places where the numbers of set and of reset pulses begin: the bound from which a train starts,
the signed step there, and the change of the step with the distance."""


class PulseConstants(NamedTuple):
    """Numbers that all cells of a device share."""

    step_sigma: float
    """Standard deviation of the noise of one pulse, S."""
    v2t_set: float
    """Energy of a set pulse per siemens, J/S: V² t if ohmic."""
    v2t_reset: float
    """Energy of a reset pulse per siemens, J/S."""
    i2t_set: float
    """Energy dissipated by the current of a set pulse, J per Ohm and S²: V² t if ohmic."""
    i2t_reset: float
    """Energy dissipated by the current of a reset pulse, J per Ohm and S²."""
    gate_set: float
    """Energy of a set pulse that does not depend on the conductance, J."""
    gate_reset: float
    """Energy of a reset pulse that does not depend on the conductance, J."""
    v2t_read: float
    """Energy of a read per siemens, J/S."""
    read_sigma: float
    """Standard deviation of the noise of one cell in one read, without flicker, S."""
    sum_sigma: float
    """Standard deviation with flicker, and the 1/f noise of a new cell at mid-window, S."""
    g_mid: float
    """Conductance of a reference cell, S."""


def pulse_constants(device: Technology) -> PulseConstants:
    """Gather the constants of `device` that compiled loops need."""
    read_sigma = device.read_c2c * device.g_range
    pink = float(device.read_1f_sigma(device.g_mid, device.g_max, 0.0))
    return PulseConstants(
        step_sigma=device.step_c2c * device.g_range,
        v2t_set=device.v2t_set,
        v2t_reset=device.v2t_reset,
        i2t_set=device.i2t_set,
        i2t_reset=device.i2t_reset,
        gate_set=device.gate_set,
        gate_reset=device.gate_reset,
        v2t_read=device.v2t_read,
        read_sigma=read_sigma,
        sum_sigma=math.hypot(read_sigma, device.flicker_sigma, pink),
        g_mid=device.g_mid,
    )


def nominal_cell(device: Technology) -> NDArray[np.float32]:
    """Return window and steps of the nominal cell, float32[6]."""
    cell = np.zeros(CELL_SIZE)
    cell[G_LOW], cell[G_HIGH] = device.g_min, device.g_max
    deep = np.array([0.0, 1.0])
    for start, sign, steps, pulses in (
        (SET, 1, device.relative_step_up(deep), device.pulses_up),
        (RESET, -1, device.relative_step_down(1 - deep), device.pulses_down),
    ):
        if device.law in AFFINE:
            cell[start + 1], cell[start + 2] = sign * device.g_range * steps[0], steps[1] - steps[0]
        else:
            cell[start + 1] = sign * device.g_range / pulses
    return cell.astype(np.float32)


@lean_kernel
def within(g, low, high):  # type: ignore[no-untyped-def]
    """Return `g` clipped to a window, in the precision in which the array keeps it."""
    return np.float32(min(max(g, low), high))


@lean_kernel
def pulse_energy(v2t, gate, before, after):  # type: ignore[no-untyped-def]
    """Return the energy of one pulse, J: V I t at the mean of the conductance, or of its gate."""
    return v2t * 0.5 * (np.float64(before) + np.float64(after)) + gate
