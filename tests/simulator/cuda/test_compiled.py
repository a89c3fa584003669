"""The kernels are compiled for a card, which takes none; skipped where the compiler is missing."""

from __future__ import annotations

import re
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cbramsim import SpikingNetwork
from cbramsim.simulator.energy.ledger import Account

if find_spec("numba_cuda") is None or find_spec("numba_cuda.numba") is None:
    pytest.skip("numba-cuda is not installed", allow_module_level=True)

import cbramsim.simulator.cuda  # first, as it adds what numba-cuda misses in NumPy

assert cbramsim.simulator.cuda
nvvm = pytest.importorskip("numba.cuda.cudadrv.nvvm")
try:
    nvvm.NVVM()
except Exception:  # whatever is missing
    pytest.skip("NVVM is not installed", allow_module_level=True)

from numba.cuda import dispatcher
from numba.cuda.compiler import compile as compile_kernel
from numba.cuda.typing.typeof import Purpose, typeof

from cbramsim.simulator.cuda import loops, memory
from cbramsim.simulator.cuda.answers import streams
from cbramsim.simulator.cuda.batch import brought, shown_to
from cbramsim.simulator.cuda.source import TOGETHER

COMPUTE = (7, 5)
MOST_BYTES = 32_764
"""Of the arguments of a kernel."""
IMAGES = (np.random.default_rng(0).random((4, 36)) ** 3 * 256).astype(np.uint8)
CASES: dict[str, dict[str, Any]] = {
    "reference": {},
    "verify, V/3, write noise, levels": {
        "programming": {"method": "verify"}, "access": "passive", "scheme": "V/3",
        "cell": {"write_c2c": 0.02, "levels": 16, "level_radix": 1.5},
    },
    "gaps, 1/f, shaped": {"pruning": {"kind": "hard"}, "device": "pcm-nandakumar"},
    "ideal, flicker": {"rule": "ideal", "cell": {"g_flicker": 1e-6}},
}  # fmt: skip


def arguments(loop: Any, changes: dict[str, Any]) -> tuple[Any, ...]:
    network = SpikingNetwork(neurons=6, **changes)
    images = network.prepare(IMAGES)
    (layer,) = network.layers
    shown, _ = shown_to([0], [np.arange(4)])
    nothing = Account(np.zeros(loops.OPERATIONS, np.int64), np.zeros(loops.OPERATIONS))
    booked = memory.stacked([nothing])
    space = memory.space(1, 64, *layer.crossbar.shape, loops.OPERATIONS)
    if loop is loops.train:
        circuits = memory.stacked([brought(layer.circuit())])
        winners, spikes = np.zeros((4, 5), np.int32), np.zeros((1, 6), np.int64)
        return images, shown, winners, spikes, circuits, booked, space
    circuits = memory.stacked([brought(layer.circuit_at_work("use"))])
    starts = streams(np.zeros((1, 2, 4), np.uint64))
    answers = np.zeros((4, 6), np.float32)
    return images, shown, answers, 5, circuits, starts, booked, space


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("loop", [loops.train, loops.respond], ids=lambda loop: loop.__name__)
def test_kernels_are_compiled(loop: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(compute_capability=COMPUTE)
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: card)
    types = tuple(typeof(each, Purpose.argument) for each in arguments(loop, CASES[name]))
    code, _ = compile_kernel(
        TOGETHER.plain(loop), types, device=False, abi="numba", cc=COMPUTE, launch_bounds=(1024, 1)
    )
    code = code if isinstance(code, str) else code.decode()
    (head,) = re.findall(r"\.visible \.entry [^)]*\)", code)
    sizes = {"8": 1, "16": 2, "32": 4, "64": 8}
    bytes_ = sum(sizes[size] for size in re.findall(r"\.param \.[a-z](\d+)", head))
    assert 1000 < bytes_ <= MOST_BYTES
    # Where a signed and an unsigned 64-bit number meet, Numba goes on with float64: an index or a
    # random word would come back from there.
    assert not re.findall(r"cvt\.rzi\.[su]64\.f64", code)
    assert "bar.sync" in code or "barrier.sync" in code
    assert "shfl.sync" in code
    assert not re.findall(r"^\s*\.shared", code, re.MULTILINE)  # all of it is counted: `sizes`
