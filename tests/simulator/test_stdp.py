from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.devices.device import Device
from cbramsim.simulator.network import SpikingNetwork
from cbramsim.simulator.stdp import SENSED_STATES, StdpRule, pulse_tables

RULE = StdpRule(ltp=0.1, ltp_decay=3.0, ltd=0.005)


@given(probability=st.floats(0.1, 0.9))
def test_potentiation_and_depression_balance_at_the_equilibrium(probability: float) -> None:
    weight = np.array([RULE.equilibrium(probability)])
    gain = probability * RULE.potentiation(weight) + (1 - probability) * RULE.depression(weight)
    assert abs(gain[0]) < 1e-12


def test_equilibrium_is_the_log_odds() -> None:
    difference = RULE.equilibrium(0.8) - RULE.equilibrium(0.5)
    assert difference == pytest.approx(math.log(0.8 / 0.2) / RULE.ltp_decay)


@pytest.mark.parametrize(
    ("rule", "device"), [("ideal", "ideal"), ("device", "ideal"), ("device", "subquantum-cbram")]
)
def test_a_neuron_learns_the_log_odds_of_its_inputs(rule: str, device: str) -> None:
    """One neuron, so that it always fires: each weight must settle at the equilibrium.

    A coarse, noisy step spreads weights about it with some variance v. At rest the mean
    potentiation balances, E[exp(-b (w - w*))] = 1, so for a normal spread the mean lies b v / 2
    above w*.
    """
    grey = np.array([60, 100, 128, 160, 200], np.uint8)
    images = np.tile(grey, (4_000, 200))
    network = SpikingNetwork(
        neurons=1, inputs=1000, rule=rule, device=device, stdp=RULE, pruning={"kind": "none"}
    )
    network.fit(images, epochs=1)
    learned = network.crossbar.weights[:, 0].reshape(200, 5)
    above = 0.5 * RULE.ltp_decay * learned.var(axis=0)
    expected = [RULE.equilibrium(g / 256) for g in grey] + above
    assert above.max() < (0.1 if device == "subquantum-cbram" else 0.01)
    np.testing.assert_allclose(learned.mean(axis=0), expected, atol=0.05)


@pytest.mark.parametrize("name", ["ideal", "subquantum-cbram"])
def test_pulse_tables_ask_for_the_change_of_the_rule(name: str) -> None:
    device = Device.load(name)
    tables = pulse_tables(RULE, device)
    state = (np.arange(1, SENSED_STATES - 1) + 0.5) / SENSED_STATES
    conductance = device.g_min + state * device.g_range
    step = device.r_up * (device.g_up_inf - conductance) * 2 / device.g_range
    np.testing.assert_allclose(
        tables.pulses[1, 1:-1] * step, RULE.potentiation(2 * state - 1), rtol=1e-5
    )
    step = device.r_down * (conductance - device.g_down_inf) * 2 / device.g_range
    np.testing.assert_allclose(
        tables.pulses[0, 1:-1] * step, -RULE.depression(2 * state - 1), rtol=1e-5
    )
    assert tables.pulses[0, 0] == 0, "a cell at the floor needs no depression"
    assert tables.pulses[1, -1] == 0, "a cell at the top needs no potentiation"
