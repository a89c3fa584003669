r"""Pixels to spikes.

An image is presented for a number of windows of 10 ms. An input spikes in a window with a
probability equal to its pixel density, :math:`P = x / 256` for the grey level x of 0..255: a
Poisson train of rate :math:`-\ln(1 - P) / T`, of which only "has it fired within the window T"
matters to the learning rule (Shi et al. 2018: Poisson spikes from pixel density, 10 ms window).
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.kernels import kernel
from cbramsim.rng import fill_with_words
from cbramsim.validation import Parameters


class Encoding(Parameters):
    """How an image becomes spikes."""

    windows: Annotated[int, Field(ge=1, le=1000)] = 5
    """Windows for which an image is presented; each ends in one output spike."""
    window: Annotated[float, Field(ge=1e-9, le=3600)] = 10e-3
    """Length of a window, s: an input that fired this recently counts as active."""


def most_active_pixels(images: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Return the `count` pixels that are most often non-zero, in ascending order.

    Background pixels carry nothing: of MNIST's 784 the 397 most active are those that are
    non-zero in more than about 5 % of the training images. Ties go to the lower index.

    Parameters
    ----------
    images
        uint8[images, pixels].
    count
        Number of pixels to keep; all if there are fewer.
    """
    blocks = np.array_split(images, -(-len(images) // 4096))  # a block at a time saves memory
    activity = sum(np.count_nonzero(block, axis=0) for block in blocks)
    order = np.argsort(-np.asarray(activity), kind="stable")
    return np.sort(order[:count])


@kernel
def draw_spikes(pixels, words, random_bytes, spiked, rows, stream):  # type: ignore[no-untyped-def]
    """Draw the inputs that fire in one window; return how many.

    One random byte per input is compared with its grey level, eight to a random word.

    Parameters
    ----------
    pixels
        uint8[inputs], the image.
    words, random_bytes
        Scratch, uint64[ceil(inputs / 8)] and the same memory seen as bytes.
    spiked
        bool[inputs], overwritten: which inputs fire.
    rows
        int32[inputs + 1], overwritten: their indices in ascending order.
    stream
        State of the stream "spikes".
    """
    fill_with_words(stream, words)
    for i in range(pixels.size):
        spiked[i] = random_bytes[i] < pixels[i]
    count = 0
    for i in range(pixels.size):
        rows[count] = i
        count += spiked[i]
    return count
