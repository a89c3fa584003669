"""Ctrl-C that waits for a good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def held_back_interrupts() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back until the yielded function is called, which then raises it."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    pending = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: pending.set())

    def check() -> None:
        if pending.is_set():
            raise KeyboardInterrupt

    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, previous)
