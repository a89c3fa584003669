"""`Mlp`: a fully connected network trained by backpropagation, in the manner of scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import function, instance, whole, whole_numbers
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.rng import generator
from cbramsim.simulator.comparison.layers import data_outputs
from cbramsim.simulator.comparison.mlp.configuration import MlpConfig
from cbramsim.simulator.comparison.mlp.counting import Tally
from cbramsim.simulator.comparison.mlp.kernels import present, softmax_error
from cbramsim.simulator.comparison.mlp.layer import Dense
from cbramsim.simulator.comparison.mlp.operands import Array, operands_of
from cbramsim.simulator.images.datasets import checked_labels
from cbramsim.simulator.images.grey_levels import GreyLevels, checked_images

IMAGES_PER_BATCH = 1000
"""Number of images recognised at a time."""
MOST_PARAMETERS = 2**25
"""Most parameters of a network: 1 GB with momentum and gradients."""
MOST_STEPS = 10**8
"""Most batches of a training."""


class Progress(NamedTuple):
    """Progress of the training."""

    images: int
    """Images presented in this training."""
    epoch: int
    """Passes completed."""
    loss: float
    """Mean cross-entropy of the last batch, before its update."""


class Counts(NamedTuple):
    """Counts since the network was made or `fit` was called."""

    training: Tally
    """Counts while learning."""
    inference: Tally
    """Counts while recognising."""


class Mlp:
    """A fully connected network with rectified units, trained by backpropagation.

    The loss is the cross-entropy of a softmax; the optimiser is gradient descent with momentum.
    All multiply-adds and accesses are counted as they happen. On one machine, and with one number
    of BLAS threads, one seed gives one result, bit for bit.

    Examples
    --------
    >>> network = Mlp(precision="fp4", seed=1).fit(train_images, train_labels)
    >>> network.score(test_images, test_labels)
    >>> network.counts.training.counts().macs

    Attributes
    ----------
    config
        The `MlpConfig`.
    layers
        The layers with their weights, `Dense`.
    grey_levels
        Levels of background and full in the images, `GreyLevels`.
    counts
        Counts of the work, `Counts`.
    """

    def __init__(self, config: MlpConfig | None = None, **changes: Any) -> None:
        """Build an untrained network.

        Parameters
        ----------
        config
            The parameters; 784-256-256-10 in fp32 by default.
        **changes
            Fields of `MlpConfig` to change.

        Raises
        ------
        ParameterError
            If a parameter is unknown or outside its range.
        """
        instance("Mlp.config:", config, MlpConfig, type(None))
        self.config = (config or MlpConfig()).replace(**changes)
        parameters = self.config.layers.parameters
        if parameters > MOST_PARAMETERS:
            raise ParameterError(
                f"Mlp.config: must have at most {MOST_PARAMETERS:,} parameters (got {parameters:,})"
            )
        self.begin()

    def __repr__(self) -> str:
        """Return a short description of the network, and of the images it has seen."""
        config = self.config
        return (
            f"Mlp({config.layers}, {config.precision}; {self.counts.training.images:,} images seen)"
        )

    def begin(self) -> Self:
        """Draw the weights, and count from 0."""
        config = self.config
        rng = generator(config.seed, "mlp weights")
        self.layers = [
            Dense(number, shape, operands_of(config, number), rng)
            for number, shape in enumerate(config.layers.matrices)
        ]
        self.grey_levels = GreyLevels()
        depth = config.layers.depth
        self.counts = Counts(Tally(depth), Tally(depth))
        return self

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int | None = None,
        callback: Callable[[Progress], None] | None = None,
        marks: Iterable[int] | None = None,
    ) -> Self:
        """Learn from scratch.

        Parameters
        ----------
        X
            Grey levels, [images, height, width], or [images, pixels] if images are not shifted;
            see `checked_images` for their types. Background and full level are learned.
        y
            Their labels, whole numbers.
        epochs
            Passes over the images; `config.epochs` by default.
        callback
            Called with a `Progress` after the first batch that reaches each of `marks`.
        marks
            Rising numbers of presented images; the ends of all passes by default.

        Raises
        ------
        DataError
            If images or labels do not fit the network.
        KeyboardInterrupt
            On Ctrl-C, between batches only: the network is then consistent.
        """
        self._checked(X, y)
        self.begin()
        self.grey_levels = GreyLevels.of(checked_images(X))
        return self.train(X, y, epochs=epochs, callback=callback, marks=marks)

    def train(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int | None = None,
        callback: Callable[[Progress], None] | None = None,
        marks: Iterable[int] | None = None,
        first_step: int = 0,
    ) -> Self:
        """Learn from the present weights, as `fit`; skip the batches before `first_step`."""
        config = self.config
        images, labels = self._checked(X, y)
        epochs = whole("Mlp.fit.epochs:", config.epochs if epochs is None else epochs, 1)
        function("Mlp.fit.callback:", callback)
        per_epoch = len(images) // config.batch
        if not per_epoch:
            raise DataError(
                f"images must be at least one batch, {config.batch} (got {len(images)})"
            )
        whole("Mlp.fit.epochs: batches in all, times epochs,", per_epoch * epochs, 1, MOST_STEPS)
        whole("Mlp.train.first_step:", first_step, 0, per_epoch * epochs)
        if marks is not None:
            marks = whole_numbers("Mlp.fit.marks:", list(marks), 0, 2**62).tolist()
        ends = [per_epoch * config.batch * (epoch + 1) for epoch in range(epochs)]
        awaited = sorted(ends if marks is None else marks)
        for layer in self.layers:
            layer.rest()
        rates = learning_rates(config, per_epoch * epochs)
        with held_back_interrupts() as check_interrupt:
            for step in range(first_step, per_epoch * epochs):
                epoch, part = divmod(step, per_epoch)
                if part == 0 or step == first_step:
                    order, shifts = self._order(epoch, len(images))
                chosen = slice(part * config.batch, (part + 1) * config.batch)
                loss = self._step(images, labels, order[chosen], shifts[:, chosen], rates[step])
                seen = (step + 1) * config.batch
                while awaited and awaited[0] <= seen:
                    awaited = [mark for mark in awaited if mark > seen]
                    if callback:
                        callback(Progress(seen, (step + 1) // per_epoch, loss))
                check_interrupt()
        return self

    def _order(self, epoch: int, images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the order of the images in one pass, and their shifts, int64[2, images]."""
        rng = generator(self.config.seed, "mlp order", epoch)
        shift = self.config.shift
        return rng.permutation(images), rng.integers(-shift, shift + 1, (2, images))

    def _step(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], chosen: NDArray[np.int64],
        shifts: NDArray[np.int64], rate: float,
    ) -> float:  # fmt: skip
        """Learn from one batch; return its mean loss."""
        tally = self.counts.training
        x = np.empty((len(chosen), images[0].size), self.layers[0].weights.dtype)
        present(images, chosen, *shifts, x)
        z = self._forward(x, tally, learning=True)
        delta: Array | None = np.empty_like(z)
        loss = softmax_error(z, labels[chosen], self.config.label_smoothing, delta)
        last, targets = len(self.layers) - 1, data_outputs(z.shape[1])
        tally.access(last, "activations", z.size)
        tally.access(last, "data", len(z) * targets)
        tally.access(last, "gradients", z.size)
        with np.errstate(invalid="ignore"):  # infinite errors: the step is left out
            for layer in reversed(self.layers):
                assert delta is not None
                delta = layer.backward(delta, tally)
        finite = all(layer.finite() for layer in self.layers)
        for layer in self.layers:
            if finite:
                layer.update(rate, self.config, tally)
            layer.operands.learn(rate, finite)
        tally.images += len(chosen)
        tally.steps += 1
        return float(loss / len(chosen))

    def _forward(self, z: Array, tally: Tally, learning: bool) -> Array:
        for layer in self.layers:
            z = layer.forward(z, tally, learning)
        return z

    # ---- recognition ---------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return the most likely class of each image, int64[images]."""
        images = self._checked_images(X)
        classes = np.empty(len(images), np.int64)
        still = np.zeros(IMAGES_PER_BATCH, np.int64)
        for start in range(0, len(images), IMAGES_PER_BATCH):
            chosen = np.arange(start, min(start + IMAGES_PER_BATCH, len(images)))
            x = np.empty((len(chosen), images[0].size), self.layers[0].weights.dtype)
            present(images, chosen, still, still, x)
            classes[chosen] = self._forward(x, self.counts.inference, learning=False).argmax(axis=1)
            self.counts.inference.images += len(chosen)
            self.counts.inference.steps += 1
        return classes

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the fraction of the images that are classified correctly."""
        _, labels = self._checked(X, y)
        return float((self.predict(X) == labels).mean())

    # ---- checks --------------------------------------------------------------------------------

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        images = self._checked_images(X)
        labels = checked_labels(y, len(images))
        classes = self.config.layers.widths[-1]
        if labels.max() >= classes:
            raise DataError(f"labels must be < {classes}, the outputs (got {labels.max()})")
        return images, labels

    def _checked_images(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return pixel densities, uint8[images, height, width]; flat ones have one row."""
        flat = checked_images(X)
        pixels = flat.shape[1]
        images = np.ascontiguousarray(self.grey_levels.densities(flat)).reshape(np.shape(X))
        inputs = self.config.layers.widths[0]
        if pixels != inputs:
            raise DataError(f"images must have {inputs} pixels, the inputs (got {pixels})")
        if images.ndim == 2:
            if self.config.shift:
                raise DataError(
                    f"images must be [images, height, width] to be shifted, MlpConfig.shift "
                    f"{self.config.shift} (got shape {images.shape})"
                )
            images = images[:, np.newaxis]
        return images


def learning_rates(config: MlpConfig, steps: int) -> NDArray[np.float64]:
    """Return the learning rate of each of `steps`: a linear rise, then half a cosine down to 0."""
    rise = math.ceil(config.warm_up * steps)
    up = np.arange(1, rise + 1) / max(1, rise)
    x = np.arange(steps - rise) / max(1, steps - rise)
    return config.learning_rate * np.concatenate([up, (1 + np.cos(np.pi * x)) / 2])
