"""Perceptron of an entry in plain NumPy, the software with which papers compare arrays."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def trained(
    images: NDArray[np.uint8], labels: NDArray[np.int64], order: NDArray[np.int64],
    widths: tuple[int, ...], *, gain: float, rate: float, initial: float, seed: int,
) -> list[NDArray[np.float64]]:  # fmt: skip
    """Return the weights that stochastic gradient descent learns from ``images[order]``.

    As `CrossbarPerceptron` with a squared error, except that weights are real numbers without
    bounds: logistic units without biases, one image at a time.

    Parameters
    ----------
    images, labels
        uint8[images, ...] and int64[images], classes from 0.
    order
        int64[n], indices of the images to learn.
    widths
        Inputs, hidden units and classes.
    gain, rate, initial
        Factor on z, learning rate, and the bound of the initial weights.
    seed
        Of these.
    """
    rng = np.random.default_rng(seed)
    weights = [rng.uniform(-initial, initial, shape) for shape in pairwise(widths)]
    x = images.reshape(len(images), -1) / 255
    targets = np.eye(widths[-1])[labels]
    for n in order:
        units = outputs(x[n], weights, gain)
        a = units[-1]
        delta = -2 * a * (1 - a) * (targets[n] - a)
        for layer in range(len(weights) - 1, -1, -1):
            before = units[layer]
            back = gain * (weights[layer] @ delta)
            active = np.flatnonzero(before)
            weights[layer][active] -= rate * gain * np.outer(before[active], delta)
            delta = before * (1 - before) * back
    return weights


def outputs(x: NDArray, weights: list[NDArray[np.float64]], gain: float) -> list[NDArray]:
    """Return the units of all layers, the inputs `x` first."""
    units = [x]
    for each in weights:
        units.append(1 / (1 + np.exp(-gain * (units[-1] @ each))))
    return units


def score(
    images: NDArray[np.uint8], labels: NDArray[np.int64], weights: list[NDArray], gain: float
) -> float:
    """Return the fraction of the images that are classified correctly."""
    x = images.reshape(len(images), -1) / 255
    return float((outputs(x, weights, gain)[-1].argmax(axis=1) == labels).mean())
