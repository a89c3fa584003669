"""Perceptrons in arrays: gradients, a plain reference, what is booked, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.core.verbs import ask
from cbramsim.devices.device import Device
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.supervised import CrossbarPerceptron, PerceptronConfig
from cbramsim.simulator.supervised.loop import backward
from cbramsim.simulator.supervised.updates import Rounded, Sign, Stochastic

QUIET: dict[str, Any] = dict.fromkeys(
    ("g_min_d2d", "g_max_d2d", "pulses_up_d2d", "pulses_down_d2d", "read_c2c", "step_c2c"), 0.0
)
"""A cell without variability."""
RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (60, 12)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 60)


def logistic(z: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-z))


def perceptron(**changes: Any) -> CrossbarPerceptron:
    config: dict[str, Any] = {"hidden": (7,), "cell": QUIET, "seed": 2, "initial_weight": 0.9}
    model = CrossbarPerceptron(**(config | changes))
    return model.partial_fit(IMAGES[:1], LABELS[:1], classes=[0, 1, 2])


def loss_of(weights: list[NDArray], image: NDArray, label: int, kind: str, gain: float) -> float:
    """Return the loss by plain products of float64."""
    a = image
    for w in weights[:-1]:
        a = logistic(gain * a @ w)
    z = gain * a @ weights[-1]
    if kind == "squared":
        return float(((logistic(z) - np.eye(3)[label]) ** 2).sum())
    return float(np.log(np.exp(z).sum()) - z[label])


# ---- gradients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["squared", "cross-entropy"])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
@pytest.mark.parametrize("synapse", [{}, {"cells": 2, "pair": True}])
def test_the_gradient_is_that_of_finite_differences(
    kind: str, hidden: tuple[int, ...], synapse: dict[str, Any]
) -> None:
    """Of the arrays' own weights, to 1e-6 of the largest slope."""
    model = perceptron(
        hidden=hidden, loss=kind, encoding="amplitude", gain=0.7, synapse=synapse, rates=(0.0,)
    )
    image, label = IMAGES[5] / 255, int(LABELS[5])
    found = model.gradients(IMAGES[5], label)
    weights = exact_weights(model)
    for layer, slope in enumerate(found):
        expected = np.zeros_like(slope)
        for at in np.ndindex(slope.shape):
            sides = []
            for step in (1e-5, -1e-5):
                moved = [w.copy() for w in weights]
                moved[layer][at] += step
                sides.append(loss_of(moved, image, label, kind, 0.7))
            expected[at] = (sides[0] - sides[1]) / 2e-5
        assert np.abs(slope - expected).max() < 1e-6 * max(1, np.abs(expected).max())


def exact_weights(model: CrossbarPerceptron) -> list[NDArray[np.float64]]:
    """Return the weights without rounding of the result."""
    device, found = model.device, []
    for crossbar in model.crossbars:
        if hasattr(crossbar, "synapse"):
            cells = device.weight_of(crossbar.cells.conductance.astype(np.float64))
            found.append(cells.reshape(*crossbar.shape, -1) @ crossbar.synapse.parts)
        else:
            found.append(device.weight_of(crossbar.conductance.astype(np.float64)))
    return found


# ---- a plain reference -------------------------------------------------------------------------


@pytest.mark.parametrize("codes", [0, 63])
def test_training_does_what_a_plain_loop_says(codes: int) -> None:
    """Black and white, one-bit hidden units, rounded pulses: as MLP+NeuroSim trains."""
    model = perceptron(
        input_bits=1, hidden_bits=1, codes=codes, update="rounded", gain=0.5, rates=(1.6, 0.4),
        initial_levels=7,
    )  # fmt: skip
    device = model.device
    g = [each.conductance.astype(np.float64) for each in model.crossbars]

    def sums(conductance: NDArray, x: NDArray) -> NDArray:
        signal, middle = x @ conductance, x.sum() * device.g_mid
        if codes:
            lsb = device.g_range * len(x) / codes
            return (np.floor(signal / lsb) - np.floor(middle / lsb)) * lsb
        return signal - middle

    for image, label in zip(IMAGES, LABELS, strict=True):
        x = (image >= 128).astype(float)
        hidden = logistic(0.5 * 2 / device.g_range * sums(g[0], x))
        a = logistic(0.5 * 2 / device.g_range * sums(g[1], (hidden >= 0.5).astype(float)))
        delta = [np.zeros(7), -2 * a * (1 - a) * (np.eye(3)[label] - a)]
        delta[0] = hidden * (1 - hidden) * (0.5 * device.weight_of(g[1]) @ delta[1])
        for layer, (inputs, rate) in enumerate(((x, 1.6), (hidden, 0.4))):
            change = -rate * 0.5 * np.outer(inputs, delta[layer])
            levels = np.where(change > 0, device.pulses_up, device.pulses_down)
            pulses = np.floor(np.abs(change) / 2 * levels + 0.5).astype(int)
            for at in np.argwhere(pulses):
                row, column = at
                for _ in range(pulses[row, column]):
                    was = g[layer][row, column]
                    step = device.step_up(was) if change[row, column] > 0 else 0
                    step = step or -device.step_down(was)
                    g[layer][row, column] = np.clip(was + step, device.g_min, device.g_max)
    model.partial_fit(IMAGES, LABELS)
    for crossbar, expected in zip(model.crossbars, g, strict=True):
        np.testing.assert_allclose(crossbar.conductance, expected, rtol=2e-4)
        assert crossbar.pulse_counts.sum() > 100  # type: ignore[union-attr]


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_inputs_bit_by_bit_sum_up_to_their_codes(bits: int) -> None:
    model = perceptron(hidden=(), input_bits=bits, loss="cross-entropy", rates=(0.0,))
    top = 2**bits - 1
    values = np.floor(IMAGES / 255 * top + 0.5) / top
    z = values @ exact_weights(model)[0]
    expected = np.exp(z - z.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(IMAGES), expected, rtol=2e-4)


