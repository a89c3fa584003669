"""`TrainedNetwork`: a network that something else has trained, as a list of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import array
from cbramsim.core.errors import ParameterError, shown
from cbramsim.simulator.mapping.layers import (
    Affine,
    Dense,
    Floats,
    Layer,
    Weighted,
    activation,
    apply,
)

STEP = 1000
"""Images that are carried through all layers at once."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network that something else has trained: layers, one after the other.

    Examples
    --------
    >>> network = TrainedNetwork.from_onnx("lenet.onnx")
    >>> network = TrainedNetwork.from_state_dict(model.state_dict(), activation="relu")
    >>> network.score(images, labels)  # in software
    """

    layers: tuple[Layer, ...]
    """The layers, in order."""
    input_shape: tuple[int, ...] | None = None
    """Shape of one image, such as (1, 28, 28); None: as it comes, or one row if the first layer
    with weights is dense."""

    def __post_init__(self) -> None:
        """Refuse a network without weights."""
        if not self.weighted:
            raise ParameterError("TrainedNetwork.layers: must have one with weights or more")

    def __repr__(self) -> str:
        """Return what the layers are."""
        return f"TrainedNetwork({' - '.join(map(name_of, self.layers))})"

    @property
    def weighted(self) -> list[Weighted]:
        """The layers that arrays can hold."""
        return [layer for layer in self.layers if isinstance(layer, Weighted)]

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
            What the module does, in order: the names of its parts ("fc1", "conv1 padding=2",
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

        return cls(*read_onnx(shipped().get(str(path), Path(path))))

    @classmethod
    def of(cls, model: Any) -> Self:
        """Return a network from what one has: itself, an ONNX file, a state_dict, or weights.

        Raises
        ------
        ParameterError
            If it is none of these.
        """
        if isinstance(model, cls):
            return model
        if isinstance(model, str | Path):
            return cls.from_onnx(model)
        if isinstance(model, Mapping):
            return cls.from_state_dict(model)
        if hasattr(model, "state_dict") and hasattr(model, "named_children"):
            from cbramsim.simulator.mapping.state_dicts import layers_of_module

            return cls(layers_of_module(model))
        if isinstance(model, Sequence):
            return cls.from_arrays(model)
        raise ParameterError(
            "TrainedNetwork.of: model must be a TrainedNetwork, the path of an ONNX file, a "
            f"state_dict, a module of layers in a row, or a list of weights (got {shown(model)})"
        )

    # ---- what they do --------------------------------------------------------------------------

    def folded(self) -> Self:
        """Return the same network, batch norms taken into the weights before them."""
        layers: list[Layer] = []
        for layer in self.layers:
            if isinstance(layer, Affine) and layers and isinstance(last := layers[-1], Weighted):
                outputs = len(last.bias)
                scale, shift = (np.broadcast_to(x, outputs) for x in (layer.scale, layer.shift))
                layers[-1] = last.scaled(scale, shift)
            else:
                layers.append(layer)
        return type(self)(tuple(layers), self.input_shape)

    def prepared(self, images: ArrayLike) -> Floats:
        """Return images as the first layer wants them, float32[images, ...]; uint8 becomes 0 to 1.

        Raises
        ------
        ParameterError
            If they are not of the shape that the network has been trained for.
        """
        found = array("TrainedNetwork: images", images, "uif")
        if found.ndim < 2 or not len(found):
            raise ParameterError(
                f"TrainedNetwork: images must be [images, ...], at least one (got {shown(found)})"
            )
        values = found.astype(np.float32)
        if found.dtype == np.uint8:
            values /= np.float32(255)
        if not np.isfinite(values).all():
            raise ParameterError("TrainedNetwork: images must be finite")
        shape = self.input_shape
        if shape is None and isinstance(self.weighted[0], Dense):
            shape = (len(self.weighted[0].weight),)
        if shape is None:
            if values.ndim == 3:  # grey images have one channel
                values = values[:, None]
            return values
        if values[0].size != np.prod(shape):
            raise ParameterError(
                f"TrainedNetwork: images must have the shape {shown(shape)} "
                f"(got {shown(values.shape[1:])})"
            )
        return values.reshape(len(values), *shape)

    def forward(self, images: ArrayLike) -> Floats:
        """Return the scores of images in software, float32[images, classes]."""
        x = self.prepared(images)
        return np.concatenate(
            [self._through(x[start : start + STEP]) for start in range(0, len(x), STEP)]
        )

    def _through(self, x: Floats) -> Floats:
        for layer in self.layers:
            x = apply(layer, x)
        return x

    def predict(self, images: ArrayLike) -> NDArray[np.int64]:
        """Return the class of each image, int64[images]."""
        return self.forward(images).argmax(axis=1)

    def score(self, images: ArrayLike, labels: ArrayLike) -> float:
        """Return the part of the images whose class is found."""
        return float((self.predict(images) == np.asarray(labels)).mean())


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
    """Return what a layer is, for people."""
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
