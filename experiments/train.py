"""`cbram train`: learn a dataset inside the array, and account for every joule."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from tqdm import tqdm

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.toml_files import read_toml
from cbramsim.core.units import in_prefixed
from cbramsim.devices.endurance import YEAR
from cbramsim.devices.retention import COLDEST, HOTTEST
from cbramsim.experiments import run_folder
from cbramsim.experiments.learning_curve import LearningCurve
from cbramsim.experiments.run_folder import CONFIG, METRICS, STATE
from cbramsim.simulator.array.lifetime import LONGEST_WAIT
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset, load_dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork, Step
from cbramsim.simulator.learning.state_checks import EXTRA, LONGEST, conductance_bounds
from cbramsim.simulator.learning.state_file import Entry, check_entries, read_state

SAVE_EVERY = 20.0
"""Seconds between two saves of the state while training."""

Count = Annotated[int | None, Field(ge=1)]


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError(f"must be a name or a path (got {text!r})")
    return text


class TrainConfig(NetworkConfig):
    """A training run: a network and its data."""

    dataset: Annotated[str, AfterValidator(_path)] = "mnist"
    """`mnist` (bundled), a folder of IDX files or the beginning of their names, a folder of
    pictures (`train/CLASS/*.png`, `test/CLASS/*.png`), or a `.npz` file."""
    train_images: Count = None
    """Training images to use, the first of the file; all by default."""
    test_images: Count = None
    """Test images to score, the first of the file; all by default."""
    label_images: Count = None
    """Training images whose labels name the neurons, the first used; all by default."""
    validation_images: Annotated[int, Field(ge=0)] = 0
    """If above 0: hold this many training images back, the last of those used, and score on them
    instead of the test set. For tuning."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 3
    """Passes over the training images."""
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT)] = 0.0
    """Seconds between training and scoring, in which cells drift and relax."""
    wait_celsius: Annotated[float, Field(gt=COLDEST, le=HOTTEST)] = 25.0
    """Temperature of that time, °C."""

    def resolved_paths(self) -> TrainConfig:
        """Return the same with absolute paths, so that it means the same everywhere."""
        dataset = self.dataset
        return self.replace(
            dataset=dataset if dataset == "mnist" else os.path.realpath(dataset),
            device=_absolute(self.device),
            periphery=_absolute(self.periphery),
        )

    def network(self) -> NetworkConfig:
        """Return the part that defines the network."""
        return NetworkConfig(**{name: getattr(self, name) for name in NetworkConfig.model_fields})


class Data:
    """The images of a run, split as its config says."""

    def __init__(
        self, config: TrainConfig, loaded: Dataset | None = None, *, quiet: bool = False
    ) -> None:
        data = loaded or load_dataset(config.dataset, quiet=quiet)
        used = _limited("train_images", config.train_images, len(data.train_images))
        held_back = config.validation_images
        if held_back >= used:
            raise ParameterError(
                f"TrainConfig.validation_images: must be a whole number >= 0 and < {used}, the "
                f"training images used (got {held_back})"
            )
        learned = used - held_back
        self.image_shape = data.train_images.shape[1:]
        self.train_count = learned
        self.train_images = data.train_images[:learned]
        self.train_labels = data.train_labels[:learned]
        self.label_count = _limited("label_images", config.label_images, learned)
        if held_back:
            self.score_images = data.train_images[learned:used]
            self.score_labels = data.train_labels[learned:used]
        else:
            tested = _limited("test_images", config.test_images, len(data.test_images))
            self.score_images = data.test_images[:tested]
            self.score_labels = data.test_labels[:tested]
        self.classes = _classes(data)
        self.class_names = data.classes

    def drop_training_images(self) -> None:
        """Free the memory of the training images once they are learned and labelled."""
        self.train_images = self.train_images[:0].copy()

    def resolve(self, config: TrainConfig) -> TrainConfig:
        """Return `config` with the numbers of images filled in."""
        tested = {} if config.validation_images else {"test_images": len(self.score_images)}
        pixels = int(np.prod(self.image_shape))
        return config.resolved_paths().replace(
            inputs=config.inputs and min(config.inputs, pixels),
            train_images=self.train_count + config.validation_images,
            label_images=self.label_count,
            **tested,
        )


