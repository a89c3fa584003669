"""Batches and optimizers outside the array: sums, moments against NumPy, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.verbs import begin_descent, descend
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.supervised import CrossbarPerceptron, Optimizer

RNG = np.random.default_rng(7)
IMAGES = RNG.integers(0, 256, (40, 12)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 40)
FINE: dict[str, Any] = {"pulses_up": 20_000, "pulses_down": 20_000}
"""Steps so small that weights are nearly real numbers; the ideal cell is linear and quiet."""


def perceptron(**changes: Any) -> CrossbarPerceptron:
    config: dict[str, Any] = {
        "hidden": (), "device": "ideal", "cell": FINE, "seed": 3, "encoding": "amplitude",
        "initial_weight": 0.3, "update": "rounded", "rates": (0.02,),
    }  # fmt: skip
    return CrossbarPerceptron(**(config | changes))


def descended(kind: str, sums: NDArray, decay: float, of_squares: float) -> list[NDArray]:
    """Return along what weights move, batch after batch: ten lines of NumPy."""
    velocity = np.zeros(sums.shape[1:])
    first, second, found = np.zeros_like(velocity), np.zeros_like(velocity), []
    for t, slope in enumerate(sums, 1):
        velocity = decay * velocity + slope
        first = decay * first + (1 - decay) * slope
        second = of_squares * second + (1 - of_squares) * slope**2
        adam = first / (1 - decay**t) / (np.sqrt(second / (1 - of_squares**t)) + 1e-8)
        found.append({"sgd": slope, "momentum": velocity, "adam": adam}[kind].copy())
    return found


@njit
def move_all(moments: Any, slope: NDArray, found: NDArray) -> None:
    begin_descent(moments)
    for column in range(slope.shape[0]):
        for row in range(slope.shape[1]):
            found[column, row] = descend(moments, row, column, slope[column, row])


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_moments_are_those_of_a_plain_reference(kind: str) -> None:
    sums = np.random.default_rng(1).normal(0, 1, (50, 4, 5)) * np.logspace(-3, 1, 5)
    optimizer = Optimizer(kind=kind, decay=0.8, decay_of_squares=0.95)
    moments, found = optimizer.new_moments((5, 4)), np.empty((4, 5))
    for slope, expected in zip(sums, descended(kind, sums, 0.8, 0.95), strict=True):
        move_all(moments, slope, found)
        # Float32 loses what is left where terms cancel.
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("batch", [2, 5])
def test_a_batch_is_the_sum_of_its_outer_products(batch: int) -> None:
    model, alone = perceptron(batch=batch), perceptron(rates=(0.0,))
    for each in (model, alone):
        each.partial_fit(IMAGES[:1], LABELS[:1], classes=[0, 1, 2])
    before = model.crossbars[0].weights
    slopes = [alone.gradients(i, c)[0] for i, c in zip(IMAGES[:batch], LABELS[:batch], strict=True)]
    model.partial_fit(IMAGES[1 : batch - 1], LABELS[1 : batch - 1]) if batch > 2 else None
    np.testing.assert_array_equal(model.crossbars[0].weights, before)  # the batch is not full
    model.partial_fit(IMAGES[batch - 1 : batch], LABELS[batch - 1 : batch])
    pulses = np.rint(-0.02 * np.sum(slopes, axis=0) / 2 * 20_000)
    moved = (model.crossbars[0].weights - before) / 2 * 20_000
    np.testing.assert_allclose(moved, pulses, atol=0.1)
    assert np.abs(pulses).max() > 20


@pytest.mark.parametrize("kind", ["sgd", "momentum", "adam"])
def test_training_does_what_a_plain_loop_says(kind: str) -> None:
    """A single layer with softmax outputs, in cells of very fine steps."""
    rate = 0.003 if kind == "adam" else 0.02
    model = perceptron(
        batch=4, optimizer={"kind": kind}, loss="cross-entropy", rates=(rate,), gain=1.5
    )
    start = perceptron(rates=(0.0,), gain=1.5).partial_fit(IMAGES, LABELS).weights[0]
    model.partial_fit(IMAGES, LABELS)
    w, sums = start.astype(np.float64), np.empty((0, *start.shape))
    for x, labels in zip(IMAGES.reshape(10, 4, 12) / 255, LABELS.reshape(10, 4), strict=True):
        a = np.exp(1.5 * x @ w)
        delta = a / a.sum(axis=1, keepdims=True) - np.eye(3)[labels]
        sums = np.concatenate([sums, 1.5 * (x.T @ delta)[None]])
        w = w - rate * descended(kind, sums, 0.9, 0.999)[-1]
    far = np.abs(w - start).max()
    assert far > 0.02
    np.testing.assert_allclose(model.weights[0], w, rtol=0, atol=0.03 * far)


def test_what_is_off_keeps_nothing_and_books_nothing() -> None:
    model = perceptron().partial_fit(IMAGES, LABELS)
    account = model.ledger.account("train")
    assert account.counts[Operation.MEMORY_BYTE] == account.counts[Operation.MULTIPLY_ADD] == 0
    assert not model.stages("train")[0].optimizer._fields


@pytest.mark.parametrize(
    ("kind", "batch", "moments", "sums"),
    [("sgd", 4, 0, 0), ("momentum", 1, 2, 1), ("momentum", 4, 2, 1), ("adam", 5, 4, 8)],
)
def test_bytes_and_sums_are_booked_and_priced(
    kind: str, batch: int, moments: int, sums: int
) -> None:
    model = perceptron(batch=batch, optimizer={"kind": kind}, hidden=(6,))
    model.partial_fit(IMAGES, LABELS)
    lit = int((IMAGES > 0).sum())
    kept = (lit * 6 + len(IMAGES) * 6 * 3) * (batch > 1)  # slopes added to the sums
    moved = (12 * 6 + 6 * 3) * len(IMAGES) // batch  # weights that a batch moves
    account, prices = model.ledger.account("train"), model.periphery
    size = 4 * (2 * kept + (moments + 2 * (batch > 1)) * moved)
    assert account.counts[Operation.MEMORY_BYTE] == size
    assert account.counts[Operation.MULTIPLY_ADD] == kept + sums * moved
    assert account.joules[Operation.MEMORY_BYTE] == pytest.approx(size * prices.e_memory)
    work = account.joules[Operation.MULTIPLY_ADD]
    assert work == pytest.approx((kept + sums * moved) * prices.e_multiply_add)


def test_cells_that_are_held_get_no_pulses_of_a_batch() -> None:
    model = perceptron(batch=2, optimizer={"kind": "momentum"})
    model.partial_fit(IMAGES[:1], LABELS[:1], classes=[0, 1, 2])
    model.crossbars[0].inhibit(1, [3, 4])
    before = model.weights[0]
    model.partial_fit(IMAGES, LABELS)
    np.testing.assert_array_equal(model.weights[0][[3, 4], 1], before[[3, 4], 1])
    assert (model.weights[0] != before).mean() > 0.8


def test_an_optimizer_out_of_range_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"decay.*1"):
        Optimizer(decay=1.0)
    with pytest.raises(ParameterError, match=r"batch"):
        perceptron(batch=0)
