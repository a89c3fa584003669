"""`Run`: one training run, which learns, saves its state, is scored, and writes its folder."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cbramsim.core.errors import DataError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.units import in_prefixed
from cbramsim.experiments import run_folder
from cbramsim.experiments.run_folder import METRICS, STATE
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.data import Data
from cbramsim.experiments.train.learning_curve import LearningCurve
from cbramsim.experiments.train.metrics import metrics_of
from cbramsim.simulator.cuda.coverage import Engine, uses_card, why_not
from cbramsim.simulator.learning.network import SpikingNetwork, Step

SAVE_EVERY = 20.0
"""Seconds between two saves of the state while training."""


class Run:
    """A run, which trains, saves, scores, and writes its folder.

    Attributes
    ----------
    metrics
        Contents of metrics.json, once the run is scored.
    network
        The trained `SpikingNetwork`.
    engine
        Device on which it learns: `cpu`, or `cuda`, a graphics card.
    """

    engine: Literal["cpu", "cuda"] = "cpu"
    fetch: Callable[[], None] = staticmethod(lambda: None)
    """Bring the network back from the device on which it learns."""

    def __init__(
        self,
        config: TrainConfig,
        data: Data,
        network: SpikingNetwork,
        out: Path,
        quiet: bool,
        threads: int | None = None,
    ) -> None:
        self.config, self.data, self.network, self.out = config, data, network, out
        self.curve = LearningCurve(data.train_labels, config.neurons)
        self.initial: NDArray[np.float32] | None = None
        if threads is not None:
            network.threads = threads
        self.metrics: dict[str, Any] = {}
        self.seconds = 0.0
        self.quiet = quiet
        self.sessions = [run_folder.versions()]

    def go(
        self,
        finish: Callable[[Run], Any] | None = None,
        images: NDArray[np.uint8] | None = None,
    ) -> Run:
        """Complete the training, score, and write everything but the figures.

        For the caller, who holds the folder; `finish` as in `run`. `images` are the training
        images, if they are prepared already.
        """
        try:
            if images is None:
                images = self.network.prepare(self.data.train_images)
            self.check_images(images)
            self._train(images)
            del images
            self.score()
        except KeyboardInterrupt as interrupt:
            saved = "the state is saved; " if (self.out / STATE).is_file() else ""
            interrupt.add_note(f"{saved}go on with: {self._again}")
            raise
        if finish:
            finish(self)
        return self

    def learn(self, going: Callable[[Step], bool]) -> None:
        """Train as long as `going` returns true after each step; for the caller, who holds the
        folder."""
        with suppress(_Enough):
            self._train(self.network.prepare(self.data.train_images), going)

    def score(self) -> None:
        """Label, score, and write the metrics; for the caller, who holds the folder."""
        network, data = self.network, self.data
        for phase in ("label", self.config.scored_on):
            network.ledger.clear(phase)
        count = data.label_count
        network.label(data.train_images[:count], data.train_labels[:count])
        data.drop_training_images()
        self.save()  # the state is kept as it is before time passes
        network.wait(self.config.wait, celsius=self.config.wait_celsius)
        found = network.recognise(data.score_images, phase=self.config.scored_on, by="position")
        learned = self.config.epochs * data.train_count
        self.metrics = metrics_of(self.config, data, network, found) | {
            "training_seconds": self.seconds,
            "images_per_second": learned / self.seconds if self.seconds else None,
            "engine": self.engine,
            "learning_curve": self.curve.to_dict(),
            "versions": self.sessions[-1],
            "earlier_versions": self.sessions[:-1],
        }
        with held_back_interrupts():
            run_folder.write_config(self.out, self.config)
            run_folder.write_json(self.out / METRICS, self.metrics, allow_nan=False)
            run_folder.clear_figures(self.out)

    def save(self, path: Path | None = None) -> None:
        """Write the state to `path`, by default state.npz of the run."""
        assert self.initial is not None
        self.fetch()
        extra = self.curve.to_arrays() | {
            "initial": self.initial,
            "seconds": np.array(self.seconds),
            "labels": np.array(self.label_fingerprint),
            "classes": np.array(json.dumps(self.data.class_names, ensure_ascii=False)),
            "epochs": np.array(self.config.epochs),
            "versions": np.array(json.dumps(self.sessions)),
        }
        self.network.save(path or self.out / STATE, **extra)

    def on(self, engine: Engine) -> Run:
        """Let the run learn on an engine, and return it; a run that a card cannot do stays on a
        processor.

        `auto` is a processor: one network alone learns no faster on a card.

        Raises
        ------
        CbramError
            If `cuda` is requested and something is missing.
        """
        if engine == "auto" or not uses_card(engine):
            return self
        if reason := why_not(self.network.config, self.network.device, self.network.own):
            logging.getLogger("cbramsim").warning("the run is done on a processor: %s", reason)
            return self
        from cbramsim.simulator.cuda.answers import respond_to

        self.engine, self.network.responder = "cuda", respond_to
        return self

    def note_initial(self) -> None:
        """Store the conductances before learning, for figures."""
        if self.initial is None:
            self.initial = self.network.crossbar.conductance.copy()

    def amend(self, **facts: Any) -> None:
        """Add facts about a finished run to metrics.json."""
        with run_folder.held(self.out):
            self.metrics |= facts
            run_folder.write_json(self.out / METRICS, self.metrics, allow_nan=False)

    def draw(self) -> None:
        """Write the figures of a finished run, and the report that shows them."""
        # matplotlib takes longer to import than a small run takes
        from cbramsim.experiments.train import figures, report

        network, data = self.network, self.data
        assert self.initial is not None
        try:
            with run_folder.held(self.out):
                figures.receptive_fields(network, data.image_shape, self.out)
                figures.weight_histogram(network, self.initial, self.out)
                figures.energy(network.ledger, self.out)
                figures.learning(self.curve.to_dict(), data.train_count, self.out)
                counts = np.array(self.metrics["confusion"])
                figures.confusion(counts, data.class_names, self.out)
                config = self.config.model_dump(exclude_none=True)
                report.write(self.out, config, self.metrics)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"figures are missing; draw with: {self._again}")
            raise

    @property
    def label_fingerprint(self) -> int:
        """Fingerprint that distinguishes the labels of the training images from others."""
        return zlib.crc32(np.ascontiguousarray(self.data.train_labels).data)

    def _train(
        self, images: NDArray[np.uint8], going: Callable[[Step], bool] = lambda step: True
    ) -> None:
        network, total = self.network, self.config.epochs * len(images)
        self.note_initial()
        clock = _Clock(self.seconds)
        bar = tqdm(
            total=total, initial=network.images_seen, unit=" images", desc="preparing kernels",
            disable=self.quiet,
            mininterval=0.2 if sys.stderr.isatty() else 10, dynamic_ncols=True,
        )  # fmt: skip

        def after_step(step: Step) -> None:
            self.curve.add(step, network)
            self.seconds = clock.seconds()
            bar.set_description(
                f"epoch {min(network.passes + 1, self.config.epochs)}/{self.config.epochs}",
                refresh=False,
            )
            bar.set_postfix_str(
                f"{in_prefixed(network.ledger.total('train'), 'J')}, "
                f"{network.pruner.fraction:.0%} pruned",
                refresh=False,
            )
            bar.update(len(step.images))
            if not going(step):
                raise _Enough
            if clock.due(SAVE_EVERY):
                self.save()

        with held_back_interrupts():  # a second Ctrl-C does not cost what the first one saves
            try:
                with bar:
                    self._learn_from(images, after_step)
            except KeyboardInterrupt:
                self.save()
                raise
            self.save()

    def _learn_from(self, images: NDArray[np.uint8], after_step: Callable[[Step], None]) -> None:
        """Learn on the engine of the run."""
        epochs = self.config.epochs
        if self.engine == "cpu":
            self.network.resume(images, self.data.train_labels, epochs=epochs, callback=after_step)
            return
        from cbramsim.simulator.cuda.networks import Together

        together = Together([self.network], images, [epochs])
        self.fetch = lambda: together.fetch(0)
        for ((_, step),) in together.steps():
            after_step(step)

    def check_images(self, images: NDArray[np.uint8]) -> None:
        """Refuse images that are not those of the run so far, or invalid images of the score."""
        network = self.network
        if network.images_seen and network.pass_images[1] != zlib.crc32(images.data):
            raise DataError("out: the images are not those that the run has learned from")
        network.select_pixels(self.data.score_images)

    @property
    def _again(self) -> str:
        """Command that continues this run."""
        return f"cbram train --resume --out {shlex.quote(str(self.out))}"


class _Enough(Exception):
    """Signal that the training is to end."""


class _Clock:
    """Training time over several sessions, and the time of the next save."""

    def __init__(self, before: float) -> None:
        self._start = time.perf_counter() - before
        self._saved = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def due(self, interval: float) -> bool:
        if time.perf_counter() - self._saved < interval:
            return False
        self._saved = time.perf_counter()
        return True
