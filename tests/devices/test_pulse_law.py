"""Pulse laws: labels, closed forms of whole trains, and scalar references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.verbs import pulse_noise
from cbramsim.devices.device import Device
from cbramsim.devices.pulse_law import affine_step, inverse_pulse_constant, nonlinearity_label
from cbramsim.devices.pulses import RESET, SET, nominal_cell
from cbramsim.devices.scatter import scatter_of
from cbramsim.simulator.array.crossbar import Crossbar

QUIET = Device.load("subquantum-cbram").without_variability()
STRAIGHT = QUIET.replace(nonlinearity_up=0.0, nonlinearity_down=0.0)

A_OF_LABEL = {
    0.04: 31.57, 0.105: 12.02, 0.5: 2.520, 0.61: 2.063, 1.0: 1.252, 1.46: 0.849, 1.75: 0.702,
    1.94: 0.629, 2.4: 0.499, 3.68: 0.301, 4.88: 0.200, 6.76: 0.100, 9.0: 0.0228,
}  # fmt: skip
"""A / N of nonlinearity labels, as the look-up table of MLP+NeuroSim V3.0 has them, rounded."""


def train(device: Device, pulses: int, start: float) -> np.ndarray:
    """The law, pulse by pulse and in float64: conductances before and after each, S."""
    g = [start]
    for _ in range(abs(pulses)):
        step = device.step_up(g[-1]) if pulses > 0 else -device.step_down(g[-1])
        g.append(g[-1] + float(step))
    return np.array(g)


def simulated(device: Device, pulses: int, start: float) -> np.ndarray:
    """The same from the array's kernel."""
    crossbar = Crossbar(device, (1, 1))
    crossbar.set_conductance(start)
    g = [crossbar.conductance[0, 0]]
    for _ in range(abs(pulses)):
        crossbar.program(0, [0], int(np.sign(pulses)))
        g.append(crossbar.conductance[0, 0])
    return np.array(g, float)


# ---- the label ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "a"), A_OF_LABEL.items())
def test_labels_are_those_of_the_benchmark(label: float, a: float) -> None:
    # one unit of the last of the digits that were written down, if that is more than 0.3 %
    digits = 10.0 ** -len(str(a).partition(".")[2])
    assert 1 / inverse_pulse_constant(label) == pytest.approx(a, rel=3e-3, abs=digits / 2)
    assert nonlinearity_label(1 / a) == pytest.approx(label, rel=3e-3)


@given(label=st.floats(0, 9))
def test_the_label_and_the_pulse_constant_are_inverse(label: float) -> None:
    assert nonlinearity_label(inverse_pulse_constant(label)) == pytest.approx(label, abs=1e-9)


@given(k=st.floats(1e-3, 100))
def test_the_label_is_the_largest_departure_from_the_line(k: float) -> None:
    p = np.linspace(0, 1, 20_001)
    curve = np.expm1(-k * p) / np.expm1(-k)
    assert nonlinearity_label(k) == pytest.approx((curve - p).max() / 0.099, rel=1e-3, abs=1e-6)


# ---- the exponential law -----------------------------------------------------------------------


def test_a_label_of_zero_is_a_constant_step() -> None:
    first, slope = affine_step(50.0, 0.0)
    assert (first, slope) == (pytest.approx(1 / 50), 0.0)
    for label in (1e-9, -1e-9):
        first, slope = affine_step(50.0, label)
        assert first == pytest.approx(1 / 50, rel=1e-6)
        assert slope == pytest.approx(0, abs=1e-8)
    constant = STRAIGHT.replace(law="constant")
    g = np.linspace(QUIET.g_min, QUIET.g_max, 9)
    np.testing.assert_allclose(STRAIGHT.step_up(g), constant.step_up(g), rtol=1e-12)
    np.testing.assert_array_equal(
        simulated(STRAIGHT, 64, QUIET.g_min), simulated(constant, 64, QUIET.g_min)
    )