# ---- pulses ------------------------------------------------------------------------------------


@njit
def ask_often(rule: Any, wanted: float, found: NDArray[np.int64], state: Any) -> NDArray[np.int64]:
    for n in range(found.size):
        found[n] = ask(rule, wanted, state)
    return found


def test_pulses_are_what_their_rule_says() -> None:
    state = stream(1, "asked")
    for wanted, whole in ((0.49, 0), (0.5, 1), (2.4, 2), (2.6, 3)):
        assert ask(Rounded(), wanted, state) == whole
    drawn = ask_often(Stochastic(), 2.3, np.zeros(4000, np.int64), state)
    assert set(drawn.tolist()) == {2, 3}
    assert np.mean(drawn) == pytest.approx(2.3, abs=0.03)
    assert [ask(Sign(0.2), wanted, state) for wanted in (0.1, 0.2, 9.0)] == [0, 1, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hidden": (), "rates": (0.02,)},
        {"update": "sign", "threshold": 0.02},
        {"loss": "cross-entropy", "hidden": (10, 8)},
        {"synapse": {"pair": True, "pulses": "set", "renew_every": 50}},
        {"encoding": "amplitude"},
    ],
    ids=["backpropagation", "delta rule", "sign", "cross-entropy", "pairs", "amplitude"],
)
def test_it_learns_what_can_be_learned(changes: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 2, (3, 30)) * 255
    labels = rng.integers(0, 3, 1500)
    noise = rng.random((1500, 30)) < 0.1
    images = np.where(noise, 255 - prototypes[labels], prototypes[labels]).astype(np.uint8)
    config: dict[str, Any] = {"hidden": (12,), "rates": (0.1,), "seed": 1} | changes
    model = CrossbarPerceptron(**config).fit(images[:1200], labels[:1200], epochs=3)
    assert model.score(images[1200:], labels[1200:]) > 0.9
    again = CrossbarPerceptron(**config).fit(images[:1200], labels[:1200], epochs=3)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_tests_leave_learning_alone_and_can_be_repeated() -> None:
    cell = {"read_c2c": 0.1, "step_c2c": 0.02}
    one, other = (perceptron(cell=cell, rates=(2.0,)) for _ in range(2))
    for model in (one, other):
        model.partial_fit(IMAGES[:30], LABELS[:30])
    answers = one.predict_proba(IMAGES)
    one.gradients(IMAGES[0], LABELS[0])
    np.testing.assert_array_equal(one.predict_proba(IMAGES), answers)
    for model in (one, other):
        model.partial_fit(IMAGES[30:], LABELS[30:])
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("encoding", ["bits", "amplitude"])
def test_weights_that_are_taken_out_add_nothing(encoding: str) -> None:
    model = perceptron(hidden=(), encoding=encoding, loss="cross-entropy", rates=(0.0,))
    for column in range(3):
        model.crossbars[0].disconnect(column, np.arange(12))
    np.testing.assert_allclose(model.predict_proba(IMAGES), 1 / 3, atol=1e-6)


def test_pairs_that_are_only_set_fall_as_far_as_they_rise() -> None:
    """One asymmetric cell: as many pulses for a change down as up, all of them set pulses."""
    synapse = {"pair": True, "pulses": "set"}
    cell = QUIET | {"pulses_up": 80, "pulses_down": 10}
    stage = perceptron(synapse=synapse, cell=cell).stages("train")[0]
    np.testing.assert_array_equal(stage.levels, [160, 160])
    both = perceptron(synapse={"pair": True}, cell=cell).stages("train")[0]
    np.testing.assert_allclose(both.levels, 2 * 2 / (1 / 80 + 1 / 10))


@njit
def carry_back(stage: Any, before: Any, streams: Any) -> None:
    backward(stage, before, streams)


# ---- energy ------------------------------------------------------------------------------------


