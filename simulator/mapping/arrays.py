r"""`MatrixArrays`: the matrix of one layer in physical arrays, and products with it.

With the weights in parts of a scale, :math:`w_{ik} = W_{ik} / s_k`, an input :math:`x_i` becomes a
level :math:`u_i = (x_i - a) / r` between 0 and 1, and the array gives

.. math:: \sum_i W_{ik} x_i = s_k r \sum_i w_{ik} u_i + s_k a \sum_i w_{ik}.

The first sum is the current of a bit line less that of the other side, or of the reference; the
second one is known in advance. Bit by bit, each read has its own noise and conversion; without
converters all bits have one sum, whose noise is drawn at once: normal, with the variance of the
weighted sum of all reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator, stream
from cbramsim.devices.device import Device
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.prices import conversion_price
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.lines import Tiles
from cbramsim.simulator.lines.tiles import shared_out
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.layers import Floats
from cbramsim.simulator.mapping.levels import ONES, SQUARES, Levels
from cbramsim.simulator.mapping.reading import NO_CONVERTERS, Chain, Seen, chain_of, finish, seen_of

BLOCK = 1 << 18
"""Approximate number of sums made at a time, which remain in the processor's cache."""
SAMPLE = 5_000
"""Number of rows of inputs from which ranges are found."""