@pytest.mark.parametrize("label", [-4.88, -1.0, -0.04, 0.04, 1.0, 4.88, 9.0])
def test_a_set_train_is_the_closed_form(label: float) -> None:
    """G(P) = B (1 - exp(-P/A)) + G_min; A is negative if the train accelerates."""
    device = QUIET.replace(nonlinearity_up=label, pulses_up=50)
    a = 50 * np.sign(label) / float(inverse_pulse_constant(abs(label)))
    p = np.arange(51)
    closed = device.g_range * np.expm1(-p / a) / np.expm1(-50 / a) + device.g_min
    np.testing.assert_allclose(train(device, 50, device.g_min), closed, rtol=1e-9)
    np.testing.assert_allclose(
        simulated(device, 50, device.g_min), closed, rtol=0, atol=2e-5 * device.g_range
    )


@pytest.mark.parametrize("label", [-9.0, -4.88, -1.0, -0.04, 0.04, 1.0, 4.88])
def test_a_reset_train_is_the_closed_form(label: float) -> None:
    """From g_max down: saturating if the label is negative, the manual's sign."""
    device = QUIET.replace(nonlinearity_down=label, pulses_down=50)
    a = -50 * np.sign(label) / float(inverse_pulse_constant(abs(label)))
    p = np.arange(51)
    closed = device.g_max - device.g_range * np.expm1(-p / a) / np.expm1(-50 / a)
    np.testing.assert_allclose(train(device, -50, device.g_max), closed, rtol=1e-9)
    np.testing.assert_allclose(
        simulated(device, -50, device.g_max), closed, rtol=0, atol=2e-5 * device.g_range
    )
    middle = train(device, -50, device.g_max)[25]
    assert (middle > device.g_mid) == (label > 0)


@given(label=st.floats(-7, 7), pulses=st.integers(1, 300))
def test_a_train_goes_from_end_to_end_in_exactly_n_pulses(label: float, pulses: int) -> None:
    first, slope = affine_step(float(pulses), label)
    depth = [0.0]
    for _ in range(pulses):
        depth.append(depth[-1] + float(first) + float(slope) * depth[-1])
    assert depth[-1] == pytest.approx(1, rel=1e-9)
    assert (np.diff(depth) > 0).all()


# ---- the other laws ----------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_power_law_equals_its_scalar_reference(exponent: float, sign: int) -> None:
    device = STRAIGHT.replace(law="power", exponent_up=exponent, exponent_down=exponent)
    depth, depths = 0.0, [0.0]
    for _ in range(80):
        depth = min(depth + max(1 - depth, 0.0) ** exponent / 64, 1.0)
        depths.append(depth)
    start, far = (device.g_min, device.g_max)[::sign]
    expected = start + np.array(depths) * (far - start)
    np.testing.assert_allclose(
        simulated(device, 80 * sign, start), expected, rtol=0, atol=3e-5 * device.g_range
    )


