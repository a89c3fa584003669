"""`Batch`: networks side by side on a card, while they learn or answer.

The state of each network has two places: arrays here, which are those of its `Layer`, and their
copies on the card, also where the card is simulated. `fetch` copies arrays that kernels change to
here, `put` copies arrays that change here to the card.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.cuda.block import WARP
from cbramsim.simulator.cuda.loops import OPERATIONS, Shown, compiled, train
from cbramsim.simulator.cuda.memory import Brought, Common, space, stacked
from cbramsim.simulator.cuda.sizes import shared_bytes
from cbramsim.simulator.cuda.source import SIMULATED
from cbramsim.simulator.energy.ledger import Account
from cbramsim.simulator.learning.layer import Layer
from cbramsim.simulator.learning.loop import Circuit, Streams

BY_KERNELS = frozenset(
    {"g", "g_columns", "wear", "hottest", "row_sum", "variance", "bias"}
    | {*Streams._fields, *Account._fields}
)
"""Arrays that kernels change."""
BY_HAND = BY_KERNELS | {"cells", "inhibited", "n_connected", "spared"}
"""Arrays that change in between, when neurons are pruned or time passes."""
MOST_THREADS = 1024
"""Most threads of a block."""


def on_card(item: Any) -> Any:
    """Return the arrays of NamedTuples, on the card."""
    if isinstance(item, tuple):
        return type(item)(*(on_card(leaf) for leaf in item))
    return np.array(item) if SIMULATED else cuda.to_device(item)


def leaves(item: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names and arrays of NamedTuples."""
    if isinstance(item, tuple) and not isinstance(item, Common):
        for field, leaf in zip(type(item)._fields, item, strict=True):  # type: ignore[attr-defined]
            yield from leaves(leaf, field)
    elif not isinstance(item, Common):
        yield name, item


def adopted(original: Any, stack: Any, n: int) -> Any:
    """Return `original` with its arrays, not its numbers, in place `n` of a stack."""
    if isinstance(original, tuple):
        parts = zip(original, stack, strict=True)
        return type(original)(*(adopted(mine, theirs, n) for mine, theirs in parts))
    return stack[n] if np.ndim(original) and not isinstance(stack, Common) else original


