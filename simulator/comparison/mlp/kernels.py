"""Compiled elementwise work of the network, between the products of matrices."""

from __future__ import annotations

import numpy as np

from cbramsim.core.kernels import compiled_loop
from cbramsim.core.rng import fill_with_words


@compiled_loop
def present(images, chosen, down, right, out):  # type: ignore[no-untyped-def]
    """Fill `out` with the `chosen` images, each shifted by whole pixels, as numbers from 0 to 1.

    Parameters
    ----------
    images
        uint8[images, height, width].
    chosen, down, right
        int64[batch], indices of the images, and their shifts; black moves in.
    out
        float[batch, height x width].
    """
    _, height, width = images.shape
    scale = out.dtype.type(1 / 255)
    for b in range(chosen.size):
        image, target = images[chosen[b]], out[b].reshape(height, width)
        dy, dx = down[b], right[b]
        target[:] = 0
        for row in range(max(0, dy), min(height, height + dy)):
            for column in range(max(0, dx), min(width, width + dx)):
                target[row, column] = scale * image[row - dy, column - dx]


@compiled_loop
def rectify(z, out):  # type: ignore[no-untyped-def]
    """Write max(z, 0) to `out`."""
    for b in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[b, j] = max(z[b, j], z.dtype.type(0))


@compiled_loop
def rectify_back(g, z):  # type: ignore[no-untyped-def]
    """Turn dL/da into dL/dz in place, where a = max(z, 0)."""
    for b in range(z.shape[0]):
        for j in range(z.shape[1]):
            if z[b, j] <= 0:
                g[b, j] = 0


@compiled_loop
def softmax_error(z, labels, smoothing, error):  # type: ignore[no-untyped-def]
    """Write dL/dz of the mean cross-entropy to `error`; return its sum over the batch.

    The target is 1 - smoothing + smoothing/classes for the label, smoothing/classes elsewhere.

    Parameters
    ----------
    z
        float[batch, classes], the outputs.
    labels
        int64[batch].
    smoothing
        0 to 1.
    error
        float[batch, classes].
    """
    batch, classes = z.shape
    loss = 0.0
    for b in range(batch):
        top = z[b].max()
        total = 0.0
        for k in range(classes):
            total += np.exp(np.float64(z[b, k] - top))
        for k in range(classes):
            target = smoothing / classes + (1 - smoothing) * (k == labels[b])
            logarithm = np.float64(z[b, k] - top) - np.log(total)
            loss -= target * logarithm
            error[b, k] = (np.exp(logarithm) - target) / batch
    return loss


@compiled_loop
def descend(values, velocity, slope, rate, momentum, decay):  # type: ignore[no-untyped-def]
    """Move `values` in place by gradient descent with momentum.

    v <- momentum v + slope + decay value; value <- value - rate v. A v below 1e-30 becomes 0, as
    the product of numbers that small is slow on many processors.
    """
    values, velocity, slope = values.ravel(), velocity.ravel(), slope.ravel()
    kind = values.dtype.type
    rate, momentum, decay, least = kind(rate), kind(momentum), kind(decay), kind(1e-30)
    for j in range(values.size):
        v = momentum * velocity[j] + slope[j] + decay * values[j]
        v = v if abs(v) > least else kind(0)
        velocity[j] = v
        values[j] -= rate * v


@compiled_loop
def dither(x, step, stream, out):  # type: ignore[no-untyped-def]
    """Write x + (u - 1/2) step to `out`, u uniform: rounded to multiples of `step`, x on average.

    Parameters
    ----------
    x
        float32[batch, n].
    step
        Distance of two values, float32.
    stream
        xoshiro256++ state; advanced.
    out
        float32[batch, n].
    """
    words = np.empty((x.shape[1] + 1) // 2, np.uint64)
    halves = words.view(np.uint32)
    for b in range(x.shape[0]):
        fill_with_words(stream, words)
        for j in range(x.shape[1]):
            u = (np.float32(halves[j] >> np.uint32(8)) + np.float32(0.5)) / np.float32(2**24)
            out[b, j] = x[b, j] + (u - np.float32(0.5)) * step
