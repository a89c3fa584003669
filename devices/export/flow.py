r"""State equation whose flow over one pulse is the mean step of a pulse law.

Circuit simulators integrate :math:`dx/dt = f(x) / t_{pulse}` while a pulse lasts, with x the
position in the window. A rate equal to the step, f = S, would be wrong by half a step of the state
within the pulse. The rate is therefore the *generator* of the map
:math:`\varphi(x) = \min(x + S(x), 1)`: the f whose flow over one pulse is that map, so that
:math:`f(\varphi(x)) = f(x)\, \varphi'(x)` (the equation of Julia, equivalent to that of Abel;
applied to pulses here). Pulses then compose: two half pulses make one pulse.

* Steps that are affine in the state, slope s: :math:`f = S \ln(1 + s) / s`, exact.
* Otherwise f has this form along one pulse, chosen where it satisfies the equation best, and
  follows from the equation before and after it. It is stored as a table, linear between its points,
  and its pulses are checked to `ACCURACY` of the largest step.

A map that is not increasing (a higher state overtaken by a lower one within a pulse) is the flow of
no state equation: such laws are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.devices.technology import Technology

Floats = NDArray[np.float64]
Step = Callable[[Floats], Floats]

ACCURACY = 5e-3
"""Largest error of the step of a tabulated flow, part of the largest step."""
LARGEST = 1025
"""Points of a table at most."""
_DENSE = 4097
"""Number of states at which a map is checked."""
_LOCAL = 5e-4
"""Largest error in one part of a table, part of the largest step."""
_STRAIGHT = 1e-9
"""Departure from a straight line, part of the largest step, that counts as none."""
_STEEPEST = 1e-3
"""Slope of a tabulated map below which neighbouring states become one."""
_NEIGHBOUR = 1e-6
"""Distance of two states for a derivative, part of the window."""
_MOST_PULSES = 2000
"""Most pulses over which the equation is followed: steps of longer trains are small, and f is
affine."""
_NO_STEP = 1e-6
"""Step, part of the window, that counts as none."""
_WORTH = 1e-2
"""Step, part of the largest, from which the rate may be built up."""


class Flow(NamedTuple):
    """Rate of the state while a pulse is on, linear between its points."""

    x: Floats
    """States, from 0 to 1, float64[points]; two if the rate is affine."""
    rate: Floats
    """Size of the rate, windows per pulse width, float64[points]."""


def flow_of(device: Technology, way: Literal["up", "down"]) -> Flow:
    """Return the flow of set pulses (`up`) or of reset pulses (`down`) of the nominal cell.

    Raises
    ------
    ParameterError
        If no state equation has such pulses.
    """
    if way == "up":
        return _flow(device, "set", device.relative_step_up)
    depth, rate = _flow(device, "reset", lambda d: device.relative_step_down(1 - d))
    return Flow(1 - depth[::-1], rate[::-1])


def after_a_pulse(flow: Flow, x: Floats) -> Floats:
    """Return where a set pulse takes the states `x`, float64[...], along a flow: exactly."""
    start, width = flow.x[:-1], np.diff(flow.x)
    rate, times = _rates_and_times(flow)
    slope = np.diff(rate) / width
    k = np.clip(np.searchsorted(flow.x, x, "right") - 1, 0, start.size - 1)
    gone = x - start[k]
    arrival = times[k] + gone / rate[k] * _log1p_ratio(slope[k] * gone / rate[k]) + 1
    k = np.clip(np.searchsorted(times, arrival, "right") - 1, 0, start.size - 1)
    left = arrival - times[k]
    return np.minimum(start[k] + rate[k] * left * _expm1_ratio(slope[k] * left), 1.0)


def _rates_and_times(flow: Flow) -> tuple[Floats, Floats]:
    """Return rates and the pulses that it takes to each point, float64[points] both.

    Dead states get a smallest rate: they would take for ever, and leave the others no digits.
    """
    rate = np.maximum(flow.rate, 1e-7 * flow.rate.max())
    pulses = np.diff(flow.x) / rate[:-1] * _log1p_ratio(np.diff(rate) / rate[:-1])
    return rate, np.concatenate([[0.0], np.cumsum(pulses)])


# ---- the generator of a map, by depth: 0 where a train begins, 1 where it ends ------------------


def _flow(device: Technology, pulse: str, step: Step) -> Flow:
    depth = np.linspace(0, 1, _DENSE)
    steps = np.asarray(step(depth), np.float64)
    reached = depth + steps
    _check_increasing(device, pulse, reached)
    first, slope = steps[0], steps[-1] - steps[0]
    straight = np.abs(steps - (first + slope * depth)).max() <= _STRAIGHT * steps.max()
    if straight and slope > -1:
        return Flow(np.array([0.0, 1.0]), steps[[0, -1]] * _log1p_ratio(slope))
    dense = Flow(depth, _generator(step, depth))
    kept = _fewest_points(dense)
    table = Flow(dense.x[kept], dense.rate[kept])
    error = np.abs(after_a_pulse(table, depth) - np.minimum(reached, 1)).max()
    if len(kept) > LARGEST or error > ACCURACY * steps.max():
        raise ParameterError(
            f"Device {device.name}: the {pulse} steps of the law {device.law} change too sharply "
            f"from state to state for a table ({len(kept)} states, off by {error:.2g} of the "
            "window)"
        )
    return table


def _fewest_points(dense: Flow) -> list[int]:
    """Return the points of a table, halved where states would be off by more than `_LOCAL`.

    Relative to the largest step in a part of up to one pulse, and to the distance in a longer one.
    """
    rate, times = _rates_and_times(dense)
    kept, parts = [0], [(0, len(rate) - 1)]
    while parts:
        i, j = parts.pop()
        inner = np.arange(i, j + 1)
        gone, slope = dense.x[inner] - dense.x[i], (rate[j] - rate[i]) / (dense.x[j] - dense.x[i])
        linear = gone / rate[i] * _log1p_ratio(slope * gone / rate[i])
        taken = times[inner] - times[i]
        off = np.abs(linear - taken) * rate[inner] / np.maximum(taken, 1.0)
        if j - i > 1 and off.max() > _LOCAL * rate.max():
            middle = (i + j) // 2
            parts += [(middle, j), (i, middle)]
        else:
            kept.append(j)
    return kept


def _check_increasing(device: Technology, pulse: str, reached: Floats) -> None:
    """Refuse pulses that take a lower state beyond, or onto, a higher one within the window."""
    inside = np.minimum(reached, 1.0)
    rise = np.diff(inside) * (reached.size - 1)
    if (rise[inside[:-1] < 1] <= _STEEPEST).any():
        raise ParameterError(
            f"Device {device.name}: a {pulse} pulse of the law {device.law} takes lower states "
            "beyond higher ones, which no state equation of a cell does; it needs more pulses, or "
            "steps that change less from state to state"
        )


def _generator(step: Step, depth: Floats) -> Floats:
    """Return the rate at the depths of a fine grid, float64[points], windows per pulse."""
    reached = depth + step(depth)
    first, end = _smoothest_pulse(step, depth)
    place, stretched = depth.copy(), np.ones_like(depth)
    for _ in range(_MOST_PULSES):
        going = np.flatnonzero((place < first) & (step(place) > _NO_STEP))
        if not going.size:
            break
        stretched[going] /= 1 + _slope(step, place[going])
        place[going] += step(place[going])
    for _ in range(_MOST_PULSES):
        before = np.interp(place, reached, depth)
        going = np.flatnonzero((place > end) & (place - before > _NO_STEP))
        if not going.size:
            break
        place[going] = before[going]
        stretched[going] *= 1 + _slope(step, place[going])
    return _pulses(step, first, end) * _almost(step, place) * stretched


def _smoothest_pulse(step: Step, depth: Floats) -> tuple[float, float]:
    """Return begin and end of the pulse along which the affine form satisfies the equation best."""
    steps = step(depth)
    reached = depth + steps
    inside = np.flatnonzero((reached < 1) & (steps > _WORTH * steps.max()))
    if not inside.size:
        return 0.0, float(min(reached[0], 1.0))
    pulled = _almost(step, depth[inside]) * (1 + _slope(step, depth[inside]))
    k = inside[np.argmin(np.abs(_almost(step, reached[inside]) / pulled - 1))]
    return float(depth[k]), float(reached[k])


def _pulses(step: Step, first: float, end: float) -> float:
    """Return the number of pulses that the affine form takes for the step of one."""
    way = np.linspace(first, end, 1025)
    return float(_rates_and_times(Flow(way, _almost(step, way)))[1][-1])


def _almost(step: Step, depth: Floats) -> Floats:
    """Return the affine form of the rate: right where the step is, or is small."""
    return step(depth) * _log1p_ratio(np.clip(_slope(step, depth), -0.95, None))


def _slope(step: Step, depth: Floats) -> Floats:
    """Return the derivative of the step."""
    low, high = np.maximum(depth - _NEIGHBOUR, 0.0), np.minimum(depth + _NEIGHBOUR, 1.0)
    return (step(high) - step(low)) / (high - low)


def _log1p_ratio(x: Floats | float) -> Floats:
    """Return ln(1 + x) / x, 1 at 0."""
    x = np.asarray(x, np.float64)
    safe = np.where(np.abs(x) < 1e-9, 1.0, x)
    return np.where(np.abs(x) < 1e-9, 1 - x / 2, np.log1p(safe) / safe)


def _expm1_ratio(x: Floats) -> Floats:
    """Return (e^x - 1) / x, 1 at 0."""
    safe = np.where(np.abs(x) < 1e-9, 1.0, np.minimum(x, 700.0))
    return np.where(np.abs(x) < 1e-9, 1 + x / 2, np.expm1(safe) / safe)
