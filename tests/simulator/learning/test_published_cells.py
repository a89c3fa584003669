"""Networks in cells whose writes leave noise, whose reads flicker slowly, and which relax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

from cbramsim.core.rng import stream
from cbramsim.devices.device import Device
from cbramsim.simulator.array.cells import sum_cells
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.loop import scratch
from cbramsim.simulator.learning.network import SpikingNetwork

PINK = {"read_1f": (0.05, -0.65, 0.5), "read_1f_width": 250e-9}
ALL: dict[str, Any] = PINK | {
    "write_c2c": 0.03, "step_c2c_of_step": 0.5, "pulses_d2d": 0.3, "g_max_d2d_of_window": 0.1,
    "retention_time": 0.0, "activation_energy": 0.0,
    "drift_by_state": (-0.0155, 0.0244, 0.049, 0.1),
    "drift_spread_by_state": (-0.0125, -0.0059, 0.008, 0.045), "drift_start": 1.0,
    "relaxation_spread": (2e-7, 5e-8),
}  # fmt: skip
"""Every behaviour of the kind at once."""
QUIET = Device.load("subquantum-cbram").without_variability()


def assert_same(one: SpikingNetwork, other: SpikingNetwork) -> None:
    mine, theirs = one.to_state(), other.to_state()
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


@pytest.fixture(scope="module")
def learned(mnist: Dataset) -> SpikingNetwork:
    network = SpikingNetwork(neurons=20, cell=ALL, compensation="column", seed=3)
    return network.fit(mnist.train_images[:600], epochs=1)


def test_learning_that_was_interrupted_comes_to_the_same_end(
    learned: SpikingNetwork, mnist: Dataset, tmp_path: Path
) -> None:
    network = SpikingNetwork(neurons=20, cell=ALL, compensation="column", seed=3)
    images = network.prepare(mnist.train_images[:600])
    for start in range(0, 300, 100):
        network.learn_from(images, np.arange(start, start + 100))
    network.save(tmp_path / "state.npz")
    other = SpikingNetwork.load(tmp_path / "state.npz")
    for one in (network, other):
        one.learn_from(images, np.arange(300, 600))
    assert_same(network, other)
    array = learned.crossbar
    assert np.std(array.seen - array.conductance) > 0.01 * array.device.g_range


def test_what_time_does_is_saved_with_the_compensation(
    learned: SpikingNetwork, mnist: Dataset, tmp_path: Path
) -> None:
    images, labels = mnist.train_images[:600], mnist.train_labels[:600]
    network = learned.copy().label(images, labels)
    network.wait(days=1)
    network.save(tmp_path / "state.npz")
    other = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(network, other)
    test = mnist.test_images[:200]
    np.testing.assert_array_equal(network.predict(test), other.predict(test))
    for one in (network, other):
        one.wait(days=30)
    assert_same(network, other)
    factors = network.crossbar.state.gain.factors
    assert np.all(factors > 1)
    assert np.ptp(factors) > 0
    account = network.ledger.account("compensation")
    assert account.counts[Operation.CELL_READ] == 3 * network.crossbar.conductance.size


def test_learning_goes_on_without_compensation(learned: SpikingNetwork, mnist: Dataset) -> None:
    network = learned.copy()
    network.wait(days=1)
    assert network.crossbar.sums is not None
    network.learn_from(network.select_pixels(mnist.train_images[:10]), np.arange(10))
    assert network.crossbar.sums is None


@njit
def read_often(array, rows, times, work, state):  # type: ignore[no-untyped-def]
    found = np.empty((times, array.g.shape[1]), np.float32)
    for n in range(times):
        sum_cells(array, rows, rows.size, found[n], work, state)
    return found


@pytest.mark.parametrize("seconds", [0.0, 1e6])
def test_one_over_f_noise_of_sums_is_that_of_the_cells(seconds: float) -> None:
    """By the compiled loops and by `Crossbar.read`, of new cells and of old ones."""
    device = QUIET.replace(read_c2c=0.01, **PINK)
    crossbar = Crossbar(device, (30, 8), seed=1)
    rng = np.random.default_rng(0)
    crossbar.set_conductance(rng.uniform(device.g_min, device.g_max, (30, 8)))
    crossbar.wait(seconds)
    rows = np.array([1, 4, 5, 17, 29], np.int32)
    cells = crossbar.conductance[rows].astype(float)
    sigma = device.read_1f_sigma(cells, device.g_max, seconds)
    expected = np.sqrt((sigma**2 + (0.01 * device.g_range) ** 2).sum(axis=0))
    found = read_often(crossbar.state, rows, 4000, scratch(30, 8), stream(0, "reads"))
    np.testing.assert_allclose(found.std(axis=0), expected, rtol=0.05)
    volts = np.zeros((4000, 30))
    volts[:, rows] = 0.1
    np.testing.assert_allclose(crossbar.read(volts).std(axis=0), 0.1 * expected, rtol=0.05)


def test_pulsed_cells_have_the_noise_of_new_ones() -> None:
    device = QUIET.replace(**PINK)
    crossbar = Crossbar(device, (30, 2), seed=1)
    crossbar.set_conductance(device.g_mid)
    crossbar.wait(1e8)
    crossbar.program(0, np.arange(30), 1)
    for column, seconds in ((0, 0.0), (1, 1e8)):
        g = crossbar.conductance[:, column].astype(float)
        np.testing.assert_allclose(
            crossbar.state.noise.variance[:, column],
            device.read_1f_sigma(g, device.g_max, seconds) ** 2,
            rtol=1e-5,
        )


@pytest.mark.frozen
@pytest.mark.parametrize(
    "options",
    [
        {"storage": "binary", "binary": {"bits": 2, "read": "sensed"}},
        {"storage": "binary", "binary": {"bits": 2}},
        {"wires": True, "wires_error": 0.05},
        {"access": "passive", "cell": ALL | {"v_switch": 0.1}},
        {"pruning": {"kind": "hard", "mature_spikes": 20}, "readout": {"adc_bits": 6}},
        {"programming": {"method": "verify"}, "tiles": {"rows": 30}},
        {"rule": "ideal"},
        {"update": "dense"},
    ],
    ids=lambda options: ", ".join(options),
)
def test_they_go_with_every_other_option(mnist: Dataset, options: dict[str, Any]) -> None:
    """Half-way saved and gone on with, to the same bits; read again a day later."""
    base = {"neurons": 10, "inputs": 60, "cell": ALL, "compensation": "column", "seed": 3}
    network = SpikingNetwork(**base | options)
    images = network.prepare(mnist.train_images[:200])
    network.learn_from(images, np.arange(100))
    other = network.copy()
    for one in (network, other):
        one.learn_from(images, np.arange(100, 200))
        one.label(mnist.train_images[:200], mnist.train_labels[:200]).wait(days=1)
    assert_same(network, other)
    test = mnist.test_images[:100]
    np.testing.assert_array_equal(network.predict(test), other.copy().predict(test))
    seen = network.crossbar.seen
    assert np.isfinite(seen).all()
    assert (seen >= 0).all()
