"""Counters of the work of the network: multiply-adds and accesses, as they happen."""

from __future__ import annotations

import numpy as np

from cbramsim.simulator.comparison.traffic import StepCounts
from cbramsim.simulator.comparison.working_sets import KINDS

FORWARD, BACKWARD, UPDATE, STEP = range(4)
"""The three products of a layer, z, g_prev and dW, and the step of the optimiser."""


class Tally:
    """Multiply-adds and values moved, layer by layer, added up as they happen.

    Everything is counted twice: for hardware that computes with all weights, and for hardware that
    neither stores pruned ones nor computes with them (indices of the others cost nothing: assumed).

    Attributes
    ----------
    macs
        int64[2, layers, 4], multiply-adds of the three products and of the optimiser.
    operands, accesses
        int64[2, layers, kinds], values that the multipliers take in products, and values read and
        written, as in `cbramsim.simulator.comparison.traffic`.
    images, steps
        Images presented, and batches.
    """

    def __init__(self, layers: int) -> None:
        """Begin at 0."""
        self.macs = np.zeros((2, layers, 4), np.int64)
        self.operands = np.zeros((2, layers, len(KINDS)), np.int64)
        self.accesses = np.zeros((2, layers, len(KINDS)), np.int64)
        self.images = self.steps = 0

    def multiply(
        self, layer: int, product: int, batch: int, weights: np.ndarray, first: str, second: str
    ) -> None:
        """Count a product of a batch with `weights`, int64[2], whose operands are of two kinds."""
        macs = batch * weights
        self.macs[:, layer, product] += macs
        for kind in (first, second):
            self.operands[:, layer, KINDS.index(kind)] += macs

    def access(self, layer: int, kind: str, values: np.ndarray | int) -> None:
        """Count values read or written, int64[2] or as many for both kinds of hardware."""
        self.accesses[:, layer, KINDS.index(kind)] += values

    def counts(self, layer: int | None = None, *, skipping: bool = False) -> StepCounts:
        """Return all counts, or those of one layer; `skipping`: without pruned weights."""
        which = slice(None) if layer is None else slice(layer, layer + 1)
        macs, operands, accesses = (
            array[int(skipping), which].sum(axis=0).tolist()
            for array in (self.macs, self.operands, self.accesses)
        )
        forward, backward, update, step = macs
        return StepCounts(
            forward, backward, update, step,
            operands=dict(zip(KINDS, operands, strict=True)),
            accesses=dict(zip(KINDS, accesses, strict=True)),
        )  # fmt: skip
