"""Spiking networks in NIR files, the exchange format of neuromorphic frameworks.

NIR: Pedersen et al., Nature Communications 15, 8122 (2024). Graphs whose nodes stand in a row.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.simulator.mapping.layers import (
    Affine,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Pooling,
    apply,
)
from cbramsim.simulator.mapping.neurons import Layer, Leaky
from cbramsim.simulator.mapping.state_dicts import pair


def library() -> Any:
    """Return the package `nir`.

    Raises
    ------
    CbramError
        If it is not installed.
    """
    try:
        import nir
    except ImportError:
        raise CbramError("NIR is not installed; install cbramsim with its extra 'nir'") from None
    return nir


def read_nir(path: Path) -> tuple[tuple[Layer, ...], tuple[int, ...] | None]:
    """Return the layers of a NIR file, and the shape of its input.

    Raises
    ------
    CbramError
        If the extra 'nir' is missing, the file is missing or damaged, or a node is not known or
        not in a row with the others.
    """
    nir = library()
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        graph = nir.read(path)
    except Exception as error:  # of HDF5, of the file system, or of what a node is made of
        raise DataError(f"{path}: is not a NIR file ({str(error).splitlines()[0]})") from None
    layers: list[Layer] = []
    shape: tuple[int, ...] | None = None
    for name in in_a_row(graph, path):
        node = graph.nodes[name]
        kind = type(node).__name__
        if kind == "Input":
            shape = tuple(int(n) for n in node.input_type["input"]) or None
        elif kind != "Output":
            try:
                layers.append(_layer(kind, node))
            except DataError as error:
                raise DataError(f"{path}: node {name}: {error}") from None
    return tuple(layers), shape


def in_a_row(graph: Any, path: Path) -> list[str]:
    """Return the names of the nodes from the input to the output.

    Raises
    ------
    DataError
        If there are branches, or loops.
    """
    after: dict[str, list[str]] = {name: [] for name in graph.nodes}
    before = dict.fromkeys(graph.nodes, 0)
    for source, target in graph.edges:
        after[source].append(target)
        before[target] += 1
    starts = [name for name, count in before.items() if count == 0]
    if len(starts) != 1:
        raise DataError(f"{path}: must have one input, and no circles (got {len(starts)} inputs)")
    row = starts
    while after[row[-1]]:
        (following, *others) = after[row[-1]]
        if others or before[following] > 1 or following in row:
            raise DataError(f"{path}: node {row[-1]}: is not in a row with the others")
        row.append(following)
    return row


def _layer(kind: str, node: Any) -> Layer:
    """Return the layer of a node."""
    if kind in ("Affine", "Linear"):
        weight = _floats(node.weight)
        bias = _floats(node.bias) if kind == "Affine" else np.zeros(len(weight), np.float32)
        return Dense(np.ascontiguousarray(weight.T), bias)
    if kind == "Conv2d":
        if node.groups != 1 or pair(node.dilation) != (1, 1) or isinstance(node.padding, str):
            raise DataError("Conv2d: must have one group, no dilation, and padding in numbers")
        weight = _floats(node.weight)
        padding = 2 * pair(node.padding)
        return Convolution(weight, _floats(node.bias), pair(node.stride), padding)
    if kind == "LIF":
        return Leaky(
            _floats(node.v_threshold), _floats(node.r), _floats(node.tau), _floats(node.v_leak),
            _floats(node.v_reset),
        )  # fmt: skip
    if kind == "IF":
        return Leaky(_floats(node.v_threshold), _floats(node.r), reset=_floats(node.v_reset))
    if kind in ("SumPool2d", "AvgPool2d"):
        pooled = "sum" if kind == "SumPool2d" else "mean"
        padding = 2 * pair(node.padding)
        return Pooling(pooled, pair(node.kernel_size), pair(node.stride), padding)  # type: ignore[arg-type]
    if kind == "Scale":
        scale = _floats(node.scale)
        if scale.size > 1 and np.ptp(scale):
            raise DataError("Scale: must be by one number")
        return Affine(scale.ravel()[0], np.float32(0))  # type: ignore[arg-type]
    if kind == "Flatten":
        return Flatten()
    known = "Affine, Linear, Conv2d, LIF, IF, SumPool2d, AvgPool2d, Scale, Flatten"
    raise DataError(f"{kind}: is not known (known: {known})")


def _floats(values: Any) -> Floats:
    return np.asarray(values, np.float32)


def write_nir(path: Path, layers: tuple[Layer, ...], shape: tuple[int, ...]) -> None:
    """Write layers as a NIR file; `shape` is that of one input.

    Raises
    ------
    CbramError
        If the extra 'nir' is missing, or a layer has no node in NIR.
    """
    nir = library()
    x = np.zeros((1, *shape), np.float32)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array(shape)})}
    for n, layer in enumerate(layers):
        nodes[f"{n}_{type(layer).__name__.lower()}"] = _node(nir, layer, x)
        x = _shape_after(layer, x)
    nodes["output"] = nir.Output({"output": np.array(x.shape[1:])})
    names = list(nodes)
    edges = list(pairwise(names))
    nir.write(path, nir.NIRGraph(nodes, edges, metadata={}))


def _shape_after(layer: Layer, x: Floats) -> Floats:
    return x if isinstance(layer, Leaky) else apply(layer, x)


def _node(nir: Any, layer: Layer, x: Floats) -> Any:
    """Return the node of a layer that acts on `x`, float32[1, ...]."""
    shape = x.shape[1:]
    if isinstance(layer, Dense):
        return nir.Affine(np.ascontiguousarray(layer.weight.T), layer.bias)
    if isinstance(layer, Convolution):
        top, left, bottom, right = layer.padding
        if (top, left) == (bottom, right):
            return nir.Conv2d(
                shape[1:], layer.weight, layer.stride, (top, left), (1, 1), 1, layer.bias
            )
    if isinstance(layer, Leaky):
        threshold, r, leak, reset = (
            np.broadcast_to(np.asarray(each, np.float32), shape).copy()
            for each in (layer.threshold, layer.resistance, layer.leak, layer.reset)
        )
        if layer.tau is None:
            return nir.IF(r, threshold, reset)
        return nir.LIF(np.broadcast_to(layer.tau, shape).copy(), r, leak, threshold, reset)
    if isinstance(layer, Pooling) and layer.kind != "max" and layer.size:
        made = nir.SumPool2d if layer.kind == "sum" else nir.AvgPool2d
        stride = layer.stride or layer.size
        return made(np.array(layer.size), np.array(stride), np.array(layer.padding[:2]))
    if isinstance(layer, Flatten):
        return nir.Flatten({"input": np.array(shape)}, 0, -1)
    raise ParameterError(f"TrainedNetwork.to_nir: {type(layer).__name__} has no node in NIR")
