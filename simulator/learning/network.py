"""`SpikingNetwork`: unsupervised learning in a crossbar, in the manner of scikit-learn."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import flag, function, instance, one_of, whole, whole_numbers
from cbramsim.core.errors import DataError, ParameterError, nearest
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.memory import check_memory
from cbramsim.core.rng import generator, stream, streams_by_content
from cbramsim.devices.device import Device
from cbramsim.simulator.array.binary import DigitalCrossbar
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.own import PREFIX, Own, arrays_of, check, kinds_of, made, put_back
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Account, EnergyLedger, Operation
from cbramsim.simulator.images.datasets import checked_labels
from cbramsim.simulator.images.grey_levels import GreyLevels, checked_images
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.encoding import Poisson, contrast, most_active_pixels
from cbramsim.simulator.learning.loop import Circuit, Scratch, Streams, respond, scratch, train
from cbramsim.simulator.learning.neurons import Competition, Stochastic
from cbramsim.simulator.learning.pruning import Pruner
from cbramsim.simulator.learning.readout import Converted, Direct, converted
from cbramsim.simulator.learning.rules.codes import CodeTable, wanted_codes
from cbramsim.simulator.learning.rules.ideal import DenseStdp, ideal_stdp
from cbramsim.simulator.learning.rules.pulsed import PulsedStdp, pulsed_stdp
from cbramsim.simulator.learning.state_checks import LEARNING, check_state, learning_part
from cbramsim.simulator.learning.state_file import parsed, read_state, write_state

Vote = Literal["profile", "majority"]
By = Literal["image", "position"]

IMAGES_PER_STEP = 200
"""Images between two looks at pruning, progress and interrupts."""
LEDGER = ("ledger_phases", "ledger_counts", "ledger_joules")
"""The ledger, in a state."""
MOST_IMAGES = 10_000
"""Images from which it is learned which inputs spike together."""
IMAGES_PER_BATCH = 500
"""Images that one worker takes at a time for labelling and recognition."""
MOST_EPOCHS = 10_000
"""Most passes in one go."""
MOST_THREADS = 1024
"""More are taken for a mistake."""


class Step(NamedTuple):
    """What one step of training did, for progress and learning curves."""

    images: NDArray[np.int64]
    """Which images were presented, int64[n]."""
    winners: NDArray[np.int32]
    """Which neuron fired, int32[n, windows]."""


class Recognition(NamedTuple):
    """The classes of some images, by two votes over the same responses."""

    profile: NDArray[np.int64]
    """Class-profile vote: largest sum over neurons of response x log P(class | neuron)."""
    majority: NDArray[np.int64]
    """Majority vote: each neuron stands for one class."""


class SpikingNetwork:
    """A layer of stochastic winner-take-all neurons that learns in a crossbar by STDP.

    Labels are used only to name neurons, after training, by `label`.

    Examples
    --------
    >>> network = SpikingNetwork(neurons=100, seed=1)
    >>> network.fit(train_images, epochs=1).label(train_images, train_labels)
    >>> network.score(test_images, test_labels)
    >>> print(network.ledger)

    Attributes
    ----------
    config
        The `NetworkConfig`.
    crossbar
        The array that holds the weights.
    ledger
        Every event and its energy, by phase.
    spike_counts
        int64[neurons], output spikes while learning.
    grey_levels
        Which levels of the images are background and full, `GreyLevels`.
    competition_scale
        Factor on the sharpness of the competition, `Competition.scale`.
    pruner
        What has been pruned.
    class_counts
        float64[neurons, classes] or None, responses to the labelled images, by class.
    labels_used
        Number of labels that named the neurons.
    passes, position
        Complete passes over the training images, and images seen of the current one.
    pass_images
        Number and checksum of the images of the current pass.
    """

    passes: int
    position: int
    pass_images: tuple[int, int]
    class_counts: NDArray[np.float64] | None
    pruner: Pruner
    _learning: dict[str, NDArray[Any]]
    _finished: dict[str, int]

    def __init__(
        self,
        config: NetworkConfig | None = None,
        *,
        device: Device | str | Path | None = None,
        periphery: Periphery | str | Path | None = None,
        own: Own | None = None,
        **changes: Any,
    ) -> None:
        """Build an untrained network; the array is drawn when the first images are seen.

        Parameters
        ----------
        config
            The parameters; the reference system by default.
        device, periphery
            A preset's name, a TOML file, or an object of your own to use instead of what `config`
            names.
        own
            A law, rule, encoder, neurons or criterion of one's own.
        **changes
            Further fields of `NetworkConfig` to change.

        Raises
        ------
        ParameterError
            If a parameter is unknown or outside its range.
        """
        instance("SpikingNetwork.config:", config, NetworkConfig, type(None))
        for key, part in (("device", device), ("periphery", periphery)):
            if isinstance(part, str | Path):
                changes[key] = str(part)
            elif isinstance(part, Device | Periphery):
                if config is None:
                    changes[key] = part.name
            elif part is not None:
                raise ParameterError(
                    f"SpikingNetwork.{key}: must be a name, a path or an object (got {part!r})"
                )
        self.config = (config or NetworkConfig()).replace(**changes)
        self.device = (
            self.config.changed(device) if isinstance(device, Device) else self.config.technology()
        )
        self.periphery = (
            periphery if isinstance(periphery, Periphery) else Periphery.load(self.config.periphery)
        )
        instance("SpikingNetwork.own:", own, Own, type(None))
        self.own = own or Own()
        check(self.own, self.config.storage, self.config.rule, self.config.pruning.kind)
        self.ledger = EnergyLedger()
        self.threads = min(os.cpu_count() or 1, MOST_THREADS)
        self.pixels: NDArray[np.int64] | None = None
        self.grey_levels = GreyLevels()
        self.competition_scale = 1.0

    def __repr__(self) -> str:
        """Return what the network is, and what it has seen."""
        inputs = self.config.inputs or "?" if self.pixels is None else self.pixels.size
        seen = 0 if self.pixels is None else self.images_seen
        return (
            f"SpikingNetwork({inputs} inputs, {self.config.neurons} neurons, {self.device.name}, "
            f"{self.config.rule} rule, {self.config.pruning.kind} pruning; {seen:,} images seen)"
        )

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: None = None,
        *,
        epochs: int = 3,
        callback: Callable[[Step], None] | None = None,
    ) -> Self:
        """Learn from scratch, without labels.

        Parameters
        ----------
        X
            Grey levels, [images, height, width] or [images, pixels]: uint8, uint16, floats in
            [0, 1] or bool, see `checked_images`. Which level is background and which is full is
            learned, see `GreyLevels`; a guess is logged as a warning.
        y
            Ignored; learning is unsupervised.
        epochs
            Passes over the images, each in its own random order.
        callback
            Called after each step of 200 images. Ctrl-C is raised between steps only, so
            that the network is whole and can go on.
        """
        whole("SpikingNetwork.fit.epochs:", epochs, 1, MOST_EPOCHS)
        function("SpikingNetwork.fit.callback:", callback)
        checked_images(X)  # what was learned is kept if these are none
        self.pixels = None
        return self.resume(self.prepare(X), epochs=epochs, callback=callback)

    def prepare(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the pixels that the array reads; an untrained network chooses them first.

        An untrained network also draws its array here, in its initial state.

        Returns
        -------
        uint8[images, inputs]
            Accepted by `resume` in place of whole images, to save memory.
        """
        if self.pixels is not None:
            return self.select_pixels(X)
        images = checked_images(X)
        self.image_pixels = images.shape[1]
        learned = self.config.encoding.levels == "learned"
        self.grey_levels = GreyLevels.of(images) if learned else GreyLevels()
        densities = self.grey_levels.densities(images)
        self.pixels = most_active_pixels(densities, self.config.inputs)
        inputs = np.take(densities, self.pixels, axis=1)
        self._observe(inputs)
        self.competition_scale = Competition.scale(contrast(inputs))
        if self.config.readout.adc_bits:
            starts, _ = self.config.tiles.parts((self.pixels.size, self.config.neurons))
            self.most_active = _most_active(inputs, starts)
        self._begin()
        return inputs

    def _observe(self, inputs: NDArray[np.uint8]) -> None:
        """Take note of how often the inputs of some images spike."""
        self.activity = inputs.mean(axis=0, dtype=np.float64) / 256
        if self.config.wires:
            self.together = _active_together(inputs, self.activity)

    def begin_again(self, X: ArrayLike, *, release: bool = True) -> Self:
        """Prepare to learn from other images in the same cells, as they are.

        Weights, biases, wear, time and random streams stay. What counts up while learning starts
        again: passes, homeostasis, the maturity of neurons, the ledger; neurons lose their names.

        Parameters
        ----------
        X
            The images to come.
        release
            Whether soft-pruned cells learn again; otherwise they are held, and neurons that have
            been pruned are not pruned again.
        """
        flag("SpikingNetwork.begin_again.release:", release)
        self._observe(self.select_pixels(X))
        self._learning = {}
        self.passes = self.position = self.images_seen = 0
        self.pass_images = (0, 0)
        self.spike_counts[:] = 0
        self.class_counts, self.labels_used = None, 0
        for phase in self.ledger.phases:
            self.ledger.clear(phase)
        if release:
            self.release()
        else:
            self.pruner = self._new_pruner().holding(self.pruner)
        return self

    def release(self) -> None:
        """Let soft-pruned cells learn again; from here on neurons are judged anew."""
        if self.pixels is None:
            raise ParameterError("SpikingNetwork.release: fit comes first")
        if self.config.pruning.kind == "hard":
            raise ParameterError(
                "SpikingNetwork.release: pruning.kind must be none or soft (got hard): the cells "
                "are out of the array"
            )
        self.crossbar.release()
        self.pruner = self._new_pruner()
        self.pruner.seen_spikes[:] = self.spike_counts

    def resume(
        self,
        inputs: NDArray[np.uint8],
        *,
        epochs: int,
        callback: Callable[[Step], None] | None = None,
    ) -> Self:
        """Go on learning from the same images until `epochs` passes are complete.

        Parameters
        ----------
        inputs
            What `prepare` returned for them.
        epochs, callback
            As in `fit`.
        """
        whole("SpikingNetwork.resume.epochs:", epochs, 0, 1000 * MOST_EPOCHS)
        function("SpikingNetwork.resume.callback:", callback)
        fits = isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8 and len(inputs)
        if self.pixels is None or not fits or inputs.shape[1:] != self.pixels.shape:
            raise DataError("resume: must be given what `prepare` returned")
        if self.position and self._fingerprint(inputs) != self.pass_images:
            raise DataError("resume: these are not the images of the interrupted pass")
        while self.passes < epochs:
            self._one_pass(inputs, callback)
        self._finish()
        return self

    def _finish(self) -> None:
        """Bring the array into the state in which it is used; keep what that changes.

        Neurons that are pruned when training is complete are pruned, and cells have aged up to now.
        """
        crossbar = self.crossbar
        if self.config.pruning.maturity != "trained" and not crossbar.clock.pending:
            return
        before = {name: np.array(value) for name, value in self._learned().items()}
        crossbar.phase = "train"
        self.pruner.finish()
        crossbar.phase = "use"
        crossbar.clock.settle()
        now = self._learned()
        changed = {name for name in now if not np.array_equal(before[name], now[name])}
        if changed & set(LEDGER):
            changed |= set(LEDGER)
        if changed:
            self._learning = {name: before[name] for name in now if name in changed}
            self._finished = self._checksums()

    def _learned(self) -> dict[str, Any]:
        """Return the present state, with what learning has cost as the only part of the ledger."""
        ledger = EnergyLedger()
        ledger.add_account("train", self.ledger.account("train"))
        return self._present() | ledger.to_arrays()

    def _go_on(self) -> None:
        """Undo `_finish`, so that learning goes on as if it had not been interrupted.

        If cells have been written, or time has passed, it goes on from there instead.
        """
        learning, self._learning = self._learning_state(), {}
        if learning:
            self._put_back(self._present() | learning)
        if "ledger_joules" in learning:
            before = EnergyLedger.from_arrays(learning).account("train")
            account = self.ledger.account("train")
            account.counts[:], account.joules[:] = before.counts, before.joules

    def _learning_state(self) -> dict[str, NDArray[Any]]:
        """Return what `_finish` changed, as it was; nothing if it has been changed again since."""
        return self._learning if self._learning and self._checksums() == self._finished else {}

    def _checksums(self) -> dict[str, int]:
        """Return checksums of the conductances and of what `_finish` changed, as they are now."""
        now = self._learned()
        names = ("conductance", *self._learning)
        return {name: zlib.crc32(np.asarray(now[name]).tobytes()) for name in names}

    def partial_fit(
        self, X: ArrayLike, y: None = None, *, callback: Callable[[Step], None] | None = None
    ) -> Self:
        """Learn from one more pass over some images, without forgetting the earlier ones.

        An interrupted pass over the same images is completed; one over others is given up.
        """
        function("SpikingNetwork.partial_fit.callback:", callback)
        inputs = self.prepare(X)
        if self.position and self._fingerprint(inputs) != self.pass_images:
            self.passes, self.position = self.passes + 1, 0
        self._one_pass(inputs, callback)
        return self

    @staticmethod
    def _fingerprint(inputs: NDArray[np.uint8]) -> tuple[int, int]:
        """Return number and CRC-32 of the images of a pass."""
        return len(inputs), zlib.crc32(inputs.data)

    def _begin(self) -> None:
        """Draw the array in its initial state."""
        self._build()
        rng = generator(self.config.seed, "initial state")
        self.crossbar.set_weights(
            rng.normal(
                self.config.initial_weight, self.config.initial_weight_d2d, self.crossbar.shape
            ),
            clip=True,
        )
        self.pruner = self._new_pruner()

    def _new_pruner(self) -> Pruner:
        config = self.config
        programming = None if self.ideal else config.programming
        return Pruner(
            config.pruning, self.crossbar, self.activity, config.stdp, programming,
            self.own.criterion,
        )  # fmt: skip

    def _build(self) -> None:
        """Draw the array for `pixels`, with all counters at zero."""
        assert self.pixels is not None
        seed, neurons = self.config.seed, self.config.neurons
        self.ledger = EnergyLedger()
        shape = (self.pixels.size, neurons)
        config = self.config
        self.crossbar: Crossbar | DigitalCrossbar
        if config.storage == "digital":
            self.crossbar = DigitalCrossbar(
                self.cell, shape, config.digital, seed, self.periphery, self.ledger
            )
        else:
            self.crossbar = Crossbar(
                self.cell, shape, seed, self.periphery, self.ledger, config.access,
                config.scheme, config.wiring if config.wires else None, config.tiles,
                Own(law=self.own.law),
            )  # fmt: skip
        if config.pruning.kind == "hard" and isinstance(self.crossbar, Crossbar):
            self.crossbar.expect_gaps()
        self.parts = {role: made(self.own, role, self) for role in ("rule", "encoder", "neurons")}
        self.parts = {role: part for role, part in self.parts.items() if part is not None}
        if self.own.law is not None:
            self.parts["law"] = self.crossbar.state.law
        self.rule = self.parts["rule"] if "rule" in self.parts else self._new_rule()
        self.work = self._new_scratch()
        self.readout = self._new_readout()
        self.bias = np.zeros(neurons, np.float32)
        self.spike_counts = np.zeros(neurons, np.int64)
        self.streams = Streams(
            spikes=stream(seed, "spikes"),
            reads=stream(seed, "reads"),
            competition=stream(seed, "competition"),
            pulses=self.crossbar.pulse_stream,
        )
        self.pruner = self._new_pruner()
        self.passes = 0
        self.position = 0
        self.pass_images = (0, 0)
        self.images_seen = 0
        self.class_counts = None
        self.labels_used = 0
        self._learning = {}

    @property
    def threads(self) -> int:
        """How many threads read batches of images; results do not depend on it."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads = whole("SpikingNetwork.threads:", threads, 1, MOST_THREADS)

    @property
    def ideal(self) -> bool:
        """Whether updates follow the ideal rule."""
        return self.config.rule == "ideal"

    @property
    def cell(self) -> Device:
        """The technology of the cells: without variability under the ideal rule."""
        return self.device.without_variability() if self.ideal else self.device

    def _one_pass(self, images: NDArray[np.uint8], callback: Callable[[Step], None] | None) -> None:
        """Present all images once, from `position` on, in the random order of this pass."""
        self._go_on()
        order = generator(self.config.seed, "order", self.passes).permutation(len(images))
        self.pass_images = self._fingerprint(images)
        with held_back_interrupts() as check_interrupt:
            while self.position < len(order):
                chosen = order[self.position : self.position + IMAGES_PER_STEP]
                winners = self.learn_from(images, chosen)
                self.position += len(chosen)
                if self.position >= len(order):
                    self.passes, self.position = self.passes + 1, 0
                if callback:
                    callback(Step(chosen, winners))
                check_interrupt()
                if self.position == 0:
                    break

    def learn_from(self, images: NDArray[np.uint8], chosen: NDArray[np.int64]) -> NDArray[np.int32]:
        """Learn from ``images[chosen]``, prune what has matured, and return the winners."""
        config, crossbar = self.config, self.crossbar
        whole_numbers("SpikingNetwork.learn_from: chosen", chosen, 0, len(images) - 1)
        account = self.ledger.account("train")
        if crossbar.wired:
            crossbar.wired.threads = self.threads
            crossbar.wired.follow(crossbar.state, self.together, config.wires_error)
        winners = np.empty((len(chosen), config.encoding.windows), np.int32)
        tiring = config.competition.homeostasis_at(self.images_seen)
        train(
            images, chosen, winners, self.spike_counts,
            self._circuit(crossbar.state, self._neurons(tiring=tiring), self.streams, self.work),
            account,
        )  # fmt: skip
        # Only differences of biases matter; the mean is taken out to keep them small.
        self.bias -= self.bias.mean()
        self.images_seen += len(chosen)
        crossbar.phase = "train"
        self.pruner.update(self.spike_counts)
        crossbar.phase = "use"
        crossbar.settle()
        encoding = config.encoding
        crossbar.advance(len(chosen) * encoding.windows * encoding.window, config.celsius)
        self._price_events(account)
        return winners

    def _circuit(self, cells: ArrayState, neurons: Any, streams: Streams, work: Scratch) -> Circuit:
        """Return the network for compiled loops, with `cells` as they are to be read."""
        array: Any = cells
        readout: Any = self.readout
        if isinstance(self.crossbar, DigitalCrossbar):
            array, readout = self.crossbar.slices, self.crossbar.readout()
        encoder = self.parts.get("encoder", Poisson())
        return Circuit(encoder, array, readout, neurons, self.rule, streams, work)

    def _new_rule(self) -> Any:
        """Return how the array learns, for compiled loops."""
        config = self.config
        if config.storage == "digital":
            codes = wanted_codes(config.stdp, config.digital, config.programming.scheme)
            return PulsedStdp(CodeTable(codes))
        if self.ideal:
            ideal = ideal_stdp(config.stdp, self.device)
            return DenseStdp(ideal) if config.update == "dense" else ideal
        return pulsed_stdp(config.stdp, self.device, config.programming)

    def _new_scratch(self) -> Scratch:
        bits = self.config.digital.bits if self.config.storage == "digital" else 1
        return scratch(*self.crossbar.shape, bits)

    def _new_readout(self) -> Direct | Converted:
        """Return what is between the bit lines and the neurons, for compiled loops."""
        readout, shape = self.config.readout, self.crossbar.shape
        if not readout.adc_bits:
            return Direct()
        starts, _ = self.config.tiles.parts(shape)
        tile_rows = int(np.diff(starts).max())
        adc = readout.converter(self.most_active, tile_rows, self.device.g_range)
        return converted(adc, starts, shape[1], self.config.seed)

    def _neurons(self, factor: float = 1.0, tiring: float = 0.0) -> Any:
        """Return the neurons for compiled loops, with all potentials multiplied by `factor`."""
        if "neurons" in self.parts:
            return self.parts["neurons"]
        sharpness = factor * self.competition_scale * self.config.competition.sharpness
        return Stochastic(
            bias=self.bias if factor == 1 else (factor * self.bias).astype(np.float32),
            gain=np.float32(2 * sharpness / self.device.g_range),
            tiring=np.float32(tiring),
        )

    def _price_events(self, account: Account) -> None:
        """Price the events whose energy does not depend on the state of a cell."""
        for operation, joules in (
            (Operation.WORD_LINE_DRIVE, self.crossbar.word_line_energy),
            (Operation.NEURON_UPDATE, self.periphery.e_neuron),
            (Operation.OUTPUT_SPIKE, self.periphery.e_spike),
            *self._conversion_prices(),
            *(self.crossbar.prices if isinstance(self.crossbar, DigitalCrossbar) else ()),
        ):
            account.joules[operation] = account.counts[operation] * joules

    def _conversion_prices(self) -> tuple[tuple[Operation, float], ...]:
        """Return the events of converters and what each costs, J."""
        if not self.config.readout.adc_bits:
            return ()
        return (
            (Operation.ADC_CONVERSION, self.config.readout.price().value),
            (Operation.SHIFT_ADD, self.periphery.e_add),
        )

    def wait(
        self,
        seconds: float = 0.0,
        *,
        hours: float = 0.0,
        days: float = 0.0,
        years: float = 0.0,
        celsius: float = 25.0,
    ) -> Self:
        """Let time pass at some temperature before the array is used again: cells age.

        Parameters as for `Crossbar.wait`.
        """
        if self.pixels is None:
            raise ParameterError("SpikingNetwork.wait: fit comes first")
        self.crossbar.wait(seconds, hours=hours, days=days, years=years, celsius=celsius)
        return self

    # ---- recognition ---------------------------------------------------------------------------

    def label(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Name the neurons: record how they respond to labelled training images.

        Parameters
        ----------
        X
            Images as in `fit`.
        y
            int[images], their classes, 0 or above.
        """
        labels = checked_labels(y, len(checked_images(X)))
        counts = np.zeros((self.config.neurons, int(labels.max()) + 1))
        start = 0
        for responses in self.responses(X, phase="label"):
            part = labels[start : start + len(responses)]
            for c in np.unique(part):
                counts[:, c] += responses[part == c].sum(axis=0, dtype=np.float64)
            start += len(responses)
        self.class_counts = counts / np.maximum(np.bincount(labels), 1)
        self.labels_used = len(labels)
        return self

    def recognise(self, X: ArrayLike, phase: str = "test", *, by: By = "image") -> Recognition:
        """Classify images by both votes.

        Parameters
        ----------
        X
            Images as in `fit`.
        phase
            The phase of the ledger to book on.
        by
            What the random numbers of an image depend on, besides the seed: the `image` itself, so
            that its answer does not depend on the others, and equal images get equal answers; or
            its `position` in batches of 500, by which `cbram train` scores.
        """
        self._check_named("recognise")
        if by not in get_args(By):
            raise ParameterError(
                f"SpikingNetwork.recognise.by: must be one of {', '.join(get_args(By))} "
                f"(got {by!r}){nearest(str(by), get_args(By))}"
            )
        # In single precision, what is added up would depend on how many images there are.
        precision: Any = np.float64 if by == "image" else np.float32
        log_profile = np.log(self.class_profiles()).astype(precision)
        votes = np.eye(log_profile.shape[1], dtype=precision)[self.class_counts.argmax(axis=1)]  # type: ignore[union-attr]
        profile, majority = [], []
        for responses in self.responses(X, phase=phase, by=by):
            profile.append((responses @ log_profile).argmax(axis=1))
            majority.append((responses @ votes).argmax(axis=1))
        return Recognition(np.concatenate(profile), np.concatenate(majority))

    def predict(self, X: ArrayLike, vote: Vote = "profile") -> NDArray[np.int64]:
        """Return the class of each image, int64[images].

        The spikes and the noise that an image meets are drawn by its content and the seed: its
        answer does not depend on what else is in `X`, nor on the order, and equal images get equal
        answers.
        """
        one_of("vote:", vote, get_args(Vote))
        self._check_named("predict")
        return getattr(self.recognise(X), vote)

    def score(self, X: ArrayLike, y: ArrayLike, vote: Vote = "profile") -> float:
        """Return the fraction of images that `predict` classifies correctly.

        `cbram train` draws spikes by position instead, so that metrics.json differs a little.
        """
        self._check_named("score")
        labels = checked_labels(y, len(checked_images(X)))
        return float((self.predict(X, vote) == labels).mean())

    def _check_named(self, method: str) -> None:
        if self.pixels is None or self.class_counts is None:
            raise ParameterError(
                f"SpikingNetwork.{method}: fit and label come first (got a network that has "
                f"{'not learned' if self.pixels is None else 'learned, but neurons have no names'})"
            )

    def class_profiles(self) -> NDArray[np.float64]:
        """Return P(class | neuron fired), float64[neurons, classes], smoothed by 0.1 %."""
        if self.class_counts is None:
            raise ParameterError("SpikingNetwork.class_profiles: label comes first")
        counts, classes = self.class_counts, self.class_counts.shape[1]
        counts = counts + 1e-3 * counts.mean()
        profiles = counts / counts.sum(axis=1, keepdims=True)
        return 0.999 * profiles + 0.001 / classes

    def responses(
        self, X: ArrayLike, phase: str, *, by: By = "position"
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the neurons' mean firing probabilities, float32[n, neurons], batch by batch.

        Batches are read on all cores; each, or each image, has random streams of its own, so that
        the result does not depend on their number. Parameters as for `recognise`.
        """
        instance("SpikingNetwork.responses: phase", phase, str)
        images = checked_images(X)
        self.select_pixels(images[:1])  # refuse what does not fit before the work begins
        starts = range(0, len(images), IMAGES_PER_BATCH)
        workers = min(self.threads, len(starts))
        state = self.crossbar.state
        if self.crossbar.wired:
            state = self.crossbar.wired.at_rest(state, self.together)
        with ThreadPoolExecutor(workers) as pool:
            jobs = (
                pool.map(
                    lambda start: self._respond(
                        state,
                        self.select_pixels(images[start : start + IMAGES_PER_BATCH]),
                        phase,
                        start if by == "position" else None,
                    ),
                    starts[group : group + 4 * workers],
                )
                for group in range(0, len(starts), 4 * workers)
            )
            for group in jobs:
                for responses, part in group:
                    self.ledger.add_account(phase, part)
                    yield responses

    def _respond(
        self, state: ArrayState, images: NDArray[np.uint8], phase: str, start: int | None
    ) -> tuple[NDArray[np.float32], Account]:
        """Return the responses to one batch, and what they cost.

        Random streams are those of the batch that begins with image `start`, or of each image.
        """
        config, seed = self.config, self.config.seed
        account = EnergyLedger().account(phase)
        responses = np.empty((len(images), config.neurons), np.float32)
        if start is None:
            starts = streams_by_content(seed, phase, images)
        else:
            names = (f"{phase} spikes", f"{phase} reads")
            starts = np.array([[stream(seed, name, start) for name in names]])
        spikes, reads = np.zeros((2, 4), np.uint64)
        streams = Streams(spikes, reads, competition=reads, pulses=reads)
        # Neurons are named after what they fire for in the competition in which they learned;
        # several of them have a say in a vote.
        naming = phase == "label"
        neurons = self._neurons(1.0 if naming else config.competition.readout_sharpness)
        circuit = self._circuit(state, neurons, streams, self._new_scratch())
        respond(images, responses, config.encoding.windows, starts, circuit, account)
        self._price_events(account)
        return responses, account

    def select_pixels(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the densities of the pixels that the array reads, uint8[images, inputs].

        Raises
        ------
        DataError
            If the images are not grey levels, or not of the size and kind that this network has
            learned.
        """
        images = checked_images(X)
        if self.pixels is None:
            raise ParameterError("SpikingNetwork: fit comes first")
        if images.shape[1] != self.image_pixels:
            raise DataError(
                f"images must have {self.image_pixels} pixels, as those this network has learned "
                f"(got {images.shape[1]})"
            )
        self.grey_levels.check(images)
        return self.grey_levels.densities(np.take(images, self.pixels, axis=1))

    # ---- state ---------------------------------------------------------------------------------

    def save(self, path: str | Path, **extra: NDArray[Any]) -> None:
        """Write all that is needed to resume and to predict; an older file is replaced at once.

        Parameters
        ----------
        path
            The .npz file.
        **extra
            Further arrays to keep with it.
        """
        arrays = self.to_state() | {f"extra_{name}": value for name, value in extra.items()}
        write_state(path, arrays)

    def to_state(self) -> dict[str, Any]:
        """Return all that is needed to resume and to predict, by name, for `from_state`."""
        if self.pixels is None:
            raise ParameterError("SpikingNetwork.save: fit comes first")
        learning = {LEARNING + name: value for name, value in self._learning_state().items()}
        return self._present() | learning

    def _present(self) -> dict[str, Any]:
        """Return the present state by name."""
        state = self.crossbar.state
        arrays: dict[str, Any] = {
            "config": self.config.model_dump_json(),
            "device": self.device.model_dump_json(),
            "periphery": self.periphery.model_dump_json(),
            "pixels": self.pixels,
            "activity": self.activity,
            "image_pixels": self.image_pixels,
            "grey_levels": np.array(self.grey_levels),
            "competition_scale": self.competition_scale,
            "conductance": state.g,
            "cells": state.cells,
            "wear": state.wear,
            "inhibited": state.inhibited,
            "connected": self.crossbar.connected,
            "row_sum": state.row_sum,
            "bias": self.bias,
            "spike_counts": self.spike_counts,
            "streams": np.array(self.streams),
            "pruned": self.pruner.pruned,
            "stage": self.pruner.stage,
            "seen_weights": self.pruner.seen_weights,
            "seen_spikes": self.pruner.seen_spikes,
            "missed": self.pruner.missed,
            "progress": np.array([self.passes, self.position, self.images_seen]),
            "pass_images": np.array(self.pass_images),
            "labels_used": self.labels_used,
            "class_counts": np.zeros((0, 0)) if self.class_counts is None else self.class_counts,
        }
        if self.crossbar.disturbs:
            arrays["unresolved"] = state.access.others.unresolved
        if self.config.readout.adc_bits:
            arrays["most_active"] = self.most_active
        if self.crossbar.wired:
            arrays["together"] = self.together
            arrays |= self.crossbar.wired.to_arrays(state)
        if self.parts:
            arrays |= {f"{PREFIX}parts": kinds_of(self.parts), **arrays_of(self.parts)}
        arrays |= self.crossbar.clock.to_arrays()
        return arrays | self.ledger.to_arrays()

    def copy(self) -> Self:
        """Return a network of its own in the same state, random streams included."""
        twin = type(self).from_state(self.to_state(), "of a copy", own=self.own)
        twin.threads = self.threads
        return twin

    @classmethod
    def load(cls, path: str | Path, *, own: Own | None = None) -> Self:
        """Restore a network from `save`; `own` are the parts that it was made with.

        Raises
        ------
        DataError
            If the file is missing, damaged, of another version, or contradicts itself, or if it was
            made with other parts.
        """
        return cls.from_state(read_state(path), path, own=own)

    @classmethod
    def from_state(
        cls, arrays: dict[str, NDArray[Any]], path: str | Path, *, own: Own | None = None
    ) -> Self:
        """Restore a network from what `read_state` read from `path`; errors as in `load`."""
        try:
            arrays = {name: np.asarray(value) for name, value in arrays.items()}
            network = cls(
                NetworkConfig(**parsed(arrays, "config")),
                device=Device(**parsed(arrays, "device")),
                periphery=Periphery(**parsed(arrays, "periphery")),
                own=own,
            )
            check_state(arrays, network.config, network.cell)
            network._restore(arrays)
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"state file {path}: {error!s:.500}") from None
        return network

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Build the network of a state that has been checked."""
        self.image_pixels = int(arrays["image_pixels"])
        if "grey_levels" in arrays:  # 0.5.0 took all levels as they were
            self.grey_levels = GreyLevels(*(int(level) for level in arrays["grey_levels"]))
            self.competition_scale = float(arrays["competition_scale"])
        self.pixels = arrays["pixels"].astype(np.int64)
        self.activity = arrays["activity"].copy()
        if self.config.readout.adc_bits:
            self.most_active = float(arrays["most_active"])
        if self.config.wires:
            self.together = arrays["together"].copy()
        self._build()
        made_with, given = str(arrays.get(f"{PREFIX}parts", "")), kinds_of(self.parts)
        if made_with != given:
            raise ValueError(
                f"own: must be the parts that it was made with, {made_with or 'none'} "
                f"(got {given or 'none'})"
            )
        self._put_back(arrays)
        for phase, account in EnergyLedger.from_arrays(arrays).accounts():
            self.ledger.add_account(phase, account)
        self._learning = learning_part(arrays)
        self._finished = self._checksums() if self._learning else {}

    def _put_back(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Put back what changes while learning, but the ledger."""
        self.bias[:], self.spike_counts[:] = arrays["bias"], arrays["spike_counts"]
        put_back(self.parts, arrays)
        for mine, saved in zip(self.streams, arrays["streams"], strict=True):
            mine[:] = saved
        for name in ("pruned", "stage", "seen_weights", "seen_spikes"):
            getattr(self.pruner, name)[:] = arrays[name]
        self.pruner.missed = int(arrays["missed"])
        self.passes, self.position, self.images_seen = (int(n) for n in arrays["progress"])
        size, checksum = (int(n) for n in arrays["pass_images"])
        self.pass_images = (size, checksum)
        self.labels_used = int(arrays["labels_used"])
        counts = arrays["class_counts"]
        self.class_counts = counts.copy() if counts.size else None
        crossbar = self.crossbar
        crossbar.restore(
            arrays["conductance"], arrays["cells"], arrays["wear"], arrays["inhibited"],
            arrays["connected"], arrays["row_sum"].copy(),
        )  # fmt: skip
        if crossbar.disturbs:
            crossbar.state.access.others.unresolved[:] = arrays["unresolved"]
        if crossbar.wired:
            crossbar.wired.restore(arrays, crossbar.state)
        crossbar.clock.restore(arrays, crossbar.state.g_columns)


def _active_together(
    inputs: NDArray[np.uint8], activity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability that two inputs spike in one window, float64[inputs, inputs].

    Given the image they are independent, so that it is the mean product of their pixel densities;
    on the diagonal, the probability that one does.
    """
    pairs = inputs.shape[1] ** 2
    check_memory("NetworkConfig.inputs", 20 * pairs, f"the products of {pairs:,} pairs, for wires,")
    some = inputs[:: max(1, len(inputs) // MOST_IMAGES)].astype(np.float32) / 256
    together = (some.T @ some / len(some)).astype(np.float64)
    np.fill_diagonal(together, activity)
    return together


def _most_active(inputs: NDArray[np.uint8], starts: NDArray[np.int64]) -> float:
    """Return the most inputs of a tile that spike in a window of any image, on average."""
    sums = (inputs[:, a:b].sum(axis=1, dtype=np.int64) for a, b in pairwise(starts))
    return max(float(part.max()) / 256 for part in sums)
