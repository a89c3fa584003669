from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.devices.device import Device
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.rules.pulsed import Programming, expected_write_energy, pulse_table
from cbramsim.simulator.learning.rules.stdp import StdpRule

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
    images = np.tile(grey, (1_500, 200))
    network = SpikingNetwork(
        neurons=1, inputs=1000, rule=rule, device=device, stdp=RULE, pruning={"kind": "none"},
        encoding={"levels": "fixed"},
    )  # fmt: skip
    network.fit(images, epochs=1)
    learned = network.crossbar.weights[:, 0].reshape(200, 5)
    above = 0.5 * RULE.ltp_decay * learned.var(axis=0)
    expected = [RULE.equilibrium(g / 256) for g in grey] + above
    assert above.max() < (0.1 if device == "subquantum-cbram" else 0.01)
    np.testing.assert_allclose(learned.mean(axis=0), expected, atol=0.05)


MOVES = {"gst-pcm", "pcm-nandakumar", "capacitor"}
"""Technologies whose states change by themselves: they settle lower, or nearer to the middle."""
COARSE = {"oxram-leti", "reram-om", "reram-hfo2"}
"""Technologies of few steps, with noise of writes: a single cell tells little."""


@pytest.mark.parametrize("method", ["stochastic", "verify"])
@pytest.mark.parametrize("name", sorted(set(Device.catalog()) - MOVES - COARSE))
def test_every_technology_learns_the_log_odds(name: str, method: str) -> None:
    """The controller knows the law of the device, so weights settle where the rule asks for.

    Coarse and noisy steps push the mean up (see above), and the bounds cut what lies beyond them;
    what must hold for all is the order, the slope and the mean.
    """
    grey = np.array([60, 100, 128, 160, 200], np.uint8)
    device = Device.load(name)
    network = SpikingNetwork(
        neurons=1, inputs=1000, device=device, stdp=RULE, pruning={"kind": "none"},
        programming={"method": method}, encoding={"levels": "fixed"},
    ).fit(np.tile(grey, (1_500, 200)), epochs=1)  # fmt: skip
    learned = network.crossbar.weights[:, 0].reshape(200, 5)
    above = learned.mean(axis=0) - [RULE.equilibrium(g / 256) for g in grey]
    assert (np.diff(learned.mean(axis=0)) > 0).all()
    assert np.abs(above).max() < 0.35, above
    if method == "stochastic":  # verification has an acceptance band of its own
        assert above == pytest.approx(0.5 * RULE.ltp_decay * learned.var(axis=0), abs=0.12)


def test_deterministic_programming_cannot_learn_what_is_below_its_step() -> None:
    """The control: depression asks for less than half a pulse, and never gets one."""
    device = Device.load("subquantum-cbram")
    pulses = pulse_table(StdpRule(), device, Programming(method="deterministic")).pulses
    assert not pulses[0].any()
    assert pulses[1].any()


def test_trains_are_no_longer_than_they_may_be() -> None:
    """Near the floor, the ideal device needs 19 pulses for what the rule asks for."""
    device, most = Device.load("ideal"), 7
    free = pulse_table(StdpRule(), device, Programming()).pulses
    bounded = pulse_table(StdpRule(), device, Programming(max_pulses=most)).pulses
    np.testing.assert_array_equal(bounded, np.minimum(free, most))
    assert free.max() > most


def test_verifying_removes_the_noise_of_the_pulses() -> None:
    """Weights scatter less about what they have learned, and senses and pulses are paid for."""
    device = Device.load("alox-hfo2").without(
        *(key for key in Device.physical_parameters() if key.endswith("_d2d"))
    )
    images = np.full((2_000, 500), 128, np.uint8)
    networks = {
        method: SpikingNetwork(
            neurons=1, inputs=500, device=device, pruning={"kind": "none"},
            programming={"method": method}, encoding={"levels": "fixed"},
        ).fit(images, epochs=1)
        for method in ("stochastic", "verify")
    }  # fmt: skip
    scatter = {method: n.crossbar.weights.std() for method, n in networks.items()}
    assert scatter["verify"] < 0.9 * scatter["stochastic"]
    senses = {s: n.ledger.count("train", Operation.SENSE_READ) for s, n in networks.items()}
    assert senses["verify"] > senses["stochastic"] == 2_000 * 5 * 500