class MatrixArrays:
    """Matrix of one layer in arrays, one below the other where one has too few word lines.

    Attributes
    ----------
    weights
        Target weights, in parts of `scale`, float32[inputs, outputs].
    scale
        Weight at the end of the window, float64[outputs].
    arrays
        Arrays from top to bottom, `Crossbar` or `SynapseCrossbar`.
    missed
        Weights that verification has given up.
    ledger
        Every event and its energy, by phase.
    """

    def __init__(
        self, matrix: Floats, config: MappingConfig, device: Device, periphery: Periphery,
        number: int,
    ) -> None:  # fmt: skip
        """Write the weights of layer `number` into new cells."""
        self.config, self.device, self.periphery = config, device, periphery
        self.ledger, self.missed = EnergyLedger(), 0
        self.scale = scale_of(matrix, config)
        parts = np.divide(matrix, self.scale, out=np.zeros(matrix.shape), where=self.scale > 0)
        self.weights = np.clip(parts, -1, 1).astype(np.float32)
        rows, columns = self.weights.shape
        self.starts = shared_out(rows, config.tiles.rows)
        self._noise = stream(config.seed, "reads of a mapped layer", number)
        self._seeds = generator(config.seed, "mapped layer", number).integers(
            2**62, size=(2, len(self.starts) - 1)
        )
        self.arrays = [
            self._array((int(n), columns), int(seed))
            for n, seed in zip(np.diff(self.starts), self._seeds[0], strict=True)
        ]
        for array, weights in zip(self.arrays, self._parts(self.weights), strict=True):
            self.missed += write(array, weights, config)
        self.levels = Levels(0.0, 1.0, config.input_bits)
        self._together = [np.eye(n if config.wires else 0) for n in np.diff(self.starts)]
        self._chains = [NO_CONVERTERS] * len(self.arrays)
        self.see()

    def __repr__(self) -> str:
        """Return a short description."""
        rows, columns = self.weights.shape
        return f"MatrixArrays({rows} x {columns} weights, {self.cells:,} cells)"

    @property
    def written(self) -> Floats:
        """Present weights, in parts of `scale`, float32[inputs, outputs]."""
        return np.concatenate([array.weights for array in self.arrays])

    @property
    def cells(self) -> int:
        """Cells in all arrays, without those of references."""
        return sum(array.state.g.size for array in self.arrays)

    def _array(self, shape: tuple[int, int], seed: int) -> Crossbar | SynapseCrossbar:
        config = self.config
        built: Built = {
            "access": config.access,
            "tiles": Tiles(columns=config.tiles.columns),
            "wires": config.wiring if config.wires else None,
        }
        rest = (seed, self.periphery, self.ledger)
        if config.synapse.several:
            return SynapseCrossbar(self.device, shape, config.synapse, *rest, **built)
        return Crossbar(self.device, shape, *rest, **built)

    def _parts(self, rows: NDArray) -> list[NDArray]:
        """Return the part of each array of a quantity by row."""
        return np.split(rows, self.starts[1:-1])

    # ---- before they are used ------------------------------------------------------------------

    def calibrate(self, inputs: Floats) -> None:
        """Find the ranges of inputs and converters.

        Parameters
        ----------
        inputs
            float32[n, inputs], activations of calibration images; `SAMPLE` of them are enough.
        """
        config = self.config
        self.levels = Levels.of(inputs, config.input_bits, config.percentile)
        parts = self._parts_of(self.levels.codes(inputs))
        if config.wires:
            self._together = [self._on_together(codes) for codes in parts]
        self.see()
        if not config.readout.adc_bits:
            return
        largest = 0.5 * config.readout.full_scale
        largest = largest or max(map(self._largest_sum, parts, self._seen))
        self._chains = [
            chain_of(config, largest, self.weights.shape[1], int(seed)) for seed in self._seeds[1]
        ]

    def _on_together(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability that two word lines are on together in calibration, float64[rows,
        rows]."""
        total = np.zeros((codes.shape[1], codes.shape[1]))
        for _, levels in self._reads(codes):
            total += levels.T @ levels
        return total

    def _largest_sum(self, codes: NDArray[Any], seen: Seen) -> float:
        """Return the size of the sums that converters must hold, S."""
        sums = [(levels @ seen.signed).ravel() for _, levels in self._reads(codes)]
        sizes = np.abs(np.concatenate(sums))
        if not sizes.any():
            return self.device.g_range
        return float(np.percentile(sizes[sizes > 0], self.config.percentile, method="higher"))

    def see(self) -> None:
        """Update the conductances that reads see."""
        self._seen = [
            seen_of(array, self.config, together)
            for array, together in zip(self.arrays, self._together, strict=True)
        ]

    # ---- at work -------------------------------------------------------------------------------

    def product(self, inputs: Floats, phase: str) -> Floats:
        """Return the product of inputs with the matrix, as the arrays give it; booked.

        Parameters
        ----------
        inputs
            float32[n, inputs].
        phase
            Phase of the ledger.

        Returns
        -------
        float32[n, outputs]
        """
        codes, columns = self.levels.codes(inputs), self.weights.shape[1]
        sums = np.zeros((len(codes), columns), np.float32)
        at_once = max(1, BLOCK // max(columns, codes.shape[1]))
        for start in range(0, len(codes), at_once):
            part = codes[start : start + at_once]
            into = sums[start : start + at_once]
            for n, block in enumerate(self._parts_of(part)):
                self._read(n, block, into, phase)
        account = self.ledger.account(phase)
        reads = self.config.input_bits if self._bit_by_bit else 1
        additions = reads - 1 + reads * (len(self.arrays) - 1)
        account.counts[Operation.SHIFT_ADD] += (additions + 1) * sums.size  # and the bias
        self._price(phase)
        factor = 2 / self.device.g_range * self.levels.span * self.scale
        known = self.levels.low * self.scale * self.weights.sum(axis=0, dtype=np.float64)
        return sums * factor.astype(np.float32) + known.astype(np.float32)

    @property
    def _bit_by_bit(self) -> bool:
        return self.config.encoding == "bits"

    def _parts_of(self, codes: NDArray) -> list[NDArray]:
        """Return the part of each array of inputs, [n, rows]."""
        return np.split(codes, self.starts[1:-1], axis=1)

    def _reads(self, codes: NDArray[Any]) -> Iterator[tuple[float, Floats]]:
        """Yield the weight of each read, and its levels on the word lines, float32[n, rows]."""
        if not self._bit_by_bit:
            yield 1.0, self._amplitudes(codes)
            return
        for bit in range(self.levels.bits):
            yield (1 << bit) / self.levels.top, ((codes >> bit) & 1).astype(np.float32)

    def _amplitudes(self, codes: NDArray[Any]) -> Floats:
        """Return levels at which ohmic cells would carry the same currents, float32[n, rows]."""
        levels = codes.astype(np.float32)
        if self.levels.bits:
            levels *= np.float32(1 / self.levels.top)
        if not self.device.v_sinh:
            return levels
        v_read = np.float32(self.device.v_read)
        return (self.device.read_equivalent(v_read * levels) / v_read).astype(np.float32)

    def _read(self, n: int, codes: NDArray[Any], into: Floats, phase: str) -> None:
        """Add the sums of array `n` to `into`, float32[reads, outputs], S."""
        seen, chain = self._seen[n], self._chains[n]
        converted = chain.of_column.size > 0
        conversions = 0
        if self._bit_by_bit and not converted:
            top = self.levels.top
            levels = codes.astype(np.float32) * np.float32(1 / top)
            squares = SQUARES[self.levels.bits][codes] if self._noisy(seen) else None
            self._add(seen, chain, 1.0, levels, squares, into)
        else:
            for weight, levels in self._reads(codes):
                on = levels.any(axis=1)  # where no word line is driven, nothing is read
                driven = np.count_nonzero(on)
                if driven == 0:
                    continue
                conversions += converted * driven * into.shape[1]
                all_on = driven == len(levels)
                levels = levels if all_on else levels[on]
                part = into if all_on else into[on]
                squares = levels if self._bit_by_bit else np.square(levels)
                self._add(seen, chain, weight, levels, squares, part)
                if not all_on:
                    into[on] = part
        self._book(n, codes, conversions, phase)

    @staticmethod
    def _noisy(seen: Seen) -> bool:
        return bool(seen.white or len(seen.each))

    def _add(
        self, seen: Seen, chain: Chain, weight: float, levels: Floats, squares: Floats | None,
        into: Floats,
    ) -> None:  # fmt: skip
        """Add one read, times `weight`, to `into`; `squares` of levels are those of its noise."""
        sums = levels @ seen.signed
        every, each = np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
        if squares is not None and self._noisy(seen):
            every = np.float32(seen.white) * squares.sum(axis=1)
            each = squares @ seen.each if len(seen.each) else each
        finish(sums, (every, each), self._noise, chain, np.float32(weight), into)

    def _book(self, n: int, codes: NDArray[Any], conversions: int, phase: str) -> None:
        array, account = self.arrays[n], self.ledger.account(phase)
        if self._bit_by_bit:
            drives = ONES[codes].sum(axis=0, dtype=np.int64)
            squares = of_lines = drives.astype(np.float64)
        else:
            drives = np.count_nonzero(codes, axis=0)
            of_supply = codes.astype(np.float64) / (self.levels.top if self.levels.bits else 1)
            squares = (of_supply * self._amplitudes(codes)).sum(axis=0)
            of_lines = np.square(of_supply).sum(axis=0)
        charge = self.device.c_cell * array.state.g.shape[1] * self.device.v_read**2
        driver = array.word_line_energy - charge
        in_cells, in_lines = self._seen[n].joules @ squares
        cells = int(drives @ array.state.n_connected)
        account.counts[Operation.WORD_LINE_DRIVE] += drives.sum()
        account.joules[Operation.WORD_LINE_DRIVE] += driver * drives.sum() + charge * of_lines.sum()
        account.counts[Operation.CELL_READ] += cells
        account.joules[Operation.CELL_READ] += in_cells
        if self.config.wires:
            account.counts[Operation.READ_WIRE] += cells
            account.joules[Operation.READ_WIRE] += in_lines
        if not self.config.synapse.pair:
            v2tg = self.device.v2t_read * self.device.g_mid
            account.counts[Operation.REFERENCE_READ] += drives.sum()
            account.joules[Operation.REFERENCE_READ] += v2tg * squares.sum()
        account.counts[Operation.ADC_CONVERSION] += conversions

    def _price(self, phase: str) -> None:
        """Price the events whose energy does not depend on the state of a cell."""
        account, readout = self.ledger.account(phase), self.config.readout
        prices = {Operation.SHIFT_ADD: self.periphery.e_add}
        if readout.adc_bits:
            conversion = conversion_price(readout.adc_bits, readout.adc_source)
            prices[Operation.ADC_CONVERSION] = conversion.value
        for operation, joules in prices.items():
            account.joules[operation] = account.counts[operation] * joules

    # ---- time ----------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let time pass, and compensate drift as configured."""
        for array in self.arrays:
            cells = physical(array)
            cells.phase = "compensation"
            if self.config.compensation != "none":
                cells.note_sums()
            array.wait(seconds, celsius=self.config.celsius)
            if self.config.compensation != "none":
                cells.compensate(self.config.compensation)
        self.see()


def scale_of(matrix: Floats, config: MappingConfig) -> NDArray[np.float64]:
    """Return the weight at the end of the window, float64[outputs]; 0 where all are 0."""
    sizes = np.abs(matrix).astype(np.float64)
    axis = 0 if config.scaling == "column" else None
    scale = np.quantile(sizes, 1 - config.clip, axis=axis)
    scale = np.where(scale > 0, scale, sizes.max(axis=axis))
    return np.broadcast_to(scale, matrix.shape[1:]).copy()


def write(array: Crossbar | SynapseCrossbar, weights: Floats, config: MappingConfig) -> int:
    """Write weights, -1 to 1, into new cells; return the number that verification gave up."""
    cells = physical(array)
    if config.writing != "verify":
        programmed = config.writing == "error"
        if isinstance(array, SynapseCrossbar):
            places = np.moveaxis(config.synapse.places(weights), 0, 2).reshape(cells.shape)
            cells.set_weights(places, clip=True, programmed=programmed)
        else:
            cells.set_weights(weights, clip=True, programmed=programmed)
        return 0
    cells.set_weights(-1.0, clip=True)
    array.phase = "program"
    rows = np.arange(len(weights))
    targets = array.device.conductance_of(weights)
    return sum(array.program_to(k, rows, targets[:, k]) for k in range(weights.shape[1]))