def run(
    config: TrainConfig,
    out: Path,
    *,
    force: bool = False,
    quiet: bool = False,
    threads: int | None = None,
    finish: Callable[[Run], Any] | None = None,
) -> Run:
    """Train from scratch into the folder `out`, score, and return the run, its figures undrawn.

    Parameters
    ----------
    config
        What to do.
    out
        The folder to write.
    force
        Overwrite the run in that folder.
    quiet
        Show no progress.
    threads
        Threads for labelling and scoring; one per core by default.
    finish
        What to do with the run once it is scored, while nobody else may write its folder: such
        as `Run.draw`.

    Raises
    ------
    CbramError
        If the data or the configuration is wrong, or if `out` exists, cannot be written, or is
        being written by another process.
    KeyboardInterrupt
        After Ctrl-C, with the state saved. Its notes say how to go on.
    """
    data = Data(config, quiet=quiet)
    config = data.resolve(config)
    network = SpikingNetwork(config.network())
    with run_folder.writing(out, force=force):
        images = network.prepare(data.train_images)  # refuses what is too large
        run_folder.begin(out, config)
        return Run(config, data, network, out, quiet, threads).go(finish, images)


def resume(
    out: Path,
    epochs: int | None = None,
    *,
    quiet: bool = False,
    threads: int | None = None,
    finish: Callable[[Run], Any] | None = None,
) -> Run:
    """Go on with the run in the folder `out`, to the same end as if it had not been interrupted.

    While a finished run is trained longer, its config.toml, metrics.json and figures stay as they
    are. They are replaced together when the longer run is scored; until then, only state.npz is
    ahead of them, and knows how far it is to go.

    Parameters
    ----------
    out
        The folder of the run.
    epochs
        A new number of epochs, for training longer than first asked for.
    quiet, threads, finish
        As in `run`.

    Raises
    ------
    CbramError, KeyboardInterrupt
        As in `run`.
    """
    run_folder.check_run(out)
    with run_folder.held(out):
        job = _taken_up(out, epochs, quiet, threads)
        if not (out / METRICS).is_file():
            run_folder.write_config(out, job.config)
        return job.go(finish)


def _taken_up(out: Path, epochs: int | None, quiet: bool, threads: int | None) -> Run:
    """Return the run in a folder, as it was saved, and say there how long it is to be."""
    config = TrainConfig(**read_toml(out / CONFIG))
    state = read_state(out / STATE) if (out / STATE).is_file() else None
    if epochs is None and state and (out / METRICS).is_file():
        epochs = max(config.epochs, _epochs_asked_for(state, out / STATE))
    if epochs is not None:
        config = config.replace(epochs=epochs)
    data = Data(config, quiet=quiet)
    if state is None:
        return Run(config, data, SpikingNetwork(config.network()), out, quiet, threads)
    network = SpikingNetwork.from_state(state, out / STATE)
    if network.config != config.network():
        raise CbramError(f"out: {out / STATE} and {out / CONFIG} are of different runs")
    if network.passes > config.epochs:
        raise ParameterError(
            f"TrainConfig.epochs: must be a whole number >= {network.passes}, the passes already "
            f"complete (got {config.epochs})"
        )
    job = Run(config, data, network, out, quiet, threads)
    job.restore(state)
    job.save()
    return job


