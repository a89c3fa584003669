"""One pulse on one cell: noise, clipping, and energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.devices.device import Device
from cbramsim.devices.pulses import pulse_energy, within
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation

QUIET = Device.load("subquantum-cbram").without_variability()
Z = 4.5
"""Standard errors that a mean may be off: once in 150,000 tests by chance."""


@pytest.mark.parametrize("sign", [1, -1])
def test_noise_of_one_pulse_has_the_stated_mean_and_spread(sign: int) -> None:
    cells = 20_000
    device = QUIET.replace(step_c2c=0.02)
    crossbar = Crossbar(device, (cells, 1), seed=2)
    crossbar.set_conductance(device.g_mid)
    crossbar.program(0, np.arange(cells), sign)
    step = crossbar.conductance[:, 0].astype(float) - device.g_mid
    expected = device.step_up(device.g_mid) if sign > 0 else -device.step_down(device.g_mid)
    sigma = 0.02 * device.g_range
    assert step.mean() == pytest.approx(expected, abs=Z * sigma / np.sqrt(cells))
    assert step.std() == pytest.approx(sigma, rel=Z / np.sqrt(2 * cells))


def test_noise_of_a_train_adds_up_in_variance() -> None:
    cells, pulses = 20_000, 16
    device = QUIET.replace(
        law="constant", nonlinearity_up=0.0, nonlinearity_down=0.0, step_c2c=0.01
    )
    crossbar = Crossbar(device, (cells, 1), seed=3)
    crossbar.set_conductance(device.g_mid)
    crossbar.program(0, np.arange(cells), pulses)
    moved = crossbar.conductance[:, 0].astype(float) - device.g_mid
    sigma = 0.01 * device.g_range * np.sqrt(pulses)
    assert moved.mean() == pytest.approx(
        pulses * device.g_range / 64, abs=Z * sigma / np.sqrt(cells)
    )
    assert moved.std() == pytest.approx(sigma, rel=Z / np.sqrt(2 * cells))


def test_noise_ends_at_the_bounds() -> None:
    device = QUIET.replace(step_c2c=0.5)
    crossbar = Crossbar(device, (2000, 1), seed=1)
    for pulses in (1, 3, -2, 5, -5):
        crossbar.program(0, np.arange(2000), pulses)
        g = crossbar.conductance
        assert g.min() >= np.float32(device.g_min)
        assert g.max() <= np.float32(device.g_max)
    assert (g == np.float32(device.g_min)).any()


@given(g=st.floats(-1e-5, 1e-4), low=st.floats(1e-9, 1e-5), width=st.floats(0, 1e-4))
def test_clipping(g: float, low: float, width: float) -> None:
    low, high = np.float32(low), np.float32(low + width)
    assert within(g, low, high) == np.float32(np.clip(g, low, high))


def test_energy_of_a_pulse_is_v2_g_t() -> None:
    """At 1 V and 10 us: 775 pJ at the conductance quantum, 23 pJ at 0.03 of it."""
    assert pulse_energy(1.0 * 10e-6, 0.0, 77.48e-6, 77.48e-6) == pytest.approx(775e-12, rel=1e-3)
    assert pulse_energy(1.0 * 10e-6, 0.0, 2.32e-6, 2.32e-6) == pytest.approx(23e-12, rel=1e-2)


@pytest.mark.parametrize("sign", [1, -1])
def test_energy_of_a_train_is_the_sum_over_the_curve(sign: int) -> None:
    device = QUIET.replace(v_reset=1.3, t_reset=2e-6)
    crossbar = Crossbar(device, (3, 2))
    start = device.g_min if sign > 0 else device.g_max
    crossbar.set_conductance(start)
    crossbar.program(1, [2], 20 * sign)
    g = [start]
    for _ in range(20):
        g.append(g[-1] + (device.step_up(g[-1]) if sign > 0 else -device.step_down(g[-1])))
    v, t = (1.0, 1e-6) if sign > 0 else (1.3, 2e-6)
    expected = v**2 * t * (0.5 * (np.array(g[1:]) + g[:-1])).sum()
    account = crossbar.ledger.account("use")
    assert account.joules[Operation.PROGRAM_PULSE] == pytest.approx(expected, rel=1e-5)
    assert account.counts[Operation.PROGRAM_PULSE] == 20
    assert account.joules[Operation.PROGRAM_LINE] == pytest.approx(20 * 5 * device.c_cell * v**2)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_quiet_pulse_moves_a_cell_the_wrong_way(sign: int) -> None:
    spread = QUIET.replace(g_min_d2d=0.3, g_max_d2d=0.3, pulses_up_d2d=0.5, pulses_down_d2d=0.5)
    crossbar = Crossbar(spread, (2000, 1), seed=1)
    crossbar.set_conductance(spread.g_mid)
    for _ in range(30):
        before = crossbar.conductance.copy()
        crossbar.program(0, np.arange(2000), sign)
        assert (sign * (crossbar.conductance - before) >= 0).all()
