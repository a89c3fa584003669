"""The threads of a block, one after another, in an order that a test chooses.

Between two barriers a card may carry out the threads of a block in any order. Here each runs as far
as its next barrier before another begins, and all that several threads see is watched: it is an
error if one of them writes what another reads or writes, and no barrier is in between, and if they
wait for one another at different places. A shuffle holds up its own warp only, and is no barrier:
what is written to memory before need not be seen after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from threading import Semaphore, Thread
from types import SimpleNamespace
from typing import Any

import numba.cuda.simulator.kernel as simulator
import numpy as np
import pytest
from numba.np.numpy_support import as_dtype

from cbramsim.simulator.cuda.block import WARP, _WithinKernel
from cbramsim.simulator.cuda.source import TOGETHER

Order = Callable[[Sequence[int]], int]
"""Which of the threads that could go on does."""


class Watched(np.ndarray):
    """An array that tells who reads and writes each element."""

    block: Any = None

    def __array_finalize__(self, base: Any) -> None:
        self.block = getattr(base, "block", None)

    def _tell(self, key: Any, writes: bool) -> None:
        if self.block is not None:
            place = np.ndarray.__getitem__(
                self, (*key, None) if type(key) is tuple else (key, None)
            )
            address = place.__array_interface__["data"][0]
            self.block.touched(address, self.itemsize, writes)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if not isinstance(found, np.ndarray):
            self._tell(key, False)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self._tell(key, True)  # kernels write element by element
        super().__setitem__(key, value)


def watched(item: Any, block: Any) -> Any:
    """Return arrays, in NamedTuples, as they are watched."""
    if isinstance(item, tuple):
        return type(item)(*(watched(leaf, block) for leaf in item))
    if isinstance(item, np.ndarray):
        item = item.view(Watched)
        item.block = block
    return item


class Block:
    """The threads of one block; what kernels know as `cuda`."""

    def __init__(self, number: int, threads: int, shared: int, order: Order) -> None:
        self.blockIdx = SimpleNamespace(x=number)
        self.blockDim = SimpleNamespace(x=threads)
        memory = np.full(shared, 0xAB, np.uint8)  # what a card leaves there is anything
        self.shared = SimpleNamespace(
            array=lambda size, kind: watched(memory[: shared & ~7].view(as_dtype(kind)), self)
        )
        self.local = SimpleNamespace(
            array=lambda size, kind: np.full(size * 8, 0xAB, np.uint8).view(as_dtype(kind))[:size]
        )
        self.atomic = SimpleNamespace(max=_keep_largest)
        self.order, self.running = order, -1
        self.waits: list[Any] = [None] * threads  # for whom, where
        self.told: dict[int, Any] = {}
        self.seen: dict[int, list[tuple[int, bool]]] = {}
        self.errors: list[BaseException] = []
        self._go = [Semaphore(0) for _ in range(threads)]
        self._stop = Semaphore(0)

    @property
    def threadIdx(self) -> Any:
        return SimpleNamespace(x=self.running)

    def touched(self, address: int, size: int, writes: bool) -> None:
        """Take note that the thread that runs reads or writes some bytes."""
        if (me := self.running) < 0:
            return
        mine = me, writes
        for place in range(address, address + size, min(size, 4)):
            others = self.seen.setdefault(place, [])
            for other, wrote in others:
                if other != me and (writes or wrote):
                    what = "write" if writes else "read"
                    raise AssertionError(f"threads {other} and {me}: {what} without a meeting")
            if mine not in others:
                others.append(mine)

    def wait(self, whom: str) -> None:
        """Let others run until all have come here."""
        frame, where = sys._getframe(2), []
        while frame is not None and len(where) < 6:
            where.append((frame.f_code.co_name, frame.f_lineno))
            frame = frame.f_back
        me = self.running
        self.waits[me] = whom, tuple(where)
        self._stop.release()
        self._go[me].acquire()
        if self.errors:
            raise SystemExit

    def syncthreads(self) -> None:
        self.wait("block")

    def shuffle(self, value: Any) -> dict[int, Any]:
        """Return what the threads of this warp say, by thread."""
        self.told[self.running] = value
        self.wait("warp")
        warp = self.running // WARP * WARP
        said = {other: self.told[other] for other in range(warp, warp + WARP)}
        self.wait("warp")
        return said

    def run(self, loop: Any, arguments: tuple[Any, ...]) -> None:
        """Run a loop of `cuda.loops` in this block."""
        kernel, threads = TOGETHER.plain(loop), len(self.waits)
        arguments = tuple(watched(argument, self) for argument in arguments)

        def one(me: int) -> None:
            self._go[me].acquire()
            try:
                if not self.errors:
                    kernel(*arguments)
            except SystemExit:
                pass
            except BaseException as error:
                self.errors.append(error)
            self.waits[me] = "done", ()
            self._stop.release()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulator, "_kernel_context", self)
            patch.setattr(_WithinKernel, "shfl_up_sync", _shuffle_up)
            patch.setattr(_WithinKernel, "shfl_xor_sync", _shuffle_xor)
            started = [Thread(target=one, args=(me,), daemon=True) for me in range(threads)]
            for thread in started:
                thread.start()
            while not self.errors and (ready := self._ready()):
                self._let(self.order(ready))
            for me, thread in enumerate(started):  # those that still wait, after an error
                self._go[me].release()
                thread.join()
        if self.errors:
            raise self.errors[0]

    def _let(self, me: int) -> None:
        self.running, self.waits[me] = me, None
        self._go[me].release()
        self._stop.acquire()
        self.running = -1

    def _ready(self) -> list[int]:
        """Return which threads can go on; none if all are done."""
        threads = range(len(self.waits))
        if len(set(self.waits)) == 1 and self.waits[0] is not None:
            whom, _ = self.waits[0]
            if whom == "done":
                return []
            if whom == "block":
                self.seen.clear()
            self.waits = [None for _ in threads]
        for first in range(0, len(threads), WARP):
            warp = slice(first, first + WARP)
            if len(set(self.waits[warp])) == 1 and (self.waits[first] or " ")[0] == "warp":
                self.waits[warp] = [None] * WARP
        if not (ready := [me for me in threads if self.waits[me] is None]):
            self.errors.append(AssertionError(f"threads wait at {set(self.waits)}"))
        return ready


def _keep_largest(array: Any, index: int, value: Any) -> None:
    """Do in one go what threads may do at the same time."""
    plain = array.view(np.ndarray)
    plain[index] = max(plain[index], value)


def _shuffle_up(cuda: Any, mask: int, value: Any, delta: int) -> Any:
    block = simulator._kernel_context
    said, me = block.shuffle(value), block.running
    return said[me - delta] if me % WARP >= delta else value


def _shuffle_xor(cuda: Any, mask: int, value: Any, lanes: int) -> Any:
    block = simulator._kernel_context
    return block.shuffle(value)[block.running ^ lanes]


def forward(ready: Sequence[int]) -> int:
    return ready[0]


def backward(ready: Sequence[int]) -> int:
    return ready[-1]


def at_random(seed: int) -> Order:
    rng = np.random.default_rng(seed)
    return lambda ready: int(rng.choice(ready))
