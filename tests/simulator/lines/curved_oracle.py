"""The nodal equations of an array of cells that are not ohmic, solved to seventy digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np

from cbramsim.simulator.lines.solution import Solution
from tests.simulator.lines.oracle import _eliminated

Branch = tuple[int, int, Decimal]
"""Two nodes, -1 for a terminal, and a resistance."""


def sinh_cosh(y: Decimal) -> tuple[Decimal, Decimal]:
    grown, shrunk = y.exp(), (-y).exp()
    return (grown - shrunk) / 2, (grown + shrunk) / 2


def furthest_from_exact_on_curve(solution: Solution) -> Decimal:
    """Return by how much a current is wrong at most, A: Newton's method from where it ended.

    Each transistor has a node of its own, so that nothing is solved for inside of anything else.
    """
    with localcontext(prec=70):
        circuit = _Circuit(solution)
        voltage = circuit.start()
        for _ in range(60):
            matrix, left_over = circuit.linear(voltage)
            step = _eliminated(matrix, left_over)
            voltage = voltage + step
            if max(abs(one) for one in step) < Decimal("1e-55"):
                break
        else:
            raise AssertionError("the oracle did not converge")
        exact, ours = circuit.currents(voltage), circuit.ours()
        return max(abs(a - b) for a, b in zip(exact, ours, strict=True))


class _Circuit:
    def __init__(self, solution: Solution) -> None:
        self.solution = solution
        rows, columns = self.shape = solution.conductance.shape
        wires, count = solution.wires, rows * columns
        self.curve = solution.curve
        self.v_sinh = Decimal(self.curve.v_sinh)
        v_read = Decimal(self.curve.v_read)
        self.scale = v_read / sinh_cosh(v_read / self.v_sinh)[0]
        self.inner = 2 * count if wires.r_access else 0
        self.size = (3 if wires.r_access else 2) * count
        word = np.arange(count).reshape(rows, columns)
        bit = word + count
        r_word, r_bit, r_access = map(Decimal, (wires.r_word, wires.r_bit, wires.r_access))
        to_word, to_bit = r_word + Decimal(wires.r_source), r_bit + Decimal(wires.r_sense)
        left, right, top, bottom = solution.terminals
        # Branches in the order of `Currents.word` and `.bit`; terminals carry their voltage.
        self.branches: list[tuple[int, int, Decimal, Decimal]] = []
        for i in range(rows):
            self._line(word[i], r_word, to_word, left[i], right[i])
        for j in range(columns):
            self._line(bit[:, j], r_bit, to_bit, top[j], bottom[j])
        self.r_access = r_access
        self.cells = [
            (int(w), int(b), Decimal(float(g)))
            for w, b, g in zip(word.ravel(), bit.ravel(), solution.conductance.ravel(), strict=True)
        ]

    def _line(self, nodes, segment, end, first, last) -> None:  # type: ignore[no-untyped-def]
        def known(voltage: float) -> Decimal:
            return Decimal(float(voltage))

        infinite = Decimal("Infinity")
        self.branches.append(
            (-1, int(nodes[0]), infinite if np.isnan(first) else end, known(np.nan_to_num(first)))
        )
        for a, b in pairwise(nodes):
            self.branches.append((int(a), int(b), segment, Decimal(0)))
        self.branches.append(
            (int(nodes[-1]), -1, infinite if np.isnan(last) else end, known(np.nan_to_num(last)))
        )

    def start(self):  # type: ignore[no-untyped-def]
        s = self.solution
        exactly = np.vectorize(lambda x: Decimal(float(x)), otypes=[object])
        word, bit = exactly(s.u) + exactly(s.word_from)[:, None], exactly(s.v) + exactly(s.bit_from)
        nodes = [word.ravel(), bit.ravel()]
        if self.inner:
            nodes.append((word - exactly(s.currents.cells) * self.r_access).ravel())
        return np.concatenate(nodes)

    def _flows(self, voltage):  # type: ignore[no-untyped-def]
        """Yield (from, to, current, slope) of every branch; the cells come last."""
        for a, b, r, terminal in self.branches:
            over = (terminal if a < 0 else voltage[a]) - (terminal if b < 0 else voltage[b])
            none = r.is_infinite()
            yield a, b, Decimal(0) if none else over / r, Decimal(0) if none else 1 / r
        for k, (w, b, g) in enumerate(self.cells):
            start = w
            if self.inner:
                start = self.inner + k
                over = voltage[w] - voltage[start]
                yield w, start, over / self.r_access, 1 / self.r_access
            sinh, cosh = sinh_cosh((voltage[start] - voltage[b]) / self.v_sinh)
            yield start, b, g * self.scale * sinh, g * self.scale * cosh / self.v_sinh

    def linear(self, voltage):  # type: ignore[no-untyped-def]
        matrix = np.full((self.size, self.size), Decimal(0))
        left_over = np.full(self.size, Decimal(0))
        for a, b, current, slope in self._flows(voltage):
            for one, other, sign in ((a, b, -1), (b, a, 1)):
                if one >= 0:
                    left_over[one] += sign * current
                    matrix[one, one] += slope
                    if other >= 0:
                        matrix[one, other] -= slope
        return matrix, left_over

    def currents(self, voltage):  # type: ignore[no-untyped-def]
        flows = [current for _, _, current, _ in self._flows(voltage)]
        lines, rest = flows[: len(self.branches)], flows[len(self.branches) :]
        return lines + (rest[1::2] if self.inner else rest) + self._ends(lines)

    def ours(self):  # type: ignore[no-untyped-def]
        cells, along_rows, along_columns = self.solution.currents
        parts = (along_rows, along_columns.T, cells)
        ours = [Decimal(float(x)) for part in parts for x in part.ravel()]
        outer = (self.solution.inputs, self.solution.outputs)
        return ours + [Decimal(float(x)) for part in outer for x in part]

    def _ends(self, lines):  # type: ignore[no-untyped-def]
        rows, columns = self.shape
        split = rows * (columns + 1)
        on_rows = np.array(lines[:split]).reshape(rows, columns + 1)
        on_columns = np.array(lines[split:]).reshape(columns, rows + 1)
        return [*(on_rows[:, 0] - on_rows[:, -1]), *(on_columns[:, -1] - on_columns[:, 0])]
