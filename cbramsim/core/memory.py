"""Memory: work that needs more than is available is refused before anything is allocated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cbramsim.core.errors import ParameterError
from cbramsim.core.files import in_bytes

CGROUPS = Path("/sys/fs/cgroup")
"""Files in which Linux gives the memory limit of the processes of a container or of a batch job."""
USABLE = 0.9
"""Part of the memory that may be requested; the rest is left to the interpreter and the system."""


def check_memory(name: str, needed: float, what: str) -> None:
    """Refuse work that needs more memory than is available.

    Parameters
    ----------
    name
        The parameter that asks for it, `Class.field`.
    needed
        Bytes.
    what
        Description of what is allocated.

    Raises
    ------
    ParameterError
        If it is more than this process can have.
    """
    there = memory()
    if needed > USABLE * there:
        raise ParameterError(
            f"{name}: must fit into the memory, {in_bytes(there)} (got {what}, which need "
            f"{in_bytes(needed)})"
        )


def memory() -> float:
    """Return the most memory that this process can have, bytes; infinity if unknown."""
    return min(_limits(), default=float("inf"))


def _limits() -> Iterator[float]:
    with suppress(AttributeError, OSError, ValueError):  # not on Windows
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(ImportError):
        import resource

        for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            if (limit := resource.getrlimit(kind)[0]) != resource.RLIM_INFINITY:
                yield limit
    mine = ["."]
    with suppress(OSError):
        mine += [line.split("::/", 1)[1] for line in _lines("/proc/self/cgroup") if "::/" in line]
    for file in (*(f"{group}/memory.max" for group in mine), "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # the text "max" is no limit
            yield int((CGROUPS / file).read_text())


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
