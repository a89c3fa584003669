r"""Estimates from pulse trains: parameters of every cell, of the technology, and of the noise.

1. Every cell's window and pulses, and the shape of the law that all cells share, by least squares
   on the whitened mean curves (`cbramsim.devices.fitting.search`).
2. The noise of pulses and of readings from the residuals e of single trains against the law, well
   inside the window: a pulse moves a train for good, a reading does not, so that
   :math:`\mathrm{var}\, e = \sigma_p^2 + \sigma_r^2 (1 + a^2)` and
   :math:`\mathrm{cov}(e_p, e_{p+1}) = -a \sigma_r^2`, with a the derivative of the state after a
   pulse with that before.
3. Mean and spread over cells of the logarithms of window and pulses; what the uncertainty of the
   fits adds to the spread is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting import curve
from cbramsim.devices.fitting.laws import Candidate, pulses_to_half
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.search import (
    HIGH,
    LOW,
    UP,
    Curves,
    Noise,
    Ties,
    Way,
    expected,
    search,
)
from cbramsim.errors import DataError

Floats = NDArray[np.float64]

NAMES = ("g_min", "g_max", "pulses_up", "pulses_down")
"""Parameters that each cell has of its own, in their order."""
ROUGH = 1
"""Rounds of the search that is only to find the noise."""
FEWEST = 300
"""Residuals from which noise is estimated, if there are as many well inside the window."""
BEFORE_END = 0.8
"""Part of a train before which it must arrive at a bound to tell it."""
FLAT = 0.1
"""Or else its last step, part of the first."""
MARGINS = (4.0, 3.0, 2.0, 1.0, 0.0)
"""Standard deviations that are well inside the window; the first that leaves enough."""


@dataclass(frozen=True)
class Estimate:
    """A technology as its cells' pulse trains show it, under one law."""

    curves: Curves
    """Of all cells, in units of `unit`."""
    unit: float
    """Typical window of a cell, S."""
    noise: Noise
    """In units of `unit`."""
    centre: Floats
    """Mean of log g_min, g_max (S), pulses_up, pulses_down, corrected as log of the mean; [4]."""
    error: Floats
    """Standard error of `centre`, float64[4]."""
    total_variance: Floats
    """Variance over cells of these logarithms, fit errors included, float64[4]."""
    fit_variance: Floats
    """What of it are fit errors, float64[4]."""
    told: NDArray[np.bool_]
    """Whether trains arrive at the low and at the high bound, bool[cells, 2]."""

    @property
    def spread(self) -> Floats:
        """Relative standard deviation from cell to cell, float64[4]."""
        return relative_spread(self.total_variance - self.fit_variance)

    @property
    def step_c2c(self) -> float:
        """Noise of a pulse, part of the window of the typical cell."""
        return self.noise.pulse / self.g_range

    @property
    def read_c2c(self) -> float:
        """Noise of a reading, part of the window of the typical cell."""
        return self.noise.reading / self.g_range

    @property
    def g_range(self) -> float:
        """Window of the typical cell, in units of `unit`."""
        low, high = np.exp(self.centre[:2])
        return float(high - low) / self.unit

    def parameters(self) -> dict[str, Any]:
        """Return the fields of a `Device` that trains show."""
        values: dict[str, Any] = {"law": self.curves.candidate.name}
        for name, centre, spread in zip(NAMES, np.exp(self.centre), self.spread, strict=True):
            least = 1.0 if name.startswith("pulses") else 0.0
            values[name], values[f"{name}_d2d"] = max(float(centre), least), float(spread)
        values |= self.curves.candidate.labels(self.curves.shapes)
        return values | {"step_c2c": min(self.step_c2c, 2), "read_c2c": min(self.read_c2c, 2)}


def relative_spread(variance: Any) -> Any:
    """Return the relative standard deviation of log-normal numbers; at most that of a `Device`."""
    return np.sqrt(np.expm1(np.clip(variance, 0, np.log(5))))


