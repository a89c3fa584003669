"""Grey levels of a data set, and their conversion to pixel densities.

The encoding needs the density of a pixel, from 0 (background) to 255. Data sets store it in many
ways: 0 and 1, four bits, floats, black on white, a grey background. All levels are first put on one
scale of 16 bits, by their type; two numbers learned from the training images are then the levels of
background and of full.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.errors import DataError

log = logging.getLogger(__name__)

FULL_SCALE = 65_535
"""Full level of the common scale: 16 bits, which hold 8 bits, 0 and 1, and floats made from
these."""
BINS = 16
"""Number of parts of the range in which the background is searched."""
BACKGROUND_SHARE = 0.4
"""Smallest share of the pixels in neighbouring parts of the range that counts as background."""
OUTSIDE_SHARE = 0.02
"""Largest share of pixels far beyond the full level; with more, images count as of another kind."""
FAR = 0.1
"""Distance beyond the full level, part of the range from background to full, that counts as far."""
FEW = 20
"""Number of images too small to find the grey levels of their kind."""
LOOKED_AT = 1000
"""Number of images by which a training and a test set are compared."""
BLOCK = 4096
"""Number of images converted at a time, which saves memory."""


class GreyLevels(NamedTuple):
    """Meaning of the grey levels of a data set, on the common scale of 16 bits."""

    background: int = 0
    """Level of a background pixel."""
    full: int = FULL_SCALE
    """Level of a full pixel; below `background` where ink is dark."""

    @classmethod
    def of(cls, images: NDArray[Any]) -> GreyLevels:
        """Learn background and full level from training images.

        The background is the median of the most crowded part of the range, an eighth of it or so,
        if two fifths of all pixels lie there; otherwise the darkest level. Ink is on the side of it
        that weighs more; the other side counts as background. The result is logged as a warning,
        unless it is black and white.

        Raises
        ------
        DataError
            If all pixels of all images have the same level.
        """
        found = cls._found(images)
        if found.guess:
            log.warning("%s", found.guess)
        return found

    @classmethod
    def _found(cls, images: NDArray[Any]) -> GreyLevels:
        """Return the result of `of`."""
        counts = np.zeros(FULL_SCALE + 1, np.int64)
        for block in _blocks(images):
            counts += np.bincount(_scaled(block).ravel(), minlength=counts.size)
        levels = np.flatnonzero(counts)
        if levels.size == 1:
            raise DataError("images must show something (got one grey level in all pixels)")
        counts = counts[levels]
        low, high = int(levels[0]), int(levels[-1])
        part = (levels - low) * BINS // (high - low + 1)
        crowd = np.bincount(part, counts, BINS)
        near = np.abs(part - crowd.argmax()) <= 1
        if counts[near].sum() < BACKGROUND_SHARE * counts.sum():
            return cls(low, high)
        crowded = np.cumsum(counts * near)
        background = int(levels[np.searchsorted(crowded, (crowded[-1] + 1) // 2)])
        inverted = counts @ (levels - background) < 0
        return cls(background, low if inverted else high)

    @property
    def guess(self) -> str:
        """Description of the guess, for people; nothing where black is background, and white
        full."""
        if self == GreyLevels():
            return ""
        kind = "dark on light" if self.full < self.background else "light on dark"
        return (
            f"grey levels: {self.background / FULL_SCALE:.3g} of the full scale is taken for the "
            f"background, {self.full / FULL_SCALE:.3g} for full ({kind})"
        )

    def densities(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Return pixel densities 0..255 for grey levels, uint8 of the shape of `images`."""
        if images.dtype == np.uint8:
            if self == GreyLevels():
                return images
            return self._table()[np.arange(256) * 257][images]
        found = np.empty(images.shape, np.uint8)
        for start in range(0, len(images), BLOCK):
            part = slice(start, start + BLOCK)
            found[part] = self._table()[_scaled(images[part])]
        return found

    def check(self, images: NDArray[Any]) -> None:
        """Refuse images of another kind than those that the levels were learned from.

        Raises
        ------
        DataError
            If more than 2 % of the pixels lie beyond the full level by a tenth of the range.
        """
        way = 1 if self.full > self.background else -1
        limit = round(way * (self.full + FAR * (self.full - self.background)))
        if limit >= (FULL_SCALE if way > 0 else 0):
            return
        beyond = sum(
            np.count_nonzero(way * _scaled(block).astype(np.int32) > limit)
            for block in _blocks(images)
        )
        if beyond > OUTSIDE_SHARE * images.size:
            raise DataError(
                f"images must have grey levels like those learned from, "
                f"{self.background / FULL_SCALE:.3g} to {self.full / FULL_SCALE:.3g} of the full "
                f"scale (got {beyond / images.size:.1%} of the pixels beyond)"
            )

    def _table(self) -> NDArray[np.uint8]:
        return _table(self.background, self.full)


