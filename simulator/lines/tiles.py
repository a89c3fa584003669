"""Logical array on a grid of physical arrays, each with lines of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.validation import Parameters
from cbramsim.simulator.lines.circuit import Ends, Wires


class Tiles(Parameters):
    """Size of the physical arrays that hold a logical one.

    Lines are shared out evenly: 397 word lines on arrays of at most 128 are 100 + 99 + 99 + 99. A
    physical array ends where its cells do.
    """

    rows: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Most word lines of one physical array; 0 for no limit."""
    columns: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Most bit lines of one physical array; 0 for no limit."""

    def parts(self, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first rows and columns of the physical arrays, and the end of the last one."""
        rows, columns = (
            shared_out(count, most)
            for count, most in zip(shape, (self.rows, self.columns), strict=True)
        )
        return rows, columns


def shared_out(count: int, most: int) -> NDArray[np.int64]:
    """Return the beginnings of the parts of `count` lines, at most `most` each, if not 0, and the
    end."""
    parts = -(-count // most) if most else 1
    return np.array([0, *np.cumsum([len(p) for p in np.array_split(range(count), parts)])])


class Layout:
    """Places of the tiles of an array, and distances of its cells from their terminals.

    Iterating yields the rows and columns of each tile, two slices.

    Attributes
    ----------
    across
        Physical arrays that a word line runs through.
    along_word
        Resistance from the driver of a word line to each column, float64[columns], Ohm.
    along_bit
        Resistance from each row to the end of a bit line, with that of a transistor, float64[rows],
        Ohm.
    """

    def __init__(self, shape: tuple[int, int], wires: Wires, tiles: Tiles) -> None:
        self.row_parts, self.column_parts = tiles.parts(shape)
        self.across = len(self.column_parts) - 1
        self.along_word = np.concatenate(
            [
                _to_ends(count, wires.r_word, wires.r_source, wires.word_ends)
                for count in np.diff(self.column_parts)
            ]
        )
        self.along_bit = wires.r_access + np.concatenate(
            [
                _to_ends(count, wires.r_bit, wires.r_sense, wires.bit_ends)[::-1]
                for count in np.diff(self.row_parts)
            ]
        )

    def in_common(self, wires: Wires) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the common bit-line resistance of cells: `above` and `below` of
        `ResistiveLines`."""
        above, below = [], []
        for count in np.diff(self.row_parts):
            row = np.arange(count)
            to_bottom = wires.r_bit * (count - row) + wires.r_sense
            if wires.bit_ends == "one":
                above.append([to_bottom, np.ones(count)])
                below.append([np.ones(count), to_bottom])
            else:
                to_top = wires.r_bit * (row + 1) + wires.r_sense
                loop = to_top[0] + to_bottom[0]
                part = 1 / loop if loop else 0.0
                above.append([to_bottom * part, to_top])
                below.append([to_top * part, to_bottom])
        return (
            np.concatenate(above, axis=1).astype(np.float32),
            np.concatenate(below, axis=1).astype(np.float32),
        )

    def __iter__(self) -> Iterator[tuple[slice, slice]]:
        """Yield the rows and columns of each tile."""
        for top, bottom in zip(self.row_parts[:-1], self.row_parts[1:], strict=True):
            for left, right in zip(self.column_parts[:-1], self.column_parts[1:], strict=True):
                yield slice(top, bottom), slice(left, right)


def _to_ends(count: int, segment: float, terminal: float, ends: Ends) -> NDArray[np.float64]:
    """Return the resistance from the terminals of a line to each of its nodes, float64[n], Ohm."""
    from_first = terminal + segment * np.arange(1.0, count + 1)
    if ends == "one":
        return from_first
    total = from_first + from_first[::-1]
    parallel = np.zeros(count)
    np.divide(from_first * from_first[::-1], total, out=parallel, where=total > 0)
    return parallel
