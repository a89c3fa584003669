"""`Solution`: the node voltages of an array, and the currents and powers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.units import in_prefixed
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.currents import (
    Currents,
    Power,
    across,
    currents_of,
    ends_of,
    power_of,
)
from cbramsim.simulator.lines.curves import OHMIC, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class Solution:
    """Node voltages of an array and what follows from them; by `cbramsim.simulator.lines.solve`.

    Currents and power are computed on demand.
    """

    conductance: NDArray[np.float64]
    """Conductances of the bare cells, float64[rows, columns], S."""
    terminals: Terminals
    """Voltages that drive the array."""
    wires: Wires
    """Resistances of the lines."""
    u: NDArray[np.float64]
    """Voltages of the word-line nodes above `word_from`, float64[rows, columns], V: small
    differences; the voltages themselves would lose their digits to rounding."""
    v: NDArray[np.float64]
    """Voltages of the bit-line nodes above `bit_from`, float64[rows, columns], V."""
    word_from: NDArray[np.float64]
    """Voltage of a terminal of each word line, or 0, float64[rows], V."""
    bit_from: NDArray[np.float64]
    """Voltage of a terminal of each bit line, or 0, float64[columns], V."""
    error_bound: float
    """Largest error of any current in the array, and of `outputs` and `inputs`, A: the sum of the
    sizes of the residuals of Kirchhoff's law over all nodes, and `rounding`. (By superposition:
    current injected at a node divides over the paths to the terminals, so that no branch, and no
    line at its ends, carries more than was injected. It also holds for cells that are not ohmic,
    see `newton.py`.)"""
    through: float
    """Sum of the sizes of the currents through all terminals, A."""
    iterations: int
    """Steps of the solver; 0 if direct."""
    method: str
    """`relaxation` or `direct`."""
    known: Currents | None = field(default=None, repr=False)
    """Currents, where they do not follow from the voltages: without resistance."""
    rounding: float = 0.0
    """Part of `error_bound` due to double precision, A: some ten units in the last place
    (2.2e-15) of the sizes of the currents of all branches, summed; see `leftovers.rounding`."""
    curve: Curve = OHMIC
    """Current-voltage curve of the cells."""

    @cached_property
    def word(self) -> NDArray[np.float64]:
        """Voltages of the word-line nodes, float64[rows, columns], V."""
        return self.u + self.word_from[:, None]

    @cached_property
    def bit(self) -> NDArray[np.float64]:
        """Voltages of the bit-line nodes, float64[rows, columns], V."""
        return self.v + self.bit_from

    @property
    def cell_voltages(self) -> NDArray[np.float64]:
        """Voltages from word line to bit line at every cell, float64[rows, columns], V."""
        return across(self.word_from[:, None], self.bit_from, self.u, self.v)

    @property
    def applied_voltages(self) -> NDArray[np.float64]:
        """Voltages on lines without resistance, float64[rows, columns], V; NaN where one floats."""
        left, right, top, bottom = self.terminals
        word, bit = np.where(np.isnan(left), right, left), np.where(np.isnan(bottom), top, bottom)
        return word[:, None] - bit

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the voltage across every cell; a new figure by default.

        Cells between lines of one voltage are left out.
        """
        from cbramsim.simulator.drawing import plots  # matplotlib

        return plots.cell_voltages(ax, self.cell_voltages, self.applied_voltages)

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        from cbramsim.simulator.drawing.cards import solution_card

        solver = {
            "method": f"{self.method}, {self.iterations} steps" if self.iterations else self.method,
            "no current is wrong by more than": in_prefixed(self.error_bound, "A"),
            "largest output": in_prefixed(float(np.abs(self.outputs).max()), "A"),
        }
        return solution_card(
            self.conductance.shape, solver, self.power._asdict(), self.cell_voltages,
            self.applied_voltages,
        )  # fmt: skip

    @cached_property
    def currents(self) -> Currents:
        """All currents, by Ohm's law."""
        if self.known is not None:
            return self.known
        return currents_of(
            self.conductance, self.u, self.v, self.word_from, self.bit_from, self._ends,
            self.wires, self.curve,
        )  # fmt: skip

    @cached_property
    def power(self) -> Power:
        """Power by where it is dissipated."""
        return power_of(self.conductance, self.currents, self.terminals, self.wires, self.curve)

    @property
    def outputs(self) -> NDArray[np.float64]:
        """Currents that leave through the ends of the bit lines, float64[columns], A."""
        if self.known is not None:
            return self.known.bit[-1] - self.known.bit[0]
        ends = self._ends
        top, bottom = ends_of(
            self.v.T, ends.bit_top, ends.bit_bottom, self.wires.r_bit + self.wires.r_sense
        )
        return bottom - top

    @property
    def inputs(self) -> NDArray[np.float64]:
        """Currents that enter through the ends of the word lines, float64[rows], A."""
        if self.known is not None:
            return self.known.word[:, 0] - self.known.word[:, -1]
        ends = self._ends
        left, right = ends_of(
            self.u, ends.word_left, ends.word_right, self.wires.r_word + self.wires.r_source
        )
        return left - right

    @property
    def _ends(self) -> Terminals:
        """Voltages of the terminals, above those from which the nodes are counted."""
        left, right, top, bottom = self.terminals
        return Terminals(
            left - self.word_from, right - self.word_from, top - self.bit_from,
            bottom - self.bit_from,
        )  # fmt: skip