def estimate(
    measurement: Measurement, candidate: Candidate, near: Estimate | None = None
) -> Estimate:
    """Estimate a technology under a law.

    Parameters
    ----------
    measurement
        The pulse trains.
    candidate
        The law.
    near
        An estimate from similar data, from which the search begins.

    Raises
    ------
    DataError
        If the window is lost in noise, or does not lie above 0.
    """
    ways, unit = _ways(measurement)
    noise = _first_noise(ways)
    _check_window(measurement, ways, noise)
    shapes = [near.curves.shapes] if near is not None else candidate.first_shapes()
    starts = [_start(ways, candidate, shape) for shape in shapes]
    ties = Ties(ways)
    rough = (search(ways, start, noise, ties, ROUGH) for start in starts)
    curves = min(rough, key=lambda fit: fit.deviance)
    noise = _noise(ways, curves, noise)
    told = _told(ways, curves)
    curves = search(ways, curves, noise, ties.expecting(curves.cells, told))
    noise = _noise(ways, curves, noise)
    if (curves.cells[:, LOW] <= 0).any():
        raise DataError(f"{measurement.name}: conductances must be above 0 to have a low bound")
    return _population(curves, unit, noise, told)


def expected_curves(measurement: Measurement, found: Estimate) -> tuple[Floats, Floats]:
    """Return the mean set and reset curves that a fit expects, float64[cells, 1 + pulses], S."""
    ways, unit = _ways(measurement)
    curves = expected(ways, found.curves, found.noise)
    begun = [
        unit * np.concatenate((way.curves[:, :1], mean), axis=1)
        for way, mean in zip(ways, curves, strict=True)
    ]
    return begun[0], begun[1]


def mean_steps(
    measurement: Measurement, found: Estimate, way: int, bins: int
) -> tuple[Floats, Floats]:
    """Return mean steps of set (0) or reset (1) pulses against the state before the pulse.

    States and steps are parts of the window of each cell. States are those of the mean curves, so
    that the noise of a reading does not look like a step.

    Returns
    -------
    (float64[n], float64[n])
        Mean states and mean steps in each of at most `bins` equal parts of the window.
    """
    ways, _ = _ways(measurement)
    cells = found.curves.of(way)
    window = (cells[:, 1] - cells[:, 0])[:, None]
    state = (ways[way].curves - cells[:, :1]) / window
    step = np.diff(state, axis=1).ravel()
    place = np.clip(state[:, :-1].ravel(), 0, 1)
    part = np.minimum((place * bins).astype(int), bins - 1)
    counts = np.bincount(part, minlength=bins)
    seen = counts > 0
    means = [np.bincount(part, values, bins)[seen] / counts[seen] for values in (place, step)]
    return means[0], means[1]


def _ways(measurement: Measurement) -> tuple[tuple[Way, Way], float]:
    """Return the trains in units of the typical window, and that unit."""
    readings = measurement.set_readings, measurement.reset_readings
    means = [trains.mean(axis=1) for trains in readings]
    heights = [curves.max(axis=1) - curves.min(axis=1) for curves in means]
    unit = float(np.median(np.maximum(*heights)))
    if not unit > 0:
        raise DataError(f"{measurement.name}: conductances must change with pulses")
    ways = []
    for sign, trains, curves in zip((1.0, -1.0), readings, means, strict=True):
        ways.append(Way(sign, trains / unit, curves / unit))
    return (ways[0], ways[1]), unit


def _first_noise(ways: tuple[Way, Way]) -> Noise:
    """Return noise from differences of trains to their mean, or of neighbours, without a law."""
    variance = covariance = 0.0
    for way in ways:
        cycles = way.readings.shape[1]
        if cycles > 1:
            steps = np.diff(way.readings - way.curves[:, None], axis=2)
            scale = cycles / (cycles - 1)
        else:
            steps, scale = np.diff(way.readings, 2, axis=2), 0.5
        variance += 0.5 * scale * float((steps**2).mean())
        covariance += 0.5 * scale * float((steps[:, :, 1:] * steps[:, :, :-1]).mean())
    reading = min(max(-covariance, 0.0), 0.5 * variance)
    return Noise(float(np.sqrt(variance - 2 * reading)), float(np.sqrt(reading)))


def _check_window(measurement: Measurement, ways: tuple[Way, Way], noise: Noise) -> None:
    cycles = measurement.cycles
    error = float(np.hypot(noise.reading, noise.pulse) / np.sqrt(cycles))
    if error > 0.2 or noise.reading > 1:
        raise DataError(
            f"{measurement.name}: the window must be well above the noise (got {1 / error:.2g} "
            f"times the noise of a mean over {cycles} cycles)"
        )


