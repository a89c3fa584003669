r"""Array as its terminals see it: exact reads at the price of a product.

Cells and wires are ohmic, so with fixed conductances the array is linear in the voltages of its
word lines. One solution per word line, with 1 V on it and all other terminals at ground, gives

* the *effective conductances*, :math:`I_k = \sum_i V_i\,\tilde G_{ik}`, of bit line k;
* the *admittances* of the word lines, :math:`I_i = \sum_m Y_{im} V_m`: sources give the power
  :math:`V^T Y V`;
* and, from a second solution, the part of it that the cells dissipate, :math:`V^T C V`. By
  Tellegen's theorem a small change of cell conductances changes the terminal currents by
  :math:`\delta Y_{im} = \sum_{cells} \delta G\, \Delta_i \Delta_m`, with :math:`\Delta_i` the
  voltage across the cell while 1 V is on word line i. A common relative change,
  :math:`\delta G = \epsilon G`, hence gives :math:`\delta Y = \epsilon C`.

Wires dissipate the rest, :math:`V^T (Y - C) V`.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import array, instance, whole
from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.simulator.lines.checks import check_circuit, check_tolerance
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.leftovers import leftovers
from cbramsim.simulator.lines.relaxation import (
    ROUNDS,
    STEPS,
    correct,
    factorise,
    memory,
    no_source,
)
from cbramsim.simulator.lines.solver import circuit_of, solve


class Effective(NamedTuple):
    """Array as its terminals see it; S, float64."""

    conductance: NDArray[np.float64]
    """Effective conductances, [rows, columns]: current of a bit line per volt on a word line."""
    admittance: NDArray[np.float64]
    """Current into a word line per volt on another, [rows, rows]; symmetric."""
    dissipation: NDArray[np.float64]
    """Part of `admittance` that is dissipated in the cells, [rows, rows]; symmetric. Empty if not
    requested."""

    @classmethod
    def nothing(cls) -> Effective:
        """Return an array without lines."""
        return cls(*(np.zeros((0, 0)) for _ in cls._fields))

    def power(self, voltages: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the power of the cells and of the wires at `voltages`, V[..., rows], in W."""
        v = np.asarray(voltages, np.float64)
        cells = np.einsum("...i,...i->...", v @ self.dissipation, v)
        return cells, np.einsum("...i,...i->...", v @ self.admittance, v) - cells


def effective(
    conductance: ArrayLike,
    wires: Wires,
    *,
    tolerance: float = 1e-9,
    dissipation: bool = True,
    threads: int | None = None,
) -> Effective:
    """Return an array as its terminals see it.

    Parameters
    ----------
    conductance
        Conductances of the cells, float[rows, columns], S.
    wires
        Resistances. With `r_access`, the power of the transistors counts as that of the cells.
    tolerance
        As in `solve`, of every one of the solutions.
    dissipation
        Whether to find the power of cells and wires, which doubles the time.
    threads
        Number of threads, > 0; one per core by default. The result does not depend on it.

    Raises
    ------
    ParameterError, ConvergenceError
        As in `solve`.
    """
    instance("effective.wires:", wires, Wires)
    g = np.ascontiguousarray(array("effective.conductance:", conductance), np.float64)
    if g.ndim != 2 or not g.size:
        raise ParameterError(
            f"effective.conductance: must be [rows, columns] (got shape {g.shape})"
        )
    terminals = Terminals.product(np.zeros(len(g)), g.shape[-1], wires)
    check_circuit(g, terminals, LineFaults())
    if not np.isfinite(g).all():
        raise ParameterError("effective.conductance: must be finite")
    check_tolerance("effective", tolerance)
    if not (wires.r_word > 0 and wires.r_bit > 0):
        return _directly(g, wires, tolerance)
    lines, _ = circuit_of(terminals, wires)
    factors = factorise(np.ascontiguousarray(wires.in_series(g)), lines)
    rows = len(g)
    asked = rows if dissipation else 0
    result = Effective(np.empty(g.shape), np.empty((rows, rows)), np.empty((asked, asked)))
    if threads is not None:
        whole("effective.threads:", threads, 1)
    workers = min(threads or os.cpu_count() or 1, rows)

    def drive(worker: int) -> float:
        own = np.arange(worker, rows, workers)
        return _drive_each(
            factors, lines, own, no_source(*g.shape), memory(g.shape), tolerance, result
        )  # type: ignore[no-any-return]

    with ThreadPoolExecutor(workers) as pool:
        reached = [worst <= tolerance for worst in pool.map(drive, range(workers))]
    return result if all(reached) else _directly(g, wires, tolerance)


