"""Measurements as files, for `cbram fit`."""

from __future__ import annotations

from pathlib import Path

from cbramsim.devices.fitting.measurement import Measurement


def write_measurement(path: Path, measurement: Measurement) -> None:
    """Write pulse trains as `read_measurement` reads them, in siemens."""
    lines = ["cycle,cell,pulse,polarity,conductance (S)"]
    pair = (("set", measurement.set_readings), ("reset", measurement.reset_readings))
    for cell in range(measurement.cells):
        for cycle in range(measurement.cycles):
            for polarity, readings in pair:
                lines += [
                    f"{cycle},{cell},{pulse},{polarity},{g:.8g}"
                    for pulse, g in enumerate(readings[cell, cycle])
                ]
    path.write_text("\n".join(lines) + "\n")
