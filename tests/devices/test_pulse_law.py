"""Pulse laws: labels, closed forms of whole trains, and scalar references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.devices.device import Device
from cbramsim.devices.pulse_law import affine_step, inverse_pulse_constant, nonlinearity_label
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
