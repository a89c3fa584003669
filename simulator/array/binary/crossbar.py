"""`BinaryCrossbar`: weights in binary cells, with the interface of a `Crossbar` to a network."""

from __future__ import annotations

import math
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import instance, whole_numbers
from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.binary.bit_errors import (
    BitErrors,
    count_bit_errors,
    expected_bit_error_rate,
    noise_turns_bits,
)
from cbramsim.simulator.array.binary.parameters import BinaryWeights
from cbramsim.simulator.array.binary.physical import BinaryCells
from cbramsim.simulator.array.binary.slices import (
    REWRITING,
    BinarySlices,
    DigitisedSum,
    NoisyBits,
    NoisySum,
    SensedBits,
    Summed,
    fill_logic,
)
from cbramsim.simulator.array.binary.writing import write_codes
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.cells import (
    AllConnected,
    ArrayState,
    BookedAs,
    Disconnected,
    ProgramCosts,
)
from cbramsim.simulator.array.checks import (
    checked_shape,
    fitted,
)
from cbramsim.simulator.array.ideal_lines import IdealLines
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation


class BinaryCrossbar(PlaneArray):
    """An array of binary cells that holds a code of b bits per weight.

    Attributes
    ----------
    logic
        float32[rows, columns], S: contribution of a weight to a read, see `binary.slices`.
    binary
        The `BinaryWeights`.
    """

    def __init__(
        self,
        device: Device | str,
        shape: tuple[int, int],
        binary: BinaryWeights | None = None,
        seed: int = 0,
        periphery: Periphery | str = "cmos-28nm",
        ledger: EnergyLedger | None = None,
        **built: Unpack[Built],
    ) -> None:
        """Draw the cells and write code 0 everywhere.

        Parameters
        ----------
        device, seed, periphery, ledger
            As for `Crossbar`.
        shape
            (word lines, weights per word line).
        binary
            Storage of weights; 2 bits by default.
        built
            `access`, `scheme`, `wires`, `tiles` of the physical array, as for `Crossbar`. Currents
            of a bit line that runs through several tiles are summed before they are digitised.
        """
        instance("BinaryCrossbar.binary:", binary, BinaryWeights, type(None))
        self.binary = binary or BinaryWeights()
        rows, columns = checked_shape("BinaryCrossbar", shape)
        lines = self.binary.bits * columns
        cells = BinaryCells(device, (rows, lines), seed, periphery, ledger, **built)
        super().__init__(cells, self.binary.bits)
        if self.cells.wired and self.device.v_sinh:
            raise ParameterError(
                "BinaryCrossbar.wires: needs ohmic cells, v_sinh 0: the sums of others saturate, "
                f"and no plane is a part of one sum (got {self.device.v_sinh:g} V)"
            )
        self.logic = np.zeros(shape, np.float32)
        self._seed = seed
        self._gaps: AllConnected | Disconnected = AllConnected()
        self._codes, self._written = np.zeros((2, rows), np.int32)
        self._refresh()
        cells.on_change = self._refresh

    def __repr__(self) -> str:
        """Return a short description of the array."""
        rows, columns = self.shape
        return (
            f"BinaryCrossbar({self.device.name}, {rows} x {columns} weights of "
            f"{self.binary.bits} bits)"
        )

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        return self.card({"bits of a weight": self.binary.bits, "read": self.binary.read})

    # ---- what one sees -------------------------------------------------------------------------

    @property
    def conductance(self) -> NDArray[np.float32]:
        """Logic conductances, float32[rows, columns], S, as on ideal lines; read-only."""
        if self.wired:
            state = self.slices.cells
            return self._with_logic(state._replace(lines=IdealLines())).logic
        view = self.logic.view()
        view.flags.writeable = False
        return view

    @property
    def seen(self) -> NDArray[np.float32]:
        """Logic conductances as exact reads see them, float32[rows, columns], S."""
        if not self.wired:
            return self.conductance
        state = self.slices.cells
        return self._with_logic(
            state._replace(lines=state.lines._replace(seen=self.wired.conductance(state.g)))
        ).logic

    @property
    def codes(self) -> NDArray[np.int64]:
        """Codes as read without noise, int64[rows, columns]."""
        bits = (self.state.g > self.device.g_mid).reshape(self.shape[0], self.binary.bits, -1)
        return np.einsum("rpk,p->rk", bits, 1 << np.arange(self.binary.bits))

    def bit_error_rate(self, reads: int = 1) -> BitErrors:
        """Return the probability that a bit just written is misread, by brute force."""
        return count_bit_errors(self.cells, generator(self._seed, "bit errors"), reads)

    def expected_bit_error_rate(self) -> float:
        """Return the total of `bit_error_rate` in closed form, from the Gaussian tail."""
        return expected_bit_error_rate(self.cells)

    # ---- writing -------------------------------------------------------------------------------

    def set_codes(self, codes: ArrayLike) -> None:
        """Set every weight to a code, int[rows, columns] or one for all; not booked."""
        where = "BinaryCrossbar.set_codes: codes"
        wanted = fitted(where, whole_numbers(where, codes, 0, self.binary.codes - 1), self.shape)
        bits = (wanted[:, None, :] >> np.arange(self.binary.bits)[:, None]) & 1
        low, high = self.state.cells[..., G_LOW].T, self.state.cells[..., G_HIGH].T
        self.cells.set_conductance(np.where(bits.reshape(low.shape), high, low))

    def _put(self, weights: NDArray[np.float64]) -> None:
        self.set_codes(self.binary.code_of(weights))

    def _write(
        self, column: int, rows: NDArray[np.int64], weights: NDArray, booked_as: BookedAs
    ) -> int:
        """Read each code, write the bits that differ, and read it again."""
        return int(
            write_codes(
                self.slices, column, rows, self.binary.code_of(weights), booked_as,
                self.pulse_stream, self.cells.ledger.account(self.phase),
            )
        )  # fmt: skip

    def expect_gaps(self) -> None:
        """Prepare for weights to be taken out, so that loops are compiled for it once."""
        super().expect_gaps()
        if not isinstance(self._gaps, Disconnected):
            self._gaps = Disconnected(np.zeros(self.shape, np.float32), self.device.g_mid)

    # ---- for compiled loops --------------------------------------------------------------------

    @property
    def slices(self) -> BinarySlices:
        """Array in the form of compiled loops."""
        binary, device = self.binary, self.device
        return BinarySlices(
            logic=self.logic,
            cells=self.state._replace(costs=self.program_costs()),
            bits=binary.bits,
            g_min=device.g_min,
            g_mid=device.g_mid,
            g_range=device.g_range,
            unit=device.g_range / (binary.codes - 1),
            write_pulses=binary.write_pulses,
            inhibited=self.state.inhibited,
            codes=self._codes,
            written=self._written,
            sense_bit=self.periphery.e_sense,
            gaps=self._gaps,
            booked_as=REWRITING,
            sensed=binary.read == "sensed",
        )

    for_loops = slices

    def at_rest(self, together: NDArray[np.float64]) -> BinarySlices:
        """Return the array for reads without changes of weights; `together` as in `follow`."""
        slices = self.slices
        if not self.wired:
            return slices
        return self._with_logic(self.wired.at_rest(slices.cells, self._at_once(together)))

    def follow(self, together: NDArray[np.float64], bound: float, threads: int) -> None:
        """Record a step of learning, as `Crossbar.follow`."""
        super().follow(self._at_once(together), bound, threads)
        if self.wired:
            self._refresh()

    def _at_once(self, together: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability that two word lines are driven in one read, see `follow`.

        Bits are sensed row by row.
        """
        if self.binary.read == "sensed" and together is not None:
            return np.diag(np.diag(together))
        return together

    def _with_logic(self, cells: ArrayState) -> BinarySlices:
        """Return the array with other `cells`, and logic conductances of its own."""
        slices = self.slices._replace(cells=cells, logic=np.empty_like(self.logic))
        fill_logic(slices)
        return slices

    def readout(self) -> Summed | NoisySum | DigitisedSum | SensedBits | NoisyBits:
        """Return the conversion of bits into the sums that neurons compare, for compiled loops."""
        binary, sigma = self.binary, self.pulse.sum_sigma
        if binary.read == "sensed":
            return NoisyBits() if self._bits_turn else SensedBits()
        if binary.adc_bits:
            steps = 2**binary.adc_bits
            return DigitisedSum(step=self.shape[0] / steps, top=0.5 * steps)
        planes = math.sqrt(sum(4**plane for plane in range(binary.bits)))
        return NoisySum(sigma * planes / (binary.codes - 1)) if sigma else Summed()

    @property
    def prices(self) -> tuple[tuple[Operation, float], ...]:
        """Events of a read whose energy does not depend on the cells, with that energy, J."""
        return (
            (Operation.ADC_CONVERSION, self.binary.conversion_price(self.shape[0]).value),
            (Operation.SHIFT_ADD, self.periphery.e_add),
            (Operation.BIT_SENSE, self.periphery.e_sense),
        )

    def program_costs(self) -> ProgramCosts:
        """Return the state-independent energies of writing.

        `sense` is for all bits of a weight: they share a word line, which is driven once.
        """
        sense = self.word_line_energy + self.binary.bits * self.periphery.e_sense
        return super().program_costs()._replace(sense=sense)

    def settle(self) -> None:
        """Fix every cell that has received as many pulses as it survives at its present state."""
        super().settle()
        if self.disturbs:
            self._refresh()

    def restore_lines(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the conductances that reads see behind resistive lines, if there are any."""
        super().restore_lines(arrays)
        if self.wired:
            self._refresh()

    def _refresh(self) -> None:
        """Update everything that is derived from the cells."""
        if isinstance(self._gaps, Disconnected):
            self._gaps.spared[:] = self.state.gaps.spared[:, : self._columns]
        fill_logic(self.slices)
        self._bits_turn = self.binary.read == "sensed" and noise_turns_bits(self.cells)
