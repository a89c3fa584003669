"""Multiply-adds and memory traffic of one batch, by kind of tensor.

Two levels of traffic are counted. *Accesses* go to the level where a tensor lives: every matrix of
a product is read once and its result written once per batch, that is, inner levels hold blocks
large enough for all reuse (assumed; a lower bound). *Operands* are the inputs of the multipliers,
two per multiply-add; registers let each be used several times, see `bottom_up.REUSE`.

With B observations, layer i from w_i to w_{i+1}, m_i = w_i w_{i+1}, P parameters:

========  ================  ================================================================
product   multiply-adds     accesses
========  ================  ================================================================
forward   B m_i             read inputs B w_i, parameters m_i + w_{i+1}; write B w_{i+1}
error     -                 read B w_L outputs and the targets; write B w_L gradients
update    B m_i             read inputs B w_i, gradients B w_{i+1}; write m_i + w_{i+1}
backward  B m_i (i > 0)     read gradients B w_{i+1}, weights m_i, activations B w_i (slope of
                            the nonlinearity); write gradients B w_i
step      P                 read P gradients; read and write P parameters and their states
========  ================  ================================================================

Inputs of the first layer and targets are `data`; a batch is read from there once. For the update,
its inputs are `activations` like those of the other layers: the set b holds them (facts A.5), and a
step does not read the images again. Slopes of the weights have the width of the copy that they
change: they are `master` where there is a master copy, else `gradients`. Biases and nonlinearities
cost no multiply-add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.layers import Layers, data_outputs
from cbramsim.simulator.comparison.working_sets import KINDS


@dataclass(frozen=True)
class StepCounts:
    """Multiply-adds and values moved, of one batch or of many: counts add and multiply."""

    forward: int
    """Multiply-adds of forward products."""
    backward: int
    """Multiply-adds that take gradients back through the weights; not through the first layer's."""
    update: int
    """Multiply-adds of the gradients of the weights."""
    step: int
    """Parameters changed by the optimiser, one multiply-add each."""
    operands: Mapping[str, int]
    """Values that multipliers take in products, by kind of tensor."""
    accesses: Mapping[str, int]
    """Values read and written where the tensors live, by kind of tensor."""

    @property
    def macs(self) -> int:
        """All multiply-adds."""
        return self.forward + self.backward + self.update + self.step

    def __add__(self, other: StepCounts) -> StepCounts:
        """Return the counts of both."""
        return StepCounts(
            self.forward + other.forward, self.backward + other.backward,
            self.update + other.update, self.step + other.step,
            {kind: self.operands[kind] + other.operands[kind] for kind in KINDS},
            {kind: self.accesses[kind] + other.accesses[kind] for kind in KINDS},
        )  # fmt: skip

    def __mul__(self, times: int) -> StepCounts:
        """Return the counts of as many such batches."""
        return StepCounts(
            self.forward * times, self.backward * times, self.update * times, self.step * times,
            {kind: count * times for kind, count in self.operands.items()},
            {kind: count * times for kind, count in self.accesses.items()},
        )  # fmt: skip

    __rmul__ = __mul__


NOTHING = StepCounts(0, 0, 0, 0, dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0))
"""Counts of nothing, for the beginning of a sum."""


def step_counts(
    layers: Layers, batch: int, training: bool = True, master: bool = True, states: int = 0
) -> StepCounts:
    """Return the multiply-adds and values moved of one batch.

    Parameters
    ----------
    layers
        The network.
    batch
        Observations in the batch, B.
    training
        Whether the batch is learned from, or only recognised.
    master
        Whether the optimiser changes a copy of the parameters in a wider format, from which the
        weights are then written anew; if not, it changes the weights themselves.
    states
        Values that the optimiser keeps per parameter, as wide as the master copy: 1 with momentum,
        2 for Adam.
    """
    for name, value, least in (("batch", batch, 1), ("states", states, 0)):
        if value < least:
            raise ParameterError(f"step_counts.{name}: must be >= {least} (got {value})")
    products = batch * layers.weights
    first = batch * layers.widths[0] * layers.widths[1]
    inputs = batch * layers.widths[0]
    hidden = batch * sum(layers.widths[1:-1])
    outputs = batch * layers.widths[-1]
    operands, accesses = dict(NOTHING.operands), dict(NOTHING.accesses)

    operands["weights"] += products
    operands["data"] += first
    operands["activations"] += products - first
    accesses["weights"] += layers.parameters
    accesses["data"] += inputs
    accesses["activations"] += hidden + (hidden + outputs)
    if not training:
        return StepCounts(products, 0, 0, 0, operands, accesses)

    # Slopes of the weights are summed, and used, as wide as the copy that they change.
    slopes = "master" if master else "gradients"
    accesses["activations"] += outputs
    accesses["data"] += batch * data_outputs(layers.widths[-1])
    accesses["gradients"] += outputs

    operands["data"] += first
    operands["activations"] += products - first
    operands["gradients"] += products
    accesses["activations"] += inputs + hidden
    accesses["gradients"] += hidden + outputs
    accesses[slopes] += layers.parameters

    back = products - first
    operands["weights"] += back
    operands["gradients"] += back
    accesses["weights"] += back // batch
    accesses["activations"] += hidden
    accesses["gradients"] += batch * sum(layers.widths[2:]) + hidden

    accesses[slopes] += layers.parameters
    accesses["master"] += 2 * states * layers.parameters
    accesses["master" if master else "weights"] += 2 * layers.parameters
    if master:
        accesses["weights"] += layers.parameters
    return StepCounts(products, back, products, layers.parameters, operands, accesses)
