"""Exact reads of cells that are not ohmic, solved one by one, with the power of each part."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, kernel
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.currents import across
from cbramsim.simulator.lines.curves import Sinh, on_curve
from cbramsim.simulator.lines.newton import curved_cells, settle_curved
from cbramsim.simulator.lines.relaxation import Source, memory
from cbramsim.simulator.lines.solver import circuit_of, solve

_across = kernel(across)


class Reads(NamedTuple):
    """Voltages and currents of some reads of an array."""

    currents: NDArray[np.float64]
    """Currents out of the bit lines, float64[reads, columns], A."""
    in_cells: NDArray[np.float64]
    """Power V I of the cells of each word line, with their transistors, float64[reads, rows], W."""
    given: NDArray[np.float64]
    """Power V I of the driver of each word line, float64[reads, rows], W: of the sum, lines take
    the rest that cells do not."""


def exact_reads(
    g: NDArray[np.float64], curve: Sinh, wires: Wires, volts: NDArray[np.float64],
    tolerance: float, threads: int | None = None,
) -> Reads:  # fmt: skip
    """Return reads with given voltages on the word lines, and the bit lines at ground.

    Parameters
    ----------
    g
        Conductances of the cells, float64[rows, columns], S.
    curve, wires
        Current-voltage curve of the cells, and the resistances.
    volts
        float64[reads, rows], V.
    tolerance
        Largest residual of Kirchhoff's law, as a part of the currents through the terminals.
    threads
        Number of threads; one per core by default. The result does not depend on it.

    Raises
    ------
    ConvergenceError
        If the tolerance is not reached.
    """
    count, (rows, columns) = len(volts), g.shape
    if not (wires.r_word > 0 and wires.r_bit > 0):
        return _directly(g, curve, wires, volts, tolerance)
    reads = Reads(np.zeros((count, columns)), np.zeros((count, rows)), np.zeros((count, rows)))
    lines, _ = circuit_of(Terminals.product(np.zeros(rows), columns, wires), wires)
    workers = max(1, min(threads or os.cpu_count() or 1, count))

    def read(worker: int) -> float:
        cells = curved_cells(g, curve, wires.r_access, lines)
        own = np.arange(worker, count, workers)
        drops = memory((rows, columns))
        return _read_each(cells, lines, volts, own, drops, tolerance, reads)  # type: ignore[no-any-return]

    if workers == 1:
        reached = read(0) <= tolerance
    else:
        with ThreadPoolExecutor(workers) as pool:
            reached = all([worst <= tolerance for worst in pool.map(read, range(workers))])
    return reads if reached else _directly(g, curve, wires, volts, tolerance)


def _directly(
    g: NDArray[np.float64], curve: Sinh, wires: Wires, volts: NDArray[np.float64],
    tolerance: float,
) -> Reads:  # fmt: skip
    """Return the same reads, each by `solve`."""
    count, (rows, columns) = len(volts), g.shape
    reads = Reads(np.zeros((count, columns)), np.zeros((count, rows)), np.zeros((count, rows)))
    for n, one in enumerate(volts):
        terminals = Terminals.product(one, columns, wires)
        solution = solve(g, terminals, wires, tolerance=tolerance, curve=curve)
        reads.currents[n] = solution.outputs
        current = solution.currents.cells
        in_cells = curve.voltage(g, current) * current + wires.r_access * np.square(current)
        reads.in_cells[n] = in_cells.sum(axis=1)
        reads.given[n] = one * solution.inputs
    return reads


@compiled_loop
def _read_each(cells, lines, volts, driven, drops, tolerance, reads):  # type: ignore[no-untyped-def]
    """Solve the reads `driven`, int64[n], and write their currents and powers.

    Returns the largest residual, as a part of the currents through the terminals.
    """
    rows, columns = cells.g.shape
    source = Source(np.zeros(rows), np.zeros(columns), np.zeros(rows), np.zeros(columns))
    worst = 0.0
    for n in driven:
        source.word[:] = volts[n]
        bound, through, _ = settle_curved(cells, lines, source, drops, tolerance)
        left_over = bound / through if through > 0 else bound
        worst = left_over if not left_over <= worst else worst  # also one that is not a number
        for j in range(columns):
            reads.currents[n, j] = (
                lines.bottom[j] * drops.v[rows - 1, j] + lines.top[j] * drops.v[0, j]
            )
        for i in range(rows):
            first, last = drops.u[i, 0], drops.u[i, columns - 1]
            reads.given[n, i] = -source.word[i] * (lines.left[i] * first + lines.right[i] * last)
            taken = 0.0
            for j in range(columns):
                voltage = _across(source.word[i], 0.0, drops.u[i, j], drops.v[i, j])
                current, _, _ = on_curve(
                    cells.g[i, j], voltage, cells.v_sinh, cells.scale, cells.r_access
                )
                taken += voltage * current
            reads.in_cells[n, i] = taken
    return worst
