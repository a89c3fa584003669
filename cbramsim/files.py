"""Files and folders that others, a full disk or a crash may meet, or that have no end."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

from cbramsim.errors import CbramError, DataError
from cbramsim.interrupts import held_back_interrupts

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, and nothing swept up
    fcntl = None  # type: ignore[assignment]

TEMPORARY = re.compile(r"\.cbram-\d+-[0-9a-f]{8}\.tmp")
"""The name of a temporary file: short, whatever it will be called, with the process writing it."""
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
    """Open a file to be read; a pipe that nobody writes into is empty, and not waited for."""
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
    """Let `write` fill a temporary file, then put it in the place of `path`.

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
    """Check that `write_atomically` can write `path`: before the work, not after it.

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
    if fcntl is None:
        return
    for path in folder.iterdir():
        if is_temporary(path.name):
            # Whoever writes it holds a lock on it, which the system takes from the dead.
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def is_temporary(name: str) -> bool:
    """Return whether a file of this name is one that `write_atomically` was killed over."""
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


_locked: ContextVar[frozenset[str]] = ContextVar("_locked", default=frozenset())
"""The lock files that this thread holds."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which is there for just that long.

    The lock goes with its process, however that ends; a file that a killed one left is taken
    over. A thread may hold the same lock more than once. Where the system knows no locks, such as
    on Windows or on some network drives, nothing is held.

    Parameters
    ----------
    path
        The lock file, in a folder that is there.
    what
        What it protects, for the message.

    Raises
    ------
    CbramError
        If another process holds it, which is named; or if it cannot be written.
    """
    name = os.path.realpath(path)
    if fcntl is None or name in _locked.get():
        yield
        return
    try:
        lock = _lock(path, what)
    except OSError as error:
        raise _cannot_write(path.parent, error) from None
    outer = _locked.set(_locked.get() | {name})
    try:
        yield
    finally:
        _locked.reset(outer)
        with suppress(OSError):
            path.unlink()  # before the lock is let go: never that of the next
        os.close(lock)


def _lock(path: Path, what: str) -> int:
    """Return an open lock file that this process has the lock of."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 300).decode(errors="replace").strip()
            os.close(lock)
            raise CbramError(f"{what} is being written by {holder or 'another process'}") from None
        except OSError:
            break  # a file system without locks
        if _is_at(lock, path):
            break
        os.close(lock)  # the one that held it has removed it meanwhile
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(lock, 0)
        os.write(lock, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return lock


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
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file.fileno(), path):
                file.close()  # taken for a leftover before it was locked
                continue
        return file, path


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _cannot_write(path: Path, error: Exception) -> CbramError:
    return CbramError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")
