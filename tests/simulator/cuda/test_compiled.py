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

if find_spec("numba_cuda") is None:
    pytest.skip("numba-cuda is not installed", allow_module_level=True)

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


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:
    import cbramsim.simulator.cuda  # first, as it adds what numba-cuda misses in NumPy

    assert cbramsim.simulator.cuda
    try:
        from numba.cuda.cudadrv.nvvm import NVVM

        NVVM()
    except Exception as error:  # whatever is missing
        pytest.skip(f"NVVM is not installed ({type(error).__name__})")


def arguments(name: str, changes: dict[str, Any]) -> tuple[Any, ...]:
    from cbramsim.simulator.cuda import loops, memory
    from cbramsim.simulator.cuda.answers import streams
    from cbramsim.simulator.cuda.batch import brought, shown_to

    network = SpikingNetwork(neurons=6, **changes)
    images = network.prepare(IMAGES)
    (layer,) = network.layers
    shown, _ = shown_to([0], [np.arange(4)])
    nothing = Account(np.zeros(loops.OPERATIONS, np.int64), np.zeros(loops.OPERATIONS))
    booked = memory.stacked([nothing])
    space = memory.space(1, 64, *layer.crossbar.shape, loops.OPERATIONS)
    if name == "train":
        circuits = memory.stacked([brought(layer.circuit())])
        winners, spikes = np.zeros((4, 5), np.int32), np.zeros((1, 6), np.int64)
        return images, shown, winners, spikes, circuits, booked, space
    circuits = memory.stacked([brought(layer.circuit_at_work("use"))])
    starts = streams(np.zeros((1, 2, 4), np.uint64))
    answers = np.zeros((4, 6), np.float32)
    return images, shown, answers, 5, circuits, starts, booked, space


@pytest.mark.parametrize(
    ("loop", "name"), [*(("train", name) for name in CASES), ("respond", "gaps, 1/f, shaped")]
)
def test_kernels_are_compiled(loop: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.cuda import dispatcher
    from numba.cuda.compiler import compile as compile_kernel
    from numba.cuda.typing.typeof import Purpose, typeof

    from cbramsim.simulator.cuda import loops
    from cbramsim.simulator.cuda.source import TOGETHER

    card = SimpleNamespace(compute_capability=COMPUTE)
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: card)
    types = tuple(typeof(each, Purpose.argument) for each in arguments(loop, CASES[name]))
    code, _ = compile_kernel(
        TOGETHER.plain(getattr(loops, loop)), types,
        device=False, abi="numba", cc=COMPUTE, launch_bounds=(1024, 1),
    )  # fmt: skip
    code = code if isinstance(code, str) else code.decode()
    (head,) = re.findall(r"\.visible \.entry [^)]*\)", code)
    bits = re.findall(r"\.param (?:\.align \d+ )?\.[a-z](\d+)", head)
    assert 1000 < sum(map(int, bits)) // 8 <= MOST_BYTES
    # Where a signed and an unsigned 64-bit number meet, Numba goes on with float64: an index or a
    # random word would come back from there.
    if "shaped" not in name:  # which finds its place in a table like that
        assert not re.findall(r"cvt\.rzi\.[su]64\.f64", code)
    assert re.search(r"\bbar(rier)?\.sync", code)
    assert "shfl.sync" in code
    assert not re.findall(r"^\s*\.shared", code, re.MULTILINE)  # all of it is counted: `sizes`
