"""`SpikingNetwork`: unsupervised learning in crossbars, in the manner of scikit-learn."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import flag, function, instance, whole, whole_numbers
from cbramsim.core.errors import DataError, ParameterError
from cbramsim.core.interrupts import held_back_interrupts
from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.simulator.array.own import Own, check
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.images.grey_levels import checked_images
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.encoding import contrast
from cbramsim.simulator.learning.inputs import Inputs
from cbramsim.simulator.learning.layer import Layer
from cbramsim.simulator.learning.network_state import arrays_of, restored
from cbramsim.simulator.learning.neurons import Competition
from cbramsim.simulator.learning.pixels import Pixels
from cbramsim.simulator.learning.recognition import MOST_THREADS, Recogniser
from cbramsim.simulator.learning.rules.rewarded import targets_of
from cbramsim.simulator.learning.state_file import read_state, write_state

IMAGES_PER_STEP = 200
"""Images between two checks of pruning, progress and interrupts."""
MOST_EPOCHS = 10_000
"""Most passes in one call."""
Callback = Callable[["Step"], None] | None


class Step(NamedTuple):
    """Result of one step of training, for progress and learning curves."""

    images: NDArray[np.int64]
    """Indices of the images that were presented, int64[n]."""
    winners: NDArray[np.int32]
    """Neuron that fired in each window, int32[n, windows]."""


class SpikingNetwork(Recogniser):
    """An encoder, layers of stochastic winner-take-all neurons that learn in arrays, and labels.

    Labels only name neurons, by `label`; with `reward.classes` they also reward the right neurons.

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
    layers
        The `Layer`s, each with its array, ledger and pruner; none before images have been seen.
        `crossbar`, `pruner`, `bias`, `spike_counts` and `images_seen` are those of the first.
    encoder
        Pixels that the first array reads, and the meaning of their levels, `Pixels`.
    labels
        Names of the neurons of the last layer, `Labels`; or None.
    passes, position
        Complete passes over the training images, and images seen of the current one.
    pass_images
        Number and checksum of the images of the current pass.
    """

    _targets: NDArray[np.int64] | None

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
            A preset's name, a TOML file, or an object of your own, instead of what `config` names.
        own
            A custom law, rule, encoder, neurons or criterion.
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
        configs = self.config.of_layers()
        self.technologies = [(self.device, self.periphery)]
        for changes, layer in zip(self.config.later_layers, configs[1:], strict=True):
            base = Device.load(layer.device) if "device" in changes else self.device
            around = Periphery.load(layer.periphery) if "periphery" in changes else self.periphery
            self.technologies.append((layer.changed(base), around))
        for layer in configs:
            check(self.own, layer.storage, layer.rule, layer.pruning.kind)
        self.threads = min(os.cpu_count() or 1, MOST_THREADS)
        self._forget()

    def _forget(self) -> None:
        """Forget all images and layers."""
        self._encoder = None
        self.layers = []
        self._no_ledger = EnergyLedger()
        self.labels = self._targets = None
        self.passes, self.position, self.pass_images = 0, 0, (0, 0)

    def __repr__(self) -> str:
        """Return a short description of the network, and of the images it has seen."""
        inputs = self.config.inputs or "?" if self.pixels is None else self.pixels.size
        neurons = " + ".join(str(config.neurons) for config in self.config.of_layers())
        return (
            f"SpikingNetwork({inputs} inputs, {neurons} neurons, {self.device.name}, "
            f"{self.config.rule} rule, {self.config.pruning.kind} pruning; "
            f"{self.images_seen:,} images seen)"
        )

    def _repr_html_(self) -> str:
        """Return the main facts as a card, for notebooks."""
        from cbramsim.simulator.drawing.cards import network_card

        facts: dict[str, Any] = {}
        if self.pixels is not None:
            facts["passes"] = f"{self.passes:,}"
            facts["pruned"] = f"{self.pruner.fraction:.1%} of the weights"
            facts["neurons named by"] = f"{self.labels_used:,} labels"
        return network_card(repr(self), facts, self.ledger.rows())

    def build(self, inputs: Sequence[Inputs]) -> None:
        """Draw the arrays of all layers, with all counters at zero; `inputs` of each."""
        each = zip(self.config.of_layers(), self.technologies, inputs, strict=True)
        self.layers = [
            Layer(config, device, periphery, statistics, self.own, after=n > 0)
            for n, (config, (device, periphery), statistics) in enumerate(each)
        ]

    # ---- learning ------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        epochs: int = 3,
        callback: Callback = None,
    ) -> Self:
        """Learn from scratch, without labels unless `reward.classes` is set.

        Parameters
        ----------
        X
            Grey levels, [images, height, width] or [images, pixels]: uint8, uint16, floats from 0
            to 1, or bool, see `checked_images`. The levels of background and full are learned, see
            `GreyLevels`; a guess is logged as a warning.
        y
            Classes of the images, [images], with `reward.classes`; otherwise ignored.
        epochs
            Passes over the images, each in its own random order.
        callback
            Called after each step of 200 images. Ctrl-C is raised between steps only, so that the
            network is consistent and can continue.
        """
        whole("SpikingNetwork.fit.epochs:", epochs, 1, MOST_EPOCHS)
        function("SpikingNetwork.fit.callback:", callback)
        checked_images(X)  # what was learned is kept if these are none
        self._forget()
        return self.resume(self.prepare(X), y, epochs=epochs, callback=callback)

    def prepare(self, X: ArrayLike) -> NDArray[np.uint8]:
        """Return the pixels that the array reads; an untrained network chooses them first.

        An untrained network also draws its array here, in its initial state.

        Returns
        -------
        uint8[images, inputs]
            Accepted by `resume` in place of whole images, to save memory.
        """
        if self._encoder is not None:
            return self.select_pixels(X)
        self._encoder, inputs = Pixels.learned_from(X, self.config)
        self._begin(Inputs.of_images(inputs, self.config))
        for layer in self.layers:
            differs = contrast(inputs) if layer is self.layers[0] else layer.inputs.contrast
            layer.competition_scale = Competition.scale(differs)
        return inputs

    def prepare_like(self, other: SpikingNetwork) -> None:
        """Choose pixels and draw the array as `prepare` does, with the pixels of `other`.

        `other` was prepared for the same images, chooses pixels by the same keys, and has ideal
        lines and no converters: the information needed about images is the same.
        """
        self._encoder = other.encoder
        first = other.layers[0]
        self._begin(Inputs(first.inputs.activity.copy(), None, None))
        for layer, known in zip(self.layers, other.layers, strict=True):
            layer.competition_scale = known.competition_scale

    def _begin(self, first: Inputs) -> None:
        """Draw the arrays of all layers, in their initial states."""
        configs = self.config.of_layers()
        later = (Inputs.of_neurons(before.neurons, config) for before, config in pairwise(configs))
        self.build([first, *later])
        for layer in self.layers:
            layer.begin()

    def begin_again(self, X: ArrayLike, *, release: bool = True) -> Self:
        """Prepare to learn from other images in the same cells, in their present state.

        Weights, biases, wear, time and random streams stay. All counters of learning start again:
        passes, homeostasis, the maturity of neurons, the ledger; neurons lose their names.

        Parameters
        ----------
        X
            The images to come.
        release
            Whether soft-pruned cells learn again; otherwise they are held, and neurons that have
            been pruned are not pruned again.
        """
        flag("SpikingNetwork.begin_again.release:", release)
        if release:
            self._check_releasable()
        inputs = self.select_pixels(X)
        self.layers[0].observe(inputs)
        self.passes = self.position = 0
        self.pass_images = (0, 0)
        self.labels = None
        for layer in self.layers:
            layer.begin_again(release=release)
        return self

    def release(self) -> None:
        """Let soft-pruned cells learn again; from here on neurons are judged anew."""
        self._check_releasable()
        for layer in self.layers:
            layer.release()

    def _check_releasable(self) -> None:
        if not self.layers:
            raise ParameterError("SpikingNetwork.release: fit comes first")
        if any(layer.config.pruning.kind == "hard" for layer in self.layers):
            raise ParameterError(
                "SpikingNetwork.release: pruning.kind must be none or soft (got hard): the cells "
                "are out of the array"
            )

    def resume(
        self,
        inputs: NDArray[np.uint8],
        y: ArrayLike | None = None,
        *,
        epochs: int,
        callback: Callback = None,
    ) -> Self:
        """Go on learning from the same images until `epochs` passes are complete.

        Parameters
        ----------
        inputs
            The result of `prepare` for them.
        y, epochs, callback
            As in `fit`.
        """
        whole("SpikingNetwork.resume.epochs:", epochs, 0, 1000 * MOST_EPOCHS)
        function("SpikingNetwork.resume.callback:", callback)
        self.check_inputs("resume", inputs)
        self._expect("resume", y, len(inputs))
        while self.passes < epochs:
            self._one_pass(inputs, callback)
        for layer in self.layers:
            layer.finish()
        return self

    def check_inputs(self, method: str, inputs: NDArray[np.uint8]) -> None:
        """Refuse images that `prepare` has not returned, or that are not those of a broken pass.

        Raises
        ------
        DataError
            Naming the `method`.
        """
        fits = isinstance(inputs, np.ndarray) and inputs.dtype == np.uint8 and len(inputs)
        if self._encoder is None or not fits or inputs.shape[1:] != self._encoder.chosen.shape:
            raise DataError(f"{method}: must be given what `prepare` returned")
        if self.position and self._fingerprint(inputs) != self.pass_images:
            raise DataError(f"{method}: these are not the images of the interrupted pass")

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike | None = None, *, callback: Callback = None
    ) -> Self:
        """Learn from one more pass over some images, without forgetting the earlier ones.

        An interrupted pass over the same images is completed; one over others is given up.
        """
        function("SpikingNetwork.partial_fit.callback:", callback)
        inputs = self.prepare(X)
        if self.position and self._fingerprint(inputs) != self.pass_images:
            self.passes, self.position = self.passes + 1, 0
        self._expect("partial_fit", y, len(inputs))
        self._one_pass(inputs, callback)
        return self

    def _expect(self, method: str, y: ArrayLike | None, images: int) -> None:
        """Record the classes of the images to come, if any layer learns from them."""
        rewards = (config.reward for config in self.config.of_layers())
        self._targets = targets_of(f"SpikingNetwork.{method}: y", rewards, y, images)

    @staticmethod
    def _fingerprint(inputs: NDArray[np.uint8]) -> tuple[int, int]:
        """Return number and CRC-32 of the images of a pass."""
        return len(inputs), zlib.crc32(inputs.data)

    def _one_pass(self, images: NDArray[np.uint8], callback: Callback) -> None:
        """Present all images once, from `position` on, in the random order of this pass."""
        order = self.begin_pass(images)
        with held_back_interrupts() as check_interrupt:
            while self.position < len(order):
                chosen = order[self.position : self.position + IMAGES_PER_STEP]
                winners = self.learn_from(images, chosen)
                self.count(chosen, len(order))
                if callback:
                    callback(Step(chosen, winners))
                check_interrupt()
                if self.position == 0:
                    break

    def begin_pass(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the order of the images in this pass, and prepare to continue it."""
        for layer in self.layers:
            layer.go_on()
        self.pass_images = self._fingerprint(images)
        return generator(self.config.seed, "order", self.passes).permutation(len(images))

    def count(self, chosen: NDArray[np.int64], images: int) -> None:
        """Record the number of images learned from, out of those of a pass."""
        self.position += len(chosen)
        if self.position >= images:
            self.passes, self.position = self.passes + 1, 0

    def learn_from(self, images: NDArray[np.uint8], chosen: NDArray[np.int64]) -> NDArray[np.int32]:
        """Learn from ``images[chosen]``, prune mature neurons, and return the winners.

        Each layer learns from the spikes of the one before; the winners are those of the last.
        """
        whole_numbers("SpikingNetwork.learn_from: chosen", chosen, 0, len(images) - 1)
        for layer in self.layers:
            layer.expect(self._targets, chosen)
        first, *later = self.layers
        winners = first.learn(images, chosen, self.threads)
        for layer in later:
            layer.inputs.count(winners)
            winners = layer.learn(winners, np.arange(len(winners)), self.threads)
        return winners

    # ---- state ---------------------------------------------------------------------------------

    def save(self, path: str | Path, **extra: NDArray[Any]) -> None:
        """Save all that is needed to resume and to predict; an older file is replaced atomically.

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
        return arrays_of(self)

    def copy(self) -> Self:
        """Return an independent network in the same state, random streams included."""
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
        """Restore a network from the arrays of `read_state`; `path` is for errors, as in `load`."""
        return restored(cls, arrays, path, own)
