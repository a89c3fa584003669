"""Currents and power of an array, from the voltages of its nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.wires.circuit import Terminals, Wires


class Currents(NamedTuple):
    """All currents of an array, A."""

    cells: NDArray[np.float64]
    """From word line to bit line, float64[rows, columns]."""
    word: NDArray[np.float64]
    """Through the segments of the word lines, left to right, float64[rows, columns + 1]."""
    bit: NDArray[np.float64]
    """Through the segments of the bit lines, top to bottom, float64[rows + 1, columns]."""


class Power(NamedTuple):
    """Where the power of the sources goes, W; `source` is the sum of the others."""

    source: float
    """Given by all terminals: sum of voltage x current into the array."""
    cells: float
    """Dissipated in the cells."""
    access: float
    """Dissipated in the access transistors."""
    word_lines: float
    """Dissipated in word lines and drivers."""
    bit_lines: float
    """Dissipated in bit lines and sense circuits."""


def currents_of(
    conductance: NDArray, word: NDArray[np.float64], bit: NDArray[np.float64],
    terminals: Terminals, wires: Wires, apart: NDArray[np.float64] | float = 0.0,
) -> Currents:  # fmt: skip
    """Return the currents of an array without faults, of lines with resistance.

    `conductance` is that of the bare cells, S. Word lines are `apart` from bit lines, V, besides.
    """
    return Currents(
        cells=wires.in_series(conductance) * (apart + (word - bit)),
        word=_along_rows(
            word, terminals.word_left, terminals.word_right, wires.r_word, wires.r_source
        ),
        bit=_along_rows(
            bit.T, terminals.bit_top, terminals.bit_bottom, wires.r_bit, wires.r_sense
        ).T,
    )


def power_of(conductance: NDArray, currents: Currents, terminals: Terminals, wires: Wires) -> Power:
    """Return where the power goes: I² R of everything, and V I of the terminals."""
    cells, word, bit = currents
    cell_voltages = np.zeros_like(cells)
    np.divide(cells, conductance, out=cell_voltages, where=conductance > 0)
    ends = (
        (terminals.word_left, word[:, 0]),
        (terminals.word_right, -word[:, -1]),
        (terminals.bit_top, bit[0]),
        (terminals.bit_bottom, -bit[-1]),
    )
    return Power(
        source=float(sum(np.nansum(voltage * current) for voltage, current in ends)),
        cells=float(np.vdot(cell_voltages, cells)),
        access=wires.r_access * _squared(cells),
        word_lines=wires.r_word * _squared(word) + wires.r_source * _squared(word[:, [0, -1]]),
        bit_lines=wires.r_bit * _squared(bit) + wires.r_sense * _squared(bit[[0, -1]]),
    )


def ends_of(
    voltages: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64],
    resistance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return the currents into the first and out of the last nodes of lines along the rows, A.

    `first` and `last` are the voltages of the terminals; no current through an end that floats.
    """
    into = np.nan_to_num((first - voltages[:, 0]) / resistance)
    out = np.nan_to_num((voltages[:, -1] - last) / resistance)
    return into, out


def _along_rows(
    voltages: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64],
    r_segment: float, r_end: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the currents through the segments of lines along the rows, [lines, nodes + 1], A."""
    lines, nodes = voltages.shape
    currents = np.empty((lines, nodes + 1))
    np.subtract(voltages[:, :-1], voltages[:, 1:], out=currents[:, 1:-1])
    currents[:, 1:-1] /= r_segment
    currents[:, 0], currents[:, -1] = ends_of(voltages, first, last, r_segment + r_end)
    return currents


def _squared(currents: NDArray[np.float64]) -> float:
    """Return the sum of squares."""
    flat = currents.ravel(order="K")
    return float(np.dot(flat, flat))
