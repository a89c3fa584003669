"""Kernels of one cell: what one pulse does to its conductance, and what it costs.

The physics is in the docstrings of `cbramsim.devices.pulse_law` and `cbramsim.devices.states`.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.kernels import inlined, kernel

G_LOW, STEP_UP, SLOPE_UP, G_HIGH, STEP_DOWN, SLOPE_DOWN = range(6)
"""Where a cell keeps its own window and steps, see `cbramsim.devices.population`."""
CELL_SIZE = 6
"""Numbers that each cell keeps."""
SET, RESET = G_LOW, G_HIGH
"""Where those of set and of reset pulses begin: the bound from which a train starts, the signed
step there, and by how much it changes with the distance."""


class PulseConstants(NamedTuple):
    """What all cells of a device share, as plain numbers for compiled loops.

    There are no arrays in it: handing an array on to an inlined kernel counts a reference, which
    costs more than a pulse does.
    """

    shaped: bool
    """Whether steps follow measured or computed `step_shapes` rather than being affine."""
    step_sigma: float
    """Standard deviation of the noise of one pulse, S."""
    finite: bool
    """Whether a cell takes a finite number of states."""
    levels: int
    """States in a cell's window, or 0."""
    radix: float
    """Ratio of their distances from the lowest, or 0 if they are evenly spaced."""
    quantum: float
    """Distance of the states, S, or 0."""
    v2t_set: float
    """Energy of a set pulse per siemens, J/S: V² t if ohmic."""
    v2t_reset: float
    """Energy of a reset pulse per siemens, J/S."""
    gate_set: float
    """Energy of a set pulse that does not depend on the conductance, J."""
    gate_reset: float
    """Energy of a reset pulse that does not depend on the conductance, J."""
    v2t_read: float
    """Energy of a read per siemens, J/S."""
    read_sigma: float
    """Standard deviation of the noise of one cell in one read, without flicker, S."""
    sum_sigma: float
    """The same with flicker, for a sum over many cells, S."""
    flicker: float
    """Distance of the two values of a flickering conductance, S, or 0."""
    flicker_duty: float
    """Fraction of the time in the upper of them."""
    flicker_quantile: float
    """A standard normal number is below it with the probability `flicker_duty`."""


def pulse_constants(device: Device) -> PulseConstants:
    """Gather the constants of `device` that compiled loops need."""
    read_sigma = device.read_c2c * device.g_range
    return PulseConstants(
        shaped=device.law in ("power", "table"),
        step_sigma=device.step_c2c * device.g_range,
        finite=bool(device.levels or device.g_quantum),
        levels=device.levels,
        radix=device.level_radix,
        quantum=device.g_quantum,
        v2t_set=device.v2t_set,
        v2t_reset=device.v2t_reset,
        gate_set=device.gate_set,
        gate_reset=device.gate_reset,
        v2t_read=device.v2t_read,
        read_sigma=read_sigma,
        sum_sigma=math.hypot(read_sigma, device.flicker_sigma),
        flicker=device.g_flicker,
        flicker_duty=device.flicker_duty,
        flicker_quantile=NormalDist().inv_cdf(device.flicker_duty),
    )


def nominal_cell(device: Device) -> NDArray[np.float32]:
    """Return window and steps of the nominal cell, float32[6]."""
    cell = np.zeros(CELL_SIZE)
    cell[G_LOW], cell[G_HIGH] = device.g_min, device.g_max
    deep = np.array([0.0, 1.0])
    for start, sign, steps, pulses in (
        (SET, 1, device.relative_step_up(deep), device.pulses_up),
        (RESET, -1, device.relative_step_down(1 - deep), device.pulses_down),
    ):
        if device.law in ("power", "table"):
            cell[start + 1] = sign * device.g_range / pulses
        else:
            cell[start + 1], cell[start + 2] = sign * device.g_range * steps[0], steps[1] - steps[0]
    return cell.astype(np.float32)


def step_shapes(device: Device) -> NDArray[np.float32]:
    """Return the relative steps of set and of reset pulses by depth, float32[2, points].

    No points where the step is affine in the state.
    """
    up, down = device.shape_table("up"), device.shape_table("down")
    if not len(up):
        return np.zeros((2, 0), np.float32)
    # the coarsest grid that has the points of both, so that neither shape loses a kink
    depth = np.linspace(0, 1, math.lcm(len(up) - 1, len(down) - 1) + 1)
    shapes = [np.interp(depth, np.linspace(0, 1, len(shape)), shape) for shape in (up, down)]
    return np.array(shapes, np.float32)


