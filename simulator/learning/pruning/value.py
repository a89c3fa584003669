"""What do pruned weights become?

Each policy returns the weight at which a group is held: one for all inputs, or one for each.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.learning.pruning.neuron import Neuron


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
    """One constant for each group: the mean of a neuron's weights that are pruned together."""

    def hold(self, neuron: Neuron, group: NDArray) -> float:
        """See `Value`."""
        return float(neuron.weights[group].mean()) if group.any() else -1.0


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
