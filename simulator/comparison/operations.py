"""Arithmetic operations of training, exactly as the authors of BUTTER-E count them (facts A.5).

With batch B, widths w_0 ... w_L and P parameters, per batch

.. math::
    F &= B \\sum_i (w_i w_{i+1} + w_{i+1}) \\\\
    R &= B \\sum_i [2 w_{i+1} + w_i w_{i+1} + (i > 0)\\, w_i w_{i+1}] + P (1 + B)

A multiply-add is one operation. Nothing is counted for the optimiser beyond one per parameter.
"""

from __future__ import annotations

from typing import NamedTuple

from cbramsim.simulator.comparison.layers import Layers

BATCH = 256
"""Observations in a batch of BUTTER-E."""


class Operations(NamedTuple):
    """Operations of one batch, or of a multiple of it."""

    forward: int
    """Operations of forward passes."""
    backward: int
    """Operations of backward passes with the update of the parameters."""

    @property
    def total(self) -> int:
        """All operations."""
        return self.forward + self.backward


class Batches(NamedTuple):
    """Batches of one epoch."""

    train: int
    """Batches that are learned from."""
    test: int
    """Batches that are only recognised."""


def operations(layers: Layers, batch: int = BATCH) -> Operations:
    """Return the operations of one training batch."""
    forward = layers.parameters
    backward = layers.weights + 2 * sum(layers.widths[1:])
    backward += layers.weights - layers.widths[0] * layers.widths[1]
    return Operations(batch * forward, batch * backward + layers.parameters * (1 + batch))


def batches(observations: int, batch: int = BATCH) -> Batches:
    """Return the batches of one epoch over `observations`, 80 % for training, 20 % for test."""
    return Batches(-(-4 * observations // (5 * batch)), -(-observations // (5 * batch)))


def operations_per_epoch(layers: Layers, observations: int, batch: int = BATCH) -> Operations:
    """Return the operations of one epoch: training batches, and test batches forward only."""
    one, count = operations(layers, batch), batches(observations, batch)
    return Operations((count.train + count.test) * one.forward, count.train * one.backward)
