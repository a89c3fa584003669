"""Layers of a trained network, in software, acting on batches of activations.

`Dense` and `Convolution` have a matrix that an array can hold, float32[inputs, outputs]. Their
activations are *unrolled* into rows for it, one for each position of a kernel, and the results are
*rolled up* again; all other layers are digital.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError, shown

Floats = NDArray[np.float32]
Kind = Literal["relu", "leaky-relu", "sigmoid", "tanh", "softmax"]
ACTIVATIONS: tuple[Kind, ...] = ("relu", "leaky-relu", "sigmoid", "tanh", "softmax")


@dataclass(frozen=True, eq=False)
class Dense:
    """A layer that is one matrix: y = x W + b."""

    weight: Floats
    """float32[inputs, outputs]."""
    bias: Floats
    """float32[outputs]."""

    def __post_init__(self) -> None:
        """Refuse invalid layers."""
        _check_weights("Dense", self.weight, self.bias, 2, 1)

    @property
    def matrix(self) -> Floats:
        """Weights that an array holds, float32[inputs, outputs]."""
        return self.weight

    def unroll(self, x: Floats) -> Floats:
        """Return activations as rows for the matrix, float32[images, 1, inputs]."""
        flat = x.reshape(len(x), -1)
        if flat.shape[1] != len(self.weight):
            raise ParameterError(
                f"Dense: inputs must be {len(self.weight)} (got {shown(x.shape[1:])})"
            )
        return flat[:, None]

    def roll_up(self, y: Floats, of: tuple[int, ...]) -> Floats:
        """Return float32[images, outputs] from float32[images, 1, outputs]."""
        return y[:, 0]

    def scaled(self, scale: Floats, shift: Floats) -> Dense:
        """Return the layer followed by y scale + shift, float32[outputs] each."""
        return Dense(self.weight * scale, self.bias * scale + shift)


@dataclass(frozen=True, eq=False)
class Convolution:
    """A two-dimensional convolution (as usual in networks, a correlation)."""

    weight: Floats
    """float32[outputs, inputs, height, width]."""
    bias: Floats
    """float32[outputs]."""
    stride: tuple[int, int] = (1, 1)
    """Steps of the kernel, down and right."""
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Zeros at the top, left, bottom and right."""

    def __post_init__(self) -> None:
        """Refuse invalid layers."""
        _check_weights("Convolution", self.weight, self.bias, 4, 0)
        _check_steps("Convolution", self.stride, self.padding)

    @property
    def matrix(self) -> Floats:
        """Kernels as columns, float32[inputs x height x width, outputs]."""
        return np.ascontiguousarray(self.weight.reshape(len(self.weight), -1).T)

    def unroll(self, x: Floats) -> Floats:
        """Return the inputs of the kernel at each position, float32[images, positions, inputs]."""
        windows = windows_of(x, self.weight.shape[1:], self.stride, self.padding)
        n, rows, columns = windows.shape[:3]
        return windows.reshape(n, rows * columns, -1)

    def roll_up(self, y: Floats, of: tuple[int, ...]) -> Floats:
        """Return float32[images, outputs, rows, columns] from [images, positions, outputs].

        `of` is the shape of the activations that were unrolled.
        """
        size = [
            (length + before + after - kernel) // step + 1
            for length, kernel, step, before, after in zip(
                of[2:], self.weight.shape[2:], self.stride, self.padding[:2], self.padding[2:],
                strict=True,
            )
        ]  # fmt: skip
        return np.ascontiguousarray(y.transpose(0, 2, 1)).reshape(len(y), -1, *size)

    def scaled(self, scale: Floats, shift: Floats) -> Convolution:
        """Return the layer followed by y scale + shift, float32[outputs] each."""
        weight = self.weight * scale[:, None, None, None]
        return Convolution(weight, self.bias * scale + shift, self.stride, self.padding)


Weighted = Dense | Convolution


@dataclass(frozen=True, eq=False)
class Affine:
    """Layer y = x scale + shift by channel, from a trained batch norm, or for an input."""

    scale: Floats
    """Scale, float32[channels], or one number for all."""
    shift: Floats
    """Shift, as `scale`."""

    def forward(self, x: Floats) -> Floats:
        """Return float32[images, ...]."""
        shape = (-1,) + (1,) * (x.ndim - 2) if x.ndim > 2 else (-1,)
        return x * self.scale.reshape(shape) + self.shift.reshape(shape)


