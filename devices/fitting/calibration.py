r"""From what least squares finds to the device: indirect inference.

Least squares on mean trains is off wherever noise is clipped at a bound, where cells differ, and
where few cycles are averaged. How far it is off, the simulator knows: it measures a trial device in
the same way, with as many cells, cycles and pulses, fits that, and the trial device is changed
until its fits agree on average with those of the data,

.. math:: \theta \leftarrow \theta + \hat\beta_{data} - \langle\hat\beta(\theta)\rangle

(C. Gouriéroux, A. Monfort, E. Renault, J. Appl. Econometrics 8, S85, 1993). The statistics
:math:`\hat\beta` are, in this order: means over cells of the logarithms of window and pulses, and
of the shape; variances over cells of these logarithms; variances of the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import CbramError, DataError
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.cells import OWN, CellFits, fit_cells, noise_moments
from cbramsim.devices.fitting.laws import Candidate
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.synthetic import measure, measure_cells
from cbramsim.devices.pulses import nominal_cell

Floats = NDArray[np.float64]

NAMES = ("g_min", "g_max", "pulses_up", "pulses_down")
"""Parameters that each cell has of its own, in their order."""
ROUNDS, SIMULATIONS = 4, 16
"""Changes of the trial device, and measurements of it for each."""
EXPECTED_CYCLES = 400
"""Cycles over which expected trains are averaged."""
LEAST_SIGNAL = 3.0
"""Window over the noise of a mean reading below which there is nothing to fit."""


@dataclass(frozen=True)
class Statistics:
    """What least squares finds in one measurement."""

    cells: CellFits
    own: Floats
    """Logarithms of window (S) and pulses of each cell, then its shape, float64[cells, 4 + 2 n]."""
    noise: Floats
    """Variances of a pulse and of a reading, parts of the window squared, float64[2]."""

    @property
    def centre(self) -> Floats:
        """Means over cells, float64[4 + 2 n]."""
        return self.own.mean(axis=0)

    @property
    def variance(self) -> Floats:
        """Variances over cells of window and pulses, float64[4]; 0 for a single cell."""
        return self.own[:, :OWN].var(axis=0, ddof=1) if len(self.own) > 1 else np.zeros(OWN)

    @property
    def error(self) -> Floats:
        """Standard errors of `centre`; 0 for a single cell."""
        n = len(self.own)
        spread = self.own.std(axis=0, ddof=1) if n > 1 else np.zeros(self.own.shape[1])
        return spread / np.sqrt(n)

    def vector(self) -> Floats:
        """Return all of them as one vector, float64[10 + 2 n]."""
        return np.concatenate([self.centre, self.variance, self.noise])


def statistics(
    measurement: Measurement, candidate: Candidate, near: Floats | None = None
) -> Statistics:
    """Fit every cell, and summarise; the search begins at the shape `near`, if there is one.

    Raises
    ------
    DataError
        If the data show no window above 0.
    """
    cells = fit_cells(measurement, candidate, near)
    mean = cells.low.mean()
    if not (mean > 0 and (cells.window > 0).all()):
        raise DataError(f"{measurement.name}: conductances must be above 0 to have a low bound")
    # a low bound may be lost in the noise of readings, in one cell or other: to first order only
    low = np.log(mean) + (cells.low - mean) / mean
    shapes = cells.shapes.reshape(len(low), 2 * candidate.shapes)
    own = np.column_stack([low, np.log(cells.high), np.log(cells.pulses), shapes])
    return Statistics(cells, own, np.array(noise_moments(measurement, candidate, cells)))


@dataclass(frozen=True)
class Estimate:
    """A technology as its cells' pulse trains show it, under one law."""

    candidate: Candidate
    theta: Floats
    """Parameters of the device, in the order of `Statistics.vector`."""
    seen: Statistics
    """What least squares finds in the data."""
    expected: tuple[Floats, Floats]
    """Mean set and reset trains of the very cells that were measured, as the law has them and
    noise and bounds bend them, float64[cells, 1 + pulses], S."""

    @property
    def arrives(self) -> NDArray[np.bool_]:
        """Whether trains arrive at the low and at the high bound, bool[cells, 2]."""
        return self.seen.cells.arrives

    def parameters(self) -> dict[str, Any]:
        """Return the fields of a `Device` that trains show."""
        return parameters(self.candidate, self.theta)


def parameters(candidate: Candidate, theta: Floats) -> dict[str, Any]:
    """Return the fields of a `Device` with the parameters `theta`."""
    values: dict[str, Any] = {"law": candidate.name}
    spreads = relative_spread(theta[-6:-2])
    for name, nominal, spread in zip(NAMES, np.exp(theta[:OWN]), spreads, strict=True):
        values[name] = max(float(nominal), 1.0 if name.startswith("pulses") else 0.0)
        values[f"{name}_d2d"] = float(spread)
    shapes = np.clip(theta[OWN:-6], *candidate.bounds).reshape(2, candidate.shapes)
    pulse, reading = np.sqrt(np.clip(theta[-2:], 0, 4))
    return values | candidate.labels(shapes) | {
        "step_c2c": float(pulse), "read_c2c": float(reading),
    }  # fmt: skip


