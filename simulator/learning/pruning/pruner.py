"""`Pruning` names a policy, `Pruner` carries it out on an array as its neurons mature."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.validation import Parameters
from cbramsim.simulator.array.cells import BookedAs
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.pruning import maturity, selection, value
from cbramsim.simulator.learning.pruning.neuron import Neuron, Surroundings
from cbramsim.simulator.learning.pruning.selection import Quota, Selection
from cbramsim.simulator.learning.rules.pulsed import Programming
from cbramsim.simulator.learning.rules.stdp import StdpRule

Kind = Literal["none", "soft", "hard"]
WhenName = Literal["spikes", "stability", "bounds", "trained"]
WhichName = Literal["quantile", "threshold", "distance", "magnitude", "saliency", "write-cost"]
ValueName = Literal["floor", "mean", "constant", "freeze"]


BOOKED_AS = BookedAs.both(Operation.PRUNE_SET_PULSE)
"""Operations under which the pulses that bring pruned weights to their value are booked."""
HARD: dict[str, Any] = {"selection": "quantile", "stages": 1}
"""Defaults of hard pruning, the conventional kind: a neuron's lowest weights, all at once."""


class Pruning(Parameters):
    """Pruning policy."""

    kind: Kind = "soft"
    """Kind of pruning: `none`, `soft` (hold at a value) or `hard` (remove)."""
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.75
    """Fraction of the weights to prune."""
    maturity: WhenName = "spikes"
    """Maturity of a neuron: `spikes`, once it has fired `mature_spikes` times; `stability`, once
    its weights have on average moved less than `stable_change` while it fired `mature_spikes`
    times; `bounds`, once `bound_share` of its weights are at a bound; `trained`, when `fit` or
    `resume` is complete."""
    mature_spikes: Annotated[int, Field(ge=1, le=10**12)] = 1500
    """Output spikes, see `maturity`."""
    stable_change: Annotated[float, Field(ge=0, le=2)] = 0.05
    """Mean absolute change of a neuron's weights, see `maturity`."""
    bound_share: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Share of a neuron's weights, see `maturity`."""
    selection: WhichName = "saliency"
    """Weights of a mature neuron that are pruned, by default `saliency` for soft pruning and
    `quantile`, the conventional choice, for hard: `quantile`, the lowest `fraction` of the neuron;
    `threshold`, those below one threshold for the whole array, set so that the array as a whole
    comes to `fraction`; `distance`, the `fraction` of the neuron closest to either bound;
    `magnitude`, the `fraction` closest to zero; `saliency`, the `fraction` whose move to the held
    value changes the neuron's drive least; `write-cost`, the `fraction` whose further learning
    would cost the most energy."""
    value: ValueName = "mean"
    """Value at which a soft-pruned weight is held: `floor`, the lowest conductance; `mean` of the
    neuron's weights that are pruned in the same stage; `constant`, the same for all; `freeze`, each
    its present value."""
    constant: Annotated[float, Field(ge=-1, le=1)] = -0.65
    """The weight for `value` = `constant`."""
    stages: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of equal parts in which `fraction` is pruned, by default 2 for soft pruning and 1 for
    hard, with `mature_spikes` divided by it as many output spikes between them (gradual pruning;
    Zhu and Gupta, arXiv 1710.01878, 2017)."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_hard(cls, values: Any) -> Any:
        is_hard = isinstance(values, dict) and values.get("kind") == "hard"
        return HARD | values if is_hard else values

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`; a change of the kind also changes the defaults of selection
        and stages."""
        if changes.get("kind", self.kind) != self.kind:
            defaults = {name: type(self).model_fields[name].default for name in HARD}
            changes = (HARD if changes["kind"] == "hard" else defaults) | changes
        return super().replace(**changes)

    @model_validator(mode="after")
    def _check_stages(self) -> Self:
        if self.stages > 1 and self.selection == "threshold":
            raise ValueError(f"stages must be 1 with selection threshold (got {self.stages})")
        return self


class Pruner:
    """Executor of a `Pruning` policy on an array as its neurons mature.

    Parameters
    ----------
    policy
        The policy.
    crossbar
        The array.
    activity
        float64[rows], the probability of a spike of each input in a window.
    rule
        The learning rule.
    programming
        Pulses by which the controller writes; None for the ideal rule.
    criterion
        Custom selection of weights, instead of that of `policy`.

    Attributes
    ----------
    pruned
        bool[columns, rows], the cells pruned so far.
    stage
        int64[columns], the number of stages in which each neuron has been pruned.
    missed
        Cells that could not be brought to their value within the budget of pulses; they are held at
        the value reached.
    """

    def __init__(
        self,
        policy: Pruning,
        crossbar: Crossbar | PlaneArray,
        activity: NDArray[np.float64],
        rule: StdpRule | None = None,
        programming: Programming | None = None,
        criterion: Selection | None = None,
    ) -> None:
        rows, columns = crossbar.shape
        self.policy = policy
        self.crossbar = crossbar
        self.around = Surroundings(crossbar, activity, rule or StdpRule(), programming)
        self.pruned = np.zeros((columns, rows), np.bool_)
        self.stage = np.zeros(columns, np.int64)
        self.missed = 0
        self._judge, self._value = _maturity_of(policy), _value_of(policy)
        self.criterion = SELECTIONS[policy.selection] if criterion is None else criterion
        self.seen_weights = crossbar.weights.T.copy()
        self.seen_spikes = np.zeros(columns, np.int64)

    def holding(self, earlier: Pruner) -> Self:
        """Hold the weights that an `earlier` pruner of the same array has pruned; return self."""
        self.pruned[:], self.stage[:] = earlier.pruned, earlier.stage
        self.missed = earlier.missed
        return self

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Neurons that have been judged mature, and pruned, bool[columns]."""
        return self.stage >= self.policy.stages

    @property
    def fraction_per_neuron(self) -> NDArray[np.float64]:
        """Pruned fraction of each neuron's weights, float64[columns]."""
        return self.pruned.mean(axis=1)

    @property
    def fraction(self) -> float:
        """Pruned fraction of all weights."""
        return float(self.pruned.mean())

    def update(self, spike_counts: NDArray[np.int64]) -> None:
        """Prune the neurons that have matured since the last call.

        Parameters
        ----------
        spike_counts
            int64[columns], output spikes so far.
        """
        if self._idle():
            return
        for column in self._due(spike_counts).nonzero()[0].tolist():
            neuron = Neuron(self.around, column)
            seen, free = self.seen_weights[column], ~self.pruned[column]
            if self._judge.is_mature(neuron.weights, seen, free):
                self._prune(neuron, column)
            seen[:] = self.around.weights_of(column)
            self.seen_spikes[column] = spike_counts[column]

    def is_due(self, spike_counts: NDArray[np.int64]) -> bool:
        """Return whether `update` judges any neuron."""
        return not self._idle() and bool(self._due(spike_counts).any())

    def finish(self) -> None:
        """Prune all neurons of a finished network, if maturity is `trained`."""
        if self.policy.maturity == "trained" and not self._idle():
            while not self.mature.all():
                for column in np.flatnonzero(~self.mature).tolist():
                    self._prune(Neuron(self.around, column), column)

    def _due(self, spike_counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the neurons that have fired often enough to be judged."""
        wait = self.policy.mature_spikes / self.policy.stages
        return ~self.mature & (spike_counts - self.seen_spikes >= wait)

    def _idle(self) -> bool:
        return self.policy.kind == "none" or self.policy.fraction == 0

    def _prune(self, neuron: Neuron, column: int) -> None:
        """Choose weights of one neuron, and take them out of learning."""
        taken, stage = self.pruned[column], int(self.stage[column]) + 1
        share = self.policy.fraction * stage / self.policy.stages
        count = round(share * taken.size) - int(np.count_nonzero(taken))
        quota = Quota(count, ~taken, self._value, self._threshold)
        group = self._checked(self.criterion.choose(neuron, quota))
        rows = group.nonzero()[0]
        self.stage[column] = stage
        taken |= group
        if self.policy.kind == "hard":
            self.crossbar.disconnect(column, rows)
            return
        if self.policy.value != "freeze":
            targets = self.crossbar.device.conductance_of(quota.hold(neuron, group)[rows])
            self.missed += self.crossbar.bring_to(column, rows, targets, BOOKED_AS)
        self.crossbar.inhibit(column, rows)

    def _checked(self, group: Any) -> NDArray[np.bool_]:
        """Return the selection of a criterion, after a check that it is valid."""
        inputs = self.pruned.shape[1]
        if not isinstance(group, np.ndarray) or (group.dtype, group.shape) != (bool, (inputs,)):
            raise ParameterError(
                f"{type(self.criterion).__name__}.choose: must return bool[{inputs}], one for each "
                f"input (got {shown(group)})"
            )
        return group

    def _threshold(self) -> float:
        """Return the weight below which the remaining neurons must be pruned to reach the
        fraction."""
        crossbar = self.crossbar
        waiting = crossbar.device.weight_of(crossbar.conductance[:, ~self.mature])
        budget = self.policy.fraction * self.pruned.size - self.pruned.sum()
        return float(np.quantile(waiting, np.clip(budget / waiting.size, 0, 1)))


def _value_of(policy: Pruning) -> value.Value:
    if policy.kind == "hard":
        return value.REMOVED
    if policy.value == "constant":
        return value.Constant(policy.constant)
    return VALUES[policy.value]


def _maturity_of(policy: Pruning) -> maturity.Maturity:
    if policy.maturity == "stability":
        return maturity.Stability(policy.stable_change)
    if policy.maturity == "bounds":
        return maturity.Bounds(policy.bound_share)
    return maturity.Trained() if policy.maturity == "trained" else maturity.Spikes()


SELECTIONS: dict[str, selection.Selection] = {
    "quantile": selection.Quantile(),
    "threshold": selection.Threshold(),
    "distance": selection.Distance(),
    "magnitude": selection.Magnitude(),
    "saliency": selection.Saliency(),
    "write-cost": selection.WriteCost(),
}
VALUES: dict[str, value.Value] = {
    "floor": value.FLOOR,
    "mean": value.Mean(),
    "freeze": value.Freeze(),
}
