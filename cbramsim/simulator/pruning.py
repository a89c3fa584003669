"""Pruning while learning: when a neuron is mature, which of its cells are taken, what they become.

*Soft* pruning holds a matured weight at a constant, non-zero value for the rest of the training:
no more pulses, yet still there for recognition (Shi et al. 2018; threshold, selection and the
constant are not published, so each is a choice here). *Hard* pruning, the conventional kind, takes
the cell out of the array: its weight is zero, which is the middle of the range.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.simulator.crossbar import Crossbar
from cbramsim.simulator.energy import Operation
from cbramsim.validation import Parameters

Kind = Literal["none", "soft", "hard"]
Maturity = Literal["spikes", "stability"]
Selection = Literal["quantile", "threshold", "distance", "saliency"]
Value = Literal["floor", "mean", "constant", "freeze"]


class Pruning(Parameters):
    """The pruning policy."""

    kind: Kind = "soft"
    """`none`, `soft` (hold at a value) or `hard` (remove)."""
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Fraction of the weights to prune."""
    maturity: Maturity = "spikes"
    """When a neuron is mature: `spikes`, once it has fired `mature_spikes` times; `stability`, once
    its weights have on average moved less than `stable_change` while it fired `mature_spikes`
    times."""
    mature_spikes: Annotated[int, Field(ge=1)] = 1000
    """Output spikes, see `maturity`."""
    stable_change: Annotated[float, Field(ge=0, le=2)] = 0.05
    """Mean absolute change of a neuron's weights, see `maturity`."""
    selection: Selection = "saliency"
    """Which weights of a mature neuron are taken: `quantile`, the lowest `fraction` of the neuron;
    `threshold`, those below one threshold for the whole array, set so that the array as a whole
    comes to `fraction`; `distance`, the `fraction` of the neuron closest to either bound;
    `saliency`, the `fraction` whose move to the held value changes the neuron's drive least."""
    value: Value = "mean"
    """What a soft-pruned weight is held at: `floor`, the lowest conductance; `mean` of the neuron's
    pruned weights; `constant`, the same for all; `freeze`, each its present value."""
    constant: Annotated[float, Field(ge=-1, le=1)] = -0.9
    """The weight for `value` = `constant`."""


class Pruner:
    """Carries out a `Pruning` policy on an array as its neurons mature.

    Parameters
    ----------
    policy
        What to do.
    crossbar
        The array.
    activity
        float64[rows], the probability with which each input spikes in a window.

    Attributes
    ----------
    pruned
        bool[columns, rows], the cells pruned so far.
    mature
        bool[columns], the neurons that have been judged mature, and pruned.
    missed
        Cells that could not be brought to their value within the budget of pulses; they are held
        where they ended.
    """

    def __init__(self, policy: Pruning, crossbar: Crossbar, activity: NDArray[np.float64]) -> None:
        rows, columns = crossbar.shape
        self.policy = policy
        self.activity = activity
        self.pruned = np.zeros((columns, rows), np.bool_)
        self.mature = np.zeros(columns, np.bool_)
        self.missed = 0
        self.seen_weights = crossbar.weights.T.copy()
        self.seen_spikes = np.zeros(columns, np.int64)

    @property
    def fraction_per_neuron(self) -> NDArray[np.float64]:
        """Pruned fraction of each neuron's weights, float64[columns]."""
        return self.pruned.mean(axis=1)

    @property
    def fraction(self) -> float:
        """Pruned fraction of all weights."""
        return float(self.pruned.mean())

    def update(self, crossbar: Crossbar, spike_counts: NDArray[np.int64]) -> None:
        """Prune the neurons that have matured since the last call."""
        if self.policy.kind == "none" or self.policy.fraction == 0:
            return
        due = ~self.mature & (spike_counts - self.seen_spikes >= self.policy.mature_spikes)
        for column in np.flatnonzero(due).tolist():
            if self._is_mature(crossbar, column, int(spike_counts[column])):
                rows = self._select(crossbar, column)
                self._prune(crossbar, column, rows)
                self.mature[column] = True

    def _is_mature(self, crossbar: Crossbar, column: int, spikes: int) -> bool:
        if self.policy.maturity == "spikes":
            return True
        weights = _column_weights(crossbar, column)
        change = np.abs(weights - self.seen_weights[column]).mean()
        self.seen_weights[column] = weights
        self.seen_spikes[column] = spikes
        return bool(change <= self.policy.stable_change)

    def _select(self, crossbar: Crossbar, column: int) -> NDArray[np.int64]:
        """Return the rows of `column` to prune."""
        weights = _column_weights(crossbar, column)
        count = round(self.policy.fraction * weights.size)
        if self.policy.selection == "threshold":
            return np.flatnonzero(weights <= self._threshold(crossbar))
        if self.policy.selection == "saliency":
            return self._least_salient(weights, count)
        if self.policy.selection == "distance":
            order = np.argsort(1 - np.abs(weights), kind="stable")
        else:
            order = np.argsort(weights, kind="stable")
        return np.sort(order[:count])

    def _least_salient(self, weights: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Return the weights whose move to the held value disturbs the neuron least.

        Moving weight i by d_i changes the drive by sum(d_i y_i). With independent inputs of spike
        probability a_i its variance is sum(d_i² a_i (1 - a_i)): the terms are the saliencies (the
        diagonal argument of optimal brain damage, LeCun et al., NIPS 1989). The mean depends on
        the choice, so it is found by iteration.
        """
        variance = self.activity * (1 - self.activity)
        chosen = np.argsort(weights, kind="stable")[:count]
        for _ in range(10):
            held = self._held_weight(weights[chosen]) if count else 0.0
            chosen = np.argsort((weights - held) ** 2 * variance, kind="stable")[:count]
        return np.sort(chosen)

    def _held_weight(self, weights: NDArray[np.float32]) -> float:
        """Return the weight at which a group is held."""
        if self.policy.kind == "hard":
            return 0.0
        if self.policy.value == "floor":
            return -1.0
        if self.policy.value == "constant":
            return self.policy.constant
        return float(weights.mean())

    def _threshold(self, crossbar: Crossbar) -> float:
        """Return the weight below which the neurons still to come use up what is left to prune."""
        waiting = crossbar.weights[:, ~self.mature]
        budget = self.policy.fraction * self.pruned.size - self.pruned.sum()
        share = np.clip(budget / waiting.size, 0, 1)
        return float(np.quantile(waiting, share))

    def _prune(self, crossbar: Crossbar, column: int, rows: NDArray[np.int64]) -> None:
        self.pruned[column, rows] = True
        if self.policy.kind == "hard":
            crossbar.disconnect(column, rows)
            return
        if self.policy.value != "freeze" and rows.size:
            held = self._held_weight(_column_weights(crossbar, column)[rows])
            target = crossbar.device.conductance_of(held)
            self.missed += crossbar.program_to(column, rows, target, Operation.PRUNE_SET_PULSE)
        crossbar.inhibit(column, rows)


def _column_weights(crossbar: Crossbar, column: int) -> NDArray[np.float32]:
    return crossbar.device.weight_of(crossbar.conductance[:, column])
