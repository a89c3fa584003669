"""`CellArray`: cells side by side, their states, and the effects of time and pulses on them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import flag, number
from cbramsim.core.rng import generator, stream
from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device
from cbramsim.devices.endurance import Wear
from cbramsim.devices.pulses import PulseConstants
from cbramsim.devices.retention import checked_celsius
from cbramsim.simulator.array import storing
from cbramsim.simulator.array.access import Moving, settle_all
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.checks import checked_lines, fitted
from cbramsim.simulator.array.clock import Clock
from cbramsim.simulator.array.lifetime import LONGEST_WAIT, Lifetime, age, total_seconds
from cbramsim.simulator.array.wired_reads import WiredReads


class CellArray:
    """Cells of one technology, side by side, which `Crossbar` reads and programs.

    Attributes
    ----------
    device
        The technology.
    state
        The cells in the form of compiled loops, `ArrayState`.
    clock
        Their time.
    pulse_stream
        State of the random stream of pulses, uint64[4].
    wired
        Reads behind resistive lines; None behind ideal ones.
    """

    wired: WiredReads | None = None

    def __init__(self, device: Device, cells: ArrayState, seed: int) -> None:
        """Take cells that `storing.drawn` has drawn."""
        self.device, self.state = device, cells
        self.pulse_stream = stream(seed, "pulses")
        self.clock = Clock(device, generator(seed, "ageing"), self._age)
        self._programming = generator(seed, "programming noise")
        self._lifetime = Lifetime(device, self.shape[::-1], seed)
        self._conductance_changed()

    @property
    def shape(self) -> tuple[int, int]:
        """(word lines, bit lines)."""
        return self.state.g.shape  # type: ignore[return-value]

    @property
    def for_loops(self) -> ArrayState:
        """Array in the form of compiled loops."""
        return self.state

    @property
    def pulse(self) -> PulseConstants:
        """Constants of pulses that all cells share."""
        return self.state.pulse

    @property
    def conductance(self) -> NDArray[np.float32]:
        """Conductances, float32[rows, columns], S; read-only."""
        view = storing.states_of(self.state).view()
        view.flags.writeable = False
        return view

    def column(self, column: int) -> NDArray[np.float32]:
        """Return the conductances of one column, float32[rows], S."""
        return self.state.g_columns[column]

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights, float32[rows, columns]: -1 at `g_min`, +1 at `g_max`, 0 if disconnected."""
        weights = self.device.weight_of(self.conductance)
        return np.where(self.connected, weights, 0).astype(np.float32)

    @property
    def connected(self) -> NDArray[np.bool_]:
        """Cells that are part of the array, bool[rows, columns]."""
        return storing.connected(self.state)

    @property
    def inhibited(self) -> NDArray[np.bool_]:
        """Cells that get no more pulses, bool[rows, columns]."""
        return self.state.inhibited.T

    @property
    def disturbs(self) -> bool:
        """Whether programming a cell moves half-selected ones: `Device.v_switch`, if passive."""
        return isinstance(getattr(self.state.access, "others", None), Moving)

    def set_conductance(
        self, conductance: ArrayLike, *, clip: bool = False, programmed: bool = False
    ) -> None:
        """Set every cell to a given state; not booked.

        This is the state in which an array comes from the factory or from a file, not one of its
        operations. A cell takes the nearest of its states: where its own window is narrower than
        that of the device, or it is stuck, that is the nearest end. Values outside both windows are
        refused.

        Parameters
        ----------
        conductance
            float[rows, columns], or an array that can be broadcast to it, S: from `g_min` to
            `g_max`, or in the cell's own window where that is wider.
        clip
            Whether to take the nearest value in the window, instead of refusing values outside.
        programmed
            Whether to add the error of verified programming, `Device.program_noise`, within the
            cell's own window.

        Raises
        ------
        ParameterError
            If the shape does not fit, or a value is not finite or not in the window.
        """
        values = fitted("Crossbar.set_conductance: values", conductance, self.shape)
        self._put("set_conductance", values, clip)
        if programmed:
            self._miss()

    def set_weights(
        self, weights: ArrayLike, *, clip: bool = False, programmed: bool = False
    ) -> None:
        """Set every cell to a given weight, -1 to 1, as `set_conductance`."""
        values = fitted("Crossbar.set_weights: values", weights, self.shape)
        self._put("set_weights", values.astype(np.float64), clip, weights=True)
        if programmed:
            self._miss()

    def inhibit(self, column: int, rows: ArrayLike) -> None:
        """Let the cells keep their state from now on: they get no more pulses."""
        self.state.inhibited[column, checked_lines("inhibit", self.shape, column, rows)] = True

    def release(self) -> None:
        """Let all connected cells get pulses again."""
        self.state.inhibited[:] = ~self.connected.T

    def disconnect(self, column: int, rows: ArrayLike) -> None:
        """Take cells out of the array: no current, no pulses, weight zero.

        An open cell alone does not give a weight of zero. Against a shared reference column an open
        cell would count as less than the lowest weight, so its share of the reference is taken out
        of this column's comparison as well.
        """
        lines = checked_lines("disconnect", self.shape, column, rows)
        self.inhibit(column, lines)
        self._take_out(lines, column)
        self._conductance_changed()

    def wait(
        self,
        seconds: float = 0.0,
        *,
        hours: float = 0.0,
        days: float = 0.0,
        years: float = 0.0,
        celsius: float = 25.0,
    ) -> None:
        """Let time pass at some temperature: cells drift and relax, see `devices.retention`.

        Parameters
        ----------
        seconds, hours, days, years
            Parts of the time, which are added up.
        celsius
            The temperature, °C.
        """
        total = total_seconds("Crossbar.wait", seconds, hours, days, years)
        self.advance(total, celsius)
        self.clock.settle()

    def advance(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass in use: as `wait`, but cells age only once it makes a difference."""
        number("Crossbar.advance: seconds", seconds, 0, LONGEST_WAIT)
        checked_celsius(celsius)
        self.clock.start(self.state.g_columns)
        self.clock.advance(seconds, celsius)

    def stays(self, seconds: float, celsius: float = 25.0) -> bool:
        """Return whether no cell changes by itself during some time in use, s."""
        return self._lifetime.lasts(self.state) and self.clock.waits(seconds, celsius)

    @property
    def pulse_counts(self) -> NDArray[np.uint32]:
        """Number of programming pulses that each cell has got, uint32[rows, columns]; read-only."""
        view = self.state.wear.T.view()
        view.flags.writeable = False
        return view

    def wear(self, images: int = 0) -> Wear:
        """Return the wear by the pulses given so far; `images` is that of the job, for
        `Wear.years`."""
        return self._lifetime.wear(self.state.wear, images)

    def settle(self) -> None:
        """Let cells respond to the programming: half-selected ones move, worn ones stay.

        Methods that program do this at their end, a network after every step of training.
        Meanwhile, a half-selected cell follows when it is sensed or pulsed.
        """
        if self.disturbs:
            settle_all(self.state, self.pulse_stream)
        self.wear_out()

    def wear_out(self) -> None:
        """Fix every cell that has received as many pulses as it survives at its present state.

        Methods that program do this at their end, a network after every step of training.
        """
        self._lifetime.wear_out(self.state)

    def _age(self, ageing: Ageing, seconds: float, celsius: float) -> None:
        """Replace the conductances by those after some time; stuck cells stay."""
        aged = age(self.state, ageing, seconds, celsius)
        storing.move_states(self.state, np.where(self.connected, aged.T, self.conductance))
        self._conductance_changed()

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
        """Restore a saved state exactly: arrays as in `ArrayState`, and `connected`.

        `seen` is the conductance that reads see, float32[rows, columns], S, where it differs.
        """
        storing.put_back(self.state, conductance, cells, wear, inhibited)
        if not connected.all():
            self._take_out(*np.nonzero(~connected))
        if seen is not None:
            self.state.g[:] = seen
        self._conductance_changed()
        self.state.row_sum[:] = row_sum

    def restore_lines(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the conductances that reads see behind resistive lines, if there are any."""
        if self.wired:
            self.wired.restore(arrays, self.state)

    def at_rest(self, together: NDArray[np.float64]) -> ArrayState:
        """Return the cells for reads without changes of cells; `together` as in `follow`."""
        return self.wired.at_rest(self.state, together) if self.wired else self.state

    def follow(self, together: NDArray[np.float64], bound: float, threads: int) -> None:
        """Let reads follow a step of learning behind resistive lines, see `WiredReads.follow`."""
        if self.wired:
            self.wired.threads = threads
            self.wired.follow(self.state, together, bound)

    def expect_gaps(self) -> None:
        """Prepare for cells to be taken out, so that loops are compiled for it once."""
        self.state = storing.with_gaps(self.state)

    def _take_out(self, rows: NDArray[np.int64], columns: Any) -> None:
        """Disconnect cells, each at one of `rows` and `columns`."""
        self.expect_gaps()
        storing.take_out(self.state, rows, columns)

    def _put(self, method: str, values: NDArray[Any], clip: bool, *, weights: bool = False) -> None:
        """Set cells to states, given as conductances or as `weights`."""
        flag(f"Crossbar.{method}: clip", clip)
        storing.put(self.state, self.device, f"Crossbar.{method}: values", values, clip, weights)
        self._conductance_changed()

    def _miss(self) -> None:
        """Add the error of verified programming to the conductances of all cells."""
        aim = self.conductance.astype(np.float64)
        sigma = self.device.program_sigma(aim, self.device.g_max)
        missed = aim + sigma * self._programming.standard_normal(aim.shape)
        storing.put(self.state, self.device, "", missed, clip=True, weights=False)
        self._conductance_changed()

    def _conductance_changed(self) -> None:
        """Update everything that is derived from `state.g`."""
        ageing = self.clock.ageing
        age = 0.0 if ageing is None else ageing.age
        storing.bring_into_step(self.state, self.device, age)
