"""Inputs of a pruning policy: one neuron, and the array around it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.array.binary import BinaryCrossbar
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.learning.rules.codes import expected_code_energy
from cbramsim.simulator.learning.rules.pulsed import Programming, expected_write_energy
from cbramsim.simulator.learning.rules.stdp import StdpRule


class Surroundings(NamedTuple):
    """Data that all neurons of a network share."""

    crossbar: Crossbar | PlaneArray
    """The array."""
    activity: NDArray[np.float64]
    """Probability with which each input spikes in a window, float64[inputs]."""
    rule: StdpRule
    """The learning rule."""
    programming: Programming | None
    """Way in which the controller gives pulses; None for the ideal rule."""

    def weights_of(self, column: int) -> NDArray[np.float64]:
        """Return the present weights of a neuron, float64[inputs]."""
        weights = self.crossbar.device.weight_of(self.crossbar.column(column))
        return weights.astype(np.float64)  # type: ignore[no-any-return]


class Neuron:
    """One neuron, as an argument of policies."""

    def __init__(self, around: Surroundings, column: int) -> None:
        self._around, self._column = around, column
        self.weights: NDArray[np.float64] = around.weights_of(column)
        """The present weights, float64[inputs]."""

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """Variance of each input for this neuron, float64[inputs].

        A neuron competes on images of all kinds, but the close decisions are on those that resemble
        its own. There an input spikes with the probability p that its weight has learned,
        `StdpRule.probability`. The two are taken in equal parts (assumed): (a (1 - a) + p (1 - p))
        / 2, a the input's activity.
        """
        at_large = self._around.activity
        own = self._around.rule.probability(self.weights)
        return 0.5 * (at_large * (1 - at_large) + own * (1 - own))

    @cached_property
    def write_energy(self) -> NDArray[np.float64]:
        """Expected energy of the pulses that each weight gets per output spike, float64[inputs], J.

        A weight at the floor shows only that its input spikes rarely; there the input's activity
        bounds the probability.
        """
        around, weights = self._around, self.weights
        rule, crossbar, programming = around.rule, around.crossbar, around.programming
        at_large = rule.probability(weights)
        at_floor = weights <= -1 + rule.ltd
        probability = np.where(at_floor, np.minimum(at_large, around.activity), at_large)
        if isinstance(crossbar, BinaryCrossbar):
            method = (programming or Programming()).method
            return expected_code_energy(rule, crossbar, self._column, probability, method)
        synapse = crossbar.synapse if isinstance(crossbar, SynapseCrossbar) else None
        return expected_write_energy(
            rule, crossbar.device, weights, probability, programming, synapse
        )
