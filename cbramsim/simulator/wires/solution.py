"""`Solution`: the node voltages of an array, and the currents and powers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.wires.circuit import Terminals, Wires
from cbramsim.simulator.wires.currents import Currents, Power, currents_of, ends_of, power_of


@dataclass(frozen=True, eq=False)
class Solution:
    """Node voltages of an array and what follows from them; by `cbramsim.simulator.wires.solve`.

    Currents and power are worked out when they are asked for.
    """

    conductance: NDArray[np.float64]
    """Of the bare cells, float64[rows, columns], S."""
    terminals: Terminals
    """The voltages that drive the array."""
    wires: Wires
    """The resistances."""
    word: NDArray[np.float64]
    """Voltages of the word-line nodes, float64[rows, columns], V."""
    bit: NDArray[np.float64]
    """Voltages of the bit-line nodes, float64[rows, columns], V."""
    error_bound: float
    """No current in the array is further from the exact one than this, A: the sum over all nodes
    of the size of what Kirchhoff's law leaves over. (By superposition: current injected at a node
    divides over the paths to the terminals, so that no branch carries more than was injected.)"""
    through: float
    """Sum of the sizes of the currents through all terminals, A."""
    iterations: int
    """Steps of the solver; 0 if direct."""
    method: str
    """`relaxation` or `direct`."""
    known: Currents | None = field(default=None, repr=False)
    """The currents, where they do not follow from the voltages: without resistance."""
    drops: tuple[NDArray[np.float64], ...] | None = field(default=None, repr=False)
    """Voltages of the word-line and bit-line nodes against those of a terminal of their lines, and
    these, V: small differences, of which the voltages themselves lose digits to rounding."""

    @cached_property
    def currents(self) -> Currents:
        """All currents, by Ohm's law."""
        if self.known is not None:
            return self.known
        word, bit, ends, apart = self._against_terminals
        return currents_of(self.conductance, word, bit, ends, self.wires, apart)

    @cached_property
    def power(self) -> Power:
        """Where the power goes."""
        return power_of(self.conductance, self.currents, self.terminals, self.wires)

    @property
    def outputs(self) -> NDArray[np.float64]:
        """Currents that leave through the ends of the bit lines, float64[columns], A."""
        if self.known is not None:
            return self.known.bit[-1] - self.known.bit[0]
        _, bit, ends, _ = self._against_terminals
        top, bottom = ends_of(
            bit.T, ends.bit_top, ends.bit_bottom, self.wires.r_bit + self.wires.r_sense
        )
        return bottom - top

    @property
    def inputs(self) -> NDArray[np.float64]:
        """Currents that enter through the ends of the word lines, float64[rows], A."""
        if self.known is not None:
            return self.known.word[:, 0] - self.known.word[:, -1]
        word, _, ends, _ = self._against_terminals
        left, right = ends_of(
            word, ends.word_left, ends.word_right, self.wires.r_word + self.wires.r_source
        )
        return left - right

    @property
    def _against_terminals(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], Terminals, NDArray[np.float64] | float]:
        """Return what currents follow from.

        The voltages of word-line and bit-line nodes and of the terminals, and what is to be added
        to the voltage from a word-line node to one of a bit line.
        """
        if self.drops is None:
            return self.word, self.bit, self.terminals, 0.0
        u, v, word, bit = self.drops
        left, right, top, bottom = self.terminals
        ends = Terminals(left - word, right - word, top - bit, bottom - bit)
        return u, v, ends, np.subtract.outer(word, bit)
