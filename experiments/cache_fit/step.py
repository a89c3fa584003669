"""A training step of a multi-layer perceptron, in float32 on one core: what is measured.

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
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, kernel, vector_kernel
from cbramsim.core.rng import generator

RATE = 1e-6
"""Learning rate while measuring: so small that no value becomes tiny, which would cost time."""


class Network(NamedTuple):
    """A network at work on one batch, over and over."""

    widths: NDArray[np.int64]
    """w_0 ... w_L."""
    weights: NDArray[np.float32]
    """Row by row, layer by layer; the last value of each row is the bias. float32[P]."""
    gradients: NDArray[np.float32]
    """In the same order. float32[P]."""
    activations: NDArray[np.float32]
    """Of all layers, layer by layer, image by image; the inputs first. float32[batch x sum w]."""
    errors: NDArray[np.float32]
    """Of all layers, in the same order. float32[batch x sum w]."""
    targets: NDArray[np.int64]
    """Class of each image of the batch, int64[batch]."""

    def train(self, steps: int, rate: float = RATE) -> None:
        """Do training steps."""
        train_steps(*self, rate, steps)


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
    return Network(
        np.array(widths), weights, np.zeros_like(weights), activations,
        np.zeros_like(activations), draw.integers(0, widths[-1], batch),
    )  # fmt: skip


# Indices are unsigned: a signed one might count from the end, so that loops would not vectorise.
# Slices would: but each of them is counted as a reference, which costs more than a short row.


@vector_kernel
def _dot(weights: Any, at: Any, values: Any, start: Any, count: Any) -> Any:
    total = np.float32(0)
    for j in range(count):
        total += weights[at + j] * values[start + j]
    return total


@vector_kernel
def _set_scaled(target: Any, at: Any, values: Any, start: Any, count: Any, factor: Any) -> None:
    for j in range(count):
        target[at + j] = factor * values[start + j]


@vector_kernel
def _add_scaled(target: Any, at: Any, values: Any, start: Any, count: Any, factor: Any) -> None:
    for j in range(count):
        target[at + j] += factor * values[start + j]


@kernel
def _forward(
    weights: Any, activations: Any, at: int, x: int, y: int, batch: int, m: int, n: int, last: bool
) -> None:
    """Work out the n outputs at `y` of a layer with weights at `at` and m inputs at `x`."""
    for i in range(n):
        row = at + i * (m + 1)
        for b in range(batch):
            product = _dot(
                weights, np.uint64(row), activations, np.uint64(x + b * m), np.uint64(m)
            )  # fmt: skip
            value = weights[row + m] + product
            activations[y + b * n + i] = value if last or value > 0 else np.float32(0)


@kernel
def _softmax_errors(
    activations: Any, errors: Any, targets: Any, y: int, batch: int, n: int
) -> None:
    """Write the derivatives of the mean cross-entropy by the n outputs at `y`."""
    for b in range(batch):
        top, total = activations[y + b * n], np.float32(0)
        for i in range(n):
            top = max(top, activations[y + b * n + i])
        for i in range(n):
            errors[y + b * n + i] = np.exp(activations[y + b * n + i] - top)
            total += errors[y + b * n + i]
        for i in range(n):
            hit = np.float32(1) if i == targets[b] else np.float32(0)
            errors[y + b * n + i] = (errors[y + b * n + i] / total - hit) / np.float32(batch)


@kernel
def _backward(
    weights: Any, gradients: Any, activations: Any, errors: Any,
    at: int, x: int, y: int, batch: int, m: int, n: int, first: bool,
) -> None:  # fmt: skip
    """Write the gradients of a layer, and the errors of its inputs unless it is the first."""
    width = np.uint64(m)
    if not first:
        errors[x : x + batch * m] = 0
    for i in range(n):
        row = at + i * (m + 1)
        weight = np.uint64(row)
        gradients[row + m] = 0
        for b in range(batch):
            error, image = errors[y + b * n + i], np.uint64(x + b * m)
            gradients[row + m] += error
            if b == 0:
                _set_scaled(gradients, weight, activations, image, width, error)
            else:
                _add_scaled(gradients, weight, activations, image, width, error)
            if not first:
                _add_scaled(errors, image, weights, weight, width, error)
    if not first:
        for j in range(x, x + batch * m):
            if activations[j] <= 0:
                errors[j] = 0


@compiled_loop
def train_steps(
    widths: Any, weights: Any, gradients: Any, activations: Any, errors: Any, targets: Any,
    rate: float, steps: int,
) -> None:  # fmt: skip
    """Do `steps` training steps on one batch."""
    batch, layers, first = len(targets), len(widths) - 1, np.uint64(0)
    for _ in range(steps):
        at, x = 0, 0
        for k in range(layers):
            m, n = widths[k], widths[k + 1]
            y = x + batch * m
            _forward(weights, activations, at, x, y, batch, m, n, k == layers - 1)
            at, x = at + n * (m + 1), y
        _softmax_errors(activations, errors, targets, x, batch, widths[layers])
        for back in range(layers):
            k = layers - 1 - back
            m, n = widths[k], widths[k + 1]
            y = x
            at, x = at - n * (m + 1), x - batch * m
            _backward(weights, gradients, activations, errors, at, x, y, batch, m, n, k == 0)
        _add_scaled(weights, first, gradients, first, np.uint64(len(weights)), np.float32(-rate))
