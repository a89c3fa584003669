r"""Reads of an array behind resistive lines, while it is used and while it learns.

Fixed cells are read exactly. `WiredReads.conductance` solves a tile for all inputs, keeps the
result until a cell changes, and then updates it. That takes two solutions for every word line, so
`WiredReads.read` solves for the voltages themselves until it has done so once for each of them:
no sequence of reads takes more than twice the time that it would if its length were known.

While it learns, a cell changes at every presentation. Between two exact solutions a read sees

.. math:: \tilde G_{ik}(t) = \tilde G_{ik}(t_0)\, \frac{L_{ik}(t)}{L_{ik}(t_0)},

with L the ladders of `along_ladders`, which are cheap; within a step of learning
:math:`\tilde G / G` stays as it was at the beginning of the step. `WiredReads.follow` solves
exactly from time to time and measures the error of a mean read; the interval between two solutions
is halved or doubled to keep that below a bound.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.resistive_lines import ResistiveLines, anchor
from cbramsim.simulator.array.storing import connected
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.effective_matrix import Effective, effective
from cbramsim.simulator.lines.ladders import along_ladders
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import circuit_of, solve
from cbramsim.simulator.lines.tiles import Layout, Tiles
from cbramsim.simulator.lines.updates import updated

EXACT = 1e-9
"""Relative tolerance of solutions for fixed cells."""
TRACKING = 0.01
"""Tolerance of a solution while learning, as a part of the error that is allowed."""
LONGEST = 64
"""Most steps between two solutions."""
MOST_UPDATES = 100
"""Most updates of a tile, each within `EXACT`, before it is solved anew."""
POWER_EVERY = 4
"""Solutions while learning between two that also find the power; all do while they are no more
steps apart than this."""
LEAST = np.finfo(float).tiny
NEXT_TO_NONE = 1e-6
"""Resistance of a segment of an ideal line for ladders, Ohm."""
FAINT = 1e-30
"""Smallest conductance of ladders that is used, S: rounding dominates smaller ones."""


class Read(NamedTuple):
    """Result of some reads of fixed cells."""

    currents: NDArray[np.float32]
    """Currents out of the bit lines, float32[reads, columns], A."""
    in_cells: float
    """Power dissipated in cells and their transistors, summed over the reads, W."""
    in_lines: float
    """Power dissipated in lines, W."""


class WiredReads:
    """Lines of an array of tiles, and the reads behind them.

    Attributes
    ----------
    layout
        Places of the tiles.
    interval, since
        Steps between two exact solutions while learning, and steps since the last.
    error
        Largest error of a mean read in all solutions, as a part of the current: also of the last
        reads before a solution, for which the lines were those at the beginning of their step.
    solutions
        Exact solutions so far while learning.
    beyond
        Effective conductances over those of the ladders, at the last solution,
        float32[rows, columns].
    threads
        Number of threads that solve a tile; one per core by default. Results do not depend on it.
    scatter, patterns
        Error of a single read, and typical reads: of cells that are not ohmic (`CurvedReads`).
    """

    threads: int | None = None
    scatter = 0.0
    patterns: NDArray[np.bool_] | None = None

    def __init__(self, shape: tuple[int, int], wires: Wires, tiles: Tiles) -> None:
        self.wires = wires
        self.layout = Layout(shape, wires, tiles)
        self.interval, self.since = 1, 1
        self.error, self.solutions = 0.0, 0
        self.beyond = np.ones(shape, np.float32)
        # The cells for which each tile was solved, and for which it was read; NaN for never.
        self._solved, self._read = np.full((2, *shape), np.nan, np.float32)
        self._seen = np.zeros(shape, np.float32)
        self._tiles = [Effective.nothing() for _ in self.layout]
        self._reads = [0] * len(self._tiles)
        self._updates = 0

    def attach(self, state: ArrayState) -> ArrayState:
        """Return the state of an array behind these lines; ideal until it is solved."""
        rows, columns = state.g.shape
        above, below = self.layout.in_common(self.wires)
        return state._replace(
            lines=ResistiveLines(
                state.g.copy(),
                np.ones((columns, rows), np.float32),
                self.layout.row_parts,
                above,
                below,
                np.zeros(rows, np.float32),
                np.concatenate([np.ones((1, rows)), np.zeros((1, rows))]),
                self.layout.along_word,
                self.layout.along_bit,
            ),
        )

    # ---- fixed cells ---------------------------------------------------------------------------

    def conductance(self, g: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the effective conductances of fixed cells, both float32[rows, columns], S."""
        self._solve(g)
        return self._seen

    def at_rest(self, state: ArrayState, together: NDArray[np.float64]) -> ArrayState:
        """Return the state of fixed cells as exact reads see it; `together` as in `follow`."""
        seen = self.conductance(state.g)
        dissipated = self._by_row(self._tiles, state.row_sum, together)
        return state._replace(lines=state.lines._replace(seen=seen, dissipated=dissipated))

    def read(self, g: NDArray[np.float32], voltages: NDArray[Any]) -> Read:
        """Read fixed cells at voltages V[reads, rows], within `EXACT` of their currents."""
        solved, currents, power = [], np.zeros((len(voltages), g.shape[1])), np.zeros(2)
        for n, (rows, columns) in enumerate(self.layout):
            v, cells = voltages[:, rows].astype(np.float64), g[rows, columns]
            solved.append(self._worth_solving(n, (rows, columns), g, len(v)))
            if solved[n]:
                currents[:, columns] += v @ self._tiles[n].conductance
                power += [part.sum() for part in self._tiles[n].power(v)]
                continue
            for one, into in zip(v, currents, strict=True):
                terminals = Terminals.product(one, cells.shape[1], self.wires)
                solution = solve(cells, terminals, self.wires, tolerance=EXACT)
                into[columns] += solution.outputs
                power += _taken(solution)
        product = voltages @ self._seen if all(solved) else currents.astype(np.float32)
        return Read(product, float(power[0]), float(power[1]))

    def _worth_solving(
        self, n: int, part: tuple[slice, slice], g: NDArray[np.float32], reads: int
    ) -> bool:
        """Return whether to solve a tile for all inputs, which is done if it is read often."""
        if np.array_equal(self._solved[part], g[part]):
            return True
        if not np.array_equal(self._read[part], g[part]):
            self._read[part], self._reads[n] = g[part], 0
        self._reads[n] += reads
        if self._reads[n] <= len(g[part]):
            return False
        self._solve_tile(n, part, g)
        return True

    def _solve(self, g: NDArray[np.float32]) -> None:
        """Solve the tiles in which a cell has changed since they were solved."""
        for n, part in enumerate(self.layout):
            if not np.array_equal(self._solved[part], g[part]):
                self._solve_tile(n, part, g)

    def _solve_tile(self, n: int, part: tuple[slice, slice], g: NDArray[np.float32]) -> None:
        self._tiles[n] = self._solved_tile(n, part, g)
        self._seen[part], self._solved[part] = self._tiles[n].conductance, g[part]

    def _solved_tile(self, n: int, part: tuple[slice, slice], g: NDArray[np.float32]) -> Effective:
        """Return a tile as it is now: updated where a few of its cells have changed."""
        now = g[part].astype(np.float64)
        if not self._tiles[n].conductance.size or self._updates >= MOST_UPDATES:
            self._updates = 0
            return effective(now, self.wires, tolerance=EXACT, threads=self.threads)
        self._updates += 1
        before = self._solved[part].astype(np.float64)
        return updated(self._tiles[n], before, now, self.wires, tolerance=EXACT)

    # ---- state file ----------------------------------------------------------------------------

    def to_arrays(self, state: ArrayState) -> dict[str, NDArray[Any]]:
        """Return what has to be saved to go on learning; `restore` puts it back."""
        return {
            "wires_seen": state.lines.seen,
            "wires_base": state.lines.base,
            "wires_beyond": self.beyond,
            "wires_dissipated": state.lines.dissipated,
            "wires_progress": np.array([self.interval, self.since, self.solutions]),
            "wires_error": np.array([self.error]),
        }

    def restore(self, arrays: dict[str, NDArray[Any]], state: ArrayState) -> None:
        """Restore the arrays of `to_arrays`."""
        state.lines.seen[:] = arrays["wires_seen"]
        state.lines.base[:] = arrays["wires_base"]
        self.beyond[:] = arrays["wires_beyond"]
        state.lines.dissipated[:] = arrays["wires_dissipated"]
        self.interval, self.since, self.solutions = (int(n) for n in arrays["wires_progress"])
        self.error = float(arrays["wires_error"][0])

    # ---- learning ------------------------------------------------------------------------------

    def follow(self, state: ArrayState, together: NDArray[np.float64], bound: float) -> None:
        """Record one step of learning, and solve the array again if it is time.

        Parameters
        ----------
        state
            The array; the conductances that reads see are replaced.
        together
            Probability that two word lines are active in one read, float64[rows, rows]; on the
            diagonal, that one is.
        bound
            Bound on the error of a mean read.
        """
        ladders = self._ladders(state.g)
        if self.since < self.interval:
            self._see(state, ladders)
            self.since += 1
            return
        read = state.lines.seen.copy()  # by the last reads of the step before
        if self.solutions:
            self._see(state, ladders)
        error, drifted = self._solve_again(state, read, together, TRACKING * bound)
        np.divide(state.lines.seen, ladders, out=self.beyond, where=ladders > FAINT)
        live = _live(state)
        self.beyond[(state.g == 0) & ~live] = 0
        anchor(state.g_columns, live.T, state.lines)
        if self.solutions:  # before the first one, nothing was known of the lines
            self.error = max(self.error, error, drifted)
            if error > bound:
                self.interval = max(1, self.interval // 2)
            elif error < 0.5 * bound:
                self.interval = min(LONGEST, 2 * self.interval)
        self.solutions += 1
        self.since = 1

    def _ladders(self, g: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return approximate effective conductances, float32[rows, columns], S."""
        seen = np.empty_like(g)
        some = {name: max(getattr(self.wires, name), NEXT_TO_NONE) for name in ("r_word", "r_bit")}
        wires = self.wires.replace(**some)
        for rows, columns in self.layout:
            part = np.ascontiguousarray(wires.in_series(g[rows, columns]))
            rest = Terminals.product(np.zeros(len(part)), part.shape[1], wires)
            seen_part = np.empty_like(part)  # contiguous, as where there is one tile
            along_ladders(part, circuit_of(rest, wires)[0], seen_part)
            seen[rows, columns] = seen_part
        return seen

    def _see(self, state: ArrayState, ladders: NDArray[np.float32]) -> None:
        """Update the conductances of reads by the ladders, corrected by the last solution."""
        np.multiply(self.beyond, ladders, out=state.lines.seen, where=ladders > FAINT)
        # Of a cell that was taken out since then; of one that was out before, what others let
        # through to its lines was solved for.
        live = _live(state)
        taken_out = (state.g == 0) & (self.beyond > 0) & ~live
        state.lines.seen[taken_out] = self.beyond[taken_out] = 0
        anchor(state.g_columns, live.T, state.lines)

    def _solve_again(
        self, state: ArrayState, read: NDArray[np.float32], together: NDArray[np.float64],
        tolerance: float,
    ) -> tuple[float, float]:  # fmt: skip
        """Solve the array; return the largest error of a mean read, as a part of the current.

        The error is that of the present conductances, and of those when the array was last `read`.
        """
        tiles, mean = [], []
        off: tuple[list[float], list[float]] = [], []
        with_power = self.interval <= POWER_EVERY or self.solutions % POWER_EVERY == 0
        for rows, columns in self.layout:
            tile = effective(
                state.g[rows, columns], self.wires, tolerance=tolerance, dissipation=with_power,
                threads=self.threads,
            )  # fmt: skip
            active = np.diag(together)[rows]
            exact = active @ tile.conductance
            for seen, each in zip((state.lines.seen, read), off, strict=True):
                each.append(float(np.abs(active @ seen[rows, columns] - exact).max()))
            mean.append(exact.mean())
            state.lines.seen[rows, columns] = tile.conductance
            tiles.append(tile)
        if with_power:
            state.lines.dissipated[:] = self._by_row(tiles, state.row_sum, together)
        per = max(float(np.mean(mean)), LEAST)
        return max(off[0]) / per, max(off[1]) / per

    def _by_row(
        self, tiles: list[Effective], row_sum: NDArray[np.float64], together: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the power of a read in cells and in lines, as in `ResistiveLines.dissipated`.

        With word line i active, word line m is active with the probability P(i, m) / P(i): the sum
        here is the average of row i's part of the quadratic forms of `Effective.power`.
        """
        power = np.zeros((2, len(row_sum)))
        for tile, (rows, _) in zip(tiles, self.layout, strict=True):
            part = together[rows, rows]
            given = part / np.maximum(np.diag(part), LEAST)[:, None]
            cells = (tile.dissipation * given).sum(axis=1)
            power[0, rows] += cells
            power[1, rows] += (tile.admittance * given).sum(axis=1) - cells
        return power / np.maximum(row_sum, LEAST)


def _live(state: ArrayState) -> NDArray[np.bool_]:
    """Return the cells that can switch, bool[rows, columns]: they may conduct nothing now, and
    conduct later."""
    return connected(state) & (state.cells[..., G_HIGH] > state.cells[..., G_LOW]).T


def _taken(solution: Solution) -> tuple[float, float]:
    """Return the power that cells, with their transistors, and lines dissipate in a product, W."""
    if solution.known is not None:
        power = solution.power
        return power.cells + power.access, power.word_lines + power.bit_lines
    # As `Effective.power` has it: lines take what cells leave. Not every current is worked out.
    across = solution.word - solution.bit
    cells = solution.wires.in_series(solution.conductance).ravel()
    in_cells = float(np.dot(cells, np.square(across.ravel())))
    return in_cells, float(np.dot(solution.word_from, solution.inputs)) - in_cells
