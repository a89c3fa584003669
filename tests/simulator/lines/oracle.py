"""The nodal equations of an array, cell by cell in plain loops, and circuits to try them on."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.solution import Solution

NAN = float("nan")


def dense_voltages(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults | None = None,
    r_bridge: float = NAN, number: type = float,
) -> tuple[NDArray, NDArray]:  # fmt: skip
    """Return the voltages of word-line and bit-line nodes; all resistances above zero.

    With `Decimal` for a number, nothing is rounded but to the precision of its context.
    """
    faults = faults or LineFaults()
    rows, columns = conductance.shape
    word = {(i, j): i * columns + j for i in range(rows) for j in range(columns)}
    bit = {key: rows * columns + number for key, number in word.items()}
    size, one = 2 * rows * columns, number(1)
    matrix = np.full((size, size), number(0))
    injected = np.full(size, number(0))

    def join(a: int, b: int, *series: float) -> None:
        r = sum(map(number, series))
        matrix[a, a] += one / r
        matrix[b, b] += one / r
        matrix[a, b] -= one / r
        matrix[b, a] -= one / r

    def tie(a: int, voltage: float, *series: float) -> None:
        if not np.isnan(voltage):
            r = sum(map(number, series))
            matrix[a, a] += one / r
            injected[a] += number(voltage) / r

    for (i, j), g in np.ndenumerate(conductance):
        if g > 0:
            join(word[i, j], bit[i, j], one / number(g), wires.r_access)
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

    solved = (np.linalg.solve if number is float else _eliminated)(matrix, injected)
    return (
        solved[: rows * columns].reshape(rows, columns),
        solved[rows * columns :].reshape(rows, columns),
    )


def _eliminated(matrix: NDArray, right: NDArray) -> NDArray:
    """Return the solution by Gauss's elimination, which needs no pivots for a matrix like this."""
    for k in range(len(right)):
        factors = matrix[k + 1 :, k] / matrix[k, k]
        matrix[k + 1 :] -= np.outer(factors, matrix[k])
        right[k + 1 :] -= factors * right[k]
    for k in reversed(range(len(right))):
        right[k] = (right[k] - matrix[k, k + 1 :] @ right[k + 1 :]) / matrix[k, k]
    return right


def furthest_from_exact(solution: Solution) -> Decimal:
    """Return by how much a current of a small array is wrong at most, A, to 70 digits."""
    g, terminals, wires = solution.conductance, solution.terminals, solution.wires
    exactly = np.vectorize(Decimal, otypes=[object])
    with localcontext(prec=70):
        word, bit = dense_voltages(g, terminals, wires, number=Decimal)
        r_access, *r = map(Decimal, (wires.r_access, wires.r_word, wires.r_bit))
        r_ends = r[0] + Decimal(wires.r_source), r[1] + Decimal(wires.r_sense)
        known = np.vectorize(lambda x: not np.isnan(x))
        left, right, top, bottom = (
            np.where(known(end), (exactly(np.nan_to_num(end)) - first) / r_end, Decimal(0))
            for end, first, r_end in zip(
                terminals, (word[:, 0], word[:, -1], bit[0], bit[-1]),
                (r_ends[0], r_ends[0], r_ends[1], r_ends[1]), strict=True,
            )
        )  # fmt: skip
        exact = (
            (word - bit) / (1 / exactly(g) + r_access),
            np.column_stack([left, (word[:, :-1] - word[:, 1:]) / r[0], -right]),
            np.vstack([top, (bit[:-1] - bit[1:]) / r[1], -bottom]),
            -(top + bottom),
            left + right,
        )
        ours = (*solution.currents, solution.outputs, solution.inputs)
        return max(np.abs(exactly(a) - b).max() for a, b in zip(ours, exact, strict=True) if b.size)


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