@pytest.mark.parametrize("exponent", [0.5, 1.0, 3.0])
def test_small_steps_of_the_power_law_follow_its_differential_equation(exponent: float) -> None:
    """dx/dp = (1 - x)^gamma, p in units of N pulses."""
    n = 4000
    device = STRAIGHT.replace(law="power", exponent_up=exponent, pulses_up=n)
    crossbar = Crossbar(device, (1, 1))
    for p in (0.25, 0.5, 0.75, 1.0):
        crossbar.program(0, [0], n // 4)
        part = 1 - exponent
        left = (1 - part * p) ** (1 / part) if part else np.exp(-p)
        x = (crossbar.conductance[0, 0] - device.g_min) / device.g_range
        assert x == pytest.approx(1 - left, abs=1e-3)


def test_power_zero_is_constant_and_power_one_is_exponential() -> None:
    flat = STRAIGHT.replace(law="power", exponent_up=0.0)
    constant = STRAIGHT.replace(law="constant")
    np.testing.assert_allclose(
        simulated(flat, 70, QUIET.g_min), simulated(constant, 70, QUIET.g_min), rtol=1e-5
    )
    one = STRAIGHT.replace(law="power", exponent_up=1.0)
    closed = QUIET.g_max - QUIET.g_range * (1 - 1 / 64) ** np.arange(201)
    np.testing.assert_allclose(simulated(one, 200, QUIET.g_min), closed, rtol=1e-4)


def test_a_table_is_reproduced_at_its_points_and_between() -> None:
    shape_up, shape_down = (1.0, 0.4, 0.7), (0.2, 1.0, 0.5, 0.1)
    device = STRAIGHT.replace(law="table", shape_up=shape_up, shape_down=shape_down)
    for x, s in ((0, 1.0), (0.25, 0.7), (0.5, 0.4), (0.75, 0.55), (1, 0.7)):
        assert device.relative_step_up(x) == pytest.approx(s / 64)
    for x, s in ((1, 0.2), (2 / 3, 1.0), (1 / 3, 0.5), (0, 0.1), (0.5, 0.75)):
        assert device.relative_step_down(x) == pytest.approx(s / 64)
    for g in device.g_min + device.g_range * np.array([0.0, 0.1, 0.5, 0.6, 0.9]):
        rise = np.diff(simulated(device, 1, g))[0]
        assert rise == pytest.approx(device.step_up(g), rel=1e-3)
    for g in device.g_max - device.g_range * np.array([0.0, 0.1, 1 / 3, 0.6, 0.9]):
        fall = -np.diff(simulated(device, -1, g))[0]
        assert fall == pytest.approx(device.step_down(g), rel=1e-3)


def test_a_flat_table_is_the_constant_law() -> None:
    flat = STRAIGHT.replace(law="table", shape_up=(1.0, 1.0), shape_down=(1.0, 1.0, 1.0))
    constant = STRAIGHT.replace(law="constant")
    for pulses, start in ((70, QUIET.g_min), (-70, QUIET.g_max)):
        np.testing.assert_allclose(
            simulated(flat, pulses, start), simulated(constant, pulses, start), rtol=1e-5
        )


# ---- laws in terms of weights ------------------------------------------------------------------


def weight_step(w: float, way: int, form: str, p: dict[str, float]) -> float:
    """The step of a pulse in weights from -1 to 1, as IBM's analog hardware kit states it."""
    if form == "linear":  # bounds of the weight w_min, w_max; gamma 1 are soft bounds
        bound = p["w_max"] if way > 0 else p["w_min"]
        return way * p["dw"] * (1 - p["gamma"] * w / bound)
    z = 2 * p["a"] * w / (p["w_max"] - p["w_min"]) + p["b"]
    return way * p["dw"] * max(1 - p["A"] * np.exp(way * p["gamma"] * z), 0)


@pytest.mark.parametrize("gamma", [0.0, 0.1153, 0.7342, 1.0])
@pytest.mark.parametrize("way", [1, -1])
def test_linear_steps_are_those_in_weights(gamma: float, way: int) -> None:
    p = {"dw": 0.002, "gamma": gamma, "w_max": 1.1724, "w_min": -0.8276}
    start = p["w_min"] if way > 0 else p["w_max"]
    first = abs(weight_step(start, way, "linear", p))
    bound = p["w_max"] if way > 0 else p["w_min"]
    slope = -2 * gamma * p["dw"] / abs(bound) / first
    device = STRAIGHT.replace(
        law="linear", pulses_up=2 / first, slope_up=slope, pulses_down=2 / first, slope_down=slope
    )
    for x in np.linspace(0, 1, 21):
        w = p["w_min"] + 2 * x
        step = device.relative_step_up(x) if way > 0 else -device.relative_step_down(x)
        assert 2 * step == pytest.approx(weight_step(w, way, "linear", p), abs=1e-15)


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize(("factor", "gamma"), [(-1.18445, 5.0), (-0.081404, 5.0), (0.3, 4.0)])
def test_exponential_steps_are_those_in_weights(factor: float, gamma: float, way: int) -> None:
    p = {"dw": 0.00135, "a": -0.5, "b": -0.5, "A": factor, "gamma": gamma, "w_max": 1, "w_min": -1}
    # z = -(1 + w) / 2: -d at the depth d of a set train, d - 1 at that of a reset train
    at_start = 1.0 if way > 0 else np.exp(gamma)
    rate = -gamma
    device = STRAIGHT.replace(
        law="exponential-step", pulses_up=2 / p["dw"], factor_up=-factor * at_start, rate_up=rate,
        pulses_down=2 / p["dw"], factor_down=-factor * at_start, rate_down=rate,
    )  # fmt: skip
    for x in np.linspace(0, 1, 21):
        step = device.relative_step_up(x) if way > 0 else -device.relative_step_down(x)
        expected = weight_step(2 * x - 1, way, "exponential", p)
        assert 2 * step == pytest.approx(expected, abs=1e-12)


LINEAR = STRAIGHT.replace(law="linear", slope_up=-1.0, slope_down=-1.0)
GROWING = STRAIGHT.replace(law="linear", slope_up=2.0, slope_down=0.7)
EXPONENTIAL = STRAIGHT.replace(
    law="exponential-step", factor_up=1.18445, rate_up=-5.0, factor_down=12.08, rate_down=-5.0,
    pulses_up=200.0, pulses_down=900.0,
)  # fmt: skip


@pytest.mark.parametrize("device", [LINEAR, GROWING, EXPONENTIAL], ids=lambda d: d.law)
def test_new_laws_are_followed_by_the_kernel(device: Device) -> None:
    start, pulses = device.g_min, 20
    np.testing.assert_allclose(
        simulated(device, pulses, start), train(device, pulses, start), rtol=1e-5
    )
    start = device.g_max
    np.testing.assert_allclose(
        simulated(device, -pulses, start), train(device, -pulses, start), rtol=1e-5
    )


def test_soft_bounds_are_approached_exponentially() -> None:
    """The closed form of a train: 1 - (1 - 1 / N)^P of the window."""
    found = simulated(LINEAR, 40, LINEAR.g_min)
    expected = LINEAR.g_min + LINEAR.g_range * (1 - (1 - 1 / LINEAR.pulses_up) ** np.arange(41))
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert LINEAR.pulses_end_to_end("up") == pytest.approx(64 * np.log(100), rel=2e-3)


def test_noise_in_parts_of_the_step_follows_the_step() -> None:
    """And adds to the noise in parts of the window as independent noise."""
    device = LINEAR.replace(step_c2c=0.002, step_c2c_of_step=0.5)
    crossbar = Crossbar(device, (2000, 2), seed=3)
    for column, x in ((0, 0.2), (1, 0.8)):
        g = device.g_min + x * device.g_range
        crossbar.set_conductance(g)
        crossbar.program(column, np.arange(2000), 1)
        moved = (crossbar.conductance[:, column].astype(float) - g) / device.g_range
        step = (1 - x) / device.pulses_up
        assert moved.mean() == pytest.approx(step, abs=4 * moved.std() / 2000**0.5)
        assert moved.std() == pytest.approx(np.hypot(0.002, 0.5 * step), rel=0.08)


def test_the_stated_noise_is_that_of_the_kernel() -> None:
    device = LINEAR.replace(
        step_c2c=0.01, step_c2c_of_step=0.8, noise_up=(1.0, 2.0), noise_down=(0.5, 1.0, 3.0)
    )
    cells = np.zeros((1, 1, 6), np.float32)
    cells[0, 0] = nominal_cell(device)
    scatter = scatter_of(device)
    for x in np.linspace(0, 1, 9):
        g = device.g_min + x * device.g_range
        for way, start in (("up", SET), ("down", RESET)):
            found = pulse_noise(scatter, cells, 0, 0, start, g) / device.g_range
            assert found == pytest.approx(device.relative_noise(way, x), rel=1e-5)
