"""What columns learn, cell by cell, against plain references."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.timed_verbs import end_image, learn_spike
from cbramsim.experiments.reproduce.memristors import memristor
from cbramsim.simulator.energy.ledger import Account, Operation
from cbramsim.simulator.timed import TimedConfig, TimedNetwork, TimedStdp
from cbramsim.simulator.timed.coding import NEVER
from cbramsim.simulator.timed.rules import rule_of

INPUTS, NEURONS = 60, 3
RNG = np.random.default_rng(5)


@njit
def learn(rule: Any, array: Any, column: int, unit: float, work: Any, words: Any, to: Any) -> None:
    learn_spike(rule, array, column, unit, work, words, to)


@njit
def close(rule: Any, array: Any, counts: Any, unit: float, work: Any, words: Any, to: Any) -> None:
    end_image(rule, array, counts, unit, work, words, to)


def network(**changes: Any) -> TimedNetwork:
    """Return a network whose inputs spiked 0 to 200 steps ago, or never."""
    config: dict[str, Any] = {
        "neurons": NEURONS, "cell": memristor(0.01, 0.005, 3.0, 2.0), "initial": 0.4,
        "initial_form": "uniform", "dt": 5e-4,
    }  # fmt: skip
    made = TimedNetwork(TimedConfig(**(config | changes)))
    made._begin(INPUTS)
    made.work.now[0] = 1000
    made.work.last[:] = 1000 - RNG.integers(0, 200, INPUTS)
    made.work.last[:5] = NEVER
    return made


def fire(made: TimedNetwork, column: int) -> Account:
    """Let one column learn; return what is booked."""
    crossbar = made.crossbar
    assert crossbar is not None
    account = made.ledger.account("train")
    rule = rule_of(made.config.stdp, made.config.dt)
    unit = made.device.g_max
    learn(rule, crossbar.for_loops, column, unit, made.work, made.streams.pulses, account)
    return account


def test_a_window_gives_the_steps_of_querlioz() -> None:
    """dw+ = a+ exp(-b+ x) where the input spiked within the window, dw- = a- exp(-b- (1 - x))."""
    made = network(stdp=TimedStdp(window=0.05))
    before = made.weights.astype(np.float64)
    account = fire(made, 1)
    window = made.device.g_range / made.device.g_max
    x = (before[:, 1] - made.device.g_min / made.device.g_max) / window
    recent = made.work.last >= 1000 - 100
    expected = before.copy()
    expected[:, 1] += window * np.where(
        recent, 0.01 * np.exp(-3 * x), -0.005 * np.exp(-2 * (1 - x))
    )
    lowest = made.device.g_min / made.device.g_max
    np.testing.assert_allclose(made.weights, np.clip(expected, lowest, 1), atol=2e-5)
    assert 5 < recent.sum() < INPUTS - 5
    assert account.counts[Operation.LTP_PULSE] == recent.sum()
    assert account.counts[Operation.LTD_PULSE] == (~recent).sum()
    assert account.counts[Operation.SENSE_READ] == 0


def test_pulses_are_booked_by_the_state_of_each_cell() -> None:
    made = network(stdp=TimedStdp(window=0.05))
    device, g = made.device, made.crossbar.conductance[:, 0].astype(np.float64)  # type: ignore[union-attr]
    account = fire(made, 0)
    mean = (g + made.crossbar.conductance[:, 0]) / 2  # type: ignore[union-attr]
    recent = made.work.last >= 1000 - 100
    assert account.joules[Operation.LTP_PULSE] == pytest.approx(
        device.v_set**2 * device.t_set * mean[recent].sum(), rel=1e-6
    )
    assert account.joules[Operation.LTD_PULSE] == pytest.approx(
        device.v_reset**2 * device.t_reset * mean[~recent].sum(), rel=1e-6
    )


def asked(made: TimedNetwork, w: NDArray) -> NDArray:
    """Return what the rule by traces asks of the weights of a column."""
    stdp = made.config.stdp
    age = (1000 - np.maximum(made.work.last, -(10**6))) * made.config.dt
    trace = np.exp(-age / stdp.tau)
    return stdp.eta * (trace - stdp.target) * (1 - w) ** stdp.exponent


def test_traces_ask_what_diehl_and_cook_say() -> None:
    made = network(stdp=TimedStdp(kind="trace", exact=True, eta=0.05))
    before = made.weights.astype(np.float64)
    account = fire(made, 2)
    expected = before.copy()
    expected[:, 2] += asked(made, before[:, 2])
    assert (asked(made, before[:, 2]) > 0).sum() > 3
    lowest = made.device.g_min / made.device.g_max
    np.testing.assert_allclose(made.weights, np.clip(expected, lowest, 1), atol=1e-6)
    changed = (made.weights != before.astype(np.float32)).sum()
    assert account.counts[Operation.PROGRAM_LINE] == changed


def test_pulses_make_the_same_change_on_average() -> None:
    """Of one cell, 4000 times: within five standard errors, with steps far above the change."""
    cell = memristor(0.1, 0.1, 1.0, 1.0)
    made = network(
        neurons=4000,
        cell=cell,
        initial_form="normal",
        initial_spread=0.0,
        stdp=TimedStdp(kind="trace"),
    )
    before = made.weights.astype(np.float64)
    for column in range(4000):
        fire(made, column)
    change = made.weights - before
    wanted = asked(made, before[:, 0])
    error = change.std(axis=1) / np.sqrt(4000) + 1e-7
    assert (np.abs(change.mean(axis=1) - wanted) < 5 * error).all()
    account = made.ledger.account("train")
    assert account.counts[Operation.SENSE_READ] == 4000 * INPUTS


def test_a_controller_brings_back_the_sum_of_the_weights_of_those_that_fired() -> None:
    made = network(stdp=TimedStdp(kind="trace", exact=True, total=12.0), initial=0.1)
    crossbar = made.crossbar
    assert crossbar is not None
    np.testing.assert_allclose(made.weights.sum(axis=0), 12, rtol=1e-5)
    crossbar.set_conductance(0.8 * crossbar.conductance, clip=True)
    counts = np.array([1, 0, 3])
    rule = rule_of(made.config.stdp, made.config.dt)
    close(
        rule, crossbar.for_loops, counts, made.device.g_max, made.work, made.streams.pulses,
        made.ledger.account("train"),
    )  # fmt: skip
    np.testing.assert_allclose(made.weights.sum(axis=0), [12, 9.6, 12], rtol=1e-3)


def test_inhibited_cells_stay() -> None:
    for stdp in (TimedStdp(), TimedStdp(kind="trace"), TimedStdp(kind="trace", exact=True)):
        made = network(stdp=stdp)
        crossbar = made.crossbar
        assert crossbar is not None
        crossbar.inhibit(1, np.arange(0, INPUTS, 2))
        before = crossbar.conductance.copy()
        fire(made, 1)
        np.testing.assert_array_equal(crossbar.conductance[::2], before[::2])
        assert (crossbar.conductance[1::2, 1] != before[1::2, 1]).any()
