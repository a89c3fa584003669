"""One fully connected layer: its master weights, and its three products."""

from __future__ import annotations

import numpy as np

from cbramsim.simulator.comparison.mlp.configuration import MlpConfig
from cbramsim.simulator.comparison.mlp.counting import BACKWARD, FORWARD, STEP, UPDATE, Tally
from cbramsim.simulator.comparison.mlp.kernels import descend
from cbramsim.simulator.comparison.mlp.operands import Array, Mask, Operands


class Dense:
    """A fully connected layer.

    Attributes
    ----------
    number
        Number of the layer, from 0.
    weights, bias
        float32[in, out] and float32[out], the master copy.
    mask
        bool[in, out] or None, the weights that have survived pruning; the others are 0.
    operands
        Rounding of the operands.
    """

    def __init__(
        self, number: int, shape: tuple[int, int], operands: Operands, rng: np.random.Generator
    ) -> None:
        """Draw normal weights of variance 2/in (He et al., 2015), and no biases."""
        self.number, self.operands = number, operands
        spread = np.sqrt(2 / shape[0])
        self.weights: Array = (spread * rng.standard_normal(shape)).astype(np.float32)
        self.bias: Array = np.zeros(shape[1], np.float32)
        self.prune(None)
        self.rest()

    def rest(self) -> None:
        """Reset the momentum."""
        self.weights_velocity = np.zeros_like(self.weights)
        self.bias_velocity = np.zeros_like(self.bias)

    def prune(self, mask: Mask) -> None:
        """Set the weights outside `mask` to 0, for good."""
        self.mask = mask
        surviving = self.weights.size if mask is None else int(mask.sum())
        # With all weights, and with those that are left.
        self._weights = np.array([self.weights.size, surviving])
        self._parameters = self._weights + self.bias.size
        if mask is not None:
            self.weights *= mask

    def forward(self, before: Array, tally: Tally, learning: bool) -> Array:
        """Return the sums z, float[batch, out], from those of the layer before, or from pixels."""
        operands, first = self.operands, self.number == 0
        self._before = before
        self._a = operands.pixels(before) if first else operands.activations(before, learning)
        self._w = operands.weights(self.weights, self.mask)
        z: Array = self._a @ self._w
        z += self.bias
        inputs = self._inputs
        tally.multiply(self.number, FORWARD, len(z), self._weights, "weights", inputs)
        tally.access(self.number, inputs, self._a.size)
        tally.access(self.number, "weights", self._parameters)
        tally.access(self.number, "activations", z.size)
        return z

    def backward(self, delta: Array, tally: Tally) -> Array | None:
        """Compute the slopes of the loss; return dL/dz of the layer before, if there is one."""
        back, update = self.operands.gradients(delta)
        self.weights_slope = self._a.T @ update
        self.bias_slope = update.sum(axis=0)
        inputs = self._inputs
        tally.multiply(self.number, UPDATE, len(delta), self._weights, inputs, "gradients")
        tally.access(self.number, "activations", self._a.size)  # kept, pixels too: see `traffic`
        tally.access(self.number, "gradients", delta.size)
        tally.access(self.number, self._slopes, self._parameters)
        if self.number == 0:
            return None
        g = back @ self._w.T
        tally.multiply(self.number, BACKWARD, len(delta), self._weights, "weights", "gradients")
        tally.access(self.number, "weights", self._weights)
        tally.access(self.number, "gradients", delta.size + g.size)
        tally.access(self.number, "activations", g.size)
        return self.operands.activations_back(g, self._before)

    def finite(self) -> bool:
        """Return whether the slopes are numbers."""
        return bool(np.isfinite(self.weights_slope).all() and np.isfinite(self.bias_slope).all())

    def update(self, rate: float, config: MlpConfig, tally: Tally) -> None:
        """Descend one step along the slopes."""
        momentum, decay = config.momentum, config.weight_decay
        descend(self.weights, self.weights_velocity, self.weights_slope, rate, momentum, decay)
        descend(self.bias, self.bias_velocity, self.bias_slope, rate, momentum, 0.0)
        if self.mask is not None:
            self.weights *= self.mask
        tally.macs[:, self.number, STEP] += self._parameters
        tally.access(self.number, self._slopes, self._parameters)
        if momentum:
            tally.access(self.number, "master", 2 * self._parameters)
        if config.precision == "fp32":  # what is multiplied is the master copy itself
            tally.access(self.number, "weights", 2 * self._parameters)
        else:
            tally.access(self.number, "master", 2 * self._parameters)
            tally.access(self.number, "weights", self._parameters)

    @property
    def _slopes(self) -> str:
        """Kind of the slopes of the weights: as wide as the copy that they change."""
        return "gradients" if self.operands.name == "fp32" else "master"

    @property
    def _inputs(self) -> str:
        """Kind of the inputs."""
        return "activations" if self.number else "data"