def test_every_event_is_booked() -> None:
    model = perceptron(input_bits=1, hidden_bits=1, codes=63, rates=(1.0,))
    model.partial_fit(IMAGES, LABELS)
    n, device = len(IMAGES) + 1, model.device
    on = int((IMAGES >= 128).sum() + (IMAGES[0] >= 128).sum())
    first, second = (ledger.account("train") for ledger in model.ledgers)
    assert first.counts[Operation.WORD_LINE_DRIVE] == on
    assert first.counts[Operation.CELL_READ] == on * 7
    assert first.counts[Operation.ADC_CONVERSION] == n * 8
    assert first.counts[Operation.TRANSPOSED_READ] == 0
    assert second.counts[Operation.TRANSPOSED_READ] == n * 7 * 3
    assert second.counts[Operation.BIT_LINE_DRIVE] == n * 3
    most = device.v2t_read * device.g_max * n * 7 * 3
    assert 0.05 * most < second.joules[Operation.TRANSPOSED_READ] < most
    for crossbar, account in zip(model.crossbars, (first, second), strict=True):
        pulses = account.counts[Operation.LTP_PULSE] + account.counts[Operation.LTD_PULSE]
        assert pulses == crossbar.state.wear.sum() == account.counts[Operation.PROGRAM_LINE]
    line = model.crossbars[1].word_line_energy
    drives = second.counts[Operation.WORD_LINE_DRIVE]
    assert second.joules[Operation.WORD_LINE_DRIVE] == pytest.approx(line * drives)
    total = sum(ledger.totals()["train"] for ledger in model.ledgers)
    assert model.ledger.totals()["train"] == pytest.approx(total)


def test_noise_of_backward_reads_is_that_of_the_weights() -> None:
    cell = QUIET | {"read_c2c": 0.05}
    model = perceptron(hidden=(400,), cell=cell, rates=(0.0,))
    stages = model.stages("train")
    stages[1].delta[:] = [0.3, -0.4, 0.0]
    stages[0].outputs[:] = 0.5
    found = []
    for _ in range(20):
        carry_back(stages[1], stages[0], model.streams)
        found.append(stages[0].delta.copy())
    # a (1 - a) = 1/4; a weight has twice the noise of the window; the norm of delta is 1/2.
    spread = np.sqrt(np.var(found, axis=0, ddof=1).mean())
    assert spread == pytest.approx(0.25 * 2 * 0.05 * 0.5, rel=0.03)


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": (0.1, 0.2, 0.3)}, "rates must be one, or one for each of the 2 layers (got 3)"),
        ({"threshold": 0.5}, "threshold needs update sign (got 0.5)"),
        ({"codes": 255, "readout": {"adc_bits": 8}}, "codes must be 0 with readout.adc_bits"),
        ({"codes": 255, "encoding": "amplitude"}, "encoding must be bits with converters"),
        ({"codes": 255, "synapse": {"cells": 2}}, "codes must be 0 with tiles.rows, and with"),
        ({"hiden": (3,)}, "hiden: unknown key (did you mean 'hidden'?)"),
    ],
)
def test_what_no_perceptron_can_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        PerceptronConfig(**changes)
    assert message in str(error.value)


def test_refusals_name_what_is_wrong() -> None:
    model = perceptron()
    for method in (model.predict, lambda x: model.partial_fit(x, LABELS)):
        with pytest.raises(ParameterError, match=r"images must have 12 inputs \(got 11\)"):
            method(IMAGES[:, :11])
    with pytest.raises(ParameterError, match=r"images must have 12 inputs \(got 13\)"):
        model.gradients(np.zeros(13), 0)
    with pytest.raises(ParameterError, match=r"classes must be .*, as before"):
        model.partial_fit(IMAGES, LABELS, classes=[0, 1])
    with pytest.raises(ParameterError, match=r"labels must be numbers or texts"):
        model.partial_fit(IMAGES, [None] * 60)
    with pytest.raises(ParameterError, match=r"labels must be of the classes"):
        model.partial_fit(IMAGES, LABELS + 1)
    with pytest.raises(ParameterError, match=r"labels must be one for each image"):
        model.score(IMAGES, LABELS[:5])
    with pytest.raises(ParameterError, match=r"images must be uint8, or numbers >= 0 and <= 1"):
        model.predict(IMAGES.astype(float))
    for asked in ("predict", "gradients"):
        with pytest.raises(ParameterError, match=rf"{asked}.*: fit comes first"):
            getattr(CrossbarPerceptron(), asked)(*([IMAGES] if asked == "predict" else [IMAGES, 0]))
    with pytest.raises(ParameterError, match=r"two classes or more \(got 1\)"):
        CrossbarPerceptron().fit(IMAGES, np.zeros(60))
    curved = Device.load("subquantum-cbram").replace(v_sinh=0.3)
    assert curved.v_sinh == 0.3
    with pytest.raises(ParameterError, match=r"encoding must be bits where cells are not ohmic"):
        CrossbarPerceptron(encoding="amplitude", cell={"v_sinh": 0.3})