def differing_levels(train: NDArray[Any], test: NDArray[Any]) -> str:
    """Describe the difference of the grey levels of test images from those of training images, if
    any.

    It compares background and full level of the first images of each, to a quarter of the training
    images' range. It is empty for a handful of images, or for images without a meaning.

    Parameters
    ----------
    train, test
        Images as for `checked_images`.
    """
    if len(test) < FEW:
        return ""
    try:
        sets = (checked_images(images[:LOOKED_AT]) for images in (train, test))
        learned, shown = map(GreyLevels._found, sets)
    except DataError:  # for the network to refuse
        return ""
    apart = max(abs(a - b) for a, b in zip(learned, shown, strict=True))
    if apart <= abs(learned.full - learned.background) / 4:
        return ""
    return (
        f"grey levels of the test images run from {shown.background / FULL_SCALE:.3g} to "
        f"{shown.full / FULL_SCALE:.3g} of the full scale, those of the training images from "
        f"{learned.background / FULL_SCALE:.3g} to {learned.full / FULL_SCALE:.3g}: are they "
        "prepared alike?"
    )


def checked_images(X: ArrayLike) -> NDArray[Any]:
    """Return images as [images, pixels], of a type whose grey levels have a meaning.

    Parameters
    ----------
    X
        [images, height, width] or [images, pixels]: uint8 0..255, uint16 0..65535, any other
        integers 0..255, floats 0..1, or bool.

    Raises
    ------
    DataError
        If shape, type or a level is another.
    """
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise DataError("images must have no masked pixels")
    try:
        images = np.asarray(X)
    except ValueError:
        raise DataError("images must all be of one size") from None
    kinds = "uint8 or other whole numbers 0..255, uint16 0..65535, floats 0..1, or bool"
    if images.dtype.kind not in "buif":
        raise DataError(f"images must be grey levels, {kinds} (got {images.dtype})")
    if images.ndim not in (2, 3) or 0 in images.shape:
        raise DataError(
            f"images must have the shape [images, height, width] or [images, pixels] "
            f"(got {images.shape})"
        )
    images = images.reshape(len(images), -1)
    if images.dtype not in (np.uint8, np.uint16, np.bool_):
        highest = 1 if images.dtype.kind == "f" else 255
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= highest):  # NaN is not within either
            raise DataError(
                f"images must be grey levels, {kinds} (got {images.dtype} from {low:g} to {high:g})"
            )
    return images


def _blocks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    return (images[start : start + BLOCK] for start in range(0, len(images), BLOCK))


def _scaled(images: NDArray[Any]) -> NDArray[np.uint16]:
    """Return checked images on the common scale of 16 bits."""
    if images.dtype == np.uint16:
        return images
    if images.dtype.kind == "f":
        return np.rint(images.astype(np.float64) * FULL_SCALE).astype(np.uint16)
    return images.astype(np.uint16) * np.uint16(FULL_SCALE if images.dtype == np.bool_ else 257)


@lru_cache(maxsize=8)
def _table(background: int, full: int) -> NDArray[np.uint8]:
    """Return the density of each level, uint8[65536]."""
    part = (np.arange(FULL_SCALE + 1) - background) / (full - background)
    return np.rint(255 * np.clip(part, 0, 1)).astype(np.uint8)
