r"""Accelerated line relaxation: the fast solver of the circuit in `circuit.py`, and its kernels.

With u the drops of the word-line nodes against the voltage of their line's terminal, v those of
the bit lines, D the diagonal matrix of the cells and T_w, T_b the tridiagonal matrices of the lines
and their ends, Kirchhoff's law reads

.. math:: (T_w + D)\,u - D\,v = f_w, \qquad (T_b + D)\,v - D\,u = f_b.

Line relaxation (block Gauss-Seidel) solves for one kind of line at a time, in turns; each system is
tridiagonal. With v eliminated,

.. math:: S u = \left[T_w + D - D (T_b + D)^{-1} D\right] u = f_w + D (T_b + D)^{-1} f_b,

where S is symmetric and positive definite. Relaxation is the simple iteration with the
preconditioner :math:`T_w + D`; conjugate gradients with the same preconditioner take the same two
sweeps per step and need about the square root of the steps (Golub and Van Loan, Matrix
Computations, 11.5). With :math:`s = (T_w + D) p` carried along, one step is one sweep of each
kind and nothing else.

The residual of Kirchhoff's law is computed anew from the result, and corrected again if it is not
small enough: rounding errors of the iteration are found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, kernel, vector_kernel
from cbramsim.simulator.lines.leftovers import leftovers

ROWS = 8
"""Word lines that are swept side by side: a single one is a chain of dependent operations."""
ROUNDS = 5
"""Rounds of correction before relaxation is given up: without rounding one is enough."""
STEPS = 5_000
"""Most steps of one round."""


class Lines(NamedTuple):
    """Conductances of the lines, S."""

    word: float
    """Conductance of a segment of a word line."""
    bit: float
    """Conductance of a segment of a bit line."""
    left: NDArray[np.float64]
    """Conductance from the first cell of each word line to its left terminal, [rows]; 0 if it
    floats."""
    right: NDArray[np.float64]
    """Conductance from the last cell to the right terminal, [rows]."""
    top: NDArray[np.float64]
    """Conductance from the first cell of each bit line to its top terminal, [columns]."""
    bottom: NDArray[np.float64]
    """Conductance from the last cell to the bottom terminal, [columns]."""


class Factors(NamedTuple):
    """Factors for the sweeps: reciprocal pivots of all tridiagonal matrices."""

    g: NDArray[np.float64]
    """Conductances of the cells, [rows, columns], S."""
    word: NDArray[np.float64]
    """Factors of the word lines, [rows, columns], Ohm."""
    bit: NDArray[np.float64]
    """Factors of the bit lines, [rows, columns], Ohm."""


class Row(NamedTuple):
    """Row of the array for sweeps along the bit lines."""

    g: NDArray[np.float64]
    """Conductances of its cells, [columns], S."""
    pivots: NDArray[np.float64]
    """Reciprocal pivots of the bit lines there, [columns], Ohm."""
    g_bit: float
    """Conductance of a segment of a bit line, S."""


class Source(NamedTuple):
    """Voltages at the terminals, V."""

    word: NDArray[np.float64]
    """Voltage from which the drops of each word line are counted: that of its left terminal,
    [rows]."""
    bit: NDArray[np.float64]
    """Voltage from which the drops of each bit line are counted: that of its top terminal,
    [columns]."""
    right: NDArray[np.float64]
    """Voltage of the right terminal above `word`, [rows]."""
    bottom: NDArray[np.float64]
    """Voltage of the bottom terminal above `bit`, [columns]."""


class Drops(NamedTuple):
    """Drops of the nodes, and memory to find them; float64[rows, columns] each."""

    u: NDArray[np.float64]
    """Drops of the nodes of word lines, V."""
    v: NDArray[np.float64]
    """Drops of the nodes of bit lines, V."""
    rw: NDArray[np.float64]
    """Residual currents at the nodes of word lines, A."""
    rb: NDArray[np.float64]
    """Residual currents at the nodes of bit lines, A."""
    p: NDArray[np.float64]
    """Direction of search."""
    s: NDArray[np.float64]
    """Product (T_w + D) p."""


def factorise(g: NDArray[np.float64], lines: Lines) -> Factors:
    """Return the factors of an array of cells, float64[rows, columns], C-ordered, S."""
    factors = Factors(g, np.empty_like(g), np.empty_like(g))
    refactorise(factors, lines)
    return factors


def memory(shape: tuple[int, int]) -> Drops:
    """Return memory for the drops of an array."""
    return Drops(*(np.empty(shape) for _ in Drops._fields))


def no_source(rows: int, columns: int) -> Source:
    """Return terminals at ground."""
    return Source(np.zeros(rows), np.zeros(columns), np.zeros(rows), np.zeros(columns))


@compiled_loop
def refactorise(factors, lines):  # type: ignore[no-untyped-def]
    """Eliminate each line from its start; without subtractions, as all terms are positive.

    A node sees the conductance s to its left and its own; the next one sees it through a segment,
    g s / (g + s).
    """
    g = factors.g
    rows, columns = g.shape
    seen = np.empty(ROWS, g.dtype)
    for first in range(0, rows, ROWS):
        count = min(ROWS, rows - first)
        for a in range(count):
            seen[a] = lines.left[first + a]
        for j in range(columns - 1):
            for a in range(count):
                s = g[first + a, j] + seen[a]
                pivot = 1 / (s + lines.word)
                factors.word[first + a, j] = pivot
                seen[a] = lines.word * s * pivot
        for a in range(count):
            row = first + a
            factors.word[row, columns - 1] = 1 / (g[row, columns - 1] + seen[a] + lines.right[row])
    above = lines.top.copy()
    for i in range(rows - 1):
        for j in range(columns):
            s = g[i, j] + above[j]
            pivot = 1 / (s + lines.bit)
            factors.bit[i, j] = pivot
            above[j] = lines.bit * s * pivot
    for j in range(columns):
        factors.bit[rows - 1, j] = 1 / (g[rows - 1, j] + above[j] + lines.bottom[j])


@compiled_loop
def settle(factors, lines, source, drops, tolerance):  # type: ignore[no-untyped-def]
    """Find the drops, starting from none, for which the residual of Kirchhoff's law is within
    `tolerance`.

    Parameters
    ----------
    factors, lines, source, drops
        `Factors`, `Lines`, `Source`, `Drops`; the latter is overwritten.
    tolerance
        Largest sum of residuals, as a part of the currents through the terminals.

    Returns
    -------
    tuple
        Sums of the residuals and of the currents through the terminals, A, whether or not the
        tolerance is reached; and the steps taken.
    """
    _at_rest(factors.g, lines, source, drops)
    steps, bound, through = 0, 0.0, 0.0
    for n in range(ROUNDS):
        # A part of what is allowed is kept for rounding.
        allowed = 0.5 * tolerance * through if n else 0.0
        steps += correct(factors, lines, source, drops, 0.5 * tolerance, allowed, STEPS)
        bound, through = leftovers(factors.g, lines, source, drops)
        if bound <= tolerance * through or not np.isfinite(bound):
            break
    return bound, through, steps


@vector_kernel
def _at_rest(g, lines, source, drops):  # type: ignore[no-untyped-def]
    """Set the drops to zero, and write the residual of Kirchhoff's law for that."""
    rows, columns = g.shape
    for i in range(rows):
        for j in range(columns):
            cell = g[i, j] * (source.word[i] - source.bit[j])
            drops.u[i, j] = 0.0
            drops.rw[i, j] = -cell
            drops.rb[i, j] = cell
        drops.rw[i, columns - 1] += lines.right[i] * source.right[i]
    for j in range(columns):
        drops.rb[rows - 1, j] += lines.bottom[j] * source.bottom[j]


