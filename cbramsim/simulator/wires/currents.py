"""Currents and power of an array, from the voltages of its nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.wires.circuit import Power, Solution, Terminals, Wires


def solution_of(
    conductance: NDArray, word: NDArray[np.float64], bit: NDArray[np.float64],
    terminals: Terminals, wires: Wires, iterations: int, method: str,
) -> Solution:  # fmt: skip
    """Return all that follows from node voltages, of an array without faults.

    Every segment that is connected has a resistance above zero: r_word, r_bit > 0, or r_source,
    r_sense > 0 along a line of a single cell. `conductance` is that of the bare cells, S.
    """
    cell_currents = wires.in_series(np.asarray(conductance, np.float64)) * (word - bit)
    word_currents = _along_rows(
        word, terminals.word_left, terminals.word_right, wires.r_word, wires.r_source
    )
    bit_currents = _along_rows(
        bit.T, terminals.bit_top, terminals.bit_bottom, wires.r_bit, wires.r_sense
    ).T
    left_over = np.diff(word_currents, axis=1)
    left_over += cell_currents
    error = np.abs(left_over).sum()
    np.subtract(bit_currents[1:], bit_currents[:-1], out=left_over)
    left_over -= cell_currents
    error += np.abs(left_over).sum()
    power = power_of(conductance, cell_currents, word_currents, bit_currents, terminals, wires)
    return Solution(
        word, bit, cell_currents, word_currents, bit_currents, power, float(error), iterations,
        method,
    )  # fmt: skip


def power_of(
    conductance: NDArray, cell_currents: NDArray[np.float64], word_currents: NDArray[np.float64],
    bit_currents: NDArray[np.float64], terminals: Terminals, wires: Wires,
) -> Power:  # fmt: skip
    """Return where the power goes: I² R of everything, and V I of the terminals."""
    cell_voltages = np.zeros_like(cell_currents)
    np.divide(cell_currents, conductance, out=cell_voltages, where=np.asarray(conductance) > 0)
    ends = (
        (terminals.word_left, word_currents[:, 0]),
        (terminals.word_right, -word_currents[:, -1]),
        (terminals.bit_top, bit_currents[0]),
        (terminals.bit_bottom, -bit_currents[-1]),
    )
    return Power(
        source=float(sum(np.nansum(voltage * current) for voltage, current in ends)),
        cells=float(np.vdot(cell_voltages, cell_currents)),
        access=wires.r_access * _squared(cell_currents),
        word_lines=wires.r_word * _squared(word_currents)
        + wires.r_source * _squared(word_currents[:, [0, -1]]),
        bit_lines=wires.r_bit * _squared(bit_currents)
        + wires.r_sense * _squared(bit_currents[[0, -1]]),
    )


def _along_rows(
    voltages: NDArray[np.float64], first: NDArray[np.float64], last: NDArray[np.float64],
    r_segment: float, r_end: float,
) -> NDArray[np.float64]:  # fmt: skip
    """Return the currents through the segments of lines along the rows, [lines, nodes + 1], A.

    `first` and `last` are the voltages of the terminals; no current through an end that floats.
    """
    lines, nodes = voltages.shape
    currents = np.empty((lines, nodes + 1))
    if nodes > 1:
        np.subtract(voltages[:, :-1], voltages[:, 1:], out=currents[:, 1:-1])
        currents[:, 1:-1] /= r_segment
    with np.errstate(divide="ignore", invalid="ignore"):
        currents[:, 0] = (first - voltages[:, 0]) / (r_segment + r_end)
        currents[:, -1] = (voltages[:, -1] - last) / (r_segment + r_end)
    currents[np.isnan(first), 0] = 0
    currents[np.isnan(last), -1] = 0
    return currents


def _squared(currents: NDArray[np.float64]) -> float:
    """Return the sum of squares."""
    flat = currents.ravel(order="K")
    return float(np.dot(flat, flat))
