"""Small files of pulse trains: one curve, in the forms that people write it in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.fitting.reading import read_measurement

UP = (2.013, 10.753, 17.589, 22.851, 27.427, 31.467, 34.585, 36.473, 37.781, 39.077, 39.736, 39.73)
DOWN = (39.73, 28.25, 20.145, 14.36, 10.266, 7.583, 5.882, 4.212, 3.568, 2.337, 2.013)
PAIR = (("set", UP), ("reset", DOWN))
HEADER = "cycle,cell,pulse,polarity,conductance (uS)"
LINES = [f"0,0,{pulse},{way},{g:.3f}" for way, readings in PAIR for pulse, g in enumerate(readings)]
TEXT = "\n".join([HEADER, *LINES]) + "\n"


def read(tmp_path: Path, text: str | bytes, **options: object) -> Measurement:
    path = tmp_path / "measured.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_measurement(path, **options)  # type: ignore[arg-type]


def same(data: Measurement, cells: int = 1, cycles: int = 1) -> None:
    """The curve above, in each cell and cycle."""
    assert (len(data.cells), data.cycles) == (cells, cycles)
    for way, readings in PAIR:
        trains = data.of(way)  # type: ignore[arg-type]
        assert len(trains) == cells * cycles
        for train in trains:
            assert train.readings.dtype == np.float64
            assert train.readings == pytest.approx(1e-6 * np.array(readings), rel=1e-3)


def table_of(*columns: tuple[str, list[object]], separator: str = ",") -> str:
    """A text of columns of unequal length."""
    rows = max(len(values) for _, values in columns)
    lines = [separator.join(name for name, _ in columns)]
    for i in range(rows):
        cells = (str(values[i]) if i < len(values) else "" for _, values in columns)
        lines.append(separator.join(cells))
    return "\n".join(lines) + "\n"


def long(**columns: Callable[[int, str, int, float], object]) -> str:
    """A text in long form; each column by its name from row, polarity, pulse and conductance."""
    rows = [(way, pulse, g) for way, readings in PAIR for pulse, g in enumerate(readings)]
    return table_of(
        *((name, [make(i, *row) for i, row in enumerate(rows)]) for name, make in columns.items())
    )


WAY, PULSE, G = (lambda i, way, k, g: way), (lambda i, way, k, g: k), (lambda i, way, k, g: g)
SIGN = {"set": 1, "reset": -1}


def text_of(pulse: object = PULSE, way: object = WAY, **reading: object) -> str:
    return long(**{"pulse": pulse, "polarity": way, **(reading or {"G (uS)": G})})  # type: ignore[arg-type]
