"""Ctrl-C and other requests to end, held back until a safe moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals by which a batch queue, or a terminal that is closed, asks a process to end."""


class Ended(KeyboardInterrupt):
    """The end of a process, asked for by a signal other than that of Ctrl-C.

    Attributes
    ----------
    signum
        The number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def status_of(interrupt: KeyboardInterrupt) -> int:
    """Return the exit status of a process that was ended: 128 and the number of the signal."""
    return 128 + getattr(interrupt, "signum", signal.SIGINT)


@contextmanager
def endings_raised() -> Iterator[None]:
    """Raise `Ended` at the first of `ENDINGS`, as Ctrl-C raises KeyboardInterrupt.

    Ignored signals stay ignored (SIGHUP under `nohup`), and so are further requests while the first
    one is carried out.
    """
    if not _in_main_thread():
        yield
        return
    taken = [number for number in ENDINGS if signal.getsignal(number) == signal.SIG_DFL]

    def end(number: int, _: FrameType | None) -> None:
        for other in taken:
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    try:
        for number in taken:
            signal.signal(number, end)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class _Held:
    """Signals that wait for their handlers."""

    def __init__(self) -> None:
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDINGS)}
        self._handlers = {number: handler for number, handler in found.items() if callable(handler)}
        self._waiting: list[int] = []

    def hold(self) -> None:
        for number in self._handlers:
            signal.signal(number, lambda number, _: self._waiting.append(number))

    def let_go(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def act(self) -> None:
        """Pass the first signal to its handler, which usually raises; forget the rest."""
        if self._waiting:
            first = self._waiting[0]
            self._waiting.clear()
            self._handlers[first](first, None)


_holding: _Held | None = None
"""Signals held by the outermost `held_back_interrupts`; None outside of any."""


@contextmanager
def held_back_interrupts() -> Iterator[Callable[[], None]]:
    """Hold back Ctrl-C, and each of `ENDINGS` that has a handler in Python.

    The first signal is acted on when the yielded function is called, or at the end of the block;
    not at all if an exception ends it. Blocks may be nested: a signal after the end of an inner
    block is held back until the outer one ends, so that there is time to save.
    """
    global _holding
    if not _in_main_thread():
        yield lambda: None
        return
    if _holding is not None:
        yield _holding.act
        return
    held = _Held()
    try:
        _holding = held
        held.hold()
        yield held.act
    finally:
        held.let_go()
        _holding = None
    held.act()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
