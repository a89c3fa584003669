r"""The array by a sparse factorisation of all nodes at once: the reference, for every circuit.

Nodes joined without resistance are one node. Of the voltages of what remains, :math:`v = u + x`,
u is one voltage for all nodes of a line, and Kirchhoff's law is solved for the drops x,

.. math:: A G A^T x = -A G A^T u,

A the incidence of nodes and branches, G the conductances of the branches: nodal analysis without
rows for voltage sources. Drops are small against voltages, so little is lost to rounding when they
are subtracted. For that u is first the voltage of the line's terminal, then that of its first node
as solved; what Kirchhoff's law still leaves over is solved for again while that helps.

Through a resistance of zero flows what Kirchhoff's law demands. Where the law leaves a choice (a
loop of zero resistances: two ideal lines bridged twice; an ideal line driven at both ends), the
currents are those of the limit in which all zero resistances are equal and small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines.checks import check_circuit
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.currents import Currents
from cbramsim.simulator.lines.network import Network, check_driven, check_reached, network_of
from cbramsim.simulator.lines.relaxation import EPS, UNITS
from cbramsim.simulator.lines.solution import Solution

_NO_FAULTS = LineFaults()
_REFINEMENTS = 10
"""Solutions with the same factors, at most; usually three."""


def solve_directly(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults = _NO_FAULTS
) -> Solution:
    """Return the solution of an array by sparse LU factorisation.

    `conductance` is that of the bare cells, [rows, columns], S, 0 to infinity. Raises
    `ParameterError` where voltages are joined without resistance, and where a node is reached by no
    terminal, so that its voltage is anything.

    The current of a bridge between lines (`LineFaults`) is not among those returned: it is what the
    currents of the lines leave over at its two nodes.
    """
    conductance = np.asarray(conductance, np.float64)
    terminals = Terminals(*(np.asarray(end, np.float64) for end in terminals))
    check_circuit(conductance, terminals, faults)
    network = network_of(conductance, terminals, wires, faults)
    check_reached(network, terminals, conductance.shape)
    ideal = np.isinf(network.conductance)
    group = network.joined(ideal)
    check_driven(network, group, terminals, conductance.shape)
    voltages, currents, apart = _solved(network, group, ideal, conductance.size)

    rows, columns = conductance.shape
    cells, on_rows = rows * columns, rows * (columns + 1)
    in_cells, in_rows, in_columns, _ = np.split(
        currents, np.cumsum([cells, on_rows, columns * (rows + 1)])
    )
    known = Currents(
        in_cells.reshape(rows, columns),
        in_rows.reshape(rows, columns + 1),
        in_columns.reshape(columns, rows + 1).T,
    )
    ends = (known.word[:, [0, -1]], known.bit[[0, -1]])
    left_over = float(np.abs(network.inflow(currents)[: 2 * cells]).sum())
    # As in `relaxation.rounding`; a bridge adds one current more to the sums at its two nodes.
    units = UNITS + len(faults.short_word) + len(faults.short_bit)
    rounding = EPS * (units * float(np.abs(currents).sum()) + cells * left_over + 3 * EPS * apart)
    return Solution(
        conductance, terminals, wires,
        voltages[:cells].reshape(rows, columns),
        voltages[cells : 2 * cells].reshape(rows, columns),
        np.zeros(rows), np.zeros(columns),
        error_bound=left_over + rounding,
        through=float(sum(np.abs(end).sum() for end in ends)),
        iterations=0, method="direct", known=known, rounding=rounding,
    )  # fmt: skip


def _solved(
    network: Network, group: NDArray[np.int32], ideal: NDArray[np.bool_], cells: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the voltages of all nodes, the currents of all branches, and `Network.apart`.

    The nodes of a `group` are joined by the `ideal` branches. The first branches are the `cells`.
    """
    merged, first = _merged(network, group, ideal)
    spread = _Factorised(merged)
    along = (np.arange(ideal.size) >= cells) & (merged.conductance > 0)
    along &= ~(merged.is_fixed[merged.start] | merged.is_fixed[merged.end])
    line = merged.joined(along)
    start = np.unique(line, return_index=True)[1]
    drops, size, free = np.zeros(first.size), np.inf, ~merged.is_fixed
    for _ in range(_REFINEMENTS):
        left_over = merged.inflow(merged.ohm(drops))
        before, size = size, np.abs(left_over[free]).sum()
        if size > before / 2:
            break
        drops += spread(left_over)
        reference = merged.reference + drops[start][line]
        drops -= reference - merged.reference  # what rounding takes from the one stays in the other
        merged = merged._replace(reference=reference)
    voltages = merged.reference + drops
    currents, apart = merged.ohm(drops), merged.apart(drops)

    if ideal.any():
        anchored = network.is_fixed.copy()
        anchored[first[~merged.is_fixed]] = True
        equal = network._replace(
            conductance=ideal.astype(np.float64),
            reference=np.zeros(group.size),
            is_fixed=anchored,
        )
        spread = _Factorised(equal)
        for _ in range(2):
            currents += equal.ohm(spread(network.inflow(currents)))
    return voltages[group], currents, apart


def _merged(
    network: Network, group: NDArray[np.int32], ideal: NDArray[np.bool_]
) -> tuple[Network, NDArray[np.intp]]:
    """Return the network of the groups, and the first node of every group."""
    first = np.unique(group, return_index=True)[1]
    is_fixed = np.zeros(first.size, bool)
    is_fixed[group[network.is_fixed]] = True
    reference = network.reference[first]
    reference[group[network.is_fixed]] = network.reference[network.is_fixed]
    # A group is eliminated with the last of its nodes: the last that is written stays.
    turn = np.empty(first.size, np.int64)
    order = np.argsort(network.turn)
    turn[group[order]] = network.turn[order]
    conductance = np.where(ideal, 0, network.conductance)
    return Network(
        group[network.start], group[network.end], conductance, reference, is_fixed, turn
    ), first


class _Factorised:
    """A network that gives the voltages by which injected currents raise its nodes."""

    def __init__(self, network: Network) -> None:
        free = np.flatnonzero(~network.is_fixed)
        self._free = free[np.argsort(network.turn[free])]
        size = free.size
        if not size:
            return
        place = np.full(network.is_fixed.size, -1, np.int32)
        place[self._free] = np.arange(size, dtype=np.int32)
        chosen = (network.conductance > 0) & (network.start != network.end)
        start, end, g = (
            place[network.start[chosen]], place[network.end[chosen]], network.conductance[chosen],
        )  # fmt: skip
        inner = (start >= 0) & (end >= 0)
        rows = np.concatenate([start, end, start[inner], end[inner]])
        columns = np.concatenate([start, end, end[inner], start[inner]])
        values = np.concatenate([g, g, -g[inner], -g[inner]])
        kept = rows >= 0
        matrix = coo_array((values[kept], (rows[kept], columns[kept])), shape=(size, size))
        try:
            self._factors = splu(
                matrix.tocsc(),
                permc_spec="NATURAL",
                diag_pivot_thresh=0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:
            raise ParameterError(
                "Terminals: some nodes are joined to them by less than rounding can hold "
                f"(conductances from {g.min():g} to {g.max():g} S)"
            ) from error

    def __call__(self, injected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rise of the voltages of all nodes, V."""
        rise = np.zeros(injected.size)
        if self._free.size:
            rise[self._free] = self._factors.solve(injected[self._free])
        return rise
