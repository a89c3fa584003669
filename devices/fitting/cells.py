r"""Every cell's window, pulses and law, by least squares on the mean of its trains over cycles.

The model is the noiseless train of `cbramsim.devices.pulse_law` from the measured start: set pulses
up to the high bound, reset pulses down to the low one, six parameters of an `exponential` cell. The
minimum is found by Levenberg and Marquardt's method (MINPACK, through scipy). Where trains end
before they arrive, a bound is loosely tied to what they reach.

Noise makes the mean of clipped trains depart from the noiseless one, so these numbers are off. They
need not be right: `cbramsim.devices.fitting.calibration` finds the device that gives the same ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import leastsq

from cbramsim.core.errors import DataError
from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.devices.fitting.laws import (
    CANDIDATES,
    EXPONENTIAL,
    TABLE,
    Candidate,
    first_and_slope,
    pulses_to_half,
    step_at,
)
from cbramsim.devices.fitting.measurement import Measurement

Floats = NDArray[np.float64]

OWN = 4
"""Parameters that each cell has beside the shape: low and high bound, pulses up and down."""
TIE = 0.3
"""Weight, of one reading, of the tie of a bound to what the trains reach."""
MOST_LOG_PULSES = 12.0
"""Logarithm of the most pulses that are looked for."""
DIFFERENCE = 1e-6
"""Step of numerical derivatives; all parameters are of order 1."""
ARRIVED = 0.1
"""Part of the first step below which the last one counts as arrived."""
WITHIN = (0.1, 0.8)
"""Depths between which single steps show the noise of pulses and readings."""


class CellFits(NamedTuple):
    """What least squares finds of each cell."""

    low: Floats
    """float64[cells], S."""
    high: Floats
    """float64[cells], S."""
    pulses: Floats
    """Set and reset pulses from end to end, float64[cells, 2]."""
    shapes: Floats
    """Shape parameters of set and reset pulses, float64[cells, 2, n]."""
    arrives: NDArray[np.bool_]
    """Whether reset trains arrive at the low bound, set trains at the high one, bool[cells, 2]."""

    @property
    def window(self) -> Floats:
        """float64[cells], S."""
        return self.high - self.low


def fit_cells(
    measurement: Measurement, candidate: Candidate, near: Floats | None = None
) -> CellFits:
    """Fit the mean trains of every cell.

    Parameters
    ----------
    measurement, candidate
        The data, and the law.
    near
        Shape from which the search begins, float64[2, n]; by default it begins from several.

    Raises
    ------
    DataError
        If the conductance of a cell does not change with pulses.
    """
    if candidate.code == TABLE:
        return _with_table(measurement, candidate)
    means = [
        trains.mean(axis=1) for trains in (measurement.set_readings, measurement.reset_readings)
    ]
    both = np.concatenate(means, axis=1)
    least, most = both.min(axis=1), both.max(axis=1)
    if not (most > least).all():
        raise DataError(f"{measurement.name}: conductances must change with pulses")
    found = np.empty((len(both), OWN + 2 * candidate.shapes))
    arrives = np.empty((len(both), 2), np.bool_)
    for cell, (origin, span) in enumerate(zip(least, most - least, strict=True)):
        up, down = ((curves[cell] - origin) / span for curves in means)
        best = _best(candidate, up, down, near)
        found[cell] = best
        found[cell, :2] = origin + span * best[:2]
        arrives[cell] = _arrivals(candidate.code, best, up, down)
    shapes = found[:, OWN:].reshape(len(both), 2, candidate.shapes)
    return CellFits(found[:, 0], found[:, 1], np.exp(found[:, 2:4]), shapes, arrives)


def _best(candidate: Candidate, up: Floats, down: Floats, near: Floats | None) -> Floats:
    """Return the parameters of one cell whose trains are in units of what they span."""
    code = candidate.code
    tries = []
    for shape in candidate.first_shapes() if near is None else [near]:
        start = np.concatenate(([0.0, 1.0], _first_pulses(code, shape, up, down), shape.ravel()))
        size = up.size + down.size + 2
        found, _ = leastsq(
            _residuals, start, (code, up, down), Dfun=_jacobian, ftol=1e-7, xtol=1e-6, maxfev=200
        )
        kept = np.concatenate(
            (found[:2], np.clip(found[2:4], 0, MOST_LOG_PULSES),
             np.clip(found[OWN:], *candidate.bounds))
        )  # fmt: skip
        residuals = np.empty(size)
        fill_residuals(kept, code, up, down, residuals)
        tries.append((float(residuals @ residuals), kept))
    return min(tries, key=lambda one: one[0])[1]


def _first_pulses(code: int, shape: Floats, up: Floats, down: Floats) -> list[float]:
    """Return logarithms of pulses, from how soon the trains are halfway."""
    logs = []
    for row, curve, sign in ((shape[0], up, 1), (shape[1], down, -1)):
        passed = sign * (curve - 0.5) > 0
        half = int(passed.argmax()) if passed.any() else curve.size
        logs.append(float(np.log(max(half / pulses_to_half(code, row), 2.0))))
    return logs


def _residuals(theta: Floats, code: int, up: Floats, down: Floats) -> Floats:
    out = np.empty(up.size + down.size + 2)
    fill_residuals(theta, code, up, down, out)
    return out


def _jacobian(theta: Floats, code: int, up: Floats, down: Floats) -> Floats:
    out = np.empty((up.size + down.size + 2, theta.size))
    fill_jacobian(theta, code, up, down, out)
    return out


@inlined
def _train(code, pulses, shape, depth, curve):  # type: ignore[no-untyped-def]
    """Write the depths of a noiseless train that begins at `depth` into `curve`."""
    first, slope = first_and_slope(code, pulses, shape)
    for p in range(curve.size):
        curve[p] = depth
        depth += step_at(code, first, slope, shape, depth)
        depth = min(max(depth, 0.0), 1.0)


@compiled_loop
def fill_residuals(theta: Floats, code: int, up: Floats, down: Floats, out: Floats) -> None:
    """Compute model less data for both trains, and the ties of the bounds.

    Parameters
    ----------
    theta
        Low and high bound, logarithms of set and reset pulses, shapes of both; float64[4 + 2 n].
    code
        The law.
    up, down
        Mean trains in units of what they span, float64[1 + pulses].
    out
        Result, float64[up.size + down.size + 2].
    """
    low, high = theta[0], theta[1]
    window = max(high - low, 1e-3)
    shapes = theta[4:].reshape(2, (theta.size - 4) // 2)
    pulses = np.exp(np.minimum(np.maximum(theta[2:4], 0.0), 12.0))
    rising, falling = out[: up.size], out[up.size : up.size + down.size]
    _train(code, pulses[0], shapes[0], (up[0] - low) / window, rising)
    _train(code, pulses[1], shapes[1], (high - down[0]) / window, falling)
    for p in range(up.size):
        rising[p] = low + window * rising[p] - up[p]
    for p in range(down.size):
        falling[p] = high - window * falling[p] - down[p]
    out[-2], out[-1] = TIE * low, TIE * (high - 1.0)


@compiled_loop
def fill_jacobian(theta: Floats, code: int, up: Floats, down: Floats, out: Floats) -> None:
    """Compute the derivatives of `fill_residuals`, float64[residuals, parameters]."""
    here, there = np.empty(out.shape[0]), np.empty(out.shape[0])
    fill_residuals(theta, code, up, down, here)
    moved = theta.copy()
    for j in range(theta.size):
        moved[j] += DIFFERENCE
        fill_residuals(moved, code, up, down, there)
        for i in range(here.size):
            out[i, j] = (there[i] - here[i]) / DIFFERENCE
        moved[j] = theta[j]


def _arrivals(code: int, theta: Floats, up: Floats, down: Floats) -> tuple[bool, bool]:
    """Return whether the reset and the set train of a fit arrive at their bounds."""
    zero = np.empty(up.size + down.size + 2)
    fill_residuals(theta, code, np.zeros_like(up) + up[0], np.zeros_like(down) + down[0], zero)
    arrived = []
    for curve, start, bound, pulses in (
        (zero[up.size : -2], down[0], theta[0], np.exp(theta[3])),
        (zero[: up.size], up[0], theta[1], np.exp(theta[2])),
    ):
        states, window = curve + start, theta[1] - theta[0]
        steps = np.abs(np.diff(states))
        there = abs(states[-1] - bound) < 1e-6 * window
        early = pulses <= 0.95 * (states.size - 1) or steps[-1] < ARRIVED * steps[0]
        arrived.append(bool(there and early) or bool(steps[-1] < ARRIVED * steps[0]))
    return arrived[0], arrived[1]


def _with_table(measurement: Measurement, candidate: Candidate) -> CellFits:
    """Take windows and pulses of exponential cells, and steps as they are measured at the knots."""
    exponential = next(law for law in CANDIDATES if law.code == EXPONENTIAL)
    cells = fit_cells(measurement, exponential)
    knots = np.linspace(0, 1, candidate.shapes + 1)
    shapes = np.empty((len(cells.low), 2, candidate.shapes))
    pulses = cells.pulses.copy()
    for way, (readings, edge, sign) in enumerate(
        ((measurement.set_readings, cells.low, 1), (measurement.reset_readings, cells.high, -1))
    ):
        depth = sign * (readings.mean(axis=1) - edge[:, None]) / cells.window[:, None]
        steps = np.diff(depth, axis=1) * cells.pulses[:, way, None]
        relative = np.maximum(_at_knots(depth[:, :-1].ravel(), steps.ravel(), knots), 1e-3)
        pulses[:, way] /= relative[0]
        shapes[:, way] = relative[1:] / relative[0]
    return cells._replace(pulses=pulses, shapes=shapes)


def _at_knots(depth: Floats, values: Floats, knots: Floats) -> Floats:
    """Return the piecewise linear function of depth that is closest to `values`, at its knots."""
    place = np.clip(depth, 0, 1) * (knots.size - 1)
    j = np.minimum(place.astype(int), knots.size - 2)
    part = place - j
    basis = np.zeros((depth.size, knots.size))
    rows = np.arange(depth.size)
    basis[rows, j], basis[rows, j + 1] = 1 - part, part
    smooth = 1e-2 * np.sqrt(depth.size / knots.size) * np.diff(np.eye(knots.size), 2, axis=0)
    stacked = np.vstack([basis, smooth]), np.concatenate([values, np.zeros(len(smooth))])
    return np.linalg.lstsq(*stacked, rcond=None)[0]


def noise_moments(
    measurement: Measurement, candidate: Candidate, cells: CellFits
) -> tuple[float, float]:
    """Return variances of the noise of pulses and of readings, parts of the window squared.

    From the residuals e of single steps against the law: a pulse moves a train for good, a reading
    does not, so that var e = p + 2 r and cov(e_n, e_{n+1}) = -r, with p and r the two variances.
    (Where the law is steep the factors differ a little; calibration sees to that.)
    """
    sums = np.zeros(3)
    for way, readings in enumerate((measurement.set_readings, measurement.reset_readings)):
        edge, far = (cells.low, cells.high) if way == 0 else (cells.high, cells.low)
        add_noise_sums(
            candidate.code, readings, edge, far, np.ascontiguousarray(cells.pulses[:, way]),
            np.ascontiguousarray(cells.shapes[:, way]), *WITHIN, sums,
        )  # fmt: skip
    if sums[0] < 2:
        return 0.0, 0.0
    variance, covariance = sums[1] / sums[0], sums[2] / sums[0]
    return float(variance + 2 * covariance), float(-covariance)


@compiled_loop
def add_noise_sums(
    code: int, readings: Floats, edge: Floats, far: Floats, pulses: Floats, shapes: Floats,
    nearest: float, farthest: float, sums: Floats,
) -> None:  # fmt: skip
    """Add up number, e_n² and e_n e_{n+1} of single steps that begin between two depths.

    Parameters
    ----------
    code
        The law.
    readings
        float64[cells, cycles, 1 + pulses], S.
    edge, far, pulses, shapes
        Of the cells, for this polarity, float64[cells] and float64[cells, n].
    nearest, farthest
        Depths in the window, of the reading before, whose noise is in neither step.
    sums
        Result, added to, float64[3].
    """
    for i in range(readings.shape[0]):
        window = far[i] - edge[i]
        first, slope = first_and_slope(code, pulses[i], shapes[i])
        for c in range(readings.shape[1]):
            for p in range(1, readings.shape[2] - 2):
                before = (readings[i, c, p - 1] - edge[i]) / window
                if before < nearest or before > farthest:
                    continue
                a = (readings[i, c, p] - edge[i]) / window
                b = (readings[i, c, p + 1] - edge[i]) / window
                d = (readings[i, c, p + 2] - edge[i]) / window
                e = b - a - step_at(code, first, slope, shapes[i], a)
                f = d - b - step_at(code, first, slope, shapes[i], b)
                sums[0] += 1.0
                sums[1] += e * e
                sums[2] += e * f