@compiled_loop
def correct(factors, lines, source, drops, tolerance, allowed, limit):  # type: ignore[no-untyped-def]
    """Correct the drops for the residuals, by conjugate gradients; return the steps taken.

    Stops when the sum of the sizes of the residuals is no more than `tolerance` of the current
    through the terminals of the word lines, or than `allowed`.

    Parameters
    ----------
    factors, lines, source
        `Factors`, `Lines`, `Source`.
    drops
        `Drops` with the residuals from `leftovers`; u is corrected, v follows from u and the
        terminals, the rest is overwritten.
    tolerance
        Relative.
    allowed
        A.
    limit
        Most steps.
    """
    g, r, p, s = factors.g, drops.rw, drops.p, drops.s
    z, q = drops.rb, drops.v  # memory that is free while u is being found
    rows, columns = g.shape
    nothing, below = np.zeros(columns), np.empty(columns)
    bit_lines(drops.rb, factors.bit, lines.bit, q)
    _begin(g, q, r, p, s)
    steps, alpha, rz_before = 0, 0.0, 1.0
    while True:
        left_over, rz = _word_lines(alpha, drops.u, p, r, q, factors.word, lines.word, z)
        through = _through_word_lines(lines, source.right, drops.u)
        if not left_over > max(allowed, tolerance * through) or steps >= limit or rz == 0:
            break
        beta = rz / rz_before if steps else 0.0
        above = nothing
        for i in range(rows):
            row = Row(g[i], factors.bit[i], lines.bit)
            _down(beta, z[i], p[i], s[i], r[i], row, above, q[i])
            above = q[i]
        below[:] = 0
        pq = 0.0
        for n in range(rows):
            i = rows - 1 - n
            pq += _up(below, factors.bit[i], lines.bit, s[i], g[i], p[i], q[i])
        if not pq > 0:
            break
        alpha = rz / pq
        rz_before = rz
        steps += 1
    for i in range(rows):
        _drive_bit_lines(g[i], source.word[i], source.bit, drops.u[i], z[i])
    for j in range(columns):
        z[rows - 1, j] += lines.bottom[j] * source.bottom[j]
    bit_lines(z, factors.bit, lines.bit, drops.v)
    return steps


@kernel
def _through_word_lines(lines, right, u):  # type: ignore[no-untyped-def]
    """Return the sum of the sizes of the currents through the terminals of the word lines, A."""
    last = u.shape[1] - 1
    through = 0.0
    for i in range(u.shape[0]):
        through += abs(lines.left[i] * u[i, 0]) + abs(lines.right[i] * (u[i, last] - right[i]))
    return through


@vector_kernel
def _begin(g, v, r, p, s):  # type: ignore[no-untyped-def]
    """Eliminate the bit lines from the residuals; no direction yet, and no step to take."""
    rows, columns = g.shape
    for i in range(rows):
        for j in range(columns):
            r[i, j] += g[i, j] * v[i, j]
            p[i, j] = 0.0
            s[i, j] = 0.0


@vector_kernel
def _drive_bit_lines(g, word, bit, u, into):  # type: ignore[no-untyped-def]
    """Write the current that a row of cells drives into bit lines without drops."""
    for j in range(u.size):
        into[j] = g[j] * ((word - bit[j]) + u[j])


@vector_kernel
def _word_lines(alpha, u, p, r, q, pivots, g_word, z):  # type: ignore[no-untyped-def]
    """Take a step along p, and solve (T_w + D) z = r; return the sums of abs(r) and of r z."""
    rows = r.shape[0]
    left_over, rz = 0.0, 0.0
    i = 0
    while i + 4 <= rows:
        for k in range(i, i + 4):
            left_over += _step(alpha, u[k], p[k], r[k], q[k])
        rz += _four_word_lines(r[i : i + 4], pivots[i : i + 4], z[i : i + 4], g_word)
        i += 4
    while i < rows:
        left_over += _step(alpha, u[i], p[i], r[i], q[i])
        rz += _word_line(r[i], pivots[i], z[i], g_word)
        i += 1
    return left_over, rz


