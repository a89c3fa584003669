"""Second data set for an array that has learned a first one, made from the first by rule.

Nothing is downloaded and nothing is random. Three kinds:

* `slanted`, a *related* task: the same ten digits written by a slanting hand. The array is trained
  on one half of the training images, and adapted to the other half, turned and sheared.
* `other-digits`, *another* task: first the classes 0 to 4, then 5 to 9.
* any other data set of images of the same size, such as Fashion-MNIST.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from cbramsim.core.errors import DataError
from cbramsim.simulator.images.datasets import Dataset, load_dataset

DEGREES = -25.0
"""Angle by which slanted images are turned to the right, degrees."""
BY_RULE = ("slanted", "other-digits")
"""Data sets that are made from the first one."""
SHEAR = 0.3
"""Additional shift of their rows to the right, pixels per pixel of height."""


class Pair(NamedTuple):
    """Task that an array learns first, and the one it adapts to."""

    first: Dataset
    """Data set of the pre-training."""
    second: Dataset
    """Data set of the adaptation; it has no image in common with `first`."""


def second_dataset(name: str | Path, data: Dataset) -> Pair:
    """Return `data`, or the part of it that is learned first, and a second data set.

    Parameters
    ----------
    name
        "slanted", "other-digits", or an argument of `load_dataset`.
    data
        The data set to make them from.
    """
    if name == "slanted":
        return _slanted_half(data)
    if name == "other-digits":
        return Pair(_classes(data, upper=False), _classes(data, upper=True))
    other = load_dataset(name)
    if other.train_images.shape[1:] != data.train_images.shape[1:]:
        raise DataError(
            f"{name}: images must be of the size of the first data set, "
            f"{data.train_images.shape[1:]} (got {other.train_images.shape[1:]})"
        )
    if other.train_images.dtype != data.train_images.dtype:
        raise DataError(
            f"{name}: images must be of the type of the first data set, {data.train_images.dtype} "
            f"(got {other.train_images.dtype})"
        )
    return Pair(data, other)


def slanted(images: ArrayLike, degrees: float = DEGREES, shear: float = SHEAR) -> NDArray[np.uint8]:
    r"""Return images turned about their centre and sheared, with bilinear interpolation.

    With positions (x to the right, y up) from the centre of the image, what was at r moves to
    :math:`A r` with :math:`A = R(\theta)\,(1, s; 0, 1)`, R turning to the left. Pixels from outside
    are background.

    Parameters
    ----------
    images
        uint8[images, height, width].
    degrees, shear
        :math:`\theta` and s.
    """
    given = np.asarray(images)
    if given.dtype != np.uint8 or given.ndim != 3:
        raise DataError(
            f"slanted: images must be uint8[images, height, width] (got {given.dtype}, shape "
            f"{given.shape})"
        )
    moved = _interpolation(given.shape[1], given.shape[2], degrees, shear)
    grey = moved @ given.reshape(len(given), -1).T.astype(np.float32)
    return np.rint(grey.T).astype(np.uint8).reshape(given.shape)


def _interpolation(height: int, width: int, degrees: float, shear: float) -> csr_array:
    """Return the matrix that takes pixels to moved pixels, float32[pixels, pixels]."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    back = np.linalg.inv(turn @ np.array([[1.0, shear], [0.0, 1.0]]))
    rows, columns = (index.ravel() for index in np.indices((height, width)))
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    # Positions have y up, rows count down.
    x, y = back @ np.array([columns - middle[0], middle[1] - rows]) + [[middle[0]], [-middle[1]]]
    left, top = np.floor(x).astype(int), np.floor(-y).astype(int)
    share_x, share_y = x - left, -y - top
    targets, sources, shares = [], [], []
    for down in (0, 1):
        for right in (0, 1):
            row, column = top + down, left + right
            share = (share_x if right else 1 - share_x) * (share_y if down else 1 - share_y)
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            targets.append(np.flatnonzero(inside))
            sources.append((row * width + column)[inside])
            shares.append(share[inside])
    pixels = height * width
    entries = np.concatenate(shares).astype(np.float32)
    where = (np.concatenate(targets), np.concatenate(sources))
    return csr_array((entries, where), shape=(pixels, pixels))


def _slanted_half(data: Dataset) -> Pair:
    half, test_half = len(data.train_images) // 2, len(data.test_images) // 2
    first = Dataset(
        data.train_images[:half], data.train_labels[:half],
        data.test_images[:test_half], data.test_labels[:test_half], data.classes,
    )  # fmt: skip
    second = Dataset(
        slanted(data.train_images[half:]), data.train_labels[half:],
        slanted(data.test_images[test_half:]), data.test_labels[test_half:],
        data.classes,
    )  # fmt: skip
    return Pair(first, second)


def _classes(data: Dataset, upper: bool) -> Dataset:
    """Return the upper or the lower half of the classes."""
    middle = (int(data.train_labels.max()) + 1) / 2
    train, test = ((labels >= middle) == upper for labels in (data.train_labels, data.test_labels))
    return Dataset(
        data.train_images[train], data.train_labels[train],
        data.test_images[test], data.test_labels[test], data.classes,
    )  # fmt: skip
