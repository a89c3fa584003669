"""Reads of an array of cells that are not ohmic behind resistive lines.

Reads of fixed cells are solved one by one. While it learns, and when it recognises, a network sees
a product that saturates (`saturating.py`), fitted anew at every exact solution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.conduction import Conduction
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.curved_lines import CurvedLines
from cbramsim.simulator.array.wired_reads import EXACT, LEAST, NEXT_TO_NONE, Read, WiredReads
from cbramsim.simulator.lines.circuit import Wires
from cbramsim.simulator.lines.curves import Sinh, curve_of
from cbramsim.simulator.lines.exact_reads import exact_reads
from cbramsim.simulator.lines.saturating import (
    PATTERNS,
    Saturating,
    drawn_patterns,
    saturated,
    saturating,
)
from cbramsim.simulator.lines.tiles import Tiles


class CurvedReads(WiredReads):
    """Lines of an array of tiles, and reads behind them of cells that are not ohmic.

    Attributes
    ----------
    scatter
        Root mean square of the error of one bit line in one read, part of the mean current, over
        the patterns that measure it; the largest of all solutions.
    """

    def __init__(self, shape: tuple[int, int], wires: Wires, tiles: Tiles, curve: Sinh) -> None:
        super().__init__(shape, wires, tiles)
        self.curve = curve
        self._tiles: list[Any] = [None for _ in self.layout]
        self._patterns = drawn_patterns(np.full((PATTERNS, shape[0]), 128, np.uint8), 0)

    @property
    def patterns(self) -> NDArray[np.bool_]:
        """Typical patterns of active word lines, bool[patterns, rows]; half of them by default."""
        return self._patterns

    @patterns.setter
    def patterns(self, patterns: NDArray[np.bool_]) -> None:
        self._patterns = patterns
        self._solved[:] = np.nan

    def attach(self, state: ArrayState) -> ArrayState:
        """Return the state of an array behind these lines; ideal until it is solved."""
        state = super().attach(state)
        bends = np.zeros((len(self.layout.row_parts) - 1, state.g.shape[1]), np.float32)
        return state._replace(lines=CurvedLines(**state.lines._asdict(), bends=bends))

    def conductance(self, g: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the effective conductances of fixed cells, both float32[rows, columns], S.

        A typical read is, on average, the product with them.
        """
        self._solve(g)
        seen = self._seen.copy()
        for tile, part in zip(self._tiles, self.layout, strict=True):
            seen[part] *= tile.kept.astype(np.float32)
        return seen

    def at_rest(self, state: ArrayState, together: NDArray[np.float64]) -> ArrayState:
        """Return the state of fixed cells as typical reads see it."""
        self._solve(state.g)
        bends = np.zeros_like(state.lines.bends)
        for n, (tile, (_, columns)) in enumerate(zip(self._tiles, self.layout, strict=True)):
            bends[n // self.layout.across, columns] = tile.bend
        dissipated = self._by_row(self._tiles, state.row_sum, together)
        lines = state.lines._replace(seen=self._seen, bends=bends, dissipated=dissipated)
        return state._replace(lines=lines)

    def read(self, g: NDArray[np.float32], voltages: NDArray[Any]) -> Read:
        """Read fixed cells at voltages V[reads, rows], within `EXACT` of their currents."""
        currents, in_cells, given = np.zeros((len(voltages), g.shape[1])), 0.0, 0.0
        for rows, columns in self.layout:
            cells, volts = (
                part.astype(np.float64) for part in (g[rows, columns], voltages[:, rows])
            )
            reads = exact_reads(cells, self.curve, self.wires, volts, EXACT, self.threads)
            currents[:, columns] += reads.currents
            in_cells += float(reads.in_cells.sum())
            given += float(reads.given.sum())
        return Read(currents.astype(np.float32), in_cells, given - in_cells)

    def to_arrays(self, state: ArrayState) -> dict[str, NDArray[Any]]:
        """Return the arrays needed to go on learning, for `restore`."""
        return super().to_arrays(state) | {
            "wires_bends": state.lines.bends,
            "wires_patterns": self.patterns,
            "wires_scatter": np.array([self.scatter]),
        }

    def restore(self, arrays: dict[str, NDArray[Any]], state: ArrayState) -> None:
        """Restore the arrays of `to_arrays`."""
        super().restore(arrays, state)
        state.lines.bends[:] = arrays["wires_bends"]
        self.patterns = arrays["wires_patterns"].copy()
        self.scatter = float(arrays["wires_scatter"][0])

    def _solved_tile(self, n: int, part: tuple[slice, slice], g: NDArray[np.float32]) -> Any:
        return self._saturating(part, g, EXACT)

    def _saturating(
        self, part: tuple[slice, slice], g: NDArray[np.float32], tolerance: float
    ) -> Saturating:
        """Return a tile as typical reads see it; ideal lines get a negligible resistance."""
        cells = g[part].astype(np.float64)
        some = {name: max(getattr(self.wires, name), NEXT_TO_NONE) for name in ("r_word", "r_bit")}
        wires, patterns = self.wires.replace(**some), self.patterns[:, part[0]]
        return saturating(cells, self.curve, wires, patterns, tolerance, self.threads)

    def _solve_again(
        self, state: ArrayState, read: NDArray[np.float32], together: NDArray[np.float64],
        tolerance: float,
    ) -> tuple[float, float]:  # fmt: skip
        """Solve the array; return the largest error of a mean read, as a part of the current.

        The means are those over the patterns that measure. The error is that of the present
        conductances before and after the solution, and of those when the array was last `read`.
        """
        tiles, mean, square = [], [], []
        off: tuple[list[float], list[float]] = [], []
        measuring = self.patterns[1::2].astype(np.float64)
        for n, part in enumerate(self.layout):
            rows, columns = part
            tile = self._saturating(part, state.g, tolerance)
            bend = state.lines.bends[n // self.layout.across, columns]
            for seen, each in zip((state.lines.seen, read), off, strict=True):
                told = saturated(measuring[:, rows] @ seen[part], bend) - tile.currents
                each.append(float(np.abs(told.mean(axis=0)).max()))
            off[0].append(float(np.abs(tile.off.mean(axis=0)).max()))
            square.append(np.square(tile.off).mean())
            mean.append(tile.currents.mean())
            state.lines.seen[part] = tile.conductance
            bend[:] = tile.bend
            tiles.append(tile)
        state.lines.dissipated[:] = self._by_row(tiles, state.row_sum, together)
        per = max(float(np.mean(mean)), LEAST)
        self.scatter = max(self.scatter, float(np.sqrt(np.mean(square))) / per)
        return max(off[0]) / per, max(off[1]) / per

    def _by_row(
        self, tiles: list[Any], row_sum: NDArray[np.float64], together: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the power of a read in cells and in lines, as in `ResistiveLines.dissipated`."""
        power = np.zeros((2, len(row_sum)))
        for tile, (rows, _) in zip(tiles, self.layout, strict=True):
            power[:, rows] += tile.dissipated
        return power / np.maximum(row_sum, LEAST)


def reads_of(device: Conduction, shape: tuple[int, int], wires: Wires, tiles: Tiles) -> WiredReads:
    """Return the lines of an array of cells of a device."""
    curve = curve_of(device)
    if isinstance(curve, Sinh):
        return CurvedReads(shape, wires, tiles, curve)
    return WiredReads(shape, wires, tiles)
