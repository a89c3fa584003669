"""Measurements as files, for `cbram fit`."""

from __future__ import annotations

from pathlib import Path

from cbramsim.devices.fitting.measurement import Measurement


def write_measurement(path: Path, measurement: Measurement) -> None:
    """Write pulse trains as `read_measurement` reads them, in siemens."""
    lines = ["cycle,cell,pulse,polarity,conductance (S)"]
    for train in measurement.trains:
        lines += [
            f"{train.cycle},{train.cell},{pulse},{train.way},{g:.8g}"
            for pulse, g in enumerate(train.readings)
        ]
    path.write_text("\n".join(lines) + "\n")
