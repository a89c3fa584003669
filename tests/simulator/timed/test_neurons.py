"""Neurons with time against closed forms: leak, drive, rate, refractory time, inhibition, limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.timed_verbs import adapt, discharge, pass_time, relax, rest, take
from cbramsim.simulator.timed import Adaptation, Inhibition, Membrane, TimedConfig
from cbramsim.simulator.timed.neurons import farthest_above, neurons_of


@njit
def carry_on(neurons: Any, now: int) -> None:
    pass_time(neurons, now)


@njit
def give(neurons: Any, inputs: NDArray, now: int) -> None:
    take(neurons, inputs, 1.0, now)


@njit
def let_fire(neurons: Any, winner: int, now: int) -> None:
    discharge(neurons, winner, now)


@njit
def begin(neurons: Any, now: int) -> None:
    rest(neurons, now)


@njit
def end(neurons: Any, counts: NDArray, seconds: float) -> None:
    relax(neurons.adaptation, neurons.limits, counts, seconds)


@njit
def rise(neurons: Any, winner: int) -> None:
    adapt(neurons.adaptation, neurons.limits, winner)


@njit
def drive(neurons: Any, inputs: NDArray, steps: int) -> list[int]:
    """Give all neurons the same inputs in every step; return when neuron 0 fires."""
    fired = [0][1:]
    for now in range(steps):
        pass_time(neurons, now)
        take(neurons, inputs, 1.0, now)
        winner = farthest_above(neurons.u, neurons.limits, neurons.ready, now)
        while winner >= 0:
            discharge(neurons, winner, now)
            if winner == 0:
                fired.append(now)
            winner = farthest_above(neurons.u, neurons.limits, neurons.ready, now)
    return fired


def config(**changes: Any) -> TimedConfig:
    given: dict[str, Any] = {"neurons": 3, "inhibition": Inhibition(kind="none"), "dt": 1e-4}
    return TimedConfig(**(given | changes))


def test_potentials_leak_exponentially_however_time_is_cut() -> None:
    neurons = neurons_of(config(membrane=Membrane(tau=0.03)))
    neurons.u[:] = [1.0, 2.0, 40.0]
    for now in (1, 2, 57, 300):
        carry_on(neurons, now)
    np.testing.assert_allclose(
        neurons.u, np.array([1.0, 2.0, 40.0]) * math.exp(-300 * 1e-4 / 0.03), rtol=1e-6
    )


def test_constant_drive_ends_where_gain_and_leak_balance() -> None:
    neurons = neurons_of(config(membrane=Membrane(tau=0.02, threshold=1e6)))
    inputs = np.array([0.1, 0.2, 0.7], np.float32)
    drive(neurons, inputs, 5000)
    np.testing.assert_allclose(neurons.u, inputs / -math.expm1(-1e-4 / 0.02), rtol=1e-4)


@pytest.mark.parametrize("drive_over_threshold", [1.2, 2.0, 5.0])
def test_rate_under_constant_current_is_that_of_the_textbook(drive_over_threshold: float) -> None:
    """1 / (t_ref + tau ln(I / (I - theta))), as dt becomes small."""
    tau, refractory, dt = 0.02, 0.005, 1e-5
    neurons = neurons_of(
        config(dt=dt, membrane=Membrane(tau=tau, threshold=1.0, refractory=refractory))
    )
    current = drive_over_threshold * dt / tau
    fired = drive(neurons, np.full(3, current, np.float32), 100_000)
    i = drive_over_threshold
    period = refractory + tau * math.log(i / (i - 1))
    assert np.diff(fired).mean() * dt == pytest.approx(period, rel=4e-3)


def test_below_threshold_nothing_fires() -> None:
    neurons = neurons_of(config(membrane=Membrane(tau=0.02, threshold=1.0)))
    assert not drive(neurons, np.full(3, 0.99 * 1e-4 / 0.02, np.float32), 20_000)


def test_refractory_time_is_the_shortest_interval() -> None:
    neurons = neurons_of(config(membrane=Membrane(threshold=1.0, refractory=0.004)))
    fired = drive(neurons, np.full(3, 5.0, np.float32), 1000)
    assert set(np.diff(fired)) == {40}


# ---- conducting --------------------------------------------------------------------------------


def conducting(**changes: Any) -> Any:
    membrane = {"kind": "conductance", "tau": 0.1, "threshold": 1.0} | changes.pop("membrane", {})
    return neurons_of(config(membrane=Membrane(**membrane), **changes))


def test_a_constant_conductance_pulls_to_its_divider() -> None:
    """u = g E / (1 + g)."""
    neurons = conducting(membrane={"tau_excitation": 1e9})
    neurons.ge[:] = [0.1, 0.5, 3.0]
    carry_on(neurons, 20_000)
    g = np.array([0.1, 0.5, 3.0])
    np.testing.assert_allclose(neurons.u, 0.065 * g / (1 + g), rtol=1e-4)


def test_inhibition_pulls_below_rest() -> None:
    neurons = conducting(membrane={"tau_inhibition": 1e9})
    neurons.gi[:] = 4.0
    carry_on(neurons, 20_000)
    np.testing.assert_allclose(neurons.u, -0.035 * 4 / 5, rtol=1e-4)


def test_one_small_spike_is_a_difference_of_exponentials() -> None:
    """As the step becomes small, with an error of its order."""
    weight, t, tau, tau_e = 1e-3, 0.01, 0.1, 1e-3
    exact = 0.065 * weight * tau_e / (tau - tau_e) * (math.exp(-t / tau) - math.exp(-t / tau_e))
    errors = []
    for dt in (4e-5, 2e-5):
        neurons = conducting(dt=dt)
        give(neurons, np.full(3, weight, np.float32), 0)
        carry_on(neurons, round(t / dt))
        errors.append(abs(float(neurons.u[0]) / exact - 1))
    assert errors[1] < 0.015
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.2)


def test_a_conducting_neuron_stays_at_rest_after_it_fired() -> None:
    neurons = conducting(membrane={"tau_excitation": 1e9, "refractory": 0.002})
    neurons.ge[:] = 2.0
    carry_on(neurons, 100)
    let_fire(neurons, 1, 100)
    carry_on(neurons, 119)
    assert neurons.u[1] == 0
    assert neurons.u[0] > 0
    carry_on(neurons, 120)
    assert neurons.u[1] > 0


# ---- who inhibits whom -------------------------------------------------------------------------


def test_others_are_put_to_rest_and_wait() -> None:
    neurons = neurons_of(config(inhibition=Inhibition(kind="reset", time=0.001)))
    neurons.u[:] = [10, 60, 30]
    let_fire(neurons, 1, 5)
    assert not neurons.u.any()
    give(neurons, np.ones(3, np.float32), 14)
    assert not neurons.u.any()
    give(neurons, np.ones(3, np.float32), 15)
    np.testing.assert_array_equal(neurons.u, [1, 0, 1])  # the refractory time is longer


def test_others_integrate_on_at_once_where_inhibition_takes_no_time() -> None:
    neurons = neurons_of(config(inhibition=Inhibition(kind="reset")))
    neurons.u[:] = [10, 60, 30]
    let_fire(neurons, 1, 5)
    give(neurons, np.ones(3, np.float32), 6)
    np.testing.assert_array_equal(neurons.u, [1, 0, 1])


def test_others_drop() -> None:
    neurons = neurons_of(config(inhibition=Inhibition(kind="drop", strength=4.0)))
    neurons.u[:] = [10, 60, 30]
    let_fire(neurons, 1, 0)
    np.testing.assert_array_equal(neurons.u, [6, 0, 26])


def test_an_inhibitory_conductance_opens_in_the_others() -> None:
    neurons = conducting(inhibition=Inhibition(kind="conductance", strength=17.0))
    let_fire(neurons, 2, 0)
    np.testing.assert_array_equal(neurons.gi, [17, 17, 0])


def test_the_farthest_above_its_threshold_fires_first_if_it_may() -> None:
    u, limits = np.array([3, 9, 8], np.float32), np.array([2, 8.5, 6], np.float32)
    ready = np.zeros(3, np.int64)
    assert farthest_above_(u, limits, ready, 0) == 2
    ready[2] = 1
    assert farthest_above_(u, limits, ready, 0) == 0
    assert farthest_above_(u, limits + 10, ready, 0) == -1


@njit
def farthest_above_(u: NDArray, limits: NDArray, ready: NDArray, now: int) -> int:
    return farthest_above(u, limits, ready, now)


# ---- thresholds --------------------------------------------------------------------------------


def test_a_threshold_rises_by_its_increment_and_decays() -> None:
    adaptation = Adaptation(kind="increment", increment=0.5, tau=2.0)
    neurons = neurons_of(config(adaptation=adaptation))
    for _ in range(3):
        rise(neurons, 1)
    np.testing.assert_allclose(neurons.limits, [50, 51.5, 50])
    end(neurons, np.zeros(3, np.int64), 1.0)
    np.testing.assert_allclose(neurons.limits, [50, 50 + 1.5 * math.exp(-0.5), 50])
    begin(neurons, 9)
    assert neurons.limits[1] > 50  # it is not put to rest


def test_homeostasis_stands_still_at_its_target() -> None:
    adaptation = Adaptation(kind="target", target=4.0, rate=0.25)
    neurons = neurons_of(config(adaptation=adaptation))
    end(neurons, np.array([2, 4, 0]), 0.5)
    np.testing.assert_allclose(neurons.limits, [50, 50.5, 49.5])
    for _ in range(200):
        end(neurons, np.zeros(3, np.int64), 0.5)
    np.testing.assert_allclose(neurons.limits, 5)  # a tenth
