"""Selection of the weights of a mature neuron that are pruned.

Each policy returns a mask over the inputs. All but `Threshold` take the same number from every
neuron.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_loop
from cbramsim.core.verbs import hold
from cbramsim.simulator.learning.pruning.neuron import Neuron
from cbramsim.simulator.learning.pruning.value import held_at

ROUNDS = 12
"""Most rounds of iteration between a group and its held value."""


class Quota(NamedTuple):
    """Number of weights of a neuron to take, and those to take them from."""

    size: int
    """Weights to take."""
    free: NDArray[np.bool_]
    """Weights that are not pruned yet, bool[inputs]."""
    value: Any
    """Value that they are given, see `pruning.value`."""
    threshold: Callable[[], float]
    """Function that returns the weight below which all neurons that are not mature yet must be
    pruned for the array to reach its fraction."""

    def hold(self, neuron: Neuron, group: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the weights at which a group, bool[inputs], would be held, float64[inputs]."""
        return held_at(self.value, neuron.weights, group)

    def lowest(self, score: NDArray[np.float64], then: NDArray | None = None) -> NDArray:
        """Return the free weights of lowest `score`, bool[inputs]; among equals, by `then`."""
        keys = (score, ~self.free) if then is None else (then, score, ~self.free)
        mask = np.zeros(score.size, np.bool_)
        mask[np.lexsort(keys)[: self.size]] = True
        return mask


class Selection(Protocol):
    """A criterion that selects weights."""

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """Return the weights of a mature neuron to prune, bool[inputs]."""


class Quantile(NamedTuple):
    """The lowest of the neuron's weights.

    In an array these are the lowest conductances, the smallest weights of conventional pruning.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(neuron.weights)


class Threshold(NamedTuple):
    """The weights below one threshold for the array, set so that it comes to its fraction."""

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.free & (neuron.weights <= quota.threshold())


class Distance(NamedTuple):
    """The neuron's weights that are closest to either bound."""

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(1 - np.abs(neuron.weights))


class Magnitude(NamedTuple):
    """The neuron's weights that are closest to zero.

    Conventional magnitude pruning (for example Han et al., NIPS 2015): the mask is |w| > quantile.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(np.abs(neuron.weights))


class Saliency(NamedTuple):
    """The neuron's weights whose move to the held value disturbs it least.

    Moving weight i by d_i changes the drive by sum(d_i y_i). With independent inputs of variance
    v_i (`Neuron.variance`) its variance is sum(d_i² v_i): the terms are the saliencies, the
    diagonal argument of optimal brain damage (LeCun et al., NIPS 1989). The held value depends on
    the group, so both are found by iteration. Weights that would not move at all are taken lowest
    first.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        group = np.zeros(neuron.weights.size, np.bool_)
        order = np.flatnonzero(quota.free)
        score, held = np.empty((2, group.size))
        choose_salient(
            quota.value, neuron.weights, neuron.variance, quota.size, order, (score, held), group
        )
        return group


class WriteCost(NamedTuple):
    """The neuron's weights whose further learning would cost the most energy.

    A weight in balance keeps getting pulses up and down, in proportion to the variance of its
    input; the energy of each is proportional to the conductance (`Neuron.write_energy`). Weights at
    a bound cost almost nothing if they go on learning. The criterion uses energy alone, so it is
    meant for the value `freeze`, which moves no weight.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(-neuron.write_energy)


@lean_loop
def choose_salient(value, weights, variance, size, order, work, group):  # type: ignore[no-untyped-def]
    """Choose `size` weights as in `Saliency`.

    Parameters
    ----------
    value
        Held value of a group.
    weights, variance
        float64[inputs].
    order
        int64[n], those to choose from; sorted anew.
    work
        Two float64[inputs] of memory.
    group
        bool[inputs], overwritten.
    """
    score, held = work
    bring_lowest(weights, weights, size, order)
    changed, rounds = mark(size, order, group), 0
    while changed and rounds < ROUNDS:
        hold(value, weights, group, held)
        for row in order:
            moved = weights[row] - held[row]
            score[row] = moved * moved * variance[row]
        bring_lowest(score, weights, size, order)
        changed = mark(size, order, group)
        rounds += 1


@lean_kernel
def bring_lowest(score, then, size, order):  # type: ignore[no-untyped-def]
    """Bring the `size` inputs of lowest `score` to the front of `order`.

    Equals are in order of `then`, then of number. C. A. R. Hoare's Find (Commun. ACM 4, 321, 1961);
    it is fast if most are in front already.
    """
    low, high = 0, order.size - 1
    while low < high and 0 < size <= high:
        i, j, pivot = low, high, order[size - 1]
        while i <= j:
            while comes_before(score, then, order[i], pivot):
                i += 1
            while comes_before(score, then, pivot, order[j]):
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if j < size - 1:
            low = i
        if size - 1 < i:
            high = j


@lean_kernel
def comes_before(score, then, one, other):  # type: ignore[no-untyped-def]
    """Return whether one input is before another in order of score, `then` and number."""
    if score[one] != score[other]:
        return score[one] < score[other]
    if then[one] != then[other]:
        return then[one] < then[other]
    return one < other


@lean_kernel
def mark(size, order, group):  # type: ignore[no-untyped-def]
    """Set `group` to the first `size` of `order`; return whether it has changed."""
    changed = False
    for n in range(order.size):
        changed |= group[order[n]] != (n < size)
        group[order[n]] = n < size
    return changed
