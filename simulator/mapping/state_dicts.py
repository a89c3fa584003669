"""Networks from PyTorch, without PyTorch: weights from a `state_dict`, the other layers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cbramsim.core.errors import ParameterError, nearest, shown
from cbramsim.simulator.mapping.layers import (
    ACTIVATIONS,
    Activation,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Floats,
    Pooling,
    activation,
)
from cbramsim.simulator.mapping.neurons import Layer

WHERE = "TrainedNetwork.from_state_dict"
POOLINGS = {"maxpool": "max", "meanpool": "mean"}
EPSILON = 1e-5
"""Summand of variances in PyTorch by default."""


def layers_of(
    state: Mapping[str, Any], layers: Sequence[str] | None, between: str
) -> tuple[Layer, ...]:
    """Return the layers of a `state_dict`, see `TrainedNetwork.from_state_dict`."""
    parts: dict[str, dict[str, Floats]] = {}
    for key, tensor in state.items():
        part, _, name = key.rpartition(".")
        if name != "num_batches_tracked":
            parts.setdefault(part, {})[name] = as_array(tensor)
    if layers is None:
        return _in_a_row(parts, between)
    found, used = [], set()
    for text in layers:
        name, *rest = text.split() or [""]
        if name in parts:
            used.add(name)
            found.append(_part(name, parts[name], dict(_settings(text, rest))))
        else:
            found.append(_plain(text, name, rest, parts))
    if left := parts.keys() - used:
        raise ParameterError(f"{WHERE}: layers must name all parts (left out: {min(left)})")
    return tuple(found)


def _in_a_row(parts: dict[str, dict[str, Floats]], between: str) -> tuple[Layer, ...]:
    """Return all parts in their order, an activation after each but the last."""
    found: list[Layer] = []
    for name, tensors in parts.items():
        part = _part(name, tensors, {})
        if isinstance(part, Convolution):
            raise ParameterError(
                f"{WHERE}: layers must be given where there are convolutions (got {name})"
            )
        if found and isinstance(part, Dense):
            found.append(activation(between))
        found.append(part)
    return tuple(found)


def _plain(
    text: str, name: str, rest: list[str], parts: Mapping[str, Any]
) -> Activation | Pooling | Flatten:
    """Return a layer without weights."""
    if name == "flatten" and not rest:
        return Flatten()
    if name in ACTIVATIONS and not rest:
        return activation(name)
    if name in POOLINGS and all(each.isdecimal() for each in rest) and len(rest) <= 2:
        sizes = [(int(each), int(each)) for each in rest]
        return Pooling(POOLINGS[name], *(sizes or (None,)))  # type: ignore[arg-type]
    known = [*parts, *ACTIVATIONS, *POOLINGS, "flatten"]
    raise ParameterError(
        f"{WHERE}: layers must be parts ({', '.join(parts)}), an activation, "
        f"maxpool SIZE, meanpool SIZE or flatten (got {shown(text)}){nearest(name, known)}"
    )


def _settings(text: str, rest: Sequence[str]) -> Iterator[tuple[str, int]]:
    for setting in rest:
        key, _, value = setting.partition("=")
        if key not in ("stride", "padding") or not value.isdecimal():
            raise ParameterError(
                f"{WHERE}: layers may have stride=NUMBER and padding=NUMBER (got {shown(text)})"
            )
        yield key, int(value)


def _part(name: str, tensors: dict[str, Floats], settings: dict[str, int]) -> Layer:
    """Return a part with weights: dense, a convolution, or a batch norm."""
    if "running_var" in tensors:
        return normalisation(
            tensors["running_mean"], tensors["running_var"], EPSILON,
            tensors.get("weight"), tensors.get("bias"),
        )  # fmt: skip
    weight = tensors.get("weight")
    if weight is None or weight.ndim not in (2, 4):
        raise ParameterError(
            f"{WHERE}: {name} must be dense, a 2-d convolution or a batch norm "
            f"(got {', '.join(tensors)})"
        )
    bias = tensors.get("bias", np.zeros(len(weight), np.float32))
    if weight.ndim == 2:
        return Dense(np.ascontiguousarray(weight.T), bias)
    stride, padding = settings.get("stride", 1), settings.get("padding", 0)
    return Convolution(weight, bias, (stride,) * 2, (padding,) * 4)  # type: ignore[arg-type]


def normalisation(
    mean: Floats, variance: Floats, epsilon: float, weight: Floats | None, bias: Floats | None
) -> Affine:
    """Return a trained batch norm: (x - mean) / sqrt(variance + epsilon) w + b."""
    scale = 1 / np.sqrt(variance + np.float32(epsilon))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    return Affine(scale, shift if bias is None else shift + bias)


def layers_of_module(module: Any) -> tuple[Layer, ...]:
    """Return the layers of a PyTorch module whose parts are in a row, as in `nn.Sequential`.

    Raises
    ------
    ParameterError
        If it has other parts, or defines their order itself.
    """
    kind = type(module).__name__
    if kind == "Sequential":
        children = [child for _, child in module.named_children()]
        return tuple(layer for child in children for layer in layers_of_module(child))
    if kind in ("Dropout", "Dropout2d", "Identity"):
        return ()
    if kind in MODULES:
        return (MODULES[kind](module),)
    raise ParameterError(
        f"TrainedNetwork.of: {kind} is not a layer in a row; export the model to ONNX, or use "
        f"from_state_dict with layers (known: Sequential, {', '.join(MODULES)})"
    )


def as_array(tensor: Any) -> Floats:
    """Return a tensor as float32[...]."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().numpy()
    return np.asarray(tensor, np.float32)


