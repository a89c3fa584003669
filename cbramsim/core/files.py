"""Files and folders: read up to a bounded size, and written whole or not at all."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.locks import is_at, lock

TEMPORARY = re.compile(r"\.cbram-\d+-[0-9a-f]{8}\.tmp")
"""Name of a temporary file: short, whatever the final name, with the process that writes it."""
LONGEST_NAME = 200
"""Characters of a path in a message."""
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """Read a file, or what is written into a pipe, of at most `limit` bytes.

    A pipe without a writer counts as empty; nothing waits for it.

    Parameters
    ----------
    path
        The file.
    limit
        Most bytes that are read.
    what
        Expected kind of file, for the message: "a TOML file".

    Raises
    ------
    DataError
        If it cannot be read, or is larger.
    """
    try:
        with open_without_waiting(path) as file:
            # devices, pipes and files that grow tell no size, or a wrong one
            size = os.fstat(file.fileno()).st_size
            content = file.read(limit + 1) if size <= limit else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{printable(path)}: {reason}") from None
    if content is None or len(content) > limit:
        raise DataError(f"{printable(path)}: is larger than {what} may be, {in_bytes(limit)}")
    return content


def open_without_waiting(path: Path) -> BufferedReader:
    """Open a file for reading, without waiting for a writer if it is a pipe."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | _WITHOUT_WAITING)
    file = os.fdopen(handle, "rb")
    if _WITHOUT_WAITING:
        os.set_blocking(handle, True)
    return file


def read_text(path: Path, limit: int, what: str) -> str:
    """Read a text file of at most `limit` bytes in UTF-8, with or without a byte order mark.

    Raises
    ------
    DataError
        If it cannot be read, is larger, or is not such a text.
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
    """Let `write` fill a temporary file, then move it to `path`.

    A link is followed. Ctrl-C waits until the file is written.

    Raises
    ------
    CbramError
        If the file cannot be written, or is not a regular one, such as a device or a folder;
        `path` is then as it was.
    """
    temporary: Path | None = None
    with held_back_interrupts():
        try:
            target = _target(path)
            file, temporary = _new_temporary(target.parent)
            with file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, target)
            temporary = None
        except OSError as error:
            raise _cannot_write(path, error) from None
        finally:
            if temporary is not None:
                with suppress(OSError):
                    temporary.unlink()


def check_writable(path: Path) -> None:
    """Check before the work, not after it, that `write_atomically` can write `path`.

    Raises
    ------
    CbramError
        If it cannot. Nothing is left behind in either case.
    """
    try:
        file, temporary = _new_temporary(_target(path).parent)
        file.close()
        temporary.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from None


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed, and of no others."""
    for path in folder.iterdir():
        if is_temporary(path.name):
            # Whoever writes it has locked it, and the system takes locks from the dead.
            with suppress(OSError), path.open("rb") as file:
                if lock(file.fileno(), wait=False):
                    path.unlink()


def is_temporary(name: str) -> bool:
    """Return whether a file name is that of a leftover of a killed `write_atomically`."""
    return TEMPORARY.fullmatch(name) is not None


def make_folder(folder: Path) -> list[Path]:
    """Make a folder, and return those that were not there, the innermost first.

    Raises
    ------
    OSError, ValueError
        If that fails; nothing is left behind.
    """
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        missing.append(each)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        remove_empty(missing)
        raise
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove those of `folders`, the innermost first, that are empty."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _target(path: Path) -> Path:
    """Return the regular file, there or not, that `path` is or links to."""
    try:
        target = Path(os.path.realpath(path))
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(target.stat().st_mode):
                raise OSError("not a regular file")
    except ValueError as error:  # a NUL in it
        raise OSError(str(error)) from None
    return target


def _new_temporary(folder: Path) -> tuple[IO[bytes], Path]:
    """Return a new temporary file, locked for as long as it is open, and its path."""
    while True:
        path = folder / f".cbram-{os.getpid()}-{secrets.token_hex(4)}.tmp"
        try:
            file = path.open("xb")
        except FileExistsError:
            continue
        lock(file.fileno())
        if is_at(file.fileno(), path):
            return file, path
        file.close()  # it was taken for a leftover before it was locked


def _cannot_write(path: Path, error: Exception) -> CbramError:
    reason = getattr(error, "strerror", None) or error
    return CbramError(f"cannot write {printable(path)}: {reason}")
