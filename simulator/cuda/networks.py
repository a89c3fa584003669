"""Networks that learn and answer together on a card, with the results of a processor."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.simulator.cuda.batch import Batch, bytes_of, free_bytes
from cbramsim.simulator.cuda.coverage import why_not
from cbramsim.simulator.cuda.memory import shape_of
from cbramsim.simulator.learning.network import IMAGES_PER_STEP, SpikingNetwork, Step

USABLE = 0.9
"""Part of the free memory of a card that networks take."""


def alike(network: SpikingNetwork) -> Any:
    """Return the properties that must be equal in networks that learn together: types, shapes,
    windows."""
    layer = network.layers[0]
    return shape_of(layer.circuit()), network.config.encoding.windows


class Together:
    """Networks that learn from the same images on a card, each in its own order.

    After each step `steps` yields the result of each network; networks leave after their last
    epoch. Spike counts, biases and the ledger are up to date then; call `fetch` before anything
    else of a network is used or saved.
    """

    def __init__(
        self,
        networks: Sequence[SpikingNetwork],
        images: NDArray[np.uint8],
        epochs: Sequence[int],
    ) -> None:
        """Bring networks to the card.

        Parameters
        ----------
        networks
            Each `prepare`d, and `alike`.
        images
            Images from `prepare`, uint8[images, inputs], the same for all.
        epochs
            Number of complete passes of each at the end.

        Raises
        ------
        ParameterError
            If a network needs what a card does not do, or is not like the others.
        DataError
            If these are not the images that a network has been prepared for, or has begun a pass
            with.
        """
        for network in networks:
            network.check_inputs("Together", images)
            inputs, _ = network.layers[0].crossbar.shape
            if reason := why_not(network.config, network.device, network.own, inputs):
                raise ParameterError(f"Together: {reason}")
        if len({alike(network) for network in networks}) > 1:
            raise ParameterError("Together: networks must be of the same shapes and types")
        self.networks, self.images, self.epochs = networks, images, epochs
        for n in self._unfinished():
            for layer in networks[n].layers:
                layer.go_on()  # here, before all of it is brought to the card
        self._batch = Batch([network.layers[0] for network in networks], images)
        self._orders: list[NDArray[np.int64] | None] = [None] * len(networks)
        self._left: set[int] = set()

    def fetch(self, n: int) -> None:
        """Copy all of network `n` from the card, unless it has left."""
        if n not in self._left:
            self._batch.fetch(n)

    def steps(self) -> Generator[list[tuple[int, Step]], None, None]:
        """Learn, and yield numbers of networks and what each has learned, step by step."""
        left = self._unfinished()
        self._finish(set(range(len(self.networks))) - set(left))
        try:
            with held_back_interrupts() as check_interrupt:
                while left:
                    yield self._step(left)
                    check_interrupt()
                    done = {n for n in left if self.networks[n].passes >= self.epochs[n]}
                    self._finish(done)
                    left = [n for n in left if n not in done]
        finally:  # those that were interrupted are whole, and can go on
            for n in left:
                self.fetch(n)

    def _step(self, left: Sequence[int]) -> list[tuple[int, Step]]:
        chosen = [self._next(n) for n in left]
        winners = self._batch.learn(left, chosen)
        for n, images in zip(left, chosen, strict=True):
            self.networks[n].count(images, len(self.images))
        return list(zip(left, map(Step, chosen, winners), strict=True))

    def _unfinished(self) -> list[int]:
        return [n for n, network in enumerate(self.networks) if network.passes < self.epochs[n]]

    def _next(self, n: int) -> NDArray[np.int64]:
        """Return the images that network `n` is shown next."""
        network = self.networks[n]
        order = self._orders[n]
        if order is None or network.position == 0:
            order = self._orders[n] = network.begin_pass(self.images)
        return order[network.position : network.position + IMAGES_PER_STEP]

    def _finish(self, done: set[int]) -> None:
        for n in done:
            self.fetch(n)
            self._left.add(n)
            for layer in self.networks[n].layers:
                layer.finish()


def fitting(
    networks: Sequence[SpikingNetwork], images: NDArray[np.uint8], share: float = 1.0
) -> Iterator[list[int]]:
    """Yield numbers of networks, as many at a time as fit the memory of the card.

    Parameters
    ----------
    networks, images
        As for `Together`.
    share
        Part of the free memory that may be used, if other processes use the card, too.
    """
    left = list(range(len(networks)))
    while left:
        free = share * USABLE * free_bytes() - images.nbytes
        most = max(int(free / bytes_of(networks[left[0]].layers[0])), 1)
        yield left[:most]
        left = left[most:]


def learn_together(
    networks: Sequence[SpikingNetwork],
    images: NDArray[np.uint8],
    *,
    epochs: int,
    callback: Callable[[int, Step], Any] | None = None,
) -> None:
    """Let networks learn on a card, as `SpikingNetwork.resume` does one by one.

    Parameters
    ----------
    networks, images
        As for `Together`.
    epochs
        As for `resume`.
    callback
        Called with the number of a network and the result of its step, after each step.
    """
    together = Together(networks, images, [epochs] * len(networks))
    with closing(together.steps()) as steps:
        for learned in steps:
            for n, step in learned:
                if callback:
                    callback(n, step)
