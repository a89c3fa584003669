"""When inputs spike: rates, intervals, and the calendar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import normal_table, stream
from cbramsim.simulator.timed import Coding, TimedConfig, TimedNetwork
from cbramsim.simulator.timed.coding import coding_of, open_calendar, rates, spikes_of

NORMALS = normal_table(0)


@njit
def raster(coding: Any, pixels: NDArray, factor: float, work: Any, words: NDArray) -> NDArray:
    """Return which inputs spike in which step, bool[steps, inputs]."""
    spiked = np.zeros((work.heads.size, pixels.size), np.bool_)
    open_calendar(coding, pixels, factor, work, words, NORMALS)
    for step in range(work.heads.size):
        n = spikes_of(coding, pixels, factor, step, step, work, words, NORMALS)
        for j in range(n):
            spiked[step, work.scratch.rows[j]] = True
    return spiked


def drawn(coding: Coding, pixels: Any, seconds: float, factor: float = 1.0) -> NDArray:
    config = TimedConfig(coding=coding, presentation=seconds, dt=5e-4)
    levels = np.array(pixels, np.uint8)
    work = TimedNetwork(config)._work(levels.size)
    return raster(coding_of(coding, config.dt), levels, factor, work, stream(3, "spikes"))


def test_rates_are_linear_in_the_level_from_the_darkest_on() -> None:
    found = rates(Coding(rate_max=20.0, rate_min=2.0, darkest=0.33))
    assert found[255] == 20
    assert found[204] == pytest.approx(2 + 0.8 * 18)
    assert not found[:84].any()
    assert found[85] > 0
    assert rates(Coding(rate_min=1.0))[0] == 0  # black is silent


def test_poisson_inputs_spike_in_each_step_by_chance_alone() -> None:
    """Mean and variance of counts in windows, and no memory, within five standard errors."""
    p, steps = 0.05, 200_000
    spiked = drawn(Coding(rate_max=100.0), [255, 0, 51], steps * 5e-4)
    assert not spiked[:, 1].any()
    for input_, chance in ((0, p), (2, p / 5)):
        one = spiked[:, input_]
        error = np.sqrt(chance * (1 - chance) / steps)
        assert abs(one.mean() - chance) < 5 * error
        again = one[1:][one[:-1]].mean()
        assert abs(again - chance) < 5 * np.sqrt(chance / one.sum())
        counts = one.reshape(-1, 100).sum(axis=1)
        assert counts.var() == pytest.approx(100 * chance * (1 - chance), rel=0.2)


def test_a_factor_multiplies_rates() -> None:
    spiked = drawn(Coding(rate_max=100.0), [255], 100.0, factor=1.5)
    assert spiked.mean() == pytest.approx(0.075, rel=0.05)


def test_jittered_inputs_are_periodic_with_noise_and_a_random_phase() -> None:
    coding = Coding(kind="jittered", rate_max=20.0, jitter=0.1)
    spiked = drawn(coding, [255] * 400, 2.0)
    gaps = np.concatenate([np.diff(np.flatnonzero(one)) for one in spiked.T]) * 5e-4
    assert gaps.mean() == pytest.approx(0.05, rel=5e-3)
    assert gaps.std() == pytest.approx(0.005, rel=0.05)
    first = spiked.argmax(axis=0) * 5e-4
    assert first.mean() == pytest.approx(0.025, rel=0.1)
    assert first.std() == pytest.approx(0.05 / np.sqrt(12), rel=0.15)


def test_no_period_is_shorter_than_the_shortest() -> None:
    coding = Coding(kind="jittered", rate_max=20.0, jitter=0.5, period_min=0.03)
    spiked = drawn(coding, [255] * 50, 2.0)
    gaps = np.concatenate([np.diff(np.flatnonzero(one)) for one in spiked.T])
    assert gaps.min() == 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt": 1.0}, "dt must be <= presentation"),
        ({"coding": {"rate_max": 2e3}}, "coding.rate_max must be < 1 / dt, 2000 Hz"),
        ({"coding": {"rate_min": 70.0}}, "coding.rate_min must be <= coding.rate_max"),
        ({"inhibition": {"kind": "conductance"}}, "inhibition.kind must be"),
        ({"membrane": {"kind": "conductance"}}, "inhibition.kind must be conductance or none"),
        ({"stdp": {"total": 78.0}}, "stdp.total needs stdp.kind trace"),
        ({"dt": "1"}, "TimedConfig.dt: must be a number"),
    ],
)
def test_what_a_configuration_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        TimedConfig(**changes)
    assert message in str(error.value)
