"""`TimedNetwork`: unsupervised learning by neurons with time, in the manner of scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from cbramsim.core.arguments import array, instance, whole, whole_numbers
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.rng import generator, stream
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.labelling import Labels
from cbramsim.simulator.learning.loop import Streams, scratch
from cbramsim.simulator.learning.rules.rest import Rest
from cbramsim.simulator.timed.coding import NEVER, coding_of, rates
from cbramsim.simulator.timed.config import TimedConfig
from cbramsim.simulator.timed.loop import TimedCircuit, run_images
from cbramsim.simulator.timed.neurons import (
    Conducting,
    Integrating,
    Steady,
    Uninhibited,
    neurons_of,
)
from cbramsim.simulator.timed.rules import TimedWork, rule_of

STEP = 500
"""Images between two checks of wear and half-selected cells."""


class TimedNetwork:
    """A layer of leaky integrate-and-fire neurons that learns in an array.

    Attributes
    ----------
    config
        `TimedConfig`.
    device
        The technology of the cells.
    ledger
        Every event and its energy, by phase: `train`, `label`, `test`.
    crossbar
        The array, with a bit line for each neuron; None before it has learned.
    labels, wins
        Basis of the names of neurons: mean spikes of each for each class, and the part of the
        images of a class for which it fires most; None before `label`.
    images_seen
        Number of images learned from.

    Examples
    --------
    >>> network = TimedNetwork(neurons=50).fit(data.train_images)
    >>> network.label(data.train_images, data.train_labels)
    >>> network.score(data.test_images, data.test_labels)
    >>> print(network.ledger)
    """

    def __init__(self, config: TimedConfig | None = None, **changes: Any) -> None:
        """Take a configuration, or `changes` to the default one.

        Raises
        ------
        ParameterError
            If a value is not valid.
        """
        instance("TimedNetwork.config:", config, TimedConfig, type(None))
        self.config = config.replace(**changes) if config is not None else TimedConfig(**changes)
        self.device = self.config.technology()
        self.periphery = Periphery.load(self.config.periphery)
        self.ledger = EnergyLedger()
        self.crossbar: Crossbar | None = None
        self.labels: Labels | None = None
        self.wins: Labels | None = None
        self.images_seen = 0

    def __repr__(self) -> str:
        """Return a short description of the network."""
        return (
            f"TimedNetwork({self.config.neurons} neurons, {self.device.name}, "
            f"{self.images_seen:,} images seen)"
        )

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights, float32[inputs, neurons]: conductances over the nominal highest one."""
        return (self._fitted("weights").conductance / self.device.g_max).astype(np.float32)

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """Thresholds, float32[neurons], above rest."""
        self._fitted("thresholds")
        return self.neurons.limits.copy()

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self, images: ArrayLike, labels: Any = None, epochs: int = 1, *, progress: bool = False
    ) -> Self:
        """Learn all images from scratch `epochs` times, each time in another order.

        Parameters
        ----------
        images
            uint8[n, ...], grey levels from 0 to 255; or float[n, ...], from 0 to 1.
        labels
            Ignored; learning is unsupervised.
        epochs
            Number of passes.
        progress
            Whether to show a progress bar.
        """
        whole("TimedNetwork.fit: epochs", epochs, 1)
        levels = self._levels("fit", images, begin=True)
        self._begin(levels.shape[1])
        rng = generator(self.config.seed, "order of images")
        order = np.concatenate([rng.permutation(len(levels)) for _ in range(epochs)])
        self._learn(levels, order, progress)
        return self

    def partial_fit(
        self, images: ArrayLike, labels: Any = None, *, progress: bool = False
    ) -> NDArray[np.int32]:
        """Learn from images once, in their order, without forgetting earlier ones.

        Returns
        -------
        int32[n, neurons]
            Spikes of each neuron.
        """
        levels = self._levels("partial_fit", images)
        if self.crossbar is None:
            self._begin(levels.shape[1])
        return self._learn(levels, np.arange(len(levels)), progress)

    def _begin(self, inputs: int) -> None:
        config, device = self.config, self.device
        self.ledger, self.images_seen = EnergyLedger(), 0
        self.labels = self.wins = None
        shape = (inputs, config.neurons)
        self.crossbar = Crossbar(
            device, shape, config.seed, self.periphery, self.ledger,
            access=config.access, tiles=config.tiles,
        )  # fmt: skip
        rng = generator(config.seed, "initial weights")
        if config.initial_form == "uniform":
            drawn = 2 * rng.random(shape)
        else:
            drawn = 1 + config.initial_spread * rng.standard_normal(shape)
        weights = np.clip(config.initial * drawn, 0, 1)
        if config.stdp.total:
            weights *= config.stdp.total / weights.sum(axis=0)
        self.crossbar.set_conductance(weights * device.g_max, clip=True)
        self.neurons = neurons_of(config)
        self.work = self._work(inputs)
        self.streams = self._streams("learning")

    def _work(self, inputs: int) -> TimedWork:
        config = self.config
        return TimedWork(
            scratch=scratch(inputs, config.neurons),
            rates=rates(config.coding),
            heads=np.full(max(config.steps(config.presentation), 1), -1, np.int64),
            links=np.full(inputs, -1, np.int64),
            last=np.full(inputs, NEVER, np.int64),
            now=np.zeros(1, np.int64),
            wanted=np.zeros(inputs),
            counts=np.zeros(config.neurons, np.int64),
        )

    def _streams(self, purpose: str) -> Streams:
        """Return new random streams of a purpose."""
        return Streams(
            *(stream(self.config.seed, f"{purpose} of a timed network", n) for n in range(4))
        )

    def _learn(
        self, levels: NDArray[np.uint8], order: NDArray[np.int64], progress: bool
    ) -> NDArray[np.int32]:
        crossbar = self._fitted("fit")
        rule = rule_of(self.config.stdp, self.config.dt)
        circuit = self._circuit(rule, self.neurons, self.work, self.streams)
        counts = np.zeros((len(order), self.config.neurons), np.int32)
        account = self.ledger.account("train")
        with tqdm(total=len(order), unit="images", disable=not progress, leave=False) as bar:
            for start in range(0, len(order), STEP):
                some = slice(start, start + STEP)
                run_images(levels, order[some], counts[some], circuit, account)
                crossbar.settle()
                self.images_seen += len(order[some])
                bar.update(len(order[some]))
        self._price("train")
        return counts

    def _circuit(
        self, rule: Any, neurons: Integrating | Conducting, work: TimedWork, streams: Streams
    ) -> TimedCircuit:
        config = self.config
        return TimedCircuit(
            coding=coding_of(config.coding, config.dt),
            array=self._fitted("fit").for_loops,
            neurons=neurons,
            rule=rule,
            unit=self.device.g_max,
            dt=config.dt,
            pause=config.steps(config.pause),
            anew=config.anew,
            fewest=config.fewest_spikes,
            streams=streams,
            work=work,
        )

    # ---- at work -------------------------------------------------------------------------------

    def respond(self, images: ArrayLike, phase: str = "test") -> NDArray[np.int32]:
        """Return how often each neuron fires for each image, int32[n, neurons].

        Nothing is learned, and thresholds stay. Random numbers start anew with each call, and
        differ from those of learning. Booked in `phase`.
        """
        self._fitted("respond")
        levels = self._levels("respond", images)
        neurons = neurons_of(self.config)
        neurons.limits[:] = self.neurons.limits
        neurons = neurons._replace(adaptation=Steady())
        if not self.config.inhibition.in_use:
            neurons = neurons._replace(inhibition=Uninhibited())
        circuit = self._circuit(Rest(), neurons, self._work(levels.shape[1]), self._streams(phase))
        counts = np.zeros((len(levels), self.config.neurons), np.int32)
        run_images(levels, np.arange(len(levels)), counts, circuit, self.ledger.account(phase))
        self._price(phase)
        return counts

    def label(self, images: ArrayLike, labels: ArrayLike) -> Self:
        """Name each neuron after the class for which it fires most often on average.

        For the vote `most`, after the class for which it is most often the neuron that fires most.

        Parameters
        ----------
        images
            As for `fit`.
        labels
            int[n], classes from 0 on.
        """
        found = whole_numbers("TimedNetwork.label: labels", labels, 0, 10_000)
        if found.shape != (len(np.asarray(images)),):
            raise ParameterError(
                f"TimedNetwork.label: labels must be one for each image (got {shown(found)})"
            )
        counts = self.respond(images, "label")
        first = np.zeros_like(counts)
        fired = np.flatnonzero(counts.any(axis=1))
        first[fired, counts[fired].argmax(axis=1)] = 1
        self.labels = Labels.of(_batches(counts), found)
        self.wins = Labels.of(_batches(first), found)
        return self

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """Return the class of each image, int64[n]; -1 where no neuron fires."""
        return self.recognise(self.respond(images))

    def recognise(self, counts: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the classes of images from the spikes of neurons, int32[n, neurons]."""
        if self.labels is None or self.wins is None:
            raise ParameterError("TimedNetwork.predict: label comes first")
        responses = self.labels.class_counts
        if self.config.vote == "most":
            found = self.wins.class_counts.argmax(axis=1)[counts.argmax(axis=1)]
        elif self.config.vote == "profile":
            found = (counts @ np.log(self.labels.profiles)).argmax(axis=1)
        else:
            votes = np.eye(responses.shape[1])[responses.argmax(axis=1)]
            votes *= responses.any(axis=1, keepdims=True)  # one that never fired names nothing
            if self.config.vote == "mean":
                votes /= np.maximum(votes.sum(axis=0), 1)
            found = (counts @ votes).argmax(axis=1)
        return np.where(counts.any(axis=1), found, -1)

    def score(self, images: ArrayLike, labels: ArrayLike) -> float:
        """Return the fraction of the images that are classified correctly."""
        return float((self.predict(images) == np.asarray(labels)).mean())

    # ---- prices and arguments ------------------------------------------------------------------

    def _price(self, phase: str) -> None:
        """Price the events whose energy does not depend on the state of a cell."""
        account = self.ledger.account(phase)
        prices = {
            Operation.WORD_LINE_DRIVE: self._fitted("price").word_line_energy,
            Operation.NEURON_UPDATE: self.periphery.e_neuron,
            Operation.OUTPUT_SPIKE: self.periphery.e_spike,
        }
        for operation, joules in prices.items():
            account.joules[operation] = account.counts[operation] * joules

    def _fitted(self, what: str) -> Crossbar:
        if self.crossbar is None:
            raise ParameterError(f"TimedNetwork.{what}: fit comes first")
        return self.crossbar

    def _levels(self, method: str, images: ArrayLike, *, begin: bool = False) -> NDArray[np.uint8]:
        """Return images as grey levels, uint8[n, inputs]."""
        where = f"TimedNetwork.{method}: images"
        found = array(where, images, "uf")
        if found.ndim < 2 or not len(found) or not found[0].size:
            raise ParameterError(f"{where} must be [n, ...], at least one (got {shown(found)})")
        flat = found.reshape(len(found), -1)
        if self.crossbar is not None and not begin and flat.shape[1] != self.crossbar.shape[0]:
            raise ParameterError(
                f"{where} must have {self.crossbar.shape[0]} inputs (got {flat.shape[1]})"
            )
        if flat.dtype == np.uint8:
            return np.ascontiguousarray(flat)
        if not ((flat >= 0) & (flat <= 1)).all():
            raise ParameterError(f"{where} must be uint8, or numbers >= 0 and <= 1")
        return np.rint(255 * flat).astype(np.uint8)


def _batches(counts: NDArray[np.int32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(counts), STEP):
        yield counts[start : start + STEP].astype(np.float32)
