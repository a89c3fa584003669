"""What do pruned weights become?

Each policy returns the weight at which a group is held: one for all inputs, or one for each.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.pruning.neuron import Neuron
from cbramsim.simulator.pruning.selection import ROUNDS, lowest


class Value(Protocol):
    """Says what pruned weights become."""

    def hold(self, neuron: Neuron, group: NDArray) -> NDArray[np.float64] | float:
        """Return the weight at which `group`, bool[inputs], is held: one, or one per input."""


class Floor(NamedTuple):
    """The lowest conductance: the least energy in every read."""

    def hold(self, neuron: Neuron, group: NDArray) -> float:
        """See `Value`."""
        return -1.0


class Mean(NamedTuple):
    """One constant for each neuron: the mean of its pruned weights."""

    def hold(self, neuron: Neuron, group: NDArray) -> float:
        """See `Value`."""
        return float(neuron.weights[group].mean()) if group.any() else -1.0


class InputMean(NamedTuple):
    """One constant for each input: the mean over all neurons of its pruned weights.

    Neurons compete by the differences of their potentials, and what a word line adds to all of
    them alike does not count. A constant for each word line therefore loses less than one for each
    bit line, though there are no more of them. Fixed when the first neuron matures, from the
    weights that `input_means` expects to be pruned.
    """

    means: NDArray[np.float64]

    def hold(self, neuron: Neuron, group: NDArray) -> NDArray[np.float64]:
        """See `Value`."""
        return self.means


class Constant(NamedTuple):
    """One constant for the whole array."""

    constant: float

    def hold(self, neuron: Neuron, group: NDArray) -> float:
        """See `Value`."""
        return self.constant


class Freeze(NamedTuple):
    """Each weight is held where it is: as many constants as weights, and no pulse to set them."""

    def hold(self, neuron: Neuron, group: NDArray) -> NDArray[np.float64]:
        """See `Value`."""
        return neuron.weights


class Removed(NamedTuple):
    """Zero: the cell is taken out of the array, and its share out of the comparison."""

    def hold(self, neuron: Neuron, group: NDArray) -> float:
        """See `Value`."""
        return 0.0


def input_means(neurons: Neuron, fraction: float) -> NDArray[np.float64]:
    """Return the constants of `InputMean` for an array, float64[inputs].

    The group of each neuron is the one of least saliency, as in
    `cbramsim.simulator.pruning.selection.Saliency`; an input that no group holds is held at the
    floor.
    """
    weights, variance = neurons.weights, neurons.variance
    group = lowest(weights, fraction)
    for _ in range(ROUNDS):
        members = group.sum(axis=1)
        sums = np.where(group, weights, 0).sum(axis=1)
        means = np.where(members > 0, sums / np.maximum(members, 1), -1.0)
        group = lowest((weights - means[:, None]) ** 2 * variance, fraction)
    return np.clip(means, -1, 1)