@inlined
def affine_step_at(g, edge, first, slope):  # type: ignore[no-untyped-def]
    """Return the signed mean step of a pulse on a cell at `g`, S, before noise and bounds.

    Set and reset are one expression, so that there is no branch that a processor could not foresee.

    Parameters
    ----------
    g
        Conductance, S.
    edge, first, slope
        The three numbers of a cell from `SET` or from `RESET` on.
    """
    return first + slope * np.float64(g - edge)


@inlined
def depth_at(g, edge, far):  # type: ignore[no-untyped-def]
    """Return how far a train that runs from `edge` to `far` has come at `g`, 0 to 1."""
    window = np.float64(far - edge)
    return min(max((g - edge) / window, 0.0), 1.0) if window != 0 else 0.0


@inlined
def interpolated(shapes, start, depth):  # type: ignore[no-untyped-def]
    """Return a relative step at `depth` in [0, 1], linear between the points of `step_shapes`."""
    way = 0 if start == SET else 1
    place = depth * (shapes.shape[1] - 1)
    k = min(int(place), shapes.shape[1] - 2)
    part = place - k
    return shapes[way, k] * (1.0 - part) + shapes[way, k + 1] * part


@inlined
def mean_step(g, cell, start, pulse, shapes):  # type: ignore[no-untyped-def]
    """Return the signed mean step of a pulse on a whole `cell`; `start` is `SET` or `RESET`."""
    if pulse.shaped:
        depth = depth_at(g, cell[start], cell[G_LOW + G_HIGH - start])
        return cell[start + 1] * interpolated(shapes, start, depth)
    return affine_step_at(g, cell[start], cell[start + 1], cell[start + 2])


@inlined
def affine_train(g, edge, first, slope, pulses):  # type: ignore[no-untyped-def]
    """Return where the mean of some `pulses`, not a whole number, takes a cell from `g`, S.

    They are spread over many parts of a step, :math:`dG/dn = S(G)`, here with the affine step of
    `affine_step_at`. Without bounds.
    """
    x = np.float64(slope) * pulses
    # expm1(x) / x; its series is right to 1e-13, and fast
    grown = 1 + x / 2 * (1 + x / 3 * (1 + x / 4)) if abs(x) < 1e-3 else math.expm1(x) / x
    return g + affine_step_at(g, edge, first, slope) * pulses * grown


@kernel
def shaped_train(g, cell, start, pulses, pulse, shapes):  # type: ignore[no-untyped-def]
    """Return the same for a shaped step: in parts of at most one step."""
    parts = math.ceil(pulses)
    for _ in range(parts):
        g += pulses / parts * mean_step(g, cell, start, pulse, shapes)
    return g


@kernel
def nearby_power(g, low, high, uniform, levels, radix):  # type: ignore[no-untyped-def]
    """Return the same for levels spaced by a radix; outside the window `g` stays as it is."""
    window = np.float64(high - low)
    if window <= 0:
        return np.float64(low)
    place = (g - low) / window
    if place < 0 or place > 1:
        return np.float64(g)
    above, below, left = 1.0, 1 / radix, levels - 2
    while left > 0 and place < below:
        above, below, left = below, below / radix, left - 1
    if left == 0:
        below = 0.0
    chosen = above if (place - below) / (above - below) + uniform >= 1 else below
    return low + chosen * window


@inlined
def nearby_state(g, low, high, uniform, pulse):  # type: ignore[no-untyped-def]
    """Return one of the two states next to `g`, S, so that the mean over `uniform` is `g`."""
    if pulse.radix > 0:
        return nearby_power(g, low, high, uniform, pulse.levels, pulse.radix)
    distance = pulse.quantum
    if pulse.levels > 0:
        distance = np.float64(high - low) / (pulse.levels - 1)
    steps = np.floor((g - low) / distance + uniform) if distance > 0 else 0.0
    return low + steps * distance


@inlined
def within(g, low, high):  # type: ignore[no-untyped-def]
    """Return `g` clipped to a window, in the precision in which the array keeps it."""
    return np.float32(min(max(g, low), high))


@inlined
def pulse_energy(v2t, gate, before, after):  # type: ignore[no-untyped-def]
    """Return the energy of one pulse, J: V I t at the mean of the conductance, or of its gate."""
    return v2t * 0.5 * (np.float64(before) + np.float64(after)) + gate
