"""Images and labels: the bundled MNIST, checked by SHA-256, or any folder of IDX files."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.errors import DataError

IDX_UBYTE = 0x08
PARTS: dict[str, tuple[tuple[str, ...], int]] = {
    "train_images": (("train-images",), 3),
    "train_labels": (("train-labels",), 1),
    "test_images": (("t10k-images", "test-images"), 3),
    "test_labels": (("t10k-labels", "test-labels"), 1),
}

MOST_CLASSES = 10_000
"""Labels are below this: there is a count for every neuron and class."""


class Dataset(NamedTuple):
    """Training and test images with their labels."""

    train_images: NDArray[np.uint8]
    """uint8[images, height, width]."""
    train_labels: NDArray[np.uint8]
    """uint8[images]."""
    test_images: NDArray[np.uint8]
    """uint8[images, height, width]."""
    test_labels: NDArray[np.uint8]
    """uint8[images]."""


def load_dataset(name: str | Path = "mnist") -> Dataset:
    """Load the bundled MNIST, or any IDX dataset.

    Parameters
    ----------
    name
        "mnist"; or a folder with four IDX files, gzipped or not, named as MNIST's are
        (Fashion-MNIST, KMNIST, ...); or, where a folder holds several, their common beginning,
        such as "data/emnist-balanced".

    Raises
    ------
    DataError
        If a file is missing, truncated or not IDX, if a checksum of the bundled data is wrong, or
        if images and labels differ in number.
    """
    bundled = str(name) == "mnist"
    folder = Path(str(resources.files("cbramsim") / "data" / "mnist")) if bundled else Path(name)
    files = _find_files(folder)
    if bundled:
        _verify(files)
    data = Dataset(*(read_idx(files[part], dimensions) for part, (_, dimensions) in PARTS.items()))
    for part in ("train", "test"):
        images, labels = getattr(data, f"{part}_images"), getattr(data, f"{part}_labels")
        if len(images) != len(labels):
            raise DataError(f"{name}: {len(images)} {part} images but {len(labels)} {part} labels")
    if data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise DataError(
            f"{name}: train images are {_size(data.train_images)}, test images "
            f"{_size(data.test_images)}"
        )
    return data


def read_idx(path: str | Path, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (0x08), the number of dimensions, their sizes as 32-bit
    big-endian numbers, and the values in C order.

    Parameters
    ----------
    path
        The file.
    dimensions
        How many dimensions it must have.

    Raises
    ------
    DataError
        If the file is missing, truncated, or not what was asked for.
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or "damaged gzip file"
        raise DataError(f"{path}: {reason}") from None
    if len(content) < 4 or content[:3] != bytes([0, 0, IDX_UBYTE]):
        raise DataError(f"{path}: not an IDX file of unsigned bytes")
    found = content[3]
    if dimensions is not None and found != dimensions:
        raise DataError(f"{path}: must have {dimensions} dimensions (got {found})")
    start = 4 + 4 * found
    sizes = content[4:start].ljust(4 * found, b"\0")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise DataError(
            f"{path}: truncated or damaged, {expected} bytes expected (got {len(content)})"
        )
    if 0 in shape:
        raise DataError(f"{path}: is empty")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def checked_images(X: ArrayLike) -> NDArray[np.uint8]:
    """Return images as uint8[images, pixels]."""
    images = np.asarray(X)
    if images.dtype != np.uint8:
        raise DataError(f"images must be uint8 grey levels 0..255 (got {images.dtype})")
    if images.ndim not in (2, 3) or 0 in images.shape:
        raise DataError(
            f"images must have the shape [images, height, width] or [images, pixels] "
            f"(got {images.shape})"
        )
    return images.reshape(len(images), -1)


def checked_labels(y: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the labels of `count` images as int64[images]."""
    try:
        labels = np.asarray(y)
    except ValueError:
        raise DataError("labels must be whole numbers, in one row") from None
    if np.ma.is_masked(y):
        raise DataError("labels must be whole numbers (got values under a mask)")
    if labels.shape != (count,):
        raise DataError(f"labels must be one per image, {count} (got shape {labels.shape})")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DataError("labels must be whole numbers, 0 or above")
    if labels.max() >= MOST_CLASSES:
        raise DataError(f"labels must be below {MOST_CLASSES:,} (got {labels.max():,})")
    return labels.astype(np.int64)


def _find_files(folder: Path) -> dict[str, Path]:
    """Return the file of each part of a dataset."""
    prefix = ""
    if not folder.is_dir():
        folder, prefix = folder.parent, folder.name
    candidates = sorted(p for p in folder.glob(f"{prefix}*") if p.is_file())
    if not candidates:
        raise DataError(
            f"dataset: must be mnist, a folder of IDX files, or the beginning of their names "
            f"(got '{folder / prefix}')"
        )
    return {part: _only(candidates, names, folder / prefix) for part, (names, _) in PARTS.items()}


def _only(candidates: list[Path], names: tuple[str, ...], where: Path) -> Path:
    """Return the one candidate whose name contains one of `names`."""
    found = [path for path in candidates if any(name in path.name for name in names)]
    plain = {path.name.removesuffix(".gz") for path in found}
    if not found:
        raise DataError(f"dataset: no file '*{names[0]}*' in {where}")
    if len(plain) > 1:
        raise DataError(
            f"dataset: several files '*{names[0]}*' in {where}; give the beginning of the name "
            f"too, such as {where / sorted(plain)[0].split(names[0])[0]}"
        )
    return found[0]


def _verify(files: dict[str, Path]) -> None:
    """Compare the bundled files with their recorded SHA-256."""
    sums = next(iter(files.values())).with_name("SHA256SUMS")
    lines = (line.split() for line in sums.read_text().splitlines())
    recorded = {name: digest for digest, name in lines}
    for path in files.values():
        if hashlib.sha256(path.read_bytes()).hexdigest() != recorded.get(path.name):
            raise DataError(f"{path}: wrong SHA-256; install cbramsim again")


def _size(images: NDArray[np.uint8]) -> str:
    return "x".join(str(n) for n in images.shape[1:])
