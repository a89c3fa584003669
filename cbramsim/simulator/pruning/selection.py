"""Which weights of a mature neuron are pruned?

Each policy returns a mask over the inputs. All but `Threshold` take the same fraction of every
neuron.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.pruning.neuron import Hold, Neuron

ROUNDS = 12
"""Rounds in which a group and the value that it would be held at are brought into agreement."""


class Waiting(NamedTuple):
    """The neurons that are not mature yet, for policies that look at the whole array."""

    neurons: Neuron
    """They, the one in question among them."""
    fraction: float
    """The fraction of their weights that may still be pruned to meet the target for the array."""


class Selection(Protocol):
    """Chooses weights."""

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """Return the weights to prune, bool[inputs].

        Parameters
        ----------
        neuron
            The mature neuron.
        fraction
            Of its weights, to prune.
        hold
            What a group would be held at.
        waiting
            The neurons still to be pruned.
        """


class Quantile(NamedTuple):
    """The lowest `fraction` of the neuron's weights.

    In an array the lowest conductances: what conventional pruning would call the smallest weights.
    """

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        return lowest(neuron.weights, fraction)


class Threshold(NamedTuple):
    """The weights below one threshold for the array, set so that it comes to `fraction` in all."""

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        return neuron.weights <= np.quantile(waiting.neurons.weights, waiting.fraction)


class Distance(NamedTuple):
    """The `fraction` of the neuron's weights that are closest to either bound."""

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        return lowest(1 - np.abs(neuron.weights), fraction)


class Magnitude(NamedTuple):
    """The `fraction` of the neuron's weights that are closest to zero.

    Conventional magnitude pruning (for example Han et al., NIPS 2015): the mask is |w| > quantile.
    """

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        return lowest(np.abs(neuron.weights), fraction)


class Saliency(NamedTuple):
    """The `fraction` of the neuron's weights whose move to the held value disturbs it least.

    Moving weight i by d_i changes the drive by sum(d_i y_i). With independent inputs of variance
    v_i (`Neuron.variance`) its variance is sum(d_i² v_i): the terms are the saliencies, the
    diagonal argument of optimal brain damage (LeCun et al., NIPS 1989). What the group is held at
    depends on the group, so both are found by iteration. Weights that would not move at all are
    taken lowest first.
    """

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        group = lowest(neuron.weights, fraction)
        for _ in range(ROUNDS):
            moved = neuron.weights - hold(neuron, group)
            group = lowest(moved**2 * neuron.variance, fraction, then=neuron.weights)
        return group


class WriteCost(NamedTuple):
    """The `fraction` of the neuron's weights whose learning on would cost the most energy.

    A weight in balance gets pulses up and down for ever, in proportion to how undecided its input
    is; what each costs goes with the conductance (`Neuron.write_energy`). Weights at a bound are
    nearly free to leave learning. It looks at energy alone, so it is meant for the value `freeze`,
    which moves no weight.
    """

    def choose(self, neuron: Neuron, fraction: float, hold: Hold, waiting: Waiting) -> NDArray:
        """See `Selection`."""
        return lowest(-neuron.write_energy, fraction)


def lowest(score: NDArray, fraction: float, then: NDArray | None = None) -> NDArray:
    """Return a mask of the lowest `fraction` of `score`, bool[inputs] or by column.

    Parameters
    ----------
    score
        float64[inputs] or float64[inputs, n].
    fraction
        To take of each column, to the nearest whole number.
    then
        Decides between equal scores.
    """
    order = (
        np.argsort(score, axis=0, kind="stable")
        if then is None
        else np.lexsort((then, score), axis=0)
    )
    mask = np.zeros(score.shape, np.bool_)
    np.put_along_axis(mask, order[: round(fraction * len(score))], True, axis=0)
    return mask
