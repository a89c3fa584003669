"""Compilation of the kernels: small ones are fused into loops, loops are cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit

inlined = njit(inline="always")
"""A kernel that becomes part of its caller."""
kernel = njit
"""A kernel that is compiled with its caller."""
vector_kernel = njit(fastmath=True)
"""A kernel whose sums may be reordered, so that they vectorise."""


def _fingerprint() -> tuple[tuple[str, int, int], ...]:
    """Return name, time and size of every source file of the package."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    stats = ((path.name, path.stat()) for path in files)
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


_FINGERPRINT = _fingerprint()


def compiled_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, and cache it until any source of the package changes.

    Numba's own cache looks at the file of the loop only, and would miss a change in a kernel that
    is fused into it. The loop releases the global interpreter lock.
    """
    dispatcher: Any = njit(cache=True, nogil=True)(function)
    with suppress(AttributeError):  # without these internals: Numba's own rule
        dispatcher._cache._cache_file._source_stamp = _FINGERPRINT
    return dispatcher
