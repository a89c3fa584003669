"""Measured training step of a multi-layer perceptron, in float32 on one core.

Forward, backward, and a plain descent step, with ReLU in hidden layers and softmax with
cross-entropy at the end:

.. math::
    a_{i+1} = W_i x_i + b_i, \\quad
    G_i = \\frac1B \\sum \\delta_{i+1} x_i^T, \\quad
    \\delta_i = (W_i^T \\delta_{i+1}) [a_i > 0], \\quad
    W_i \\leftarrow W_i - \\eta G_i

Weights are read three times and written once, gradients are written and read once: 4P bytes are
used going forward and 8P going back, the working sets f and b. Each row of weights is used for the
whole batch before the next one, as a blocked matrix product does.

`Mlp` cannot replace it: its momentum is a third working set, and its counting and the calls of
NumPy take longer than a step that fits the innermost cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_kernel, lean_loop, lean_vector_kernel
from cbramsim.core.rng import generator

RATE = 1e-6
"""Learning rate while measuring: so small that no value becomes tiny, which would cost time."""


class Network(NamedTuple):
    """A network that learns one batch repeatedly."""

    layers: NDArray[np.int64]
    """Beginnings of the weights, inputs and outputs of each layer, and its numbers of inputs and
    outputs. int64[L, 5]."""
    weights: NDArray[np.float32]
    """Weights row by row, layer by layer; the last value of each row is the bias. float32[P]."""
    gradients: NDArray[np.float32]
    """Gradients, in the same order. float32[P]."""
    activations: NDArray[np.float32]
    """Activations of all layers, layer by layer, image by image; the inputs first. float32[batch x
    sum w]."""
    errors: NDArray[np.float32]
    """Errors of all layers, in the same order. float32[batch x sum w]."""
    targets: NDArray[np.int64]
    """Class of each image of the batch, int64[batch]."""

    def train(self, steps: int, rate: float = RATE) -> None:
        """Do training steps."""
        train_steps(self, rate, steps)


def network(widths: tuple[int, ...], batch: int = 1, seed: int = 0) -> Network:
    """Return a network with random weights and a random batch."""
    draw = generator(seed, "cache-fit step")
    rows = [
        draw.standard_normal((after, before + 1), np.float32) * np.float32(np.sqrt(2 / before))
        for before, after in pairwise(widths)
    ]
    weights = np.concatenate([row.ravel() for row in rows])
    activations = np.zeros(batch * sum(widths), np.float32)
    activations[: batch * widths[0]] = draw.random(batch * widths[0])
    sizes, starts = [row.size for row in rows], np.cumsum([0, *widths]) * batch
    layers = np.stack(
        [np.cumsum([0, *sizes[:-1]]), starts[:-2], starts[1:-1], widths[:-1], widths[1:]], axis=1
    )
    return Network(
        layers, weights, np.zeros_like(weights), activations, np.zeros_like(activations),
        draw.integers(0, widths[-1], batch),
    )  # fmt: skip


@lean_loop
def train_steps(net: Network, rate: float, steps: int) -> None:
    """Do `steps` training steps on one batch."""
    depth, first = len(net.layers), np.uint64(0)
    for _ in range(steps):
        for k in range(depth):
            _forward(net, k)
        _softmax_errors(net)
        for k in range(depth - 1, -1, -1):
            _backward(net, k)
        _add_scaled(
            net.weights, first, net.gradients, first, np.uint64(len(net.weights)),
            np.float32(-rate),
        )  # fmt: skip


@lean_kernel
def _forward(net: Network, k: int) -> None:
    """Compute the outputs of a layer."""
    at, x, y, m, n = _layer(net, k)
    batch, last = len(net.targets), k == len(net.layers) - 1
    for i in range(n):
        row = at + i * (m + 1)
        for b in range(batch):
            image = np.uint64(x + b * m)
            product = _dot(net.weights, np.uint64(row), net.activations, image, np.uint64(m))
            value = net.weights[row + m] + product
            net.activations[y + b * n + i] = value if last or value > 0 else np.float32(0)


@lean_kernel
def _softmax_errors(net: Network) -> None:
    """Write the derivatives of the mean cross-entropy by the outputs of the network."""
    activations, errors, batch = net.activations, net.errors, len(net.targets)
    _, _, y, _, n = _layer(net, len(net.layers) - 1)
    for b in range(batch):
        top, total = activations[y + b * n], np.float32(0)
        for i in range(n):
            top = max(top, activations[y + b * n + i])
        for i in range(n):
            errors[y + b * n + i] = np.exp(activations[y + b * n + i] - top)
            total += errors[y + b * n + i]
        for i in range(n):
            hit = np.float32(1) if i == net.targets[b] else np.float32(0)
            errors[y + b * n + i] = (errors[y + b * n + i] / total - hit) / np.float32(batch)


@lean_kernel
def _backward(net: Network, k: int) -> None:
    """Write the gradients of a layer, and the errors of its inputs unless it is the first."""
    at, x, y, m, n = _layer(net, k)
    gradients, errors, batch, width = net.gradients, net.errors, len(net.targets), np.uint64(m)
    if k > 0:
        errors[x : x + batch * m] = 0
    for i in range(n):
        row = at + i * (m + 1)
        weight = np.uint64(row)
        gradients[row + m] = 0
        for b in range(batch):
            error, image = errors[y + b * n + i], np.uint64(x + b * m)
            gradients[row + m] += error
            if b == 0:
                _set_scaled(gradients, weight, net.activations, image, width, error)
            else:
                _add_scaled(gradients, weight, net.activations, image, width, error)
            if k > 0:
                _add_scaled(errors, image, net.weights, weight, width, error)
    if k > 0:
        for j in range(x, x + batch * m):
            if net.activations[j] <= 0:
                errors[j] = 0


@lean_kernel
def _layer(net: Network, k: int) -> tuple[int, int, int, int, int]:
    """Return the beginnings and numbers of weights, inputs and outputs of a layer."""
    one = net.layers
    return one[k, 0], one[k, 1], one[k, 2], one[k, 3], one[k, 4]


# Indices are unsigned: a signed one might count from the end, so that loops would not vectorise.
# Slices would: but each of them is counted as a reference, which costs more than a short row.


@lean_vector_kernel
def _dot(weights: Any, at: Any, values: Any, start: Any, count: Any) -> Any:
    total = np.float32(0)
    for j in range(count):
        total += weights[at + j] * values[start + j]
    return total


@lean_vector_kernel
def _set_scaled(target: Any, at: Any, values: Any, start: Any, count: Any, factor: Any) -> None:
    for j in range(count):
        target[at + j] = factor * values[start + j]


@lean_vector_kernel
def _add_scaled(target: Any, at: Any, values: Any, start: Any, count: Any, factor: Any) -> None:
    for j in range(count):
        target[at + j] += factor * values[start + j]
