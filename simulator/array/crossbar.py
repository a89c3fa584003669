r"""An array of cells: in-memory vector-matrix product, and programming by pulses.

Word lines are rows (inputs), bit lines are columns (outputs). With voltages V on the word lines
and the bit lines held at ground, the current of bit line k is :math:`I_k = \sum_i V_i G_{ik}`
(Ohm and Kirchhoff; wires without resistance). A weight is a view of a conductance,
:math:`w = 2 (G - G_{min}) / (G_{max} - G_{min}) - 1`; its sign comes from a reference column of
cells at mid-window: :math:`I_k - I_{ref} = \tfrac12 (G_{max} - G_{min}) \sum_i V_i w_{ik}`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import (
    array,
    finite,
    flag,
    instance,
    number,
    one_of,
    seed_of,
    whole,
    whole_numbers,
)
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.memory import check_memory
from cbramsim.core.rng import generator, normal_table, stream
from cbramsim.devices.conduction import STEEPEST
from cbramsim.devices.device import Device
from cbramsim.devices.endurance import YEAR, Wear, draw_endurance
from cbramsim.devices.grids import grid_of
from cbramsim.devices.laws import law_of
from cbramsim.devices.noise import noise_of
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    PulseConstants,
    nominal_cell,
    pulse_constants,
)
from cbramsim.devices.retention import Ageing, checked_celsius
from cbramsim.devices.states import level_places
from cbramsim.simulator.array.access import access_of, settle_all
from cbramsim.simulator.array.cells import (
    LEARNING,
    AllConnected,
    ArrayState,
    BookedAs,
    Disconnected,
    ProgramCosts,
)
from cbramsim.simulator.array.clock import Clock
from cbramsim.simulator.array.ideal_lines import IdealLines
from cbramsim.simulator.array.own import Own, made
from cbramsim.simulator.array.programming import (
    Corrections,
    Trace,
    Writing,
    empty_trace,
    trace_trains,
    write_cells,
)
from cbramsim.simulator.array.wired_reads import WiredReads
from cbramsim.simulator.array.writing import SENSED_BITS, program_column, program_to
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.lines import Solution, Terminals, Tiles, Wires, solve

Access = Literal["transistor", "passive"]
WriteScheme = Literal["V/2", "V/3"]

BYTES_PER_CELL = 100
"""Memory that it takes to draw a cell."""
LONGEST_WAIT = 1e15
"""A longer wait is taken for a mistake, s."""
MAX_PULSES = 1_000_000
"""More pulses in one train are taken for a mistake."""
MAX_TRACED = 100_000
"""More pulses in one trace are taken for a mistake."""
MAX_TRACE = 50_000_000
"""Most pulses that are traced at once, of all cells: 450 MB."""
MAX_CELLS = 2**24
"""Most cells of an array: 4096 x 4096, some 2 GB."""
HIGHEST_VOLTAGE = 100.0
"""A higher voltage on a word line is taken for a mistake, V."""
ROUNDING = 1e-6
"""How far outside the window a conductance may be by rounding, a part of `g_max`."""


class Crossbar:
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
        access: Access = "transistor",
        scheme: WriteScheme = "V/2",
        wires: Wires | None = None,
        tiles: Tiles | None = None,
        own: Own | None = None,
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
            Where to book energy; a new one by default.
        access
            `transistor`, one with every cell, which shuts half-selected cells off; or `passive`:
            bare cells.
        scheme
            How a passive array is programmed, see `simulator.array.access`: other cells on the two
            lines see half the voltage (`V/2`), or all other cells a third of it (`V/3`).
        wires
            Resistances of the lines; ideal lines by default. Reads then are exact: Kirchhoff's law
            holds at every node. Word lines that are not active are at ground, with their cells
            conducting. What access transistors take in a read counts as the cells'. Half-selected
            cells and the reference column see ideal lines (assumed).
        tiles
            Size of the physical arrays, each with lines of its own; one by default.
        own
            A law of one's own, `Own.law`. Controllers still reckon with that of the device.

        Raises
        ------
        ParameterError
            If an argument is not what it should be, or a preset does not exist.
        """
        rows, columns = checked_shape("Crossbar", shape)
        check_memory("Crossbar.shape", BYTES_PER_CELL * rows * columns, f"{rows * columns:,} cells")
        seed_of("Crossbar.seed:", seed)
        self.device = device if isinstance(device, Device) else Device.load(device)
        self.periphery = (
            periphery if isinstance(periphery, Periphery) else Periphery.load(periphery)
        )
        instance("Crossbar.ledger:", ledger, EnergyLedger, type(None))
        self.ledger = EnergyLedger() if ledger is None else ledger
        self.phase = "use"
        one_of("Crossbar.access:", access, get_args(Access))
        if access == "passive" and self.device.c_gate:
            raise ParameterError(
                "Crossbar.access: must be transistor for cells whose pulses charge a gate, c_gate "
                "(got 'passive')"
            )
        instance("Crossbar.wires:", wires, Wires, type(None))
        instance("Crossbar.tiles:", tiles, Tiles, type(None))
        if wires is not None and self.device.v_sinh:
            raise ParameterError(
                "Crossbar.wires: needs ohmic cells, v_sinh 0 (got "
                f"{self.device.v_sinh:g} V with wires)"
            )
        one_of("Crossbar.scheme:", scheme, get_args(WriteScheme))
        if scheme != "V/2" and access != "passive":
            raise ParameterError(
                f"Crossbar.scheme: must be V/2 unless access is passive (got {scheme!r})"
            )
        self.access, self.scheme = access, scheme
        tiles = tiles or Tiles()
        row_parts, column_parts = tiles.parts((rows, columns))
        # Drivers of a word line: one for each of the physical arrays that it runs through.
        self._drivers = len(column_parts) - 1
        self._tile_shape = int(np.diff(row_parts).max()), int(np.diff(column_parts).max())
        self.pulse_stream = stream(seed, "pulses")
        self._read_noise = generator(seed, "crossbar read noise")
        cells = draw_population(self.device, (rows, columns), generator(seed, "population"))
        law = law_of(self.device)
        self.state = ArrayState(
            g=cells[..., G_LOW].T.copy(),
            g_columns=cells[..., G_LOW].copy(),
            cells=cells,
            wear=np.zeros((columns, rows), np.uint32),
            inhibited=np.zeros((columns, rows), np.bool_),
            row_sum=np.zeros(rows),
            n_connected=np.full(rows, columns),
            nominal=nominal_cell(self.device)[None, None],
            reckoned=law,
            normals=normal_table(pad=max(rows, columns)),
            pulse=pulse_constants(self.device),
            costs=self.program_costs(),
            booked_as=LEARNING,
            law=law,
            grid=grid_of(self.device),
            noise=noise_of(self.device),
            gaps=AllConnected(),
            lines=IdealLines(),
            access=access_of(self.device, (rows, columns), access, scheme),
        )
        self.wired: WiredReads | None = None
        if wires is not None:
            self.wired = WiredReads(self.shape, wires, tiles)
            self.state = self.wired.attach(self.state)
        instance("Crossbar.own:", own, Own, type(None))
        if own and (unused := [role for role in own._fields[1:] if getattr(own, role) is not None]):
            raise ParameterError(f"Crossbar.own: takes a law only (got {', '.join(unused)} too)")
        if (other := made(own or Own(), "law", self)) is not None:
            self.state = self.state._replace(law=other)
        self.clock = Clock(self.device, generator(seed, "ageing"), self._age)
        self._endurance = (
            draw_endurance(self.device, (columns, rows), generator(seed, "endurance"))
            if self.device.endurance
            else None
        )
        self._weakest = 0.0 if self._endurance is None else float(self._endurance.min())
        self._conductance_changed()

    def __repr__(self) -> str:
        """Return what the array is."""
        rows, columns = self.shape
        return f"Crossbar({self.device.name}, {rows} word lines x {columns} bit lines)"

    # ---- what one sees -------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """(word lines, bit lines)."""
        return self.state.g.shape  # type: ignore[return-value]

    @property
    def pulse(self) -> PulseConstants:
        """Numbers that all cells share."""
        return self.state.pulse

    @property
    def conductance(self) -> NDArray[np.float32]:
        """The conductances, float32[rows, columns], S; read-only."""
        view = self.state.g.view()
        view.flags.writeable = False
        return view

    @property
    def weights(self) -> NDArray[np.float32]:
        """The weights, float32[rows, columns]: -1 at `g_min`, +1 at `g_max`, 0 if disconnected."""
        weights = self.device.weight_of(self.state.g)
        return np.where(self.connected, weights, 0).astype(np.float32)

    @property
    def connected(self) -> NDArray[np.bool_]:
        """Which cells are part of the array, bool[rows, columns]."""
        if isinstance(self.state.gaps, Disconnected):
            return self.state.gaps.spared == 0
        return np.ones(self.shape, np.bool_)

    @property
    def seen(self) -> NDArray[np.float32]:
        """The conductances as reads see them, float32[rows, columns], S; read-only.

        Behind resistive lines these are the effective conductances: `read` is the product with
        them. They are solved for when they are first asked for after a cell has changed.
        """
        if self.wired is None:
            return self.conductance
        view = self.wired.conductance(self.state.g).view()
        view.flags.writeable = False
        return view

    @property
    def inhibited(self) -> NDArray[np.bool_]:
        """Which cells get no more pulses, bool[rows, columns]."""
        return self.state.inhibited.T

    @property
    def disturbs(self) -> bool:
        """Whether programming a cell moves half-selected ones: `Device.v_switch`, if passive."""
        return self.access == "passive" and self.device.v_switch > 0

    # ---- reading -------------------------------------------------------------------------------

    def read(self, voltages: ArrayLike, *, signed: bool = False, noise: bool = True) -> NDArray:
        """Return the bit-line currents for voltages on the word lines: the product V G.

        Independent normal noise of every cell adds up to one normal number per bit line with the
        variance sum(V² sigma²), which is what is drawn. The reference column is read without
        noise: its noise would be common to all bit lines. The read is booked in the ledger.

        Parameters
        ----------
        voltages
            float[rows], or a batch float[..., rows], V.
        signed
            Subtract the current of the reference column: proportional to the weights.
        noise
            Include the device's read noise.

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
        v = self._checked_voltages("read", voltages).astype(np.float32)
        ohmic = self.device.read_equivalent(v)
        if self.wired is None:
            currents = ohmic @ self.state.g
            power = None
        else:
            read = self.wired.read(self.state.g, v.reshape(-1, self.shape[0]))
            currents = read.currents.reshape(*v.shape[:-1], self.shape[1])
            power = read.in_cells, read.in_lines
        if noise and self.pulse.sum_sigma:
            sigma = self.pulse.sum_sigma * np.sqrt(self._connected_sum(ohmic**2))
            currents += sigma * self._read_noise.standard_normal(currents.shape, np.float32)
        if signed:
            currents -= self._reference_currents(ohmic)
        self._book_read(v, ohmic, signed, power)
        return currents

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
            Which of the physical arrays, counted row by row.

        Raises
        ------
        ParameterError
            If there are no `wires`, or no such tile, or `voltages` do not fit.
        """
        return solve(*self._circuit("solve", voltages, tile))

    def to_spice(self, voltages: ArrayLike, tile: int = 0, *, node_voltages: bool = False) -> str:
        """Return a netlist for ngspice of what `solve` solves; parameters likewise."""
        from cbramsim.simulator.lines.spice import to_spice  # imports much, is rarely asked for

        return to_spice(
            *self._circuit("to_spice", voltages, tile),
            title=f"{self!r}, tile {tile}",
            node_voltages=node_voltages,
        )

    def _circuit(
        self, method: str, voltages: ArrayLike, tile: int
    ) -> tuple[NDArray, Terminals, Wires]:
        if self.wired is None:
            raise ParameterError(f"Crossbar.{method}: needs an array with wires (got ideal lines)")
        v = self._checked_voltages(method, voltages).astype(np.float64)
        tiles = list(self.wired.layout)
        if v.ndim != 1:
            raise ParameterError(
                f"Crossbar.{method}: voltages must be {self.shape[0]} values, one per word line "
                f"(got shape {v.shape})"
            )
        rows, columns = tiles[whole(f"Crossbar.{method}: tile", tile, 0, len(tiles) - 1)]
        g = self.state.g[rows, columns].astype(np.float64)
        terminals = Terminals.product(v[rows], g.shape[1], self.wired.wires)
        return g, terminals, self.wired.wires

    def _checked_voltages(self, method: str, voltages: ArrayLike) -> NDArray[Any]:
        """Return voltages of word lines, [..., rows], after a check that they can be meant."""
        where = f"Crossbar.{method}: voltages"
        v = array(where, voltages)
        if v.ndim == 0 or v.shape[-1] != self.shape[0]:
            raise ParameterError(
                f"{where} must have {self.shape[0]} values on the last axis, one per word line "
                f"(got shape {v.shape}{_transposed(v.shape[-1:], self.shape[1:])})"
            )
        return finite(where, v, min(HIGHEST_VOLTAGE, STEEPEST * self.device.v_sinh or np.inf), "V")

    def _reference_currents(self, v: NDArray) -> NDArray:
        """Return what each bit line is compared with: the reference less its disconnected cells."""
        return self.device.g_mid * self._connected_sum(v)

    def _connected_sum(self, x: NDArray) -> NDArray:
        """Return the sum of `x` over the word lines to which each bit line is connected."""
        if isinstance(self.state.gaps, Disconnected):
            return x @ self.connected.astype(np.float32)
        return x.sum(axis=-1, keepdims=True)

    def _book_read(
        self, v: NDArray, ohmic: NDArray, signed: bool, taken: tuple[float, float] | None
    ) -> None:
        """Book a read at the voltages `v`, at which the currents are those at `ohmic` V.

        `taken` is what cells and lines dissipate, W; None for ideal lines.
        """
        v2 = np.square(v, dtype=np.float64).reshape(-1, self.shape[0])
        power = np.multiply(v, ohmic, dtype=np.float64).reshape(-1, self.shape[0]).sum(axis=0)
        t_read = self.device.t_read
        driven = v2 > 0
        n_driven = int(driven.sum())
        cells = int(driven.sum(axis=0) @ self.state.n_connected)
        add = self.ledger.add
        line = self.device.c_cell * self.shape[1]
        drive = n_driven * self._drivers * self.periphery.e_word_line + line * v2.sum()
        add(self.phase, Operation.WORD_LINE_DRIVE, n_driven, drive)
        if taken is None:
            add(self.phase, Operation.CELL_READ, cells, t_read * power @ self.state.row_sum)
        else:
            add(self.phase, Operation.CELL_READ, cells, t_read * taken[0])
            add(self.phase, Operation.READ_WIRE, cells, t_read * taken[1])
        if signed:
            joules = t_read * power.sum() * self.device.g_mid
            add(self.phase, Operation.REFERENCE_READ, n_driven, joules)

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
        row_list = self._checked_lines("program", column, rows)
        asked = whole_numbers("Crossbar.program: pulses", pulses, -MAX_PULSES, MAX_PULSES)
        counts = _one_per_row("program: pulses", asked, row_list)
        counts = np.where(self.state.inhibited[column, row_list], 0, counts)
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
        """Program and verify: pulse each cell until it reads as `target`; return the misses.

        The controller knows what it reads, noise included, and the steps of the nominal device. It
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
            What to book the pulses as.

        Returns
        -------
        int
            Cells that were given up.
        """
        row_list = self._checked_lines("program_to", column, rows)
        instance("Crossbar.program_to: operation", operation, Operation)
        targets = self._checked_targets("program_to", target, row_list)
        missed = program_to(
            self.state, column, row_list, targets, self._span,
            BookedAs.both(operation), self.pulse_stream,
            self.ledger.account(self.phase),
        )  # fmt: skip
        self.settle()
        return int(missed)

    def pulse_train(self, cells: ArrayLike, pulses: ArrayLike, *, sense: bool = False) -> Trace:
        """Give each of some cells the same pulses, and return what every single one did.

        Cell after cell gets its whole train. Inhibited cells get none. All is booked.

        Parameters
        ----------
        cells
            int[cells, 2], (word line, bit line) of each.
        pulses
            The number of pulses, set pulses if positive, reset pulses if negative; or several such
            numbers, for trains one after the other: ``[64, -64]``.
        sense
            Sense each cell before the first and after every pulse.
        """
        flag("Crossbar.pulse_train: sense", sense)
        where = "Crossbar.pulse_train: pulses"
        asked = np.atleast_1d(whole_numbers(where, pulses, -MAX_TRACED, MAX_TRACED))
        whole(f"{where}, in all,", np.abs(asked).sum(), 0, MAX_TRACED)
        train = np.repeat(np.sign(asked), np.abs(asked)).astype(np.int8)
        trace = self._empty_trace(
            "pulse_train", self._checked_cells("pulse_train", cells), train.size
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
        """Program cells and verify them, as `program_to`, and return all that happened.

        Inhibited cells get no pulses, and count as misses.

        Parameters
        ----------
        cells
            int[cells, 2], (word line, bit line) of each.
        target
            float or float[cells], the conductance wanted of all or of each, S.
        tolerance
            How far from its target a cell may read, S; by default, as in `program_to`, half a step
            and two standard deviations of the read noise.
        budget
            Most pulses per cell; by default, as in `program_to`, those that span the window.
        corrections
            What a cell gets between two senses: one `pulse`, or a `train` of as many as the nominal
            device needs for what is missing.
        """
        checked = self._checked_cells("write_verify", cells)
        targets = self._checked_targets("write_verify", target, checked[:, 0])
        if tolerance is not None:
            of_device = "S, the g_max of the device"
            number("Crossbar.write_verify: tolerance", tolerance, 0, self.device.g_max, of_device)
        if budget is None:
            budget = min(self._span, MAX_TRACED)
        whole("Crossbar.write_verify: budget", budget, 0, MAX_TRACED)
        one_of("Crossbar.write_verify: corrections", corrections, get_args(Corrections))
        trace = self._empty_trace("write_verify", checked, int(budget))
        reached = np.zeros(len(checked), np.bool_)
        write_cells(
            self.state, targets,
            -1.0 if tolerance is None else float(tolerance), corrections == "train",
            self.pulse_stream, self.ledger.account(self.phase), trace, reached,
        )  # fmt: skip
        self.settle()
        final = self.conductance[checked[:, 0], checked[:, 1]]
        return Writing(trace, targets, reached, final, self.device.g_range)

    def _empty_trace(self, method: str, cells: NDArray[np.int64], pulses: int) -> Trace:
        """Return a trace of so many pulses of each cell, if it is not too long."""
        if len(cells) * pulses > MAX_TRACE:
            raise ParameterError(
                f"Crossbar.{method}: cells times pulses must be <= {MAX_TRACE:,} "
                f"(got {len(cells):,} cells with up to {pulses:,} pulses)"
            )
        return empty_trace(cells, pulses)

    def set_conductance(self, conductance: ArrayLike, *, clip: bool = False) -> None:
        """Put every cell into a given state; not booked.

        This is how an array comes from the factory or from a file, not an operation of it. A cell
        takes the nearest of the states that it has: where its own window is narrower than that of
        the device, or it is stuck, that is the nearest end. What is in no window is refused.

        Parameters
        ----------
        conductance
            float[rows, columns], or what can be broadcast to it, S: from `g_min` to `g_max`, or in
            the cell's own window where that is wider.
        clip
            Take the nearest that is in the window, instead of refusing what is outside.

        Raises
        ------
        ParameterError
            If the shape does not fit, or a value is not finite or not in the window.
        """
        values = fitted("Crossbar.set_conductance: values", conductance, self.shape)
        self._put("set_conductance", values, clip)

    def _put(self, method: str, values: NDArray[Any], clip: bool, *, weights: bool = False) -> None:
        """Put cells into states, given as conductances or as `weights`."""
        flag(f"Crossbar.{method}: clip", clip)
        device = self.device
        with np.errstate(over="ignore"):
            wanted = np.asarray(device.conductance_of(values) if weights else values, np.float32)
        low, high = self.state.cells[..., G_LOW].T, self.state.cells[..., G_HIGH].T
        if not clip:
            beyond = np.maximum(np.minimum(low, device.g_min) - wanted, 0)
            beyond += np.maximum(wanted - np.maximum(high, device.g_max), 0)
            beyond[~self.connected] = 0
            per_siemens = 2 / device.g_range if weights else 1
            refuse_outside(
                f"Crossbar.{method}: values", beyond * per_siemens,
                ROUNDING * device.g_max * per_siemens,
                (-1, 1, "") if weights else (device.g_min, device.g_max, " S"),
            )  # fmt: skip
        self.state.g[:] = self._nearest_state(np.clip(wanted, low, high))
        self.state.g[~self.connected] = 0
        self._conductance_changed()

    def _nearest_state(self, conductance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the nearest state of each cell, where states are finite."""
        device = self.device
        if not (device.levels or device.g_quantum):
            return conductance
        low, high = self.state.cells[..., G_LOW].T, self.state.cells[..., G_HIGH].T
        if device.level_radix:
            places = level_places(device.levels, device.level_radix)
            place = (conductance - low) / np.where(high > low, high - low, 1)
            nearest = np.searchsorted((places[1:] + places[:-1]) / 2, place)
            return (low + places[nearest] * (high - low)).astype(np.float32)
        distance = (high - low) / (device.levels - 1) if device.levels else device.g_quantum
        distance = np.where(high > low, distance, 1).astype(np.float32)
        return np.clip(low + np.round((conductance - low) / distance) * distance, low, high)

    def set_weights(self, weights: ArrayLike, *, clip: bool = False) -> None:
        """Put every cell at a given weight, -1 to 1, as `set_conductance`."""
        values = fitted("Crossbar.set_weights: values", weights, self.shape)
        self._put("set_weights", values.astype(np.float64), clip, weights=True)

    def inhibit(self, column: int, rows: ArrayLike) -> None:
        """Let the cells keep their state from now on: they get no more pulses."""
        self.state.inhibited[column, self._checked_lines("inhibit", column, rows)] = True

    def release(self) -> None:
        """Let all connected cells get pulses again."""
        self.state.inhibited[:] = ~self.connected.T

    def disconnect(self, column: int, rows: ArrayLike) -> None:
        """Take cells out of the array: no current, no pulses, weight zero.

        A weight of zero needs more than an open cell. Against a shared reference column an open
        cell would count as less than the lowest weight, so its share of the reference is taken out
        of this column's comparison as well.
        """
        lines = self._checked_lines("disconnect", column, rows)
        self.inhibit(column, lines)
        mask = np.zeros(self.shape, np.bool_)
        mask[lines, column] = True
        self._take_out(mask)
        self._conductance_changed()

    # ---- time and wear -------------------------------------------------------------------------

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
            How long; they are added up.
        celsius
            The temperature, °C.
        """
        named = {"seconds": seconds, "hours": hours, "days": days, "years": years}
        for name, part in named.items():
            number(f"Crossbar.wait: {name}", part)
        total = seconds + 3600 * hours + 86400 * days + YEAR * years
        number("Crossbar.wait: time", total, 0, LONGEST_WAIT, "s")
        self.advance(total, celsius)
        self.clock.settle()

    def advance(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass at work: as `wait`, but cells age only once it makes a difference."""
        number("Crossbar.advance: seconds", seconds, 0, LONGEST_WAIT)
        checked_celsius(celsius)
        self.clock.start(self.state.g_columns)
        self.clock.advance(seconds, celsius)

    @property
    def pulse_counts(self) -> NDArray[np.uint32]:
        """How many programming pulses each cell has got, uint32[rows, columns]; read-only."""
        view = self.state.wear.T.view()
        view.flags.writeable = False
        return view

    def wear(self, images: int = 0) -> Wear:
        """Return what the pulses given so far have worn; `images` is the job, for `Wear.years`."""
        whole("Crossbar.wear: images", images)
        counts = self.state.wear
        column, row = np.unravel_index(int(counts.argmax()), counts.shape)
        limit = self._endurance
        return Wear(
            pulses=int(counts.sum(dtype=np.int64)),
            mean=float(counts.mean()),
            hottest=int(counts.max()),
            hottest_cell=(int(row), int(column)),
            worn_out=0 if limit is None else int((counts >= limit).sum()),
            images=images,
            endurance=self.device.endurance,
        )

    def settle(self) -> None:
        """Let cells follow what has been programmed: half-selected ones drift, worn ones stay.

        What programs does it at its end, a network after every step of training. Meanwhile, a
        half-selected cell follows when it is sensed or pulsed.
        """
        if self.disturbs:
            settle_all(self.state, self.pulse_stream)
        self.wear_out()

    def wear_out(self) -> None:
        """Let every cell that has got as many pulses as it survives stay where it is.

        What programs does it at its end, a network after every step of training.
        """
        if self._endurance is not None and self.state.wear.max() >= self._weakest:
            dead = self.state.wear >= self._endurance
            g = self.state.g_columns[dead]
            self.state.cells[dead, G_LOW] = g
            self.state.cells[dead, G_HIGH] = g

    def _age(self, ageing: Ageing, seconds: float, celsius: float) -> None:
        """Replace the conductances by what they are after some time; stuck cells stay."""
        g = self.state.g_columns
        ages = self.state.cells[..., G_HIGH] > self.state.cells[..., G_LOW]
        aged = np.where(ages & self.connected.T, ageing.wait(g, seconds, celsius), g)
        self.state.g[:] = aged.T
        self._conductance_changed()

    def restore(
        self,
        conductance: NDArray[np.float32],
        cells: NDArray[np.float32],
        wear: NDArray[np.uint32],
        inhibited: NDArray[np.bool_],
        connected: NDArray[np.bool_],
        row_sum: NDArray[np.float64],
    ) -> None:
        """Put back a saved state, exactly: arrays as in `ArrayState`, and `connected`."""
        self.state.g[:] = conductance
        self.state.cells[:] = cells
        self.state.wear[:] = wear
        self.state.inhibited[:] = inhibited
        if isinstance(self.state.gaps, Disconnected):
            self.state.gaps.spared[:] = 0
        self.state.n_connected[:] = self.shape[1]
        if not connected.all():
            self._take_out(~connected)
        self._conductance_changed()
        self.state.row_sum[:] = row_sum

    def _checked_lines(self, method: str, column: int, rows: ArrayLike) -> NDArray[np.int64]:
        """Return `rows` as an array, after a check that all lines exist."""
        whole(f"Crossbar.{method}: column", column, 0, self.shape[1] - 1)
        lines = whole_numbers(f"Crossbar.{method}: rows", rows, 0, self.shape[0] - 1)
        if lines.ndim > 1:
            raise ParameterError(
                f"Crossbar.{method}: rows must be one row of numbers (got shape {lines.shape})"
            )
        return np.atleast_1d(lines)

    def _checked_cells(self, method: str, cells: ArrayLike) -> NDArray[np.int64]:
        """Return `cells` as int64[cells, 2], after a check that all exist."""
        pairs = array(f"Crossbar.{method}: cells", cells)
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ParameterError(
                f"Crossbar.{method}: cells must be pairs (word line, bit line) (got shape "
                f"{pairs.shape})"
            )
        if pairs.size and not (
            np.issubdtype(pairs.dtype, np.integer) and ((pairs >= 0) & (pairs < self.shape)).all()
        ):
            raise ParameterError(
                f"Crossbar.{method}: cells must be within {self.shape[0]} word lines and "
                f"{self.shape[1]} bit lines (got {shown(cells)})"
            )
        return pairs.astype(np.int64)

    def _checked_targets(
        self, method: str, target: ArrayLike, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return a target (S) for each of `rows`, after a check that it can be meant."""
        targets = array(f"Crossbar.{method}: target", target).astype(np.float64)
        highest = 2 * self.device.g_max
        if not ((targets >= 0) & (targets <= highest)).all():
            raise ParameterError(
                f"Crossbar.{method}: target must be >= 0 and <= {highest:g} S, twice the g_max "
                f"of the device (got {shown(target)})"
            )
        return _one_per_row(f"{method}: target", targets, rows)

    @property
    def _span(self) -> int:
        """Pulses that span the nominal window, the budget of a verification."""
        return math.ceil(max(self.device.pulses_up, self.device.pulses_down))

    @property
    def word_line_energy(self) -> float:
        """Energy of driving one word line at the read voltage: driver and charge, J."""
        device = self.device
        line = device.c_cell * self.shape[1] * device.v_read**2
        return self._drivers * self.periphery.e_word_line + line

    def program_costs(self) -> ProgramCosts:
        """Return the state-independent energies of programming.

        A pulse charges its bit line and its word line to V. In a passive array it charges each to
        V/2 only, but the other cells on the two lines see that voltage, and conduct; with a
        transistor in every cell they do not. In the V/3 scheme it charges all others to V/6, too,
        and all other cells conduct. Sensing drives the cell's word line once, and takes one
        decision per bit. Lines are those of the (largest) tile that the cell is in.
        """
        device, (rows, columns) = self.device, self._tile_shape
        both_lines = device.c_cell * (rows + columns) * (0.25 if self.access == "passive" else 1)
        if self.scheme == "V/3":
            both_lines += device.c_cell * (2 * rows * columns - rows - columns) / 36
        return ProgramCosts(
            line_set=both_lines * device.v_set**2,
            line_reset=both_lines * device.v_reset**2,
            sense=self.periphery.e_word_line
            + device.c_cell * columns * device.v_read**2
            + SENSED_BITS * self.periphery.e_sense,
        )

    def expect_gaps(self) -> None:
        """Be ready for cells to be taken out, so that loops are compiled for it once."""
        if not isinstance(self.state.gaps, Disconnected):
            spared = np.zeros(self.shape, np.float32)
            self.state = self.state._replace(gaps=Disconnected(spared, self.device.g_mid))

    def _take_out(self, mask: NDArray[np.bool_]) -> None:
        """Disconnect the cells of `mask`, bool[rows, columns]."""
        self.expect_gaps()
        self.state.g[mask] = 0
        self.state.gaps.spared[mask] = self.device.g_mid
        self.state.n_connected[:] = self.connected.sum(axis=1)

    def _conductance_changed(self) -> None:
        """Bring what is derived from `state.g` into step with it."""
        self.state.g_columns[:] = self.state.g.T
        self.state.row_sum[:] = self.state.g.sum(axis=1, dtype=np.float64)


def _one_per_row(what: str, values: NDArray, rows: NDArray[np.int64]) -> NDArray:
    """Return `values`, one for all or one per row, as one per row."""
    if values.shape not in ((), rows.shape):
        raise ParameterError(
            f"Crossbar.{what} must be one for all or one per row, {rows.size} (got {values.size})"
        )
    return np.broadcast_to(values, rows.shape).copy()


def checked_shape(where: str, shape: tuple[int, int]) -> tuple[int, int]:
    """Return word lines and bit lines, after a check that an array can have them."""
    try:
        rows, columns = shape
        rows, columns = whole("", rows, 1), whole("", columns, 1)
    except (TypeError, ValueError):
        raise ParameterError(
            f"{where}.shape: must be two whole numbers > 0, word lines and bit lines "
            f"(got {shown(shape)})"
        ) from None
    if rows * columns > MAX_CELLS:
        raise ParameterError(
            f"{where}.shape: must be at most {MAX_CELLS:,} cells (got {shown(shape)})"
        )
    return rows, columns


def fitted(where: str, values: ArrayLike, shape: tuple[int, int]) -> NDArray[Any]:
    """Return finite values broadcast to the shape of an array."""
    found = finite(where, values)
    try:
        return np.broadcast_to(found, shape)
    except ValueError:
        raise ParameterError(
            f"{where} must have the shape (word lines, bit lines), {shape} "
            f"(got {found.shape}{_transposed(found.shape, shape[::-1])})"
        ) from None


def refuse_outside(
    where: str, beyond: NDArray[Any], slack: float, window: tuple[float, float, str]
) -> None:
    """Refuse values that are `beyond` their window by more than `slack`."""
    if outside := int((beyond > slack).sum()):
        low, high, unit = window
        raise ParameterError(
            f"{where} must be >= {low:g} and <= {high:g}{unit} (got {outside} of {beyond.size} "
            f"outside, by up to {beyond.max():.3g}{unit}; clip=True takes the nearest inside)"
        )


def _transposed(shape: tuple[int, ...], other: tuple[int, ...]) -> str:
    """Say so where a shape is the one that a transposed array would have."""
    return ": this looks transposed, use .T" if shape == other else ""