@compiled_loop
def _drive_each(factors, lines, driven, source, drops, tolerance, seen):  # type: ignore[no-untyped-def]
    """Put 1 V on each of the word lines `driven`, one after the other, and write into `seen`.

    Returns the largest residual of Kirchhoff's law, as a part of the terminal currents.
    """
    g = factors.g
    rows, columns = g.shape
    worst = 0.0
    for i in driven:
        source.word[i] = 1.0
        drops.u[:] = 0.0
        drops.rw[:] = 0.0
        drops.rb[:] = 0.0
        drops.rw[i] = -g[i]
        drops.rb[i] = g[i]
        for _ in range(ROUNDS):
            correct(factors, lines, source, drops, 0.5 * tolerance, 0.0, STEPS)
            bound, through = leftovers(g, lines, source, drops)
            if bound <= tolerance * through or not np.isfinite(bound):
                break
        left_over = bound / through if through > 0 else bound
        worst = left_over if not left_over <= worst else worst  # also one that is not a number
        for j in range(columns):
            seen.conductance[i, j] = (
                lines.bottom[j] * drops.v[rows - 1, j] + lines.top[j] * drops.v[0, j]
            )
        current_into_word_lines(lines, drops, seen.admittance[i])
        source.word[i] = 0.0
        if not seen.dissipation.size:
            continue
        # A relative change of all cells: what it adds to the currents, it adds as a source.
        largest = 0.0
        for m in range(rows):
            for j in range(columns):
                cell = g[m, j] * ((m == i) + drops.u[m, j] - drops.v[m, j])
                drops.rw[m, j] = -cell
                drops.rb[m, j] = cell
                largest += abs(cell)
        drops.u[:] = 0.0
        steps = correct(factors, lines, source, drops, 0.0, tolerance * largest, STEPS)
        worst = np.inf if steps >= STEPS else worst
        current_into_word_lines(lines, drops, seen.dissipation[i])
    return worst


@inlined
def current_into_word_lines(lines, drops, currents):  # type: ignore[no-untyped-def]
    """Write the currents that the drops draw through the terminals of the word lines, A."""
    rows, columns = drops.u.shape
    for m in range(rows):
        first, last = drops.u[m, 0], drops.u[m, columns - 1]
        currents[m] = -(lines.left[m] * first + lines.right[m] * last)


def _directly(g: NDArray[np.float64], wires: Wires, tolerance: float) -> Effective:
    """Return the array for lines without resistance, or with too little beside that of their
    ends."""
    rows, columns = g.shape
    if wires == ideal_wires(wires):
        total = g.sum(axis=1)
        return Effective(g.copy(), np.diag(total), np.diag(total))
    result = Effective(np.empty(g.shape), np.empty((rows, rows)), np.empty((rows, rows)))
    across = np.empty((rows, g.size))
    for i, voltages in enumerate(np.eye(rows)):
        terminals = Terminals.product(voltages, columns, wires)
        solution = solve(g, terminals, wires, tolerance=tolerance, method="direct")
        result.conductance[i] = solution.outputs
        result.admittance[i] = solution.inputs
        across[i] = (solution.word - solution.bit).ravel()
    result.dissipation[:] = (across * wires.in_series(g).ravel()) @ across.T
    return result


def ideal_wires(wires: Wires) -> Wires:
    """Return the same wires without any resistance."""
    return wires.replace(r_word=0, r_bit=0, r_source=0, r_sense=0, r_access=0)