@pytest.mark.parametrize("name", ["ideal", "subquantum-cbram", "gst-pcm", "pcmo"])
def test_a_pulse_table_asks_for_the_change_of_the_rule(name: str) -> None:
    device = Device.load(name)
    tables = pulse_table(RULE, device, Programming())
    state = (np.arange(1, SENSED_STATES - 1) + 0.5) / SENSED_STATES
    conductance = device.g_min + state * device.g_range
    step = device.step_up(conductance) * 2 / device.g_range
    np.testing.assert_allclose(
        tables.pulses[1, 1:-1] * step, RULE.potentiation(2 * state - 1), rtol=1e-5
    )
    step = device.step_down(conductance) * 2 / device.g_range
    np.testing.assert_allclose(
        tables.pulses[0, 1:-1] * step, -RULE.depression(2 * state - 1), rtol=1e-5
    )
    assert tables.pulses[0, 0] == 0, "a cell at the floor needs no depression"
    assert tables.pulses[1, -1] == 0, "a cell at the top needs no potentiation"


@given(probability=st.floats(0.1, 0.9))
def test_a_weight_gives_back_the_probability_that_it_has_learned(probability: float) -> None:
    weight = np.array([RULE.equilibrium(probability)])
    assert RULE.probability(weight)[0] == pytest.approx(probability)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("weight", [-1.0, -0.6, 0.0, 0.5])
def test_the_expected_write_energy_is_what_learning_costs(weight: float, exact: bool) -> None:
    """Equal cells of one column, a third of them spiking, against the ledger of one output spike.

    The estimate takes the conductance before the pulse; at the floor the pulse itself adds to it.
    """
    device = Device.load("subquantum-cbram").without_variability().replace(c_cell=0.0)
    network = SpikingNetwork(
        neurons=1, inputs=30_000, rule="ideal" if exact else "device", device=device, stdp=RULE,
        pruning={"kind": "none"}, encoding={"windows": 1},
    )  # fmt: skip
    third = np.tile(np.array([255, 0, 0], np.uint8), 10_000)
    inputs = network.prepare(np.tile(third, (2, 1)))
    network.crossbar.set_weights(np.full(network.crossbar.shape, weight))
    network.learn_from(inputs, np.array([0]))
    spent = sum(
        network.ledger.account("train").joules[op]
        for op in (Operation.LTP_PULSE, Operation.LTD_PULSE)
    )
    programming = None if exact else Programming()
    each = expected_write_energy(RULE, device, np.array([weight]), np.array([1 / 3]), programming)[
        0
    ]
    assert spent == pytest.approx(30_000 * each, rel=0.3 if weight == -1 else 0.06)


def test_a_dense_update_of_a_lone_neuron_is_that_of_the_winner() -> None:
    """Its share is one: the weights must come out alike; what differs is what is written."""
    images = np.random.default_rng(0).integers(0, 256, (300, 40)).astype(np.uint8)
    networks = {
        update: SpikingNetwork(
            neurons=1, inputs=40, rule="ideal", update=update, pruning={"kind": "none"}
        ).fit(images, epochs=1)
        for update in ("winner", "dense")
    }
    np.testing.assert_array_equal(
        networks["winner"].crossbar.conductance, networks["dense"].crossbar.conductance
    )
    pulses = {
        update: sum(
            network.ledger.count("train", op) for op in (Operation.LTP_PULSE, Operation.LTD_PULSE)
        )
        for update, network in networks.items()
    }
    windows = 300 * networks["dense"].config.encoding.windows
    assert pulses["dense"] == windows * 40
    assert pulses["winner"] < pulses["dense"], "cells at a bound get no pulse"


def test_shares_of_a_dense_update_add_up() -> None:
    """Neurons alike in all but the noise of the start share an update: together they make one."""
    images = np.full((1, 10), 255, np.uint8)
    network = SpikingNetwork(
        neurons=4, inputs=10, rule="ideal", update="dense", stdp=RULE, pruning={"kind": "none"},
        encoding={"windows": 1, "levels": "fixed"}, initial_weight=0.0, initial_weight_d2d=0.0,
    )  # fmt: skip
    inputs = network.prepare(np.repeat(images, 2, axis=0))
    before = network.crossbar.weights.astype(float)
    network.learn_from(inputs, np.array([0]))
    moved = network.crossbar.weights - before
    spiked = moved[:, 0] > 0
    whole = np.where(spiked, RULE.potentiation(before[:, 0]), RULE.depression(before[:, 0]))
    np.testing.assert_allclose(moved.sum(axis=1), whole, rtol=1e-3)
