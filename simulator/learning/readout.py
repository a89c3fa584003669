r"""Circuits from the bit lines of tiles to the potentials of neurons: converters and partial sums.

Without converters the neurons compare the currents directly. With them, the current of each bit
line of each tile, less that of its reference column, is converted; a digital adder sums the tiles:

.. math:: \sum_{tiles} \mathrm{ADC}\Big[\sum_{i \in tile} y_i (G_{ik} - G_{mid})\Big].
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.validation import Parameters, zero_or_from
from cbramsim.core.verbs import convert, implements, sum_cells
from cbramsim.simulator.circuits.adc import Adc, Conversion, Converters, check_range, convert_rows
from cbramsim.simulator.circuits.prices import AdcSource, Price, conversion_price
from cbramsim.simulator.energy.ledger import Operation

ADC_CONVERSION = int(Operation.ADC_CONVERSION)
SHIFT_ADD = int(Operation.SHIFT_ADD)


class Readout(Parameters):
    """Circuit between bit lines and neurons."""

    adc_bits: Annotated[int, Field(ge=0, le=12)] = 0
    """Resolution of the converters at the bit lines of each tile; 0 for none."""
    full_scale: Annotated[float, Field(ge=0, le=1), zero_or_from(1e-18), "S"] = 0.0
    """Range of a converter around zero, as a sum of conductances less the reference, S; 0 for
    the largest that the mean spikes of any training image can give."""
    offset_d2d: Annotated[float, Field(ge=0, le=4096)] = 0.0
    """Standard deviation of the offset from converter to converter, LSB."""
    inl: Annotated[float, Field(ge=0, le=4096)] = 0.0
    """Peak integral nonlinearity, LSB."""
    dnl: Annotated[float, Field(ge=0, le=4096)] = 0.0
    """Root mean square of the error of a code's width, LSB."""
    adc_source: AdcSource = "isaac"
    """Source of the price of a converter: isaac, mnsim, accelergy-32nm, survey-median, ..."""

    def price(self) -> Price:
        """Return the price of one conversion, J."""
        return conversion_price(self.adc_bits, self.adc_source)

    def converter(self, most_active: float, tile_rows: int, g_range: float) -> Adc:
        """Return the converter of a bit line.

        Parameters
        ----------
        most_active
            Most word lines of a tile that are active together, on average.
        tile_rows
            Word lines of a tile.
        g_range
            Window of the device, S: a cell contributes up to half of it, with either sign.
        """
        full_scale = self.full_scale or max(most_active, 1.0) * g_range
        adc = Adc(
            bits=self.adc_bits, full_scale=full_scale, minimum=-0.5 * full_scale,
            offset_d2d=self.offset_d2d, inl=self.inl, dnl=self.dnl,
        )  # fmt: skip
        check_range(adc, tile_rows * g_range, signal_step=g_range)
        return adc


class Direct(NamedTuple):
    """Direct comparison of the currents by the neurons."""


class Converted(NamedTuple):
    """Conversion of the currents of each tile, and addition of the tiles."""

    starts: NDArray[np.int64]
    """First row of each tile, and the end of the last, int64[tiles + 1]."""
    minimum: np.float32
    """Value of code 0, S."""
    lsb: np.float32
    """Distance of two codes, S."""
    conversion: Conversion
    """Conversion of conductances, S, to codes."""
    of_column: NDArray[np.uint32]
    """Converter of each bit line, uint32[tiles, columns]."""


def converted(adc: Adc, starts: NDArray[np.int64], columns: int, seed: int) -> Converted:
    """Return the read-out by an `adc` at each of `columns` bit lines of tiles from `starts` on."""
    tiles = len(starts) - 1
    converters = Converters(adc, tiles * columns, seed)
    return Converted(
        starts, np.float32(adc.minimum), np.float32(adc.lsb), converters.conversion,
        converters.of_column.reshape(tiles, columns),
    )  # fmt: skip


@implements(convert, Direct)
def _(readout, array, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    sum_cells(array, work.rows, n_active, work.currents, work, stream)
    return np.float32(n_active * array.pulse.g_mid)


@implements(convert, Converted)
def _(readout, array, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    currents, part, codes = work.currents, work.partial[0], work.codes
    columns = currents.size
    tiles = readout.starts.size - 1
    currents[:] = 0
    first = 0
    for t in range(tiles):
        last = first
        while last < n_active and work.rows[last] < readout.starts[t + 1]:
            last += 1
        n = last - first
        sum_cells(array, work.rows[first:], n, part, work, stream)
        reference = np.float32(n * array.pulse.g_mid)
        for k in range(columns):
            part[k] -= reference
        convert_rows(work.partial, readout.conversion, readout.of_column[t], codes)
        for k in range(columns):
            currents[k] += readout.minimum + readout.lsb * np.float32(codes[0, k])
        first = last
    account.counts[ADC_CONVERSION] += tiles * columns
    account.counts[SHIFT_ADD] += (tiles - 1) * columns
    return np.float32(0)
