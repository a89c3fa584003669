"""Time of learning on one core, and on the card of the same machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.study.cases import configured
from cbramsim.simulator.cuda import answers, batch
from cbramsim.simulator.cuda.coverage import SIMULATED
from cbramsim.simulator.cuda.networks import Together
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork, Step

cuda = batch.cuda  # numba-cuda, once the room has made up for what it misses in NumPy
WATCHED = {
    batch: {"launch": "kernels", "on_card": "copies", "send": "copies", "receive": "copies"},
    answers: {"launch": "kernels", "on_card": "copies", "receive": "copies"},
}
"""Functions that are timed, by module -> the name under which their seconds are counted."""
Changes = dict[str, Any]


class Images(NamedTuple):
    """Images from which networks learn, and about which they are asked."""

    train: NDArray[np.uint8]
    """Whole images, uint8[images, height, width]."""
    labels: NDArray[np.uint8]
    """Their classes, uint8[images]."""
    test: NDArray[np.uint8]
    """Images to be recognised, uint8[images, height, width]."""


class Stretch(NamedTuple):
    """Duration of some steps of learning; the first, which may compile, stands apart."""

    networks: int
    """Number of networks that learned together."""
    windows: int
    """Number of windows presented to all of them together."""
    seconds: list[float]
    """Seconds of each step."""
    first: float
    """Seconds of the first step."""
    kernels: float = 0.0
    """Seconds that the card computed."""
    copies: float = 0.0
    """Seconds in which arrays were brought to the card or from it."""
    brought: float = 0.0
    """Seconds in which the networks were brought to the card at first."""
    taken: int = 0
    """Bytes of the card that were taken after the first step."""
    drawn: float = 0.0
    """Seconds in which their arrays were drawn before."""
    whole: bool = False
    """Whether learning was completed."""

    @property
    def rate(self) -> float:
        """Windows a second."""
        return self.windows / sum(self.seconds)

    @property
    def kernel_rate(self) -> float:
        """Windows for each second that the card computed."""
        return self.windows / self.kernels

    @property
    def typical(self) -> float:
        """Seconds for a window of any network, of the median step."""
        return median(self.seconds) * len(self.seconds) / self.windows

    @property
    def compilation(self) -> float:
        """Seconds by which the first step took longer than others."""
        return max(self.first - median(self.seconds), 0.0)

    @property
    def beside(self) -> float:
        """Seconds for each window in which the card did not compute."""
        return max(sum(self.seconds) - self.kernels, 0.0) / self.windows


def untrained(
    images: NDArray[np.uint8], configs: Sequence[NetworkConfig]
) -> tuple[list[SpikingNetwork], NDArray[np.uint8]]:
    """Return a network of each configuration, and the images from which all learn.

    They use the same pixels, chosen by the first of them.
    """
    first, *others = (SpikingNetwork(config) for config in configs)
    inputs = first.prepare(images)
    for network in others:
        network.prepare_like(first)
    return [first, *others], inputs


def seeded(base: Changes, networks: int, **changes: Any) -> list[NetworkConfig]:
    """Return configurations of a number of networks, which differ in their seeds."""
    return [configured(base, {**changes, "seed": n}).network() for n in range(networks)]


def on_one_core(
    network: SpikingNetwork, inputs: NDArray[np.uint8], epochs: int, limit: float
) -> Stretch:
    """Let a network learn by the ordinary compiled loop, for a limited time, s."""
    seconds: list[float] = []
    windows: list[int] = []
    start = perf_counter()

    def note(step: Step) -> None:
        nonlocal start
        seconds.append(perf_counter() - start)
        windows.append(step.winners.size)
        if sum(seconds[1:]) > limit:
            raise _Enough
        start = perf_counter()

    with suppress(_Enough):
        network.resume(inputs, epochs=epochs, callback=note)
    return Stretch(1, sum(windows[1:]), seconds[1:], seconds[0], whole=network.passes == epochs)


def on_the_card(
    networks: Sequence[SpikingNetwork],
    inputs: NDArray[np.uint8],
    epochs: int,
    limit: float,
    steps: int | None = None,
    callback: Callable[[int, Step], Any] | None = None,
) -> Stretch:
    """Let networks learn together to the end, for a limited time, s, or some steps.

    The first step is not included in either limit.
    """
    free, start = batch.free_bytes(), perf_counter()
    together = Together(networks, inputs, [epochs] * len(networks))
    cuda.synchronize()
    brought = perf_counter() - start
    seconds: list[float] = []
    windows: list[int] = []
    learning: Any = together.steps()
    with watched() as spent:
        for n in count():
            start = perf_counter()
            done: list[tuple[int, Step]] = next(learning, [])
            cuda.synchronize()
            seconds.append(perf_counter() - start)
            windows.append(sum(step.winners.size for _, step in done))
            if callback:
                for network, step in done:
                    callback(network, step)
            if n == 0:
                taken = free - batch.free_bytes()
                spent.update(kernels=0.0, copies=0.0)
            if not done or n == steps or sum(seconds[1:]) > limit:
                break
    learning.close()
    if not done:  # what was left to do at the end belongs to the last step
        seconds[-2:] = [sum(seconds[-2:])]
    return Stretch(
        len(networks), sum(windows[1:]), seconds[1:], seconds[0], **spent, brought=brought,
        taken=taken, whole=not done,
    )  # fmt: skip


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Add up the time spent in kernels and in copies, s.

    A launch ends here when the card has finished; the caller waits for it in any case.
    """
    spent = {"kernels": 0.0, "copies": 0.0}
    within = False

    def timed(function: Callable[..., Any], what: str) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal within
            if within:  # it calls itself, or another that is watched
                return function(*args, **options)
            within, start = True, perf_counter()
            try:
                result = function(*args, **options)
                if what == "kernels":
                    cuda.synchronize()
                return result
            finally:
                spent[what] += perf_counter() - start
                within = False

        return call

    before = [
        (module, name, getattr(module, name)) for module in WATCHED for name in WATCHED[module]
    ]
    try:
        for module, name, function in before:
            setattr(module, name, timed(function, WATCHED[module][name]))
        yield spent
    finally:
        for module, name, function in before:
            setattr(module, name, function)


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Compile loops of the card as if none were kept on disk, and keep none."""
    if SIMULATED:
        yield
        return
    from numba.cuda.dispatcher import CUDADispatcher

    def nowhere(loop: Any) -> None:
        raise RuntimeError("loops are to be compiled anew")  # as where no folder can be written

    before = CUDADispatcher.enable_caching
    try:
        CUDADispatcher.enable_caching = nowhere  # type: ignore[method-assign]
        yield
    finally:
        CUDADispatcher.enable_caching = before  # type: ignore[method-assign]


def card() -> dict[str, Any]:
    """Return which card it is."""
    if SIMULATED:
        return {"card": "Numba's CUDA simulator", "multiprocessors": 1}
    device = cuda.get_current_device()
    name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
    return {"card": name, "multiprocessors": int(device.MULTIPROCESSOR_COUNT)}


class _Enough(Exception):
    """Signal that the time of learning is over."""
