r"""An array of cells: in-memory vector-matrix product, and programming by pulses.

Word lines are rows (inputs), bit lines are columns (outputs). With voltages V on the word lines
and the bit lines held at ground, the current of bit line k is :math:`I_k = \sum_i V_i G_{ik}`
(Ohm and Kirchhoff; wires without resistance). A weight is a view of a conductance,
:math:`w = 2 (G - G_{min}) / (G_{max} - G_{min}) - 1`; its sign comes from a reference column of
cells at mid-window: :math:`I_k - I_{ref} = \tfrac12 (G_{max} - G_{min}) \sum_i V_i w_{ik}`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import (
    array,
    flag,
    instance,
    number,
    one_of,
    seed_of,
    whole,
    whole_numbers,
)
from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.simulator.array.built import Built, checked_built
from cbramsim.simulator.array.cell_array import CellArray
from cbramsim.simulator.array.cells import BookedAs, ProgramCosts
from cbramsim.simulator.array.checks import (
    checked_cells,
    checked_lines,
    checked_shape,
    checked_targets,
    checked_voltages,
    pulses_to_give,
)
from cbramsim.simulator.array.compensation import Compensating
from cbramsim.simulator.array.costs import program_costs
from cbramsim.simulator.array.curved_reads import reads_of
from cbramsim.simulator.array.own import Own, made
from cbramsim.simulator.array.programming import (
    Corrections,
    Trace,
    Writing,
    budget_of,
    empty_trace,
    trace_trains,
    write_cells,
)
from cbramsim.simulator.array.reading import (
    add_noise,
    book_read,
    circuit_of,
    make_up,
    multiply,
    subtract_reference,
)
from cbramsim.simulator.array.storing import drawn
from cbramsim.simulator.array.writing import program_column, program_to
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.lines import Solution, Terminals, Wires, solve
from cbramsim.simulator.lines.curves import curve_of

MAX_TRACED = 100_000
"""Most pulses in one trace; more are taken for a mistake."""


class Crossbar(Compensating, CellArray):
    """An array of cells of one technology.

    Examples
    --------
    >>> crossbar = Crossbar("subquantum-cbram", shape=(64, 32), seed=1)
    >>> crossbar.program(column=3, rows=[0, 1, 2], pulses=[10, 20, -5])
    >>> currents = crossbar.read(np.full(64, 0.1))  # amperes, one per bit line
    >>> print(crossbar.ledger)  # joules
    """

    def __init__(
        self,
        device: Device | str | Path,
        shape: tuple[int, int],
        seed: int = 0,
        periphery: Periphery | str | Path = "cmos-28nm",
        ledger: EnergyLedger | None = None,
        own: Own | None = None,
        **built: Unpack[Built],
    ) -> None:
        """Draw the cells and leave each at its lowest conductance.

        Parameters
        ----------
        device
            A `Device`, the name of a preset, or the path of a TOML file.
        shape
            (word lines, bit lines); at most 2^24 cells.
        seed
            Seed of the cells and of all noise, a whole number >= 0 and < 2^63.
        periphery
            Circuits around the array: a `Periphery`, a preset, or a TOML file.
        ledger
            Ledger in which energy is booked; a new one by default.
        own
            A custom law, `Own.law`. Controllers still assume that of the device.
        **built Build of the array: `access`, `scheme`, `wires`, `tiles`, see `Built`.

        Raises
        ------
        ParameterError
            If an argument is not valid, or a preset does not exist.
        """
        rows, columns = checked_shape("Crossbar", shape)
        seed_of("Crossbar.seed:", seed)
        self.device = device if isinstance(device, Device) else Device.load(device)
        self.periphery = (
            periphery if isinstance(periphery, Periphery) else Periphery.load(periphery)
        )
        instance("Crossbar.ledger:", ledger, EnergyLedger, type(None))
        self.ledger = EnergyLedger() if ledger is None else ledger
        self.phase, self.seed = "use", seed
        self._budget = budget_of(self.device)
        instance("Crossbar.own:", own, Own, type(None))
        if own and (unused := [role for role in own._fields[1:] if getattr(own, role) is not None]):
            raise ParameterError(f"Crossbar.own: takes a law only (got {', '.join(unused)} too)")
        self.access, self.scheme, wires, tiles = checked_built(built)
        row_parts, self.column_parts = tiles.parts((rows, columns))
        # Drivers of a word line: one for each of the physical arrays that it runs through.
        self._drivers = len(self.column_parts) - 1
        self._tile_shape = int(np.diff(row_parts).max()), int(np.diff(self.column_parts).max())
        costs = self.program_costs()
        cells = drawn(self.device, (rows, columns), seed, costs, self.access, self.scheme)
        super().__init__(self.device, cells, seed)
        self._read_noise = generator(seed, "crossbar read noise")
        if wires is not None:
            self.wired = reads_of(self.device, self.shape, wires, tiles)
            self.state = self.wired.attach(self.state)
        if (other := made(own or Own(), "law", self)) is not None:
            self.state = self.state._replace(law=other)

    def __repr__(self) -> str:
        """Return a short description of the array."""
        rows, columns = self.shape
        return f"Crossbar({self.device.name}, {rows} word lines x {columns} bit lines)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the conductance of every cell on a matplotlib `Axes`, a new one by default."""
        from cbramsim.simulator.drawing.plots import conductance_map  # matplotlib

        window = self.device.g_min, self.device.g_max
        return conductance_map(ax, self.conductance, self.connected, window)

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        from cbramsim.simulator.drawing.cards import array_card

        lines = None if self.wired is None else self.wired.wires
        around = {"access": self.access, "lines": lines or "ideal"}
        return array_card(repr(self), self.conductance, self.connected, around, self.ledger.rows())

    # ---- what one sees -------------------------------------------------------------------------

    @property
    def seen(self) -> NDArray[np.float32]:
        """Conductances as reads see them, float32[rows, columns], S; read-only.

        They include the errors of the last writes, `devices.write_noise`. Behind resistive lines
        these are the effective conductances: `read` is the product with them; of cells that are not
        ohmic, on average over typical reads at `v_read`. They are solved for at the first use after
        a cell has changed.
        """
        g = self.state.g
        view = (g if self.wired is None else self.wired.conductance(g)).view()
        view.flags.writeable = False
        return view

    # ---- reading -------------------------------------------------------------------------------

    def read(self, voltages: ArrayLike, *, signed: bool = False, noise: bool = True) -> NDArray:
        """Return the bit-line currents for voltages on the word lines: the product V G.

        Independent normal noise of every cell adds up to one normal number per bit line with the
        variance sum(V² sigma²), and this number is drawn. The reference column is read without
        noise: its noise would be common to all bit lines. The read is booked in the ledger.

        Parameters
        ----------
        voltages
            float[rows], or a batch float[..., rows], V.
        signed
            Whether to subtract the current of the reference column: currents are then proportional
            to the weights.
        noise
            Whether to include the device's read noise.

        Returns
        -------
        float32[columns] or float32[..., columns]
            Currents, A.

        Raises
        ------
        ParameterError
            If the last axis of `voltages` is not the number of word lines, or a value is not
            finite, above 100 V, or too high for the current-voltage curve of the cells.
        """
        flag("Crossbar.read: signed", signed)
        flag("Crossbar.read: noise", noise)
        v = checked_voltages("read", self.shape, self.device, voltages).astype(np.float32)
        return self.read_with(v, self._read_noise if noise else None, signed)

    def read_with(
        self, voltages: NDArray[np.float32], noise: np.random.Generator | None, signed: bool
    ) -> NDArray[np.float32]:
        """Return the currents of a read with noise from a generator, if any; booked."""
        product = multiply(self.state, self.device, self.wired, voltages)
        if noise is not None:
            add_noise(product, self.state, noise)
        make_up(product, self.state)
        if signed:
            subtract_reference(product, self.state)
        driver = self._drivers * self.periphery.e_word_line
        book_read(product, self.state, self.device, driver, self.ledger, self.phase, signed=signed)
        return product.currents

    def read_spikes(
        self, spikes: ArrayLike, *, signed: bool = False, noise: bool = True
    ) -> NDArray:
        """Return the bit-line currents with `v_read` on the word lines whose `spikes` are true."""
        spiked = array("Crossbar.read_spikes: spikes", spikes, "biuf")
        if not np.isin(spiked, (0, 1)).all():
            raise ParameterError("Crossbar.read_spikes: spikes must be true or false, or 1 or 0")
        return self.read(self.device.v_read * spiked.astype(bool), signed=signed, noise=noise)

    def solve(self, voltages: ArrayLike, tile: int = 0) -> Solution:
        """Return the voltages of all nodes of a physical array while it is read; not booked.

        Parameters
        ----------
        voltages
            float[rows] for all word lines of the logical array, V.
        tile
            Index of the physical array, counted row by row.

        Raises
        ------
        ParameterError
            If there are no `wires`, or no such tile, or `voltages` do not fit.
        """
        return solve(*self._circuit("solve", voltages, tile), curve=curve_of(self.device))

    def to_spice(self, voltages: ArrayLike, tile: int = 0, *, node_voltages: bool = False) -> str:
        """Return a netlist for ngspice of the circuit that `solve` solves; parameters as there."""
        from cbramsim.simulator.lines.spice import to_spice  # imports much, is rarely asked for

        return to_spice(
            *self._circuit("to_spice", voltages, tile),
            title=f"{self!r}, tile {tile}",
            node_voltages=node_voltages,
            curve=curve_of(self.device),
        )

    def _circuit(
        self, method: str, voltages: ArrayLike, tile: int
    ) -> tuple[NDArray, Terminals, Wires]:
        return circuit_of(
            self.wired, self.state.g, tile, method,
            checked_voltages(method, self.shape, self.device, voltages).astype(np.float64),
        )  # fmt: skip

    # ---- programming ---------------------------------------------------------------------------

    def program(self, column: int, rows: ArrayLike, pulses: ArrayLike) -> None:
        """Give set pulses (positive) or reset pulses (negative) to cells of one column.

        Inhibited cells get none. Every pulse is booked in the ledger.

        Parameters
        ----------
        column
            The bit line.
        rows
            int[n], the word lines.
        pulses
            int[n] or one int for all, the number of pulses.

        Raises
        ------
        ParameterError
            If a line does not exist.
        """
        row_list = checked_lines("program", self.shape, column, rows)
        inhibited = self.state.inhibited[column, row_list]
        row_list, counts = pulses_to_give("Crossbar", pulses, row_list, inhibited)
        booked_as = BookedAs.both(Operation.PROGRAM_PULSE)
        program_column(
            self.state, column, row_list, counts, booked_as, self.pulse_stream,
            self.ledger.account(self.phase),
        )  # fmt: skip
        self.settle()

    def program_to(
        self,
        column: int,
        rows: ArrayLike,
        target: ArrayLike,
        operation: Operation = Operation.PROGRAM_PULSE,
    ) -> int:
        """Program and verify: pulse each cell until it reads as `target`; return the number of
        misses.

        The controller knows its readings, noise included, and the steps of the nominal device. It
        accepts a cell that reads within half a step and two standard deviations of the read noise,
        and gives up after as many pulses as span the nominal window (acceptance band and budget
        assumed). Senses and pulses are booked.

        Parameters
        ----------
        column
            The bit line.
        rows
            int[n], the word lines.
        target
            float or float[n], the conductance wanted of all or of each, S.
        operation
            Operation under which the pulses are booked.

        Returns
        -------
        int
            Cells that were given up.
        """
        row_list = checked_lines("program_to", self.shape, column, rows)
        instance("Crossbar.program_to: operation", operation, Operation)
        targets = checked_targets("program_to", self.device, target, row_list)
        return self.bring_to(column, row_list, targets, BookedAs.both(operation))

    def bring_to(
        self,
        column: int,
        rows: NDArray[np.int64],
        targets: NDArray[np.float64],
        booked_as: BookedAs,
    ) -> int:
        """Program and verify, as `program_to`, without a check of the arguments."""
        missed = program_to(
            self.state, column, rows, targets, self._budget, booked_as, self.pulse_stream,
            self.ledger.account(self.phase),
        )  # fmt: skip
        self.settle()
        return int(missed)

    def pulse_train(self, cells: ArrayLike, pulses: ArrayLike, *, sense: bool = False) -> Trace:
        """Give each of some cells the same pulses, and return the effect of every single one.

        The cells get their whole trains one after the other. Inhibited cells get none. All is
        booked.

        Parameters
        ----------
        cells
            int[cells, 2], (word line, bit line) of each.
        pulses
            The number of pulses, set pulses if positive, reset pulses if negative; or several such
            numbers, for trains one after the other: ``[64, -64]``.
        sense
            Whether to sense each cell before the first and after every pulse.
        """
        flag("Crossbar.pulse_train: sense", sense)
        where = "Crossbar.pulse_train: pulses"
        asked = np.atleast_1d(whole_numbers(where, pulses, -MAX_TRACED, MAX_TRACED))
        whole(f"{where}, in all,", np.abs(asked).sum(), 0, MAX_TRACED)
        train = np.repeat(np.sign(asked), np.abs(asked)).astype(np.int8)
        trace = empty_trace(
            checked_cells("pulse_train", self.shape, cells), train.size, "pulse_train"
        )
        trace_trains(
            self.state, train, sense, self.pulse_stream, self.ledger.account(self.phase), trace
        )
        self.settle()
        return trace

    def write_verify(
        self,
        cells: ArrayLike,
        target: ArrayLike,
        *,
        tolerance: float | None = None,
        budget: int | None = None,
        corrections: Corrections = "pulse",
    ) -> Writing:
        """Program cells and verify them, as `program_to`, and return a record of all pulses.

        Inhibited cells get no pulses, and count as misses.

        Parameters
        ----------
        cells
            int[cells, 2], (word line, bit line) of each.
        target
            float or float[cells], the conductance wanted of all or of each, S.
        tolerance
            Largest distance of a reading from its target, S; by default, as in `program_to`, half a
            step and two standard deviations of the read noise.
        budget
            Most pulses per cell; by default, as in `program_to`, those that span the window.
        corrections
            Pulses that a cell gets between two senses: one `pulse`, or a `train` of as many as the
            nominal device needs for the missing part.
        """
        checked = checked_cells("write_verify", self.shape, cells)
        targets = checked_targets("write_verify", self.device, target, checked[:, 0])
        if tolerance is not None:
            of_device = "S, the g_max of the device"
            number("Crossbar.write_verify: tolerance", tolerance, 0, self.device.g_max, of_device)
        if budget is None:
            budget = min(budget_of(self.device), MAX_TRACED)
        whole("Crossbar.write_verify: budget", budget, 0, MAX_TRACED)
        one_of("Crossbar.write_verify: corrections", corrections, get_args(Corrections))
        trace = empty_trace(checked, int(budget), "write_verify")
        reached = np.zeros(len(checked), np.bool_)
        write_cells(
            self.state, targets,
            -1.0 if tolerance is None else float(tolerance), corrections == "train",
            self.pulse_stream, self.ledger.account(self.phase), trace, reached,
        )  # fmt: skip
        self.settle()
        final = self.conductance[checked[:, 0], checked[:, 1]]
        return Writing(trace, targets, reached, final, self.device.g_range)

    @property
    def word_line_energy(self) -> float:
        """Energy of driving one word line at the read voltage: driver and charge, J."""
        charge = self.device.c_cell * self.shape[1] * self.device.v_read**2
        return self._drivers * self.periphery.e_word_line + charge

    def program_costs(self) -> ProgramCosts:
        """Return the state-independent energies of programming."""
        return program_costs(
            self.device, self.periphery, self._tile_shape, self.access, self.scheme
        )
