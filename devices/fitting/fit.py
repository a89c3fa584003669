"""`fit`: from measured pulse trains to a device with sources, intervals and doubts.

>>> from cbramsim.devices.fitting.fit import fit
>>> from cbramsim.devices.fitting.measurement import read_measurement
>>> found = fit(read_measurement(path))
>>> found.device, found.plot(), print(found)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cbramsim.core.provenance import Provenance
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.bootstrap import LEVEL, Interval, bootstrap
from cbramsim.devices.fitting.calibration import NAMES, Estimate
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.ranking import FEW_CELLS, FEW_CYCLES, Ranked, doubts, rank
from cbramsim.devices.pulse_law import PulseLaw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIKE = "subquantum-cbram"
"""The device whose parameters stand in for what was not measured."""
IN_THE_DATA = ("levels", "level_radix", "g_quantum", "g_flicker", "flicker_duty")
"""What would come on top of the noise that was measured: never taken over."""
FITTED = (*PulseLaw.physical_parameters(), *NAMES[:2], "g_min_d2d", "g_max_d2d", "read_c2c")
"""What pulse trains show."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What was found in a measurement; by `fit`."""

    measurement: Measurement
    ranked: list[Ranked]
    """Laws, best first."""
    intervals: dict[str, Interval]
    """By parameter of the best law."""
    repetitions: int
    """Of the bootstrap."""
    warnings: list[str]
    device: Device
    """With sources and grades."""

    @property
    def best(self) -> Ranked:
        """The law that is taken."""
        return self.ranked[0]

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the measured trains with the fit.

        Parameters
        ----------
        ax
            Where to draw; by default a new figure, which also shows the residuals.
        """
        from cbramsim.devices import plots  # matplotlib

        return plots.fitted_trains(ax, *self.trains, self.best.law)

    @property
    def trains(self) -> tuple[Any, Any, Any]:
        """Measured trains and expected ones, a pair of set and reset each, and windows, all S."""
        measurement, found = self.measurement, self.best.estimate
        readings = measurement.set_readings, measurement.reset_readings
        return readings, found.expected, found.seen.cells.window

    def __str__(self) -> str:
        """Return laws, parameters with intervals, and warnings as text."""
        measurement = self.measurement
        lines = [
            f"{measurement.name}: {self._data}",
            "",
            f"{'law':<12} {'parameters':>10} {'AIC':>10} {'BIC':>10} {'delta BIC':>10}",
        ]
        lines += [
            f"{law.law:<12} {law.parameters:>10} {law.aic:>10.1f} {law.bic:>10.1f} "
            f"{law.bic - self.best.bic:>10.1f}"
            for law in self.ranked
        ]
        told = f"{100 * LEVEL:g} % interval" if self.repetitions else "no interval"
        lines += ["", f"{self.best.law:<22} {'value':>10}   {told} ({self.repetitions} bootstraps)"]
        lines += [_line(key, interval) for key, interval in self.intervals.items()]
        for key in ("shape_up", "shape_down"):
            if shape := getattr(self.device, key):
                lines.append(f"{key:<22} " + " ".join(f"{step:.3g}" for step in shape))
        assumed = [
            key for key, origin in self.device.provenance.items() if "not measured" in origin.source
        ]
        lines += ["", f"not measured, taken over: {', '.join(assumed)}"]
        return "\n".join(lines + [f"Warning: {warning}" for warning in self.warnings])

    def _repr_html_(self) -> str:
        """Return the same as a card, for notebooks."""
        from cbramsim.core.cards import Table, card

        laws = Table(
            ("law", "parameters", "ΔBIC"),
            [
                (law.law, str(law.parameters), f"{law.bic - self.best.bic:.1f}")
                for law in self.ranked
            ],
        )
        values = Table(
            (self.best.law, "value", f"{100 * LEVEL:g} % interval"),
            [(key, *_texts(key, interval)) for key, interval in self.intervals.items()],
        )
        return card(
            f"Fit of {self.measurement.name}", {"data": self._data, "device": self.device.name},
            laws, values, note=" ".join(self.warnings),
        )  # fmt: skip

    @property
    def _data(self) -> str:
        measurement, (up, down) = self.measurement, self.measurement.pulses
        return (
            f"{measurement.cells} cells, {measurement.cycles} cycles of {up} set and {down} reset "
            "pulses"
        )


def fit(
    measurement: Measurement,
    *,
    name: str = "fitted",
    like: Device | str = LIKE,
    repetitions: int = 200,
    seed: int = 0,
    made_by: str = "cbramsim.devices.fitting.fit",
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Fit:
    """Fit the candidate laws to pulse trains, and describe the device that gave them.

    Parameters
    ----------
    measurement
        The pulse trains.
    name
        Of the device.
    like
        The device, or its name, whose parameters stand in for what was not measured.
    repetitions, seed
        Of the bootstrap; without repetitions there are no intervals.
    made_by
        What the sources of the parameters say of how they were found.
    progress
        Shows how far the bootstrap is, as `tqdm.tqdm`.

    Raises
    ------
    DataError
        If the data do not show a window.
    """
    template = like if isinstance(like, Device) else Device.load(like)
    ranked = rank(measurement, seed)
    intervals = bootstrap(ranked[0].estimate, measurement, repetitions, seed, progress=progress)
    return Fit(
        measurement=measurement, ranked=ranked, intervals=intervals, repetitions=repetitions,
        warnings=doubts(measurement, ranked),
        device=_device(name, ranked[0], intervals, measurement, template, made_by),
    )  # fmt: skip


def _device(
    name: str,
    best: Ranked,
    intervals: dict[str, Interval],
    measurement: Measurement,
    like: Device,
    command: str,
) -> Device:
    """Return the device with the source of every parameter."""
    origin = f"{measurement.name}, SHA-256 {measurement.sha256}; {command}"
    values: dict[str, Any] = {}
    sources: dict[str, Provenance] = {}
    for key in Device.physical_parameters():
        if key in measurement.conditions:
            values[key] = measurement.conditions[key]
            sources[key] = Provenance(evidence="derived", source=f"read from {origin}")
        elif key in FITTED:
            sources[key] = Provenance(
                evidence="assumed", source=f"not fitted to {measurement.name}"
            )
        elif key in IN_THE_DATA:
            sources[key] = Provenance(
                evidence="assumed", source="analog: what there is of it is in the measured noise"
            )
        else:
            values[key] = getattr(like, key)
            sources[key] = Provenance(evidence="assumed", source=f"not measured; as {like.name}")
    values |= _found(best.estimate, intervals, measurement)
    for key in best.estimate.parameters():
        if key in values:
            told = _told(key, intervals)
            sources[key] = Provenance(evidence="derived", source=f"{told}{origin}")
    cells, cycles = measurement.cells, measurement.cycles
    return Device(
        name=name,
        summary=f"fitted to {measurement.name}: {cells} cells, {cycles} cycles, law {best.law}",
        provenance={key: source for key, source in sources.items() if key in values}, **values,
    )  # fmt: skip


def _found(
    estimate: Estimate, intervals: dict[str, Interval], measurement: Measurement
) -> dict[str, Any]:
    """Return the fitted fields of the device, corrected; spreads that cannot be told are left."""
    values = estimate.parameters()
    if measurement.cells < FEW_CELLS:
        values = {key: value for key, value in values.items() if not key.endswith("_d2d")}
    if measurement.cycles < FEW_CYCLES:
        values = {key: value for key, value in values.items() if not key.endswith("_c2c")}
    return values | {key: interval.value for key, interval in intervals.items()}


def _told(key: str, intervals: dict[str, Interval]) -> str:
    if key not in intervals or not np.isfinite(intervals[key].low):
        return "fitted to "
    interval = intervals[key]
    return f"{100 * LEVEL:g} % interval {interval.low:.4g} to {interval.high:.4g}; fitted to "


def _line(key: str, interval: Interval) -> str:
    value, told = _texts(key, interval)
    return f"{key:<22} {value:>10}   {told}"


def _texts(key: str, interval: Interval) -> tuple[str, str]:
    """Return a value and its interval, with units."""
    unit = Device.unit(key)
    value, low, high = (
        in_prefixed(number, unit, 4) if unit else f"{number:.4g}"
        for number in (interval.value, interval.low, interval.high)
    )
    return value, f"{low} to {high}" if np.isfinite(interval.low) else ""
