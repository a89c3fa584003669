"""The nodal equations of an array, cell by cell in plain loops, and circuits to try them on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.wires.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.wires.solution import Solution

NAN = float("nan")


def dense_voltages(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults | None = None,
    r_bridge: float = NAN,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Return the voltages of word-line and bit-line nodes; all resistances above zero."""
    faults = faults or LineFaults()
    rows, columns = conductance.shape
    word = {(i, j): i * columns + j for i in range(rows) for j in range(columns)}
    bit = {key: rows * columns + number for key, number in word.items()}
    matrix = np.zeros((2 * rows * columns,) * 2)
    injected = np.zeros(2 * rows * columns)

    def join(a: int, b: int, r: float) -> None:
        matrix[a, a] += 1 / r
        matrix[b, b] += 1 / r
        matrix[a, b] -= 1 / r
        matrix[b, a] -= 1 / r

    def tie(a: int, voltage: float, r: float) -> None:
        if not np.isnan(voltage):
            matrix[a, a] += 1 / r
            injected[a] += voltage / r

    for (i, j), g in np.ndenumerate(conductance):
        if g > 0:
            join(word[i, j], bit[i, j], 1 / g + wires.r_access)
    for i in range(rows):
        for k in range(1, columns):
            if (i, k) not in faults.open_word:
                join(word[i, k - 1], word[i, k], wires.r_word)
        if (i, 0) not in faults.open_word:
            tie(word[i, 0], terminals.word_left[i], wires.r_word + wires.r_source)
        if (i, columns) not in faults.open_word:
            tie(word[i, columns - 1], terminals.word_right[i], wires.r_word + wires.r_source)
    for j in range(columns):
        for k in range(1, rows):
            if (k, j) not in faults.open_bit:
                join(bit[k - 1, j], bit[k, j], wires.r_bit)
        if (0, j) not in faults.open_bit:
            tie(bit[0, j], terminals.bit_top[j], wires.r_bit + wires.r_sense)
        if (rows, j) not in faults.open_bit:
            tie(bit[rows - 1, j], terminals.bit_bottom[j], wires.r_bit + wires.r_sense)
    for i, other, j in faults.short_word:
        join(word[i, j], word[other, j], r_bridge)
    for i, j, other in faults.short_bit:
        join(bit[i, j], bit[i, other], r_bridge)

    solved = np.linalg.solve(matrix, injected)
    return (
        solved[: rows * columns].reshape(rows, columns),
        solved[rows * columns :].reshape(rows, columns),
    )


def left_over(solution: Solution) -> float:
    """Return what Kirchhoff's law leaves over, its size summed node by node, A."""
    cells, along_rows, along_columns = solution.currents
    total = 0.0
    for i, j in np.ndindex(cells.shape):
        total += abs(along_rows[i, j] - along_rows[i, j + 1] - cells[i, j])
        total += abs(along_columns[i, j] - along_columns[i + 1, j] + cells[i, j])
    return total


def all_of(solution: Solution) -> tuple[NDArray, ...]:
    """Return the voltages of word and bit lines, and the currents of cells, word and bit lines."""
    return (solution.word, solution.bit, *solution.currents)


def random_terminals(shape: tuple[int, int], seed: int) -> Terminals:
    """Return random voltages, of which a random part is not connected, but at least one is."""
    rng = np.random.default_rng(seed)
    ends = [rng.uniform(-1, 1, size) for size in (shape[0], shape[0], shape[1], shape[1])]
    for end in ends:
        end[rng.random(end.size) < 0.5] = NAN
    ends[seed % 4][0] = 0.7
    return Terminals(*ends)