class Run:
    """One run: trains, saves, scores, and writes its folder.

    Attributes
    ----------
    metrics
        What metrics.json holds, once the run is scored.
    network
        The trained `SpikingNetwork`.
    """

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

    @property
    def scored_on(self) -> str:
        """Which images the run is scored on, and the phase of the ledger: test or validation."""
        return "validation" if self.config.validation_images else "test"

    def go(
        self,
        finish: Callable[[Run], Any] | None = None,
        images: NDArray[np.uint8] | None = None,
    ) -> Run:
        """Train what is left to train, score, and write everything but the figures.

        For the caller, who holds the folder; `finish` as in `run`. `images` are the training
        images, if they are prepared already.
        """
        try:
            if images is None:
                images = self.network.prepare(self.data.train_images)
            self._check_images(images)
            self._train(images)
            del images
            self._finish()
        except KeyboardInterrupt as interrupt:
            saved = "the state is saved; " if (self.out / STATE).is_file() else ""
            interrupt.add_note(f"{saved}go on with: {self._again}")
            raise
        if finish:
            finish(self)
        return self

    @property
    def _again(self) -> str:
        """The command that goes on with this run."""
        return f"cbram train --resume --out {shlex.quote(str(self.out))}"

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take up the learning curve and the clock of a saved state."""
        extra = {
            key.removeprefix(EXTRA): value for key, value in arrays.items() if key.startswith(EXTRA)
        }
        network = self.network
        _, highest = conductance_bounds(network.device)
        try:
            check_entries(extra, self.curve.entries(network.images_seen) | {
                "initial": Entry(network.crossbar.shape, np.float32, 0, highest),
                "seconds": Entry((), float, 0, LONGEST),
                "labels": Entry((), np.int64, 0, 2**32 - 1),
            })  # fmt: skip
            if int(extra["labels"]) != self._label_fingerprint():
                raise DataError("out: the labels are not those of the interrupted run")
            self._check_progress()
            self.curve.restore(extra)
            self.initial = extra["initial"]
            self.seconds = float(extra["seconds"])
            self.sessions = _with_now(extra.get("versions"))
        except DataError:
            raise
        except (ValueError, RecursionError) as error:
            raise DataError(f"out: {self.out / STATE} is not of a run ({error})") from None

    def _check_progress(self) -> None:
        """Refuse a network that has seen other images than those of this run."""
        network, images = self.network, self.data.train_count
        seen = network.passes * images + network.position
        if network.images_seen != seen or (seen and network.pass_images[0] != images):
            raise ValueError(
                f"progress must be of passes over {images:,} images (got {network.passes:,} "
                f"passes, {network.position:,} of {network.pass_images[0]:,}, "
                f"{network.images_seen:,} in all)"
            )
        spikes = seen * self.config.encoding.windows
        for layer in network.layers:
            if layer.ledger.count("train", Operation.OUTPUT_SPIKE) != spikes:
                raise ValueError(
                    f"ledger_counts must be {spikes:,} output spikes in the phase train"
                )
            pulses = layer.ledger.count("train", Operation.PROGRAM_LINE)
            if layer.config.rule == "device" and layer.crossbar.wear().pulses != pulses:
                raise ValueError(f"wear must be {pulses:,} pulses, those of the ledger")

    def _check_images(self, images: NDArray[np.uint8]) -> None:
        """Refuse images that are not those of the run so far; and those of the score, if wrong."""
        network = self.network
        if network.images_seen and network.pass_images[1] != zlib.crc32(images.data):
            raise DataError("out: the images are not those that the run has learned from")
        network.select_pixels(self.data.score_images)

    def _label_fingerprint(self) -> int:
        return zlib.crc32(np.ascontiguousarray(self.data.train_labels).data)

    def learn(self, going: Callable[[Step], bool]) -> None:
        """Train for as long as `going` says so after each step; for the caller, who holds the
        folder."""
        with suppress(_Enough):
            self._train(self.network.prepare(self.data.train_images), going)

    def _train(
        self, images: NDArray[np.uint8], going: Callable[[Step], bool] = lambda step: True
    ) -> None:
        network, total = self.network, self.config.epochs * len(images)
        if self.initial is None:
            self.initial = network.crossbar.conductance.copy()
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
                    network.resume(images, epochs=self.config.epochs, callback=after_step)
            except KeyboardInterrupt:
                self.save()
                raise
            self.save()

    def save(self, path: Path | None = None) -> None:
        """Write the state to `path`, by default state.npz of the run."""
        assert self.initial is not None
        extra = self.curve.to_arrays() | {
            "initial": self.initial,
            "seconds": np.array(self.seconds),
            "labels": np.array(self._label_fingerprint()),
            "classes": np.array(json.dumps(self.data.class_names, ensure_ascii=False)),
            "epochs": np.array(self.config.epochs),
            "versions": np.array(json.dumps(self.sessions)),
        }
        self.network.save(path or self.out / STATE, **extra)

    def _finish(self) -> None:
        """Label, score, and write the metrics."""
        network, data = self.network, self.data
        for phase in ("label", self.scored_on):
            network.ledger.clear(phase)
        count = data.label_count
        network.label(data.train_images[:count], data.train_labels[:count])
        data.drop_training_images()
        self.save()  # the state is kept as it is before time passes
        network.wait(self.config.wait, celsius=self.config.wait_celsius)
        found = network.recognise(data.score_images, phase=self.scored_on, by="position")
        self.metrics = self._metrics(found.profile, found.majority)
        with held_back_interrupts():
            run_folder.write_config(self.out, self.config)
            run_folder.write_json(self.out / METRICS, self.metrics, allow_nan=False)
            run_folder.clear_figures(self.out)

    def amend(self, **facts: Any) -> None:
        """Add facts about a finished run to metrics.json."""
        with run_folder.held(self.out):
            self.metrics |= facts
            run_folder.write_json(self.out / METRICS, self.metrics, allow_nan=False)

    def draw(self) -> None:
        """Write the figures of a finished run, and the report that shows them."""
        # matplotlib takes longer to import than a small run takes
        from cbramsim.experiments import figures, run_report

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
                run_report.write(self.out, config, self.metrics)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"figures are missing; draw with: {self._again}")
            raise

    def _metrics(self, profile: NDArray[np.int64], majority: NDArray[np.int64]) -> dict[str, Any]:
        config, network, truth = self.config, self.network, self.data.score_labels
        scored_on = self.scored_on
        per_neuron = network.pruner.fraction_per_neuron
        learned = config.epochs * self.data.train_count
        images = {"train": learned, "label": network.labels_used, scored_on: len(truth)}
        totals = network.ledger.totals()
        return {
            f"{scored_on}_accuracy": float((profile == truth).mean()),
            f"{scored_on}_accuracy_majority": float((majority == truth).mean()),
            f"{scored_on}_images": len(truth),
            "labels_used": network.labels_used,
            "train_images": self.data.train_count,
            "epochs": config.epochs,
            "neurons": config.neurons,
            "inputs": network.crossbar.shape[0],
            "grey_levels": network.grey_levels._asdict(),
            "competition_scale": network.layers[0].competition_scale,
            "device": config.device,
            "rule": config.rule,
            "pruning": config.pruning.kind,
            "pruned_fraction": network.pruner.fraction,
            "pruned_fraction_per_neuron": {
                "mean": float(per_neuron.mean()),
                "min": float(per_neuron.min()),
                "max": float(per_neuron.max()),
            },
            "pruned_fraction_target": config.pruning.fraction,
            "mature_neurons": int(network.pruner.mature.sum()),
            "missed_cells": network.pruner.missed,
            "seed": config.seed,
            "wear": wear(network, learned),
            "wires": wires(network),
            "serial_write_seconds": serial_write_seconds(network),
            "simulated_seconds": learned * config.encoding.windows * config.encoding.window,
            "training_seconds": self.seconds,
            "images_per_second": learned / self.seconds if self.seconds else None,
            "energy": network.ledger.to_dict(),
            "energy_joules": totals,
            "energy_joules_per_image": {phase: totals[phase] / n for phase, n in images.items()},
            "classes": list(self.data.class_names),
            "confusion": _confusion(truth, profile, self.data.classes).tolist(),
            "device_parameters": network.device.to_table(),
            "periphery_parameters": network.periphery.to_table(),
            "learning_curve": self.curve.to_dict(),
            "parameter_evidence": evidence(network),
            "layers": [
                {
                    "neurons": layer.config.neurons,
                    "pruned_fraction": layer.pruner.fraction,
                    "energy_joules": layer.ledger.totals(),
                }
                for layer in network.layers
            ],
            "scored_on": scored_on,
            "versions": self.sessions[-1],
            "earlier_versions": self.sessions[:-1],
        }


def wear(network: SpikingNetwork, images: int) -> dict[str, Any]:
    """Return what a job of `images` has worn, and how many years it could go on as it does.

    At the rate at which the array itself presents images; None if wear is not modelled.
    """
    encoding = network.config.encoding
    found = network.crossbar.wear(images)
    rate = 1 / (encoding.windows * encoding.window)
    years = found.years(rate)
    finite = years if years < float("inf") else None
    return found._asdict() | {"images_per_second": rate, "years": finite}


def wires(network: SpikingNetwork) -> dict[str, Any]:
    """Return what lines have done to the reads of a network.

    `seen`, the part of the conductance of the cells that reads see; `error`, the largest of a mean
    read while learning; `scatter`, that of a single read by its fit (root mean square), where cells
    are not ohmic; and how often the lines were solved for.
    """
    reads = network.crossbar.wired
    if reads is None:
        return {"seen": 1.0, "error": 0.0, "scatter": 0.0, "solutions": 0}
    cells = network.crossbar.conductance
    seen = float(reads.conductance(cells).sum() / cells.sum())
    of_a_read = {"error": reads.error, "scatter": reads.scatter}
    return {"seen": seen, **of_a_read, "solutions": reads.solutions}


def serial_write_seconds(network: SpikingNetwork) -> float:
    """Return how long programming would take, pulse after pulse, s.

    That is one cell at a time, as a controller with one write driver does. Pulses that take pruned
    cells to their value are of either polarity; they count as the longer of the two.
    """
    device, account = network.device, network.ledger.account("train")
    sets, resets, others = (
        sum(int(account.counts[operation]) for operation in operations)
        for operations in (
            (Operation.LTP_PULSE, Operation.BIT_SET),
            (Operation.LTD_PULSE, Operation.BIT_RESET),
            (Operation.PRUNE_SET_PULSE,),
        )
    )
    longer = max(device.t_set, device.t_reset)
    return sets * device.t_set + resets * device.t_reset + others * longer


def evidence(network: SpikingNetwork) -> dict[str, dict[str, str]]:
    """Return the evidence grade of every physical parameter, by device and periphery."""
    return {
        source.name: {key: source.evidence(key).evidence for key in source.stated_parameters()}
        for source in (network.device, network.periphery)
    }


def summary(metrics: dict[str, Any]) -> str:
    """Return what a run found, for people."""
    scored_on = metrics["scored_on"]
    per_image = metrics["energy_joules_per_image"]
    lines = [
        f"{scored_on} accuracy      {metrics[f'{scored_on}_accuracy']:.2%} (class-profile vote), "
        f"{metrics[f'{scored_on}_accuracy_majority']:.2%} (majority vote), "
        f"{metrics['labels_used']:,} training labels",
        f"pruning            {metrics['pruning']}, {metrics['pruned_fraction']:.1%} of the weights",
        "energy             "
        + ", ".join(f"{k} {in_prefixed(v, 'J')}" for k, v in metrics["energy_joules"].items()),
        "energy per image   "
        + ", ".join(f"{phase} {in_prefixed(v, 'J')}" for phase, v in per_image.items()),
        f"training time      {metrics['training_seconds']:.1f} s",
    ]
    assumed = [
        key for part in metrics["parameter_evidence"].values()
        for key, grade in part.items() if grade == "assumed"
    ]  # fmt: skip
    total = sum(len(part) for part in metrics["parameter_evidence"].values())
    lines.append(f"evidence           {len(assumed)} of {total} physical parameters are assumed")
    behind = metrics["wires"]
    if behind["solutions"]:
        lines.append(
            f"wires              reads see {behind['seen']:.1%} of the conductance; solved for "
            f"{behind['solutions']} times while learning, mean reads right to {behind['error']:.2%}"
            + (f", single ones to {behind['scatter']:.2%}" if behind["scatter"] else "")
        )
    worn = metrics["wear"]
    if worn["years"] is not None:
        rate, life = worn["images_per_second"], in_prefixed(worn["years"] * YEAR, "s")
        lines.append(
            f"wear               the hottest cell got {worn['hottest']:,} pulses, and is worn out "
            f"after {life} at {rate:g} images per second"
        )
    return "\n".join(lines)


class _Enough(Exception):
    """Training has gone on for as long as it was to."""


class _Clock:
    """Training time over several sessions, and when the next save is due."""

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


def _epochs_asked_for(state: dict[str, NDArray[Any]], path: Path) -> int:
    """Return how many epochs the run of a state was last to have; 0 if it does not say."""
    try:
        return int(state.get("extra_epochs", 0))
    except (TypeError, ValueError) as error:
        raise DataError(f"out: {path}: epochs: {error}") from None


def _with_now(saved: NDArray[Any] | None) -> list[dict[str, str]]:
    """Return the versions that a run was computed by, in order, each once; the present ones last.

    Version 0.5.0 did not save them.
    """
    earlier = [{"cbramsim": "not recorded"}] if saved is None else json.loads(str(saved))
    texts = isinstance(earlier, list) and all(
        isinstance(one, dict) and all(isinstance(value, str) for value in one.values())
        for one in earlier
    )
    if not texts:
        raise ValueError("versions: must be a list of tables of names")
    now = run_folder.versions()
    return [one for one in earlier if one != now] + [now]


def _limited(name: str, wanted: int | None, available: int) -> int:
    if wanted is not None and wanted > available:
        raise ParameterError(
            f"TrainConfig.{name}: must be a whole number >= 1 and <= {available}, the images there "
            f"are (got {wanted})"
        )
    return available if wanted is None else wanted


def _absolute(name_or_path: str) -> str:
    """Return the absolute path of a TOML file, or the name of a preset as it is."""
    is_file = name_or_path.endswith(".toml")
    return str(Path(name_or_path).resolve()) if is_file else name_or_path


def _classes(data: Dataset) -> int:
    return int(max(data.train_labels.max(), data.test_labels.max())) + 1


def _confusion(
    truth: NDArray[np.uint8], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count images by true class (row) and predicted class (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts
