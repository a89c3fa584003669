from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from cbramsim.core.errors import CbramError, DataError
from cbramsim.simulator.comparison.mlp import Mlp, MlpConfig, Progress
from cbramsim.simulator.comparison.mlp.kernels import present
from cbramsim.simulator.comparison.mlp.network import learning_rates
from cbramsim.simulator.comparison.traffic import NOTHING, StepCounts, step_counts
from cbramsim.simulator.images.datasets import Dataset

PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp4", "luq")
TINY = {"layers": (6, 5, 4, 3), "shift": 0, "batch": 8}


def tiny_data(rng: np.random.Generator, images: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, 256, (images, 2, 3), dtype=np.uint8), rng.integers(0, 3, images)


def weights_of(network: Mlp) -> list[np.ndarray]:
    return [array for layer in network.layers for array in (layer.weights, layer.bias)]


def assert_same(first: Mlp, second: Mlp) -> None:
    for a, b in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_slopes_are_those_of_finite_differences(rng: np.random.Generator, smoothing: float) -> None:
    images, labels = tiny_data(rng)
    network = Mlp(**TINY, label_smoothing=smoothing)
    for layer in network.layers:
        layer.weights, layer.bias = layer.weights.astype(float), rng.normal(0, 0.3, layer.bias.size)
        layer.rest()

    def loss() -> float:
        return network._step(images, labels, np.arange(8), np.zeros((2, 8), np.int64), rate=0.0)

    for layer in network.layers:
        for name in ("weights", "bias"):
            loss()
            array, slope = getattr(layer, name), getattr(layer, f"{name}_slope").copy()
            assert np.abs(slope).max() > 1e-3
            numeric = np.empty_like(array)
            for place in np.ndindex(array.shape):
                ends = []
                for nudge in (1e-6, -1e-6):
                    array[place] += nudge
                    ends.append(loss())
                    array[place] -= nudge
                numeric[place] = (ends[0] - ends[1]) / 2e-6
            np.testing.assert_allclose(slope, numeric, rtol=1e-5, atol=1e-8)