def threads_for(shape: tuple[int, int]) -> int:
    """Return the number of threads for a layer of a `shape`, (inputs, neurons)."""
    return 2 * WARP if SIMULATED else min(MOST_THREADS, WARP * -(-max(shape) // WARP))


class Batch:
    """Layers of the same shapes and types, side by side on a card.

    Attributes
    ----------
    layers
        Layers that learn here; after `fetch` they are ordinary layers again.
    """

    def __init__(self, layers: Sequence[Layer], images: NDArray[np.uint8]) -> None:
        """Bring layers to the card, and the images from which they learn, uint8[images, inputs]."""
        self.layers = layers
        circuits = [brought(layer.circuit()) for layer in layers]
        accounts = [layer.ledger.account("train") for layer in layers]
        spike_counts = np.stack([layer.spike_counts for layer in layers])
        self.here = Stacks(stacked(circuits), stacked(accounts), spike_counts)
        for n, layer in enumerate(layers):
            self._adopt(layer, circuits[n], n)
        self.images = on_card(np.ascontiguousarray(images))
        self.there = on_card(self.here)
        pairs = zip(leaves(self.here), leaves(self.there), strict=True)
        self._pairs = [(name, mine, its) for (name, mine), (_, its) in pairs]
        self._space: Any = None

    def _adopt(self, layer: Layer, circuit: Circuit, n: int) -> None:
        """Let a layer keep its arrays in place `n` of the stacks."""
        stacks = self.here.circuits
        assert isinstance(layer.crossbar, Crossbar)  # `why_not` refuses others
        layer.crossbar.state = adopted(circuit.array, stacks.array, n)
        layer.streams = adopted(circuit.streams, stacks.streams, n)
        layer.crossbar.pulse_stream = layer.streams.pulses
        layer.bias = stacks.neurons.bias[n]
        layer.spike_counts = self.here.spike_counts[n]

    def learn(
        self, who: Sequence[int], chosen: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.int32]]:
        """Let some layers learn from images; return the winners, int32[n, windows] of each.

        Parameters
        ----------
        who
            Numbers of the layers.
        chosen
            Indices of the images that each is shown, int64[n].
        """
        here, there = self.here, self.there
        for n in who:
            self.layers[n].about_to_learn()
            here.circuits.neurons.tiring[n] = self.layers[n].tiring
        send(here.circuits.neurons.tiring, there.circuits.neurons.tiring)
        shown, parts = shown_to(who, chosen)
        winners = np.zeros((parts[-1], self.layers[0].config.encoding.windows), np.int32)
        on = on_card(winners)
        launch(
            train, len(who), self.layers[0].crossbar.shape,
            (self.images, on_card(shown), on, there.spike_counts, there.circuits, there.booked,
             self._room(len(who))),
        )  # fmt: skip
        receive(winners, on)
        self._have_learned(who, [len(images) for images in chosen])
        return np.split(winners, parts[1:-1])

    def _have_learned(self, who: Sequence[int], images: Sequence[int]) -> None:
        """Let layers prune mature neurons and let time pass, after a number of images."""
        here, there = self.here, self.there
        receive(here.spike_counts, there.spike_counts)
        receive(here.circuits.neurons.bias, there.circuits.neurons.bias)
        receive(here.circuits.array.hottest, there.circuits.array.hottest)
        for mine, its in zip(here.booked, there.booked, strict=True):
            receive(mine, its)
        for n, count in zip(who, images, strict=True):
            layer = self.layers[n]
            if layer.cells_change(count):
                self.fetch(n)
                layer.have_learned(count)
                self.put(n)
            else:
                self._fetch_booked(n)
                layer.have_learned(count, cells_change=False)
        send(here.circuits.neurons.bias, there.circuits.neurons.bias)

    def fetch(self, n: int) -> None:
        """Copy layer `n` from the card."""
        for name, mine, its in self._pairs:
            if name in BY_KERNELS:
                receive(mine, its, n)
        self._fetch_booked(n)
        self.layers[n].price()

    def _fetch_booked(self, n: int) -> None:
        account, booked = self.layers[n].ledger.account("train"), self.here.booked
        account.counts[:], account.joules[:] = booked.counts[n], booked.joules[n]

    def put(self, n: int) -> None:
        """Copy layer `n` to the card."""
        account, booked = self.layers[n].ledger.account("train"), self.here.booked
        booked.counts[n], booked.joules[n] = account
        for name, mine, its in self._pairs:
            if name in BY_HAND:
                send(mine, its, n)

    def _room(self, blocks: int) -> Any:
        """Return the memory of a number of blocks, or more."""
        if self._space is None or len(self._space.states) < blocks:
            self._space = room(blocks, self.layers[0].crossbar.shape)
        return self._space


class Stacks(NamedTuple):
    """Parts of the layers, side by side."""

    circuits: Circuit
    """Circuits of the layers, `stacked`."""
    booked: Account
    """Energy and events of learning, of each network."""
    spike_counts: NDArray[np.int64]
    """Output spikes, int64[layers, neurons]."""


def receive(here: NDArray[Any], there: Any, n: int | None = None) -> None:
    """Copy an array, or place `n` of it, from the card."""
    part = slice(None) if n is None else slice(n, n + 1)
    if SIMULATED:
        here[part] = there[part]
    else:
        there[part].copy_to_host(here[part])


def send(here: NDArray[Any], there: Any, n: int | None = None) -> None:
    """Copy an array, or place `n` of it, to the card."""
    part = slice(None) if n is None else slice(n, n + 1)
    if SIMULATED:
        there[part] = here[part]
    else:
        there[part].copy_to_device(here[part])


def room(blocks: int, shape: tuple[int, int]) -> Any:
    """Return the memory of so many blocks on the card, for layers of a `shape`."""
    new = np.empty if SIMULATED else cuda.device_array
    return space(blocks, threads_for(shape), *shape, OPERATIONS, new)


def launch(loop: Any, blocks: int, shape: tuple[int, int], arguments: tuple[Any, ...]) -> None:
    """Run a loop of `cuda.loops` in a number of blocks, for layers of a `shape`."""
    threads = threads_for(shape)
    kernel = compiled(loop, threads, resident(blocks))
    kernel[blocks, threads, 0, shared_bytes(*shape)](*arguments)


def resident(blocks: int) -> int:
    """Return the number of `blocks` that a multiprocessor holds at once: 1, or 2 if there are more.

    With fewer blocks each thread has more registers.
    """
    if SIMULATED:
        return 1
    return 1 if blocks <= cuda.get_current_device().MULTIPROCESSOR_COUNT else 2


def brought(circuit: Circuit) -> Circuit:
    """Return a circuit whose memory a kernel brings itself."""
    return circuit._replace(work=Brought())  # type: ignore[arg-type]


def shown_to(
    who: Sequence[int], chosen: Sequence[NDArray[np.int64]]
) -> tuple[Shown, NDArray[np.int64]]:
    """Return the images shown to each network, by their order, beginning and end."""
    parts = np.cumsum([0, *map(len, chosen)])
    order = np.concatenate(chosen).astype(np.int64)
    return Shown(np.array(who, np.int64), parts[:-1], parts[1:], order), parts


def bytes_of(layer: Layer) -> int:
    """Return the memory of a layer on a card while it learns, bytes."""
    state = stacked([brought(layer.circuit())])
    shape = layer.crossbar.shape
    memory = space(1, threads_for(shape), *shape, OPERATIONS, np.empty)
    return sum(its.nbytes for item in (state, memory) for _, its in leaves(item))


def free_bytes() -> int:
    """Return the free memory of the card, bytes."""
    return 1 << 30 if SIMULATED else int(cuda.current_context().get_memory_info().free)
