"""`CrossbarPerceptron`: a perceptron in arrays, in the manner of scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from cbramsim.core.arguments import array, instance, whole
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.rng import generator, stream
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.learning.loop import Streams
from cbramsim.simulator.learning.state_file import read_state, write_state
from cbramsim.simulator.supervised.assembly import (
    Memory,
    array_of,
    loss_of,
    memory_of,
    price_events,
    stage_of,
)
from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.lines import SAMPLED, active_together
from cbramsim.simulator.supervised.loop import (
    CrossEntropy,
    SquaredError,
    Stage,
    answer,
    learn_images,
    slopes,
)
from cbramsim.simulator.supervised.state import arrays_of
from cbramsim.simulator.supervised.state import restored as restored_from

STEP = 1000
"""Images between two checks of wear and half-selected cells."""
WIRED_STEP = 50
"""Images between two checks behind resistive lines, which are then updated too."""


class CrossbarPerceptron:
    """A perceptron whose weights are in arrays and learn from labels.

    It is not made of `learning.Layer`s. A layer belongs to a winner: its neurons compete, its rule
    changes the column of the one that fires by the spikes of its inputs, and it matures, is pruned
    and named by the spikes of its neurons. A stage of a perceptron has real outputs and slopes that
    come back from the next stage, and every column learns from every image. Both use the same
    parts: arrays, read-outs, scratch, lines, ledgers.

    Attributes
    ----------
    config
        `PerceptronConfig`.
    device
        The technology of the cells.
    ledgers
        Every event of each layer and its energy, by phase: `train`, `test`, `gradients`.
    crossbars
        The arrays, one for each layer; none before it has learned from images.
    classes_
        Names of the classes, in the order of the outputs.
    images_seen
        Images learned from.
    memory, streams
        Memory of each stage from one verb to the next, and the random streams of learning.
    together
        Probability that word lines of each layer are active together, see `supervised.lines`.

    Examples
    --------
    >>> model = CrossbarPerceptron(hidden=(100,), device="epiram")
    >>> model.fit(data.train_images, data.train_labels, epochs=1)
    >>> model.score(data.test_images, data.test_labels)
    >>> print(model.ledger)
    """

    def __init__(self, config: PerceptronConfig | None = None, **changes: Any) -> None:
        """Take a configuration, or `changes` to the default one.

        Raises
        ------
        ParameterError
            If a value is not valid.
        """
        instance("CrossbarPerceptron.config:", config, PerceptronConfig, type(None))
        config = config.replace(**changes) if config is not None else PerceptronConfig(**changes)
        self.assemble(config, config.technology(), Periphery.load(config.periphery))

    def assemble(self, config: PerceptronConfig, device: Device, periphery: Periphery) -> None:
        """Take a configuration, with the objects behind its names; errors as in the constructor."""
        self.config, self.device, self.periphery = config, device, periphery
        if self.config.encoding == "amplitude" and self.device.v_sinh:
            raise ParameterError(
                "CrossbarPerceptron: encoding must be bits where cells are not ohmic (got "
                f"amplitude, with v_sinh {self.device.v_sinh:g} V)"
            )
        if self.config.wires and self.device.v_sinh:
            raise ParameterError(
                "CrossbarPerceptron: wires must be false where cells are not ohmic (got v_sinh "
                f"{self.device.v_sinh:g} V)"
            )
        self.ledgers: list[EnergyLedger] = []
        self.crossbars: list[Crossbar | PlaneArray] = []
        self.memory: list[Memory] = []
        self.together: list[NDArray[np.float64]] = []
        self.classes_: NDArray[Any] = np.zeros(0)
        self.images_seen = 0

    def __repr__(self) -> str:
        """Return a short description of the perceptron."""
        widths = "-".join(["?", *map(str, self.config.hidden), "?"])
        if self.crossbars:
            widths = "-".join(map(str, self.widths))
        return f"CrossbarPerceptron({widths}, {self.device.name}, {self.images_seen:,} images seen)"

    @property
    def widths(self) -> list[int]:
        """Inputs, hidden units and classes."""
        self._check_fitted("widths")
        return [self.crossbars[0].shape[0], *(each.shape[1] for each in self.crossbars)]

    @property
    def ledger(self) -> EnergyLedger:
        """Events of all layers."""
        return EnergyLedger.sum(self.ledgers)

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """Weights of each layer, float32[inputs, units], -1 to 1."""
        return [each.weights for each in self.crossbars]

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self, images: ArrayLike, labels: ArrayLike, epochs: int = 1, *, progress: bool = False
    ) -> Self:
        """Learn all images from scratch `epochs` times, each time in another order.

        Parameters
        ----------
        images
            uint8[n, ...], grey levels from 0 to 255; or float[n, ...], from 0 to 1.
        labels
            [n], numbers or names of the classes.
        epochs
            Number of passes.
        progress
            Whether to show a progress bar.
        """
        whole("CrossbarPerceptron.fit: epochs", epochs, 1)
        codes, names = self._codes("fit", images), self._names("fit", images, labels)
        classes = np.unique(names)
        labels = _numbers(classes, names)
        self.begin(codes.shape[1], classes)
        rng = generator(self.config.seed, "order of images")
        order = np.concatenate([rng.permutation(len(codes)) for _ in range(epochs)])
        return self._learn(codes, labels, order, progress)

    def partial_fit(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        progress: bool = False,
    ) -> Self:
        """Learn from images once, in their order, without forgetting earlier ones.

        Parameters
        ----------
        images, labels, progress
            As for `fit`.
        classes
            Names of all classes, for the first images; those of `labels` by default.
        """
        codes = self._codes("partial_fit", images)
        names = self._names("partial_fit", images, labels)
        if not self.crossbars:
            known = np.unique(names if classes is None else np.asarray(classes))
            labels = _numbers(known, names)
            self.begin(codes.shape[1], known)
            return self._learn(codes, labels, np.arange(len(codes)), progress)
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ParameterError(
                f"CrossbarPerceptron.partial_fit: classes must be {shown(self.classes_)}, as before"
            )
        labels = _numbers(self.classes_, names)
        return self._learn(codes, labels, np.arange(len(codes)), progress)

    def begin(self, inputs: int, classes: NDArray[Any]) -> None:
        """Draw the arrays anew, for a number of inputs and for these classes, in their order."""
        config = self.config
        if len(classes) < 2:
            raise ParameterError(
                f"CrossbarPerceptron: labels must name two classes or more (got {len(classes)})"
            )
        shapes = list(zip([inputs, *config.hidden], [*config.hidden, len(classes)], strict=True))
        ledgers = [EnergyLedger() for _ in shapes]
        self.crossbars = [
            array_of(config, self.device, self.periphery, ledgers[n], n, shape)
            for n, shape in enumerate(shapes)
        ]
        self.classes_, self.images_seen, self.ledgers = classes, 0, ledgers
        self.memory = [memory_of(config, n, shape) for n, shape in enumerate(shapes)]
        self.together = [np.zeros((rows, rows) if config.wires else (0, 0)) for rows, _ in shapes]
        self.streams = self._streams("learning")

    def _streams(self, purpose: str) -> Streams:
        """Return new random streams of a purpose."""
        return Streams(
            *(stream(self.config.seed, f"{purpose} of a perceptron", n) for n in range(4))
        )

    def _learn(
        self, codes: NDArray[np.uint8], labels: NDArray[np.int64], order: NDArray[np.int64],
        progress: bool,
    ) -> Self:  # fmt: skip
        step = WIRED_STEP if self.config.wires else STEP
        with tqdm(total=len(order), unit="images", disable=not progress, leave=False) as bar:
            for start in range(0, len(order), step):
                part = order[start : start + step]
                if self.config.wires:
                    self._follow(codes[part])
                learn_images(codes, labels, part, self.stages("train"), self.loss, self.streams)
                for crossbar in self.crossbars:
                    crossbar.settle()
                self.images_seen += len(part)
                bar.update(len(part))
        self._price("train")
        return self

    def _follow(self, codes: NDArray[np.uint8]) -> None:
        """Let reads follow a step of learning behind resistive lines, layer by layer.

        The probabilities of active lines are those of some coming images, presented without
        booking.
        """
        config, chosen = self.config, codes[:: -(-len(codes) // SAMPLED)]
        for n, crossbar in enumerate(self.crossbars):
            bits = config.hidden_bits if n else config.input_bits
            self.together[n] = active_together(
                chosen if n == 0 else self._units(n, chosen), bits,
                one_by_one=config.encoding == "bits",
            )  # fmt: skip
            crossbar.follow(self.together[n], config.wires_error, 1)

    def _units(self, layer: int, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the inputs of a later layer for some images, uint8[images, units]; not booked."""
        stages, streams = self.stages("unbooked", learning=True), self._streams("lines")
        outputs, found = np.empty((1, len(self.classes_))), []
        for n in range(len(codes)):
            answer(codes[n : n + 1], outputs, stages, self.loss, streams)
            found.append(stages[layer].codes.copy())
        for ledger in self.ledgers:
            ledger.clear("unbooked")
        return np.array(found)

    def gradients(self, image: ArrayLike, label: Any) -> list[NDArray[np.float64]]:
        """Return the slopes of the loss of one image by the weights, as the arrays read them.

        Booked as `gradients`; inputs have their values on the word lines, hidden units the
        remembered ones.

        Returns
        -------
        list of float64[inputs, units]
            One array for each layer.
        """
        self._check_fitted("gradients")
        codes = self._codes("gradients", np.asarray(image)[None])
        number = _numbers(self.classes_, [label])
        stages = self.stages("gradients")
        slopes(codes[0], number[0], stages, self.loss, self._streams("gradients"))
        self._price("gradients")
        gain = self.config.gain
        return [gain * np.outer(stage.values, stage.delta) for stage in stages]

    def wait(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass at some temperature before the arrays are used again: cells age.

        They do not age while a perceptron learns.
        """
        self._check_fitted("wait")
        for crossbar in self.crossbars:
            crossbar.wait(seconds, celsius=celsius)

    # ---- state ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Save all that is needed to go on; an older file is replaced atomically."""
        write_state(path, arrays_of(self))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Restore a perceptron from `save`, which goes on learning bit for bit.

        Raises
        ------
        DataError
            If the file is missing, damaged, of another version, or contradicts itself.
        """
        restored: Self = restored_from(cls, read_state(path), path)
        return restored

    # ---- at work -------------------------------------------------------------------------------

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float64]:
        """Return the outputs for each image, float64[n, classes], 0 to 1; booked as `test`.

        The noise of reads starts anew with each call, and differs from that of learning.
        """
        self._check_fitted("predict_proba")
        codes = self._codes("predict_proba", images)
        outputs = np.empty((len(codes), len(self.classes_)))
        answer(codes, outputs, self.stages("test"), self.loss, self._streams("answers"))
        self._price("test")
        return outputs

    def predict(self, images: ArrayLike) -> NDArray[Any]:
        """Return the class of each image, [n]."""
        return self.classes_[self.predict_proba(images).argmax(axis=1)]

    def score(self, images: ArrayLike, labels: ArrayLike) -> float:
        """Return the fraction of the images that are classified correctly."""
        names = self._names("score", images, labels)
        return float((self.predict(images) == names).mean())

    # ---- for compiled loops --------------------------------------------------------------------

    def stages(self, phase: str, *, learning: bool = False) -> tuple[Stage, ...]:
        """Return the layers in the form of compiled loops, booking in a `phase`.

        In the phase `train` and if `learning`, cells are read as while they learn; otherwise as if
        none changes.
        """
        moving = learning or phase == "train" or not self.config.wires
        return tuple(
            stage_of(
                self.config, n, crossbar,
                crossbar.for_loops if moving else crossbar.at_rest(self.together[n]),
                self.memory[n], self.ledgers[n].account(phase),
            )
            for n, crossbar in enumerate(self.crossbars)
        )  # fmt: skip

    @property
    def loss(self) -> SquaredError | CrossEntropy:
        """Loss that is minimised, for compiled loops."""
        return loss_of(self.config)

    def _price(self, phase: str) -> None:
        """Price the events whose energy does not depend on the state of a cell."""
        for crossbar, ledger in zip(self.crossbars, self.ledgers, strict=True):
            price_events(ledger.account(phase), self.config, crossbar)

    # ---- images and labels ---------------------------------------------------------------------

    def _codes(self, method: str, images: ArrayLike) -> NDArray[np.uint8]:
        """Return images as codes of `input_bits`, uint8[n, inputs]."""
        where = f"CrossbarPerceptron.{method}: images"
        found = array(where, images, "uf")
        if found.ndim < 2 or not len(found):
            raise ParameterError(f"{where} must be [n, ...], at least one (got {shown(found)})")
        flat = found.reshape(len(found), -1)
        if not flat.shape[1] or (
            self.crossbars and method != "fit" and flat.shape[1] != self.widths[0]
        ):
            inputs = self.widths[0] if self.crossbars else ">= 1"
            raise ParameterError(f"{where} must have {inputs} inputs (got {flat.shape[1]})")
        grey = flat / 255 if flat.dtype == np.uint8 else flat
        if not ((grey >= 0) & (grey <= 1)).all():
            raise ParameterError(f"{where} must be uint8, or numbers >= 0 and <= 1")
        return np.floor(grey * ((1 << self.config.input_bits) - 1) + 0.5).astype(np.uint8)

    def _check_fitted(self, what: str) -> None:
        if not self.crossbars:
            raise ParameterError(f"CrossbarPerceptron.{what}: fit comes first")

    def _names(self, method: str, images: ArrayLike, labels: ArrayLike) -> NDArray[Any]:
        names = np.asarray(labels)
        if names.dtype == object:
            raise ParameterError(
                f"CrossbarPerceptron.{method}: labels must be numbers or texts (got {shown(names)})"
            )
        if names.shape != (len(np.asarray(images)),):
            raise ParameterError(
                f"CrossbarPerceptron.{method}: labels must be one for each image (got "
                f"{shown(names)})"
            )
        return names


def _numbers(classes: NDArray[Any], names: ArrayLike) -> NDArray[np.int64]:
    """Return the number of the class that each label names."""
    names = np.asarray(names)
    if names.ndim != 1 or names.dtype == object:
        raise ParameterError(f"CrossbarPerceptron: labels must be names (got {shown(names)})")
    labels = np.searchsorted(classes, names).clip(max=len(classes) - 1)
    if not np.array_equal(classes[labels], names):
        raise ParameterError(f"CrossbarPerceptron: labels must be of the classes {shown(classes)}")
    return labels
