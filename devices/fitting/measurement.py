"""Measured pulse trains, each with its own readings and conditions.

Files of them are read by `cbramsim.devices.fitting.reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.errors import ParameterError

Way = Literal["set", "reset"]


@dataclass(frozen=True)
class Train:
    """Successive pulses of one polarity on one cell, and the readings between them."""

    way: Way
    """`set` raises the conductance, `reset` lowers it."""
    readings: NDArray[np.float64]
    """Conductance before the first pulse and after each, float64[1 + n], S; NaN where missing."""
    cell: str = "0"
    """Label of the cell."""
    cycle: str = "0"
    """Label of the cycle of set and reset."""
    voltage: float | None = None
    """Voltage of the pulses without its sign, V; None if it is not known."""
    width: float | None = None
    """Width of the pulses, s; None if it is not known."""
    times: NDArray[np.float64] | None = None
    """Time of each reading, float64[1 + n], s; None if it is not known."""
    late: bool = False
    """Whether readings begin after the first pulse, so that its step is lost."""

    @property
    def pulses(self) -> int:
        """Number of pulses."""
        return len(self.readings) - 1


@dataclass(frozen=True)
class Measurement:
    """Pulse trains of one or more cells, in the order in which they were measured."""

    name: str
    """Origin of the data."""
    trains: tuple[Train, ...]
    """The trains."""
    sha256: str = ""
    """Hash of the file's bytes, in hexadecimal."""
    understood: str = ""
    """Summary of how the file was understood, in one line."""
    warnings: tuple[str, ...] = ()
    """Oddities of the file."""
    read_voltage: float | None = None
    """Voltage of the reads, V; None if it is not stated."""

    @classmethod
    def of_arrays(cls, name: str, set_readings: ArrayLike, reset_readings: ArrayLike) -> Self:
        """Return the measurement of cells with equal numbers of trains of equal length.

        Parameters
        ----------
        name
            Origin of the data.
        set_readings, reset_readings
            float[cells, cycles, 1 + n] and float[cells, cycles, 1 + m], S. Cycles begin with set.

        Raises
        ------
        ParameterError
            If the arrays are not of this form.
        """
        both = [np.asarray(readings, np.float64) for readings in (set_readings, reset_readings)]
        if both[0].ndim != 3 or both[1].ndim != 3 or both[0].shape[:2] != both[1].shape[:2]:
            raise ParameterError(
                f"of_arrays: readings must be of as many cells and cycles "
                f"(got arrays of {both[0].shape} and {both[1].shape})"
            )
        cells, cycles = both[0].shape[:2]
        ways: tuple[Way, Way] = "set", "reset"
        return cls(
            name,
            tuple(
                Train(way, readings[cell, cycle], str(cell), str(cycle))
                for cell in range(cells)
                for cycle in range(cycles)
                for way, readings in zip(ways, both, strict=True)
            ),
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """Labels of the cells in the order in which they appear."""
        return tuple(dict.fromkeys(train.cell for train in self.trains))

    @property
    def cycles(self) -> int:
        """Number of cycles of the cell with the most of them."""
        of_a_cell: dict[str, set[str]] = {}
        for train in self.trains:
            of_a_cell.setdefault(train.cell, set()).add(train.cycle)
        return max(map(len, of_a_cell.values()), default=0)

    def of(self, way: Way) -> tuple[Train, ...]:
        """Return the trains of one polarity."""
        return tuple(train for train in self.trains if train.way == way)

    def conditions(self, way: Way) -> tuple[tuple[float | None, float | None], ...]:
        """Return the voltages (V) and widths (s) of the trains of one polarity, in order."""
        found = {(train.voltage, train.width) for train in self.of(way)}
        return tuple(
            sorted(found, key=lambda pair: tuple(-1.0 if part is None else part for part in pair))
        )
