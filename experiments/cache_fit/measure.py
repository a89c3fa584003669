"""Seconds, and joules where they are counted, of a real training step against network size.

All sizes are measured in turns, many times, so that other work of the machine is spread over all of
them; the fastest of each counts, as disturbances only add to a measurement.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cbramsim.core.errors import ParameterError
from cbramsim.core.memory import check_memory
from cbramsim.experiments.cache_fit.advice import scaled, times
from cbramsim.experiments.cache_fit.counters import Counters
from cbramsim.experiments.cache_fit.step import Network, network
from cbramsim.simulator.comparison.layers import Layers

MOST_WORK = 2 * 10**10
"""Multiplications of a training step's forward pass in the largest network."""
SAMPLE = 0.005
"""Shortest duration of a sample, s, so short that some fall between two disturbances."""
SAMPLES_PER_TURN = 4
"""Samples of one network before the next has its turn: 20 ms together."""


class Effort(NamedTuple):
    """Extent of the measurement."""

    per_octave: int
    """Number of sizes in each doubling."""
    largest: int
    """Parameters of the largest network."""
    seconds: float
    """Time to spend on samples."""
    fewest: int
    """Fewest turns of each size."""


FULL = Effort(per_octave=2, largest=2**24, seconds=30.0, fewest=3)
QUICK = Effort(per_octave=1, largest=2**23, seconds=3.0, fewest=1)
SMALLEST = 2**8
"""Parameters of the smallest network, or as many as the inputs and outputs leave."""


class Point(NamedTuple):
    """Measurement at one size, all per training step."""

    layers: Layers
    """Network that was measured."""
    seconds: float
    """Fastest sample, s."""
    median: float
    """Median sample, s."""
    slow: float
    """Upper quartile of the samples, s."""
    samples: int
    """Number of samples."""
    joules: float | None
    """Median of the energy, J; None without counters."""

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return self.layers.parameters

    @property
    def per_parameter(self) -> float:
        """Seconds per parameter of a training step."""
        return self.seconds / self.parameters


def family(layers: Layers, effort: Effort) -> list[Layers]:
    """Return networks of the same inputs, outputs, depth and shape, evenly in log size."""
    least = max(SMALLEST, times(layers, 0).parameters)
    octaves = np.log2(effort.largest / least)
    count = max(2, round(octaves * effort.per_octave) + 1)
    sizes = least * 2.0 ** np.linspace(0, max(octaves, 1.0), count)
    return sorted({scaled(layers, size) for size in sizes}, key=lambda found: found.parameters)


def check_effort(networks: list[Layers], batch: int) -> None:
    """Refuse networks and batches that do not fit into the memory, or would take hours.

    Raises
    ------
    ParameterError
        If they do.
    """
    # weights and gradients, and what is between the layers forwards and backwards
    values = sum(2 * one.parameters + 3 * batch * sum(one.widths) for one in networks)
    check_memory("cache-fit.batch", 4 * values, f"{len(networks)} networks at a batch of {batch}")
    largest = max((one.parameters for one in networks), default=0)
    if batch * largest > MOST_WORK:
        raise ParameterError(
            f"cache-fit.batch: must be <= {MOST_WORK // largest} to measure networks of up to "
            f"{largest} parameters in less than half an hour, without --no-measure (got {batch})"
        )


def measure(
    networks: list[Layers], batch: int, effort: Effort, counters: Counters, *, quiet: bool = True
) -> list[Point]:
    """Measure a training step of each of `networks` on batches of `batch`.

    Time is that of the processor in this thread: waiting for others does not count.
    """
    end = time.perf_counter() + effort.seconds
    at_work = [network(layers.widths, batch) for layers in networks]
    steps = [_calibrated(one) for one in at_work]
    seconds: list[list[float]] = [[] for _ in networks]
    joules: list[list[float]] = [[] for _ in networks]
    turns = 0
    with tqdm(
        total=effort.seconds, desc="measuring", disable=quiet or None, leave=False,
        bar_format="{l_bar}{bar}| {n:.0f} of {total:.0f} s",
    ) as bar:  # fmt: skip
        while turns < effort.fewest or time.perf_counter() < end:
            turns += 1
            for one, count, took, spent in zip(at_work, steps, seconds, joules, strict=True):
                one.train(1)  # brings back into the caches what the others pushed out
                before = counters.read()
                took += [_sample(one, count) for _ in range(SAMPLES_PER_TURN)]
                used = counters.joules(before, counters.read())
                spent.append(used / (count * SAMPLES_PER_TURN))
                left = max(0.0, end - time.perf_counter())
                bar.update(effort.seconds - left - bar.n)
    return [
        Point(
            layers, min(took), float(np.median(took)), float(np.quantile(took, 0.75)), len(took),
            float(np.median(spent)) if counters.counters else None,
        )
        for layers, took, spent in zip(networks, seconds, joules, strict=True)
    ]  # fmt: skip


def _sample(one: Network, steps: int) -> float:
    """Return the seconds of one step, over `steps` of them."""
    start = time.thread_time()
    one.train(steps)
    return (time.thread_time() - start) / steps


def _calibrated(one: Network) -> int:
    """Return the number of steps that take at least `SAMPLE`."""
    one.train(1)  # compiles, and touches all memory
    steps = 1
    while (took := _sample(one, steps)) * steps < SAMPLE / 4:
        steps *= 2
    return max(1, int(np.ceil(SAMPLE / took)))
