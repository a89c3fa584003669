r"""Every line as a ladder of its own: a first approximation of effective conductances, in two
sweeps.

With 1 V on one word line and all other terminals at ground, the other word lines are nearly at
ground as well. If they were, each bit line would be a ladder: at node (i, j) it conducts

.. math:: k = a + b, \qquad b_i = \frac{g\,(b_{i+1} + G_{i+1})}{g + b_{i+1} + G_{i+1}}

to ground, a upwards and b downwards, with g the conductance of a segment. The cell then loads its
word line by
:math:`G' = G k / (G + k)`, which is a ladder too, with the voltage w along it; and the part
:math:`b / k` of the cell's current :math:`w G'` goes down, of which each cell below takes its
share.

This neglects the current from one word line into the others and back. It takes a thousandth of the
time of the exact effective conductances, and follows their changes with the cells far better than
their values.
"""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import compiled_loop, vector_kernel
from cbramsim.simulator.lines.relaxation import ROWS


@compiled_loop
def along_ladders(g, lines, seen):  # type: ignore[no-untyped-def]
    """Write approximate effective conductances of an array, S.

    Parameters
    ----------
    g
        Cells, float32[rows, columns], S.
    lines
        `Lines`.
    seen
        float32[rows, columns], overwritten.
    """
    rows, columns = g.shape
    load = np.empty((rows, columns))
    _bit_ladders(g, lines, load, seen)
    voltage = np.empty((ROWS, columns))
    for first in range(0, rows, ROWS):
        count = min(ROWS, rows - first)
        _word_ladders(load, lines, first, count, voltage)
        for a in range(count):
            for j in range(columns):
                seen[first + a, j] *= np.float32(voltage[a, j] * load[first + a, j])


@vector_kernel
def _bit_ladders(g, lines, load, leaves):  # type: ignore[no-untyped-def]
    """Write the load of cells on their word lines, S, and the part of their current that is
    sensed."""
    rows, columns = g.shape
    g_bit = lines.bit
    conducts, reaches = lines.bottom.copy(), np.ones(columns)
    for n in range(rows):
        i = rows - 1 - n
        for j in range(columns):
            load[i, j] = conducts[j]
            leaves[i, j] = reaches[j] * conducts[j]
            onward = conducts[j] + np.float64(g[i, j])
            reaches[j] *= conducts[j] / onward if onward > 0 else 0.0
            conducts[j] = g_bit * onward / (g_bit + onward)
    conducts[:] = lines.top
    reaches[:] = 1.0
    for i in range(rows):
        for j in range(columns):
            cell = np.float64(g[i, j])
            both = load[i, j] + conducts[j]
            leaves[i, j] = (leaves[i, j] + reaches[j] * conducts[j]) / both if both > 0 else 0.0
            onward = conducts[j] + cell
            reaches[j] *= conducts[j] / onward if onward > 0 else 0.0
            conducts[j] = g_bit * onward / (g_bit + onward)
            load[i, j] = cell * both / (cell + both) if both > 0 else 0.0


@vector_kernel
def _word_ladders(load, lines, first, count, voltage):  # type: ignore[no-untyped-def]
    """Write the voltages along some word lines, both ends at 1 V where they are connected.

    Elimination from the right: the circuit behind node j is a source of voltage e and conductance
    s.
    """
    last = load.shape[1] - 1
    g_word = lines.word
    behind = np.empty((ROWS, last + 1))
    source = np.empty((ROWS, last + 1))
    s, e = np.empty(ROWS), np.empty(ROWS)
    for a in range(count):
        s[a] = lines.right[first + a]
        e[a] = 1.0
    for n in range(last + 1):
        j = last - n
        for a in range(count):
            behind[a, j] = s[a]
            source[a, j] = e[a]
            total = s[a] + load[first + a, j]
            e[a] = e[a] * s[a] / total if total > 0 else 0.0
            s[a] = g_word * total / (g_word + total)
    for a in range(count):
        left = lines.left[first + a]
        total = left + behind[a, 0] + load[first + a, 0]
        s[a] = (left + behind[a, 0] * source[a, 0]) / total if total > 0 else 0.0
        voltage[a, 0] = s[a]
    for j in range(1, last + 1):
        for a in range(count):
            total = g_word + behind[a, j] + load[first + a, j]
            s[a] = (g_word * s[a] + behind[a, j] * source[a, j]) / total
            voltage[a, j] = s[a]
