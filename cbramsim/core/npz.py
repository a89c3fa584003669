"""Arrays in .npy and .npz files, none of which is trusted.

Sizes are checked before values are unpacked: in the list of arrays at the end of a .npz file (a zip
file), then in the header of each array. Nothing that is read is executed.
"""

from __future__ import annotations

import math
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cbramsim.core.errors import DataError
from cbramsim.core.files import in_bytes, open_without_waiting

LARGEST_DIRECTORY = 2**17
"""Bytes of the list of arrays in a .npz file."""
READABLE = "biufcSU"
"""Kinds of arrays that are read: booleans, numbers, texts."""

_DIRECTORY_END, _LARGE_DIRECTORY_END = b"PK\5\6", b"PK\6\7"
_RECORD, _LARGE_RECORDS = 22, 76
"""Bytes of the last record of a zip file, and of those before it in a file of more than 2 GB."""


class Header(NamedTuple):
    """Shape and type of an array, from its header."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    """In the byte order of this machine."""

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def check(self, there: int) -> None:
        """Refuse an array if the number of bytes `there` is not its size."""
        if self.size != there:
            raise DataError(
                f"truncated or damaged, {self.size} bytes expected for {by(self.shape)} values "
                f"(got {there})"
            )


@contextmanager
def regular_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that allows seeking; raises DataError or OSError otherwise."""
    with open_without_waiting(path) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DataError("must be a file, not a device or a pipe")
        yield file


@contextmanager
def npz_file(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a .npz file, whose members are arrays; raises as `regular_file`."""
    with regular_file(path) as file:
        _check_directory(file)
        try:
            packed = zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            raise DataError("not a .npz file, or a damaged one") from None
        with packed:
            yield packed


def _check_directory(file: IO[bytes]) -> None:
    """Refuse an unreasonably long list of arrays before it is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - _RECORD - _LARGE_RECORDS))
    tail = file.read()
    last = len(tail) - _RECORD
    start = last if tail[last:].startswith(_DIRECTORY_END) else tail.rfind(_DIRECTORY_END)
    if start < 0:
        return
    length = int.from_bytes(tail[start + 12 : start + 16], "little")
    before = tail[:start][-_LARGE_RECORDS:]
    if before[-20:].startswith(_LARGE_DIRECTORY_END):
        length = int.from_bytes(before[40:48], "little")
    if length > LARGEST_DIRECTORY:
        raise DataError(
            f"must list its arrays in at most {in_bytes(LARGEST_DIRECTORY)} (got "
            f"{in_bytes(length)})"
        )


def read_header(content: Any) -> Header:
    """Return the header of an array in .npy format; raises DataError if it is not one."""
    try:
        # What is longer than in version 1.0 describes no array of numbers.
        if npy.read_magic(content) != (1, 0):
            raise ValueError
        shape, _, dtype = npy.read_array_header_1_0(content)
        if min(shape, default=0) < 0:
            raise ValueError
    except Exception:
        raise DataError("damaged, or not an array in .npy format, version 1.0") from None
    if dtype.kind not in READABLE:
        kind = "Python objects" if dtype.hasobject else str(dtype)[:60]
        raise DataError(f"must be an array of numbers (got {kind})")
    return Header(shape, dtype.newbyteorder("="))


def read_values(content: Any) -> NDArray[Any]:
    """Return an array in .npy format, in the byte order of this machine."""
    array = npy.read_array(content, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def by(shape: tuple[int, ...]) -> str:
    """Return a shape as text, such as 60000 x 28 x 28."""
    return " x ".join(map(str, shape))
