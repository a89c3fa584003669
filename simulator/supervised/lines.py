r"""Perceptron behind resistive lines: probabilities of active word lines, and its reads.

Forward, a bit line gets :math:`\sum_i V_i \tilde G_{ik}`, with the effective conductances
:math:`\tilde G` that exact solutions of the lines give (`lines.effective_matrix`), and that follow
the cells while they learn (`array.wired_reads`). Backward, voltages are on the bit lines and word
lines are at ground. Cells and lines are one network of resistors, whose ports are the ends of the
lines: the current into one per volt on another is the same both ways (reciprocity), so that a word
line gets :math:`\sum_k V_k \tilde G_{ik}`, the transpose. This holds for equal terminations:
an end of a line has one resistance, whether it drives or senses, `r_source` of a word line and
`r_sense` of a bit line (assumed); an end that floats forward floats backward too.

Slopes are therefore with respect to the weights as reads see them. The reference column sees ideal
lines, as that of any array (assumed): the loss of a bit line in lines then counts as negative
weights, and a hidden unit with hundreds of inputs may never fire. Pairs of cells, both behind
lines, do not have this effect. The error of a mean read while learning is in
``crossbar.wired.error``.

For a backward read, and for inputs as voltages, :math:`\sum V_k^2 \tilde G_{ik}` is booked, cells
and lines together. The current between bit lines through the word lines, where their voltages
differ, is left out: a lower bound, exact where all are equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLED = 64
"""Images from which the probabilities of active lines are found at each step of learning."""


def active_together(
    codes: NDArray[np.uint8], bits: int, *, one_by_one: bool
) -> NDArray[np.float64]:
    """Return the probability that two word lines are active in one read, float64[rows, rows].

    The diagonal has the probability that one is active.

    Parameters
    ----------
    codes
        Codes of some inputs, uint8[images, rows], of `bits` bits.
    bits
        See `codes`.
    one_by_one
        Whether bits are read one after the other, and skipped without an active line; otherwise
        inputs are voltages in parts of that of a read, and the result is mean products, and mean
        voltages.
    """
    reads: NDArray[np.float64] = codes / ((1 << bits) - 1)
    if one_by_one:
        planes = (codes[:, None] >> np.arange(bits, dtype=np.uint8)[:, None]) & np.uint8(1)
        lines = planes.reshape(-1, codes.shape[1])
        reads = lines[lines.any(axis=1)].astype(np.float64)
    together: NDArray[np.float64] = reads.T @ reads / max(len(reads), 1)
    np.fill_diagonal(together, reads.sum(axis=0) / max(len(reads), 1))
    return together
