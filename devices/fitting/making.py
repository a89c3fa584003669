"""Device that a fit describes, with the source of every parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cbramsim.core.provenance import Provenance
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.intervals import LEVEL, Interval, Summary
from cbramsim.devices.fitting.laws import device_law
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.noise import NoiseFound
from cbramsim.devices.fitting.ranking import Ranked
from cbramsim.devices.pulse_law import FORMS, PulseLaw

IN_THE_DATA = (
    "levels", "level_radix", "g_quantum", "g_flicker", "flicker_duty", "write_c2c", "read_1f",
    "read_1f_width", "read_1f_start",
)  # fmt: skip
"""Parameters that would add to the noise that was measured: never taken over."""
SEEN = (
    *PulseLaw.physical_parameters(), "g_min", "g_max", "g_min_d2d", "g_max_d2d",
    "g_min_d2d_of_window", "g_max_d2d_of_window", "read_c2c",
)  # fmt: skip
"""Parameters that pulse trains show."""
Conditions = dict[str, tuple[float | None, float | None]]
"""Voltage (V) and width (s) of set and of reset pulses; None where they are not known."""
ABRUPT = 1.0
"""Pulses from end to end of a polarity that was not measured."""


@dataclass(frozen=True, eq=False)
class Found:
    """Findings of a measurement, from which a device is made."""

    measurement: Measurement
    """The whole measurement."""
    conditions: Conditions
    """Voltage (V) and width (s) of the set and reset pulses that were fitted."""
    curves: Curves
    """Mean curves of them."""
    ranked: list[Ranked]
    """Laws; the first is taken."""
    technology: Summary
    """Its parameters, and their spreads from cell to cell."""
    noise: NoiseFound | None
    """Noise; None if it cannot be estimated."""
    intervals: dict[str, Interval]
    """Intervals by parameter of the device; spreads only where they are known."""
    like: Device
    """Device whose parameters are used for quantities that were not measured."""

    @property
    def best(self) -> Ranked:
        """Law that is used."""
        return self.ranked[0]

    def as_device(self, name: str, made_by: str) -> Device:
        """Return the device that was found.

        Parameters
        ----------
        name
            Of the device.
        made_by
            The command or function, for the sources.
        """
        origin = (
            f"{self.measurement.name}, SHA-256 {self.measurement.sha256 or 'unknown'}; {made_by}"
        )
        values: dict[str, Any] = {}
        sources: dict[str, Provenance] = {}
        stated = self.like.stated_parameters()
        for key in Device.physical_parameters():
            if key.startswith(tuple(FORMS)):
                continue  # stated if it is that of the law
            if key in SEEN:
                sources[key] = Provenance(
                    evidence="assumed", source=f"not told by {self.measurement.name}"
                )
            elif key in IN_THE_DATA:
                sources[key] = Provenance(
                    evidence="assumed",
                    source="analog: it is contained in the measured noise",
                )
            elif key in stated:
                values[key] = getattr(self.like, key)
                sources[key] = Provenance(
                    evidence="assumed", source=f"not measured; as {self.like.name}"
                )
        for way, (voltage, width) in self.conditions.items():
            for key, value in ((f"v_{way}", voltage), (f"t_{way}", width)):
                if value is not None:
                    values[key] = value
                    sources[key] = Provenance(evidence="derived", source=f"read from {origin}")
        if self.measurement.read_voltage is not None:
            values["v_read"] = self.measurement.read_voltage
            sources["v_read"] = Provenance(evidence="derived", source=f"read from {origin}")
        told = self._seen()
        for key, value in told.items():
            values[key] = value
            if key in sources or key.startswith(tuple(FORMS)):
                said = _told(key, self.intervals)
                sources[key] = Provenance(evidence="derived", source=f"{said}{origin}")
        for way, end, there in zip(("set", "reset"), ("up", "down"), self.curves.ways, strict=True):
            if not there:
                values |= {f"pulses_{end}": ABRUPT}
                for key in [key for key in values if key.endswith(f"_{end}") and key in sources]:
                    sources[key] = Provenance(
                        evidence="assumed",
                        source=f"{way} pulses were not measured: taken to be abrupt",
                    )
        law = self.best.law
        return Device(
            name=name,
            summary=f"fitted to {self.measurement.name}: {len(self.curves.cells)} cells, "
            f"{len(self.curves.curve)} trains, law {law}",
            provenance={key: source for key, source in sources.items() if key in values}, **values,
        )  # fmt: skip

    def _seen(self) -> dict[str, Any]:
        """Return the fields of the device that trains show, without those that cannot be
        estimated."""
        shape, first = self.technology.shape.copy(), np.clip(self.technology.first, 1e-6, 1.0)
        for way, there in enumerate(self.curves.ways):
            if not there:
                shape[way], first[way] = shape[1 - way], 1.0
        values = device_law(self.best.match.candidate, (float(first[0]), float(first[1])), shape)
        values |= {"g_min": max(self.technology.low, 0.0), "g_max": self.technology.high}
        values |= {
            key: interval.value for key, interval in self.intervals.items()
            if key.endswith("_d2d") or key == "read_c2c"
        }  # fmt: skip
        if self.noise is not None:
            values["step_c2c"] = self.noise.pulse
            if self.noise.by_depth.shape[1] > 1 and self.noise.pulse:
                for end, row in zip(("up", "down"), self.noise.by_depth, strict=True):
                    values[f"noise_{end}"] = tuple((row / self.noise.pulse).round(4).tolist())
        return values


def _told(key: str, intervals: dict[str, Interval]) -> str:
    if key not in intervals or not np.isfinite(intervals[key].low):
        return "fitted to "
    interval = intervals[key]
    return f"{100 * LEVEL:g} % interval {interval.low:.4g} to {interval.high:.4g}; fitted to "
