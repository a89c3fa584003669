"""The device that a fit describes, with the source of every parameter."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbramsim.core.provenance import Provenance
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.intervals import LEVEL, Interval, Summary
from cbramsim.devices.fitting.laws import device_law
from cbramsim.devices.fitting.matching import Match
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.noise import NoiseFound
from cbramsim.devices.pulse_law import PulseLaw

IN_THE_DATA = ("levels", "level_radix", "g_quantum", "g_flicker", "flicker_duty")
"""What would come on top of the noise that was measured: never taken over."""
SEEN = (
    *PulseLaw.physical_parameters(), "g_min", "g_max", "g_min_d2d", "g_max_d2d", "read_c2c",
)  # fmt: skip
"""What pulse trains show."""
ABRUPT = 1.0
"""Pulses from end to end of a polarity that was not measured."""


def make_device(
    name: str,
    measurement: Measurement,
    curves: Curves,
    found: Match,
    technology: Summary,
    intervals: dict[str, Interval],
    noise: NoiseFound | None,
    like: Device,
    made_by: str,
    conditions: dict[str, tuple[float | None, float | None]],
) -> Device:
    """Return the device that was found.

    Parameters
    ----------
    name
        Of the device.
    measurement, curves
        Where it comes from.
    found, technology
        The law, and its parameters.
    intervals
        By parameter, for the sources.
    noise
        What was found of it, if anything.
    like
        The device that stands in for what was not measured.
    made_by
        The command or function, for the sources.
    conditions
        Voltage and width of set and of reset pulses.
    """
    origin = f"{measurement.name}, SHA-256 {measurement.sha256 or 'unknown'}; {made_by}"
    values: dict[str, Any] = {}
    sources: dict[str, Provenance] = {}
    for key in Device.physical_parameters():
        if key in SEEN:
            sources[key] = Provenance(evidence="assumed", source=f"not told by {measurement.name}")
        elif key in IN_THE_DATA:
            sources[key] = Provenance(
                evidence="assumed", source="analog: what there is of it is in the measured noise"
            )
        else:
            values[key] = getattr(like, key)
            sources[key] = Provenance(evidence="assumed", source=f"not measured; as {like.name}")
    for way, (voltage, width) in conditions.items():
        for key, value in ((f"v_{way}", voltage), (f"t_{way}", width)):
            if value is not None:
                values[key] = value
                sources[key] = Provenance(evidence="derived", source=f"read from {origin}")
    told = _found(found, technology, curves, intervals, noise)
    for key, value in told.items():
        values[key] = value
        if key in sources:
            said = _told(key, intervals)
            sources[key] = Provenance(evidence="derived", source=f"{said}{origin}")
    for way, end, there in zip(("set", "reset"), ("up", "down"), curves.ways, strict=True):
        if not there:
            values |= {f"pulses_{end}": ABRUPT}
            for key in [key for key in values if key.endswith(f"_{end}") and key in sources]:
                sources[key] = Provenance(
                    evidence="assumed", source=f"{way} pulses were not measured: taken to be abrupt"
                )
    law = found.candidate.name
    return Device(
        name=name,
        summary=f"fitted to {measurement.name}: {len(curves.cells)} cells, "
        f"{len(curves.curve)} trains, law {law}",
        provenance={key: source for key, source in sources.items() if key in values}, **values,
    )  # fmt: skip


def _found(
    found: Match, technology: Summary, curves: Curves, intervals: dict[str, Interval],
    noise: NoiseFound | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the fields of the device that trains show; what cannot be told is left out."""
    shape, first = technology.shape.copy(), np.clip(technology.first, 1e-6, 1.0)
    for way, there in enumerate(curves.ways):
        if not there:
            shape[way], first[way] = shape[1 - way], 1.0
    values = device_law(found.candidate, (float(first[0]), float(first[1])), shape)
    values |= {"g_min": max(technology.low, 0.0), "g_max": technology.high}
    values |= {
        key: interval.value for key, interval in intervals.items()
        if key.endswith("_d2d") or key == "read_c2c"
    }  # fmt: skip
    if noise is not None:
        values["step_c2c"] = noise.pulse
        if noise.by_depth.shape[1] > 1 and noise.pulse:
            for end, row in zip(("up", "down"), noise.by_depth, strict=True):
                values[f"noise_{end}"] = tuple((row / noise.pulse).round(4).tolist())
    return values


def _told(key: str, intervals: dict[str, Interval]) -> str:
    if key not in intervals or not np.isfinite(intervals[key].low):
        return "fitted to "
    interval = intervals[key]
    return f"{100 * LEVEL:g} % interval {interval.low:.4g} to {interval.high:.4g}; fitted to "
