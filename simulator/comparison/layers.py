"""Fully connected networks by their widths, and the shapes of the BUTTER-E study.

The study's grid is `GRID_SHAPES` x `GRID_DEPTHS` x `GRID_SIZES`; the widths of a shape follow from
depth L, output width o and a whole number s, which is searched so that the network has as nearly
as possible the wanted number of parameters (BUTTER framework, `dense_by_size.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Self

from pydantic import field_validator

from cbramsim.core.arguments import instance, whole
from cbramsim.core.errors import ParameterError, nearest, shown
from cbramsim.core.validation import Parameters

GRID_SIZES = tuple(2**k for k in range(5, 25))
"""Numbers of trainable parameters in BUTTER-E."""
GRID_DEPTHS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20)
"""Numbers of layers in BUTTER-E, the output layer included."""
GRID_SHAPES = (
    "rectangle", "trapezoid", "exponential", "wide_first_2x", "wide_first_4x", "wide_first_8x",
    "wide_first_16x", "rectangle_residual",
)  # fmt: skip
"""Shapes in BUTTER-E; at depth 2 all are one network, which the study calls rectangle."""
WIDE_FIRST = {f"wide_first_{factor}x": factor for factor in (2, 4, 5, 8, 10, 16, 20)}
RESIDUAL = "_residual"
_PLAIN = ("rectangle", "trapezoid", "exponential", *WIDE_FIRST)
SHAPES = (*_PLAIN, *(shape + RESIDUAL for shape in _PLAIN))
"""All shapes that `shaped` knows. Residual connections change neither widths nor parameters."""
MOST_WIDTH, MOST_LAYERS, MOST_PARAMETERS = 10**9, 1000, 10**15
"""Largest width, depth and size; larger ones are taken for mistakes."""


class Layers(Parameters):
    """Widths w_0 ... w_L of a fully connected network with biases."""

    widths: tuple[int, ...] = (784, 256, 256, 10)
    """Inputs, then the width of every layer; the last is the number of outputs."""

    @field_validator("widths", mode="before")
    @classmethod
    def _check_widths(cls, value: Any) -> Any:
        try:
            widths = tuple(value)
        except TypeError:
            widths = ()
        try:
            widths = tuple(whole("", width, 1, MOST_WIDTH) for width in widths)
        except ParameterError:
            widths = ()
        if not 2 <= len(widths) <= MOST_LAYERS:
            raise ValueError(
                f"must be two or more whole numbers >= 1 and <= {MOST_WIDTH}, at most "
                f"{MOST_LAYERS} of them (got {shown(value)})"
            )
        return widths

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read widths, "784,256,10", or matrices, "784x256,256x10".

        Raises
        ------
        ParameterError
            If it is neither, or if two neighbouring matrices do not multiply.
        """
        instance("Layers.parse: text", text, str)
        try:
            parts = [[int(number) for number in part.split("x")] for part in text.split(",")]
        except ValueError:
            parts = []
        lengths = {len(part) for part in parts}
        if lengths == {1}:
            return cls(widths=tuple(part[0] for part in parts))
        if lengths != {2}:
            raise ParameterError(
                f"Layers.widths: must be widths, 784,256,10, or matrices, 784x256,256x10 "
                f"(got {shown(text)})"
            )
        for number, ((_, gives), (takes, _)) in enumerate(pairwise(parts), start=1):
            if takes != gives:
                raise ParameterError(
                    f"Layers.widths: matrix {number + 1} takes {takes} values but matrix {number} "
                    f"gives {gives} (got {text})"
                )
        return cls(widths=(parts[0][0], *(part[1] for part in parts)))

    def __str__(self) -> str:
        """Write the widths as `parse` reads them."""
        return ",".join(map(str, self.widths))

    @property
    def depth(self) -> int:
        """Number of layers L, the output layer included."""
        return len(self.widths) - 1

    @property
    def matrices(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of each weight matrix, (w_i, w_{i+1})."""
        return tuple(pairwise(self.widths))

    @property
    def weights(self) -> int:
        """Number of weights, without biases."""
        return sum(rows * columns for rows, columns in self.matrices)

    @property
    def parameters(self) -> int:
        """Number of trainable parameters P: weights and biases."""
        return self.weights + sum(self.widths[1:])


def data_outputs(classes: int | None) -> int:
    """Return the number of target values of BUTTER per observation (facts A.5).

    As many as classes if there are more than two, else one; `None` is regression.
    """
    return classes if classes is not None and classes > 2 else 1


def shaped(shape: str, depth: int, inputs: int, outputs: int, size: int) -> Layers:
    """Return the network of a BUTTER shape that comes nearest to a number of parameters.

    Parameters
    ----------
    shape
        One of `SHAPES`.
    depth
        Number of layers L >= 2, the output layer included.
    inputs, outputs
        Widths w_0 and w_L.
    size
        Wanted number of parameters.

    Raises
    ------
    ParameterError
        If a value is out of range, or if the nearest network is off by 50 % or more.
    """
    if not isinstance(shape, str) or shape not in SHAPES:
        raise ParameterError(
            f"shaped.shape: must be one of {', '.join(_PLAIN)}, each also with {RESIDUAL} "
            f"(got {shown(shape)}){nearest(str(shape), SHAPES)}"
        )
    whole("shaped.depth:", depth, 2, MOST_LAYERS - 1)
    for name, value in (("inputs", inputs), ("outputs", outputs)):
        whole(f"shaped.{name}:", value, 1, MOST_WIDTH)
    whole("shaped.size:", size, 1, MOST_PARAMETERS)

    def widths(s: int) -> list[int]:
        return [inputs, *_widths(shape, depth, outputs, s)]

    best = Layers(widths=tuple(_search(widths, size)))
    if abs(best.parameters - size) >= size / 2:
        raise ParameterError(
            f"shaped.size: {shape} of depth {depth} from {inputs} to {outputs} cannot come within"
            f" 50 % of it; the nearest has {best.parameters} parameters (got {size})"
        )
    return best


def _widths(shape: str, depth: int, outputs: int, s: int) -> list[int]:
    """Return w_1 ... w_L (facts A.3); Python's `round` goes to even, as in the framework."""
    base = shape.removesuffix(RESIDUAL)
    last = depth - 1
    if base == "rectangle" or depth == 2:
        return [s] * last + [outputs]
    if base == "trapezoid":
        return [round(s - k * (s - outputs) / last) for k in range(depth)]
    if base == "exponential":
        ratio = math.exp(math.log(outputs / s) / last)
        return [max(outputs, round(s * ratio**k)) for k in range(depth)]
    return [s] + [max(1, round(s / WIDE_FIRST[base]))] * (depth - 2) + [outputs]


def _search(widths: Callable[[int], list[int]], size: int) -> list[int]:
    """Return the widths nearest to `size` parameters, which rise with the scale."""

    def excess(s: int) -> int:
        return sum(rows * columns + columns for rows, columns in pairwise(widths(s))) - size

    low, high = 1, 1
    while excess(high) < 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if excess(middle) < 0:
            low = middle
        else:
            high = middle
    return widths(low if abs(excess(low)) <= excess(high) else high)
