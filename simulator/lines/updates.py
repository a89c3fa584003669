r"""Effective conductances after a few cells have changed, without solving for all inputs again.

A change :math:`\delta_k` of the conductance of cell k is a current through it,
:math:`I_k = \delta_k V'_k`, in addition to the current before. Let a current of 1 A through cell k,
from its word line to its bit line, cause the currents :math:`d_{ki}` into the word lines,
:math:`c_{kj}` out of the bit lines, and voltages :math:`Z_{km}` across the changed cells. Before
the change, 1 V on word line i puts, by reciprocity, :math:`V_k = d_{ki}` across cell k. So

.. math:: I = (\delta^{-1} - Z)^{-1} d = K d, \qquad
          \tilde G' = \tilde G + d^T K c, \qquad Y' = Y + d^T K d

(the identity of Sherman, Morrison and Woodbury), exactly. The dissipation C is the derivative of Y
by a common relative change of all cells (see `effective`), which is computed along with Y: dots
below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.effective_matrix import Effective, current_into_word_lines, effective
from cbramsim.simulator.lines.leftovers import leftovers
from cbramsim.simulator.lines.relaxation import (
    STEPS,
    bit_lines,
    correct,
    factorise,
    memory,
    no_source,
)
from cbramsim.simulator.lines.solver import ConvergenceError, circuit_of

WORTHWHILE = 0.5
"""Number of changed cells per word line above which it is faster to solve for all inputs again."""


class Responses(NamedTuple):
    """Responses to 1 A through each of some cells, from its word line to its bit line."""

    out_of_bit_lines: NDArray[np.float64]
    """Currents c, float64[cells, columns], A."""
    into_word_lines: NDArray[np.float64]
    """Currents d, float64[cells, rows], A."""
    into_word_lines_dot: NDArray[np.float64]
    """Change of d with a common relative change of all cells, float64[cells, rows], A."""
    across: NDArray[np.float64]
    """Voltages Z across the same cells, float64[cells, cells], V."""
    across_dot: NDArray[np.float64]
    """Change of Z with a common relative change of all cells, float64[cells, cells], V."""


def updated(
    before: Effective,
    g_before: NDArray[np.float64],
    g_after: NDArray[np.float64],
    wires: Wires,
    *,
    tolerance: float = 1e-9,
) -> Effective:
    """Return an array as its terminals see it after some of its cells have changed.

    Parameters
    ----------
    before
        The array before the change, with dissipation.
    g_before, g_after
        Conductances, float64[rows, columns], S.
    wires, tolerance
        As in `effective`.
    """
    if not (wires.r_word > 0 and wires.r_bit > 0):
        return effective(g_after, wires, tolerance=tolerance)
    old, new = wires.in_series(g_before), wires.in_series(g_after)
    row, column = np.nonzero(new != old)
    cells, (rows, columns) = row.size, old.shape
    if not cells:
        return before
    if cells > WORTHWHILE * rows:
        return effective(g_after, wires, tolerance=tolerance)
    lines, _ = circuit_of(Terminals.product(np.zeros(rows), columns, wires), wires)
    sizes = (columns, rows, rows, cells, cells)
    responses = Responses(*(np.empty((cells, size)) for size in sizes))
    worst = _push_through_each(
        factorise(np.ascontiguousarray(old), lines), lines, np.column_stack([row, column]),
        no_source(rows, columns), memory((rows, columns)), tolerance, responses,
    )  # fmt: skip
    if worst > tolerance:
        raise ConvergenceError(
            f"updated: the array did not converge to {tolerance:g}: what Kirchhoff's law leaves "
            f"over is {worst:.2g} of the currents"
        )
    c, d, d_dot, z, z_dot = responses
    per_change = np.diag(1 / (new - old)[row, column])
    k = np.linalg.inv(per_change - z.T)
    k_dot = k @ (per_change + z_dot.T) @ k
    kd = k @ d
    crossed = d_dot.T @ kd
    return Effective(
        before.conductance + kd.T @ c,
        before.admittance + d.T @ kd,
        before.dissipation + crossed + crossed.T + d.T @ k_dot @ d,
    )


@compiled_loop
def _push_through_each(factors, lines, cells, source, drops, tolerance, responses):  # type: ignore[no-untyped-def]
    """Push 1 A through each of some cells, int64[cells, 2], and write the `Responses`.

    Returns the largest residual of Kirchhoff's law, as a part of the current.
    """
    g = factors.g
    last = g.shape[0] - 1
    worst = 0.0
    for k in range(len(cells)):
        i, j = cells[k]
        drops.u[:] = 0.0
        drops.rw[:] = 0.0
        drops.rb[:] = 0.0
        drops.rw[i, j], drops.rb[i, j] = -1.0, 1.0
        correct(factors, lines, source, drops, 0.0, 0.3 * tolerance, STEPS)
        # What follows for the bit lines includes the ampere that is pushed into one.
        drops.rb[:] = g * drops.u
        drops.rb[i, j] += 1.0
        bit_lines(drops.rb, factors.bit, lines.bit, drops.v)
        bound, _ = leftovers(g, lines, source, drops)
        bound += abs(drops.rw[i, j] - 1.0) - abs(drops.rw[i, j])
        bound += abs(drops.rb[i, j] + 1.0) - abs(drops.rb[i, j])
        worst = max(worst, bound)
        responses.out_of_bit_lines[k] = lines.bottom * drops.v[last] + lines.top * drops.v[0]
        current_into_word_lines(lines, drops, responses.into_word_lines[k])
        _write_across(cells, drops, responses.across[k])
        drops.rb[:] = g * (drops.u - drops.v)
        drops.rw[:] = -drops.rb
        largest = np.abs(drops.rb).sum()
        kept = drops.rb.copy()
        drops.u[:] = 0.0
        correct(factors, lines, source, drops, 0.0, tolerance * largest, STEPS)
        kept += g * drops.u
        bit_lines(kept, factors.bit, lines.bit, drops.v)
        current_into_word_lines(lines, drops, responses.into_word_lines_dot[k])
        _write_across(cells, drops, responses.across_dot[k])
    return worst


@inlined
def _write_across(cells, drops, voltages):  # type: ignore[no-untyped-def]
    """Write the voltages across cells, V."""
    for m in range(len(cells)):
        row, column = cells[m]
        voltages[m] = drops.u[row, column] - drops.v[row, column]
