r"""Intervals by parametric bootstrap: the fitted device is measured again, and fitted again.

Each time other cells are drawn, so that few cells give wide intervals (B. Efron, R. Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 12 to 14). The error of a mean over cells is divided
by its own standard error (bootstrap-t); a variance, by the variance of the device that was
measured; a shape is compared by its difference. What fits do wrong on average is so corrected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.devices.fitting.estimate import NAMES, Estimate, estimate, relative_spread
from cbramsim.devices.fitting.laws import EXPONENTIAL, POWER
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.ranking import FEW_CELLS, FEW_CYCLES
from cbramsim.devices.fitting.synthetic import measure
from cbramsim.errors import CbramError, DataError

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of intervals, unless asked otherwise."""
LEAST_VARIANCE = 1e-16
"""Variance of the noise, part of the window squared, that counts as none."""


@dataclass(frozen=True)
class Interval:
    """A parameter with what the data say of it, in the unit of `Device`."""

    value: float
    """Corrected for what fits do wrong on average."""
    low: float
    high: float


@dataclass(frozen=True)
class _Replicate:
    centre: Floats
    error: Floats
    total_variance: Floats
    shapes: Floats
    pulse_variance: float
    reading_variance: float

    @classmethod
    def of(cls, found: Estimate) -> _Replicate:
        area = found.g_range**2
        return cls(
            found.centre, found.error, found.total_variance, found.curves.shapes,
            found.noise.pulse_variance / area, found.noise.reading_variance / area,
        )  # fmt: skip


def bootstrap(
    found: Estimate,
    measurement: Measurement,
    repetitions: int = 200,
    seed: int = 0,
    level: float = LEVEL,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, Interval]:
    """Return an interval for every parameter of a law.

    Parameters
    ----------
    found
        The estimate.
    measurement
        What it comes from: new measurements are of the same size.
    repetitions
        Number of new measurements; none: intervals from end to end are NaN.
    seed
        Seed of new cells and noise.
    level
        Probability that an interval contains the truth.
    progress
        What to show a count with, such as `tqdm.tqdm`.

    Raises
    ------
    DataError
        If most of the new measurements cannot be fitted.
    """
    one = _Replicate.of(found)
    if repetitions == 0:
        return _intervals(found, one, [], level, measurement)
    fewest = math.ceil(2 / (1 - level) - 1e-9) - 1
    if repetitions < fewest:
        raise CbramError(
            f"bootstrap: must be 0, or at least {fewest} for intervals of {100 * level:g} % (got "
            f"{repetitions})"
        )
    device = simulated(found)
    size = measurement.cells, measurement.cycles, measurement.pulses
    replicates = []
    for k in progress(range(repetitions)):
        seeds = np.random.SeedSequence(seed, spawn_key=(k,)).generate_state(1)
        try:
            again = estimate(
                measure(device, *size, seed=int(seeds[0])), found.curves.candidate, found
            )
        except DataError:
            continue
        replicates.append(_Replicate.of(again))
    if len(replicates) < max(0.8 * repetitions, fewest):
        raise DataError(
            f"{measurement.name}: window and noise cannot be told apart (only {len(replicates)} of "
            f"{repetitions} simulated measurements like it could be fitted)"
        )
    return _intervals(found, one, replicates, level, measurement)


def simulated(found: Estimate) -> Device:
    """Return the device as estimated; its voltages mean nothing."""
    return Device(
        name="fit", v_set=1, t_set=1e-6, v_reset=1, t_reset=1e-6, v_read=0.1, t_read=1e-8,
        **found.parameters(),
    )  # fmt: skip


def _intervals(
    found: Estimate, one: _Replicate, others: list[_Replicate], level: float, data: Measurement
) -> dict[str, Interval]:
    tails = np.array([0.5 + 0.5 * level, 0.5 - 0.5 * level])
    intervals = {}
    for i, name in enumerate(NAMES):
        centres = np.array([other.centre[i] for other in others])
        errors = np.array([other.error[i] for other in others])
        t = (centres - one.centre[i]) / np.maximum(errors, 1e-12)
        low, high = one.centre[i] - _quantiles(t, tails) * one.error[i]
        value = one.centre[i] - (np.mean(centres - one.centre[i]) if others else 0.0)
        least = 1.0 if name.startswith("pulses") else 0.0
        intervals[name] = Interval(*(max(float(np.exp(x)), least) for x in (value, low, high)))
        if data.cells < FEW_CELLS:
            continue
        # the device that was measured again has the spread found, and fits as uncertain
        expected = max(one.total_variance[i], found.fit_variance[i])
        ratios = np.array([other.total_variance[i] / expected for other in others])
        bounds = one.total_variance[i] / _quantiles(ratios, tails) - found.fit_variance[i]
        low, high = relative_spread(bounds)
        intervals[f"{name}_d2d"] = Interval(float(found.spread[i]), float(low), float(high))
    intervals |= _shapes(found, one, others, tails)
    if data.cycles >= FEW_CYCLES:
        intervals |= _noise(one, others, tails)
    return intervals


def _quantiles(values: Floats, tails: Floats) -> Any:
    return np.quantile(values, tails, method="weibull") if len(values) else np.full(2, np.nan)


def _shapes(
    found: Estimate, one: _Replicate, others: list[_Replicate], tails: Floats
) -> dict[str, Interval]:
    """Return intervals of the label or of the exponent; a table has none."""
    candidate = found.curves.candidate
    if candidate.code not in (EXPONENTIAL, POWER):
        return {}
    shifts = np.array([other.shapes - one.shapes for other in others]).reshape(-1, 2, 1)
    ends = [one.shapes - (shifts.mean(axis=0) if others else 0.0)]
    if others:
        ends += list(one.shapes - np.quantile(shifts, tails, axis=0, method="weibull"))
    else:
        ends += [np.full_like(one.shapes, np.nan)] * 2
    named = [candidate.labels(np.clip(end, *candidate.bounds)) for end in ends]
    intervals = {}
    for key in named[0]:
        value, *bounds = (labels[key] for labels in named)
        intervals[key] = Interval(value, min(bounds), max(bounds))
    return intervals


def _noise(one: _Replicate, others: list[_Replicate], tails: Floats) -> dict[str, Interval]:
    pulses = np.array([other.pulse_variance for other in others])
    reads = np.array([other.reading_variance for other in others])
    intervals = {}
    for key, value, values in (
        ("step_c2c", one.pulse_variance, pulses),
        ("read_c2c", one.reading_variance, reads),
    ):
        simulated_variance = max(value, 0.0)
        if key == "step_c2c" and value > LEAST_VARIANCE and (values > 0).all():
            ratios = values / value
            bounds = value / _quantiles(ratios, tails)
            corrected = value / (ratios.mean() if others else 1.0)
        else:
            bounds = value - _quantiles(values - simulated_variance, tails)
            corrected = value
        ends = np.sqrt(np.clip([corrected, *bounds], 0, 4))
        intervals[key] = Interval(*(float(end) for end in ends))
    return intervals
