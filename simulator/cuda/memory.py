"""Many networks side by side on a card: each leaf of their circuits gets a first axis.

A kernel takes the part of its own network with `pick`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float32, int32
from numpy.typing import NDArray

from cbramsim.simulator.cuda.sizes import SPEAKING
from cbramsim.simulator.cuda.source import ALONE, SIMULATED, finished
from cbramsim.simulator.cuda.words import Ahead
from cbramsim.simulator.learning.loop import Circuit, Scratch, Streams
from cbramsim.simulator.learning.neurons import BLOCK


class Common(NamedTuple):
    """An array that all networks share."""

    array: NDArray[Any]


class Brought(NamedTuple):
    """Placeholder of memory that a kernel provides itself."""


SHARED = ("normals",)
"""Fields that are the same in all networks of the same shapes, and never change."""


def stacked(items: Sequence[Any], name: str = "") -> Any:
    """Return the parts of networks side by side: numbers and arrays get a first axis.

    `name` is that of the field.
    """
    first = items[0]
    if isinstance(first, tuple):
        names = type(first)._fields  # type: ignore[attr-defined]
        fields = zip(names, zip(*items, strict=True), strict=True)
        return type(first)(*(stacked(leaves, field) for field, leaves in fields))
    return Common(first) if name in SHARED else np.stack(items)


def shape_of(item: Any) -> Any:
    """Return the properties that must be equal in networks side by side: types and shapes."""
    if isinstance(item, tuple):
        return type(item), tuple(shape_of(leaf) for leaf in item)
    array = np.asarray(item)
    return array.dtype.str, array.shape


def pick(item: Any, n: Any) -> Any:
    """Return the part of network `n` of something `stacked`, within a kernel."""
    if isinstance(item, Common):
        return item.array
    if isinstance(item, tuple):
        return type(item)(*(pick(leaf, n) for leaf in item))
    return item[n]


if SIMULATED:
    _device_pick = pick
else:
    from numba.cuda.extending import overload

    def _device_pick(item: Any, n: Any) -> Any:
        """Return the part of network `n` of a NamedTuple: kernels cannot return arrays."""

    @overload(_device_pick, strict=False)
    def _choose(item: Any, n: Any) -> Any:
        kind = getattr(item, "instance_class", None)
        return kind and _picker(kind, item.types)

    def _picker(kind: Any, types: Sequence[Any]) -> Any:
        """Return a function that takes a `kind` with these types apart, and rebuilds it."""

        def leaf(name: str, inner: Any) -> str:
            kind = getattr(inner, "instance_class", None)
            if kind is Common:
                return f"item.{name}.array"
            return f"pick(item.{name}, n)" if kind else f"item.{name}[n]"

        fields = ", ".join(map(leaf, kind._fields, types))
        names = {"pick": _device_pick, "Kind": kind}
        exec(f"def picked(item, n):\n    return Kind({fields})", names)
        return names["picked"]


ALONE.in_place_of(pick)(finished(_device_pick))


class Space(NamedTuple):
    """Memory of the blocks of a kernel; each array has a first axis, the block."""

    spikes: Ahead
    reads: Ahead
    competition: Ahead
    pulses: Ahead
    """Words drawn ahead; their `state` is that of the streams, for as long as a kernel runs."""
    pulse_words: NDArray[np.uint64]
    states: NDArray[np.int32]
    seen: NDArray[np.float32]
    chosen: NDArray[np.int32]
    wanted: NDArray[np.int32]
    spared: NDArray[np.float32]
    variances: NDArray[np.float32]
    partial: NDArray[np.float32]
    codes: NDArray[np.uint16]
    """Codes as in `Scratch`, where `wanted` is `pulses`; the last two have one number each."""
    counts: NDArray[np.int64]
    joules: NDArray[np.float64]
    """Energy that each thread has booked, [blocks, threads, operations]."""


PULSES_AHEAD = 256
"""Number of words drawn ahead for pulses, beyond those for the choice of cells."""
MOST_WORDS = 1 << 14
"""Most words of a ring for pulses; columns that need more are programmed by one thread alone."""
FEW = 4
"""Number of words drawn ahead for reads and for the competition."""


def space(
    blocks: int, threads: int, inputs: int, neurons: int, operations: int, new: Any = np.empty
) -> Space:
    """Allocate the memory of so many blocks, by `new`; what is in it does not matter."""

    def ahead(words: int) -> Ahead:
        size = 1 << (words - 1).bit_length()
        return Ahead(
            new((blocks, 4), np.uint64), new((blocks, size), np.uint64),
            new((blocks, 1), np.int64), new((blocks, 1), np.int64),
        )  # fmt: skip

    def each(size: int, kind: Any) -> Any:
        return new((blocks, size), kind)

    return Space(
        spikes=ahead(2 * -(-inputs // 8)),
        reads=ahead(2 * FEW),
        competition=ahead(2 * FEW),
        pulses=ahead(max(MOST_WORDS, 2 * inputs)),
        pulse_words=each(-(-inputs // 4), np.uint64),
        states=each(inputs, np.int32),
        seen=each(inputs, np.float32),
        chosen=each(inputs + 1, np.int32),
        wanted=each(inputs + 1, np.int32),
        spared=each(neurons, np.float32),
        variances=each(neurons, np.float32),
        partial=new((blocks, 1, 1), np.float32),
        codes=new((blocks, 1, 1), np.uint16),
        counts=new((blocks, threads, operations), np.int64),
        joules=new((blocks, threads, operations), np.float64),
    )


def circuit_of(circuits, n, streams, space, block):  # type: ignore[no-untyped-def]
    """Return the circuit of network `n`, with memory and `streams` of a block, in a kernel."""
    circuit = pick(circuits, n)
    mine = pick(space, block)
    inputs, neurons = mine.states.size, circuit.neurons.bias.size
    blocks = (neurons + BLOCK - 1) // BLOCK
    floats = cuda.shared.array(0, float32)[SPEAKING // 4 :]
    whole = cuda.shared.array(0, int32)[SPEAKING // 4 :]
    first = neurons + blocks
    exponents = whole[first : first + neurons]
    rows = whole[first + neurons : first + neurons + inputs + 1]
    last = first + neurons + inputs + 1
    spiked = whole[last : last + (inputs + 4) // 4].view(np.uint8)[:inputs]
    words, nothing = mine.pulse_words, mine.spared
    work = Scratch(
        words=words,
        random_bytes=words.view(np.uint8),
        spiked=spiked,
        pulse_words=words,
        random_shorts=words.view(np.uint16),
        states=mine.states,
        seen=mine.seen,
        chosen=mine.chosen,
        pulses=mine.wanted,
        rows=rows,
        currents=floats[:neurons],
        spared=mine.spared,
        variances=mine.variances,
        exponent_bits=exponents,
        power_of_two=exponents.view(np.float32),
        sums=floats[neurons:first],
        partial=mine.partial,
        codes=mine.codes,
        bit_lines=nothing,
        planes=nothing,
        of_plane=nothing,
        one_row=mine.states,
        one_pulse=mine.states,
    )
    ahead = Streams(
        spikes=_ahead(streams.spikes, mine.spikes),
        reads=_ahead(streams.reads, mine.reads),
        competition=_ahead(streams.competition, mine.competition),
        pulses=_ahead(streams.pulses, mine.pulses),
    )
    return Circuit(
        circuit.encoder, circuit.array, circuit.readout, circuit.neurons, circuit.rule, ahead, work
    )


def _ahead(state, words):  # type: ignore[no-untyped-def]
    return Ahead(state, words.ring, words.made, words.taken)
