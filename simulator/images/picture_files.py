"""Pictures in files, such as PNG, one by one or in folders named after their classes.

They are read as they are: 8 bits as uint8, 16 bits as uint16, 1 bit as bool; colours become their
luminance.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cbramsim.core.errors import DataError
from cbramsim.core.files import in_bytes, printable
from cbramsim.simulator.images.array_files import LARGEST

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
"""Picture formats that are read, by their names in Pillow."""
ENDINGS = (
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".pbm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Endings of the names of pictures, in any case."""
LARGEST_IMAGE = 2**24
"""Most pixels of an image: 4096 x 4096."""
MOST_CLASSES = 1000
"""Most classes of a data set: they are counted in pairs, and saved as such."""
TRAIN, TEST = (("train", "training"),), (("test", "testing"), ("val", "valid", "validation"))
"""Names of the parts of a data set. Images held back for validation are only taken for the test
images where there are no others."""

_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")
_BLOCK = 64

log = logging.getLogger(__name__)


class Pictures(NamedTuple):
    """Pictures of one size."""

    images: NDArray[Any]
    """[images, height, width]."""
    coloured: int
    """Number of colour pictures, of which the luminance was read."""


class Folder(NamedTuple):
    """Pictures of a data set, not read yet."""

    train: dict[str, list[Path]]
    """The files of each class."""
    test: dict[str, list[Path]]
    """The files of each class."""
    classes: tuple[str, ...]
    """Names of the classes 0, 1, ...; empty if they are called by these numbers."""

    def read(self, part: str, *, quiet: bool = False) -> tuple[Pictures, NDArray[np.int64]]:
        """Read the pictures of "train" or "test", and their labels, int64[images].

        Their order has all classes in proportion in every beginning.

        Raises
        ------
        DataError
            If one cannot be read, or is not like the others.
        """
        files: dict[str, list[Path]] = getattr(self, part)
        places = [
            ((n + 0.5) / len(paths), self._label(name), path)
            for name, paths in files.items()
            for n, path in enumerate(paths)
        ]
        places.sort()
        labels = np.array([label for _, label, _ in places])
        return read_pictures([path for *_, path in places], quiet=quiet), labels

    def _label(self, name: str) -> int:
        return self.classes.index(name) if self.classes else int(name)


def is_picture(path: Path) -> bool:
    """Return whether a file has the name of a picture."""
    return path.name.lower().endswith(ENDINGS)


def holds_pictures(folder: Path) -> bool:
    """Return whether a folder has pictures, sorted into train/CLASS and test/CLASS or not."""
    if not os.path.isdir(folder):
        return False
    inside = _listed(folder)
    return any(_part(folder, names) for names in chain(TRAIN, TEST)) or any(
        is_picture(path)
        for path in chain(inside, *(_listed(path) for path in inside if os.path.isdir(path)))
    )


def picture_folder(folder: Path) -> Folder:
    """Find the pictures in the folders train/CLASS and test/CLASS of a folder.

    Raises
    ------
    DataError
        If one of these is missing, or holds no pictures.
    """
    train, test = (_the_part(folder, names) for names in (TRAIN, TEST))
    learned, tested = _by_class(train), _by_class(test)
    for name in tested:
        if name not in learned:
            raise DataError(
                f"{printable(test / name)}: there is no such class in {printable(train)}"
            )
    names = list(learned)
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"{printable(train)}: must have at most {MOST_CLASSES} folders of classes (got "
            f"{len(names)})"
        )
    numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
    if len(numbers) == len(names) and max(numbers) < MOST_CLASSES:
        if len(set(numbers)) < len(names):
            raise DataError(f"{printable(train)}: two folders have the same number")
        return Folder(learned, tested, ())
    return Folder(learned, tested, tuple(names))


def find_pictures(folder: Path) -> list[Path]:
    """Return all pictures in a folder and the folders in it, sorted by name."""
    found, waiting = [], [folder]
    while waiting:
        inside = _listed(waiting.pop())
        found += [path for path in inside if is_picture(path) and os.path.isfile(path)]
        waiting += [path for path in inside if os.path.isdir(path) and not path.is_symlink()]
    return sorted(found)


