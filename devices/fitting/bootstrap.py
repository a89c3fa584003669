"""Intervals by parametric bootstrap: the fitted device is measured again, and fitted again.

Each time other cells are drawn, so that few cells give wide intervals (B. Efron, R. Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 12 to 14). The error of a mean over cells is divided
by its own standard error (bootstrap-t); a variance, by the mean of the variances found.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import CbramError
from cbramsim.devices.fitting.calibration import (
    NAMES,
    Estimate,
    Statistics,
    parameters,
    possible,
    relative_spread,
    simulate,
)
from cbramsim.devices.fitting.laws import EXPONENTIAL, POWER
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.ranking import FEW_CELLS, FEW_CYCLES

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of intervals, unless asked otherwise."""


@dataclass(frozen=True)
class Interval:
    """A parameter with what the data say of it, in the unit of `Device`."""

    value: float
    low: float
    high: float


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
        Number of new measurements; with none, the ends of all intervals are NaN.
    seed
        Seed of new cells and noise.
    level
        Probability that an interval contains the truth.
    progress
        What to show a count with, such as `tqdm.tqdm`.

    Raises
    ------
    CbramError
        If the repetitions are too few for the level, or most new measurements cannot be fitted.
    """
    fewest = math.ceil(2 / (1 - level) - 1e-9) - 1
    if 0 < repetitions < fewest or repetitions < 0:
        raise CbramError(
            f"bootstrap: must be 0, or at least {fewest} for intervals of {100 * level:g} % (got "
            f"{repetitions})"
        )
    others = simulate(measurement, found.candidate, found.theta, seed + 1, repetitions, progress)
    if others:  # so many measurements know better where the device should be than the few before
        mean = np.mean([other.vector() for other in others], axis=0)
        theta = possible(found.candidate, found.theta + found.seen.vector() - mean)
        found = replace(found, theta=theta)
    tails = np.array([0.5 + 0.5 * level, 0.5 - 0.5 * level])
    intervals = _centres(found, others, tails)
    if measurement.cells >= FEW_CELLS:
        intervals |= _spreads(found, others, tails)
    if measurement.cycles >= FEW_CYCLES:
        intervals |= _noise(found, others, tails)
    return intervals


def _centres(found: Estimate, others: list[Statistics], tails: Floats) -> dict[str, Interval]:
    """Return intervals of window, pulses and shape."""
    ends = np.full((2, len(found.theta)), np.nan)
    ends[:] = found.theta
    if others:
        centres = np.array([other.centre for other in others])
        off = centres - centres.mean(axis=0)
        if len(found.seen.own) > 1:
            errors = np.array([other.error for other in others])
            t = off / np.maximum(errors, 1e-9)
            shift = np.quantile(t, tails, axis=0, method="weibull") * found.seen.error
        else:
            shift = np.quantile(off, tails, axis=0, method="weibull")
        ends[:, : shift.shape[1]] -= shift
    low, high = (_fields(found, end) for end in ends)
    value = _fields(found, found.theta)
    return {key: _interval(value[key], low[key], high[key], told=bool(others)) for key in value}


def _fields(found: Estimate, theta: Floats) -> dict[str, float]:
    """Return window, pulses and shape as fields of a `Device`; a table has no intervals."""
    fields = parameters(found.candidate, theta)
    shapes = found.candidate.code in (EXPONENTIAL, POWER)
    wanted = [*NAMES, *(k for k in fields if shapes and k.startswith(("nonlin", "exponent")))]
    return {key: fields[key] for key in wanted}


def _spreads(found: Estimate, others: list[Statistics], tails: Floats) -> dict[str, Interval]:
    """Return intervals of the spreads from cell to cell."""
    intervals = {}
    value = found.theta[-6:-2]
    for i, name in enumerate(NAMES):
        low = high = np.nan
        if others:
            seen = np.array([other.variance[i] for other in others])
            # what fits add to the variance over cells is the same in the data
            added = seen.mean() - value[i]
            ratio = np.quantile(seen / seen.mean(), tails, method="weibull")
            low, high = relative_spread(found.seen.variance[i] / ratio - added)
        intervals[f"{name}_d2d"] = _interval(
            float(relative_spread(value[i])), low, high, told=bool(others)
        )
    return intervals


def _noise(found: Estimate, others: list[Statistics], tails: Floats) -> dict[str, Interval]:
    """Return intervals of the noise of pulses and readings."""
    intervals = {}
    for i, key in enumerate(("step_c2c", "read_c2c")):
        value, ends = found.theta[-2 + i], np.full(2, np.nan)
        if others:
            seen = np.array([other.noise[i] for other in others])
            ends = value - np.quantile(seen - seen.mean(), tails, method="weibull")
        low, high = np.sqrt(np.clip(ends, 0, 4))
        intervals[key] = _interval(math.sqrt(value), low, high, told=bool(others))
    return intervals


def _interval(value: float, low: Any, high: Any, *, told: bool) -> Interval:
    if not told:
        return Interval(float(value), math.nan, math.nan)
    return Interval(float(value), float(min(low, high)), float(max(low, high)))
