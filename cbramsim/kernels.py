"""Compilation of the kernels: small ones are fused into loops, loops are cached on disk."""

from __future__ import annotations

import hashlib
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


def _fingerprint() -> str:
    """Return a digest of all sources that may be fused into a loop: all but the experiments'."""
    package = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] != "experiments":
            digest.update(str(name).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


_FINGERPRINT = _fingerprint()


def compiled_loop(function: Callable[..., Any]) -> Any:
    """Compile a loop on its first call, and cache it until a source of the package changes.

    Numba's own cache looks at the file of the loop only, and would miss a change in a kernel that
    is fused into it. The loop releases the global interpreter lock.
    """
    dispatcher: Any = njit(cache=True, nogil=True)(function)
    with suppress(AttributeError):  # without these internals: Numba's own rule
        file = dispatcher._cache._cache_file
        file._source_stamp = (_FINGERPRINT, file._source_stamp)
    return dispatcher
