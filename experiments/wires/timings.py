"""Speed of solvers of lines against others: every ratio within one process, in turns."""

from __future__ import annotations

import logging
import math
import time
import tracemalloc
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines import Solution, Terminals, Wires, effective, solve

PEER = "badcrossbar"
PEER_INSTALL = (
    "python -m pip install --no-deps --target peers badcrossbar==1.1.0 pathvalidate sigfig, and "
    "run with PYTHONPATH=peers"
)
V_READ = 0.1
HARD = 36.0
"""Resistance of a segment at which 256x256 cells of 1 to 100 µS lose 98 % of the current, Ohm."""


class Timing(NamedTuple):
    """A measurement of time or memory, with the error that was reached in it."""

    value: float | None
    """Value: seconds, a ratio of seconds, or bytes; None if it could not be measured."""
    error: float | None
    """Largest relative error of a current, against a direct solution."""
    facts: dict[str, Any]
    """Other measured quantities."""


def measure(*, quick: bool = False) -> dict[str, Timing]:
    """Measure everything; `quick` on smaller problems, for a look."""
    n = 4 if quick else 1
    return {
        "solve_128_speedup_vs_badcrossbar": against_peer(128 // n),
        "solve_397x500_seconds": of_the_network((397 // n, 500 // n)),
        "hard_to_easy_ratio": hard_to_easy(256 // n),
        "fixed_reads_ratio": fixed_reads((397 // n, 500 // n), 60_000 // n**2),
        "wires_training_ratio": training(60_000 // (30 * n - 29)),
        "solve_1024_peak_bytes": memory(1024 // n),
    }


def cells(shape: tuple[int, int], low: float = 1e-6, high: float = 100e-6) -> NDArray[np.float64]:
    """Return conductances of cells, uniform in a range, S."""
    return generator(0, "wire timings").uniform(low, high, shape)


def product(g: NDArray[np.float64], ohm: float = 2.0, **how: Any) -> Solution:
    """Solve one read of all word lines."""
    wires = Wires(r_word=ohm, r_bit=ohm)
    terminals = Terminals.product(np.full(len(g), V_READ), g.shape[1], wires)
    return solve(g, terminals, wires, **how)


def against_peer(size: int) -> Timing:
    """Solve a square array of 1 to 100 µS and 2 Ohm, and let the peer do so, in turns."""
    g = cells((size, size))
    peer = peer_solver()
    runs: dict[str, Callable[[], Any]] = {
        "seconds": lambda: product(g).outputs,
        "direct_seconds": lambda: product(g, method="direct").outputs,
    }
    if peer is not None:
        runs["peer_seconds"] = lambda: peer(g, 2.0)
    found = in_turns(runs, {"seconds": 20, "direct_seconds": 2, "peer_seconds": 3})
    facts: dict[str, Any] = dict(found)
    facts["speedup_vs_direct"] = found["direct_seconds"] / found["seconds"]
    error = relative_error(product(g).outputs, product(g, method="direct").outputs)
    if peer is None:
        facts["skipped"] = f"{PEER} is not installed: {PEER_INSTALL}"
        return Timing(None, error, facts)
    facts["difference_to_peer"] = relative_error(product(g).outputs, peer(g, 2.0))
    return Timing(found["peer_seconds"] / found["seconds"], error, facts)


def of_the_network(shape: tuple[int, int]) -> Timing:
    """Solve an array of the size of the network, of subquantum CBRAM."""
    g = cells(shape, 2.32e-6, 23.2e-6)
    found = in_turns({"seconds": lambda: product(g).outputs}, {"seconds": 10})
    solution = product(g)
    error = relative_error(solution.outputs, product(g, method="direct").outputs)
    return Timing(found["seconds"], error, {"iterations": solution.iterations})


def hard_to_easy(size: int) -> Timing:
    """Solve an array that loses nearly all current, and the usual one, in turns."""
    g = cells((size, size))
    found = in_turns(
        {"easy": lambda: product(g), "hard": lambda: product(g, HARD)}, {"easy": 10, "hard": 10}
    )
    hard = product(g, HARD)
    ideal = V_READ * g.sum()
    facts = {
        **{f"{name}_seconds": seconds for name, seconds in found.items()},
        "easy_loss": 1 - product(g).outputs.sum() / ideal,
        "hard_loss": 1 - hard.outputs.sum() / ideal,
        "easy_iterations": product(g).iterations,
        "hard_iterations": hard.iterations,
    }
    error = relative_error(hard.outputs, product(g, HARD, method="direct").outputs)
    return Timing(found["hard"] / found["easy"], error, facts)


def fixed_reads(shape: tuple[int, int], reads: int) -> Timing:
    """Read fixed cells many times, behind lines and without, in turns."""
    g = cells(shape, 2.32e-6, 23.2e-6)
    start = time.perf_counter()
    seen = effective(g, Wires()).conductance.astype(np.float32)
    preparation = time.perf_counter() - start
    ideal = g.astype(np.float32)
    rng = generator(0, "wire timings reads")
    v = (V_READ * (rng.random((reads, shape[0])) < 0.25)).astype(np.float32)
    out = np.empty((reads, shape[1]), np.float32)
    found = in_turns(
        {
            "ideal": lambda: np.matmul(v, ideal, out=out),
            "exact": lambda: np.matmul(v, seen, out=out),
        },
        {"ideal": 5, "exact": 5},
    )
    error = 0.0
    for one in v[:3]:
        wires = Wires()
        solved = solve(g, Terminals.product(one, shape[1], wires), wires, method="direct")
        error = max(error, relative_error(one @ seen, solved.outputs))
    return Timing(
        found["exact"] / found["ideal"], error,
        {"preparation_seconds": preparation, "ideal_seconds": found["ideal"]},
    )  # fmt: skip


def training(images: int) -> Timing:
    """Learn images once with lines, on tiles of at most 128 rows, and once without."""
    data = load_dataset("mnist")
    seconds, network = {}, SpikingNetwork()
    for wires in (False, True):
        network = SpikingNetwork(pruning={"kind": "none"}, wires=wires, tiles={"rows": 128})
        inputs = network.prepare(data.train_images[:images])
        network.learn_from(inputs[:10], np.arange(10))  # compiles
        start = time.perf_counter()
        network.resume(inputs, epochs=1)
        seconds[wires] = time.perf_counter() - start
    reads = network.crossbar.wired
    assert reads is not None
    facts = {
        "images": images, "ideal_seconds": seconds[False], "wires_seconds": seconds[True],
        "solutions": reads.solutions,
    }  # fmt: skip
    return Timing(seconds[True] / seconds[False], reads.error, facts)


def memory(size: int) -> Timing:
    """Solve a large array, and measure its memory, conductances included."""
    g = cells((size, size))
    product(cells((8, 8)))  # compiles
    tracemalloc.start()
    solution = product(g)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    through = solution.through
    return Timing(float(peak + g.nbytes), solution.error_bound / through, {
        "iterations": solution.iterations, "error": "bound on the error of every current",
    })  # fmt: skip


def peer_solver() -> Callable[[NDArray, float], NDArray] | None:
    """Return the peer's solver of one read, or None if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = import_module(PEER)
    except ImportError:
        return None
    logging.disable(logging.INFO)

    def outputs(g: NDArray, ohm: float) -> NDArray:
        solution = peer.compute(np.full((len(g), 1), V_READ), 1 / g, ohm)
        return np.asarray(solution.currents.output).ravel()

    return outputs


def in_turns(runs: dict[str, Callable[[], Any]], times: dict[str, int]) -> dict[str, float]:
    """Return the shortest time of each of some runs, taken in turns, s."""
    for run in runs.values():  # compiles, and warms caches
        run()
    shortest = dict.fromkeys(runs, math.inf)
    for n in range(max(times[name] for name in runs)):
        for name, run in runs.items():
            if n < times[name]:
                start = time.perf_counter()
                run()
                shortest[name] = min(shortest[name], time.perf_counter() - start)
    return shortest


def relative_error(currents: NDArray, exact: NDArray) -> float:
    """Return the largest relative error of some currents."""
    return float(np.abs(currents / exact - 1).max())
