r"""The circuit of an array with resistive lines: its parameters, its terminals, its faults.

Word line i runs along row i, bit line j along column j. Where they cross, cell (i, j) joins the
word-line node w[i, j] and the bit-line node b[i, j]::

    word_left[i] ── r_source + r_word ── w[i,0] ── r_word ── w[i,1] ── ... ── word_right[i]
                                           │ G[i,0]            │ G[i,1]
    bit_top[j] ──── r_sense + r_bit ──── b[0,j] ── r_bit ─── b[1,j] ── ... ── bit_bottom[j]
                                                                       (along the column)

Every line has one segment more than cells: number 0 before its first cell, number n after its last.
An end without a connection floats.

Kirchhoff's law at every node, with Ohm's law for cells and segments, is the whole model:

.. math:: \sum_\text{segments} g\,(w_{ij} - w_{neighbour}) + G_{ij} (w_{ij} - b_{ij}) = 0, \qquad
          \sum_\text{segments} g\,(b_{ij} - b_{neighbour}) + G_{ij} (b_{ij} - w_{ij}) = 0.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.arguments import array, instance, number, one_of, whole
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.validation import Parameters

Ends = Literal["one", "both"]
Scheme = Literal["V/2", "V/3", "floating"]


Ohm = Annotated[float, Field(ge=0, le=1e12)]
"""Resistance, however small: the solver loses no digits by it."""


class Wires(Parameters):
    """Resistances around the cells of an array, Ohm; 0 is an ideal wire."""

    r_word: Ohm = 2.0
    """Resistance of a segment of a word line, between two cells, Ohm (assumed)."""
    r_bit: Ohm = 2.0
    """Resistance of a segment of a bit line, Ohm (assumed)."""
    r_source: Ohm = 0.0
    """Output resistance of a word-line driver, Ohm."""
    r_sense: Ohm = 0.0
    """Input resistance of a sense circuit, Ohm."""
    r_access: Ohm = 0.0
    """Resistance of an access transistor that is on, in series with every cell, Ohm."""
    word_ends: Ends = "one"
    """Ends of a word line that are driven in a product: the left `one`, or `both`."""
    bit_ends: Ends = "one"
    """Ends of a bit line that are sensed in a product: the bottom `one`, or `both`."""

    def in_series(self, conductance: NDArray) -> NDArray:
        """Return the conductance of cells with their access transistors, S."""
        if not self.r_access:
            return conductance
        with np.errstate(divide="ignore"):
            return 1 / (self.r_access + 1 / conductance)


class Terminals(NamedTuple):
    """Voltages at the ends of all lines, V; NaN for ends without a connection."""

    word_left: NDArray[np.float64]
    """float64[rows]."""
    word_right: NDArray[np.float64]
    """float64[rows]."""
    bit_top: NDArray[np.float64]
    """float64[columns]."""
    bit_bottom: NDArray[np.float64]
    """float64[columns]."""

    @classmethod
    def product(cls, voltages: ArrayLike, columns: int, wires: Wires) -> Terminals:
        """Return the terminals of a vector-matrix product: inputs driven, bit lines at ground."""
        instance("Terminals.product: wires", wires, Wires)
        whole("Terminals.product: columns", columns, 1)
        word = array("Terminals.product: voltages", voltages).astype(np.float64)
        if word.ndim != 1:
            raise ParameterError(
                f"Terminals.product: voltages must be one per word line (got shape {word.shape})"
            )
        bit = np.zeros(columns)
        return cls(
            word,
            word.copy() if wires.word_ends == "both" else np.full(word.size, np.nan),
            bit.copy() if wires.bit_ends == "both" else np.full(columns, np.nan),
            bit,
        )

    @classmethod
    def selected(
        cls, cell: tuple[int, int], voltage: float, shape: tuple[int, int], scheme: Scheme,
        wires: Wires,
    ) -> Terminals:  # fmt: skip
        """Return the terminals that select one cell: `voltage` on its word line, ground on its bit.

        The other lines: `V/2`, all at half of it; `V/3`, word lines at a third and bit lines at two
        thirds; `floating`, not connected.
        """
        share = {"V/2": (1 / 2, 1 / 2), "V/3": (1 / 3, 2 / 3), "floating": (np.nan, np.nan)}
        one_of("Terminals.scheme:", scheme, tuple(share))
        instance("Terminals.selected: wires", wires, Wires)
        number("Terminals.selected: voltage", voltage)
        try:
            rows, columns = (whole("", n, 1) for n in shape)
            cell = whole("", cell[0], 0), whole("", cell[1], 0)
        except (TypeError, ValueError, IndexError):
            raise ParameterError(
                f"Terminals.selected: cell and shape must be two whole numbers each "
                f"(got {shown(cell)}, {shown(shape)})"
            ) from None
        if not (0 <= cell[0] < rows and 0 <= cell[1] < columns):
            raise ParameterError(
                f"Terminals.cell: must be within {rows} rows and {columns} columns (got {cell})"
            )
        word = np.full(rows, share[scheme][0] * voltage)
        bit = np.full(columns, share[scheme][1] * voltage)
        word[cell[0]], bit[cell[1]] = voltage, 0.0
        nothing = np.nan
        return cls(
            word,
            word.copy() if wires.word_ends == "both" else np.full(rows, nothing),
            bit.copy() if wires.bit_ends == "both" else np.full(columns, nothing),
            bit,
        )


class LineFaults(NamedTuple):
    """Broken and bridged lines."""

    open_word: tuple[tuple[int, int], ...] = ()
    """(row, segment) of broken word-line segments; segment 0 to columns."""
    open_bit: tuple[tuple[int, int], ...] = ()
    """(segment, column) of broken bit-line segments; segment 0 to rows."""
    short_word: tuple[tuple[int, int, int], ...] = ()
    """(row, other row, column): two word lines joined without resistance at a column."""
    short_bit: tuple[tuple[int, int, int], ...] = ()
    """(row, column, other column): two bit lines joined without resistance at a row."""

    def __bool__(self) -> bool:
        """Return whether there are any faults."""
        return any(len(kind) for kind in self)
