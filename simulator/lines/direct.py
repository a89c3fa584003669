r"""Sparse factorisation of all nodes of an array at once: the reference solver, for every circuit.

Nodes joined without resistance are one node. The voltages of the remaining nodes are
:math:`v = u + x`, with one voltage u for all nodes of a line, and Kirchhoff's law is solved for the
drops x,

.. math:: A G A^T x = -A G A^T u,

A the incidence of nodes and branches, G the conductances of the branches: nodal analysis without
rows for voltage sources. Drops are small compared with voltages, so little is lost to rounding when
they are subtracted. To this end u is first the voltage of the line's terminal, then that of its
first node as solved; the residual of Kirchhoff's law is solved for again while that helps.

Cells that are not ohmic take steps of Newton's method, each with factors of its own, halved as in
`newton.py`, until the residual of Kirchhoff's law is that of rounding.

The current through a resistance of zero follows from Kirchhoff's law. Where the law does not
determine it (a loop of zero resistances: two ideal lines bridged twice; an ideal line driven at
both ends), the currents are those of the limit in which all zero resistances are equal and small.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines.checks import check_circuit
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.currents import Currents
from cbramsim.simulator.lines.curves import OHMIC, Curve, Sinh
from cbramsim.simulator.lines.leftovers import EPS, UNITS
from cbramsim.simulator.lines.network import Network, check_driven, check_reached, network_of
from cbramsim.simulator.lines.solution import Solution

_NO_FAULTS = LineFaults()
_REFINEMENTS = 10
"""Most solutions with the same factors; usually three."""
_NEWTONS = 150
"""Most steps of Newton's method; usually five to ten."""
_HALVINGS = 60
"""Most halvings of one of them."""
_STIFFEST = 1e11
"""Largest slope of a cell over the conductance of the poorest segment: rounding allows no more. A
step is longer for it, and halved."""
_NEAR = 1e-9
"""Part of all currents below which a step that does not halve the residual is the last."""


def solve_directly(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults = _NO_FAULTS,
    curve: Curve = OHMIC,
) -> Solution:  # fmt: skip
    """Return the solution of an array by sparse LU factorisation.

    `conductance` is that of the bare cells, [rows, columns], S, 0 to infinity. Raises
    `ParameterError` where voltages are joined without resistance, and where no terminal reaches a
    node, so that its voltage is undetermined.

    The current of a bridge between lines (`LineFaults`) is not among those returned: it is the
    residual of the currents of the lines at its two nodes.
    """
    conductance = np.asarray(conductance, np.float64)
    terminals = Terminals(*(np.asarray(end, np.float64) for end in terminals))
    check_circuit(conductance, terminals, faults)
    network = network_of(conductance, terminals, wires, faults)
    check_reached(network, terminals, conductance.shape)
    ideal = np.isinf(network.conductance)
    group = network.joined(ideal)
    check_driven(network, group, terminals, conductance.shape)
    cells = _Cells(conductance.ravel(), wires.r_access, curve)
    voltages, currents, apart = _solved(network, group, ideal, cells)

    rows, columns = conductance.shape
    size, on_rows = rows * columns, rows * (columns + 1)
    in_cells, in_rows, in_columns, _ = np.split(
        currents, np.cumsum([size, on_rows, columns * (rows + 1)])
    )
    known = Currents(
        in_cells.reshape(rows, columns),
        in_rows.reshape(rows, columns + 1),
        in_columns.reshape(columns, rows + 1).T,
    )
    ends = (known.word[:, [0, -1]], known.bit[[0, -1]])
    left_over = float(np.abs(network.inflow(currents)[: 2 * size]).sum())
    # As in `leftovers.rounding`; a bridge adds one current more to the sums at its two nodes.
    units = UNITS + len(faults.short_word) + len(faults.short_bit)
    rounding = EPS * (units * float(np.abs(currents).sum()) + size * left_over + 3 * EPS * apart)
    rounding += EPS * curve.units(conductance, known.cells)
    return Solution(
        conductance, terminals, wires,
        voltages[:size].reshape(rows, columns),
        voltages[size : 2 * size].reshape(rows, columns),
        np.zeros(rows), np.zeros(columns),
        error_bound=left_over + rounding,
        through=float(sum(np.abs(end).sum() for end in ends)),
        iterations=0, method="direct", known=known, rounding=rounding, curve=curve,
    )  # fmt: skip


