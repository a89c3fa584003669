"""Reading files of a bounded size, and writing them so that a crash leaves the last good one."""

from __future__ import annotations

import codecs
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from cbramsim.errors import CbramError, DataError

LONGEST_NAME = 200
"""Characters of a path in a message."""
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """Read a file, or what is written into a pipe, of at most `limit` bytes.

    A pipe that nobody writes into is empty; it is not waited for.

    Parameters
    ----------
    path
        The file.
    limit
        Most bytes that are read.
    what
        What it should be, for the message: "a TOML file".

    Raises
    ------
    DataError
        If it cannot be read, or is larger.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | _WITHOUT_WAITING)
        with os.fdopen(handle, "rb") as file:
            if _WITHOUT_WAITING:
                os.set_blocking(handle, True)
            # devices, pipes and files that grow tell no size, or a wrong one
            content = file.read(limit + 1) if os.fstat(handle).st_size <= limit else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{printable(path)}: {reason}") from None
    if content is None or len(content) > limit:
        raise DataError(f"{printable(path)}: is larger than {what} may be, {in_bytes(limit)}")
    return content


def read_text(path: Path, limit: int, what: str) -> str:
    """Read a text file of at most `limit` bytes in UTF-8, with or without a byte order mark.

    Raises
    ------
    DataError
        If it cannot be read, is larger, or no such text.
    """
    return decoded(path, read_limited(path, limit, what))


def decoded(path: Path, content: bytes) -> str:
    """Return the bytes of a file as text.

    Raises
    ------
    DataError
        If they are no UTF-8.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{printable(path)}: is UTF-16; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{printable(path)}: must be a text in UTF-8 (byte {error.start} is not)"
        ) from None


def printable(path: Path) -> str:
    """Return a path for a message: no control characters, its middle left out if it is long."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))
    return text if len(text) <= LONGEST_NAME else f"{text[:100]}...{text[-60:]}"


def in_bytes(size: float) -> str:
    """Return a size for a message, such as 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}"


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in its place.

    Raises
    ------
    CbramError
        If the file cannot be written; `path` is then as it was.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise CbramError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
