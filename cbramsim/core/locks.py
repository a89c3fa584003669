"""Locks of files, which the system takes from processes that die."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from cbramsim.core.errors import CbramError

try:
    import fcntl
except ImportError:  # Windows: nothing is locked
    fcntl = None  # type: ignore[assignment]


def lock(descriptor: int, *, wait: bool = True) -> bool:
    """Lock an open file until it is closed; return False where the system has no locks.

    Raises
    ------
    BlockingIOError
        If another process has the lock, and the call is not to wait.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # some network drives
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


_locked: ContextVar[frozenset[str]] = ContextVar("_locked", default=frozenset())
"""The lock files that this thread holds."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file `path`, which exists only for that time.

    The lock ends with its process, however that ends; the file of a killed process is taken over. A
    thread may take the same lock more than once. Where the system has no locks, as on Windows and
    some network drives, every process gets it.

    Parameters
    ----------
    path
        The lock file, in a folder that is there.
    what
        The protected object, for the message.

    Raises
    ------
    CbramError
        If another process holds it, which is named.
    OSError
        If the lock file cannot be written.
    """
    name = os.path.realpath(path)
    if name in _locked.get():
        yield
        return
    descriptor = _open_locked(path, what)
    outer = _locked.set(_locked.get() | {name})
    try:
        yield
    finally:
        _locked.reset(outer)
        with suppress(OSError):
            path.unlink()  # before the lock is let go: never that of the next
        os.close(descriptor)


def _open_locked(path: Path, what: str) -> int:
    """Return the open lock file, with the lock."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            lock(descriptor, wait=False)
        except BlockingIOError:
            holder = os.read(descriptor, 300).decode(errors="replace").strip()
            os.close(descriptor)
            raise CbramError(f"{what} is being written by {holder or 'another process'}") from None
        if is_at(descriptor, path):
            break
        os.close(descriptor)  # the one that had it has removed it meanwhile
    with suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    return descriptor