class _Cells(NamedTuple):
    """Cells of a network, which are its first branches."""

    conductance: NDArray[np.float64]
    """Conductances of the bare cells, float64[cells], S."""
    r_access: float
    """Resistance in series with each cell, Ohm."""
    curve: Curve
    """Current-voltage curve of the cells."""


def _solved(
    network: Network, group: NDArray[np.int32], ideal: NDArray[np.bool_], cells: _Cells
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the voltages of all nodes, the currents of all branches, and `Network.apart`.

    The nodes of a `group` are joined by the `ideal` branches.
    """
    merged, first = _merged(network, group, ideal)
    along = (np.arange(ideal.size) >= cells.conductance.size) & (merged.conductance > 0)
    along &= ~(merged.is_fixed[merged.start] | merged.is_fixed[merged.end])
    line = merged.joined(along)
    if isinstance(cells.curve, Sinh):
        voltages, currents, apart = _on_curve(merged, line, cells, cells.curve)
    else:
        voltages, currents, apart = _by_ohms_law(merged, line)

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


def _by_ohms_law(
    network: Network, line: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return voltages, currents and `Network.apart` of a network whose nodes are on a `line`."""
    spread = _Factorised(network)
    drops, size, free = np.zeros(line.size), np.inf, ~network.is_fixed
    for _ in range(_REFINEMENTS):
        left_over = network.inflow(network.ohm(drops))
        before, size = size, np.abs(left_over[free]).sum()
        if size > before / 2:
            break
        drops += spread(left_over)
        network, drops = _from_lines(network, drops, line)
    return network.reference + drops, network.ohm(drops), network.apart(drops)


def _on_curve(
    network: Network, line: NDArray[np.int32], cells: _Cells, curve: Sinh
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return the same for a network of cells with a curve, by Newton's method."""
    count, free = cells.conductance.size, ~network.is_fixed

    def flow(drops: NDArray[np.float64]) -> tuple[NDArray[np.float64], Network]:
        """Return the currents of the branches, and the network of their slopes."""
        voltages = network.across(drops)
        currents, slopes = voltages * network.conductance, network.conductance.copy()
        currents[:count], slopes[:count] = curve.current_and_slope(
            cells.conductance, voltages[:count], cells.r_access
        )
        return currents, network._replace(conductance=slopes)

    lines = network.conductance[count:]
    stiffest = _STIFFEST * lines.min(initial=np.inf, where=lines > 0)
    drops = np.zeros(line.size)
    currents, slopes = flow(drops)
    for _ in range(_NEWTONS):
        left_over = np.where(free, network.inflow(currents), 0)
        before = np.abs(left_over).sum()
        held = slopes._replace(conductance=np.minimum(slopes.conductance, stiffest))
        step = _Factorised(held)(left_over)
        downhill, part = left_over @ step, 1.0
        for _ in range(_HALVINGS):
            with np.errstate(over="ignore", invalid="ignore"):
                currents, slopes = flow(drops + part * step)
                left_over = np.where(free, network.inflow(currents), 0)
                size = np.abs(left_over).sum()
                if left_over @ step >= -0.5 * downhill or size <= before / 2:
                    break
            part /= 2
        network, drops = _from_lines(network, drops + part * step, line)
        currents, slopes = flow(drops)
        if size > before / 2 and size <= _NEAR * np.abs(currents).sum():
            break
    return network.reference + drops, currents, slopes.apart(drops)


def _from_lines(
    network: Network, drops: NDArray[np.float64], line: NDArray[np.int32]
) -> tuple[Network, NDArray[np.float64]]:
    """Return the same voltages, counted from those of the first node of every line."""
    start = np.unique(line, return_index=True)[1]
    reference = network.reference + drops[start][line]
    # What rounding takes from the one stays in the other.
    drops = drops - (reference - network.reference)
    return network._replace(reference=reference), drops


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
    """Factorised network, which returns the voltages by which injected currents raise its nodes."""

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
