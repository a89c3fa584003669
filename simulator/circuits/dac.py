r"""Encoding of a number on a word line: by amplitude, duration, number of pulses, or bit by bit.

An input x between 0 and 1 becomes the code k of `bits` bits nearest to :math:`x (2^b - 1)`. In each
encoding a product is a number of reads, each with a mean voltage on every word line, and a weight
for each read with which its result is added (shift-and-add):

=============  =====  ==============  ====================================  ===================
encoding       reads  slots per read  word line                             weight of read r
=============  =====  ==============  ====================================  ===================
`amplitude`    1      1               one pulse of k / (2^b - 1) v_read     1
`duration`     1      2^b - 1         v_read during k slots                 1
`count`        1      2^b - 1         k pulses of v_read, a slot each       1
`bit-serial`   b      1               v_read where bit r of k is 1          2^r / (2^b - 1)
=============  =====  ==============  ====================================  ===================

The sense circuit integrates the current of a read and divides by its slots, so that all four give
the product with the voltages k / (2^b - 1) v_read. In all but the first, a cell sees only 0 or
`v_read`: the product is exact for cells of any current-voltage law. `duration` and `count` differ
in the energy of the drivers.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.validation import Parameters
from cbramsim.simulator.circuits.prices import Price, activation_price

Kind = Literal["amplitude", "duration", "count", "bit-serial"]


class InputEncoding(Parameters):
    """Encoding of inputs on the word lines."""

    kind: Kind = "bit-serial"
    """Carrier of the number: the `amplitude` or `duration` of a pulse, the `count` of pulses, or
    one read per bit, `bit-serial`."""
    bits: Annotated[int, Field(ge=1, le=16)] = 8
    """Resolution of an input."""
    v_read: Annotated[float, Field(ge=1e-6, le=10), "V"] = 0.1
    """Highest voltage on a word line, V."""
    t_slot: Annotated[float, Field(ge=1e-15, le=1), "s"] = 10e-9
    """Shortest pulse, s (assumed)."""

    @property
    def top(self) -> int:
        """Highest code."""
        return 2**self.bits - 1

    @property
    def reads(self) -> int:
        """Number of reads of the array for one product, and of conversions of each column."""
        return self.bits if self.kind == "bit-serial" else 1

    @property
    def slots(self) -> int:
        """Number of slots of one read."""
        return self.top if self.kind in ("duration", "count") else 1

    @property
    def latency(self) -> float:
        """Duration of the reads of one product, without conversion, s."""
        return self.reads * self.slots * self.t_slot

    def codes(self, inputs: ArrayLike) -> NDArray[np.int64]:
        """Return the codes of `inputs`, numbers between 0 and 1."""
        x = np.asarray(inputs, np.float64)
        if not ((x >= 0) & (x <= 1)).all():
            raise ParameterError("InputEncoding.codes: inputs must be numbers >= 0 and <= 1")
        return np.rint(x * self.top).astype(np.int64)

    def voltages(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean voltages of each read, float32[reads, ..., rows], V."""
        if self.kind == "bit-serial":
            return np.float32(self.v_read) * self._bits_of(codes).astype(np.float32)
        return np.asarray(codes[None] * (self.v_read / self.top), np.float32)

    def combine(self, results: NDArray) -> NDArray[np.float64]:
        """Shift and add: return the product from the results of each read, [reads, ...]."""
        return np.tensordot(self._weights(), results, axes=1)

    def activations(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of activations of the driver of each word line, int64[..., rows]."""
        if self.kind == "count":
            return codes
        if self.kind == "bit-serial":
            return self._bits_of(codes).sum(axis=0)
        return (codes > 0).astype(np.int64)

    @property
    def most_activations(self) -> int:
        """Largest number of activations of the driver of one word line, for one product."""
        return int(self.activations(np.array([self.top]))[0])

    def activation_price(self, source: str = "isaac") -> Price:
        """Return the energy of one activation of a driver, J: with all bits only for
        `amplitude`."""
        return activation_price(self.bits if self.kind == "amplitude" else 1, source)

    def _weights(self) -> NDArray[np.float64]:
        if self.kind == "bit-serial":
            return 2.0 ** np.arange(self.bits) / self.top
        return np.ones(1)

    def _bits_of(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bits of `codes`, the lowest first, int64[bits, ...]."""
        return np.stack([(codes >> r) & 1 for r in range(self.bits)])
