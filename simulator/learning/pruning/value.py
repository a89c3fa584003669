"""What do pruned weights become?

Each policy is a type for which the verb `hold` says at which weight a group is held: one for all
inputs, or one for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_loop
from cbramsim.core.verbs import hold, implements


class Constant(NamedTuple):
    """One constant for the whole array."""

    constant: float


class Mean(NamedTuple):
    """One constant for each group: the mean of a neuron's weights that are pruned together."""


class Freeze(NamedTuple):
    """Each weight is held where it is: as many constants as weights, and no pulse to set them."""


Value = Constant | Mean | Freeze

FLOOR = Constant(-1.0)
"""The lowest conductance: the least energy in every read."""
REMOVED = Constant(0.0)
"""The cell is taken out of the array, and its share out of the comparison."""


@implements(hold, Constant)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    held[:] = value.constant


@implements(hold, Mean)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    n = 0
    for row in range(weights.size):
        held[n] = weights[row]
        n += group[row]
    held[:] = pairwise_sum(held, 0, n) / n if n else -1.0


@implements(hold, Freeze)
def _(value, weights, group, held):  # type: ignore[no-untyped-def]
    for row in range(weights.size):
        held[row] = weights[row]


@lean_kernel
def pairwise_sum(values, start, n):  # type: ignore[no-untyped-def]
    """Return the sum of `n` values from `start` on, in the order in which NumPy adds them.

    Pairwise, which rounds less than one after the other does (N. J. Higham, SIAM J. Sci. Comput.
    14, 783, 1993).
    """
    if n > 128:
        half = n // 2 - n // 2 % 8
        return pairwise_sum(values, start, half) + pairwise_sum(values, start + half, n - half)
    end, total = start, 0.0
    if n >= 8:
        a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for _ in range(n // 8):
            a, b = a + values[end], b + values[end + 1]
            c, d = c + values[end + 2], d + values[end + 3]
            e, f = e + values[end + 4], f + values[end + 5]
            g, h = g + values[end + 6], h + values[end + 7]
            end += 8
        total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for row in range(end, start + n):
        total += values[row]
    return total


@lean_loop
def fill_held(value, weights, group, held):  # type: ignore[no-untyped-def]
    """Write the weights at which a group is held into `held`, float64[inputs]."""
    hold(value, weights, group, held)


def held_at(value: Value, weights: NDArray, group: NDArray) -> NDArray:
    """Return the weights at which a `group`, bool[inputs], is held, float64[inputs]."""
    held = np.empty_like(weights)
    fill_held(value, weights, group, held)
    return held
