"""Dense updates: every column learns by its chance of firing, under every other option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cbramsim import Device, SpikingNetwork
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.rules.pulsed import Programming, pulse_table
from cbramsim.simulator.learning.rules.stdp import StdpRule

RULE = StdpRule(ltp=0.1, ltp_decay=3.0, ltd=0.005)
GATED = Device.load("hzo-fefet")


def seeing(device: Device | str, columns: int, rows: int, **options: Any) -> tuple[Any, Any]:
    """Return a network and images that all its inputs see; one window each."""
    images = np.random.default_rng(0).integers(60, 200, (40, rows)).astype(np.uint8)
    options = {"pruning": {"kind": "none"}, "stdp": RULE} | options
    network = SpikingNetwork(
        device=device, neurons=columns, inputs=rows, update="dense",
        encoding={"windows": 1, "levels": "fixed"}, **options,
    )  # fmt: skip
    return network, network.prepare(images)


@pytest.mark.parametrize(
    ("device", "scheme", "kind"),
    [
        ("subquantum-cbram", "V/2", "soft"),
        ("subquantum-cbram", "V/3", "hard"),
        (GATED.name, "V/2", "soft"),
    ],
)
def test_the_bill_is_that_of_one_pulse_on_every_open_cell(
    device: str, scheme: str, kind: str
) -> None:
    network, inputs = seeing(
        device, 6, 11, rule="ideal", access="passive", scheme=scheme,
        pruning={"kind": kind, "maturity": "trained"}, initial_weight=0.0,
        competition={"sharpness": 0.01},
    )  # fmt: skip
    crossbar, layer = network.crossbar, network.layers[0]
    held = np.random.default_rng(1).random((11, 6)) < 0.4
    for column in range(6):
        take = crossbar.inhibit if kind == "soft" else crossbar.disconnect
        take(column, np.flatnonzero(held[:, column]))
    before = crossbar.conductance.astype(float)
    network.learn_from(inputs, np.array([0]))
    after, spiked, open_ = crossbar.conductance.astype(float), layer.work.spiked, ~held
    np.testing.assert_array_equal(after[held], before[held])
    assert (after != before)[open_].mean() > 0.8
    technology = network.device
    part = 1 / 2 if scheme == "V/2" else 1 / 3
    pulses = half = gates = 0.0
    for i, k in np.argwhere(open_):
        v, t = (
            (technology.v_set, technology.t_set) if spiked[i]
            else (technology.v_reset, technology.t_reset)
        )  # fmt: skip
        for g in (before, after):
            others = g.sum() - g[i, k]
            if scheme == "V/2":
                others = g[i].sum() + g[:, k].sum() - 2 * g[i, k]
            if technology.c_gate:
                continue
            pulses += 0.5 * v**2 * t * g[i, k]
            half += 0.5 * (part * v) ** 2 * t * others
        seen = 6 + 11 - 2 if scheme == "V/2" else 6 * 11 - 1
        pulses += technology.c_gate * v**2
        gates += seen * technology.c_gate * (part * v) ** 2
    account = network.ledger.account("train")
    given = account.joules[Operation.LTP_PULSE] + account.joules[Operation.LTD_PULSE]
    assert given == pytest.approx(pulses, rel=1e-6)
    assert account.joules[Operation.HALF_SELECT] == pytest.approx(half + gates, rel=1e-6)
    assert account.counts[Operation.HALF_SELECT] == open_.sum() * seen
    assert account.counts[Operation.PROGRAM_LINE] == open_.sum()


@pytest.mark.parametrize(
    "options",
    [
        {"programming": {"method": "deterministic"}, "pruning": {"mature_spikes": 10}},
        {"programming": {"method": "verify"}, "access": "passive"},
        {"storage": "binary"},
    ],
)
def test_the_share_of_a_lone_neuron_is_one(options: dict[str, Any]) -> None:
    """It is then the winner's update, bit by bit, and costs as much."""
    dense, inputs = seeing("subquantum-cbram", 1, 30, **options)
    winner = SpikingNetwork(dense.config.replace(update="winner"))
    winner.prepare(np.random.default_rng(0).integers(60, 200, (40, 30)).astype(np.uint8))
    for network in (dense, winner):
        network.learn_from(inputs, np.arange(40))
    np.testing.assert_array_equal(dense.crossbar.conductance, winner.crossbar.conductance)
    assert dense.ledger.total("train") == winner.ledger.total("train")


def test_shares_of_device_pulses_add_up() -> None:
    """Four neurons alike share an update: on the mean of many rows, together they make one."""
    rows = 4000
    network, inputs = seeing(
        "ideal", 4, rows, initial_weight=0.0, initial_weight_d2d=0.0, seed=2
    )  # fmt: skip
    before = network.crossbar.weights.astype(float)
    network.learn_from(inputs, np.array([0]))
    spiked = network.layers[0].work.spiked
    moved = (network.crossbar.weights - before).sum(axis=1)
    for on, asked in ((spiked, RULE.potentiation), (~spiked, RULE.depression)):
        expected = asked(before[on, 0]).mean()
        assert moved[on].mean() == pytest.approx(expected, rel=0.1)
    assert network.ledger.count("train", Operation.SENSE_READ) == 4 * rows


def test_a_deterministic_controller_rounds_the_share() -> None:
    """What it rounds is what it asks of a column, not what the rule asks for in all."""
    options = {"ltp": 1.0, "ltp_decay": 0.0, "ltd": 1e-9}
    network, inputs = seeing(
        "ideal", 4, 50, stdp=StdpRule(**options), initial_weight=-0.5, initial_weight_d2d=0.0,
        programming={"method": "deterministic"},
    )  # fmt: skip
    network.learn_from(inputs, np.array([0]))
    layer = network.layers[0]
    shares = layer.work.currents / layer.work.currents.sum()
    table = pulse_table(layer.config.stdp, network.device, Programming())
    state = int((network.device.conductance_of(-0.5) - table.g_min) * table.states_per_siemens)
    pulses = np.rint(shares * table.pulses[1, state]).sum() * layer.work.spiked.sum()
    assert network.ledger.count("train", Operation.LTP_PULSE) == pulses > 0