def _start(ways: tuple[Way, Way], candidate: Candidate, shapes: Floats) -> Curves:
    """Return parameters near the curves: their extremes, and how soon they are halfway."""
    both = np.concatenate([way.curves for way in ways], axis=1)
    cells = np.empty((len(both), 4))
    cells[:, LOW], cells[:, HIGH] = both.min(axis=1), both.max(axis=1)
    cells[:, LOW] = np.maximum(cells[:, LOW], 1e-6)
    middle = cells[:, [LOW, HIGH]].mean(axis=1)
    for k, way in enumerate(ways):
        passed = way.sign * (way.curves - middle[:, None]) > 0
        half = np.where(passed.any(axis=1), passed.argmax(axis=1), way.curves.shape[1])
        part = pulses_to_half(candidate.code, shapes[k])
        cells[:, UP + k] = np.log(np.maximum(half / part, 2.0))
    return Curves(candidate, cells, shapes.copy())


def _noise(ways: tuple[Way, Way], curves: Curves, noise: Noise) -> Noise:
    """Return noise from the residuals of single trains against a law."""
    for margin in MARGINS:
        sums = np.zeros(5)
        for k, way in enumerate(ways):
            cells = curves.of(k)
            step = float(np.median((cells[:, 1] - cells[:, 0]) / cells[:, 2]))
            width = margin * float(np.hypot(np.sqrt(3) * noise.pulse, noise.reading))
            curve.noise_sums(
                curves.candidate.code, way.sign, way.readings, cells, curves.shapes[k],
                width, width + min(3 * step, 0.2) * (margin > 0), sums,
            )  # fmt: skip
        if sums[0] >= FEWEST:
            break
    if sums[0] == 0:
        return noise
    variance, factor, covariance, slope = sums[1:] / sums[0]
    reading = -covariance / slope
    kept = min(max(reading, 0.0), variance / factor)
    pulse = variance - factor * reading
    allowed = variance - factor * kept
    return Noise(float(np.sqrt(max(allowed, 0))), float(np.sqrt(kept)), pulse, reading)


def _told(ways: tuple[Way, Way], fit: Curves) -> NDArray[np.bool_]:
    """Return whether trains arrive at the low and at the high bound of a cell, bool[cells, 2]."""
    told = np.empty((len(fit.cells), 2), np.bool_)
    for k, way in enumerate(ways):
        cells, curves = fit.of(k), np.empty_like(way.curves)
        start = np.ascontiguousarray(way.curves[:, 0])
        curve.noiseless(fit.candidate.code, way.sign, start, cells, fit.shapes[k], curves)
        late = curves[:, int(BEFORE_END * (curves.shape[1] - 1))]
        arrived = np.abs(cells[:, 1 - k] - late) < 1e-6 * (cells[:, 1] - cells[:, 0])
        steps = np.abs(np.diff(curves, axis=1))
        told[:, 1 - k] = arrived | (steps[:, -1] < FLAT * steps[:, 0])
    return told


def _population(curves: Curves, unit: float, noise: Noise, told: NDArray[np.bool_]) -> Estimate:
    """Return mean and spread over cells of logarithms; pulses are counted as one over the step."""
    assert curves.cell_variance is not None
    assert curves.shared_covariance is not None
    assert curves.sensitivity is not None
    logs, scale = curves.cells.copy(), np.ones_like(curves.cells)
    logs[:, :UP] = np.log(curves.cells[:, :UP] * unit)
    scale[:, :UP] = curves.cells[:, :UP]
    used = np.ones(logs.shape, np.bool_)
    used[:, :UP] = np.where(told.sum(axis=0) >= np.maximum(0.5 * len(told), 3), told, True)
    n = used.sum(axis=0)
    fit = np.mean(curves.cell_variance / scale**2, axis=0, where=used)
    mean = np.mean(logs, axis=0, where=used)
    total = fit.copy()
    if len(logs) > 1:
        total = np.var(logs, axis=0, ddof=1, where=used)
    spread = np.maximum(total - fit, 0.0)
    sign = np.array([1.0, 1.0, -1.0, -1.0])
    common = curves.sensitivity / scale.mean(axis=0)[:, None]
    shared = np.einsum("is,st,it->i", common, curves.shared_covariance, common)
    moment = 0.5 * spread**2 / np.maximum(n - 1, 1)
    return Estimate(
        curves=curves, unit=unit, noise=noise,
        centre=mean + 0.5 * sign * spread,
        error=np.sqrt(total / n + shared + moment),
        total_variance=total, fit_variance=fit, told=told,
    )  # fmt: skip
