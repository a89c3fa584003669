"""Currents and power of an array, from the voltages of its nodes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.curves import Curve


class Currents(NamedTuple):
    """All currents of an array, A."""

    cells: NDArray[np.float64]
    """Currents of cells from word line to bit line, float64[rows, columns]."""
    word: NDArray[np.float64]
    """Currents through the segments of the word lines, left to right, float64[rows, columns +
    1]."""
    bit: NDArray[np.float64]
    """Currents through the segments of the bit lines, top to bottom, float64[rows + 1, columns]."""


class Power(NamedTuple):
    """Power of the sources by where it is dissipated, W; `source` is the sum of the others."""

    source: float
    """Power of all terminals: sum of voltage x current into the array."""
    cells: float
    """Power dissipated in the cells."""
    access: float
    """Power dissipated in the access transistors."""
    word_lines: float
    """Power dissipated in word lines and drivers."""
    bit_lines: float
    """Power dissipated in bit lines and sense circuits."""


def across(word: Any, bit: Any, u: Any, v: Any) -> Any:
    """Return (word - bit) + (u - v), V, of numbers or arrays, right to the last place but one.

    The rounding errors of the three operations are computed exactly (Knuth, The Art of Computer
    Programming 2, 4.2.2, theorem B), and added at the end. So a small difference of nearly equal
    voltages is not lost in their rounding: with d the result, its error is no more than eps |d| / 2
    + eps² (|word - bit| + |u - v|), eps = 2⁻⁵².
    """
    apart = word - bit
    back = apart - word
    lost = (word - (apart - back)) - (bit + back)
    besides = u - v
    back = besides - u
    lost += (u - (besides - back)) - (v + back)
    total = apart + besides
    back = total - apart
    lost += (apart - (total - back)) + (besides - back)
    return total + lost


def currents_of(
    conductance: NDArray, u: NDArray[np.float64], v: NDArray[np.float64],
    word_from: NDArray[np.float64], bit_from: NDArray[np.float64],
    terminals: Terminals, wires: Wires, curve: Curve,
) -> Currents:  # fmt: skip
    """Return the currents of an array without faults whose lines have resistance.

    `conductance` is that of the bare cells, S. Nodes of word lines are at `word_from` + u, those of
    bit lines at `bit_from` + v; the voltages of the `terminals` are above those, too.
    """
    return Currents(
        cells=curve.current(conductance, across(word_from[:, None], bit_from, u, v), wires),
        word=_along_rows(
            u, terminals.word_left, terminals.word_right, wires.r_word, wires.r_source
        ),
        bit=_along_rows(v.T, terminals.bit_top, terminals.bit_bottom, wires.r_bit, wires.r_sense).T,
    )


def power_of(
    conductance: NDArray, currents: Currents, terminals: Terminals, wires: Wires, curve: Curve
) -> Power:
    """Return the power by part: I² R of lines, and V I of cells and of the terminals."""
    cells, word, bit = currents
    ends = (
        (terminals.word_left, word[:, 0]),
        (terminals.word_right, -word[:, -1]),
        (terminals.bit_top, bit[0]),
        (terminals.bit_bottom, -bit[-1]),
    )
    return Power(
        source=float(sum(np.nansum(voltage * current) for voltage, current in ends)),
        cells=float(np.vdot(curve.voltage(conductance, cells), cells)),
        access=wires.r_access * _squared(cells),
        word_lines=wires.r_word * _squared(word) + wires.r_source * _squared(word[:, [0, -1]]),
        bit_lines=wires.r_bit * _squared(bit) + wires.r_sense * _squared(bit[[0, -1]]),
    )


def ends_of(
    voltages: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64],
    resistance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return the currents into the first and out of the last nodes of lines along the rows, A.

    `first` and `last` are the voltages of the terminals; no current flows through a floating end.
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
