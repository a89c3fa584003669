"""Networks from ONNX files: a graph whose nodes stand in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cbramsim.core.errors import CbramError, DataError
from cbramsim.simulator.mapping.layers import (
    Activation,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Pooling,
)
from cbramsim.simulator.mapping.neurons import Layer
from cbramsim.simulator.mapping.state_dicts import normalisation

SKIPPED = ("Identity", "Dropout", "Cast")
FLOATS = (1, 10, 11, 16)
"""Types of ONNX that are floats."""


class Node:
    """A node of a graph: its kind, its settings, and its constants.

    `maps` is whether it acts on [images, channels, rows, columns]; None if that is not known.
    """

    def __init__(self, node: Any, constants: dict[str, Any], onnx: Any, maps: bool | None) -> None:
        self.kind: str = node.op_type
        self.maps = maps
        self.settings = {
            each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
        }
        self.constants: list[Any] = [constants.get(name) for name in node.input]

    def __getitem__(self, name: str) -> Any:
        """Return a setting, None if it is not given."""
        return self.settings.get(name)

    def floats(self, n: int) -> Floats | None:
        """Return its input `n` as float32[...], None if there is none or it is not constant."""
        given = self.constants[n] if n < len(self.constants) else None
        return None if given is None else np.asarray(given, np.float32)

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a number."""
        value = self[name]
        return default if value is None else float(value)

    def refuse(self, *reasons: tuple[bool, str]) -> None:
        """Refuse a node that cannot be mapped."""
        for wrong, reason in reasons:
            if wrong:
                raise DataError(f"{self.kind}: {reason}")