@vector_kernel
def _step(alpha, u, p, r, q):  # type: ignore[no-untyped-def]
    left_over = r[0] * 0
    for j in range(u.size):
        u[j] += alpha * p[j]
        r[j] -= alpha * q[j]
        left_over += abs(r[j])
    return np.float64(left_over)


@vector_kernel
def _four_word_lines(r, pivots, z, g):  # type: ignore[no-untyped-def]
    ra, rb, rc, rd = r[0], r[1], r[2], r[3]
    fa, fb, fc, fd = pivots[0], pivots[1], pivots[2], pivots[3]
    za, zb, zc, zd = z[0], z[1], z[2], z[3]
    last = ra.size - 1
    a, b, c, d = ra[0] * fa[0], rb[0] * fb[0], rc[0] * fc[0], rd[0] * fd[0]
    za[0], zb[0], zc[0], zd[0] = a, b, c, d
    for j in range(1, last + 1):
        a = ra[j] * fa[j] + (g * fa[j]) * a
        b = rb[j] * fb[j] + (g * fb[j]) * b
        c = rc[j] * fc[j] + (g * fc[j]) * c
        d = rd[j] * fd[j] + (g * fd[j]) * d
        za[j], zb[j], zc[j], zd[j] = a, b, c, d
    dot_a, dot_b, dot_c, dot_d = ra[last] * a, rb[last] * b, rc[last] * c, rd[last] * d
    for n in range(1, last + 1):
        j = last - n
        a = za[j] + (g * fa[j]) * a
        b = zb[j] + (g * fb[j]) * b
        c = zc[j] + (g * fc[j]) * c
        d = zd[j] + (g * fd[j]) * d
        za[j], zb[j], zc[j], zd[j] = a, b, c, d
        dot_a += ra[j] * a
        dot_b += rb[j] * b
        dot_c += rc[j] * c
        dot_d += rd[j] * d
    return np.float64((dot_a + dot_b) + (dot_c + dot_d))


@vector_kernel
def _word_line(r, pivots, z, g):  # type: ignore[no-untyped-def]
    last = r.size - 1
    a = r[0] * pivots[0]
    z[0] = a
    for j in range(1, last + 1):
        a = r[j] * pivots[j] + (g * pivots[j]) * a
        z[j] = a
    dot = r[last] * a
    for n in range(1, last + 1):
        j = last - n
        a = z[j] + (g * pivots[j]) * a
        z[j] = a
        dot += r[j] * a
    return np.float64(dot)


@vector_kernel
def _down(beta, z, p, s, r, row, above, y):  # type: ignore[no-untyped-def]
    """Turn to the next direction, and begin to solve (T_b + D) y = D p: one row of it."""
    g, pivots, g_bit = row
    for j in range(z.size):
        direction = z[j] + beta * p[j]
        p[j] = direction
        s[j] = r[j] + beta * s[j]
        y[j] = (g[j] * direction + g_bit * above[j]) * pivots[j]


@vector_kernel
def _up(below, pivots, g_bit, s, g, p, q):  # type: ignore[no-untyped-def]
    """Finish one row of y, and replace it by q = S p = s - D y; return the sum of p q."""
    dot = q[0] * 0
    for j in range(q.size):
        y = q[j] + g_bit * pivots[j] * below[j]
        below[j] = y
        product = s[j] - g[j] * y
        q[j] = product
        dot += p[j] * product
    return np.float64(dot)


@vector_kernel
def bit_lines(x, pivots, g_bit, y):  # type: ignore[no-untyped-def]
    """Solve (T_b + D) y = x."""
    rows, columns = x.shape
    for j in range(columns):
        y[0, j] = x[0, j] * pivots[0, j]
    for i in range(1, rows):
        for j in range(columns):
            y[i, j] = (x[i, j] + g_bit * y[i - 1, j]) * pivots[i, j]
    for n in range(1, rows):
        i = rows - 1 - n
        for j in range(columns):
            y[i, j] += g_bit * pivots[i, j] * y[i + 1, j]
