r"""An array of cells: in-memory vector-matrix product, and programming by pulses.

Word lines are rows (inputs), bit lines are columns (outputs). With voltages V on the word lines
and the bit lines held at ground, the current of bit line k is :math:`I_k = \sum_i V_i G_{ik}`
(Ohm and Kirchhoff; wires without resistance). A weight is a view of a conductance,
:math:`w = 2 (G - G_{min}) / (G_{max} - G_{min}) - 1`; its sign comes from a reference column of
cells at mid-window: :math:`I_k - I_{ref} = \tfrac12 (G_{max} - G_{min}) \sum_i V_i w_{ik}`.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.devices.device import Device
from cbramsim.devices.endurance import YEAR, Wear, draw_endurance
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    PulseConstants,
    nominal_cell,
    pulse_constants,
    step_shapes,
)
from cbramsim.devices.retention import Ageing
from cbramsim.devices.states import level_places
from cbramsim.errors import ParameterError
from cbramsim.rng import generator, normal_table, stream
from cbramsim.simulator.array import ArrayState, ProgramCosts
from cbramsim.simulator.clock import Clock
from cbramsim.simulator.energy import EnergyLedger, Operation
from cbramsim.simulator.half_select import settle_all
from cbramsim.simulator.periphery import Periphery
from cbramsim.simulator.programming import (
    Corrections,
    Trace,
    Writing,
    empty_trace,
    trace_trains,
    write_cells,
)
from cbramsim.simulator.wires import Solution, Terminals, Tiles, Wires, solve
from cbramsim.simulator.wires.following import no_wires
from cbramsim.simulator.wires.reads import WiredReads
from cbramsim.simulator.writing import SENSED_BITS, program_column, program_to

Access = Literal["transistor", "passive"]
WriteScheme = Literal["V/2", "V/3"]

LONGEST_WAIT = 1e15
"""A longer wait is taken for a mistake, s."""
MAX_PULSES = 1_000_000
"""More pulses in one train are taken for a mistake."""
MAX_TRACED = 100_000
"""More pulses in one trace are taken for a mistake."""


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
        device: Device | str,
        shape: tuple[int, int],
        seed: int = 0,
        periphery: Periphery | str = "cmos-28nm",
        ledger: EnergyLedger | None = None,
        access: Access = "transistor",
        scheme: WriteScheme = "V/2",
        wires: Wires | None = None,
        tiles: Tiles | None = None,
    ) -> None:
        """Draw the cells and leave each at its lowest conductance.

        Parameters
        ----------
        device
            A `Device`, the name of a preset, or the path of a TOML file.
        shape
            (word lines, bit lines).
        seed
            Seed of the cells and of all noise.
        periphery
            Circuits around the array: a `Periphery`, a preset, or a TOML file.
        ledger
            Where to book energy; a new one by default.
        access
            `transistor`, one with every cell, which shuts half-selected cells off; or `passive`:
            bare cells.
        scheme
            How a passive array is programmed, see `simulator.half_select`: other cells on the two
            lines see half the voltage (`V/2`), or all other cells a third of it (`V/3`).
        wires
            Resistances of the lines; ideal lines by default. Reads then are exact: Kirchhoff's law
            holds at every node. Word lines that are not active are at ground, with their cells
            conducting. What access transistors take in a read counts as the cells'. Half-selected
            cells and the reference column see ideal lines (assumed).
        tiles
            Size of the physical arrays, each with lines of its own; one by default.

        Raises
        ------
        ParameterError
            If `shape` is not two positive whole numbers, or a preset does not exist.
        """
        rows, columns = _checked_shape(shape)
        self.device = device if isinstance(device, Device) else Device.load(device)
        self.periphery = (
            periphery if isinstance(periphery, Periphery) else Periphery.load(periphery)
        )
        self.ledger = EnergyLedger() if ledger is None else ledger
        self.phase = "use"
        if access not in get_args(Access):
            raise ParameterError(
                f"Crossbar.access: must be one of {', '.join(get_args(Access))} (got {access!r})"
            )
        if access == "passive" and self.device.c_gate:
            raise ParameterError(
                "Crossbar.access: must be transistor for cells whose pulses charge a gate, c_gate "
                "(got 'passive')"
            )
        if not isinstance(wires, Wires | None):
            raise ParameterError(f"Crossbar.wires: must be Wires, or None (got {wires!r})")
        if wires is not None and self.device.v_sinh:
            raise ParameterError(
                "Crossbar.wires: needs ohmic cells, v_sinh 0 (got "
                f"{self.device.v_sinh:g} V with wires)"
            )
        if scheme not in get_args(WriteScheme):
            raise ParameterError(
                f"Crossbar.scheme: must be one of {', '.join(get_args(WriteScheme))} "
                f"(got {scheme!r})"
            )
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
        self.pulse: PulseConstants = pulse_constants(self.device)
        self.pulse_stream = stream(seed, "pulses")
        self._read_noise = generator(seed, "crossbar read noise")
        cells = draw_population(self.device, (rows, columns), generator(seed, "population"))
        self.state = ArrayState(
            g=cells[..., G_LOW].T.copy(),
            g_columns=cells[..., G_LOW].copy(),
            cells=cells,
            wear=np.zeros((columns, rows), np.uint32),
            inhibited=np.zeros((columns, rows), np.bool_),
            spared=np.zeros((0, columns), np.float32),
            row_sum=np.zeros(rows),
            n_connected=np.full(rows, columns),
            nominal=nominal_cell(self.device),
            shapes=step_shapes(self.device),
            normals=normal_table(pad=max(rows, columns)),
            seen=np.zeros((0, columns), np.float32),
            wired=no_wires(),
            drive=np.zeros((2, rows + columns + 1 if self.disturbs else 0)),
            driven=np.zeros((2, columns, rows) if self.disturbs else (2, 0, 0)),
            unresolved=np.zeros((columns, rows) if self.disturbs else (0, 0), np.float32),
        )
        self.wired: WiredReads | None = None
        if wires is None:
            self.state = self.state._replace(seen=self.state.g)
        else:
            self.wired = WiredReads(self.shape, wires, tiles)
            self.state = self.wired.attach(self.state)
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
        if len(self.state.spared):
            return self.state.spared == 0
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
            finite.
        """
        v = np.asarray(voltages, np.float32)
        if v.ndim == 0 or v.shape[-1] != self.shape[0]:
            raise ParameterError(
                f"Crossbar.read: voltages must have {self.shape[0]} values on the last axis, one "
                f"per word line (got shape {v.shape})"
            )
        if not np.isfinite(v).all():
            raise ParameterError("Crossbar.read: voltages must be finite")
        ohmic = self.device.read_equivalent(v)
        currents = ohmic @ self.seen
        if noise and self.pulse.sum_sigma:
            sigma = self.pulse.sum_sigma * np.sqrt(self._connected_sum(ohmic**2))
            currents += sigma * self._read_noise.standard_normal(currents.shape, np.float32)
        if signed:
            currents -= self._reference_currents(ohmic)
        self._book_read(v, ohmic, signed)
        return currents

    def read_spikes(
        self, spikes: ArrayLike, *, signed: bool = False, noise: bool = True
    ) -> NDArray:
        """Return the bit-line currents with `v_read` on the word lines whose `spikes` are true."""
        return self.read(self.device.v_read * np.asarray(spikes, bool), signed=signed, noise=noise)

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
        from cbramsim.simulator.wires.spice import to_spice  # imports much, is rarely asked for

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
        v, tiles = np.asarray(voltages, np.float64), list(self.wired.layout)
        if v.shape != self.shape[:1] or not np.isfinite(v).all():
            raise ParameterError(
                f"Crossbar.{method}: voltages must be {self.shape[0]} finite values, one per word "
                f"line (got shape {v.shape})"
            )
        if not 0 <= tile < len(tiles):
            raise ParameterError(
                f"Crossbar.{method}: tile must be >= 0 and < {len(tiles)} (got {tile})"
            )
        rows, columns = tiles[tile]
        g = self.state.g[rows, columns].astype(np.float64)
        terminals = Terminals.product(v[rows], g.shape[1], self.wired.wires)
        return g, terminals, self.wired.wires

    def _reference_currents(self, v: NDArray) -> NDArray:
        """Return what each bit line is compared with: the reference less its disconnected cells."""
        return self.device.g_mid * self._connected_sum(v)

    def _connected_sum(self, x: NDArray) -> NDArray:
        """Return the sum of `x` over the word lines to which each bit line is connected."""
        if len(self.state.spared):
            return x @ self.connected.astype(np.float32)
        return x.sum(axis=-1, keepdims=True)

    def _book_read(self, v: NDArray, ohmic: NDArray, signed: bool) -> None:
        """Book a read at the voltages `v`, at which the currents are those at `ohmic` V."""
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
        if self.wired is None:
            add(self.phase, Operation.CELL_READ, cells, t_read * power @ self.state.row_sum)
        else:
            in_cells, in_lines = self.wired.power(self.state.g, v.reshape(-1, self.shape[0]))
            add(self.phase, Operation.CELL_READ, cells, t_read * in_cells)
            add(self.phase, Operation.READ_WIRE, cells, t_read * in_lines)
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
        asked = np.asarray(pulses)
        if not np.issubdtype(asked.dtype, np.integer) or np.abs(asked).max(initial=0) > MAX_PULSES:
            raise ParameterError(
                f"Crossbar.program: pulses must be whole numbers, >= -{MAX_PULSES} and "
                f"<= {MAX_PULSES} (got {pulses!r})"
            )
        counts = _one_per_row("program: pulses", asked.astype(np.int64), row_list)
        program_column(
            self.state, self.pulse, self.program_costs(), column, row_list, counts,
            int(Operation.PROGRAM_PULSE), self.pulse_stream, self.ledger.account(self.phase),
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
        targets = self._checked_targets("program_to", target, row_list)
        missed = program_to(
            self.state, self.pulse, self.program_costs(), column, row_list, targets, self._span,
            int(operation), self.pulse_stream, self.ledger.account(self.phase),
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
        asked = np.atleast_1d(np.asarray(pulses))
        if not np.issubdtype(asked.dtype, np.integer) or np.abs(asked).sum() > MAX_TRACED:
            raise ParameterError(
                f"Crossbar.pulse_train: pulses must be whole numbers, {MAX_TRACED} pulses at most "
                f"(got {pulses!r})"
            )
        train = np.repeat(np.sign(asked), np.abs(asked)).astype(np.int8)
        trace = empty_trace(self._checked_cells("pulse_train", cells), train.size)
        trace_trains(
            self.state, self.pulse, self.program_costs(), train, sense, self.pulse_stream,
            self.ledger.account(self.phase), trace,
        )  # fmt: skip
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
        if tolerance is not None and not 0 <= tolerance <= self.device.g_max:
            raise ParameterError(
                f"Crossbar.write_verify: tolerance must be >= 0 and <= {self.device.g_max:g} S, "
                f"the g_max of the device (got {tolerance!r})"
            )
        most = self._span if budget is None else budget
        if not (isinstance(most, int | np.integer) and 0 <= most <= MAX_TRACED):
            raise ParameterError(
                f"Crossbar.write_verify: budget must be a whole number >= 0 and <= {MAX_TRACED} "
                f"(got {budget!r})"
            )
        if corrections not in get_args(Corrections):
            raise ParameterError(
                f"Crossbar.write_verify: corrections must be one of "
                f"{', '.join(get_args(Corrections))} (got {corrections!r})"
            )
        trace, reached = empty_trace(checked, int(most)), np.zeros(len(checked), np.bool_)
        write_cells(
            self.state, self.pulse, self.program_costs(), targets,
            -1.0 if tolerance is None else float(tolerance), corrections == "train",
            self.pulse_stream, self.ledger.account(self.phase), trace, reached,
        )  # fmt: skip
        self.settle()
        final = self.conductance[checked[:, 0], checked[:, 1]]
        return Writing(trace, targets, reached, final, self.device.g_range)

    def set_conductance(self, conductance: ArrayLike) -> None:
        """Put every cell into a given state (S), clipped to its window; not booked.

        This is how an array comes from the factory or from a file, not an operation of it.
        """
        wanted = np.broadcast_to(np.asarray(conductance, np.float32), self.shape)
        if not np.isfinite(wanted).all():
            raise ParameterError("Crossbar.set_conductance: values must be finite")
        low, high = self.state.cells[..., G_LOW].T, self.state.cells[..., G_HIGH].T
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

    def set_weights(self, weights: ArrayLike) -> None:
        """Put every cell at a given weight, as `set_conductance`."""
        self.set_conductance(self.device.conductance_of(np.asarray(weights, np.float64)))

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
        total = seconds + 3600 * hours + 86400 * days + YEAR * years
        if not 0 <= total <= LONGEST_WAIT:
            raise ParameterError(
                f"Crossbar.wait: time must be >= 0 and <= {LONGEST_WAIT:g} s (got {total:g})"
            )
        self.advance(total, celsius)
        self.clock.settle()

    def advance(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass at work: as `wait`, but cells age only once it makes a difference."""
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
            settle_all(self.state, self.pulse, self.pulse_stream)
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
        self.state = self.state._replace(spared=np.zeros((0, self.shape[1]), np.float32))
        self.state.n_connected[:] = self.shape[1]
        if not connected.all():
            self._take_out(~connected)
        self._conductance_changed()
        self.state.row_sum[:] = row_sum

    def _checked_lines(self, method: str, column: int, rows: ArrayLike) -> NDArray[np.int64]:
        """Return `rows` as an array, after a check that all lines exist."""
        row_list = np.atleast_1d(np.asarray(rows))
        if not 0 <= column < self.shape[1]:
            raise ParameterError(
                f"Crossbar.{method}: column must be >= 0 and < {self.shape[1]} (got {column})"
            )
        if row_list.size and not (
            np.issubdtype(row_list.dtype, np.integer)
            and row_list.min() >= 0
            and row_list.max() < self.shape[0]
        ):
            raise ParameterError(
                f"Crossbar.{method}: rows must be whole numbers >= 0 and < {self.shape[0]} "
                f"(got {rows!r})"
            )
        return row_list.astype(np.int64)

    def _checked_cells(self, method: str, cells: ArrayLike) -> NDArray[np.int64]:
        """Return `cells` as int64[cells, 2], after a check that all exist."""
        pairs = np.asarray(cells)
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
                f"{self.shape[1]} bit lines (got {cells!r})"
            )
        return pairs.astype(np.int64)

    def _checked_targets(
        self, method: str, target: ArrayLike, rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return a target (S) for each of `rows`, after a check that it can be meant."""
        targets = np.asarray(target, np.float64)
        highest = 2 * self.device.g_max
        if not ((targets >= 0) & (targets <= highest)).all():
            raise ParameterError(
                f"Crossbar.{method}: target must be >= 0 and <= {highest:g} S, twice the g_max "
                f"of the device (got {target!r})"
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
        passive, thirds = float(self.access == "passive"), self.scheme == "V/3"
        part = 1 / 3 if thirds else 1 / 2
        both_lines = device.c_cell * (rows + columns) * (0.25 if passive else 1)
        if thirds:
            both_lines += device.c_cell * (2 * rows * columns - rows - columns) / 36
        v_set, v_reset, widths = device.v_set, device.v_reset, device.t_set / device.t_reset
        return ProgramCosts(
            line_set=both_lines * device.v_set**2,
            line_reset=both_lines * device.v_reset**2,
            sense=self.periphery.e_word_line
            + device.c_cell * columns * device.v_read**2
            + SENSED_BITS * self.periphery.e_sense,
            half_set=device.v2t(part * device.v_set, device.t_set) * passive,
            half_reset=device.v2t(part * device.v_reset, device.t_reset) * passive,
            thirds=thirds,
            part_set=device.part_of_step(part * v_set, v_set),
            part_reset=device.part_of_step(part * v_reset, v_reset),
            across_set=thirds * widths * device.part_of_step(v_set / 3, v_reset),
            across_reset=thirds / widths * device.part_of_step(v_reset / 3, v_set),
        )

    def _take_out(self, mask: NDArray[np.bool_]) -> None:
        """Disconnect the cells of `mask`, bool[rows, columns]."""
        if not len(self.state.spared):
            self.state = self.state._replace(spared=np.zeros(self.shape, np.float32))
        self.state.g[mask] = 0
        self.state.spared[mask] = self.device.g_mid
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


def _checked_shape(shape: tuple[int, int]) -> tuple[int, int]:
    try:
        rows, columns = (int(n) for n in shape)
        valid = rows > 0 and columns > 0 and (rows, columns) == tuple(shape)
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ParameterError(
            f"Crossbar.shape: must be two whole numbers > 0, word lines and bit lines "
            f"(got {shape!r})"
        )
    return rows, columns
