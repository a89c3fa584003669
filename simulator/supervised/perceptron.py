"""`CrossbarPerceptron`: a perceptron in arrays, in the manner of scikit-learn."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from cbramsim.core.arguments import array, instance, whole
from cbramsim.core.errors import ParameterError, shown
from cbramsim.core.rng import generator, stream
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.prices import conversion_price
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.loop import Scratch, Streams, scratch
from cbramsim.simulator.learning.readout import Direct, converted
from cbramsim.simulator.supervised.codes import SeparateCodes
from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.loop import (
    Amplitude,
    Bits,
    CrossEntropy,
    SquaredError,
    Stage,
    answer,
    learn_images,
    slopes,
)
from cbramsim.simulator.supervised.optimizers import Collected, Immediately
from cbramsim.simulator.supervised.updates import Rounded, Sign, Stochastic

STEP = 1000
"""Images between two looks at wear and half-selected cells."""


class Memory(NamedTuple):
    """What a stage keeps from one verb to the next, see `Stage`."""

    work: Scratch
    values: NDArray[np.float64]
    codes: NDArray[np.uint8]
    outputs: NDArray[np.float64]
    delta: NDArray[np.float64]
    optimizer: Immediately | Collected


class CrossbarPerceptron:
    """A perceptron whose weights are in arrays, where they learn from labels.

    Attributes
    ----------
    config
        `PerceptronConfig`.
    device
        The technology of the cells.
    ledgers
        Every event of each layer and its energy, by phase: `train`, `test`, `gradients`.
    crossbars
        The arrays, one a layer; none before it has learned from images.
    classes_
        Names of the classes, in the order of the outputs.

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
        self.config = (
            config.replace(**changes) if config is not None else PerceptronConfig(**changes)
        )
        self.device = self.config.technology()
        if self.config.encoding == "amplitude" and self.device.v_sinh:
            raise ParameterError(
                "CrossbarPerceptron: encoding must be bits where cells are not ohmic (got "
                f"amplitude, with v_sinh {self.device.v_sinh:g} V)"
            )
        self.periphery = Periphery.load(self.config.periphery)
        self.ledgers: list[EnergyLedger] = []
        self.crossbars: list[Crossbar | PlaneArray] = []
        self.classes_: NDArray[Any] = np.zeros(0)
        self.images_seen = 0

    def __repr__(self) -> str:
        """Return what the perceptron is."""
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
        """The events of all layers."""
        return EnergyLedger.sum(self.ledgers)

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """Weights of each layer, float32[inputs, units], -1 to 1."""
        return [each.weights for each in self.crossbars]

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self, images: ArrayLike, labels: ArrayLike, epochs: int = 1, *, progress: bool = False
    ) -> Self:
        """Begin anew, and learn all images `epochs` times, each time in another order.

        Parameters
        ----------
        images
            uint8[n, ...], grey levels from 0 to 255; or float[n, ...], from 0 to 1.
        labels
            [n], numbers or names of the classes.
        epochs
            How often.
        progress
            Show a bar.
        """
        whole("CrossbarPerceptron.fit: epochs", epochs, 1)
        codes, names = self._codes("fit", images), self._names("fit", images, labels)
        self._begin(codes.shape[1], np.unique(names))
        rng = generator(self.config.seed, "order of images")
        order = np.concatenate([rng.permutation(len(codes)) for _ in range(epochs)])
        return self._learn(codes, names, order, progress)

    def partial_fit(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        classes: ArrayLike | None = None,
        *,
        progress: bool = False,
    ) -> Self:
        """Learn from images once, in their order, on what has been learned before.

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
            known = names if classes is None else np.asarray(classes)
            self._begin(codes.shape[1], np.unique(known))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ParameterError(
                f"CrossbarPerceptron.partial_fit: classes must be {shown(self.classes_)}, as before"
            )
        return self._learn(codes, names, np.arange(len(codes)), progress)

    def _begin(self, inputs: int, classes: NDArray[Any]) -> None:
        config = self.config
        if len(classes) < 2:
            raise ParameterError(
                f"CrossbarPerceptron: labels must name two classes or more (got {len(classes)})"
            )
        self.classes_, self.images_seen = classes, 0
        shapes = list(zip([inputs, *config.hidden], [*config.hidden, len(classes)], strict=True))
        self.ledgers = [EnergyLedger() for _ in shapes]
        self.crossbars = [self._array(n, shape) for n, shape in enumerate(shapes)]
        rates = config.rate_of
        self._memory = [_memory(*of, config) for of in zip(shapes, rates, strict=True)]
        self.streams = self._streams("learning")

    def _streams(self, purpose: str) -> Streams:
        """Return new random streams of a purpose."""
        return Streams(
            *(stream(self.config.seed, f"{purpose} of a perceptron", n) for n in range(4))
        )

    def _array(self, layer: int, shape: tuple[int, int]) -> Crossbar | PlaneArray:
        config = self.config
        built: Built = {"access": config.access, "tiles": config.tiles}
        seed = int(generator(config.seed, "layer", layer).integers(2**62))
        rest = (seed, self.periphery, self.ledgers[layer])
        made: Crossbar | PlaneArray
        if config.synapse.several:
            made = SynapseCrossbar(self.device, shape, config.synapse, *rest, **built)
        else:
            made = Crossbar(self.device, shape, *rest, **built)
        rng, most = generator(config.seed, "initial weights", layer), config.initial_weight
        weights = rng.uniform(-most, most, shape)
        if config.initial_levels:
            levels = np.linspace(-most, most, config.initial_levels)
            weights = levels[rng.integers(config.initial_levels, size=shape)]
        made.set_weights(weights, clip=True)
        return made

    def _learn(
        self, codes: NDArray[np.uint8], names: NDArray, order: NDArray[np.int64], progress: bool
    ) -> Self:
        labels = self._numbers(names)
        stages, loss = self.stages("train"), self.loss
        with tqdm(total=len(order), unit="images", disable=not progress, leave=False) as bar:
            for start in range(0, len(order), STEP):
                part = order[start : start + STEP]
                learn_images(codes, labels, part, stages, loss, self.streams)
                for crossbar in self.crossbars:
                    crossbar.settle()
                self.images_seen += len(part)
                bar.update(len(part))
        self._price("train")
        return self

    def gradients(self, image: ArrayLike, label: Any) -> list[NDArray[np.float64]]:
        """Return the slopes of the loss of one image by the weights, as the arrays read them.

        Booked as `gradients`; inputs are what is put on the word lines, hidden units what is
        remembered of them.

        Returns
        -------
        list of float64[inputs, units]
            One array a layer.
        """
        self._check_fitted("gradients")
        codes, number = self._codes("gradients", np.asarray(image)[None]), self._numbers([label])
        stages = self.stages("gradients")
        slopes(codes[0], number[0], stages, self.loss, self._streams("gradients"))
        self._price("gradients")
        gain = self.config.gain
        return [gain * np.outer(stage.values, stage.delta) for stage in stages]

    # ---- at work -------------------------------------------------------------------------------

    def predict_proba(self, images: ArrayLike) -> NDArray[np.float64]:
        """Return the outputs for each image, float64[n, classes], 0 to 1; booked as `test`.

        The noise of reads begins anew with each call, and is not that of learning.
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
        """Return the part of the images whose class is found."""
        names = self._names("score", images, labels)
        return float((self.predict(images) == names).mean())

    # ---- for compiled loops --------------------------------------------------------------------

    def stages(self, phase: str) -> tuple[Stage, ...]:
        """Return the layers as compiled loops see them, booking on a `phase`."""
        config, device = self.config, self.device
        bits = [config.input_bits, *(config.hidden_bits for _ in config.hidden)]
        sigma = np.linalg.norm(config.synapse.parts) * self.crossbars[0].pulse.sum_sigma
        up, down = device.pulses_up, device.pulses_down
        if config.synapse.pair:
            up = down = up if config.synapse.pulses == "set" else 2 / (1 / up + 1 / down)
        levels = np.array([down, up], np.float64) * config.synapse.written / config.synapse.share
        return tuple(
            Stage(
                array=crossbar.for_loops,
                readout=self._readout(crossbar),
                encoding=Amplitude() if config.encoding == "amplitude" else Bits(),
                update=self._update(),
                per_siemens=2 * config.gain / device.g_range,
                step=rate * config.gain,
                levels=levels,
                planes=config.synapse.planes,
                references=0 if config.synapse.pair else 1,
                bits=of_inputs,
                sigma=float(sigma),
                normals=crossbar.state.normals,
                account=ledger.account(phase),
                **memory._asdict(),
            )
            for crossbar, memory, rate, of_inputs, ledger in zip(
                self.crossbars, self._memory, config.rate_of, bits, self.ledgers, strict=True
            )
        )

    def _readout(self, crossbar: Crossbar | PlaneArray) -> Any:
        config, (rows, columns) = self.config, crossbar.shape
        if config.codes:
            return SeparateCodes(lsb=self.device.g_range * rows / config.codes)
        if not config.readout.adc_bits:
            return Direct()
        starts, _ = config.tiles.parts(crossbar.shape)
        tile_rows = int(np.diff(starts).max())
        adc = config.readout.converter(tile_rows, tile_rows, self.device.g_range)
        return converted(adc, starts, columns, physical(crossbar).seed)

    def _update(self) -> Rounded | Stochastic | Sign:
        if self.config.update == "sign":
            return Sign(self.config.threshold)
        return Rounded() if self.config.update == "rounded" else Stochastic()

    @property
    def loss(self) -> SquaredError | CrossEntropy:
        """What is made small, for compiled loops."""
        return CrossEntropy() if self.config.loss == "cross-entropy" else SquaredError()

    def _price(self, phase: str) -> None:
        """Price the events whose energy does not depend on the state of a cell."""
        config, periphery = self.config, self.periphery
        prices = {
            Operation.NEURON_UPDATE: periphery.e_neuron,
            Operation.SHIFT_ADD: periphery.e_add,
            Operation.MEMORY_BYTE: periphery.e_memory,
            Operation.MULTIPLY_ADD: periphery.e_multiply_add,
        }
        if bits := config.readout.adc_bits or config.codes.bit_length():
            conversion = conversion_price(bits, config.readout.adc_source)
            prices[Operation.ADC_CONVERSION] = conversion.value
        for crossbar, ledger in zip(self.crossbars, self.ledgers, strict=True):
            account, rows = ledger.account(phase), crossbar.shape[0]
            charge = self.device.c_cell * rows * self.device.v_read**2
            drivers = len(config.tiles.parts(crossbar.shape)[0]) - 1
            of_lines = {
                Operation.WORD_LINE_DRIVE: crossbar.word_line_energy,
                Operation.BIT_LINE_DRIVE: drivers * periphery.e_word_line + charge,
            }
            for operation, joules in (prices | of_lines).items():
                account.joules[operation] = account.counts[operation] * joules

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

    def _numbers(self, names: ArrayLike) -> NDArray[np.int64]:
        """Return the number of each class."""
        names = np.asarray(names)
        if names.ndim != 1 or names.dtype == object:
            raise ParameterError(f"CrossbarPerceptron: labels must be names (got {shown(names)})")
        labels = np.searchsorted(self.classes_, names).clip(max=len(self.classes_) - 1)
        if not np.array_equal(self.classes_[labels], names):
            raise ParameterError(
                f"CrossbarPerceptron: labels must be of the classes {shown(self.classes_)}"
            )
        return labels

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


def _memory(shape: tuple[int, int], rate: float, config: PerceptronConfig) -> Memory:
    """Return the memory of a stage of (rows, columns), which remembers nothing yet."""
    rows, columns = shape
    optimizer: Immediately | Collected = Immediately()
    if config.remembers:
        optimizer = Collected(
            config.batch, rate, config.gain, np.zeros((columns, rows), np.float32),
            np.zeros(1, np.int64), config.optimizer.new_moments(shape),
        )  # fmt: skip
    return Memory(
        scratch(rows, columns, config.synapse.planes),
        np.zeros(rows), np.zeros(rows, np.uint8), np.zeros(columns), np.zeros(columns), optimizer,
    )  # fmt: skip