def _bias(module: Any) -> Floats:
    outputs = module.weight.shape[0]
    return np.zeros(outputs, np.float32) if module.bias is None else as_array(module.bias)


def _convolution(module: Any) -> Convolution:
    plain = module.groups == 1 and pair(module.dilation) == (1, 1)
    if not plain or isinstance(module.padding, str) or module.padding_mode != "zeros":
        raise ParameterError(
            "TrainedNetwork.of: Conv2d must have one group, no dilation, and padding with zeros, "
            "in numbers"
        )
    return Convolution(
        as_array(module.weight), _bias(module), pair(module.stride), 2 * pair(module.padding)
    )


def _pooling(module: Any) -> Pooling:
    kind = "max" if "Max" in type(module).__name__ else "mean"
    dilated = pair(getattr(module, "dilation", 1)) != (1, 1)
    uncounted = any(pair(module.padding)) and not getattr(module, "count_include_pad", True)
    divided = getattr(module, "divisor_override", None) is not None
    if module.ceil_mode or dilated or uncounted or divided:
        raise ParameterError(
            "TrainedNetwork.of: pooling must have no ceil_mode, no dilation, no divisor_override, "
            "and padding that counts"
        )
    stride = pair(module.stride if module.stride is not None else module.kernel_size)
    return Pooling(kind, pair(module.kernel_size), stride, 2 * pair(module.padding))  # type: ignore[arg-type]


def _all_of_a_map(module: Any) -> Pooling:
    if pair(module.output_size) != (1, 1):
        raise ParameterError("TrainedNetwork.of: AdaptiveAvgPool2d must be to one place")
    return Pooling("mean", None)


def _norm(module: Any) -> Affine:
    weight, bias = (
        None if each is None else as_array(each) for each in (module.weight, module.bias)
    )
    if module.running_mean is None:
        raise ParameterError("TrainedNetwork.of: a batch norm must have running statistics")
    mean, variance = as_array(module.running_mean), as_array(module.running_var)
    return normalisation(mean, variance, module.eps, weight, bias)


def pair(value: Any) -> tuple[int, int]:
    """Return two numbers from one or two."""
    first, second = np.broadcast_to(value, 2).tolist()
    return first, second


MODULES: dict[str, Callable[[Any], Layer]] = {
    "Linear": lambda m: Dense(np.ascontiguousarray(as_array(m.weight).T), _bias(m)),
    "Conv2d": _convolution,
    "BatchNorm1d": _norm,
    "BatchNorm2d": _norm,
    "ReLU": lambda _: Activation("relu"),
    "LeakyReLU": lambda m: Activation("leaky-relu", float(m.negative_slope)),
    "Sigmoid": lambda _: Activation("sigmoid"),
    "Tanh": lambda _: Activation("tanh"),
    "Softmax": lambda _: Activation("softmax"),
    "LogSoftmax": lambda _: Activation("softmax"),
    "MaxPool2d": _pooling,
    "AvgPool2d": _pooling,
    "AdaptiveAvgPool2d": _all_of_a_map,
    "Flatten": lambda _: Flatten(),
}
"""Layers for the classes of PyTorch, by name; softmax keeps the order, as its logarithm does."""
