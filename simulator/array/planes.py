"""`PlaneArray`: weights in several cells each, one in every plane of one physical array.

All cells of a weight share a word line, and have bit lines of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import flag, instance, whole
from cbramsim.devices.device import Device
from cbramsim.devices.endurance import Wear
from cbramsim.devices.pulses import PulseConstants
from cbramsim.simulator.array.cells import ArrayState, BookedAs, ProgramCosts
from cbramsim.simulator.array.checks import (
    checked_lines,
    checked_targets,
    fitted,
    refuse_outside,
)
from cbramsim.simulator.array.clock import Clock
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.storing import ROUNDING
from cbramsim.simulator.array.wired_reads import WiredReads
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation


class PlaneArray(ABC):
    """An array of weights, each in one cell of every plane.

    Attributes
    ----------
    cells
        The physical cells, with a bit line for each column of each plane.
    planes
        Number of cells of a weight.
    """

    cells: Crossbar
    planes: int

    def __init__(self, cells: Crossbar, planes: int) -> None:
        """Take `cells`, a whole number of `planes` side by side."""
        self.cells, self.planes = cells, planes
        self._columns = cells.shape[1] // planes
        self.pulse_stream = cells.pulse_stream

    def plot(self, ax: Any = None) -> Any:
        """Draw the logic conductance of every weight on a matplotlib `Axes`, a new one by default.

        The physical cells are drawn by ``cells.plot()``.
        """
        from cbramsim.simulator.drawing.plots import conductance_map  # matplotlib

        window = self.device.g_min, self.device.g_max
        return conductance_map(ax, self.conductance, self.connected, window)

    def card(self, of_weights: dict[str, Any]) -> str:
        """Return the main facts as a card, for notebooks, with those `of_weights` first."""
        from cbramsim.simulator.drawing.cards import array_card

        lines = self.wired.wires if self.wired else "ideal"
        around = of_weights | {"access": self.cells.access, "lines": lines}
        rows = self.cells.ledger.rows()
        return array_card(repr(self), self.conductance, self.connected, around, rows, "weights")

    # ---- what one sees -------------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """Technology of the cells."""
        return self.cells.device

    @property
    def periphery(self) -> Periphery:
        """Circuits around the array."""
        return self.cells.periphery

    @property
    def pulse(self) -> PulseConstants:
        """Numbers that all cells share."""
        return self.cells.pulse

    @property
    def shape(self) -> tuple[int, int]:
        """(word lines, weights per word line)."""
        return self.cells.shape[0], self._columns

    @property
    def state(self) -> ArrayState:
        """State of the physical cells."""
        return self.cells.state

    @property
    def disturbs(self) -> bool:
        """Whether writing a cell moves half-selected ones, as of `Crossbar`."""
        return self.cells.disturbs

    @property
    def wired(self) -> WiredReads | None:
        """Reads of the physical cells behind resistive lines; None behind ideal ones."""
        return self.cells.wired

    @property
    @abstractmethod
    def conductance(self) -> NDArray[np.float32]:
        """Logic conductances, float32[rows, columns], S."""

    def column(self, column: int) -> NDArray[np.float32]:
        """Return the logic conductances of one column, float32[rows], S."""
        return self.conductance[:, column]

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights, float32[rows, columns]; 0 if disconnected."""
        weights = self.device.weight_of(self.conductance)
        return np.where(self.connected, weights, 0).astype(np.float32)

    @property
    def connected(self) -> NDArray[np.bool_]:
        """Weights that are part of the array, bool[rows, columns]."""
        return self.by_plane(self.cells.connected)[:, 0]

    @property
    def inhibited(self) -> NDArray[np.bool_]:
        """Weights that get no more pulses, bool[rows, columns]."""
        return self.by_plane(self.state.inhibited.T)[:, 0]

    @property
    def plane_pulses(self) -> NDArray[np.int64]:
        """Number of pulses that all cells of each plane have received, int64[planes]."""
        return self.by_plane(self.state.wear.T).sum(axis=(0, 2), dtype=np.int64)

    def by_plane(self, of_cells: NDArray) -> NDArray:
        """Return a quantity of each cell, [rows, bit lines], as [rows, planes, columns]."""
        return of_cells.reshape(len(of_cells), self.planes, self._columns)

    # ---- writing -------------------------------------------------------------------------------

    def set_weights(self, weights: ArrayLike, *, clip: bool = False) -> None:
        """Set every weight, -1 to 1, to the nearest possible one; `clip` as for `Crossbar`."""
        flag(f"{type(self).__name__}.set_weights: clip", clip)
        where = f"{type(self).__name__}.set_weights: values"
        values = fitted(where, weights, self.shape).astype(np.float64)
        if not clip:
            refuse_outside(where, np.abs(values) - 1, ROUNDING, (-1, 1, ""))
        self._put(np.clip(values, -1, 1))

    def program_to(
        self,
        column: int,
        rows: ArrayLike,
        target: ArrayLike,
        operation: Operation = Operation.PROGRAM_PULSE,
    ) -> int:
        """Write weights for a logic conductance and verify them; return the number of misses.

        Parameters and errors as for `Crossbar.program_to`.
        """
        self._lines("program_to", column)
        row_list = checked_lines("program_to", self.cells.shape, column, rows)
        instance(f"{type(self).__name__}.program_to: operation", operation, Operation)
        targets = checked_targets("program_to", self.device, target, row_list)
        return self.bring_to(column, row_list, targets, BookedAs.both(operation))

    def bring_to(
        self,
        column: int,
        rows: NDArray[np.int64],
        targets: NDArray[np.float64],
        booked_as: BookedAs,
    ) -> int:
        """Write weights and verify them, as `program_to`, without a check of the arguments."""
        missed = self._write(column, rows, self.device.weight_of(targets), booked_as)
        self.settle()
        return missed

    @abstractmethod
    def _put(self, weights: NDArray[np.float64]) -> None:
        """Set every weight to one of `weights`, float64[rows, columns], -1 to 1."""

    @abstractmethod
    def _write(
        self, column: int, rows: NDArray[np.int64], weights: NDArray, booked_as: BookedAs
    ) -> int:
        """Write `weights`, one per row, into some rows of a column; return the number of misses."""

    def inhibit(self, column: int, rows: ArrayLike) -> None:
        """Let weights keep their states from now on."""
        for line in self._lines("inhibit", column):
            self.cells.inhibit(line, rows)

    def release(self) -> None:
        """Let all connected weights change again."""
        self.cells.release()

    def disconnect(self, column: int, rows: ArrayLike) -> None:
        """Take weights out of the array: all cells of each, as `Crossbar.disconnect`.

        The weight is zero when it adds nothing to any plane and its share of each reference is
        taken out.
        """
        lines = self._lines("disconnect", column)
        self.expect_gaps()
        for line in lines:
            self.cells.disconnect(line, rows)

    def expect_gaps(self) -> None:
        """Prepare for weights to be taken out, so that loops are compiled for it once."""
        self.cells.expect_gaps()

    def _lines(self, method: str, column: int) -> list[int]:
        """Return the bit lines of a column of weights."""
        whole(f"{type(self).__name__}.{method}: column", column, 0, self._columns - 1)
        lines = np.arange(self.cells.shape[1])[None]
        return self.by_plane(lines)[0, :, column].tolist()  # type: ignore[no-any-return]

    # ---- energy --------------------------------------------------------------------------------

    @property
    def word_line_energy(self) -> float:
        """Energy of driving one word line past the cells of all planes, J."""
        return self.cells.word_line_energy

    def program_costs(self) -> ProgramCosts:
        """Return the state-independent energies of writing."""
        return self.cells.program_costs()

    # ---- time and wear: those of the cells -----------------------------------------------------

    @property
    def phase(self) -> str:
        """Phase of the ledger in which `program_to` books."""
        return self.cells.phase

    @phase.setter
    def phase(self, phase: str) -> None:
        self.cells.phase = phase

    @property
    def clock(self) -> Clock:
        """Clock of the cells."""
        return self.cells.clock

    def wait(
        self,
        seconds: float = 0.0,
        *,
        hours: float = 0.0,
        days: float = 0.0,
        years: float = 0.0,
        celsius: float = 25.0,
    ) -> None:
        """Let time pass, as `Crossbar.wait`."""
        self.cells.wait(seconds, hours=hours, days=days, years=years, celsius=celsius)

    def advance(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass at work, as `Crossbar.advance`."""
        self.cells.advance(seconds, celsius)

    def wear(self, images: int = 0) -> Wear:
        """Return the wear of all cells; its `hottest_cell` is a physical one."""
        return self.cells.wear(images)

    def settle(self) -> None:
        """Fix every cell that has received as many pulses as it survives at its present state."""
        self.cells.settle()

    # ---- for compiled loops, and what is saved -------------------------------------------------

    @property
    @abstractmethod
    def for_loops(self) -> Any:
        """Array in the form of compiled loops."""

    @abstractmethod
    def at_rest(self, together: NDArray[np.float64]) -> Any:
        """Return the array for reads without changes of weights; `together` as in `follow`."""

    def follow(self, together: NDArray[np.float64], bound: float, threads: int) -> None:
        """Record a step of learning, as `Crossbar.follow`."""
        self.cells.follow(together, bound, threads)

    def restore(
        self,
        conductance: NDArray[np.float32],
        cells: NDArray[np.float32],
        wear: NDArray[np.uint32],
        inhibited: NDArray[np.bool_],
        connected: NDArray[np.bool_],
        row_sum: NDArray[np.float64],
        seen: NDArray[np.float32] | None = None,
    ) -> None:
        """Restore a saved `state` exactly; `connected` is that of weights."""
        if not connected.all():
            self.expect_gaps()
        of_cells = np.empty(self.cells.shape, np.bool_)
        self.by_plane(of_cells)[:] = connected[:, None]
        self.cells.restore(conductance, cells, wear, inhibited, of_cells, row_sum, seen)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are saved beside the cells, by name."""
        return {}

    def restore_lines(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the conductances that reads see behind resistive lines, if there are any."""
        self.cells.restore_lines(arrays)