def test_fp32_does_as_a_plain_twin(mnist: Dataset) -> None:
    """The textbook algorithm in float64, with images shifted by padding and cutting."""
    images, labels = mnist.train_images[:640], mnist.train_labels[:640].astype(int)
    network = Mlp(weight_decay=1e-3, layers=(784, 30, 20, 10))
    twin = [array.astype(float) for array in weights_of(network)]
    speed = [np.zeros_like(array) for array in twin]
    order, shifts = network._order(0, 640)
    rates = learning_rates(network.config, 5)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    for step in range(5):
        chosen = slice(128 * step, 128 * step + 128)
        a = [
            np.array([
                padded[i, 1 - dy : 29 - dy, 1 - dx : 29 - dx].ravel() / 255
                for i, dy, dx in zip(order[chosen], *shifts[:, chosen], strict=True)
            ])
        ]  # fmt: skip
        for k in (0, 2, 4):
            z = a[-1] @ twin[k] + twin[k + 1]
            a.append(np.maximum(z, 0) if k < 4 else np.exp(z) / np.exp(z).sum(1, keepdims=True))
        g = (a[-1] - (0.9 * np.eye(10)[labels[order[chosen]]] + 0.01)) / 128
        for k in (4, 2, 0):
            slopes = a[k // 2].T @ g + 1e-3 * twin[k], g.sum(axis=0)
            g = (g @ twin[k].T) * (a[k // 2] > 0)
            for j, slope in zip((k, k + 1), slopes, strict=True):
                speed[j] = 0.9 * speed[j] + slope
                twin[j] = twin[j] - rates[step] * speed[j]
    network.fit(images, labels, epochs=1)
    for mine, theirs in zip(weights_of(network), twin, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_learns_a_few_images_by_heart(mnist: Dataset, precision: str) -> None:
    images, labels = mnist.train_images[:512], mnist.train_labels[:512]
    network = Mlp(precision=precision, layers=(784, 64, 64, 10), shift=0, batch=32)
    assert network.score(images, labels) < 0.3
    losses: list[float] = []
    network.fit(images, labels, epochs=20, callback=lambda progress: losses.append(progress.loss))
    assert network.score(images, labels) > 0.97
    assert len(losses) == 20
    assert losses[-1] < 0.75 < 1.0 < losses[0]  # of smoothed labels, at least 0.5


@pytest.mark.parametrize("precision", ["fp32", "int8", "luq"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    mnist: Dataset, precision: str
) -> None:
    images, labels = mnist.train_images[:512], mnist.train_labels[:512]
    config = MlpConfig(precision=precision, layers=(784, 32, 10))
    first = Mlp(config).fit(images, labels, epochs=2)
    second = Mlp(config).fit(images[:200], labels[:200], epochs=1)
    second.fit(images, labels, epochs=2, callback=lambda _: second.score(images, labels) and None)
    assert_same(first, second)  # neither an earlier training nor recognition leaves a trace
    other = Mlp(config, seed=1).fit(images, labels, epochs=2)
    assert (other.layers[0].weights != first.layers[0].weights).any()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_class_does_not_depend_on_what_else_is_recognised(mnist: Dataset, precision: str) -> None:
    network = Mlp(precision=precision, layers=(784, 32, 10))
    network.fit(mnist.train_images[:512], mnist.train_labels[:512], epochs=2)
    images = mnist.train_images[1000:1100]
    one_by_one = [network.predict(images[k : k + 1])[0] for k in range(100)]
    assert (network.predict(images) == one_by_one).mean() > 0.985


@pytest.mark.parametrize("precision", ["fp32", "int8", "fp4"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_counts_are_those_of_the_closed_form(
    mnist: Dataset, precision: str, momentum: float
) -> None:
    images, labels = mnist.train_images[:300], mnist.train_labels[:300]
    network = Mlp(precision=precision, momentum=momentum, layers=(784, 20, 30, 10), batch=100)
    network.fit(images, labels, epochs=2).predict(images[:77])
    layers, counts = network.config.layers, network.counts
    master, states = precision != "fp32", int(momentum > 0)
    one = step_counts(layers, 100, master=master, states=states)
    assert counts.training.counts() == one * 6
    assert (counts.training.images, counts.training.steps) == (600, 6)
    assert counts.inference.counts() == step_counts(layers, 77, training=False)
    assert counts.inference.counts().forward == 77 * (784 * 20 + 20 * 30 + 30 * 10)
    parts: StepCounts = NOTHING
    for layer in range(3):
        parts = parts + counts.training.counts(layer)
    assert parts == counts.training.counts() == counts.training.counts(skipping=True)


def test_hardware_that_skips_pruned_weights_computes_with_the_others_only(
    mnist: Dataset,
) -> None:
    images, labels = mnist.train_images[:100], mnist.train_labels[:100]
    network = Mlp(precision="fp4", layers=(784, 20, 10), batch=100)
    masks = [np.zeros(layer.weights.shape, bool) for layer in network.layers]
    masks[0][:, :5], masks[1][:7] = True, True
    for layer, mask in zip(network.layers, masks, strict=True):
        layer.prune(mask)
    network.train(images, labels, epochs=1)
    dense, skipping = (network.counts.training.counts(skipping=s) for s in (False, True))
    assert dense == step_counts(network.config.layers, 100, states=1)
    assert skipping.forward == skipping.update == 100 * (784 * 5 + 7 * 10)
    assert skipping.backward == 100 * 7 * 10
    assert skipping.step == 784 * 5 + 7 * 10 + 30
    assert sum(skipping.operands.values()) == 2 * (3 * 7000 + 2 * 392_000)
    assert dense.accesses["weights"] - skipping.accesses["weights"] == 2 * 784 * 15 + 3 * 13 * 10
    assert dense.accesses["activations"] == skipping.accesses["activations"]
    for layer, mask in zip(network.layers, masks, strict=True):
        assert not layer.weights[~mask].any()
        assert layer.weights[mask].any()


def test_ctrl_c_comes_between_batches_and_leaves_the_network_whole(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:512], mnist.train_labels[:512]
    network, same = Mlp(layers=(784, 32, 10)), Mlp(layers=(784, 32, 10))

    def interrupt(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def stop(progress: Progress) -> None:
        raise StopIteration

    with pytest.raises(KeyboardInterrupt):
        network.fit(images, labels, callback=interrupt, marks=[256])
    with pytest.raises(StopIteration):
        same.fit(images, labels, callback=stop, marks=[256])
    assert network.counts.training.steps == 2
    assert_same(network, same)
    assert network.predict(images).shape == (512,)


def test_callbacks_come_at_their_marks(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:400], mnist.train_labels[:400]
    seen: list[Progress] = []
    network = Mlp(layers=(784, 10), batch=100)
    network.fit(images, labels, epochs=2, callback=seen.append, marks=[100, 130, 150, 800, 10_000])
    assert [progress.images for progress in seen] == [100, 200, 800]
    assert [progress.epoch for progress in seen] == [0, 0, 2]


def test_images_are_shifted_and_black_moves_in(rng: np.random.Generator) -> None:
    images = rng.integers(1, 256, (2, 4, 5), dtype=np.uint8)
    out = np.full((2, 20), np.nan, np.float32)
    present(images, np.array([1, 0]), np.array([1, 0]), np.array([-2, 7]), out)
    wanted = np.zeros((4, 5))
    wanted[1:, :3] = images[1][:3, 2:] / 255
    np.testing.assert_allclose(out[0].reshape(4, 5), wanted, rtol=1e-6)
    assert not out[1].any()


def test_the_learning_rate_rises_and_falls() -> None:
    rates = learning_rates(MlpConfig(learning_rate=0.5, warm_up=0.1), 100)
    assert len(rates) == 100
    np.testing.assert_allclose(rates[:11], [*np.arange(1, 11) / 20, 0.5])
    assert (np.diff(rates[10:]) < 0).all()
    assert rates[55] == pytest.approx(0.25)
    assert learning_rates(MlpConfig(learning_rate=0.5, warm_up=0.0), 7)[0] == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp8"}, r"MlpConfig\.precision: must be one of fp32.*\(got 'fp8'\)"),
        ({"layers": (784,)}, r"MlpConfig\.layers\.widths: must be two or more"),
        ({"layers": (784, 0, 10)}, r"MlpConfig\.layers\.widths: .*784, 0, 10"),
        ({"batch": 0}, r"MlpConfig\.batch: must be a whole number >= 1"),
        ({"momentum": 1}, r"MlpConfig\.momentum: must be a number >= 0 and < 1 \(got 1\)"),
        ({"rate": 1}, r"MlpConfig\.rate: unknown key"),
        ({"first_last": "int8"}, r"MlpConfig: first_last must be same .* \(got int8 and fp32\)"),
    ],
)
def test_wrong_parameters_are_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(CbramError, match=message):
        Mlp(**changes)


def test_wrong_data_are_refused_by_name(rng: np.random.Generator) -> None:
    images, labels = tiny_data(rng)
    network = Mlp(**TINY)
    with pytest.raises(DataError, match=r"6 pixels, the inputs \(got 4\)"):
        network.predict(images[:, :, :2])
    with pytest.raises(DataError, match="grey levels, uint8"):
        network.fit(images / 1.0, labels)
    with pytest.raises(DataError, match=r"labels must be < 3, the outputs \(got 3\)"):
        network.fit(images, labels * 0 + 3)
    with pytest.raises(DataError, match=r"at least one batch, 8 \(got 7\)"):
        network.fit(images[:7], labels[:7])
    with pytest.raises(CbramError, match=r"Mlp\.fit\.epochs: .* \(got 0\)"):
        network.fit(images, labels, epochs=0)
    with pytest.raises(CbramError, match=r"Mlp\.config: must be a MlpConfig or None \(got 'fp4'\)"):
        Mlp("fp4")  # type: ignore[arg-type]
    flat = images.reshape(8, 6)
    assert network.fit(flat, labels).predict(flat).shape == (8,)
    with pytest.raises(DataError, match=r"MlpConfig\.shift 1 \(got shape \(8, 6\)\)"):
        Mlp(**(TINY | {"shift": 1})).fit(flat, labels)
