"""Runs that learn together on a graphics card, each in a folder of its own, as in `train.run`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import CbramError, DataError
from cbramsim.experiments import run_folder
from cbramsim.experiments.run_folder import CONFIG, STATE
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.data import Data
from cbramsim.experiments.train.resuming import taken_up
from cbramsim.experiments.train.training import Run
from cbramsim.simulator.cuda.networks import Together, alike, fitting
from cbramsim.simulator.images.datasets import Dataset, load_dataset
from cbramsim.simulator.learning.network import SpikingNetwork

SAVE_EVERY = 60.0
"""Seconds between two saves of all runs of a batch."""


class Wanted(NamedTuple):
    """A run to do."""

    config: TrainConfig
    """Configuration of the run."""
    out: Path
    """Folder of the run."""


class Told(NamedTuple):
    """Functions that are called as runs end."""

    done: Callable[[Run], Any]
    """Function called with a run that is scored, and whose folder is free."""
    failed: Callable[[Path, Exception], Any]
    """Function called with the folder of a run that failed, and its error."""
    step: Callable[[int], Any] = lambda images: None
    """Function called with the number of images learned or answered since its last call."""


def run_together(wanted: Sequence[Wanted], told: Told, share: float = 1.0) -> None:
    """Do runs, or the rest of them, on a graphics card, as many at a time as fit.

    The state of all is saved every minute, and after Ctrl-C. A run that cannot be begun or scored
    does not stop the others.

    Parameters
    ----------
    wanted
        The runs; all learn from one data set, and a card can do each of them, see
        `coverage.why_not`.
    told
        Functions for those that end.
    share
        Part of the memory of the card that may be used.
    """
    loaded = load_dataset(wanted[0].config.dataset, quiet=True)
    begin, groups = _Beginner(loaded), defaultdict(list)
    with ExitStack() as all_held:
        for one in wanted:
            try:
                begun = begin(one, all_held.enter_context(ExitStack()))
            except (CbramError, OSError, ValueError) as error:
                told.failed(one.out, error)
            else:
                groups[begun.key].append(begun)
        for group in groups.values():
            networks = [begun.run.network for begun in group]
            for batch in fitting(networks, group[0].images, share):
                _learn([group[n] for n in batch], told)


class _Begun(NamedTuple):
    """A run that is begun, or continued."""

    run: Run
    images: NDArray[np.uint8]
    """Images from which it learns, as `SpikingNetwork.prepare` returned them."""
    key: Any
    """Key that is equal in runs that can learn together."""
    holding: ExitStack
    """Hold on its folder."""


class _Beginner:
    """Maker of runs, new ones or interrupted ones; images are prepared once."""

    def __init__(self, loaded: Dataset) -> None:
        self._loaded = loaded
        self._data: dict[Any, Data] = {}
        self._prepared: dict[Any, tuple[SpikingNetwork, NDArray[np.uint8]]] = {}

    def __call__(self, wanted: Wanted, holding: ExitStack) -> _Begun:
        config, out = wanted
        sizes = (
            config.train_images, config.test_images, config.label_images, config.validation_images,
        )  # fmt: skip
        if sizes not in self._data:
            self._data[sizes] = Data(config, self._loaded)
        data = copy(self._data[sizes])  # a run lets go of its images when they are learned
        run = self._interrupted(out, data, holding) or self._new(config, out, data, holding)
        network = run.network
        key = sizes, network.config.inputs, network.config.encoding.levels
        if key not in self._prepared:
            self._prepared[key] = network, network.prepare(data.train_images)
        known, images = self._prepared[key]
        if not network.layers:
            network.prepare_like(known)
        run.check_images(images)
        run.note_initial()
        run.on("cuda")
        return _Begun(run, images, (key, alike(network)), holding)

    def _interrupted(self, out: Path, data: Data, holding: ExitStack) -> Run | None:
        if not (out / CONFIG).is_file() or not (out / STATE).is_file():
            return None
        try:
            with ExitStack() as held:
                held.enter_context(run_folder.held(out))
                run = taken_up(out, None, data, True, 1)
                holding.enter_context(held.pop_all())
        except DataError:
            return None
        return run

    def _new(self, config: TrainConfig, out: Path, data: Data, holding: ExitStack) -> Run:
        resolved = data.resolve(config)
        network = SpikingNetwork(resolved.network())
        holding.enter_context(run_folder.writing(out, force=True))
        run_folder.begin(out, resolved)
        return Run(resolved, data, network, out, quiet=True, threads=1)


def _learn(batch: list[_Begun], told: Told) -> None:
    """Let runs learn together, and score each."""
    runs = [begun.run for begun in batch]
    networks, epochs = [run.network for run in runs], [run.config.epochs for run in runs]
    together = Together(networks, batch[0].images, epochs)
    before = [run.seconds for run in runs]
    started = saved = time.perf_counter()

    def save() -> None:
        """Save all runs; each is charged its share of the time."""
        part = (time.perf_counter() - started) / len(runs)
        for n, run in enumerate(runs):
            together.fetch(n)
            run.seconds = before[n] + part
            run.save()

    try:
        for steps in together.steps():
            for n, step in steps:
                runs[n].curve.add(step, runs[n].network)
            told.step(sum(len(step.images) for _, step in steps))
            if time.perf_counter() - saved > SAVE_EVERY:
                save()
                saved = time.perf_counter()
    finally:
        save()
    for begun in batch:
        try:
            begun.run.score()
            begun.holding.close()
            told.done(begun.run)
        except (CbramError, OSError, ValueError) as error:
            told.failed(begun.run.out, error)
