"""Values of pruned weights.

Each policy is a type for which the verb `hold` returns the held weight of a group: one for all
inputs, or one for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import lean_kernel, lean_loop
from cbramsim.core.verbs import hold, implements


class Constant(NamedTuple):
    """One constant for the whole array."""

    constant: float


class Mean(NamedTuple):
    """One constant for each group: the mean of a neuron's weights that are pruned together."""


class Freeze(NamedTuple):
    """The present value of each weight: as many constants as weights, and no pulses to set them."""


Value = Constant | Mean | Freeze

FLOOR = Constant(-1.0)
"""Lowest conductance, with the least energy in every read."""
REMOVED = Constant(0.0)
"""Removal of the cell from the array, and of its share from the comparison."""


@implements(hold, Constant)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    held[:] = value.constant


@implements(hold, Mean)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(weights.size):
        held[n] = weights[row]
        n += group[row]
    held[:] = pairwise_sum(held, n) / n if n else -1.0


@implements(hold, Freeze)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    for row in range(weights.size):
        held[row] = weights[row]


@lean_kernel
def pairwise_sum(values, n):  # type: ignore[no-untyped-def]
    """Return the sum of the first `n` values, in the order in which NumPy adds them; uses them up.

    Halves are summed by themselves, down to 128 values, which rounds less than adding one after the
    other (N. J. Higham, SIAM J. Sci. Comput. 14, 783, 1993). A bit of `right` for each level marks
    the second half; the sum of the first half is then stored among the values already used.
    """
    right = 0
    while True:
        start, size, level = 0, n, 0
        while size > 128:
            half = size // 2 - size // 2 % 8
            if right >> level & 1:
                start, size = start + half, size - half
            else:
                size = half
            level += 1
        total = sum_of_eights(values, start, size)
        while level > 0 and right >> (level - 1) & 1:
            level -= 1
            right ^= 1 << level
            total += values[level]
        if level == 0:
            return total
        values[level - 1] = total
        right ^= 1 << (level - 1)


@lean_kernel
def sum_of_eights(values, start, n):  # type: ignore[no-untyped-def]
    """Return the sum of `n` values from `start` on: eight sums side by side, then the rest."""
    total, end = 0.0, start + n // 8 * 8
    if n >= 8:
        a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(start, end, 8):
            a, b, c, d = a + values[k], b + values[k + 1], c + values[k + 2], d + values[k + 3]
            e, f, g, h = e + values[k + 4], f + values[k + 5], g + values[k + 6], h + values[k + 7]
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for k in range(end, start + n):
        total += values[k]
    return total


@lean_loop
def fill_held(value, weights, group, held):  # type: ignore[no-untyped-def]
    """Write the weights at which a group is held into `held`, float64[inputs]."""
    hold(value, weights, group, held)


def held_at(value: Value, weights: NDArray, group: NDArray) -> NDArray:
    """Return the weights at which a `group`, bool[inputs], is held, float64[inputs].

    Raises
    ------
    ParameterError
        If the group is something else.
    """
    if (group.dtype, group.shape) != (bool, weights.shape):
        raise ParameterError(
            f"Quota.hold: group must be bool[{weights.size}], one for each input "
            f"(got {group.dtype}[{', '.join(map(str, group.shape))}])"
        )
    held = np.empty_like(weights)
    fill_held(value, weights, group, held)
    return held
