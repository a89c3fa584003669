"""Residual of Kirchhoff's law at the nodes of an array, and the rounding of double precision in it.

The two bound the error of every current: see `Solution.error_bound`. Arguments are those of
`relaxation.py`: `Lines`, `Source`, `Drops`.
"""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import compiled_loop, kernel, vector_kernel
from cbramsim.simulator.lines.currents import across

EPS = float(np.finfo(np.float64).eps)
"""Distance of 1 from the next number."""
UNITS = 10.0
"""Largest rounding error of a current in double precision, in units of the last place; see
`rounding`."""

_across = kernel(across)


@compiled_loop
def leftovers(g, lines, source, drops):  # type: ignore[no-untyped-def]
    """Write the residual current of Kirchhoff's law at every node into `drops.rw` and `.rb`.

    Parameters
    ----------
    g, lines, source, drops
        Cells, float64[rows, columns], S; `Lines`, `Source`, `Drops`.

    Returns
    -------
    tuple of float
        The sums of the sizes of the residuals, and of the currents through the terminals, A.
    """
    word, bit, right, bottom = source
    u, v, rw, rb = drops.u, drops.v, drops.rw, drops.rb
    rows, columns = g.shape
    total = through = 0.0
    none = np.zeros(columns)
    for i in range(rows):
        _along_word_line(g[i], lines.word, word[i], bit, u[i], v[i], rw[i], rb[i])
        above = v[i - 1] if i > 0 else none
        below = v[i + 1] if i < rows - 1 else bottom
        g_above = lines.bit if i > 0 else 0.0
        g_below = lines.bit if i < rows - 1 else 0.0
        _across_bit_lines(g_above, g_below, above, v[i], below, rb[i])
        start, end = lines.left[i] * u[i, 0], lines.right[i] * (u[i, columns - 1] - right[i])
        rw[i, 0] -= start
        rw[i, columns - 1] -= end
        through += abs(start) + abs(end)
    for j in range(columns):
        start, end = lines.top[j] * v[0, j], lines.bottom[j] * (v[rows - 1, j] - bottom[j])
        rb[0, j] -= start
        rb[rows - 1, j] -= end
        through += abs(start) + abs(end)
    for i in range(rows):
        total += _sum_of_sizes(rw[i], rb[i])
    return total, through


# What is left over bounds errors only if no difference is rewritten: no reordering in these two.


@kernel
def _along_word_line(g, g_word, word, bit, u, v, rw, rb):  # type: ignore[no-untyped-def]
    for j in range(u.size):
        cell = g[j] * _across(word, bit[j], u[j], v[j])
        rw[j] = -cell
        rb[j] = cell
    for j in range(u.size - 1):
        rw[j] += g_word * (u[j + 1] - u[j])
    for j in range(1, u.size):
        rw[j] += g_word * (u[j - 1] - u[j])


@kernel
def _across_bit_lines(g_above, g_below, above, here, below, rb):  # type: ignore[no-untyped-def]
    for j in range(here.size):
        rb[j] += g_above * (above[j] - here[j]) + g_below * (below[j] - here[j])


@vector_kernel
def _sum_of_sizes(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(x.size):
        total += abs(x[j]) + abs(y[j])
    return total


@compiled_loop
def rounding(g, lines, source, drops, left_over):  # type: ignore[no-untyped-def]
    r"""Return the error of a current that double precision may add, A.

    Let u = eps / 2 be the largest relative error of one operation, and V the voltages that were
    found, taken as exact. The residual of Kirchhoff's law at V bounds the error of the currents of
    Ohm's law at V, but neither of the two is computed exactly:

    * a conductance is off by 3 u (a reciprocal of a sum with a reciprocal), a difference of
      voltages by u (`across`), their product by u: a current by 5 u of itself, in the residuals at
      the two nodes of its branch and in the returned current;
    * adding up the currents at a node costs 3 u of each.

    Together that is at most 16 u of every current in the residuals, and 5 u of one that is returned
    (8 u for the terminals), which stays below 20 u of all currents. Besides, the second order of
    `across` for the cells, the voltage between the two terminals of a line, which is rounded
    itself, and the sum over all nodes:

    .. math:: 10\,\epsilon \sum_\text{branches} |I|
        + 3\,\epsilon^2 \sum_\text{cells} G (|w - b| + |u - v|)
        + 2\,\epsilon \sum_\text{ends} G |V - V'| + N \epsilon\,\text{left\_over}.

    Currents so small that they underflow are ignored.

    Parameters
    ----------
    g, lines, source, drops
        As for `leftovers`.
    left_over
        Sum of residuals that `leftovers` returned, A.
    """
    word, bit, right, bottom = source
    u, v = drops.u, drops.v
    rows, columns = g.shape
    currents = apart = ends = 0.0
    for i in range(rows):
        through, across_cells = _sizes_in_cells(g[i], word[i], bit, u[i], v[i])
        currents += through + lines.word * _steps(u[i, :-1], u[i, 1:])
        apart += across_cells
        if i > 0:
            currents += lines.bit * _steps(v[i - 1], v[i])
        currents += abs(lines.left[i] * u[i, 0])
        currents += abs(lines.right[i] * (u[i, columns - 1] - right[i]))
        ends += abs(lines.right[i] * right[i])
    for j in range(columns):
        currents += abs(lines.top[j] * v[0, j])
        currents += abs(lines.bottom[j] * (v[rows - 1, j] - bottom[j]))
        ends += abs(lines.bottom[j] * bottom[j])
    first_order = UNITS * currents + 2 * ends + g.size * left_over
    return EPS * (first_order + 3 * EPS * apart)


@vector_kernel
def _sizes_in_cells(g, word, bit, u, v):  # type: ignore[no-untyped-def]
    """Return the sums of the sizes of currents, and of the two parts of the voltages times G."""
    currents = apart = 0.0
    for j in range(u.size):
        currents += g[j] * abs(_across(word, bit[j], u[j], v[j]))
        apart += g[j] * (abs(word - bit[j]) + abs(u[j] - v[j]))
    return currents, apart


@vector_kernel
def _steps(one, other):  # type: ignore[no-untyped-def]
    """Return the sum of the sizes of the differences."""
    total = 0.0
    for j in range(one.size):
        total += abs(one[j] - other[j])
    return total
