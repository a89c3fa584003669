"""`solve`: node voltages of an array with resistive lines, to a guaranteed tolerance."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import array, instance, one_of
from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.simulator.lines.checks import check_circuit, check_tolerance
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.curves import OHMIC, Curve, Ohmic, Sinh
from cbramsim.simulator.lines.leftovers import rounding
from cbramsim.simulator.lines.newton import curved_cells, curved_rounding, settle_curved
from cbramsim.simulator.lines.relaxation import (
    Lines,
    Source,
    factorise,
    memory,
    settle,
)
from cbramsim.simulator.lines.solution import Solution

Method = Literal["auto", "relaxation", "direct"]

NOTHING = 1e-20
"""Smallest current, as a part of the current of the highest voltage through all cells in parallel:
ten thousand times below the rounding of a current."""


class ConvergenceError(CbramError, ArithmeticError):
    """Failure of a solution to reach its tolerance, with the tolerance reached."""


def solve(
    conductance: ArrayLike,
    terminals: Terminals,
    wires: Wires,
    *,
    faults: LineFaults | None = None,
    tolerance: float = 1e-9,
    method: Method = "auto",
    curve: Curve = OHMIC,
) -> Solution:
    """Solve Kirchhoff's law at every node of an array.

    The equations are those of `cbramsim.simulator.lines.circuit`. An array whose lines are intact
    and of positive resistance is solved by accelerated line relaxation; any other, or one for which
    that fails, directly. Cells that are not ohmic take steps of Newton's method, each of them a
    linear circuit (`newton.py`): from any start these reach the only solution, and the residuals
    bound the error of every current in the same way.

    Parameters
    ----------
    conductance
        Conductances of the bare cells, float[rows, columns], S; 0 for no cell, infinite for a
        short.
    terminals
        Voltages at the ends of the lines.
    wires
        Resistances.
    faults
        Broken and bridged lines.
    tolerance
        Largest sum of the residuals of Kirchhoff's law over all nodes, as a part of the sum of the
        currents through the terminals. No current is wrong by more than that sum and the rounding:
        `Solution.error_bound`.
    method
        `auto`, `relaxation` (and nothing else if that fails) or `direct`.
    curve
        Current-voltage curve of the cells: `Ohmic`, or `Sinh`, whose conductance is that at its
        read voltage.

    Raises
    ------
    ParameterError
        If a value is impossible, shapes do not fit, or part of the array floats.
    ConvergenceError
        If the tolerance is not reached.
    """
    g = np.ascontiguousarray(array("solve.conductance:", conductance), np.float64)
    instance("solve.terminals:", terminals, Terminals)
    instance("solve.wires:", wires, Wires)
    instance("solve.faults:", faults, LineFaults, type(None))
    terminals = Terminals(*(array("solve.terminals:", end).astype(np.float64) for end in terminals))
    faults = LineFaults() if faults is None else faults
    check_circuit(g, terminals, faults)
    one_of("solve.method:", method, get_args(Method))
    instance("solve.curve:", curve, Ohmic, Sinh)
    check_tolerance("solve", tolerance)
    regular = not faults and wires.r_word > 0 and wires.r_bit > 0 and bool(np.isfinite(g).all())
    if method == "relaxation" and not regular:
        raise ParameterError(
            "solve.method: relaxation needs lines without faults, r_word and r_bit > 0, and finite "
            "conductances (got another array)"
        )
    solution = None
    if regular and method != "direct":
        solution = _relax(g, terminals, wires, tolerance, curve)
    if solution is None and method == "relaxation":
        raise ConvergenceError(f"solve: relaxation did not converge to {tolerance:g}")
    if solution is None:
        from cbramsim.simulator.lines.direct import solve_directly  # imports much, is rarely needed

        solution = solve_directly(g, terminals, wires, faults, curve)
    # Where nothing flows, there is nothing to compare with.
    voltage = max(float(np.abs(np.nan_to_num(end)).max()) for end in terminals)
    nothing = NOTHING * voltage * float(g[np.isfinite(g)].sum())
    allowed = max(tolerance * solution.through, nothing)
    left_over = solution.error_bound - solution.rounding
    if not left_over <= allowed:
        raise ConvergenceError(
            f"solve: the array did not converge to {tolerance:g}: what Kirchhoff's law leaves over "
            f"is {left_over / solution.through:.2g} of the currents through the "
            f"terminals ({solution.method}, {solution.iterations} iterations)"
        )
    return solution


def _relax(
    conductance: NDArray[np.float64], terminals: Terminals, wires: Wires, tolerance: float,
    curve: Curve,
) -> Solution | None:  # fmt: skip
    """Return the solution by relaxation, or None if it does not converge."""
    _check_floating(conductance, terminals)
    lines, source = circuit_of(terminals, wires)
    drops = memory(conductance.shape)  # type: ignore[arg-type]
    if isinstance(curve, Sinh):
        cells = curved_cells(conductance, curve, wires.r_access, lines)
        left_over, through, steps = settle_curved(cells, lines, source, drops, tolerance)
    else:
        factors = factorise(np.ascontiguousarray(wires.in_series(conductance)), lines)
        left_over, through, steps = settle(factors, lines, source, drops, tolerance)
    if not left_over <= tolerance * through:  # also where it is not a number
        return None
    if isinstance(curve, Sinh):
        rounded_off = curved_rounding(cells, lines, source, drops, left_over)
    else:
        rounded_off = rounding(factors.g, lines, source, drops, left_over)
    return Solution(
        conductance, terminals, wires, drops.u, drops.v, source.word, source.bit,
        error_bound=left_over + rounded_off, through=through, iterations=steps,
        method="relaxation", rounding=rounded_off, curve=curve,
    )  # fmt: skip


def circuit_of(terminals: Terminals, wires: Wires) -> tuple[Lines, Source]:
    """Return conductances and voltages of the lines; for resistances above zero."""
    to_word, to_bit = 1 / (wires.r_source + wires.r_word), 1 / (wires.r_sense + wires.r_bit)
    left, right = (
        _connected(terminals.word_left, to_word),
        _connected(terminals.word_right, to_word),
    )
    top, bottom = _connected(terminals.bit_top, to_bit), _connected(terminals.bit_bottom, to_bit)
    word, beyond_word = _voltages(terminals.word_left, terminals.word_right)
    bit, beyond_bit = _voltages(terminals.bit_top, terminals.bit_bottom)
    lines = Lines(1 / wires.r_word, 1 / wires.r_bit, left, right, top, bottom)
    return lines, Source(word, bit, beyond_word, beyond_bit)


def _connected(end: NDArray[np.float64], conductance: float) -> NDArray[np.float64]:
    """Return the conductance to each terminal, none where a line floats."""
    return np.where(np.isnan(end), 0.0, conductance)


def _voltages(
    first: NDArray[np.float64], last: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the voltage of the first terminal of each line, of the last where that floats, or 0.

    Also return the voltage of the last terminal above it, if there is one.
    """
    start = np.where(np.isnan(first), last, first)
    start[np.isnan(start)] = 0.0
    above = last - start
    above[np.isnan(above)] = 0.0
    return start, above


def _check_floating(g: NDArray[np.float64], terminals: Terminals) -> None:
    """Refuse lines that no terminal reaches, neither their own nor through cells and others."""
    rows, columns = g.shape
    driven = ~np.concatenate(
        [
            np.isnan(terminals.word_left) & np.isnan(terminals.word_right),
            np.isnan(terminals.bit_top) & np.isnan(terminals.bit_bottom),
        ]
    )
    if driven.all():
        return
    from scipy.sparse import coo_array  # imports much, and is needed where a line floats only
    from scipy.sparse.csgraph import connected_components

    row, column = np.nonzero(g)
    edges = coo_array(
        (np.ones(row.size, np.int8), (row, rows + column)), shape=(rows + columns,) * 2
    )
    _, part = connected_components(edges, directed=False)
    reached = np.isin(part, part[driven])
    if not reached.all():
        line = int(np.argmin(reached))
        name = f"word line {line}" if line < rows else f"bit line {line - rows}"
        raise ParameterError(
            f"Terminals: {name} floats: neither it nor a line that its cells connect it to has a "
            f"terminal, so that its voltage is undetermined ({(~reached).sum()} such lines)"
        )
