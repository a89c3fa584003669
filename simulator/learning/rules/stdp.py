r"""Learning rule of the reference, for the winner's column.

When neuron k fires, each of its inputs i changes (Shi et al. 2018; constants assumed):

.. math:: \text{spiked within the window:}\; \Delta w = a\, e^{-b (w + 1)} \quad
          \text{(potentiation)}, \qquad
          \text{otherwise:}\; \Delta w = -c \quad \text{(depression)},

clipped to [-1, 1]. At rest the two balance,
:math:`w^* = -1 + \frac1b \ln \frac{a\,p}{c\,(1 - p)}`, with p the probability that the input
spiked given that the neuron fired: a weight learns a log-odds.

There are two ways to execute it: the *ideal rule* (`rules.ideal`) sets the conductance exactly;
with *device pulses* (`rules.pulsed`) the change is made by pulses of the device.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.arguments import number
from cbramsim.core.errors import ParameterError
from cbramsim.core.validation import Parameters


class StdpRule(Parameters):
    """Constants of the rule, per output spike and in units of the weight, which spans [-1, 1]."""

    ltp: Annotated[float, Field(ge=1e-9, le=2)] = 0.15
    """Potentiation a of a weight at the lower bound."""
    ltp_decay: Annotated[float, Field(ge=0, le=20)] = 3.6
    """Decay b of the potentiation with the weight."""
    ltd: Annotated[float, Field(ge=1e-9, le=2)] = 0.0046
    """Depression c."""

    def potentiation(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change that the rule asks for at `weight` when the input spiked."""
        return np.minimum(weight + self.ltp * np.exp(-self.ltp_decay * (weight + 1)), 1) - weight

    def depression(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the change (negative) that the rule asks for at `weight` without a spike."""
        return np.maximum(weight - self.ltd, -1) - weight

    def equilibrium(self, probability: float) -> float:
        """Return the weight at which both balance for an input that spikes with `probability`."""
        if not 0 < number("StdpRule.equilibrium: probability", probability) < 1:
            raise ParameterError(
                f"StdpRule.equilibrium: probability must be > 0 and < 1 (got {probability:g})"
            )
        odds = self.ltp * probability / (self.ltd * (1 - probability))
        return min(max(-1 + math.log(odds) / self.ltp_decay, -1.0), 1.0)

    def probability(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of a spike that a weight has learned: `equilibrium`, inverted."""
        odds = self.ltd / self.ltp * np.exp(self.ltp_decay * (weight + 1))
        return odds / (1 + odds)