def read_onnx(path: Path) -> tuple[tuple[Layer, ...], tuple[int, ...] | None]:
    """Return the layers of an ONNX file, and the shape of an image if it is stated.

    Raises
    ------
    CbramError
        If the extra 'onnx' is missing, the file is missing or damaged, or a node is not known or
        not in a row with the others.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise CbramError("ONNX is not installed; install cbramsim with its extra 'onnx'") from None
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:  # of protobuf, or of the file system
        raise DataError(f"{path}: is not an ONNX file ({str(error).splitlines()[0]})") from None
    if not graph.node:
        raise DataError(f"{path}: is not an ONNX file (it has no nodes)")
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise DataError(f"{path}: must have one input and one output (got {len(inputs)} inputs)")
    if inputs[0].type.tensor_type.elem_type not in FLOATS:
        raise DataError(f"{path}: the input must be of floats")
    current, layers = inputs[0].name, list[Layer]()
    dims = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim][1:]
    maps = len(dims) == 3 if dims else None
    try:
        for each in graph.node:
            if each.op_type == "Constant":
                (value,) = map(onnx.helper.get_attribute_value, each.attribute)
                tensor = isinstance(value, onnx.TensorProto)
                constants[each.output[0]] = numpy_helper.to_array(value) if tensor else value
                continue
            if each.op_type == "Identity" and each.input[0] in constants:
                constants[each.output[0]] = constants[each.input[0]]
                continue
            if [name for name in each.input if name and name not in constants] != [current]:
                raise DataError(f"{each.op_type}: is not in a row with the nodes before")
            layers += _layers(Node(each, constants, onnx, maps))
            if layers:
                maps = maps_after(layers[-1], maps)
            current = each.output[0]
    except (CbramError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise DataError(f"{path}: node {each.name or current}: {error}") from None
    if current != graph.output[0].name:
        raise DataError(f"{path}: the output must be that of the last node")
    return tuple(layers), tuple(dims) if dims and all(dims) else None


def maps_after(layer: Layer, before: bool | None) -> bool | None:
    """Return whether the result of a layer is [images, channels, rows, columns]; None: not
    known."""
    if isinstance(layer, Convolution | Pooling):
        return True
    return False if isinstance(layer, Dense | Flatten) else before


def _layers(node: Node) -> list[Layer]:
    """Return the layers of a node."""
    if node.kind in SKIPPED:
        node.refuse((node.kind == "Cast" and node["to"] not in FLOATS, "must be to floats"))
        return []
    if node.kind not in NODES:
        raise DataError(f"{node.kind}: is not known (known: {', '.join([*NODES, *SKIPPED])})")
    return [NODES[node.kind](node)]


def _gemm(node: Node) -> Dense:
    weight, bias = node.floats(1), node.floats(2)
    node.refuse(
        (weight is None, "must have constant weights"), (bool(node["transA"]), "transA must be 0")
    )
    assert weight is not None
    weight = np.float32(node.number("alpha", 1.0)) * weight
    weight = np.ascontiguousarray(weight.T if node["transB"] else weight)
    if bias is None:
        bias = np.zeros(weight.shape[1], np.float32)
    beta = np.float32(node.number("beta", 1.0))
    return Dense(weight, np.broadcast_to(np.ravel(beta * bias), weight.shape[1:]))


def _product(node: Node) -> Dense:
    weight = node.floats(1)
    node.refuse((weight is None or weight.ndim != 2, "must be by a constant matrix"))
    assert weight is not None
    return Dense(weight, np.zeros(weight.shape[1], np.float32))


def _convolution(node: Node) -> Convolution:
    weight, bias = node.floats(1), node.floats(2)
    node.refuse(
        (weight is None or weight.ndim != 4, "must be in two dimensions, with constant weights"),
        ((node["group"] or 1) != 1, "must have one group"),
        (any(d != 1 for d in node["dilations"] or ()), "must have no dilation"),
    )
    assert weight is not None
    if bias is None:
        bias = np.zeros(len(weight), np.float32)
    return Convolution(weight, bias, tuple(node["strides"] or (1, 1)), _padding(node))


def _padding(node: Node) -> tuple[int, int, int, int]:
    auto = (node["auto_pad"] or b"NOTSET").decode()
    node.refuse((auto not in ("NOTSET", "VALID"), f"auto_pad must be in numbers (got {auto})"))
    top, left, bottom, right = node["pads"] or (0, 0, 0, 0)
    return top, left, bottom, right


def _norm(node: Node) -> Affine:
    given = [node.floats(n) for n in range(1, 5)]
    node.refuse((any(each is None for each in given), "must be constant"))
    weight, bias, mean, variance = given
    epsilon = node.number("epsilon", 1e-5)
    return normalisation(mean, variance, epsilon, weight, bias)  # type: ignore[arg-type]


def _pooling(node: Node) -> Pooling:
    padding = _padding(node)
    node.refuse(
        (bool(node["ceil_mode"]), "ceil_mode must be 0"),
        (any(d != 1 for d in node["dilations"] or ()), "must have no dilation"),
        (
            node.kind == "AveragePool" and any(padding) and not node["count_include_pad"],
            "padding must count",
        ),
    )
    kind = "max" if node.kind == "MaxPool" else "mean"
    stride = tuple(node["strides"] or (1, 1))
    return Pooling(kind, tuple(node["kernel_shape"]), stride, padding)  # type: ignore[arg-type]


def _softmax(node: Node) -> Activation:
    axis = -1 if node["axis"] is None else node["axis"]
    wanted = (1,) if node.maps is not False else (1, -1)
    node.refuse((axis not in wanted, "must be over the channels"))
    return Activation("softmax")


def _flatten(node: Node) -> Flatten:
    axis = 1 if node["axis"] is None else node["axis"]
    node.refuse((axis != 1, f"axis must be 1 (got {axis})"))
    return Flatten()


def _reshape(node: Node) -> Flatten:
    given = node.constants[1] if len(node.constants) > 1 else node["shape"]
    shape = [] if given is None else np.ravel(given).tolist()
    flat = len(shape) == 2 and (shape[1] == -1) != (shape[0] == -1) and shape[0] <= 1
    node.refuse((not flat, "must make one row of an image"))
    return Flatten(max(shape[1], 0))


def _affine(node: Node) -> Affine:
    """Return x + c, x - c, x c or x / c."""
    constant = node.floats(1)
    if constant is None and node.kind in ("Add", "Mul"):
        constant = node.floats(0)
    node.refuse((constant is None, "must be by a constant"))
    assert constant is not None
    shape = constant.shape
    of_maps = len(shape) in (3, 4) and shape[-2:] == (1, 1) and shape[:-3] in ((), (1,))
    of_rows = len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)
    by_channel = of_maps if node.maps else of_rows and node.maps is False
    channels = np.squeeze(constant).astype(np.float32)
    node.refuse(
        (
            constant.size > 1 and not by_channel,
            "must be by one number, or one for each channel",
        ),
    )
    one, none = np.ones_like(channels), np.zeros_like(channels)
    return {
        "Add": Affine(one, channels), "Sub": Affine(one, -channels),
        "Mul": Affine(channels, none), "Div": Affine(one / channels, none),
    }[node.kind]  # fmt: skip


NODES: dict[str, Callable[[Node], Layer]] = {
    "Gemm": _gemm,
    "MatMul": _product,
    "Conv": _convolution,
    "BatchNormalization": _norm,
    "Relu": lambda _: Activation("relu"),
    "LeakyRelu": lambda node: Activation("leaky-relu", node.number("alpha", 0.01)),
    "Sigmoid": lambda _: Activation("sigmoid"),
    "Tanh": lambda _: Activation("tanh"),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "GlobalAveragePool": lambda _: Pooling("mean", None),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Add": _affine,
    "Sub": _affine,
    "Mul": _affine,
    "Div": _affine,
}
"""Layers for the kinds of nodes; softmax keeps the order, as its logarithm does."""
