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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting import curve
from cbramsim.devices.fitting.laws import Candidate, pulses_to_half
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.search import (
    DOWN,
    HIGH,
    LOW,
    REACHED,
    UP,
    Curves,
    Noise,
    Way,
    search,
)
from cbramsim.errors import DataError

Floats = NDArray[np.float64]

NAMES = ("g_min", "g_max", "pulses_up", "pulses_down")
"""Parameters that each cell has of its own, in their order."""
FEWEST = 300
"""Residuals from which noise is estimated, if there are as many well inside the window."""
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
    shapes = [near.curves.shapes] if near is not None else _shapes(candidate)
    starts = [_start(ways, candidate, shape) for shape in shapes]
    curves = min((search(ways, start, noise) for start in starts), key=lambda fit: fit.deviance)
    noise = _noise(ways, curves, noise)
    curves = search(ways, curves, noise)
    noise = _noise(ways, curves, noise)
    if (curves.cells[:, LOW] <= 0).any():
        raise DataError(f"{measurement.name}: conductances must be above 0 to have a low bound")
    return _population(curves, unit, noise)


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
            f"{measurement.name}: the window must be above the noise (got {1 / error:.2g} times the "
            f"noise of a mean over {cycles} cycles)"
        )


def _shapes(candidate: Candidate) -> list[Floats]:
    """Return shapes from which a search begins."""
    return [np.full((2, candidate.shapes), value) for value in candidate.starts]


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


def _population(curves: Curves, unit: float, noise: Noise) -> Estimate:
    """Return mean and spread over cells of logarithms; pulses are counted as one over the step."""
    assert curves.cell_variance is not None
    assert curves.shared_covariance is not None
    assert curves.sensitivity is not None
    logs, scale = curves.cells.copy(), np.ones_like(curves.cells)
    logs[:, :UP] = np.log(curves.cells[:, :UP] * unit)
    scale[:, :UP] = curves.cells[:, :UP]
    n = len(logs)
    fit = (curves.cell_variance / scale**2).mean(axis=0)
    total = logs.var(axis=0, ddof=1) if n > 1 else fit.copy()
    spread = np.maximum(total - fit, 0.0)
    sign = np.array([1.0, 1.0, -1.0, -1.0])
    common = curves.sensitivity / scale.mean(axis=0)[:, None]
    shared = np.einsum("is,st,it->i", common, curves.shared_covariance, common)
    moment = 0.5 * spread**2 / max(n - 1, 1)
    return Estimate(
        curves=curves, unit=unit, noise=noise,
        centre=logs.mean(axis=0) + 0.5 * sign * spread,
        error=np.sqrt(total / n + shared + moment),
        total_variance=total, fit_variance=fit,
    )  # fmt: skip
