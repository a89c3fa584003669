"""`cbram benchmark`: the training loop against its memory-bound floor and against NumPy.

Everything is timed in one process on one core, so that ratios are meaningful; the minimum over
repetitions is taken, as disturbances only add to a measurement.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import CbramError
from cbramsim.core.kernels import compiled_loop
from cbramsim.core.rng import generator
from cbramsim.devices.pulses import G_HIGH, G_LOW, SLOPE_DOWN, SLOPE_UP, STEP_DOWN, STEP_UP
from cbramsim.simulator.array.cells import sum_rows
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import IMAGES_PER_STEP, SpikingNetwork

WARM_IMAGES = 20_000
"""Images learned before the clock starts, so that a trained network is timed."""


def run(*, quick: bool = False) -> dict[str, float]:
    """Measure, and return the figures by name, in seconds and bytes.

    The network is the default one without pruning, whose steps take the most work.
    """
    repetitions = 3 if quick else 10
    data = load_dataset("mnist")
    network = SpikingNetwork(pruning={"kind": "none"})
    inputs = network.prepare(data.train_images)
    del data
    network.resume(inputs[: IMAGES_PER_STEP if quick else WARM_IMAGES], epochs=1)
    floor_inputs = _spike_lists(inputs)
    train_step, floor = _alternate(
        repetitions,
        lambda: _train_once(network, inputs),
        lambda: _floor_once(network, *floor_inputs),
    )
    figures = {
        "train_step_seconds": train_step,
        "read_floor_seconds": floor,
        "numpy_step_seconds": min(_numpy_once(network, inputs) for _ in range(repetitions)),
    }
    figures["ratio_to_floor"] = train_step / floor
    figures["ratio_to_numpy"] = figures["numpy_step_seconds"] / train_step
    account = network.ledger.account("train")
    reads_per_step = account.counts[Operation.CELL_READ] / account.counts[Operation.OUTPUT_SPIKE]
    figures["cell_reads_per_step"] = float(reads_per_step)
    figures["cell_reads_per_second"] = float(reads_per_step / train_step)
    figures["peak_memory_bytes"] = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    if not quick:
        figures |= _start_up_times()
    return figures


def to_json(figures: dict[str, float]) -> str:
    """Return the figures as one JSON object."""
    return json.dumps(figures, indent=2)


def summary(figures: dict[str, float]) -> str:
    """Return the figures for people."""
    lines = [
        f"training step           {figures['train_step_seconds'] * 1e6:8.2f} µs",
        f"bare read (floor)       {figures['read_floor_seconds'] * 1e6:8.2f} µs   "
        f"the step takes {figures['ratio_to_floor']:.2f}x this",
        f"NumPy step              {figures['numpy_step_seconds'] * 1e6:8.2f} µs   "
        f"the step is {figures['ratio_to_numpy']:.1f}x faster",
        f"cell reads              {figures['cell_reads_per_second'] / 1e9:8.2f} billion per second",
        f"peak memory             {figures['peak_memory_bytes'] / 1e6:8.0f} MB",
    ]
    if "help_seconds" in figures:
        lines += [
            f"cbram --help            {figures['help_seconds']:8.2f} s",
            f"first train, 1,000      {figures['first_train_seconds']:8.2f} s    kernels in cache",
        ]
    return "\n".join(lines)


def _alternate(
    repetitions: int, first: Callable[[], float], second: Callable[[], float]
) -> tuple[float, float]:
    """Return the smallest result of each of two measurements, taken in turn."""
    pairs = [(first(), second()) for _ in range(repetitions)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def _train_once(network: SpikingNetwork, inputs: NDArray[np.uint8]) -> float:
    """Return seconds per presentation of one step of the full training loop."""
    chosen = _some_images(inputs, network.images_seen)
    start = time.perf_counter()
    winners = network.learn_from(inputs, chosen)
    return (time.perf_counter() - start) / winners.size


def _floor_once(
    network: SpikingNetwork, rows: NDArray[np.int32], active: NDArray[np.int64]
) -> float:
    """Return seconds per bare read: the sum of the active rows and nothing else."""
    out = np.empty(network.config.neurons, np.float32)
    _read_all(network.crossbar.state.g, rows[:1], active[:1], out)
    start = time.perf_counter()
    _read_all(network.crossbar.state.g, rows, active, out)
    return (time.perf_counter() - start) / len(rows)


def _numpy_once(network: SpikingNetwork, inputs: NDArray[np.uint8], images: int = 40) -> float:
    """Return seconds per presentation of the same step in NumPy."""
    step = _NumpyStep(network)
    chosen = _some_images(inputs, network.images_seen)[:images]
    windows = network.config.encoding.windows
    start = time.perf_counter()
    for image in chosen:
        for _ in range(windows):
            step.present(inputs[image])
    return (time.perf_counter() - start) / (len(chosen) * windows)


class _NumpyStep:
    """A step of the default network in plain NumPy: whole rows and columns at a time."""

    def __init__(self, network: SpikingNetwork) -> None:
        state, config = network.crossbar.state, network.config
        self.rng = np.random.default_rng(0)
        self.device, self.state, self.table = network.device, state, network.layers[0].rule.table
        self.g, self.cells = state.g.copy(), state.cells.astype(np.float64)
        self.bias = network.bias.astype(np.float64)
        self.gain = 2 * network.layers[0].competition_scale * config.competition.sharpness
        self.gain /= self.device.g_range
        self.tiring = config.competition.homeostasis_at(network.images_seen)
        self.account = EnergyLedger().account("train")

    def present(self, pixels: NDArray[np.uint8]) -> None:
        """Learn from one window of one image, uint8[inputs]."""
        rng, pulse = self.rng, self.state.pulse
        spiked = np.frombuffer(rng.bytes(pixels.size), np.uint8) < pixels
        sums = spiked.astype(np.float32) @ self.g
        sums += pulse.sum_sigma * np.sqrt(spiked.sum()) * rng.standard_normal(sums.size, np.float32)
        potentials = self.bias + self.gain * sums
        chances = np.exp(potentials - potentials.max()).cumsum()
        winner = int(np.searchsorted(chances, rng.random() * chances[-1], side="right"))
        self.bias[winner] -= self.tiring
        self._book(Operation.CELL_READ, spiked.sum() * sums.size, pulse.v2t_read * sums.sum())
        self._learn(winner, spiked)

    def _learn(self, column: int, spiked: NDArray[np.bool_]) -> None:
        rng, pulse, before = self.rng, self.state.pulse, self.g[:, column].copy()
        seen = before + pulse.read_sigma * rng.standard_normal(before.size, np.float32)
        states = ((seen - self.table.g_min) * self.table.states_per_siemens).astype(int)
        wanted = self.table.pulses[spiked.astype(int), np.clip(states, 0, SENSED_STATES - 1)]
        pulses = (wanted + rng.random(before.size, np.float32)).astype(int)
        cell, g = self.cells[column].T, before.astype(np.float64)
        for n in range(pulses.max(initial=0)):
            up = cell[STEP_UP] + cell[SLOPE_UP] * (g - cell[G_LOW])
            down = cell[STEP_DOWN] + cell[SLOPE_DOWN] * (g - cell[G_HIGH])
            noise = pulse.step_sigma * rng.standard_normal(g.size)
            after = np.clip(g + np.where(spiked, up, down) + noise, cell[G_LOW], cell[G_HIGH])
            after = np.where(pulses > n, after, g)
            for pulsed, operation, v2t in (
                (spiked, Operation.LTP_PULSE, pulse.v2t_set),
                (~spiked, Operation.LTD_PULSE, pulse.v2t_reset),
            ):
                given = pulsed & (pulses > n)
                self._book(operation, given.sum(), 0.5 * v2t * (g + after)[given].sum())
            g = after
        self.g[:, column] = g

    def _book(self, operation: Operation, count: int, joules: float) -> None:
        self.account.counts[operation] += count
        self.account.joules[operation] += joules


@compiled_loop
def _read_all(g, rows, active, out):  # type: ignore[no-untyped-def]
    for n in range(active.size):
        sum_rows(g, rows[n], active[n], out)


def _some_images(inputs: NDArray[np.uint8], key: int) -> NDArray[np.int64]:
    rng = generator(0, "benchmark images", key)
    return rng.choice(len(inputs), IMAGES_PER_STEP, replace=False)


def _spike_lists(
    inputs: NDArray[np.uint8], count: int = 1000
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return active rows, int32[count, inputs], and their numbers, drawn as in training."""
    rng = generator(0, "benchmark spikes")
    images = inputs[rng.choice(len(inputs), count, replace=False)]
    spiked = rng.integers(0, 256, images.shape, np.uint8) < images
    rows = np.zeros(images.shape, np.int32)
    for n, pattern in enumerate(spiked):
        found = np.flatnonzero(pattern)
        rows[n, : len(found)] = found
    return rows, spiked.sum(axis=1)


def _start_up_times() -> dict[str, float]:
    """Return the time of new processes: help, and a first small training with cached kernels."""
    command = [sys.executable, "-m", "cbramsim.experiments"]
    with tempfile.TemporaryDirectory() as folder:
        train = [*command, "train", "--train-images", "1000", "--epochs", "1", "--quiet", "--out"]
        _timed([*train, str(Path(folder) / "warm")])
        first = min(_timed([*train, str(Path(folder) / name)]) for name in "abc")
    return {
        "help_seconds": min(_timed([*command, "--help"]) for _ in range(5)),
        "first_train_seconds": first,
    }


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    done: Any = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CbramError(f"{' '.join(command)}: {done.stderr.strip()}")
    return time.perf_counter() - start