def relative_spread(variance: Any) -> Any:
    """Return the relative standard deviation of log-normal numbers; at most that of a `Device`."""
    return np.sqrt(np.expm1(np.clip(variance, 0, np.log(5))))


def trial_device(candidate: Candidate, theta: Floats) -> Device:
    """Return the device with the parameters `theta`; its voltages mean nothing."""
    return Device(
        name="fit", v_set=1, t_set=1e-6, v_reset=1, t_reset=1e-6, v_read=0.1, t_read=1e-8,
        **parameters(candidate, theta),
    )  # fmt: skip


def estimate(
    measurement: Measurement,
    candidate: Candidate,
    seed: int = 0,
    *,
    rounds: int = ROUNDS,
    simulations: int = SIMULATIONS,
) -> Estimate:
    """Estimate a technology under a law.

    Parameters
    ----------
    measurement
        The pulse trains.
    candidate
        The law.
    seed
        Seed of the simulated measurements; all rounds use the same random numbers.
    rounds, simulations
        Changes of the trial device, and measurements of it for each.

    Raises
    ------
    DataError
        If the window is lost in noise, or does not lie above 0.
    """
    seen = statistics(measurement, candidate)
    _check_window(measurement, seen)
    wanted = seen.vector()
    theta = possible(candidate, wanted)
    off = np.zeros_like(theta)
    for _ in range(rounds):
        found = simulate(measurement, candidate, theta, seed, simulations)
        off = np.mean([one.vector() for one in found], axis=0) - theta
        theta = possible(candidate, wanted - off)
    expected = _expected_trains(measurement, candidate, theta, seen.own[:, :OWN] - off[:OWN], seed)
    return Estimate(candidate, theta, seen, expected)


def possible(candidate: Candidate, theta: Floats) -> Floats:
    """Return `theta` within what a device can be."""
    theta = theta.copy()
    theta[1] = max(theta[1], theta[0] + 1e-3)
    theta[2:OWN] = np.clip(theta[2:OWN], 0.0, np.log(1e5))
    theta[OWN:-6] = np.clip(theta[OWN:-6], *candidate.bounds)
    theta[-6:] = np.clip(theta[-6:], 0.0, 1.0)
    return theta


def _expected_trains(
    measurement: Measurement, candidate: Candidate, theta: Floats, own: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Measure the cells with the windows and pulses `own` (logarithms) for a great many cycles."""
    device = trial_device(candidate, theta)
    # `off` was that of a mean of logarithms from the logarithm of a mean; steps are one over pulses
    own = own + np.array([0.0, -0.5, 0.5, 0.5]) * theta[-6:-2]
    cells = np.stack(
        [
            nominal_cell(
                device.replace(
                    g_min=low, g_max=max(high, 1.001 * low), pulses_up=max(up, 1.0),
                    pulses_down=max(down, 1.0),
                )
            )
            for low, high, up, down in np.exp(own).tolist()
        ]
    )  # fmt: skip
    trains = measure_cells(device, cells, EXPECTED_CYCLES, measurement.pulses, seed)
    return trains.set_readings.mean(axis=1), trains.reset_readings.mean(axis=1)


def simulate(
    measurement: Measurement,
    candidate: Candidate,
    theta: Floats,
    seed: int,
    count: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> list[Statistics]:
    """Measure the device `theta` as often as `count` says, and fit what is measured.

    Measurements that cannot be fitted are left out. `progress` shows the count, as `tqdm.tqdm`.

    Raises
    ------
    DataError
        If most measurements cannot be fitted.
    """
    device = trial_device(candidate, theta)
    size = measurement.cells, measurement.cycles, measurement.pulses
    near = np.clip(theta[OWN:-6], *candidate.bounds).reshape(2, candidate.shapes)
    found = []
    for k in progress(range(count)):
        own_seed = int(np.random.SeedSequence(seed, spawn_key=(k,)).generate_state(1)[0])
        again = measure(device, *size, seed=own_seed)
        try:
            found.append(statistics(again, candidate, near))
        except (DataError, CbramError):
            continue
    if len(found) < 0.8 * count:
        raise DataError(
            f"{measurement.name}: window and noise cannot be told apart (only {len(found)} of "
            f"{count} simulated measurements like it could be fitted)"
        )
    return found


def _check_window(measurement: Measurement, seen: Statistics) -> None:
    trains = measurement.set_readings, measurement.reset_readings
    spans, errors = [], []
    for readings in trains:
        mean = readings.mean(axis=1)
        spans.append(mean.max(axis=1) - mean.min(axis=1))
        steps = np.diff(readings, axis=2)
        errors.append(np.sqrt(0.5 * steps.var(axis=2).mean() / measurement.cycles))
    signal = float(np.median(np.maximum(*spans)) / max(np.max(errors), 1e-30))
    if signal < 2 * LEAST_SIGNAL:
        raise DataError(
            f"{measurement.name}: the window must be well above the noise (got {signal:.2g} times "
            f"the noise of a mean over {measurement.cycles} cycles)"
        )
