"""`TrainedNetwork`: a network trained elsewhere, as a list of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import array, number, whole
from cbramsim.core.errors import DataError, ParameterError, nearest, shown
from cbramsim.simulator.mapping.layers import (
    Affine,
    Dense,
    Floats,
    Weighted,
    activation,
    apply,
)
from cbramsim.simulator.mapping.neurons import Layer, Leaky

Product = Callable[[int, Weighted, Floats], Floats]
STEP = 250
"""Most images that pass through all layers at once."""
AT_ONCE = 1 << 24
"""Most numbers in the rows of a matrix at once."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network trained elsewhere: layers, one after the other.

    Examples
    --------
    >>> network = TrainedNetwork.from_onnx("lenet.onnx")
    >>> network = TrainedNetwork.from_state_dict(model.state_dict(), activation="relu")
    >>> network.score(images, labels)  # in software
    """

    layers: tuple[Layer, ...]
    """Layers, in order."""
    input_shape: tuple[int, ...] | None = None
    """Shape of one image, such as (1, 28, 28); None: any shape, or one row if the first layer with
    weights is dense."""
    steps: int = 0
    """Time steps for which an image is shown to a network with spiking neurons, `Leaky`; its
    scores are then summed over them."""
    dt: float = 1e-3
    """Duration of a step, s."""

    def __post_init__(self) -> None:
        """Refuse a network without weights, and neurons without time."""
        if not self.weighted:
            raise ParameterError("TrainedNetwork.layers: must have one with weights or more")
        neurons = [layer for layer in self.layers if isinstance(layer, Leaky)]
        whole("TrainedNetwork.steps:", self.steps, int(bool(neurons)), 1_000_000 if neurons else 0)
        number("TrainedNetwork.dt:", self.dt, 1e-12, 1e3)
        shortest = min((np.min(each.tau) for each in neurons if each.tau is not None), default=1e3)
        if self.dt > shortest:  # beyond twice of it Euler's method grows without bound
            raise ParameterError(
                f"TrainedNetwork.dt: must be at most {shortest:g} s, the shortest time constant "
                f"(got {self.dt:g})"
            )

    def __repr__(self) -> str:
        """Return a short description of the layers."""
        return f"TrainedNetwork({' - '.join(map(name_of, self.layers))})"

    @property
    def weighted(self) -> list[Weighted]:
        """Layers that arrays can hold."""
        return [layer for layer in self.layers if isinstance(layer, Weighted)]

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Shape of one image: `input_shape`, or one row where the first weights are dense."""
        if self.input_shape is None and isinstance(first := self.weighted[0], Dense):
            return (len(first.weight),)
        return self.input_shape

    # ---- where they come from ------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike] | None = None,
        activation: str = "relu",
    ) -> Self:
        """Return a perceptron from NumPy arrays.

        Parameters
        ----------
        weights
            float[inputs, outputs] of each layer.
        biases
            float[outputs] of each layer; zeros by default.
        activation
            Between two layers: relu, leaky-relu, sigmoid or tanh.
        """
        where = "TrainedNetwork.from_arrays"
        matrices = [_floats(f"{where}: weights[{n}]", each, 2) for n, each in enumerate(weights)]
        if biases is None:
            biases = [np.zeros(each.shape[1]) for each in matrices]
        if len(biases) != len(matrices):
            raise ParameterError(
                f"{where}: biases must be {len(matrices)}, one for each layer (got {len(biases)})"
            )
        dense = [
            Dense(weight, _floats(f"{where}: biases[{n}]", bias, 1, weight.shape[1:]))
            for n, (weight, bias) in enumerate(zip(matrices, biases, strict=True))
        ]
        for before, after in pairwise(dense):
            if before.weight.shape[1] != len(after.weight):
                raise ParameterError(
                    f"{where}: weights must follow each other (got {before.weight.shape} before "
                    f"{after.weight.shape})"
                )
        return cls(in_between(dense, activation))

    @classmethod
    def from_state_dict(
        cls,
        state: Mapping[str, Any],
        layers: Sequence[str] | None = None,
        *,
        activation: str = "relu",
        input_shape: tuple[int, ...] | None = None,
    ) -> Self:
        """Return a network from the `state_dict` of a PyTorch module; needs no PyTorch.

        Parameters
        ----------
        state
            Tensors, or arrays, by name, such as "fc1.weight".
        layers
            Layers of the module, in order: the names of its parts ("fc1", "conv1 padding=2",
            "bn1"), "relu", "leaky-relu", "sigmoid", "tanh", "maxpool 2", "meanpool 2",
            "meanpool", "flatten". By default all parts that have weights, with an `activation`
            between two: enough for a perceptron.
        activation
            See above.
        input_shape
            Shape of one image, for convolutions.
        """
        from cbramsim.simulator.mapping.state_dicts import layers_of

        return cls(layers_of(state, layers, activation), input_shape)

    @classmethod
    def from_onnx(cls, path: Path | str) -> Self:
        """Return a network from an ONNX file, or one of `shipped`; needs the extra 'onnx'.

        Raises
        ------
        CbramError
            If the extra or the file is missing, or a node cannot be mapped.
        """
        from cbramsim.simulator.mapping.onnx_files import read_onnx

        known = shipped()
        if str(path) not in known and not Path(path).exists():
            raise DataError(f"{path}: there is no such file{nearest(str(path), known)}")
        return cls(*read_onnx(known.get(str(path), Path(path))))

    @classmethod
    def from_nir(cls, path: Path | str, steps: int = 100, dt: float = 1e-3) -> Self:
        """Return a spiking network from a NIR file; needs the extra 'nir'.

        Parameters
        ----------
        path
            The file.
        steps, dt
            Number of steps for which an image is shown, and duration of each, s.

        Raises
        ------
        CbramError
            If the extra or the file is missing, or a node cannot be mapped.
        """
        from cbramsim.simulator.mapping.nir_graphs import read_nir

        layers, shape = read_nir(Path(path))
        spiking = any(isinstance(layer, Leaky) for layer in layers)
        return cls(layers, shape, steps if spiking else 0, dt)

    def to_nir(self, path: Path | str, input_shape: tuple[int, ...] | None = None) -> None:
        """Write the network as a NIR file; needs the extra 'nir'.

        Raises
        ------
        CbramError
            If the extra is missing, a layer has no node in NIR, or the shape of an image is not
            known.
        """
        from cbramsim.simulator.mapping.nir_graphs import write_nir

        shape = input_shape or self.image_shape
        if shape is None:
            raise ParameterError("TrainedNetwork.to_nir: input_shape must be given")
        write_nir(Path(path), self.folded().layers, shape)

    @classmethod
    def of(cls, model: Any) -> Self:
        """Return a network from itself, a file, a state_dict, or weights.

        Raises
        ------
        ParameterError
            If the argument is none of these.
        """
        if isinstance(model, cls):
            return model
        if isinstance(model, str | Path):
            return (cls.from_nir if str(model).endswith(".nir") else cls.from_onnx)(model)
        if isinstance(model, Mapping):
            return cls.from_state_dict(model)
        if hasattr(model, "state_dict") and hasattr(model, "named_children"):
            from cbramsim.simulator.mapping.state_dicts import layers_of_module

            return cls(layers_of_module(model))
        if isinstance(model, Sequence):
            return cls.from_arrays(model)
        raise ParameterError(
            "TrainedNetwork.of: model must be a TrainedNetwork, the path of an ONNX or NIR file, a "
            f"state_dict, a module of layers in a row, or a list of weights (got {shown(model)})"
        )

    # ---- what they do --------------------------------------------------------------------------

    def folded(self) -> Self:
        """Return the same network with batch norms folded into the weights before them."""
        layers: list[Layer] = []
        for layer in self.layers:
            if isinstance(layer, Affine) and layers and isinstance(last := layers[-1], Weighted):
                outputs = len(last.bias)
                scale, shift = (np.broadcast_to(x, outputs) for x in (layer.scale, layer.shift))
                layers[-1] = last.scaled(scale, shift)
            else:
                layers.append(layer)
        return replace(self, layers=tuple(layers))

    def prepared(self, images: ArrayLike) -> Floats:
        """Return images in the form of the first layer, float32[images, ...]; uint8 becomes 0 to 1.

        With spiking neurons, images may also be [images, steps, ...], one for each step.

        Raises
        ------
        ParameterError
            If they are not of the shape for which the network was trained.
        """
        found = array("TrainedNetwork: images", images, "uif")
        if found.ndim < 2 or not len(found):
            raise ParameterError(
                f"TrainedNetwork: images must be [images, ...], at least one (got {shown(found)})"
            )
        if found.dtype.kind != "f" and found.dtype != np.uint8:
            raise ParameterError(
                f"TrainedNetwork: images must be floats, or uint8 (got {found.dtype})"
            )
        values = found.astype(np.float32)
        if found.dtype == np.uint8:
            values /= np.float32(255)
        if not np.isfinite(values).all():
            raise ParameterError("TrainedNetwork: images must be finite")
        shape, given = self.image_shape, values.shape[1:]
        if shape is None:
            return values[:, None] if values.ndim == 3 else values  # grey images have one channel
        if _same(given, shape):
            return values.reshape(len(values), *shape)
        if self.steps and given[0] == self.steps and _same(given[1:], shape):
            return values.reshape(len(values), self.steps, *shape)
        raise ParameterError(
            f"TrainedNetwork: images must have the shape {shown(shape)} (got {shown(given)})"
        )

    def forward(self, images: ArrayLike) -> Floats:
        """Return the scores of images in software, float32[images, classes]."""
        x = self.prepared(images)
        return np.concatenate([self.carry(part, in_software) for part in self.parts(x)])

    def parts(self, x: Floats) -> Iterator[Floats]:
        """Yield prepared images in parts whose rows for a matrix fit into `AT_ONCE` numbers."""
        largest = 1

        def note(_: int, layer: Weighted, x: Floats) -> Floats:
            nonlocal largest
            largest = max(largest, layer.unroll(x).size)
            return apply(layer, x)

        self.carry(x[:1], note)
        step = min(max(AT_ONCE // largest, 1), STEP)
        for start in range(0, len(x), step):
            yield x[start : start + step]

    def carry(self, x: Floats, product: Product) -> Floats:
        """Carry prepared images through all layers.

        Parameters
        ----------
        x
            Images from `prepared`.
        product
            Function for the layers with weights, of the number and the layer: `in_software`, or
            that of arrays.

        Returns
        -------
        float32[images, classes]
        """
        if not self.steps:
            return checked_scores(self._once(x, product, {}))
        shape = self.image_shape
        shown_one_by_one = shape is not None and x.ndim == len(shape) + 2
        membranes: dict[int, Floats] = {}
        total: Any = 0
        for step in range(self.steps):
            now = x[:, step] if shown_one_by_one else x
            total = total + self._once(now, product, membranes)
        return checked_scores(total)

    def _once(self, x: Floats, product: Product, membranes: dict[int, Floats]) -> Floats:
        """Carry activations, or those of one step, through all layers."""
        weighted = 0
        for n, layer in enumerate(self.layers):
            if isinstance(layer, Weighted):
                x = product(weighted, layer, x)
                weighted += 1
            elif isinstance(layer, Leaky):
                x, membranes[n] = layer.step(x, membranes.get(n), self.dt)
            else:
                x = layer.forward(x)
        return x

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """Return the class of each image, int64[images]."""
        return self.forward(images).argmax(axis=1)

    def score(self, images: ArrayLike, labels: ArrayLike) -> float:
        """Return the fraction of the images that are classified correctly."""
        return part_found(self.predict(images), labels)


def checked_scores(scores: Floats) -> Floats:
    """Return scores, float32[images, classes].

    Raises
    ------
    ParameterError
        If they are not of this form, or of one class only.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ParameterError(
            "TrainedNetwork: the last layer must give [images, classes], two classes or more (got "
            f"{shown(scores.shape)})"
        )
    return scores


def part_found(classes: NDArray[np.int64], labels: ArrayLike) -> float:
    """Return the fraction of the images whose class, int64[images], is that of their label.

    Raises
    ------
    ParameterError
        If labels are not one number for each image.
    """
    names = array("score: labels", labels, "ui")
    if names.shape != classes.shape:
        raise ParameterError(
            f"score: labels must be one for each of {len(classes)} images (got shape "
            f"{shown(names.shape)})"
        )
    return float((classes == names).mean())


def _same(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether images can be taken as of a shape: as one row, or except for axes of 1."""
    one_row = 1 in (len(given), len(wanted)) and np.prod(given) == np.prod(wanted)
    return bool(one_row) or [n for n in given if n > 1] == [n for n in wanted if n > 1]


def in_software(_: int, layer: Weighted, x: Floats) -> Floats:
    """Return the product of a layer with weights in software."""
    return apply(layer, x)


def shipped() -> dict[str, Path]:
    """Return the networks that come with the package: name -> ONNX file; docs/mapping.md."""
    folder = Path(str(files("cbramsim") / "data" / "networks"))
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}


def in_between(weighted: Sequence[Weighted], kind: str) -> tuple[Layer, ...]:
    """Return layers with an activation after all but the last."""
    layers: list[Layer] = []
    for layer in weighted:
        layers += [layer, activation(kind)]
    return tuple(layers[:-1])


def name_of(layer: Layer) -> str:
    """Return the name of a layer, for people."""
    if isinstance(layer, Dense):
        return "{} x {}".format(*layer.weight.shape)
    if isinstance(layer, Weighted):
        outputs, inputs, height, width = layer.weight.shape
        return f"{inputs} x {outputs} kernels of {height} x {width}"
    kind: str = getattr(layer, "kind", type(layer).__name__.lower())
    return kind


def _floats(
    where: str, values: ArrayLike, dimensions: int, shape: tuple[int, ...] | None = None
) -> Floats:
    found = array(where, values, "uif").astype(np.float32)
    if found.ndim != dimensions or (shape is not None and found.shape != shape):
        wanted = shown(shape) if shape else f"{dimensions} dimensions"
        raise ParameterError(f"{where} must have {wanted} (got {shown(found.shape)})")
    if not np.isfinite(found).all():
        raise ParameterError(f"{where} must be finite")
    return found
