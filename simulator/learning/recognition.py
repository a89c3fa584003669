"""`Recogniser`: an encoder, layers and labels at work, as `SpikingNetwork` has learned them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import instance, one_of, whole
from cbramsim.core.errors import ParameterError, nearest
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.lifetime import total_seconds
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.images.datasets import checked_labels
from cbramsim.simulator.images.grey_levels import GreyLevels, checked_images
from cbramsim.simulator.learning.labelling import Job, Labels, Recognition, Vote, respond_to
from cbramsim.simulator.learning.layer import Layer
from cbramsim.simulator.learning.pixels import Pixels
from cbramsim.simulator.learning.pruning import Pruner

By = Literal["image", "position"]

MOST_THREADS = 1024
"""Most threads; more are taken for a mistake."""


class Recogniser:
    """An encoder, layers and labels, which name neurons and recognise images."""

    _encoder: Pixels | None
    _no_ledger: EnergyLedger
    layers: list[Layer]
    labels: Labels | None
    responder = staticmethod(respond_to)
    """Function that lets layers respond to images; another one may do so elsewhere than on a
    processor."""

    # ---- what there is -------------------------------------------------------------------------

    @property
    def encoder(self) -> Pixels:
        """Pixels that the first array reads, and the meaning of their levels."""
        if self._encoder is None:
            raise ParameterError("SpikingNetwork: fit comes first")
        return self._encoder

    @property
    def ledger(self) -> EnergyLedger:
        """Ledger of every event and its energy, by phase: of the only layer, or the sum of all
        layers."""
        if len(self.layers) < 2:
            return self.layers[0].ledger if self.layers else self._no_ledger
        return EnergyLedger.sum(layer.ledger for layer in self.layers)

    @property
    def pixels(self) -> NDArray[np.int64] | None:
        """Pixels that the first array reads, int64[inputs]; None before there are images."""
        return None if self._encoder is None else self._encoder.chosen

    @property
    def grey_levels(self) -> GreyLevels:
        """Levels of the images that are background and full."""
        return self.encoder.levels

    @property
    def class_counts(self) -> NDArray[np.float64] | None:
        """Mean responses to the labelled images, by class, float64[neurons, classes], or None."""
        return None if self.labels is None else self.labels.class_counts

    @property
    def labels_used(self) -> int:
        """Number of labels that named the neurons."""
        return 0 if self.labels is None else self.labels.used

    @property
    def crossbar(self) -> Crossbar | PlaneArray:
        """Array of the first layer."""
        return self._first("crossbar").crossbar

    @property
    def pruner(self) -> Pruner:
        """State of pruning in the first layer."""
        return self._first("pruner").pruner

    @property
    def bias(self) -> NDArray[np.float32]:
        """Biases of the potentials of the first layer, float32[neurons]."""
        return self._first("bias").bias

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Output spikes of the first layer while learning, int64[neurons]."""
        return self._first("spike_counts").spike_counts

    @property
    def images_seen(self) -> int:
        """Images learned from."""
        return self.layers[0].images_seen if self.layers else 0

    def _first(self, what: str) -> Layer:
        if not self.layers:
            raise ParameterError(f"SpikingNetwork.{what}: fit or prepare comes first")
        return self.layers[0]

    @property
    def threads(self) -> int:
        """Number of threads that read batches of images; results do not depend on it."""
        return self._threads

    @threads.setter
    def threads(self, threads: int) -> None:
        self._threads = whole("SpikingNetwork.threads:", threads, 1, MOST_THREADS)

    def label(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Name the neurons by their responses to labelled training images.

        Parameters
        ----------
        X
            Images as in `fit`.
        y
            int[images], their classes, 0 or above.
        """
        labels = checked_labels(y, len(checked_images(X)))
        self.labels = Labels.of(self.responses(X, phase="label"), labels)
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
            Basis of the random numbers of an image, besides the seed: the `image` itself, so that
            its answer does not depend on the others, and equal images get equal answers; or its
            `position` in batches of 500, by which `cbram train` scores.
        """
        labels = self._named("recognise")
        if by not in get_args(By):
            raise ParameterError(
                f"SpikingNetwork.recognise.by: must be one of {', '.join(get_args(By))} "
                f"(got {by!r}){nearest(str(by), get_args(By))}"
            )
        precision = np.float64 if by == "image" else np.float32
        return labels.recognise(self.responses(X, phase=phase, by=by), precision)

    def predict(self, X: ArrayLike, vote: Vote = "profile") -> NDArray[np.int64]:
        """Return the class of each image, int64[images].

        The spikes and the noise of an image are drawn by its content and the seed: its answer
        depends neither on the other images in `X` nor on their order, and equal images get equal
        answers.
        """
        one_of("vote:", vote, get_args(Vote))
        self._named("predict")
        return getattr(self.recognise(X), vote)

    def score(self, X: ArrayLike, y: ArrayLike, vote: Vote = "profile") -> float:
        """Return the fraction of images that `predict` classifies correctly.

        `cbram train` draws spikes by position instead, so that metrics.json differs a little.
        """
        self._named("score")
        labels = checked_labels(y, len(checked_images(X)))
        return float((self.predict(X, vote) == labels).mean())

    def _named(self, method: str) -> Labels:
        if self.labels is None:
            wrong = "learned, but neurons have no names" if self._encoder else "not learned"
            raise ParameterError(
                f"SpikingNetwork.{method}: fit and label come first "
                f"(got a network that has {wrong})"
            )
        return self.labels

    def class_profiles(self) -> NDArray[np.float64]:
        """Return P(class | neuron fired), float64[neurons, classes], smoothed by 0.1 %."""
        if self.labels is None:
            raise ParameterError("SpikingNetwork.class_profiles: label comes first")
        return self.labels.profiles

    def responses(
        self, X: ArrayLike, phase: str, *, by: By = "position"
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the last layer's mean firing probabilities, float32[n, neurons], batch by batch.

        Batches are read on all cores; each, or each image, has random streams of its own, so that
        the result does not depend on their number. Parameters as for `recognise`.
        """
        instance("SpikingNetwork.responses: phase", phase, str)
        images = checked_images(X)
        self.select_pixels(images[:1])  # refuse what does not fit before the work begins
        return self.responder(
            self.layers,
            lambda start, end: self.select_pixels(images[start:end]),
            Job(len(images), phase, by == "position", self.threads),
        )

    def select_pixels(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the densities of the pixels that the array reads, uint8[images, inputs].

        Raises
        ------
        DataError
            If the images are not grey levels, or not of the size and kind that this network has
            learned.
        """
        return self.encoder.densities(X)

    def plot(
        self, ax: Any = None, *, image_shape: tuple[int, int] | None = None, shown: int = 100
    ) -> Any:
        """Draw the receptive fields of the first layer, and the classes of its neurons if named.

        Parameters
        ----------
        ax
            The matplotlib `Axes` to draw on; a new one by default. It is returned.
        image_shape
            (height, width) of the images; by default they are square.
        shown
            Number of neurons that are drawn: the most active.
        """
        from cbramsim.simulator.drawing import plots  # matplotlib

        whole("SpikingNetwork.plot.shown:", shown, 1)
        pixels, weights = self.encoder.chosen, self.crossbar.weights
        shape = plots.image_shape_of(self.encoder.of, image_shape)
        chosen = np.argsort(-self.spike_counts, kind="stable")[:shown]
        named = self.class_counts if len(self.layers) == 1 else None
        classes = [] if named is None else [str(name) for name in named[chosen].argmax(axis=1)]
        return plots.receptive_fields(ax, weights, pixels, shape, chosen, classes)

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
        if not self.layers:
            raise ParameterError("SpikingNetwork.wait: fit comes first")
        total = total_seconds("SpikingNetwork.wait", seconds, hours, days, years)
        for layer in self.layers:
            layer.wait(total, celsius)
        return self
