"""Drift, relaxation, and the ages of cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import ParameterError
from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device
from cbramsim.devices.retention import BOLTZMANN, ZERO_CELSIUS
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.learning.network import SpikingNetwork

QUIET = Device.load("subquantum-cbram").without_variability()
DRIFT = QUIET.replace(drift_exponent=0.05)
RELAX = QUIET.replace(
    retention_time=1e6, retention_celsius=25.0, activation_energy=1.0, g_relaxed=1e-6
)
BOTH = RELAX.replace(drift_exponent=0.05, retention_exponent=0.7)
times = st.floats(0, 1e8)


def aged(device: Device, *waits: tuple[float, float], start: float = 1e-5) -> float:
    """Return a conductance, S, after some (seconds, °C)."""
    g = np.array([start], np.float32)
    ageing = Ageing(device, g, np.random.default_rng(0))
    for seconds, celsius in waits:
        g = ageing.wait(g, seconds, celsius)
    return float(g[0])


# ---- laws --------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.01, 0.05, 0.3])
def test_drift_is_a_straight_line_on_log_log(exponent: float) -> None:
    device = QUIET.replace(drift_exponent=exponent, drift_start=10.0)
    t = 10.0 ** np.arange(1, 10)
    g = [aged(device, (seconds, 25)) for seconds in t]
    slopes = np.diff(np.log(g)) / np.diff(np.log(t))
    np.testing.assert_allclose(slopes, -exponent, rtol=1e-4)
    assert aged(device, (9.9, 25)) == np.float32(1e-5)


@pytest.mark.parametrize("beta", [0.3, 1.0, 1.7])
def test_relaxation_is_a_stretched_exponential(beta: float) -> None:
    """1/e of the way is left after the time constant, whatever the stretching."""
    device = RELAX.replace(retention_exponent=beta)
    for part in (0.01, 0.5, 1.0, 3.0):
        left = (aged(device, (part * 1e6, 25)) - 1e-6) / 9e-6
        assert left == pytest.approx(np.exp(-(part**beta)), rel=1e-4)


def test_drift_and_relaxation_multiply() -> None:
    for t in (0.5, 1e3, 1e6):
        drift, left = max(t, 1.0) ** -0.05, np.exp(-((t / 1e6) ** 0.7))
        assert aged(BOTH, (t, 25)) == pytest.approx(drift * (1e-6 + 9e-6 * left), rel=1e-6)


def test_cells_relax_towards_their_relaxed_state_from_either_side() -> None:
    for start in (2e-7, 1e-6, 2e-5):
        assert aged(RELAX, (1e9, 25), start=start) == pytest.approx(1e-6, rel=1e-6)


@given(t1=times, t2=times)
@pytest.mark.parametrize("device", [DRIFT, RELAX, BOTH], ids=["drift", "relax", "both"])
def test_waiting_twice_is_waiting_once(device: Device, t1: float, t2: float) -> None:
    twice, once = aged(device, (t1, 25), (t2, 25)), aged(device, (t1 + t2, 25))
    assert twice == pytest.approx(once, rel=1e-6)


@given(t1=st.floats(0, 1e7), t2=st.floats(0, 1e7), c1=st.floats(0, 150), c2=st.floats(0, 150))
def test_time_at_another_temperature_is_equivalent_time(
    t1: float, t2: float, c1: float, c2: float
) -> None:
    device = RELAX.replace(retention_exponent=0.6)
    factor = device.retention_time_at(c1) / device.retention_time_at(c2)
    mixed, plain = aged(device, (t1, c1), (t2, c2)), aged(device, (t1 + t2 * factor, c1))
    assert mixed == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("energy", [0.5, 1.0, 1.6])
def test_two_temperatures_give_the_activation_energy(energy: float) -> None:
    device = RELAX.replace(activation_energy=energy)
    cold, hot = 55.0, 125.0
    ratio = np.log(device.retention_time_at(cold) / device.retention_time_at(hot))
    inverse = 1 / (cold + ZERO_CELSIUS) - 1 / (hot + ZERO_CELSIUS)
    assert ratio * BOLTZMANN / inverse == pytest.approx(energy)
    # also from what cells do: the time constants at which they are equally far
    tau = {c: device.retention_time_at(c) for c in (cold, hot)}
    assert aged(device, (tau[cold], cold)) == pytest.approx(aged(device, (tau[hot], hot)), rel=1e-6)
    assert device.retention_time_at(device.retention_celsius) == pytest.approx(1e6)


@given(celsius=st.floats(-272, 1000))
def test_no_temperature_overflows(celsius: float) -> None:
    assert 0 < RELAX.replace(activation_energy=10.0).retention_time_at(celsius) < np.inf


@pytest.mark.parametrize("celsius", [-274.0, 1001.0, float("nan")])
def test_impossible_temperatures_are_refused(celsius: float) -> None:
    with pytest.raises(ParameterError, match="celsius: must be a number"):
        RELAX.retention_time_at(celsius)


# ---- cells -------------------------------------------------------------------------------------


def test_spreads_of_drift_and_retention_have_the_stated_size() -> None:
    g = np.full(40_000, 1e-5, np.float32)
    device = QUIET.replace(drift_exponent=0.05, drift_exponent_d2d=0.3)
    drifted = Ageing(device, g, np.random.default_rng(0)).wait(g, 1e6, 25)
    exponents = -np.log(drifted / 1e-5) / np.log(1e6)
    assert exponents.mean() == pytest.approx(0.05, rel=0.01)
    assert exponents.std() == pytest.approx(0.015, rel=0.03)
    device = QUIET.replace(retention_time=1e6, retention_time_d2d=0.3)
    relaxed = Ageing(device, g, np.random.default_rng(0)).wait(g, 3e5, 25)
    tau = -3e5 / np.log(relaxed / 1e-5)
    assert tau.mean() == pytest.approx(1e6, rel=0.01)
    assert tau.std() == pytest.approx(3e5, rel=0.03)


def test_a_freshly_programmed_cell_starts_anew() -> None:
    g = np.full(2, 1e-5, np.float32)
    ageing = Ageing(DRIFT, g, np.random.default_rng(0))
    g = ageing.wait(g, 1e6, 25)
    g[1] = 1e-5
    g = ageing.wait(g, 1000, 25)
    assert g[0] == pytest.approx(1e-5 * (1e6 + 1000) ** -0.05, rel=1e-5)
    assert g[1] == pytest.approx(1e-5 * 1000**-0.05, rel=1e-5)
    np.testing.assert_allclose(ageing.age, [1e6 + 1000, 1000])


def test_a_device_without_ageing_does_not_change() -> None:
    assert not QUIET.ages
    crossbar = Crossbar(QUIET, (4, 3), seed=1)
    crossbar.set_weights(np.random.default_rng(0).uniform(-1, 1, (4, 3)))
    before = crossbar.conductance.copy()
    crossbar.wait(years=100, celsius=300)
    np.testing.assert_array_equal(crossbar.conductance, before)
    assert aged(QUIET, (1e9, 25)) == np.float32(1e-5)


def test_ageing_is_monotone() -> None:
    g = [aged(BOTH, (t, 25)) for t in np.logspace(-2, 9, 60)]
    assert (np.diff(g) <= 0).all()
    hotter = [aged(RELAX, (1e5, c)) for c in np.linspace(0, 200, 40)]
    assert (np.diff(hotter) <= 0).all()


def test_an_array_waits_as_its_cells_do() -> None:
    crossbar = Crossbar(BOTH.replace(stuck_low=0.2, stuck_high=0.2), (40, 30), seed=2)
    crossbar.set_weights(np.random.default_rng(0).uniform(-1, 1, (40, 30)))
    crossbar.disconnect(0, [0, 1])
    before = crossbar.conductance.copy()
    low, high = crossbar.state.cells[..., 0].T, crossbar.state.cells[..., 3].T
    stuck = low == high
    crossbar.wait(days=2, celsius=60)
    crossbar.wait(hours=12, celsius=60)
    after = crossbar.conductance
    assert 0.3 < stuck.mean() < 0.5
    np.testing.assert_array_equal(after[stuck], before[stuck])
    alive = ~stuck & crossbar.connected
    expected = [aged(BOTH, (2.5 * 86400, 60), start=g) for g in before[alive]]
    np.testing.assert_allclose(after[alive], expected, rtol=1e-5)
    assert (after[~crossbar.connected] == 0).all()
    np.testing.assert_array_equal(crossbar.state.g_columns, after.T)
    np.testing.assert_allclose(crossbar.state.row_sum, after.sum(axis=1, dtype=float), rtol=1e-12)


def test_a_pulse_makes_a_cell_of_the_array_young() -> None:
    crossbar = Crossbar(DRIFT, (2, 1), seed=2)
    crossbar.set_conductance(DRIFT.g_mid)
    crossbar.wait(1e6)
    crossbar.program(0, [1], 1)
    before = crossbar.conductance[:, 0].astype(float)
    crossbar.wait(100.0)
    change = crossbar.conductance[:, 0] / before
    assert change[0] == pytest.approx((1 + 1e-4) ** -0.05, rel=1e-6)
    assert change[1] == pytest.approx(100**-0.05, rel=1e-5)


def test_a_network_waits_as_its_array_does() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6)).astype(np.uint8)
    network = SpikingNetwork(neurons=4, device=DRIFT, pruning={"kind": "none"})
    with pytest.raises(ParameterError, match="fit comes first"):
        network.wait(days=1)
    network.fit(images)
    before = network.crossbar.conductance.copy()
    network.wait(days=10)
    ratio = network.crossbar.conductance / before
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=0.2)
    assert (ratio < 0.9).all()


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 1e16])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(ParameterError, match=r"Crossbar\.wait: (time|seconds) must be"):
        Crossbar(DRIFT, (1, 1)).wait(seconds)
