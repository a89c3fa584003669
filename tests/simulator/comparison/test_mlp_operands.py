"""Operands of the MLP, judged by values written down here rather than by the formats themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cbramsim.simulator.comparison.mlp import Mlp, MlpConfig
from cbramsim.simulator.comparison.mlp.operands import Operands, operands_of
from cbramsim.simulator.images.datasets import Dataset


def of(**changes: object) -> Operands:
    """Return the operands of a layer in the middle."""
    return operands_of(MlpConfig(layers=(20, 20, 20, 20), **changes), 1)


def is_half(x: np.ndarray) -> bool:
    return bool((x == x.astype(np.float16)).all())


def is_brain(x: np.ndarray) -> bool:
    return not (x.view(np.uint32) & 0xFFFF).any()


def is_grid(steps: int) -> Callable[[np.ndarray], bool]:
    """Return whether all are multiples k q, |k| <= `steps`, of some q; the largest is of `steps`."""

    def check(x: np.ndarray) -> bool:
        k = x.astype(float) * steps / np.abs(x).max()
        return bool(np.abs(k - np.rint(k)).max() < 1e-4) and np.unique(x).size > min(steps, 50) // 2

    return check


def is_power(base: int, count: int) -> Callable[[np.ndarray], bool]:
    """Return whether all are 0 or +-`base`^k times the largest, with k = 1 - `count`..0."""

    def check(x: np.ndarray) -> bool:
        k = np.log(np.abs(x[x != 0]) / np.abs(x).max()) / np.log(base)
        return bool(np.abs(k - np.rint(k)).max() < 1e-5 and k.min() > 0.5 - count)

    return check


@pytest.mark.parametrize(
    ("precision", "weights", "activations", "gradients"),
    [
        ("fp16", is_half, is_half, lambda g: is_half(g * 2**12)),
        ("bf16", is_brain, is_brain, is_brain),
        ("int8", is_grid(127), is_grid(255), is_grid(127)),
        ("fp4", is_grid(7), is_grid(15), is_power(4, 7)),
        ("luq", is_grid(7), is_grid(15), is_power(2, 7)),
    ],
)
def test_operands_are_values_of_their_formats(
    rng: np.random.Generator, precision: str, weights: Callable, activations: Callable,
    gradients: Callable,
) -> None:  # fmt: skip
    operands = of(precision=precision)
    w, z, delta = (rng.normal(0, s, (500, 20)).astype(np.float32) for s in (0.1, 5, 1e-3))
    wq, aq, (back, update) = (
        operands.weights(w, None), operands.activations(z, True), operands.gradients(delta),
    )  # fmt: skip
    assert weights(wq)
    assert activations(aq)
    assert gradients(back)
    assert gradients(update)
    assert aq.min() == 0
    for exact, rounded in ((w, wq), (np.maximum(z, 0), aq), (delta, back), (delta, update)):
        assert (exact != rounded).any()
        assert np.corrcoef(exact.ravel(), rounded.ravel())[0, 1] > 0.9
    # What tells formats apart tells them apart from numbers that were not rounded, too.
    assert not any([weights(w), activations(np.maximum(z, 0)), gradients(delta)])


def test_pixels_keep_eight_bits_or_four() -> None:
    grey = np.arange(256, dtype=np.float32) / np.float32(255)
    np.testing.assert_allclose(of(precision="int8").pixels(grey), grey, atol=1e-7)
    four = of(precision="fp4").pixels(grey)
    np.testing.assert_allclose(four, np.rint(grey * 15) / 15, atol=1e-7)
    assert np.unique(four).size == 16


@pytest.mark.parametrize(("precision", "widest"), [("int8", 1 / 127), ("luq", 1 / 2)])
def test_errors_rounded_at_random_are_right_on_average(
    rng: np.random.Generator, precision: str, widest: float
) -> None:
    """`widest`: distance of two values over the largest; one event in 4000 may not be seen."""
    operands = of(precision=precision)
    delta = (rng.choice([-1e-3, 1e-3], (40, 25)) * rng.uniform(0.02, 1, (40, 25))).astype("f4")
    rounded = np.array([operands.gradients(delta)[0] for _ in range(4000)], np.float64)
    error = np.maximum(rounded.std(axis=0) / np.sqrt(4000), widest * np.abs(delta).max() / 4000)
    z = (rounded.mean(axis=0) - delta) / error
    assert np.abs(z).max() < 5
    assert 0.8 < z.std() < 1.2


@pytest.mark.parametrize("even_phase", ["backward", "update"])
@pytest.mark.parametrize("odd_grid", ["odd-low", "odd-high", "none"])
def test_each_product_takes_its_phase(even_phase: str, odd_grid: str) -> None:
    operands = of(precision="fp4", even_phase=even_phase, odd_grid=odd_grid)
    operands.scale = 1.0
    delta = np.array([[1.0, 2.0, 3.0, 40.0, -0.3, 200.0, 0.005]], np.float32)
    even = [1.0, 1.0, 4.0, 64.0, -0.25, 64.0, 0.0]
    low = [0.5, 2.0, 2.0, 32.0, -0.125, 32.0, 1 / 128]
    high = [0.5, 2.0, 2.0, 32.0, -0.125, 128.0, 0.0]
    other = {"odd-low": low, "odd-high": high, "none": even}[odd_grid]
    back, update = operands.gradients(delta)
    if even_phase == "update":
        back, update = update, back
    np.testing.assert_array_equal(back[0], even)
    np.testing.assert_array_equal(update[0], other)


def test_the_scale_of_a_layer_finds_the_range_of_its_errors(rng: np.random.Generator) -> None:
    operands = of(precision="fp4")
    delta = rng.normal(0, 1e-6, (50, 20)).astype(np.float32)
    for _ in range(40):
        operands.gradients(delta)
    assert 32 <= operands.scale * np.abs(delta).max() <= 64


def test_a_step_with_an_overflow_is_left_out_and_the_scale_halved(mnist: Dataset) -> None:
    network = Mlp(precision="fp16", layers=(784, 30, 10))
    before = [layer.weights.copy() for layer in network.layers]
    for layer in network.layers:
        layer.operands.scale = 2.0**24
    network.train(mnist.train_images[:128], mnist.train_labels[:128], epochs=1)
    for layer, weights in zip(network.layers, before, strict=True):
        np.testing.assert_array_equal(layer.weights, weights)
    assert network.layers[1].operands.scale == 2.0**23
    assert network.counts.training.counts().step == 0
    network.train(mnist.train_images[:1280], mnist.train_labels[:1280], epochs=2)
    assert network.counts.training.counts().step > 0
    assert all(np.isfinite(layer.weights).all() for layer in network.layers)
    assert all((layer.weights != w).any() for layer, w in zip(network.layers, before, strict=True))


def test_the_clip_of_activations_goes_down_its_slope() -> None:
    operands = of(precision="fp4", clip_start=2.0, clip_penalty=0.1, momentum=0.5)
    z = np.array([[1.0, 3.0, -1.0, 2.5]], np.float32)
    g = operands.activations_back(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), z)
    np.testing.assert_allclose(g, [[0.1, 0, 0, 0]])
    operands.learn(0.5, finite=False)
    assert operands.clip == 2.0
    operands.learn(0.5, finite=True)
    assert operands.clip == pytest.approx(2 - 0.5 * (0.6 + 0.2))
    operands.learn(0.5, finite=True)
    assert operands.clip == pytest.approx(1.6 - 0.5 * (0.5 * 0.8 + 0.6 + 0.16))


def test_pruned_weights_have_no_say_in_the_clip_of_the_others(rng: np.random.Generator) -> None:
    w = rng.normal(size=(40, 50)).astype(np.float32)
    mask = np.zeros(w.shape, bool)
    mask[:8] = True
    operands = of(precision="fp4")
    alone = operands.weights(w[:8].copy(), None)
    np.testing.assert_array_equal(operands.weights(w * mask, mask)[:8], alone)


@pytest.mark.parametrize("first_last", ["same", "int8", "fp16"])
def test_the_outer_layers_are_rounded_as_asked(first_last: str) -> None:
    network = Mlp(precision="luq", first_last=first_last, layers=(20, 20, 20, 20, 20))
    outer = "luq" if first_last == "same" else first_last
    names = [layer.operands.name for layer in network.layers]
    assert names == [outer, "luq", "luq", outer]
    bits = {"luq": 4, "int8": 8, "fp16": 16}[outer]
    wanted = dict.fromkeys(("weights", "activations", "gradients"), bits)
    wanted |= {"master": 32, "data": 8}
    assert network.layers[0].operands.bits == wanted
    assert network.layers[1].operands.bits["weights"] == 4
