r"""Newton's method for cells that are not ohmic: linear circuits, one after the other.

With f the current of a cell with its transistor (`curves.py`), Kirchhoff's law at the nodes of
`circuit.py` reads

.. math:: T_w u + f(w - b) = f_w, \qquad T_b v - f(w - b) = f_b.

It is equivalent to a minimum of the *co-content* of the circuit,

.. math:: \Phi = \sum_\text{segments} \tfrac12 g \Delta^2
          + \sum_\text{cells} \int_0^{w - b} f(x)\,dx

(Millar, Phil. Mag. 42, 1150 (1951)): segments are ohmic and f rises, so that it is strictly convex,
and there is one solution. A step of Newton's method solves the linear circuit in which each cell is
its differential conductance f', driven by the residual currents of Kirchhoff's law; the solver is
that of `relaxation.py`. Along the step, :math:`\Phi'` rises from a negative value, and the step is
halved until :math:`\Phi'` at its end is no more than half of that with the opposite sign. So
:math:`\Phi` falls with every step by a part of the fall that its slope predicts, and the method
converges from any start (Nocedal and Wright, Numerical Optimization, 3.2).

**The bound.** Let V be the voltages that were found and V* the exact ones. The current of branch b
is off by

.. math:: I_b(V) - I_b(V^*) = k_b\,[(V - V^*)_{start} - (V - V^*)_{end}], \qquad
          k_b = \int_0^1 I_b'\,dt \ge 0

(mean value; no approximation), and terminals have no error. So the errors are voltages and currents
of a *linear* circuit of conductances k, its terminals at ground, into whose nodes the residuals of
Kirchhoff's law at V are injected. There an injected current divides over the paths to the
terminals, and no branch carries more than was injected: the sum of the sizes of the residuals
bounds the error of every current, exactly as for ohmic cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, kernel
from cbramsim.simulator.lines.currents import across
from cbramsim.simulator.lines.curves import CELL_UNITS, STEEP_UNITS, Sinh, on_curve
from cbramsim.simulator.lines.leftovers import EPS, leftovers, rounding
from cbramsim.simulator.lines.relaxation import (
    STEPS,
    Drops,
    Factors,
    Lines,
    Source,
    bit_lines,
    correct,
    factorise,
    memory,
    no_source,
    refactorise,
)

NEWTONS = 150
"""Most steps: where cells see far more than `v_sinh`, each brings them nearer by about one
`v_sinh`; after that some five are enough."""
HALVINGS = 60
"""Most halvings of a step."""
FORCING = 0.01
"""Largest residual of the linear solution of a step, as a part of the residual before it."""

_across = kernel(across)


class CurvedCells(NamedTuple):
    """Cells that follow a sinh, and memory for a step of Newton's method."""

    g: NDArray[np.float64]
    """Conductances, float64[rows, columns], S."""
    none: NDArray[np.float64]
    """No cells, float64[rows, columns]."""
    slope: Factors
    """Differential conductances, and their factors."""
    step: Drops
    """Change of the drops."""
    before: tuple[NDArray[np.float64], NDArray[np.float64]]
    """The drops before the step, float64[rows, columns] each, V."""
    still: Source
    """Terminals at ground."""
    v_sinh: float
    """Voltage scale, V."""
    scale: float
    """Current per siemens where the sinh is 1, V."""
    steepest: float
    """Ratio v_read / v_sinh."""
    r_access: float
    """Resistance in series with each cell, Ohm."""


def curved_cells(g: NDArray[np.float64], curve: Sinh, r_access: float, lines: Lines) -> CurvedCells:
    """Return cells of the conductances `g`, float64[rows, columns], S, for `settle_curved`."""
    rows, columns = g.shape
    return CurvedCells(
        np.ascontiguousarray(g), np.zeros(g.shape), factorise(g.copy(), lines), memory(g.shape),  # type: ignore[arg-type]
        (np.empty(g.shape), np.empty(g.shape)), no_source(rows, columns),
        float(curve.v_sinh), curve.scale, curve.v_read / curve.v_sinh, float(r_access),
    )  # fmt: skip