def read_pictures(paths: list[Path], *, quiet: bool = False) -> Pictures:
    """Read pictures of one size.

    Raises
    ------
    DataError
        If one cannot be read, is animated, transparent or too large, or is not like the others.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow makes do with; what it cannot read it refuses
        size = _size(paths[0])
        total = len(paths) * size[0] * size[1]
        if total > LARGEST:
            raise DataError(
                f"{printable(paths[0].parent)}: must hold at most {in_bytes(LARGEST)} of images "
                f"(got {len(paths)} of {size[0]}x{size[1]} pixels)"
            )
        read = list(_read_all(paths, size, quiet))
    if any(image.dtype == np.uint8 for image, _ in read):  # black and white may be among grey
        read = [(image * np.uint8(255) if image.dtype == bool else image, c) for image, c in read]
    kinds = {image.dtype: path for (image, _), path in zip(read, paths, strict=True)}
    if len(kinds) > 1:
        (first, one), (second, other), *_ = kinds.items()
        raise DataError(
            f"{printable(other)}: is {second}, but {printable(one)} is {first}; save all alike"
        )
    return Pictures(np.stack([image for image, _ in read]), sum(colour for _, colour in read))


def say_coloured(where: str | Path) -> None:
    """Warn that luminance is read instead of colours."""
    log.warning("%s: there are images in colour; their luminance is read", printable(Path(where)))


def luminance(images: NDArray[Any]) -> NDArray[Any]:
    """Return the luminance of colours [..., red green blue], ITU-R 601-2, in their type."""
    grey = images[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return (grey if images.dtype.kind == "f" else np.rint(grey)).astype(images.dtype)


def _read_all(
    paths: list[Path], size: tuple[int, int], quiet: bool
) -> Iterator[tuple[NDArray[Any], bool]]:
    """Yield the pictures, and whether they are coloured, in their order."""
    blocks = [paths[n : n + _BLOCK] for n in range(0, len(paths), _BLOCK)]
    bar = tqdm(
        total=len(paths), unit=" images", desc="reading images", disable=quiet or None, delay=1,
        dynamic_ncols=True, leave=False,
    )  # fmt: skip
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with bar:
            for block in pool.map(lambda block: [_read(path, size) for path in block], blocks):
                yield from block
                bar.update(len(block))
    finally:
        pool.shutdown(cancel_futures=True)


def _size(path: Path) -> tuple[int, int]:
    """Return height and width of a picture."""
    with _opened(path) as image:
        return image.height, image.width


def _read(path: Path, size: tuple[int, int]) -> tuple[NDArray[Any], bool]:
    """Return a picture [height, width], and whether it is coloured."""
    with _opened(path) as image:
        if (image.height, image.width) != size:
            raise DataError(
                f"{printable(path)}: is {image.height}x{image.width}, but the others are "
                f"{size[0]}x{size[1]}"
            )
        try:
            return _values(image)
        except DataError as error:
            raise DataError(f"{printable(path)}: {error}") from None
        except Exception as error:
            raise _unreadable(path, error) from None


def _opened(path: Path) -> Image.Image:
    try:
        if not os.path.isfile(path):
            raise FileNotFoundError(0, "no such file" if not os.path.lexists(path) else "no file")
        image = Image.open(path, formats=FORMATS)
    except Exception as error:  # a damaged file fails in many ways
        raise _unreadable(path, error) from None
    if image.width * image.height > LARGEST_IMAGE:
        raise DataError(
            f"{printable(path)}: must have at most {LARGEST_IMAGE:,} pixels (got "
            f"{image.height}x{image.width})"
        )
    if getattr(image, "is_animated", False):
        raise DataError(f"{printable(path)}: must be one picture, not several")
    return image


def _unreadable(path: Path, error: Exception) -> DataError:
    if isinstance(error, Image.DecompressionBombError):
        return DataError(f"{printable(path)}: must have at most {LARGEST_IMAGE:,} pixels")
    reason = getattr(error, "strerror", None) or (
        f"is no {', '.join(FORMATS)}"
        if isinstance(error, Image.UnidentifiedImageError)
        else " ".join(str(error).split())[:80] or type(error).__name__
    )
    return DataError(f"{printable(path)}: not a picture that can be read ({reason})")


def _values(image: Image.Image) -> tuple[NDArray[Any], bool]:
    mode = image.mode
    if mode.startswith(("I", "F")):
        values = np.asarray(image)
        if mode == "I" and image.format in ("PNG", "PPM"):  # 16 bits, in older versions of Pillow
            values = values.astype(np.uint16)
        return values.astype(values.dtype.newbyteorder("="), copy=False), False
    if image.has_transparency_data and (np.asarray(image.convert("RGBA"))[..., 3] < 255).any():
        raise DataError("has transparent pixels; put it on a plain background first")
    if mode in ("1", "L"):
        return np.asarray(image), False
    rgb = image.convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(rgb), -1, 0)
    return np.asarray(rgb.convert("L")), not ((red == green).all() and (red == blue).all())


def _part(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [path for path in _listed(folder) if path.name.lower() in names and os.path.isdir(path)]


def _the_part(folder: Path, choices: tuple[tuple[str, ...], ...]) -> Path:
    """Return the only folder with a name of the first of `choices` that exists."""
    for names in choices:
        found = _part(folder, names)
        if len(found) > 1:
            raise DataError(
                f"{printable(folder)}: has both {found[0].name} and {found[1].name}; one is meant"
            )
        if found and names is not choices[0]:
            log.warning("%s: its images are the test images", printable(found[0]))
        if found:
            return found[0]
    raise DataError(
        f"{printable(folder)}: must have folders train/CLASS and test/CLASS of pictures (there is "
        f"no {choices[0][0]})"
    )


def _by_class(part: Path) -> dict[str, list[Path]]:
    """Return the pictures of each class in its order: by number, or by name."""
    folders = {path.name: path for path in _listed(part) if os.path.isdir(path)}
    if not folders:
        raise DataError(
            f"{printable(part)}: must have a folder of pictures for each class, such as "
            f"{part.name}/0/1.png"
        )
    found: dict[str, list[Path]] = {}
    others = [path for path in _listed(part) if path.name not in folders]
    for name, folder in folders.items():
        found[name] = []
        for path in _listed(folder):
            (found[name] if is_picture(path) and os.path.isfile(path) else others).append(path)
        if not found[name]:
            raise DataError(
                f"{printable(folder)}: no pictures in it ({', '.join(ENDINGS)}); remove the "
                "folder, or fill it"
            )
    if others:
        log.warning(
            "%s: %s files that are no pictures of a class are left out, such as %s",
            printable(part), len(others), printable(others[0]),
        )  # fmt: skip
    return found


def _listed(folder: Path) -> list[Path]:
    """Return the contents of a folder, sorted by name, without files of the system."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataError(f"{printable(folder)}: {error.strerror}") from None
    return [
        folder / name
        for name in names
        if not name.startswith(".") and name.lower() not in _SYSTEM_FILES
    ]


def shown_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of files or folders as texts that any file can hold."""
    return tuple(name.encode(errors="backslashreplace").decode() for name in names)
