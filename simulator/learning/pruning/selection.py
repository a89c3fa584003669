"""Which weights of a mature neuron are pruned?

Each policy returns a mask over the inputs. All but `Threshold` take the same number from every
neuron.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.learning.pruning.neuron import Neuron

ROUNDS = 12
"""Rounds in which a group and the value that it would be held at are brought into agreement."""


class Quota(NamedTuple):
    """How many weights of a neuron to take, and from which."""

    size: int
    """Weights to take."""
    free: NDArray[np.bool_]
    """Those that are not pruned yet, bool[inputs]."""
    hold: Callable[[Neuron, NDArray], NDArray[np.float64] | float]
    """What a group, bool[inputs], would be held at: one weight for all inputs or one for each."""
    threshold: Callable[[], float]
    """Returns the weight below which the neurons that are not mature yet must all be pruned for the
    array to come to its fraction."""

    def lowest(self, score: NDArray[np.float64], then: NDArray | None = None) -> NDArray:
        """Return the free weights of lowest `score`, bool[inputs]; among equals, by `then`."""
        keys = (score, ~self.free) if then is None else (then, score, ~self.free)
        mask = np.zeros(score.size, np.bool_)
        mask[np.lexsort(keys)[: self.size]] = True
        return mask


class Selection(Protocol):
    """Chooses weights."""

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """Return the weights of a mature neuron to prune, bool[inputs]."""


class Quantile(NamedTuple):
    """The lowest of the neuron's weights.

    In an array the lowest conductances: what conventional pruning would call the smallest weights.
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
    """Those of the neuron's weights that are closest to either bound."""

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(1 - np.abs(neuron.weights))


class Magnitude(NamedTuple):
    """Those of the neuron's weights that are closest to zero.

    Conventional magnitude pruning (for example Han et al., NIPS 2015): the mask is |w| > quantile.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(np.abs(neuron.weights))


class Saliency(NamedTuple):
    """Those of the neuron's weights whose move to the held value disturbs it least.

    Moving weight i by d_i changes the drive by sum(d_i y_i). With independent inputs of variance
    v_i (`Neuron.variance`) its variance is sum(d_i² v_i): the terms are the saliencies, the
    diagonal argument of optimal brain damage (LeCun et al., NIPS 1989). What the group is held at
    depends on the group, so both are found by iteration. Weights that would not move at all are
    taken lowest first.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        group = quota.lowest(neuron.weights)
        for _ in range(ROUNDS):
            moved = neuron.weights - quota.hold(neuron, group)
            group = quota.lowest(moved**2 * neuron.variance, then=neuron.weights)
        return group


class WriteCost(NamedTuple):
    """Those of the neuron's weights whose learning on would cost the most energy.

    A weight in balance gets pulses up and down for ever, in proportion to how undecided its input
    is; what each costs goes with the conductance (`Neuron.write_energy`). Weights at a bound are
    nearly free to leave learning. It looks at energy alone, so it is meant for the value `freeze`,
    which moves no weight.
    """

    def choose(self, neuron: Neuron, quota: Quota) -> NDArray:
        """See `Selection`."""
        return quota.lowest(-neuron.write_energy)
