"""`Synapses`: weights in several cells in the form of compiled loops, and their reads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import part
from cbramsim.core.verbs import convert, implements, read, sum_cells
from cbramsim.devices.pulses import PulseConstants
from cbramsim.simulator.array.cells import ArrayState, BookedAs, book_rows_read
from cbramsim.simulator.array.synapse.turns import Orders


class Never(NamedTuple):
    """No renewal of weights."""


class Refresh(NamedTuple):
    """Renewal of the weights of a pair with one side nearly full and the other not empty."""

    every: int
    """Updates of a neuron in between."""
    above: float
    """Lower limit of a cell that counts as nearly full, as a part of the window."""
    empty: float
    """Upper limit of a cell that counts as empty."""


class Transfer(NamedTuple):
    """Transfer of the learned weight to the more significant cells."""

    every: int
    """Updates of a neuron in between."""


class Budget(NamedTuple):
    """Most pulses with which a cell is brought to its place."""

    there: int
    """Pulses from any state."""
    down: int
    """Pulses to the lowest conductance."""


class Synapses(NamedTuple):
    """Weights in several cells, for compiled loops."""

    cells: ArrayState
    """Physical cells, rows x (columns x planes): those of a weight are neighbours."""
    parts: NDArray[np.float32]
    """Signed part of each cell in a weight, float32[planes]."""
    share: float
    """Part of a weight in all cells that learn."""
    written: int
    """Number of cells of a weight that learn: the first planes."""
    references: int
    """Reference cells on a word line: none where weights are pairs."""
    writing: Any
    """Choice of the cells that get pulses: see `synapse.turns`."""
    renewal: Any
    """Renewal of weights: `Never`, `Refresh` or `Transfer`."""
    updates: NDArray[np.int64]
    """Updates of each neuron, int64[columns], from which its turn follows."""
    orders: Orders
    """Memory of one update."""
    steps: NDArray[np.float32]
    """Steps of a weight of nominal cells down and up by a pulse, by its sensed state, float32[2,
    256], S."""
    budget: Budget
    """Most pulses with which a cell is brought to its place."""
    pulse: PulseConstants
    """Constants of pulses that all cells share."""
    inhibited: NDArray[np.bool_]
    """Weights that get no more pulses, bool[columns, rows]."""
    booked_as: BookedAs
    """Operations under which pulses while learning are booked."""


@part
def line_of(synapses, plane, column):  # type: ignore[no-untyped-def]
    """Return the bit line of one cell of the weights of a column."""
    return column * synapses.parts.size + plane


@implements(read, Synapses)
def _(synapses, readout, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    book_rows_read(synapses.cells, synapses.references, work.rows, n_active, account)
    return convert(readout, synapses, n_active, work, stream, account)


@implements(sum_cells, Synapses)
def _(synapses, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    """Join the currents of all planes, less the reference, with their signs and significances."""
    array, lines, parts = synapses.cells, work.planes, synapses.parts
    sum_cells(array, rows, n_active, lines, work, stream)
    reference = np.float32(n_active * array.pulse.g_mid)
    for k in range(currents.size):
        signed = np.float32(0)
        for plane in range(parts.size):
            signed += parts[plane] * (lines[k * parts.size + plane] - reference)
        currents[k] = reference + signed
