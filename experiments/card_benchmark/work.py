"""Time of large studies on a card: planned work divided by rates that were measured."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from cbramsim.core.rng import generator
from cbramsim.experiments.card_benchmark.timing import Images, Stretch, seeded, watched
from cbramsim.experiments.pruning import plan
from cbramsim.experiments.study import on_card
from cbramsim.experiments.study.cases import PlannedRun
from cbramsim.experiments.study.engine import cores, has_dask
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.learning_curve import LearningCurve
from cbramsim.simulator.cuda.answers import respond_to
from cbramsim.simulator.cuda.coverage import SIMULATED
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import IMAGES_PER_STEP, SpikingNetwork, Step

SEEDS = 5
"""Seeds of `cbram pruning`, by default."""
SAVES = 2
"""Least number of saves of a run: trained, and named."""
VARIED = (
    "g_min_d2d", "g_max_d2d", "read_c2c", "pulses_up", "pulses_up_d2d", "nonlinearity_up",
    "pulses_down", "pulses_down_d2d", "nonlinearity_down", "step_c2c",
)  # fmt: skip
"""Parameters of a device that are drawn at random."""
PARTS = ("kernels", "beside", "drawing", "bringing")
"""Parts of the time of learning together: see `Host`."""
FACTOR = 2.0
"""Largest factor by which they are larger or smaller."""


class Host(NamedTuple):
    """Time that the processor beside the card spends, s."""

    drawing: float
    """Time to draw the array of a network."""
    bringing: float
    """Time to bring a network to the card."""
    beside: float
    """Time for each window: pruning, copies and bookkeeping while networks learn."""
    curve: float
    """Time of the learning curve, for each step of a network."""
    answered: float
    """Time of the card to name the neurons of a network by all training images, and to recognise
    all test images."""
    answering: float
    """Time of the processor for the same."""
    saving: float
    """Time to save a state."""


class Kind(NamedTuple):
    """Runs of a study that are alike for a card."""

    name: str
    """Name: rule, update, access."""
    changes: dict[str, Any]
    """Keys of the configuration that differ from the default."""
    runs: int
    windows: int
    """Windows of all its runs together."""
    steps: int
    """As many of 200 images, of all its runs together."""
    at_once: int
    """Most runs of it that learn together: the study makes batches, which processes share."""
    why_not: str
    """Reason why a card cannot do it, or nothing."""


class Estimate(NamedTuple):
    """Estimated time of something that was not carried out."""

    seconds: float
    parts: dict[str, float]
    """Seconds by what they are spent on."""
    windows: int
    """Number of windows presented."""


def kinds() -> list[Kind]:
    """Return the kinds of runs of `cbram pruning`, as it is planned by default."""
    runs = plan.runs({}, range(SEEDS), plan.FRACTIONS, ("device", "ideal"))
    reasons = {run.name: on_card.why_not_covered(run) for run in runs}
    batches = list(on_card.batches_of(run for run in runs if not reasons[run.name]))
    of_kind: dict[tuple[str, str, str], list[PlannedRun]] = defaultdict(list)
    for run in runs:
        of_kind[_kind_of(run)].append(run)
    found = []
    for kind, members in of_kind.items():
        learned = [_images_learned(run.config) for run in members]
        windows = [n * run.config.encoding.windows for n, run in zip(learned, members, strict=True)]
        at_once = max(sum(_kind_of(run) == kind for run in batch) for batch in batches)
        found.append(Kind(
            ", ".join(kind), dict(zip(("rule", "update", "access"), kind, strict=True)),
            len(members), sum(windows), sum(-(-n // IMAGES_PER_STEP) for n in learned),
            max(at_once, 1), reasons[members[0].name],
        ))  # fmt: skip
    return found


def _kind_of(run: PlannedRun) -> tuple[str, str, str]:
    return run.config.rule, run.config.update, run.config.access


def _images_learned(config: TrainConfig) -> int:
    used = config.train_images or _images_in(config.dataset)
    return config.epochs * (used - config.validation_images)


@cache
def _images_in(dataset: str) -> int:
    return len(load_dataset(dataset).train_images)


def processes() -> int:
    """Return how many processes share a card in a study."""
    return min(on_card.PROCESSES, cores()) if has_dask() and not SIMULATED else 1


def pruning(found: Sequence[Kind], stretches: dict[str, Stretch], host: Host) -> Estimate:
    """Return the time of `cbram pruning`: kinds one after the other, each at its own rate.

    Processes share what there is to do beside the card, which waits meanwhile; in truth it computes
    for another. What a card does not do is done on the cores in the end, one run on each.
    """
    parts = dict.fromkeys((*PARTS, "curves", "answers", "saving", "on cores"), 0.0)
    for kind in found:
        stretch = stretches[kind.name]
        if kind.why_not:
            parts["on cores"] += kind.windows / stretch.rate / min(kind.runs, cores())
        else:
            _add(parts, kind.windows / stretch.kernel_rate, kind.windows, kind.runs, host)
            parts["curves"] += kind.steps * host.curve
            parts["answers"] += kind.runs * host.answering
            parts["saving"] += kind.runs * SAVES * host.saving
    for part in (*PARTS[1:], "curves", "answers", "saving"):
        parts[part] /= processes()
    parts["answers"] += sum(kind.runs for kind in found if not kind.why_not) * host.answered
    return Estimate(sum(parts.values()), parts, sum(kind.windows for kind in found))


def devices(stretch: Stretch, wanted: int, windows: int, host: Host) -> Estimate:
    """Return the time to draw networks of `wanted` devices, and to learn for one epoch.

    In one process. `windows` are those of one network; `stretch` is some steps of such networks.
    """
    parts = dict.fromkeys(PARTS, 0.0)
    _add(parts, wanted * windows / stretch.kernel_rate, wanted * windows, wanted, host)
    return Estimate(sum(parts.values()), parts, wanted * windows)


def _add(parts: dict[str, float], kernels: float, windows: int, runs: int, host: Host) -> None:
    parts["kernels"] += kernels
    parts["beside"] += windows * host.beside
    parts["drawing"] += runs * host.drawing
    parts["bringing"] += runs * host.bringing


def random_devices(base: dict[str, Any], wanted: int) -> list[NetworkConfig]:
    """Return configurations of networks each of whose devices is drawn at random.

    Each parameter of `VARIED` is that of the device times a factor, log-uniform.
    """
    rng = generator(0, "benchmark devices")
    device = NetworkConfig().technology()
    found = []
    for config in seeded(base, wanted):
        factors = FACTOR ** rng.uniform(-1, 1, len(VARIED))
        pairs = zip(VARIED, factors, strict=True)
        found.append(
            config.replace(cell={key: float(getattr(device, key) * x) for key, x in pairs})
        )
    return found


def curve_seconds(network: SpikingNetwork, images: Images, times: int) -> float:
    """Return the time of a learning curve for each step, s."""
    labels, windows = images.labels, network.config.encoding.windows
    curve = LearningCurve(labels, network.config.neurons)
    rng = generator(0, "benchmark curve")
    chosen = rng.integers(0, len(labels), IMAGES_PER_STEP)
    winners = rng.integers(0, network.config.neurons, (IMAGES_PER_STEP, windows), np.int32)
    position, network.position = network.position, 1  # a pass is under way
    start = perf_counter()
    for _ in range(times):
        curve.add(Step(chosen, winners), network)
    seconds = (perf_counter() - start) / times
    network.position = position
    return seconds


def answer_seconds(network: SpikingNetwork, images: Images) -> tuple[float, float]:
    """Return how long naming by all training images and recognition of all test images take, s.

    First what the card computes, then the rest.
    """
    network.responder = respond_to  # type: ignore[method-assign]
    start = perf_counter()
    with watched() as spent:
        network.label(images.train, images.labels)
        network.recognise(images.test, by="position")
    return spent["kernels"], max(perf_counter() - start - spent["kernels"], 0.0)


def save_seconds(network: SpikingNetwork) -> float:
    """Return the time to save a state, s."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        network.save(Path(folder) / "state.npz")
        return perf_counter() - start
