"""Layers in software, against SciPy, plain loops and the reference evaluator of ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.mapping.layers import (
    Activation,
    Affine,
    Convolution,
    Dense,
    Flatten,
    Pooling,
    apply,
)
from cbramsim.simulator.mapping.trained import TrainedNetwork, shipped

RNG = np.random.default_rng(5)


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 2, 0, 1)])
def test_a_convolution_is_that_of_scipy(stride: Any, padding: Any) -> None:
    layer = Convolution(normal(4, 3, 3, 2), normal(4), stride, padding)
    x = normal(2, 3, 7, 6)
    top, left, bottom, right = padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    found = apply(layer, x)
    for image in range(2):
        for k in range(4):
            kernels = layer.weight[k]
            whole = sum(correlate2d(padded[image, c], kernels[c], "valid") for c in range(3))
            wanted = whole[:: stride[0], :: stride[1]] + layer.bias[k]
            np.testing.assert_allclose(found[image, k], wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_pooling_is_that_of_plain_loops(kind: Any) -> None:
    x, layer = normal(2, 3, 7, 6), Pooling(kind, (3, 2), (2, 2))
    found = layer.forward(x)
    assert found.shape == (2, 3, 3, 3)
    of = np.max if kind == "max" else np.mean
    for row in range(3):
        for column in range(3):
            part = x[:, :, 2 * row : 2 * row + 3, 2 * column : 2 * column + 2]
            np.testing.assert_allclose(found[:, :, row, column], of(part, axis=(2, 3)), rtol=1e-4)
    whole = Pooling(kind, None).forward(x)
    np.testing.assert_allclose(whole[..., 0, 0], of(x, axis=(2, 3)), rtol=1e-5)


def test_a_batch_norm_can_be_taken_into_the_weights() -> None:
    scale, shift = normal(4), normal(4)
    before: list[Any] = [
        Convolution(normal(4, 1, 3, 3), normal(4)), Affine(scale, shift), Activation("tanh"),
        Flatten(), Dense(normal(36, 5), normal(5)), Affine(normal(5), normal(5)),
    ]  # fmt: skip
    network = TrainedNetwork(tuple(before))
    folded, x = network.folded(), normal(6, 1, 5, 5)
    assert len(folded.layers) == 4
    np.testing.assert_allclose(folded.forward(x), network.forward(x), rtol=1e-4, atol=1e-4)


def test_an_affine_layer_at_the_input_stays() -> None:
    network = TrainedNetwork((Affine(*np.float32([2, -1])), Dense(normal(3, 2), normal(2))))
    assert len(network.folded().layers) == 2


# ---- where they come from ----------------------------------------------------------------------


def test_a_state_dict_says_a_perceptron() -> None:
    state = {"fc1.weight": normal(4, 6), "fc1.bias": normal(4), "out.weight": normal(3, 4)}
    network, x = TrainedNetwork.from_state_dict(state, activation="tanh"), normal(5, 6)
    wanted = np.tanh(x @ state["fc1.weight"].T + state["fc1.bias"]) @ state["out.weight"].T
    np.testing.assert_allclose(network.forward(x), wanted, rtol=1e-4, atol=1e-5)


def test_names_say_a_network_with_convolutions() -> None:
    state = {
        "c.weight": normal(2, 1, 3, 3), "c.bias": normal(2),
        "n.weight": normal(2), "n.bias": normal(2), "n.running_mean": normal(2),
        "n.running_var": 1 + normal(2) ** 2, "n.num_batches_tracked": np.array(3),
        "f.weight": normal(3, 8), "f.bias": normal(3),
    }  # fmt: skip
    names = ["c stride=2 padding=1", "n", "relu", "maxpool 2 1", "flatten", "f"]
    network = TrainedNetwork.from_state_dict(state, names, input_shape=(1, 6, 6))
    c, n, _, pool, *_ = network.layers
    assert isinstance(c, Convolution)
    assert (c.stride, c.padding) == ((2, 2), (1, 1, 1, 1))
    assert pool == Pooling("max", (2, 2), (1, 1))
    x = normal(4, 6, 6)
    maps = apply(c, x[:, None])
    mean, var = state["n.running_mean"], state["n.running_var"]
    normed = (maps - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    normed = normed * state["n.weight"][:, None, None] + state["n.bias"][:, None, None]
    np.testing.assert_allclose(apply(n, maps), normed, rtol=1e-4, atol=1e-5)
    assert network.forward(x).shape == (4, 3)


@pytest.mark.parametrize(
    ("layers", "wrong"),
    [
        (None, "layers must be given where there are convolutions"),
        (["c", "relu"], "layers must name all parts"),
        (["c", "rely", "f"], "did you mean 'relu'"),
        (["c dilation=2", "f"], "stride=NUMBER and padding=NUMBER"),
        (["c stride=0", "f"], "strides must be >= 1"),
        (["c", "maxpool 0", "f"], "sizes and strides must be >= 1"),
        (["c", "", "f"], "layers must be parts"),
    ],
)
def test_layers_that_do_not_say_it_are_refused(layers: Any, wrong: str) -> None:
    state = {"c.weight": normal(2, 1, 3, 3), "f.weight": normal(3, 8)}
    with pytest.raises(ParameterError, match=wrong):
        TrainedNetwork.from_state_dict(state, layers)


def test_weights_that_do_not_follow_each_other_are_refused() -> None:
    with pytest.raises(ParameterError, match="weights must follow each other"):
        TrainedNetwork.of([normal(4, 3), normal(4, 2)])
    with pytest.raises(ParameterError, match=r"weights\[1\] must be finite"):
        TrainedNetwork.of([normal(4, 3), np.full((3, 2), np.nan)])
    with pytest.raises(ParameterError, match="model must be"):
        TrainedNetwork.of(3)


class Linear:
    """Looks like a layer of PyTorch."""

    def __init__(self, *shape: int) -> None:
        self.weight, self.bias = normal(*shape), None


class Sequential:
    """Looks like a module of PyTorch."""

    def __init__(self, *children: Any) -> None:
        self.children = children

    def named_children(self) -> Any:
        return [(str(n), child) for n, child in enumerate(self.children)]

    def state_dict(self) -> None:
        raise NotImplementedError


class ReLU:
    """Looks like one, too."""


def test_a_module_of_layers_in_a_row_is_taken_as_it_is() -> None:
    first, second, x = Linear(4, 6), Linear(3, 4), normal(5, 6)
    network = TrainedNetwork.of(Sequential(Sequential(first, ReLU()), second))
    wanted = np.maximum(x @ first.weight.T, 0) @ second.weight.T
    np.testing.assert_allclose(network.forward(x), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match="object is not a layer in a row"):
        TrainedNetwork.of(Sequential(object()))


def torch_modules() -> Any:
    return pytest.importorskip("torch").nn


def test_a_module_of_pytorch_gives_what_pytorch_does() -> None:
    nn = torch_modules()
    import torch

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.BatchNorm2d(3), nn.LeakyReLU(0.2),
        nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(12, 5), nn.Sigmoid(),
        nn.Linear(5, 4), nn.LogSoftmax(1),
    ).eval()  # fmt: skip
    x = normal(3, 1, 8, 8)
    with torch.no_grad():
        wanted = model(torch.tensor(x)).exp().numpy()
    np.testing.assert_allclose(TrainedNetwork.of(model).forward(x), wanted, rtol=1e-4)


# ---- ONNX --------------------------------------------------------------------------------------


def onnx_file(path: Path, nodes: list[tuple[Any, ...]], constants: dict[str, Any]) -> Any:
    """Write a graph of `nodes`, each (kind, inputs, settings), one after the other."""
    import onnx
    from onnx import helper, numpy_helper

    made, last = [], "x"
    for n, (kind, inputs, settings) in enumerate(nodes):
        made.append(helper.make_node(kind, [last, *inputs], [f"y{n}"], **settings))
        last = f"y{n}"
    shape = helper.make_tensor_value_info
    graph = helper.make_graph(
        made, "g", [shape("x", onnx.TensorProto.FLOAT, ["n", 2, 9, 8])],
        [shape(last, onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, path)
    return model


NODES: list[tuple[Any, ...]] = [
    ("Sub", ["mean"], {}),
    ("Conv", ["k", "b"], {"strides": [2, 1], "pads": [1, 0, 1, 2]}),
    ("BatchNormalization", ["s", "t", "m", "v"], {"epsilon": 1e-3}),
    ("LeakyRelu", [], {"alpha": 0.2}),
    ("MaxPool", [], {"kernel_shape": [2, 3], "strides": [1, 2], "pads": [0, 1, 0, 0]}),
    ("Conv", ["k2"], {}),
    ("Relu", [], {}),
    ("AveragePool", [], {"kernel_shape": [2, 1]}),
    ("Flatten", [], {}),
    ("MatMul", ["w"], {}),
    ("Add", ["c"], {}),
    ("Tanh", [], {}),
    ("Dropout", [], {}),
    ("Gemm", ["w2", "c2"], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
]
CONSTANTS = {
    "mean": np.float32([0.1, 0.2]).reshape(1, 2, 1, 1),
    "k": normal(3, 2, 3, 3), "b": normal(3),
    "s": normal(3), "t": normal(3), "m": normal(3), "v": 1 + normal(3) ** 2,
    "k2": normal(4, 3, 2, 2), "w": normal(24, 6), "c": normal(6), "w2": normal(5, 6),
    "c2": normal(5),
}  # fmt: skip


def test_a_graph_gives_what_onnx_says_it_does(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    path, x = tmp_path / "net.onnx", normal(3, 2, 9, 8)
    model = onnx_file(path, NODES, CONSTANTS)
    network = TrainedNetwork.of(path)
    assert network.input_shape == (2, 9, 8)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(network.forward(x), wanted, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(network.folded().forward(x), wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("nodes", "wrong"),
    [
        ([("Erf", [], {})], "Erf: is not known"),
        ([("Conv", ["k"], {"group": 2})], "Conv: must have one group"),
        ([("Conv", ["k"], {"auto_pad": "SAME_UPPER"})], "auto_pad must be in numbers"),
        ([("Relu", [], {}), ("Add", ["x"], {})], "not in a row"),
        ([("MaxPool", [], {"kernel_shape": [2, 2], "ceil_mode": 1})], "ceil_mode must be 0"),
        ([("Cast", [], {"to": 6}), ("Conv", ["k"], {})], "Cast: must be to floats"),
        ([("Conv", ["k"], {}), ("Softmax", [], {})], "Softmax: must be over the channels"),
        ([("Flatten", [], {"axis": 0})], "Flatten: axis must be 1"),
        ([("Reshape", ["flat"], {})], "Reshape: must make one row of an image"),
        ([("Add", ["wide"], {}), ("Conv", ["k"], {})], "Add: must be by one number"),
        ([("Flatten", [], {}), ("Mul", ["tall"], {})], "Mul: must be by one number"),
        ([("Conv", ["nan"], {})], "weights must be finite"),
    ],
)
def test_what_cannot_be_mapped_is_named(tmp_path: Path, nodes: Any, wrong: str) -> None:
    path = tmp_path / "net.onnx"
    onnx_file(path, nodes, {
        "k": normal(4, 2, 3, 3), "flat": np.int64([-1, 2, 2]), "wide": normal(8),
        "tall": normal(144, 1, 1), "nan": np.full((4, 2, 3, 3), np.nan, np.float32),
    })  # fmt: skip
    with pytest.raises(DataError, match=wrong):
        TrainedNetwork.from_onnx(path)


def test_settings_of_zero_are_zero(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    path, x = tmp_path / "net.onnx", normal(3, 2, 9, 8)
    nodes = [
        ("BatchNormalization", ["s", "t", "m", "v"], {"epsilon": 0.0}),
        ("LeakyRelu", [], {"alpha": 0.0}), ("Reshape", ["row"], {}), ("MatMul", ["w"], {}),
    ]  # fmt: skip
    tiny = np.full(2, 1e-5, np.float32)
    model = onnx_file(path, nodes, {
        "s": normal(2), "t": normal(2), "m": normal(2), "v": tiny, "row": np.int64([-1, 144]),
        "w": normal(144, 3),
    })  # fmt: skip
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(TrainedNetwork.of(path).forward(x), wanted, rtol=1e-4)
    with pytest.raises(ParameterError, match="an image must have 144 values"):
        TrainedNetwork(TrainedNetwork.of(path).layers, (2, 9, 4)).forward(x[..., :4])


def test_the_output_must_be_the_last(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "net.onnx"
    model = onnx_file(path, [("Conv", ["k"], {}), ("Relu", [], {})], {"k": normal(4, 2, 3, 3)})
    model.graph.output[0].name = "y0"
    onnx.save(model, path)
    with pytest.raises(DataError, match="the output must be that of the last node"):
        TrainedNetwork.of(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, path)
    with pytest.raises(DataError, match="the input must be of floats"):
        TrainedNetwork.of(path)


class AvgPool2d:
    """Looks like one of PyTorch, with settings to refuse."""

    kernel_size, stride, padding, ceil_mode = 2, None, 1, False

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)


class Conv2d:
    """Looks like one of PyTorch, with settings to refuse."""

    groups, dilation, padding, stride, padding_mode, bias = 1, (1, 1), (1, 0), 2, "zeros", None

    def __init__(self, **settings: Any) -> None:
        self.weight = normal(2, 1, 3, 3)
        self.__dict__.update(settings)


class BatchNorm2d:
    """Looks like one that has no running statistics."""

    weight = bias = running_mean = running_var = None


@pytest.mark.parametrize(
    ("module", "wrong"),
    [
        (AvgPool2d(count_include_pad=False), "padding that counts"),
        (AvgPool2d(divisor_override=3), "divisor_override"),
        (AvgPool2d(ceil_mode=True), "ceil_mode"),
        (Conv2d(padding_mode="circular"), "padding with zeros"),
        (Conv2d(groups=2), "one group"),
        (BatchNorm2d(), "running statistics"),
    ],
)
def test_settings_of_modules_that_cannot_be_mapped_are_refused(module: Any, wrong: str) -> None:
    with pytest.raises(ParameterError, match=wrong):
        TrainedNetwork.of(Sequential(module, Linear(3, 4)))


def test_modules_are_taken_with_their_settings() -> None:
    network = TrainedNetwork.of(Sequential(Conv2d(), AvgPool2d(padding=0), Linear(3, 4)))
    convolution, pooling, _ = network.layers
    assert isinstance(convolution, Convolution)
    assert (convolution.stride, convolution.padding) == ((2, 2), (1, 0, 1, 0))
    assert pooling == Pooling("mean", (2, 2), (2, 2))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="is not an ONNX file"):
        TrainedNetwork.from_onnx(path)


def test_networks_come_with_the_package() -> None:
    assert set(shipped()) == {"mnist-lenet", "mnist-mlp", "mnist-slp"}
    assert "6 x 16 kernels of 5 x 5" in repr(TrainedNetwork.of("mnist-lenet"))
