"""The loop that learns, thread by thread, against that of a processor, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cbramsim import SpikingNetwork
from cbramsim.devices.grids import Continuous, EvenLevels, Quanta, SpacedLevels
from cbramsim.devices.laws import Affine, Shaped
from cbramsim.devices.noise import Flickering, Growing, Noiseless, Steady
from cbramsim.devices.scatter import EvenScatter, ShapedScatter, StepScatter
from cbramsim.devices.written import Blurred, Faithful
from cbramsim.simulator.array.access import Gates, Halves, Passive, Still, Thirds, Transistor
from cbramsim.simulator.array.cells import AllConnected, Disconnected
from cbramsim.simulator.cuda import memory
from cbramsim.simulator.cuda.batch import brought
from cbramsim.simulator.cuda.loops import OPERATIONS, Shown, train
from cbramsim.simulator.cuda.sizes import shared_bytes
from cbramsim.simulator.energy.ledger import Account, Operation
from cbramsim.simulator.learning import loop
from cbramsim.simulator.learning.rules.ideal import IdealStdp
from cbramsim.simulator.learning.rules.pulsed import PulsedStdp, VerifiedStdp
from tests.simulator.cuda.simulated.networks import IMAGES, energies_apart, network
from tests.simulator.cuda.simulated.schedule import Block, Order, at_random, backward, forward

ORDER = np.array([3, 1, 0])
PULSES = [int(Operation.LTP_PULSE), int(Operation.LTD_PULSE)]
TINY = {"pulses_up": 1e4, "pulses_down": 1e4}
CASES: dict[str, dict[str, Any]] = {
    "stochastic": {},
    "deterministic": {"programming": {"method": "deterministic"}},
    "verify": {"programming": {"method": "verify"}},
    "verify, blurred": {"programming": {"method": "verify"}, "device": "hfo2-gong"},
    "ideal": {"rule": "ideal"},
    "V/2": {"access": "passive"},
    "V/3": {"access": "passive", "scheme": "V/3"},
    "V/2, ideal": {"access": "passive", "rule": "ideal"},
    "V/3, ideal": {"access": "passive", "scheme": "V/3", "rule": "ideal"},
    "V/2, verify": {"access": "passive", "programming": {"method": "verify"}},
    "gates": {"access": "passive", "device": "hzo-fefet"},
    "shaped": {"device": "hfo2-gong-fit"},
    "levels": {"cell": {"levels": 16}},
    "radix": {"cell": {"levels": 16, "level_radix": 1.5}},
    "quanta": {"cell": {"g_quantum": 7.748e-5 / 400}},
    "scatter by state": {
        "cell": {"step_c2c": 0.01, "noise_up": (1.0, 2.0), "noise_down": (1.0, 0.5)}
    },
    "scatter by step": {"device": "li-ecram"},
    "written": {"cell": {"write_c2c": 0.02}},
    "written, in levels": {"device": "oxram-leti"},
    "noiseless": {"cell": {"read_c2c": 0.0}},
    "flicker": {"cell": {"g_flicker": 1e-6}},
    "1/f": {"device": "gst-pcm"},
    "1/f, by state": {"device": "pcm-nandakumar"},
    "1/f, ideal": {"device": "gst-pcm", "rule": "ideal"},
    "gaps": {"pruning": {"kind": "hard", "mature_spikes": 2}},
    "gaps, flicker": {
        "pruning": {"kind": "hard", "mature_spikes": 2}, "cell": {"g_flicker": 1e-6}
    },
    "overflow": {"cell": TINY},
    "overflow, blurred": {"cell": TINY | {"write_c2c": 0.02}},
}  # fmt: skip
MET: set[type] = set()
"""What circuits were made of."""


def made(changes: dict[str, Any]) -> SpikingNetwork:
    """Return a network; one that prunes has done so, and goes on."""
    one = network(**changes)
    if changes.get("pruning", {}).get("kind") == "hard":
        one.resume(one.select_pixels(IMAGES), epochs=1)
        assert one.pruner.fraction > 0
    return one


def types_in(item: Any) -> Iterator[type]:
    if isinstance(item, tuple):
        yield type(item)
        for part in item:
            yield from types_in(part)


def full_of_anything(shape: tuple[int, ...], kind: Any) -> Any:
    return (
        np.full(np.prod(shape) * np.dtype(kind).itemsize, 0xAB, np.uint8).view(kind).reshape(shape)
    )


def no_costs() -> Account:
    return Account(np.zeros(OPERATIONS, np.int64), np.zeros(OPERATIONS))


def compare(changes: dict[str, Any], order: Order, threads: int) -> int:
    """Let a network learn in a block of threads as on a processor; return how many pulses."""
    mine, its = made(changes), made(changes)
    images, layer, other = mine.select_pixels(IMAGES), mine.layers[0], its.layers[0]
    circuit = layer.circuit()
    MET.update(types_in(circuit))
    circuits, booked = memory.stacked([brought(circuit)]), memory.stacked([no_costs()])
    shape, windows = layer.crossbar.shape, layer.config.encoding.windows
    winners = np.full((len(ORDER), windows), -1, np.int32)
    spike_counts = np.zeros((1, shape[1]), np.int64)
    shown = Shown(np.array([0]), np.array([0]), np.array([len(ORDER)]), ORDER)
    space = memory.space(1, threads, *shape, OPERATIONS, full_of_anything)
    Block(0, threads, shared_bytes(*shape), order).run(
        train, (images, shown, winners, spike_counts, circuits, booked, space)
    )

    fired, account = np.empty_like(winners), no_costs()
    spikes = np.zeros(shape[1], np.int64)
    loop.train(images, ORDER, fired, spikes, other.circuit(), account)
    assert np.array_equal(winners, fired)
    assert np.array_equal(spike_counts[0], spikes)
    assert np.array_equal(circuits.neurons.bias[0], other.bias)
    for name in ("g", "g_columns", "wear", "row_sum", "cells", "inhibited"):
        a, b = getattr(circuits.array, name)[0], getattr(other.crossbar.state, name)
        assert np.array_equal(a, b), name
    for name, a, b in zip(loop.Streams._fields, circuits.streams, other.streams, strict=True):
        assert np.array_equal(a[0], b), f"stream {name}"
    assert np.array_equal(booked.counts[0], account.counts)
    assert energies_apart(booked.joules[0], account.joules) < 1e-12
    return int(account.counts[PULSES].sum())


@pytest.mark.parametrize("name", CASES)
def test_as_on_a_processor(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case in one of the orders of threads."""
    monkeypatch.setattr(memory, "MOST_WORDS", 512)
    number = list(CASES).index(name)
    order = (forward, backward, at_random(number))[number % 3]
    pulses = compare(CASES[name], order, threads=8)
    assert pulses > 0
    if name.startswith("overflow"):  # some update asked for more words than there is room for
        assert pulses > 512 * len(ORDER) * 2


@pytest.mark.parametrize(
    ("order", "threads"),
    [(backward, 4), (at_random(1), 12), (forward, 16), (backward, 16), (at_random(2), 40)],
)
def test_however_many_threads_there_are(order: Order, threads: int) -> None:
    """The network has 36 inputs: fewer than 40."""
    compare({"encoding": {"windows": 1}}, order, threads)


def test_nothing_is_left_out() -> None:
    """All that a circuit may be made of on a card was part of some case."""
    assert {
        Affine, Shaped, Continuous, EvenLevels, SpacedLevels, Quanta, EvenScatter, ShapedScatter,
        StepScatter, Faithful, Blurred, Noiseless, Steady, Flickering, Growing, AllConnected,
        Disconnected, Transistor, Passive, Still, Halves, Thirds, Gates, PulsedStdp, VerifiedStdp,
        IdealStdp,
    } <= MET  # fmt: skip
