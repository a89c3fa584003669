r"""Encoding of pixels as spikes.

An image is presented for a number of windows of 10 ms. An input spikes in a window with a
probability equal to its pixel density, :math:`P = x / 256` for the density x of 0..255 (see
`grey_levels`): a Poisson train of rate :math:`-\ln(1 - P) / T`, of which only a spike within the
window T matters to the learning rule (Shi et al. 2018: Poisson spikes from pixel density, 10 ms
window).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cbramsim.core.rng import fill_with_words
from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import draw_spikes, implements

Levels = Literal["learned", "fixed"]


class Encoding(Parameters):
    """Encoding of an image as spikes."""

    levels: Levels = "learned"
    """Background and full level of the images: `learned` from the training images; or `fixed`,
    black and the highest level of their type, so that a level is a density."""

    windows: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of windows of an image; each ends in one output spike."""
    recognition_windows: Annotated[int | None, Field(ge=1, le=1000)] = None
    """Number of windows of an image that names neurons or is recognised; by default as many as
    while learning."""
    window: Annotated[float, Field(ge=1e-9, le=3600)] = 10e-3
    """Length of a window, s: an input that has fired within this time counts as active."""

    @property
    def windows_at_work(self) -> int:
        """Number of windows of an image from which nothing is learned."""
        return self.recognition_windows or self.windows


ACTIVE_SHARE = 0.0505
"""Smallest share of the images in which an active pixel is non-zero.

The reference's rule is 5 %, by which 398 of MNIST's pixels are active, and its network has 397
inputs: the last of them is non-zero in 5.01 % of the images, the one before in 5.10 %."""


def most_active_pixels(images: NDArray[np.uint8], count: int | None = None) -> NDArray[np.int64]:
    """Return the pixels that are most often non-zero, in ascending order.

    Background pixels carry no information. Ties go to the lower index.

    Parameters
    ----------
    images
        uint8[images, pixels], densities.
    count
        Number of pixels to keep; all if there are fewer. By default those that are non-zero in
        more than `ACTIVE_SHARE` of the images (Shi et al. 2018); where there are none, all that are
        ever non-zero.
    """
    blocks = np.array_split(images, -(-len(images) // 4096))  # a block at a time saves memory
    activity = np.asarray(sum(np.count_nonzero(block, axis=0) for block in blocks))
    if count is None:
        active = activity > ACTIVE_SHARE * len(images)
        count = int(np.count_nonzero(active if active.any() else activity))
    order = np.argsort(-activity, kind="stable")
    return np.sort(order[:count])


def contrast(images: NDArray[np.uint8]) -> float:
    """Return the contrast of images: the sum of the variances of all pixel probabilities.

    That is half the mean squared distance between two images; 51 for MNIST.

    Parameters
    ----------
    images
        uint8[images, inputs], densities.
    """
    square = sum(
        np.einsum("ij,ij->", block, block, dtype=np.int64)
        for block in np.array_split(images, -(-len(images) // 4096))
    )
    mean = images.mean(axis=0, dtype=np.float64)
    return float(square / len(images) - mean @ mean) / 256**2


class Poisson(NamedTuple):
    """Inputs that fire independently of each other, each with its density as probability."""


@implements(draw_spikes, Poisson)
def _(encoder, pixels, work, stream):  # type: ignore[no-untyped-def]
    """Compare the density of each input with one random byte, eight to a random word."""
    fill_with_words(stream, work.words)
    spiked, rows, random_bytes = work.spiked, work.rows, work.random_bytes
    for i in range(pixels.size):
        spiked[i] = random_bytes[i] < pixels[i]
    count = 0
    for i in range(pixels.size):
        rows[count] = i
        count += spiked[i]
    return count


class Trace(NamedTuple):
    """Spikes of the previous layer: an input is active from the first spike of its neuron.

    Each spike acts like a rectangular postsynaptic potential (as in Nessler et al., PLoS Comput.
    Biol. 9, e1003037, 2013) that lasts until the image ends.
    """

    window: NDArray[np.int64]
    """Windows of the present image so far, int64[1]."""


@implements(draw_spikes, Trace)
def _(encoder, winners, work, stream):  # type: ignore[no-untyped-def]
    spiked, window = work.spiked, encoder.window[0]
    if window == 0:
        for i in range(spiked.size):
            spiked[i] = False
    spiked[winners[window]] = True
    encoder.window[0] = (window + 1) % winners.size
    count = 0
    for i in range(spiked.size):
        work.rows[count] = i
        count += spiked[i]
    return count
