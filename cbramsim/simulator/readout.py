r"""From the bit lines of tiles to the potentials of neurons: converters and partial sums.

Without converters the neurons compare currents as they are. With them, the current of each bit line
of each tile, less that of its reference column, is converted; a digital adder sums the tiles:

.. math:: \sum_{tiles} \mathrm{ADC}\Big[\sum_{i \in tile} y_i (G_{ik} - G_{mid})\Big].
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.kernels import kernel
from cbramsim.rng import next_word
from cbramsim.simulator.array import add_noise, sum_rows
from cbramsim.simulator.energy import Operation
from cbramsim.simulator.periphery.adc import Adc, Code, Converters, check_range, convert_rows
from cbramsim.simulator.periphery.prices import AdcSource, Price, conversion_price
from cbramsim.validation import Parameters, zero_or_from

ADC_CONVERSION = int(Operation.ADC_CONVERSION)
SHIFT_ADD = int(Operation.SHIFT_ADD)


class Readout(Parameters):
    """How the currents of bit lines reach the neurons."""

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
    """Whose converter is priced: isaac, mnsim, accelergy-32nm, survey-median, ..."""

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
            Window of the device, S: a cell gives half of it, either way.
        """
        full_scale = self.full_scale or max(most_active, 1.0) * g_range
        adc = Adc(
            bits=self.adc_bits, full_scale=full_scale, minimum=-0.5 * full_scale,
            offset_d2d=self.offset_d2d, inl=self.inl, dnl=self.dnl,
        )  # fmt: skip
        check_range(adc, tile_rows * g_range, signal_step=g_range)
        return adc


class Conversion(NamedTuple):
    """The converters of an array of tiles as compiled loops see them."""

    starts: NDArray[np.int64]
    """First row of each tile, and the end of the last, int64[tiles + 1]; empty for none."""
    minimum: np.float32
    """Value of code 0, S."""
    lsb: np.float32
    """Distance of two codes, S."""
    factor: np.float32
    """Codes per siemens."""
    summand: np.float32
    """Code of zero."""
    of_column: NDArray[np.uint32]
    """Converter of each bit line, uint32[tiles, columns]."""
    offsets: NDArray[np.float32]
    """See `Converters`, float32[converters]."""
    edges: NDArray[np.float32]
    """See `Converters`, float32[converters, 2^bits + 1]; no rows if they are ideal."""
    partial: NDArray[np.float32]
    """Memory, float32[1, columns]."""
    codes: NDArray[np.uint16]
    """Memory, uint16[1, columns]."""


def no_conversion() -> Conversion:
    """Return what says that neurons compare currents as they are."""
    nothing = np.zeros((0, 0), np.float32)
    zero = np.float32(0)
    return Conversion(
        np.zeros(0, np.int64), zero, zero, zero, zero, np.zeros((0, 0), np.uint32),
        np.zeros(0, np.float32), nothing, nothing, np.zeros((0, 0), Code),
    )  # fmt: skip


def conversion(adc: Adc, starts: NDArray[np.int64], columns: int, seed: int) -> Conversion:
    """Return the converters of `columns` bit lines of the tiles that begin at `starts`."""
    tiles = len(starts) - 1
    converters = Converters(adc, tiles * columns, seed)
    return Conversion(
        starts, np.float32(adc.minimum), np.float32(adc.lsb), *converters.scale,
        converters.of_column.reshape(tiles, columns), converters.offsets, converters.edges,
        np.zeros((1, columns), np.float32), np.zeros((1, columns), Code),
    )  # fmt: skip


def of_own_memory(chain: Conversion) -> Conversion:
    """Return the same converters for another thread."""
    return chain._replace(partial=chain.partial.copy(), codes=chain.codes.copy())


@kernel
def read_tiles(array, chain, pulse, rows, n_active, g_mid, stream, currents, account):  # type: ignore[no-untyped-def]
    """Write the converted sums of the active rows, less the reference, into `currents`, S.

    Parameters
    ----------
    array, chain, pulse
        `ArrayState`, `Conversion`, `PulseConstants`.
    rows, n_active
        The active word lines, int32[>= n_active], rising.
    g_mid
        Conductance of a reference cell, S.
    stream
        State of the stream "reads".
    currents
        float32[columns], overwritten.
    account
        `Account` to book on.
    """
    columns = currents.size
    tiles = chain.starts.size - 1
    part = chain.partial[0]
    currents[:] = 0
    first = 0
    for t in range(tiles):
        last = first
        while last < n_active and rows[last] < chain.starts[t + 1]:
            last += 1
        n = last - first
        sum_rows(array.seen, rows[first:], n, part)
        if pulse.sum_sigma > 0:
            add_noise(part, pulse.sum_sigma, n, part, 0.0, array.normals, next_word(stream))
        reference = np.float32(n * g_mid)
        for k in range(columns):
            part[k] -= reference
        convert_rows(
            chain.partial, chain.factor, chain.summand, chain.of_column[t], chain.offsets,
            chain.edges, chain.codes,
        )  # fmt: skip
        for k in range(columns):
            currents[k] += chain.minimum + chain.lsb * np.float32(chain.codes[0, k])
        first = last
    account.counts[ADC_CONVERSION] += tiles * columns
    account.counts[SHIFT_ADD] += (tiles - 1) * columns
