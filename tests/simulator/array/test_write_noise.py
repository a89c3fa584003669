"""What a write leaves in what reads see, and the state that it does not touch."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar

QUIET = Device.load("subquantum-cbram").without_variability()
BLURRED = QUIET.replace(write_c2c=0.05)
ROWS = np.arange(4000)


def test_states_are_those_of_a_device_without_write_noise() -> None:
    exact, blurred = (Crossbar(device, (4000, 1), seed=5) for device in (QUIET, BLURRED))
    for crossbar in (exact, blurred):
        for pulses in (20, -7, 3):
            crossbar.program(0, ROWS, pulses)
    np.testing.assert_allclose(blurred.conductance, exact.conductance, rtol=1e-6)


def test_reads_see_an_offset_that_stays_until_the_next_write() -> None:
    crossbar = Crossbar(BLURRED, (4000, 1), seed=5)
    crossbar.program(0, ROWS, 30)
    offset = (crossbar.seen - crossbar.conductance)[:, 0].astype(float)
    assert offset.std() == pytest.approx(0.05 * QUIET.g_range, rel=0.05)
    assert offset.mean() == pytest.approx(0, abs=4 * offset.std() / 4000**0.5)
    volts = np.full(4000, 0.1)
    first, second = crossbar.read(volts), crossbar.read(volts)
    assert first == second == pytest.approx(0.1 * crossbar.seen.sum(), rel=1e-5)
    crossbar.program(0, ROWS[:2000], 1)
    now = (crossbar.seen - crossbar.conductance)[:, 0].astype(float)
    np.testing.assert_allclose(now[2000:], offset[2000:], atol=1e-12)
    assert abs(np.corrcoef(now[:2000], offset[:2000])[0, 1]) < 0.08


def test_time_moves_states_and_leaves_offsets() -> None:
    crossbar = Crossbar(BLURRED.replace(drift_exponent=0.05), (4000, 1), seed=5)
    crossbar.program(0, ROWS, 30)
    crossbar.clock.start(crossbar.state.g_columns)
    before, offset = crossbar.conductance.copy(), crossbar.seen - crossbar.conductance
    crossbar.wait(1e4)
    np.testing.assert_allclose(crossbar.conductance, before * 1e4**-0.05, rtol=1e-5)
    np.testing.assert_allclose(crossbar.seen - crossbar.conductance, offset, atol=1e-11)
    assert crossbar.state.row_sum == pytest.approx(crossbar.seen.sum(axis=1))


def test_verification_sees_what_reads_see() -> None:
    crossbar = Crossbar(BLURRED.replace(read_c2c=0.0), (400, 1), seed=5)
    target = QUIET.g_mid
    crossbar.program_to(0, ROWS[:400], target)
    seen = crossbar.seen[:, 0] - target
    largest = max(QUIET.step_up(target), QUIET.step_down(target))
    assert np.mean(np.abs(seen) < 1.1 * largest) > 0.95
    assert np.abs(crossbar.conductance[:, 0] - target).max() > 1.5 * largest


def test_programming_noise_is_that_of_the_target() -> None:
    device = QUIET.replace(program_noise=(0.26348e-6, 1.9650e-6, -1.1731e-6))
    crossbar = Crossbar(device, (4000, 2), seed=5)
    targets = np.array([6e-6, 15e-6])
    crossbar.set_conductance(np.broadcast_to(targets, (4000, 2)), programmed=True)
    error = crossbar.conductance - targets
    expected = device.program_sigma(targets, device.g_max)
    np.testing.assert_allclose(error.std(axis=0), expected, rtol=0.05)
    crossbar.set_conductance(np.broadcast_to(targets, (4000, 2)))
    np.testing.assert_allclose(crossbar.conductance, np.broadcast_to(targets, (4000, 2)), rtol=1e-6)