@compiled_loop
def settle_curved(cells, lines, source, drops, tolerance):  # type: ignore[no-untyped-def]
    """Find the drops, starting from none, for which the residual of Kirchhoff's law is within
    `tolerance`.

    Parameters
    ----------
    cells, lines, source, drops
        `CurvedCells`, `Lines`, `Source`, `Drops`; the latter is overwritten.
    tolerance
        Largest sum of residuals, as a part of the currents through the terminals.

    Returns
    -------
    tuple
        Sums of the residuals and of the currents through the terminals, A, whether or not the
        tolerance is reached; and the steps of the linear solver.
    """
    drops.u[:] = 0.0
    drops.v[:] = 0.0
    bound, through = curved_leftovers(cells, lines, source, drops)
    steps, stalled = 0, 0
    for _ in range(NEWTONS):
        if bound <= tolerance * through or stalled >= 5 or not np.isfinite(bound):
            break
        part = min(FORCING, bound / through) if through > 0 else FORCING
        allowed = max(part * bound, 0.25 * tolerance * through)
        steps += _newton_step(cells, lines, drops, allowed)
        after, through = _search(cells, lines, source, drops, tolerance)
        stalled = 0 if after < 0.9 * bound else stalled + 1
        bound = after
    return bound, through, steps


@compiled_loop
def curved_leftovers(cells, lines, source, drops):  # type: ignore[no-untyped-def]
    """Write the residual of Kirchhoff's law at every node, as `leftovers`, and the slopes.

    Returns the sums of the sizes of the residuals, and of the currents through the terminals.
    """
    _, through = leftovers(cells.none, lines, source, drops)
    rows, columns = cells.g.shape
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            voltage = _across(source.word[i], source.bit[j], drops.u[i, j], drops.v[i, j])
            current, cells.slope.g[i, j], _ = on_curve(
                cells.g[i, j], voltage, cells.v_sinh, cells.scale, cells.r_access
            )
            drops.rw[i, j] -= current
            drops.rb[i, j] += current
            total += abs(drops.rw[i, j]) + abs(drops.rb[i, j])
    return total, through


@compiled_loop
def _newton_step(cells, lines, drops, allowed):  # type: ignore[no-untyped-def]
    """Solve for the step from the residuals, within `allowed`, A; return linear steps."""
    refactorise(cells.slope, lines)
    step = cells.step
    step.u[:] = 0.0
    step.rw[:] = drops.rw
    step.rb[:] = drops.rb
    steps = correct(cells.slope, lines, cells.still, step, 0.0, allowed, STEPS)
    step.rb[:] = drops.rb + cells.slope.g * step.u
    bit_lines(step.rb, cells.slope.bit, lines.bit, step.v)
    return steps


@compiled_loop
def _search(cells, lines, source, drops, tolerance):  # type: ignore[no-untyped-def]
    """Go along the step, halved until it does not go too far; returns as `curved_leftovers`."""
    u, v = cells.before
    u[:] = drops.u
    v[:] = drops.v
    downhill = _along(cells.step, drops)
    part = 1.0
    bound, through = np.inf, 0.0
    for _ in range(HALVINGS):
        drops.u[:] = u + part * cells.step.u
        drops.v[:] = v + part * cells.step.v
        bound, through = curved_leftovers(cells, lines, source, drops)
        if bound <= tolerance * through or _along(cells.step, drops) >= -0.5 * downhill:
            break
        part *= 0.5
    return bound, through


@kernel
def _along(step, drops):  # type: ignore[no-untyped-def]
    """Return the fall of the co-content along a step, W: the residuals times the step."""
    rows, columns = drops.u.shape
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            total += drops.rw[i, j] * step.u[i, j] + drops.rb[i, j] * step.v[i, j]
    return total


@compiled_loop
def curved_rounding(cells, lines, source, drops, left_over):  # type: ignore[no-untyped-def]
    r"""Return the error of a current that double precision may add, A.

    As `rounding`, except for the current of a cell, which has u = eps / 2 of itself more for each
    operation, and the effect of an error of its voltage: :math:`d \ln I / d \ln V \le 1 + |y|`,
    also behind a transistor. Voltage over `v_sinh` is off by 2 u (and by the second order of
    `across`), the equation for y by some 6 u of its right side, the exponential by 2 u, the scale
    by (6 + v_read / v_sinh) u, the rest by 12 u: together below
    :math:`26 u + 8 u |y| + u V_{read} / V_0`. That counts three times, at two nodes and in the
    returned current.
    """
    currents, apart = 0.0, 0.0
    rows, columns = cells.g.shape
    for i in range(rows):
        for j in range(columns):
            word, bit, u, v = source.word[i], source.bit[j], drops.u[i, j], drops.v[i, j]
            current, slope, y = on_curve(
                cells.g[i, j], _across(word, bit, u, v), cells.v_sinh, cells.scale, cells.r_access
            )
            currents += abs(current) * (CELL_UNITS + STEEP_UNITS * (y + cells.steepest))
            apart += slope * (abs(word - bit) + abs(u - v))
    in_lines = rounding(cells.none, lines, source, drops, left_over)
    return in_lines + EPS * (currents + 3 * EPS * apart)
