"""Threads of a block, which share one network: division of work, and communication.

All threads of a block call these functions, in the same order. A block has whole warps of 32.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda, float32, int64

from cbramsim.core.kernels import each
from cbramsim.simulator.cuda.source import ALONE, SIMULATED, TOGETHER

WARP = 4 if SIMULATED else 32
"""Number of threads that a card executes in step."""
ALL = 0xFFFFFFFF
"""Mask of all threads of a warp."""


class _WithinKernel:
    """Module `cuda` for kernels in the simulator, which has no warps.

    Threads exchange numbers through memory that all of them see.
    """

    def __init__(self) -> None:
        self._told: tuple[dict[int, Any], dict[int, Any]] = {}, {}
        self._turn: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        from numba.cuda.simulator.kernel import _get_kernel_context

        return getattr(_get_kernel_context(), name)

    def _exchanged(self, value: Any) -> dict[int, Any]:
        """Return the values of all threads; the next exchange uses other memory, so that none
        waits."""
        me = self.threadIdx.x
        self._turn[me] = turn = 1 - self._turn.get(me, 0)
        self._told[turn][me] = value
        self.syncthreads()
        return self._told[turn]

    def shfl_up_sync(self, mask: int, value: Any, delta: int) -> Any:
        """Return the value of the thread `delta` before this one; its own where there is none."""
        told, me = self._exchanged(value), self.threadIdx.x
        return told[me - delta] if me % WARP >= delta else value

    def shfl_xor_sync(self, mask: int, value: Any, lanes: int) -> Any:
        """Return the value of the thread whose number differs from this one's by some bits."""
        return self._exchanged(value)[self.threadIdx.x ^ lanes]


if SIMULATED:
    ALONE.in_place_of(cuda)(_WithinKernel())


def me() -> Any:
    """Return the number of this thread."""
    return cuda.threadIdx.x


def threads() -> Any:
    """Return the number of threads."""
    return cuda.blockDim.x


def meet() -> None:
    """Wait for the others."""
    cuda.syncthreads()


@TOGETHER.in_place_of(each)
def own(n):  # type: ignore[no-untyped-def]
    """Return the numbers below `n` of this thread: equally spaced by the number of threads."""
    return range(cuda.threadIdx.x, n, cuda.blockDim.x)


def stretch(n):  # type: ignore[no-untyped-def]
    """Return the first and the end of a stretch of the numbers below `n` for this thread."""
    share = (n + threads() - 1) // threads()
    first = min(me() * share, n)
    return first, min(first + share, n)


def before(value):  # type: ignore[no-untyped-def]
    """Return the sum of an integer over the threads before this one, and over all."""
    sums = cuda.shared.array(0, int64)
    lane, warp = me() % WARP, me() // WARP
    up_to = int64(value)
    delta = 1
    while delta < WARP:
        other = cuda.shfl_up_sync(ALL, up_to, delta)
        if lane >= delta:
            up_to += other
        delta *= 2
    if lane == WARP - 1:
        sums[warp] = up_to
    meet()
    earlier, total = int64(0), int64(0)
    for w in range(threads() // WARP):
        total += sums[w]
        if w < warp:
            earlier += sums[w]
    meet()  # the next to call it writes `sums`
    return earlier + up_to - value, total


def largest(value):  # type: ignore[no-untyped-def]
    """Return the largest of the numbers, float32, of all threads."""
    maxima = cuda.shared.array(0, float32)
    lanes = WARP // 2
    while lanes > 0:
        value = max(value, cuda.shfl_xor_sync(ALL, value, lanes))
        lanes //= 2
    if me() % WARP == 0:
        maxima[me() // WARP] = value
    meet()
    found = maxima[0]
    for w in range(1, threads() // WARP):
        found = max(found, maxima[w])
    meet()
    return found


def nothing() -> np.float32:
    """Return a number below every other."""
    return np.float32(-np.inf)
