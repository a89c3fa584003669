"""`fit`: from measured pulse trains to a device with sources, intervals and doubts.

>>> import cbramsim as cb
>>> found = cb.fit("measured.csv")
>>> found.device, found.plot(), print(found)

Steps, noise and the window are taken from the data first, without a law: a table of steps that goes
through the mean curves (`ranking.preliminary`), noise of pulses and of readings by the likelihood
of single trains (`noise`). Then every candidate law is matched to the curves, and the laws are
ranked by how well they predict data that they were not matched to (`ranking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import one_of
from cbramsim.core.errors import DataError
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.calibration import calibrated
from cbramsim.devices.fitting.curves import WAYS, Curves
from cbramsim.devices.fitting.doubts import doubts
from cbramsim.devices.fitting.intervals import (
    FEWEST,
    Interval,
    Summary,
    bootstrap,
    check_repetitions,
    spread_interval,
)
from cbramsim.devices.fitting.laws import (
    CANDIDATES,
    CONSTANT,
    EXPONENTIAL,
    LOG_TIME,
    NAMES,
    POWER,
    TABLE,
    Candidate,
    device_law,
    steps_at,
)
from cbramsim.devices.fitting.making import Conditions
from cbramsim.devices.fitting.matching import QUIET, Match, Noise, match
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.noise import NoiseFound, find_noise
from cbramsim.devices.fitting.ranking import Ranked, arrivals, distance, preliminary, rank
from cbramsim.devices.fitting.result import Fit
from cbramsim.devices.fitting.steps import steps_of

Floats = NDArray[np.float64]

LIKE = "subquantum-cbram"
"""Device whose parameters are used for quantities that were not measured."""
LEAST_SIGNAL = 3.0
"""Smallest ratio of the range to the noise of mean readings: below it there is nothing to fit."""


def fit(
    measurement: Measurement | Path | str,
    *,
    like: Device | str = LIKE,
    law: str | None = None,
    extrapolate: bool = False,
    voltages: Mapping[str, float | None] | None = None,
    repetitions: int = 200,
    seed: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Fit:
    """Fit pulse trains, and describe the device that gave them.

    Parameters
    ----------
    measurement
        The pulse trains, or their file. Of readings in arbitrary units, or of currents,
        `read_measurement` makes a measurement.
    like
        The device, or its name, whose parameters are used for quantities that were not measured.
    law
        The law to use; by default the one that predicts best.
    extrapolate
        Whether to look for a bound at which trains do not arrive beyond the measured range, instead
        of taking the measured range as the window.
    voltages
        Voltages to use where there are several, V, such as ``{"set": 1.2, "reset": 1.5}``; by
        default those of most readings.
    repetitions, seed
        Of the bootstrap; without repetitions there are no intervals.
    progress
        Progress bar of the bootstrap, as `tqdm.tqdm`.

    Raises
    ------
    DataError
        If the data do not show that pulses change the conductance.
    """
    if not isinstance(measurement, Measurement):
        from cbramsim.devices.fitting.reading import read_measurement

        measurement = read_measurement(Path(measurement))
    check_repetitions(repetitions)
    if law is not None:
        one_of("fit: law", law, NAMES)
    template = like if isinstance(like, Device) else Device.load(like)
    for way in voltages or ():
        one_of("fit: voltages", way, WAYS)
    chosen, rest = _combinations(measurement, voltages or {})
    work = _Work(measurement, template, law, extrapolate, seed)
    others = {_told(conditions): work.fit(conditions, 0) for conditions in rest}
    return work.fit(chosen, repetitions, progress, others)


@dataclass(frozen=True)
class _Work:
    """Data that all fits of a measurement share."""

    measurement: Measurement
    like: Device
    law: str | None
    extrapolate: bool
    seed: int

    def fit(
        self, conditions: Conditions, repetitions: int, progress: Any = iter,
        others: dict[str, Fit] | None = None,
    ) -> Fit:  # fmt: skip
        """Fit the trains of one voltage and width of either polarity."""
        measurement = self.measurement
        trains = tuple(
            train for train in measurement.trains
            if conditions.get(train.way) == (train.voltage, train.width)
        )  # fmt: skip
        curves = Curves.of(trains)
        _check_signal(measurement, curves)
        first = preliminary(curves, curves.span)
        arrives = arrivals(curves, first)
        span = _measured_range(curves, first)
        found = find_noise(curves, first)
        noise = found.simple() if found else _left(curves, first)
        free = arrives
        candidates: tuple[Candidate, ...] = CANDIDATES
        if self.extrapolate and not arrives.all():
            free = np.array([True, True])
            candidates = tuple(c for c in CANDIDATES if c.code not in _ENDLESS)
        ranked = rank(curves, span, free, noise, candidates, far=self.extrapolate)
        ranked = self._chosen(ranked)
        best = ranked[0].match
        flexible = next((law.match for law in ranked if law.match.candidate.code == TABLE), best)
        found = find_noise(curves, best)
        if found is not None:
            found = calibrated(curves, best, found, span, free, self.seed)
            noise = found.simple()
            best = match(curves, best.candidate, span, free, noise, best, far=self.extrapolate)
            ranked[0] = replace(ranked[0], match=best, distance=distance(curves, best))

        def values(technology: Summary) -> dict[str, float]:
            return fields(best, technology)

        technology, intervals = bootstrap(
            curves, best, noise, span, values, repetitions, self.seed, progress
        )
        intervals |= _spreads(curves, technology, repetitions)
        intervals |= _noise(found, intervals, repetitions)
        warnings = doubts(measurement, curves, ranked, arrives, found, self.extrapolate)
        return Fit(
            measurement, conditions, curves, ranked, technology, found, intervals, self.like,
            steps=steps_of(curves, flexible, found), arrives=arrives, repetitions=repetitions,
            warnings=warnings, others=others or {},
        )  # fmt: skip

    def _chosen(self, ranked: list[Ranked]) -> list[Ranked]:
        if self.law is None:
            return ranked
        taken = [one for one in ranked if one.law == self.law]
        if not taken:
            raise DataError(f"fit: law {self.law} has no end to extrapolate to")
        return taken + [one for one in ranked if one.law != self.law]


_ENDLESS = (CONSTANT, EXPONENTIAL, LOG_TIME, TABLE)
"""Laws without an end."""


def fields(found: Match, technology: Summary) -> dict[str, float]:
    """Return the numbers of a device for which intervals are given.

    Where the device has a table of steps, its `pulses_up` is only a scale; the number of pulses
    that cover the middle nine tenths of the window is given instead.
    """
    first = np.clip(technology.first, 1e-7, 1.0)
    both = float(first[0]), float(first[1])
    wanted = {"g_min": max(technology.low, 0.0), "g_max": technology.high}
    if device_law(found.candidate, both, found.shape)["law"] == "table":
        depths = np.linspace(0.05, 0.95, 91)
        for way, name in enumerate(WAYS):
            steps = steps_at(found.candidate.code, first[way], technology.shape[way], depths)
            wanted[f"{name} pulses, 5 to 95 %"] = 0.9 * float(np.mean(1 / np.maximum(steps, 1e-7)))
        return wanted
    shape = technology.shape
    if found.candidate.code == POWER:  # that ends at the bound in all repetitions
        shape = np.column_stack([shape[:, 0], np.ones(2)])
    law = device_law(found.candidate, both, shape)
    wanted |= {key: law[key] for key in ("pulses_up", "pulses_down")}
    numbers = {key: value for key, value in law.items() if key.startswith(("nonlin", "exponent"))}
    return wanted | numbers


def _combinations(
    measurement: Measurement, asked: Mapping[str, float | None]
) -> tuple[Conditions, list[Conditions]]:
    """Return the voltages and widths to fit, and all others in the file."""
    readings: dict[str, dict[tuple[float | None, float | None], int]] = {}
    for train in measurement.trains:
        known = readings.setdefault(train.way, {})
        key = train.voltage, train.width
        known[key] = known.get(key, 0) + train.readings.size
    chosen: Conditions = {}
    for way, known in readings.items():
        voltage = asked.get(way)
        left = [key for key in known if voltage is None or _equal(key[0], voltage)]
        if not left:
            there = ", ".join(f"{key[0]:g}" for key in known if key[0] is not None) or "none"
            raise DataError(
                f"{measurement.name}: v_{way} must be a voltage of {way} pulses in it, {there} V "
                f"(got {voltage:g} V)"
            )
        chosen[way] = max(left, key=lambda key: known[key])
    rest = []
    for way, known in readings.items():
        if asked.get(way) is None:
            rest += [{**chosen, way: key} for key in known if key != chosen[way]]
    return chosen, rest


def _equal(one: float | None, other: float) -> bool:
    return one is not None and abs(one - abs(other)) <= 1e-3 * abs(other)


def _told(conditions: Conditions) -> str:
    """Return conditions as text, such as "set 1.2 V, reset 1.5 V"."""
    parts = []
    for way in WAYS:
        if way in conditions:
            voltage, width = conditions[way]
            parts.append(
                way + (f" {voltage:g} V" if voltage is not None else "")
                + (f" {width:g} s" if width is not None else "")
            )  # fmt: skip
    return ", ".join(parts)


def _measured_range(curves: Curves, found: Match) -> tuple[Floats, Floats]:
    """Return the range that the curves of each cell cover, float64[cells] each, S."""
    low, high = np.full(len(curves.cells), np.inf), np.full(len(curves.cells), -np.inf)
    for (cell, _, readings), curve in zip(curves.index, found.mean, strict=True):
        low[cell] = min(low[cell], curve[:readings].min())
        high[cell] = max(high[cell], curve[:readings].max())
    return low, high


def _left(curves: Curves, found: Match) -> Noise:
    """Return the residual of a law as the noise of readings, where there is no better estimate."""
    cell = curves.index[:, 0]
    there = curves.count > 0
    misses = np.where(there, (curves.mean - found.mean) / found.window[cell, None], 0)
    free = max(int(there.sum()) - found.vector.size // 2, 1)
    return Noise(QUIET.pulse, float(np.sqrt((curves.count * misses**2).sum() / free)))


def _check_signal(measurement: Measurement, curves: Curves) -> None:
    low, high = curves.span
    steps = np.diff(curves.readings, axis=1)
    scatter = 1.4826 * float(np.nanmedian(np.abs(steps - np.nanmedian(steps)))) / np.sqrt(2)
    several = np.sqrt(np.median(curves.count[curves.count > 0]))
    longest = max(curves.index[:, 2].max() * 0.02, 1)
    noise = scatter / several / np.sqrt(longest)
    width = float(np.median(high - low))
    if not width > LEAST_SIGNAL * noise or width <= 0:
        raise DataError(
            f"{measurement.name}: pulses must change the conductance by more than noise does (got "
            f"{width:.3g} S from end to end of the trains, noise {noise:.3g} S)"
        )


def _spreads(curves: Curves, technology: Summary, repetitions: int) -> dict[str, Interval]:
    """Return intervals of the spreads from cell to cell."""
    cells = len(curves.cells)
    if cells < FEWEST:
        return {}
    keys = ["g_min_d2d", "g_max_d2d"]
    keys += [
        f"pulses_{end}_d2d" for end, there in zip(("up", "down"), curves.ways, strict=True) if there
    ]
    places = [0, 1] + [2 + i for i, there in enumerate(curves.ways) if there]
    found = {}
    for key, place in zip(keys, places, strict=True):
        value = min(float(technology.spread[place]), 2.0)
        known = spread_interval(value, cells, float(technology.noise[place]))
        found[key] = known if repetitions and known.high else Interval(value, np.nan, np.nan)
    return found


def _noise(
    found: NoiseFound | None, intervals: dict[str, Interval], repetitions: int
) -> dict[str, Interval]:
    """Return intervals of noise, normal in the logarithm; the error of the window is included."""
    if found is None:
        return {}
    low, high = intervals["g_min"], intervals["g_max"]
    window = 0.5 * (high.high - high.low) / (high.value - low.value)
    values = {"step_c2c": (found.pulse, found.errors[0]), "read_c2c": (found.read, found.errors[1])}
    intervals = {}
    for key, (value, error) in values.items():
        if repetitions and value > 0 and np.isfinite(error) and error < 3:
            factor = float(np.exp(np.hypot(1.645 * error, window)))
            intervals[key] = Interval(value, value / factor, value * factor)
        else:
            intervals[key] = Interval(value, np.nan, np.nan)
    return intervals
