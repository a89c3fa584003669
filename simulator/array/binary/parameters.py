"""Storage of weights in binary cells, requests of the controller, and capacity of arrays."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.arguments import whole
from cbramsim.core.validation import Parameters
from cbramsim.simulator.circuits.prices import AdcSource, Price, conversion_price

MOST_BITS = 8
"""Most bits of a weight: as many codes as `choose_pulses` distinguishes."""


class BinaryWeights(Parameters):
    """Weights as unsigned codes in binary cells (all assumed)."""

    bits: Annotated[int, Field(ge=1, le=MOST_BITS)] = 2
    """Bits of a weight, one cell each."""
    read: Literal["summed", "sensed"] = "summed"
    """Read-out of the bits: `summed`: the active rows' currents sum on the bit line of each plane,
    are compared with the reference, digitised, shifted and added; `sensed`: row by row, each bit is
    sensed and digital adders sum the codes."""
    adc_bits: Annotated[int, Field(ge=0, le=16)] = 0
    """Resolution of the converters of `summed`, whose range is half of all rows either way. 0 is
    exact: nothing is rounded, at the price of as many bits as distinguish all counts of rows."""
    adc_source: AdcSource = "isaac"
    """Source of the price of a converter: a key of `ADC_PRICES`, as for `Readout`."""
    rule_at: Literal["code", "midpoint"] = "midpoint"
    """Weight at which potentiation is evaluated: that of the present `code`; or the `midpoint`
    between it and the next one, so that neighbouring codes are equally likely at a weight midway
    between them if the rule balances there. It matters where a step of the code is large: the rule
    at code 0 of 1 bit, weight -1, knows nothing of the bound +1."""
    write_pulses: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pulses of a binary write, at the set or reset voltage and width of the device, that together
    switch the cell completely from any state."""

    @property
    def codes(self) -> int:
        """Number of codes."""
        return 1 << self.bits

    def code_of(self, weight: NDArray) -> NDArray[np.int64]:
        """Return the code nearest to a weight, int64[...]."""
        top = self.codes - 1
        return np.rint(0.5 * (np.clip(weight, -1, 1) + 1) * top).astype(np.int64)

    def weight_of(self, code: NDArray) -> NDArray[np.float64]:
        """Return the weight of a code, float64[...]."""
        return 2 * np.asarray(code, np.float64) / (self.codes - 1) - 1

    def adc_resolution(self, rows: int) -> int:
        """Return the bits of a converter: as configured, or enough for any count of `rows`."""
        return self.adc_bits or max(math.ceil(math.log2(rows + 1)), 1)

    def conversion_price(self, rows: int) -> Price:
        """Return the price of one conversion on a bit line with `rows` cells, J."""
        return conversion_price(self.adc_resolution(rows), self.adc_source)


class Capacity(NamedTuple):
    """Capacity of an array of a given size."""

    cells: int
    """Binary cells of the array."""
    needed: int
    """Cells that the network needs: bits x inputs x neurons."""
    neurons: int
    """Neurons that fit."""
    bits: int
    """Bits per weight with which all neurons would fit; 0 if not even one does."""
    arrays: int
    """Arrays that the network needs."""

    @property
    def fits(self) -> bool:
        """Whether the network fits into one array."""
        return self.needed <= self.cells


def capacity(bits: int, inputs: int = 397, neurons: int = 500, kbit: int = 512) -> Capacity:
    """Return the capacity of an array of `kbit` x 1024 binary cells.

    Raises
    ------
    ParameterError
        If an argument is not a whole number above 0.
    """
    for name, value in (("bits", bits), ("inputs", inputs), ("neurons", neurons), ("kbit", kbit)):
        whole(f"capacity.{name}:", value, 1)
    cells, weights = 1024 * kbit, inputs * neurons
    return Capacity(
        cells=cells,
        needed=bits * weights,
        neurons=cells // (bits * inputs),
        bits=cells // weights,
        arrays=-(-bits * weights // cells),
    )
