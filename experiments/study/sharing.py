"""Shared trainings: runs with the same training up to some point share it up to there.

Until its first neuron is mature, a network with pruning learns the same as one without; a shorter
training is the beginning of a longer one; and the steps after training (pruning of the finished
network, waiting, labelling, scoring) do not affect it. So one unpruned training, the trunk, saves
its state where runs part from it, and each of them continues from there, with the same bits as if
it had trained alone.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbramsim import __version__
from cbramsim.core.errors import DataError
from cbramsim.experiments import run_folder, train
from cbramsim.experiments.run_folder import CONFIG, STATE
from cbramsim.experiments.study.cases import PlannedRun
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.learning.network import SpikingNetwork, Step
from cbramsim.simulator.learning.state_file import read_state, write_state

AFTER = ("epochs", "wait", "wait_celsius", "compensation", "label_images", "test_images")
"""Keys that do not affect the learning from the images of a pass."""
STEPS_AHEAD = 3
"""Steps of training, at their most output spikes, by which a state is kept before a neuron can be
mature."""


class Point(NamedTuple):
    """Point at which a run parts from its trunk."""

    images: int
    """Images learned by then, at most."""
    spikes: float = math.inf
    """Output spikes that a neuron fires before it may be pruned; inf if none is, in training."""

    @property
    def file(self) -> str:
        """Name of the state that is saved there."""
        return f"{self.images}-{self.spikes:g}.npz"


class Trunk(NamedTuple):
    """A training that several runs share."""

    name: str
    """Name of its folder."""
    config: TrainConfig
    """Configuration of the training, unpruned."""
    points: tuple[Point, ...]
    """Points at which the state is kept."""
    begins: dict[str, str]
    """Name of a run -> the state from which it continues."""
    shared: dict[str, int]
    """Name of a run -> the approximate number of images that it need not learn itself."""
    images: int
    """Approximate number of images that the trunk learns."""


def trunks_of(runs: Iterable[PlannedRun], learned: Callable[[PlannedRun], int]) -> list[Trunk]:
    """Return the trainings that several of `runs`, none of them begun, share.

    `learned` returns the number of images that a run learns in each epoch.
    """
    groups: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        if not run.config.later_layers:
            groups[_trunk_config(run.config).model_dump_json()].append(run)
    return [_trunk(key, group, learned) for key, group in groups.items() if len(group) > 1]


def _trunk_config(config: TrainConfig) -> TrainConfig:
    """Return the configuration that runs with a shared training have in common."""
    fields = type(config).model_fields
    plain = {key: fields[key].default for key in AFTER}
    return config.replace(**plain, pruning={"kind": "none"}).resolved_paths()


def _trunk(key: str, group: list[PlannedRun], learned: Callable[[PlannedRun], int]) -> Trunk:
    points = {run.name: point_of(run.config, learned(run)) for run in group}
    name = "trunk-" + sha256(f"{__version__} {key}".encode()).hexdigest()[:16]
    windows, neurons = group[0].config.encoding.windows, group[0].config.neurons

    def reached(point: Point) -> int:
        """Return the approximate number of images learned at a point: neurons fire nearly equally
        often."""
        return int(min(point.images, 0.9 * point.spikes * neurons / windows))

    shared = {run.name: reached(points[run.name]) for run in group}
    epochs = max(run.config.epochs for run in group)
    config = _trunk_config(group[0].config).replace(epochs=epochs)
    begins = {run: point.file for run, point in points.items()}
    return Trunk(
        name, config, tuple(dict.fromkeys(points.values())), begins, shared, max(shared.values())
    )


def point_of(config: TrainConfig, learned: int) -> Point:
    """Return the point at which a run parts from an unpruned training of the same network.

    `learned` images are learned in an epoch.
    """
    pruning, end = config.pruning, config.epochs * learned
    idle = pruning.kind == "none" or pruning.fraction == 0
    if idle or pruning.maturity == "trained":
        return Point(end)
    return Point(end, pruning.mature_spikes / pruning.stages)


def train_trunk(config: dict[str, Any], folder: str, points: Iterable[Iterable[Any]]) -> float:
    """Train until the last of some points, and save the state at each: the task of a trunk.

    Returns how long that took, s.

    A point that is passed before its state could be kept has none: runs then train on their own.
    """
    started = time.perf_counter()
    wanted, out = TrainConfig(**config), Path(folder)
    left = [point for point in (Point(*p) for p in points) if not (out / point.file).is_file()]
    if not left:
        return 0.0
    data = train.Data(wanted, quiet=True)
    wanted = data.resolve(wanted)
    out.mkdir(parents=True, exist_ok=True)
    with run_folder.held(out):
        run_folder.begin(out, wanted)
        training = train.Run(
            wanted, data, SpikingNetwork(wanted.network()), out, quiet=True, threads=1
        )
        training.learn(_Watch(training, left).look)
    return time.perf_counter() - started


class _Watch:
    """Watcher of a training, which saves its state at some points, and ends it."""

    def __init__(self, training: train.Run, left: list[Point]) -> None:
        self.training, self.left = training, left
        self.highest, self.step = 0, 0

    def look(self, step: Step) -> bool:
        """Return whether to continue."""
        network = self.training.network
        highest, images = int(network.spike_counts.max()), network.images_seen
        self.step = max(self.step, highest - self.highest)
        self.highest = highest
        soon = highest + STEPS_AHEAD * self.step
        for point in [p for p in self.left if images >= p.images or soon >= p.spikes]:
            if images <= point.images and highest < point.spikes:
                self.training.save(self.training.out / point.file)
            self.left.remove(point)
        return bool(self.left)


def branch_off(config: TrainConfig, out: Path, begin: Path) -> train.Data | None:
    """Make a new run in `out` that continues from the state of its trunk, and return its images.

    None if it was begun before, or if there is no such state.
    """
    if (out / CONFIG).is_file() or not begin.is_file():
        return None
    data = train.Data(config, quiet=True)
    wanted = data.resolve(config)
    try:
        state = read_state(begin)
    except DataError:
        return None
    state["config"] = np.array(wanted.network().model_dump_json())
    state["extra_epochs"] = np.array(wanted.epochs)
    state.pop("version", None)
    with run_folder.writing(out, force=True):
        run_folder.begin(out, wanted)
        write_state(out / STATE, state)
    return data
