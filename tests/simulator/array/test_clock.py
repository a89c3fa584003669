"""The clock of an array: time is saved up at work, and ages the cells when it matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.clock import DRIFT_STEP, RELAXED_STEP, Clock
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork

CBRAM = Device.load("subquantum-cbram")
TIRED = CBRAM.replace(retention_time=2_000.0, drift_exponent=0.02, activation_energy=0.0)
"""Forgets within the two minutes or so that a small training takes."""


def ticking(device: Device) -> tuple[Clock, list[tuple[float, float]]]:
    aged: list[tuple[float, float]] = []
    clock = Clock(device, np.random.default_rng(0), lambda _, s, c: aged.append((s, c)))
    clock.start(np.full((2, 2), device.g_max, np.float32))
    return clock, aged


def test_time_at_work_is_saved_up_until_it_matters() -> None:
    clock, aged = ticking(CBRAM.replace(retention_time=1e6, retention_celsius=25.0))
    step = RELAXED_STEP * 1e6
    clock.advance(0.6 * step, 25.0)
    assert aged == []
    clock.advance(0.6 * step, 25.0)
    assert aged == [(pytest.approx(1.2 * step), 25.0)]
    assert clock.pending == 0
    assert clock.seconds == pytest.approx(1.2 * step)


def test_a_drifting_device_is_looked_at_regularly() -> None:
    clock, aged = ticking(CBRAM.replace(drift_exponent=0.05, retention_time=0, activation_energy=0))
    for _ in range(10):
        clock.advance(DRIFT_STEP / 4, 25.0)
    assert [seconds for seconds, _ in aged] == [DRIFT_STEP, DRIFT_STEP]


def test_saved_up_time_ages_at_its_own_temperature() -> None:
    clock, aged = ticking(CBRAM)
    clock.advance(10.0, 25.0)
    clock.advance(20.0, 85.0)
    clock.settle()
    assert aged == [(10.0, 25.0), (20.0, 85.0)]


def test_a_device_that_does_not_age_pays_nothing() -> None:
    clock, aged = ticking(CBRAM.without_variability())
    clock.advance(1e12, 85.0)
    clock.settle()
    assert clock.ageing is None
    assert aged == []


def test_a_wait_at_work_is_a_wait() -> None:
    """Many short advances, settled, are one long wait."""
    arrays = [Crossbar(CBRAM, (20, 10), seed=1) for _ in range(2)]
    for array in arrays:
        array.set_weights(np.random.default_rng(0).uniform(-1, 1, (20, 10)))
    arrays[0].wait(days=30, celsius=85)
    for _ in range(30):
        arrays[1].advance(86400.0, 85)
    arrays[1].clock.settle()
    np.testing.assert_allclose(arrays[0].conductance, arrays[1].conductance, rtol=1e-5)
    assert arrays[0].clock.seconds == arrays[1].clock.seconds


def test_an_interrupted_training_of_an_ageing_array_ends_alike(
    mnist: Dataset, tmp_path: Path
) -> None:
    def network() -> SpikingNetwork:
        return SpikingNetwork(neurons=20, inputs=100, device=TIRED, seed=4)

    whole = network()
    inputs = whole.prepare(mnist.train_images[:2_400])
    whole.resume(inputs, epochs=1)

    class Enough(Exception):
        pass

    def stop(_: object) -> None:
        if parts.images_seen == 1_400:
            raise Enough

    parts = network()
    parts.prepare(mnist.train_images[:2_400])
    with pytest.raises(Enough):
        parts.resume(inputs, epochs=1, callback=stop)
    parts.save(tmp_path / "state.npz")
    loaded = SpikingNetwork.load(tmp_path / "state.npz")
    np.testing.assert_array_equal(loaded.crossbar.pulse_counts, parts.crossbar.pulse_counts)
    loaded.resume(inputs, epochs=1)
    np.testing.assert_array_equal(whole.crossbar.conductance, loaded.crossbar.conductance)
    assert whole.ledger.to_dict() == loaded.ledger.to_dict()
    assert whole.crossbar.clock.seconds == pytest.approx(2_400 * 5 * 0.01)


def test_a_network_that_has_not_learned_yet_is_saved_and_loaded(
    mnist: Dataset, tmp_path: Path
) -> None:
    network = SpikingNetwork(neurons=20, inputs=100, device=TIRED)
    network.prepare(mnist.train_images[:200])
    network.save(tmp_path / "state.npz")
    loaded = SpikingNetwork.load(tmp_path / "state.npz")
    assert loaded.crossbar.clock.ageing is None
    np.testing.assert_array_equal(loaded.crossbar.conductance, network.crossbar.conductance)


def test_a_week_in_the_heat_is_forgotten_in_three_lines(mnist: Dataset) -> None:
    device = CBRAM.replace(retention_time=86400.0, retention_celsius=55.0, retention_time_d2d=1.5)
    network = SpikingNetwork(neurons=50, inputs=200, device=device)
    network.fit(mnist.train_images[:4_000], epochs=1)
    network.label(mnist.train_images[:4_000], mnist.train_labels[:4_000])
    test = mnist.test_images[:1_000], mnist.test_labels[:1_000]
    fresh, before = network.score(*test), network.crossbar.conductance.copy()
    network.wait(0)
    np.testing.assert_array_equal(network.crossbar.conductance, before)
    assert network.wait(days=7, celsius=85).score(*test) < fresh - 0.1
    assert network.crossbar.conductance.mean() < 0.02 * before.mean()


@pytest.mark.parametrize("days", [-1, float("nan"), 1e12])
def test_an_impossible_wait_is_refused(days: float) -> None:
    with pytest.raises(ParameterError, match=r"Crossbar\.wait: (time|days) must be a"):
        Crossbar(CBRAM, (2, 2)).wait(days=days)


def test_an_impossible_temperature_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"celsius: must be a number >= -273"):
        Crossbar(CBRAM, (2, 2)).wait(days=1, celsius=-300)
