"""Maturity of a neuron, judged from its output spikes and its weights.

A neuron is judged each time it has fired another `mature_spikes` times, divided by the number of
stages, by those of its weights that still learn.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

BOUND = 0.1
"""Weights within this distance of -1 or +1 count as being at the bound."""


class Maturity(Protocol):
    """A criterion of maturity."""

    def is_mature(self, weights: NDArray, before: NDArray, free: NDArray) -> bool:
        """Return whether a neuron is mature.

        Parameters
        ----------
        weights, before
            Its weights now, and when it was last judged, float[inputs].
        free
            Weights that still learn, bool[inputs].
        """


class Spikes(NamedTuple):
    """Maturity once a neuron has fired `mature_spikes` times.

    Maturity is judged from the output neurons' firing in the follow-up of the reference (Shi et
    al., Front. Neurosci. 13:405, 2019); the number is assumed.
    """

    def is_mature(self, weights: NDArray, before: NDArray, free: NDArray) -> bool:
        """See `Maturity`."""
        return True


class Stability(NamedTuple):
    """Maturity once the weights hardly moved, on average, during `mature_spikes` spikes."""

    stable_change: float

    def is_mature(self, weights: NDArray, before: NDArray, free: NDArray) -> bool:
        """See `Maturity`."""
        return float(np.abs(weights - before)[free].mean()) <= self.stable_change


class Bounds(NamedTuple):
    """Maturity once a share of the weights has arrived at a bound, where nothing more is learned.

    Depression takes the weights of inputs that never spike to the floor, one constant step per
    output spike: the share measures the progress of this.
    """

    bound_share: float

    def is_mature(self, weights: NDArray, before: NDArray, free: NDArray) -> bool:
        """See `Maturity`."""
        return float((np.abs(weights[free]) >= 1 - BOUND).mean()) >= self.bound_share


class Trained(NamedTuple):
    """Maturity only when training is complete: conventional pruning of a finished network."""

    def is_mature(self, weights: NDArray, before: NDArray, free: NDArray) -> bool:
        """See `Maturity`."""
        return False
