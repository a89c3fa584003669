"""Arrays in files: IDX, .npy and .npz, whose sizes are checked before their values are read.

The size stated in a file decides whether it is read at all; no more bytes than that are unpacked.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import DataError
from cbramsim.core.files import in_bytes, open_without_waiting, printable
from cbramsim.core.npz import Header, by, npz_file, read_header, read_values, regular_file

LARGEST = 4 * 10**9
"""Most bytes of an array."""
MOST_PACKED = 250
"""Largest compression of a large array; real images are compressed by less than 50."""
LARGE = 250 * 10**6
"""Bytes of an array above which the compression is checked."""
IDX_UBYTE = 0x08

_CHUNK = 2**20


class Stored(NamedTuple):
    """An array that may still be in its file."""

    where: str
    """Place for messages: the file, and the name in it."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]
    """Function that returns the array; raises DataError if it is damaged."""


def read_idx(path: str | Path, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Read one IDX file of unsigned bytes, gzipped or not.

    The format: two zero bytes, the type (0x08), the number of dimensions, their sizes as 32-bit
    big-endian numbers, and the values in C order.

    Parameters
    ----------
    path
        The file.
    dimensions
        Required number of dimensions.

    Raises
    ------
    DataError
        If the file is missing, truncated, too large, or not of the requested form.
    """
    with _reading(path), open_without_waiting(Path(path)) as file:
        content = _unpacked(file)
        shape = _idx_shape(content, dimensions)
        _check_claim(shape, math.prod(shape), content, file)
        return _exactly(content, shape)


def idx_file(path: Path, dimensions: int | None = None) -> Stored:
    """Return the array of an IDX file from its header; its values are not read yet."""
    with _reading(path), open_without_waiting(path) as file:
        content = _unpacked(file)
        shape = _idx_shape(content, dimensions)
        _check_claim(shape, math.prod(shape), content, file)
    return Stored(printable(path), shape, np.dtype(np.uint8), lambda: read_idx(path, dimensions))


def npy_file(path: Path) -> Stored:
    """Return the array of a .npy file from its header; its values are not read yet."""
    with _reading(path), regular_file(path) as file:
        header = read_header(file)
        size = os.fstat(file.fileno()).st_size
        _check_size(header, size - file.tell(), size)

    def read() -> NDArray[Any]:
        with _reading(path), regular_file(path) as file:
            return read_values(file)

    return Stored(printable(path), *header, read)


def npz_names(path: Path) -> list[str]:
    """Return the names of the arrays in a .npz file."""
    with _reading(path), npz_file(path) as packed:
        return [member.filename.removesuffix(".npy") for member in packed.infolist()]


def npz_member(path: Path, name: str) -> Stored:
    """Return an array of a .npz file from its header; its values are not read yet."""
    where = f"{printable(path)}: {name}"
    with _reading(where), npz_file(path) as packed:
        member = packed.getinfo(name if name in packed.namelist() else f"{name}.npy")
        with packed.open(member) as content:
            header = read_header(content)
            stored = min(member.compress_size, path.stat().st_size)
            _check_size(header, member.file_size - content.tell(), stored)

    def read() -> NDArray[Any]:
        with _reading(where), npz_file(path) as packed, packed.open(member) as content:
            return read_values(content)

    return Stored(where, *header, read)


@contextmanager
def _reading(where: str | Path) -> Iterator[None]:
    """Add the name of the file to an error: a damaged one fails in many ways."""
    where = printable(Path(where))
    try:
        yield
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    except MemoryError:
        raise DataError(f"{where}: does not fit into the memory of this machine") from None
    except OSError as error:
        raise DataError(f"{where}: {error.strerror or 'damaged gzip file'}") from None
    except EOFError:
        raise DataError(f"{where}: damaged gzip file") from None
    except Exception as error:
        raise DataError(f"{where}: damaged ({type(error).__name__})") from None


def _unpacked(file: Any) -> IO[bytes]:
    """Return a file as it is, or unpacked if it is gzipped."""
    zipped = file.peek(2)[:2] == b"\x1f\x8b"
    return gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[return-value]


def _idx_shape(content: IO[bytes], dimensions: int | None) -> tuple[int, ...]:
    start = content.read(4)
    if len(start) < 4 or start[:3] != bytes([0, 0, IDX_UBYTE]):
        content.read(_CHUNK)  # a damaged gzip file says so itself
        raise DataError("not an IDX file of unsigned bytes")
    found = start[3]
    if dimensions is not None and found != dimensions:
        raise DataError(f"must have {dimensions} dimensions (got {found})")
    sizes = content.read(4 * found)
    if len(sizes) < 4 * found:
        raise DataError("truncated or damaged, its header is not complete")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    if 0 in shape:
        raise DataError("is empty")
    return shape


def _check_claim(shape: tuple[int, ...], size: int, content: IO[bytes], file: Any) -> None:
    """Refuse an IDX file that is too large, or cannot be as large as its header says."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):  # a pipe, which tells no size
        _check_claimed(shape, size, size)
    elif content is file:
        header = Header(shape, np.dtype(np.uint8))
        _check_size(header, status.st_size - content.tell(), status.st_size)
    else:
        _check_claimed(shape, size, status.st_size)


def _check_size(header: Header, there: int, stored: int) -> None:
    """Refuse an array that is too large, or if the bytes `there` are not those of its header.

    It takes `stored` bytes in its file.
    """
    _check_claimed(header.shape, header.size, stored)
    header.check(there)


def _check_claimed(shape: tuple[int, ...], claimed: int, stored: int) -> None:
    if claimed > LARGEST:
        raise DataError(
            f"must hold at most {in_bytes(LARGEST)} (got {in_bytes(claimed)}, {by(shape)} values)"
        )
    if claimed > max(LARGE, MOST_PACKED * stored):
        raise DataError(
            f"damaged: {in_bytes(claimed)} of images cannot be packed into {in_bytes(stored)}"
        )


def _exactly(content: IO[bytes], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read the bytes of an array, and check that there are no others."""
    count = math.prod(shape)
    values = np.empty(count, np.uint8)
    view, done = memoryview(values), 0  # type: ignore[arg-type]
    while done < count and (part := content.read(min(_CHUNK, count - done))):
        view[done : done + len(part)] = part
        done += len(part)
    more = bool(content.read(1))
    if done < count or more:
        raise DataError(
            f"truncated or damaged, {count} bytes expected for {by(shape)} values (got "
            f"{'more' if more else done})"
        )
    return values.reshape(shape)
