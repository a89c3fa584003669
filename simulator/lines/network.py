"""Array as a plain network of branches between nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.currents import across


class Network(NamedTuple):
    """Network of branches between nodes.

    Nodes of an array: those of the word lines, of the bit lines, and the terminals left, right,
    top, bottom. Branches: the cells, the segments row by row, column by column, and the bridges.
    """

    start: NDArray[np.int32]
    """Node from which a branch goes, int32[branches]."""
    end: NDArray[np.int32]
    """Node to which it goes."""
    conductance: NDArray[np.float64]
    """Conductance of a branch, S, 0 to infinity."""
    reference: NDArray[np.float64]
    """Voltages of the terminals, and voltages near those of the other nodes, float64[nodes], V."""
    is_fixed: NDArray[np.bool_]
    """Whether a node stays at its reference: the terminals, connected or not."""
    turn: NDArray[np.int64]
    """Order of elimination: nodes of a higher number come later."""

    def inflow(self, currents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of the currents into every node, A."""
        count = self.reference.size
        out = np.bincount(self.start, currents, count)
        return np.subtract(np.bincount(self.end, currents, count), out, dtype=np.float64)

    def across(self, drops: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages of the branches with the nodes at `reference` + `drops`, V."""
        steps: NDArray[np.float64] = across(
            self.reference[self.start], self.reference[self.end],
            drops[self.start], drops[self.end],
        )  # fmt: skip
        return steps

    def ohm(self, drops: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the currents of the branches with the nodes at `reference` + `drops`, A."""
        steps = self.across(drops)
        steps *= self.conductance
        return steps

    def apart(self, drops: NDArray[np.float64]) -> float:
        """Return the sum over all branches of the sizes of `reference` and `drops` apart, in A."""
        steps = np.abs(self.reference[self.start] - self.reference[self.end])
        steps += np.abs(drops[self.start] - drops[self.end])
        return float(np.dot(self.conductance, steps))

    def joined(self, chosen: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Return the number of the group of every node, joined by the `chosen` branches."""
        start, end, count = self.start[chosen], self.end[chosen], self.reference.size
        links = coo_array((np.ones(start.size, np.int8), (start, end)), shape=(count, count))
        groups: NDArray[np.int32] = connected_components(links, directed=False)[1]
        return groups


def network_of(
    conductance: NDArray[np.float64], terminals: Terminals, wires: Wires, faults: LineFaults
) -> Network:
    """Return the network of an array."""
    rows, columns = conductance.shape
    cells = rows * columns
    word = np.arange(cells, dtype=np.int32).reshape(rows, columns)
    bit = word + np.int32(cells)
    end = 2 * cells + np.arange(2 * (rows + columns), dtype=np.int32)
    left, right, top, bottom = np.split(end, [rows, 2 * rows, 2 * rows + columns])
    along_rows = np.column_stack([left, word, right])
    along_columns = np.column_stack([top, bit.T, bottom])

    g_word = _segments(rows, columns, wires.r_word, wires.r_source)
    g_word[np.isnan(terminals.word_left), 0] = 0
    g_word[np.isnan(terminals.word_right), -1] = 0
    for row, segment in faults.open_word:
        g_word[row, segment] = 0
    g_bit = _segments(columns, rows, wires.r_bit, wires.r_sense)
    g_bit[np.isnan(terminals.bit_top), 0] = 0
    g_bit[np.isnan(terminals.bit_bottom), -1] = 0
    for segment, column in faults.open_bit:
        g_bit[column, segment] = 0
    bridges = [(word[row, column], word[other, column]) for row, other, column in faults.short_word]
    bridges += [(bit[row, column], bit[row, other]) for row, column, other in faults.short_bit]
    bridged = np.array(bridges, np.int32).reshape(-1, 2)

    on_rows = _either(terminals.word_left, terminals.word_right)
    on_columns = _either(terminals.bit_top, terminals.bit_bottom)
    ends = np.nan_to_num(np.concatenate(terminals))
    turn = np.concatenate([part.ravel() for part in _dissection(rows, columns)])
    return Network(
        np.concatenate([word.ravel(), along_rows[:, :-1].ravel(), along_columns[:, :-1].ravel(),
                        bridged[:, 0]]),
        np.concatenate([bit.ravel(), along_rows[:, 1:].ravel(), along_columns[:, 1:].ravel(),
                        bridged[:, 1]]),
        np.concatenate([wires.in_series(conductance).ravel(), g_word.ravel(), g_bit.ravel(),
                        np.full(len(bridges), np.inf)]),
        np.concatenate([np.repeat(on_rows, columns), np.tile(on_columns, rows), ends]),
        np.arange(2 * cells + end.size) >= 2 * cells,
        np.append(turn, np.zeros(end.size, np.int64)),
    )  # fmt: skip


def check_reached(network: Network, terminals: Terminals, shape: tuple[int, int]) -> None:
    """Refuse nodes without a way to a terminal."""
    part = network.joined(network.conductance > 0)
    lost = ~np.isin(part, part[_connected(terminals, shape)]) & ~network.is_fixed
    if lost.any():
        stretch = _stretch(part, int(np.argmax(lost)), shape)
        raise ParameterError(
            f"Terminals: {stretch} float: no way leads from there to a terminal "
            f"({np.count_nonzero(lost)} nodes in all)"
        )


def check_driven(
    network: Network, group: NDArray[np.int32], terminals: Terminals, shape: tuple[int, int]
) -> None:
    """Refuse different voltages on nodes that are joined into one."""
    driven = _connected(terminals, shape)
    voltage, groups = network.reference[driven], group[driven]
    one_of = np.empty(network.reference.size)
    one_of[groups] = voltage
    clash = np.flatnonzero(voltage != one_of[groups])
    if clash.size:
        same = np.flatnonzero(groups == groups[clash[0]])
        other = same[voltage[same] != voltage[clash[0]]][0]
        named = " and ".join(
            f"{_terminal(driven[one], shape)} at {voltage[one]:g} V"
            for one in sorted([clash[0], other])
        )
        raise ParameterError(f"Terminals: {named} are joined without resistance")


def _segments(lines: int, nodes: int, r_segment: float, r_end: float) -> NDArray[np.float64]:
    """Return the conductances of the segments of lines, [lines, nodes + 1], S."""
    resistances = np.full((lines, nodes + 1), r_segment)
    resistances[:, [0, -1]] += r_end
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / resistances


def _either(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the voltage of the end that is connected, 0 if none is."""
    return np.nan_to_num(np.where(np.isnan(one), other, one))


def _dissection(rows: int, columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the turns of the nodes of word and bit lines in an elimination that fills in little.

    Nested dissection (George, SIAM J. Numer. Anal. 10, 345 (1973)): the nodes of one column of word
    lines, or of one row of bit lines, divide the array in two; they come after both parts, which
    are divided in the same way. A turn is written to the base of 3, with a digit for every cut: 0
    for the first part, 1 for the second, 2 for the cut. Each digit depends on either the row or the
    column.
    """
    sizes = np.array([rows, columns])
    places = [np.arange(size) for size in sizes]
    low, high = (
        [np.zeros_like(place) for place in places],
        [place * 0 + place.size for place in places],
    )
    parts = [np.zeros(size, np.int64) for size in sizes]
    cuts = [np.zeros(size, np.int64) for size in sizes]
    is_cut = [np.zeros(size, bool) for size in sizes]
    while sizes.max() > 1:
        axis = int(sizes.argmax())
        sizes[axis] = -(-sizes[axis] // 2)
        for turn in parts + cuts:
            turn *= 3
        place, middle = places[axis], (low[axis] + high[axis]) // 2
        second = place >= middle
        parts[axis] += second
        cuts[axis] += np.where(is_cut[axis], 0, second)
        here = (place == middle) & (low[axis] < middle) & ~is_cut[axis]
        cuts[axis] += here
        is_cut[axis] |= here
        low[axis] = np.where(second, middle, low[axis])
        high[axis] = np.where(second, high[axis], middle)
    return parts[0][:, None] + cuts[1], cuts[0][:, None] + parts[1]


def _connected(terminals: Terminals, shape: tuple[int, int]) -> NDArray[np.intp]:
    """Return the nodes of the terminals that are connected."""
    return 2 * shape[0] * shape[1] + np.flatnonzero(~np.isnan(np.concatenate(terminals)))


def _stretch(part: NDArray[np.int32], node: int, shape: tuple[int, int]) -> str:
    """Name the stretch of a line that begins at `node` and is of one part."""
    rows, columns = shape
    on_bit, cell = divmod(node, rows * columns)
    row, column = divmod(cell, columns)
    nodes = part[: 2 * rows * columns].reshape(2, rows, columns)[on_bit]
    line = nodes[row:, column] if on_bit else nodes[row, column:]
    length = int(np.argmin(np.append(line == line[0], False)))
    kind, number, across, first = (
        ("bit", column, "rows", row) if on_bit else ("word", row, "columns", column)
    )
    return f"{kind} line {number}, {across} {first} to {first + length - 1}"


def _terminal(node: int, shape: tuple[int, int]) -> str:
    """Name a terminal as the field and index of `Terminals`."""
    rows, columns = shape
    names = [
        f"{name}[{index}]"
        for name, size in zip(Terminals._fields, (rows, rows, columns, columns), strict=True)
        for index in range(size)
    ]
    return names[node - 2 * rows * columns]