@dataclass(frozen=True)
class Activation:
    """A function of each activation; softmax, of all channels."""

    kind: Kind
    """Name of the function."""
    slope: float = 0.01
    """Slope below zero, of leaky-relu."""

    def forward(self, x: Floats) -> Floats:
        """Return float32[images, ...]."""
        if self.kind == "relu":
            return np.maximum(x, np.float32(0))
        if self.kind == "leaky-relu":
            return np.where(x > 0, x, np.float32(self.slope) * x)
        if self.kind == "sigmoid":
            return 0.5 + 0.5 * np.tanh(0.5 * x)
        if self.kind == "tanh":
            return np.tanh(x)
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Pooling:
    """Pooling: the largest, the mean, or the sum of each window."""

    kind: Literal["max", "mean", "sum"]
    """Name of the kind of pooling."""
    size: tuple[int, int] | None
    """Height and width; None for all of a map."""
    stride: tuple[int, int] | None = None
    """Steps of the window; its size, if None."""
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Padding at the top, left, bottom and right: for a maximum it never wins, otherwise it counts
    as zeros."""

    def __post_init__(self) -> None:
        """Refuse invalid layers."""
        _check_steps("Pooling", self.stride or (1, 1), self.padding, self.size or (1, 1))

    def forward(self, x: Floats) -> Floats:
        """Return float32[images, channels, rows, columns]."""
        size = self.size or x.shape[2:]
        fill = -np.inf if self.kind == "max" else 0.0
        windows = windows_of(x, (1, *size), self.stride or size, self.padding, fill, apart=True)
        of = {"max": np.max, "mean": np.mean, "sum": np.sum}[self.kind]
        return of(windows, axis=(-2, -1))  # type: ignore[no-any-return, operator]


@dataclass(frozen=True)
class Flatten:
    """Layer that puts all channels and places of an image in one row."""

    values: int = 0
    """Number of values that there must be; 0 for any number."""

    def forward(self, x: Floats) -> Floats:
        """Return float32[images, values]."""
        flat = x.reshape(len(x), -1)
        if self.values not in (0, flat.shape[1]):
            raise ParameterError(
                f"Flatten: an image must have {self.values} values (got {shown(x.shape[1:])})"
            )
        return flat


Digital = Affine | Activation | Pooling | Flatten


def _check_weights(kind: str, weight: Floats, bias: Floats, dimensions: int, axis: int) -> None:
    """Refuse weights of other dimensions, a bias that does not fit them, and values that are not
    finite."""
    if weight.ndim != dimensions or not weight.size:
        raise ParameterError(f"{kind}: weight must have {dimensions} axes (got {weight.shape})")
    if bias.shape != (weight.shape[axis],):
        raise ParameterError(
            f"{kind}: bias must have {weight.shape[axis]} values (got {bias.shape})"
        )
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ParameterError(f"{kind}: weights must be finite")


def _check_steps(kind: str, stride: Sequence[int], padding: Sequence[int], *more: Any) -> None:
    """Refuse steps and sizes below 1, and padding below 0."""
    if min(*stride, *(n for each in more for n in each)) < 1 or min(padding) < 0:
        raise ParameterError(
            f"{kind}: sizes and strides must be >= 1, padding >= 0 (got {stride}, {padding})"
        )


def apply(layer: Weighted | Digital, x: Floats) -> Floats:
    """Return the result of a layer in software, float32[images, ...]."""
    if isinstance(layer, Weighted):
        y = layer.unroll(x) @ layer.matrix + layer.bias
        return layer.roll_up(y, x.shape)
    return layer.forward(x)


def windows_of(
    x: Floats, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    fill: float = 0.0, *, apart: bool = False,
) -> Floats:  # fmt: skip
    """Return the windows that a kernel sees.

    Parameters
    ----------
    x
        float32[images, channels, rows, columns].
    kernel
        Channels, height and width.
    stride, padding
        Down and right; top, left, bottom, right.
    fill
        Value in the padding.
    apart
        Whether to keep the channels apart.

    Returns
    -------
    float32[images, rows, columns, channels, height, width]
        If `apart`, [images, channels, rows, columns, height, width].

    Raises
    ------
    ParameterError
        If activations are not maps, have other channels, or are smaller than the kernel.
    """
    channels, height, width = kernel
    if x.ndim != 4 or (not apart and x.shape[1] != channels):
        raise ParameterError(
            f"Convolution: inputs must be [images, {'channels' if apart else channels}, rows, "
            f"columns] (got {shown(x.shape)})"
        )
    top, left, bottom, right = padding
    if any(padding):
        around = ((0, 0), (0, 0), (top, bottom), (left, right))
        x = np.pad(x, around, constant_values=np.float32(fill))
    if x.shape[2] < height or x.shape[3] < width:
        raise ParameterError(
            f"Convolution: inputs must be {height} x {width} or larger (got {shown(x.shape[2:])})"
        )
    windows = sliding_window_view(x, (height, width), axis=(2, 3))  # type: ignore[call-overload]
    windows = windows[:, :, :: stride[0], :: stride[1]]
    return windows if apart else windows.transpose(0, 2, 3, 1, 4, 5)


def activation(kind: str, **settings: Any) -> Activation:
    """Return an activation by its name.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    if kind not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ParameterError(f"activation must be one of {known} (got {shown(kind)})")
    return Activation(kind, **settings)
