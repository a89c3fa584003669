r"""Weights in b binary cells each, read by bit slices, and learned by the same rule.

The reference experiment kept its weights in a 512-kbit array (Shi et al. 2018); number
of bits, read-out and write circuits are not published, so all choices here are assumed.

A weight is an unsigned code :math:`c = 0 \ldots 2^b - 1`, :math:`w = 2 c / (2^b - 1) - 1`. Bit k is
stored in one cell, at its own lowest or highest conductance. All planes share the word lines; each
has its own bit lines, so that b N bit lines serve N neurons.
"""

from cbramsim.simulator.array.binary.bit_errors import BitErrors
from cbramsim.simulator.array.binary.crossbar import BinaryCrossbar
from cbramsim.simulator.array.binary.parameters import (
    BinaryWeights,
    Capacity,
    capacity,
)
from cbramsim.simulator.array.binary.slices import BinarySlices

__all__ = [
    "BinaryCrossbar",
    "BinarySlices",
    "BinaryWeights",
    "BitErrors",
    "Capacity",
    "capacity",
]
