"""Images and labels: the bundled MNIST, checked by SHA-256, or files in common formats."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.errors import DataError, shown
from cbramsim.core.files import printable
from cbramsim.simulator.images.array_files import (
    Stored,
    idx_file,
    npy_file,
    npz_member,
    npz_names,
    read_idx,
)
from cbramsim.simulator.images.dataset_files import (
    PARTS,
    WHAT,
    find_files,
    inside,
    unknown,
    verify,
)
from cbramsim.simulator.images.grey_levels import differing_levels
from cbramsim.simulator.images.picture_files import (
    LARGEST_IMAGE,
    MOST_CLASSES,
    TEST,
    TRAIN,
    find_pictures,
    holds_pictures,
    is_picture,
    luminance,
    picture_folder,
    read_pictures,
    say_coloured,
    shown_names,
)

IMAGES, LABELS = ("images", "image", "x", "data"), ("labels", "label", "y", "targets", "target")
"""Names of images and labels in .npz files, beside the name of their part."""
log = logging.getLogger("cbramsim")
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images with their labels, checked to fit each other.

    Images may be of any type of numbers. A channel axis of one is dropped, colours become their
    luminance, and [images, pixels] of square images get rows. It unpacks into its four arrays.
    """

    train_images: NDArray[Any]
    """Images, [images, height, width]."""
    train_labels: NDArray[Any]
    """Labels, whole numbers >= 0, [images]."""
    test_images: NDArray[Any]
    """Images, [images, height, width]."""
    test_labels: NDArray[Any]
    """Labels, whole numbers >= 0, [images]."""
    classes: tuple[str, ...] = ()
    """Names of the classes 0, 1, ...; empty if they are called by these numbers."""

    def __post_init__(self) -> None:
        """Check all parts."""
        arrays = [_as_array(part, getattr(self, part)) for part in PARTS]
        _check_fit([_stored(part, array) for part, array in zip(PARTS, arrays, strict=True)])
        in_colour = False
        for part, array in zip(PARTS, arrays, strict=True):
            if part.endswith("images"):
                array, coloured = _images(part, array)
                in_colour = in_colour or coloured
            else:
                array = _labels(part, array)
            object.__setattr__(self, part, array)
        if in_colour:
            say_coloured("dataset")
        if unseen := sorted(set(self.test_labels.tolist()) - set(self.train_labels.tolist())):
            log.warning(
                "dataset: no training label is %s: images of it cannot be recognised",
                " or ".join(map(str, unseen[:5])) + (" ..." if len(unseen) > 5 else ""),
            )
        if told := differing_levels(self.train_images, self.test_images):
            log.warning("dataset: %s", told)
        highest = max(int(self.train_labels.max()), int(self.test_labels.max()))
        if self.classes and highest >= len(self.classes):
            raise DataError(
                f"classes: must name all classes, 0 to {highest} (got {len(self.classes)} names)"
            )

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yield the four arrays, in the order of the fields."""
        return (getattr(self, part) for part in PARTS)

    def __repr__(self) -> str:
        """Return the number of images, and their size."""
        return (
            f"Dataset({len(self.train_images):,} training and {len(self.test_images):,} test "
            f"images of {_size(self.train_images.shape[1:])} pixels, {self.train_images.dtype})"
        )


class Images(NamedTuple):
    """Images and their names."""

    images: NDArray[Any]
    """Images, [images, height, width]."""
    names: tuple[str, ...]
    """Names of their files, in the folder that was read; empty if they are in one file."""


def load_dataset(
    name: str | Path | Dataset | Mapping[str, ArrayLike] | Sequence[Any] = "mnist",
    *,
    quiet: bool = False,
) -> Dataset:
    """Load the bundled MNIST, or any other dataset.

    Values are left as they are stored; the network finds their meaning.

    Parameters
    ----------
    name
        One of

        * "mnist";
        * a folder with four IDX files, gzipped or not, named as MNIST's are (Fashion-MNIST,
          KMNIST, ...), or, where a folder holds several, their common beginning, such as
          "data/emnist-balanced";
        * a folder of pictures of one size, train/CLASS/*.png and test/CLASS/*.png, or of other
          formats. Folders named by numbers are of these classes, others are numbered in the order
          of their names. The pictures come in an order in which every beginning has all classes;
        * a .npz file with x_train, y_train, x_test and y_test, or train_images, train_labels, ...;
        * arrays: these four, such a mapping, or ((x_train, y_train), (x_test, y_test)).
    quiet
        Whether to show no progress.

    Raises
    ------
    DataError
        If something is missing, damaged or too large, if a checksum of the bundled data is wrong,
        or if images and labels do not fit each other.
    """
    if isinstance(name, Dataset):
        return name
    if isinstance(name, Mapping):
        return _from_names("dataset", list(name), lambda key: _stored(key, name[key]))
    if isinstance(name, str | Path):
        return _load(name, quiet)
    if isinstance(name, Sequence):
        halves = len(name) == 2 and all(isinstance(half, Sequence) for half in name)
        arrays = [array for half in name for array in half] if halves else name
        if len(arrays) == len(PARTS):
            return Dataset(*arrays)
    raise DataError(
        f"dataset: must be {WHAT}, or the arrays {', '.join(PARTS)} (got {shown(name)})"
    )


def read_images(path: Path, *, quiet: bool = False) -> Images:
    """Read images alone, from an IDX, .npy or .npz file, a picture, or a folder of pictures.

    Raises
    ------
    DataError
        If there are none, or they cannot be read.
    """
    if not os.path.isdir(path) and not is_picture(path):
        stored = _one_array(path, IMAGES, 3)
        _check_images(stored)
        grey, coloured = _images(stored.where, stored.read())
        names: tuple[str, ...] = ()
    else:
        paths = find_pictures(path) if os.path.isdir(path) else [path]
        if not paths:
            raise DataError(f"{printable(path)}: no pictures in it")
        grey, in_colour = read_pictures(paths, quiet=quiet)
        coloured = in_colour > 0
        folder = path if os.path.isdir(path) else path.parent
        names = shown_names(str(each.relative_to(folder)) for each in paths)
    if coloured:
        say_coloured(path)
    return Images(grey, names)


def read_labels(path: Path) -> NDArray[Any]:
    """Read labels alone, from an IDX, .npy or .npz file; errors as of `read_images`."""
    stored = _one_array(path, LABELS, 1)
    _check_labels(stored)
    return _labels(stored.where, stored.read())


def checked_labels(y: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the labels of `count` images as int64[images]."""
    labels = _as_array("labels", y)
    if len(labels.shape) == 0 or len(labels) != count:
        raise DataError(f"labels must be one per image, {count} (got shape {labels.shape})")
    _check_labels(_stored("labels", labels))
    return _labels("labels", labels).astype(np.int64)


def _load(name: str | Path, quiet: bool) -> Dataset:
    """Load the bundled data set, or the one at a path."""
    if str(name) == "mnist":
        return deepcopy(_bundled())
    path = Path(name)
    is_file = os.path.isfile(path)
    if not str(name) or is_file != path.name.lower().endswith(".npz"):
        raise unknown(name)
    if is_file:
        return _from_names(printable(path), npz_names(path), lambda key: npz_member(path, key))
    if not any("train-images" in each.name for each in inside(path)) and holds_pictures(path):
        folder = picture_folder(path)
        (learned, y), (tested, z) = (folder.read(part, quiet=quiet) for part in ("train", "test"))
        if learned.coloured or tested.coloured:
            say_coloured(path)
        return Dataset(learned.images, y, tested.images, z, shown_names(folder.classes))
    files = find_files(path)
    return _read_all(
        printable(path), [idx_file(file, PARTS[part][1]) for part, file in files.items()]
    )


@cache
def _bundled() -> Dataset:
    """Return MNIST, read once for all runs of a process."""
    files = find_files(Path(str(resources.files("cbramsim") / "data" / "mnist")))
    verify(files)
    return _read_all("mnist", [idx_file(file) for file in files.values()])


def _read_all(where: str, parts: list[Stored]) -> Dataset:
    """Read the parts of a data set, whose shapes are checked before; labels come first."""
    _check_fit(parts, where)
    labels = {n: parts[n].read() for n in (1, 3)}
    for n, values in labels.items():
        _labels(parts[n].where, values)
    return Dataset(parts[0].read(), labels[1], parts[2].read(), labels[3])


def _from_names(where: str, names: list[str], stored: Callable[[str], Stored]) -> Dataset:
    """Return the data set of the arrays that are named as its parts."""
    parts = []
    for choices, what in ((TRAIN, IMAGES), (TRAIN, LABELS), (TEST, IMAGES), (TEST, LABELS)):
        found: list[str] = []
        for part in choices:
            found = found or _named(names, part, what)
        if len(found) != 1:
            usual = f"{what[2]}_{choices[0][0]}, {choices[0][0]}_{what[0]}"
            has = shown(", ".join(found or names) or "nothing")
            raise DataError(
                f"{where}: must have one array of {choices[0][0]} {what[0]}, {usual} or such (got "
                f"{has})"
            )
        parts.append(stored(found[0]))
    return _read_all(where, parts)


def _named(names: list[str], part: tuple[str, ...], what: tuple[str, ...]) -> list[str]:
    """Return those of `names` that are of a part and of images, or of labels."""
    joined = {a + b for one in part for other in what for a, b in ((one, other), (other, one))}
    return [name for name in names if _letters(name) in joined]


def _letters(name: str) -> str:
    return "".join(c for c in str(name).lower() if c.isalnum())


def _one_array(path: Path, what: tuple[str, ...], dimensions: int) -> Stored:
    """Return the images, or the labels, in a file."""
    name = path.name.lower()
    if name.endswith(".npy"):
        return npy_file(path)
    if not name.endswith(".npz"):
        array = read_idx(path, dimensions)
        return _stored(printable(path), array)
    names = npz_names(path)
    choices = [
        [name for name in names if _letters(name) in what],
        *(_named(names, part, what) for part in TEST),
        names,
    ]
    chosen = next(found for found in choices if found or found is names)
    if len(chosen) != 1:
        raise DataError(
            f"{printable(path)}: must have one array of {what[0]} (got "
            f"{shown(', '.join(names) or 'nothing')})"
        )
    return npz_member(path, chosen[0])


def _as_array(where: str, values: ArrayLike) -> NDArray[Any]:
    kind = "whole numbers" if "labels" in where else "numbers"
    if np.ma.is_masked(values):
        raise DataError(f"{where} must be {kind} (got values under a mask)")
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError(f"{where} must be {kind}, in rows of one length") from None


def _stored(where: str, values: ArrayLike) -> Stored:
    array = _as_array(where, values)
    return Stored(where, array.shape, array.dtype, lambda: array)


def _check_fit(parts: Sequence[Stored], where: str = "") -> None:
    """Refuse images and labels that do not fit each other, by their shapes and types alone."""
    prefix = f"{where}: " if where else ""
    sizes = []
    for part, (images, labels) in (("train", parts[:2]), ("test", parts[2:])):
        sizes.append(_check_images(images))
        _check_labels(labels)
        if images.shape[0] != labels.shape[0]:
            raise DataError(
                f"{prefix}{images.shape[0]} {part} images but {labels.shape[0]} {part} labels"
            )
    if sizes[0] != sizes[1]:
        raise DataError(
            f"{prefix}train images are {sizes[0][0]}x{sizes[0][1]}, test images "
            f"{sizes[1][0]}x{sizes[1][1]}"
        )
    kinds = [parts[n].dtype for n in (0, 2)]
    if kinds[0] != kinds[1]:
        raise DataError(f"{prefix}train images are {kinds[0]}, test images {kinds[1]}")


def _check_images(images: Stored) -> tuple[int, int]:
    """Refuse arrays that are no images, by shape and type alone; return their height and width."""
    where, shape = images.where, images.shape
    if images.dtype.kind not in "buif":
        raise DataError(f"{where}: must be numbers (got {str(images.dtype)[:60]})")
    height, width = _height_and_width(shape)
    if not height:
        raise DataError(
            f"{where}: must have the shape [images, height, width], with or without 1, 3 or 4 "
            f"channels behind, or [images, pixels] of a square (got {_size(shape) or 'a number'})"
        )
    if height * width > LARGEST_IMAGE:
        raise DataError(
            f"{where}: must have at most {LARGEST_IMAGE:,} pixels an image (got {height}x{width})"
        )
    return height, width


def _height_and_width(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of images of a shape; 0, 0 if they are none."""
    if 0 in shape:
        return 0, 0
    match shape:
        case [_, pixels] if math.isqrt(pixels) ** 2 == pixels:
            return math.isqrt(pixels), math.isqrt(pixels)
        case [_, height, width] | [_, height, width, 1 | 3 | 4] | [_, 1, height, width]:
            return height, width
    return 0, 0


def _images(where: str, images: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return images [images, height, width] in their type, and whether they were in colour."""
    height, width = _height_and_width(images.shape)
    shape = (len(images), height, width)
    if images.ndim < 4 or images.size == math.prod(shape):
        return images.reshape(shape), False
    grey, coloured = np.empty(shape, images.dtype), False
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK]
        if (block[..., 3:] != images[0, 0, 0, 3:]).any():
            raise DataError(
                f"{where}: has transparent pixels; put the images on a plain background first"
            )
        grey[start : start + _BLOCK] = luminance(block)
        coloured = coloured or bool((block[..., :3] != block[..., :1]).any())
    return grey, coloured


def _check_labels(labels: Stored) -> None:
    """Refuse arrays that are no labels, by shape and type alone."""
    where, shape = labels.where, labels.shape
    if len(shape) == 2 and shape[1] > 1:
        raise DataError(
            f"{where} must be one per image (got shape {shape}); of one-hot labels, take "
            f".argmax(axis=1)"
        )
    if len(shape) not in (1, 2) or 0 in shape:
        raise DataError(f"{where} must be one per image, [images] (got shape {shape})")
    if labels.dtype.kind not in "ui":
        hint = {"f": "take .astype(int)", "b": "take .astype(int)", "U": "number the classes"}
        raise DataError(
            f"{where} must be whole numbers, 0 or above (got {str(labels.dtype)[:60]}"
            f"{'; ' + hint[labels.dtype.kind] if labels.dtype.kind in hint else ''})"
        )


def _labels(where: str, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels [images], as int64 where they are not uint8."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise DataError(f"{where} must be whole numbers, 0 or above (got {low})")
    if high >= MOST_CLASSES:
        raise DataError(f"{where} must be below {MOST_CLASSES:,} (got {high:,})")
    return labels.reshape(-1).astype(labels.dtype if labels.dtype == np.uint8 else np.int64)


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
