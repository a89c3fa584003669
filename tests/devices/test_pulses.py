"""One cell: pulse trains against the closed form, noise, and energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbramsim.devices.device import Device
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import G_HIGH, G_LOW, R_DOWN, R_UP, pulse_energy, pulsed
from cbramsim.simulator.crossbar import Crossbar
from cbramsim.simulator.energy import Operation

QUIET = Device.load("subquantum-cbram").without_variability()


@pytest.mark.parametrize("pulses", [1, 7, 40])
def test_a_set_train_follows_the_exponential_curve(pulses: int) -> None:
    """G(P) = B (1 - exp(-P/A)) + G_min, with exp(-1/A) = 1 - r."""
    crossbar = Crossbar(QUIET, (1, 1))
    crossbar.program(0, [0], pulses)
    b = QUIET.g_up_inf - QUIET.g_min
    a = -1 / np.log1p(-QUIET.r_up)
    expected = QUIET.g_min + b * (1 - np.exp(-pulses / a))
    assert crossbar.conductance[0, 0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("pulses", [1, 7, 40])
def test_a_reset_train_follows_the_exponential_curve(pulses: int) -> None:
    crossbar = Crossbar(QUIET, (1, 1))
    crossbar.set_conductance([[QUIET.g_max]])
    crossbar.program(0, [0], -pulses)
    left = (QUIET.g_max - QUIET.g_down_inf) * (1 - QUIET.r_down) ** pulses
    assert crossbar.conductance[0, 0] == pytest.approx(QUIET.g_down_inf + left, rel=1e-5)


@given(
    g=st.floats(1e-6, 3e-5), fraction=st.floats(1e-4, 1), noise=st.floats(-1e-5, 1e-5),
    asymptote=st.floats(-1e-4, 1e-4),
)  # fmt: skip
@settings(max_examples=300)
def test_the_pulse_kernel_equals_its_formula(
    g: float, fraction: float, noise: float, asymptote: float
) -> None:
    low, high = 2e-6, 2e-5
    expected = np.float32(np.clip(g + fraction * (asymptote - g) + noise, low, high))
    assert pulsed(g, asymptote, fraction, noise, low, high) == expected


def test_energy_of_a_pulse_is_v2_g_t() -> None:
    assert pulse_energy(1.0 * 10e-6, 77.48e-6, 77.48e-6) == pytest.approx(775e-12, rel=1e-3)
    assert pulse_energy(1.0 * 10e-6, 2.32e-6, 2.32e-6) == pytest.approx(23e-12, rel=1e-2)


def test_energy_of_a_train_is_the_sum_over_the_curve() -> None:
    crossbar = Crossbar(QUIET, (3, 2))
    crossbar.program(1, [2], 20)
    curve = QUIET.g_up_inf - (QUIET.g_up_inf - QUIET.g_min) * (1 - QUIET.r_up) ** np.arange(21)
    expected = QUIET.v_set**2 * QUIET.t_set * (0.5 * (curve[1:] + curve[:-1])).sum()
    account = crossbar.ledger.account("use")
    assert account.joules[Operation.PROGRAM_PULSE] == pytest.approx(expected, rel=1e-6)
    assert account.counts[Operation.PROGRAM_PULSE] == 20
    line = 20 * 3 * QUIET.c_cell * QUIET.v_set**2
    assert account.joules[Operation.PROGRAM_LINE] == pytest.approx(line)


def test_cycle_to_cycle_noise_has_the_stated_spread() -> None:
    device = QUIET.replace(step_c2c=0.02)
    crossbar = Crossbar(device, (5000, 1), seed=2)
    crossbar.set_conductance(np.full((5000, 1), device.g_mid))
    crossbar.program(0, np.arange(5000), 1)
    step = crossbar.conductance[:, 0].astype(float) - device.g_mid
    expected = device.r_up * (device.g_up_inf - device.g_mid)
    sigma = 0.02 * device.g_range
    assert step.mean() == pytest.approx(expected, abs=4 * sigma / np.sqrt(5000))
    assert step.std() == pytest.approx(sigma, rel=0.05)


def test_the_population_has_the_stated_means_and_spreads() -> None:
    device = Device.load("subquantum-cbram")
    cells = draw_population(device, (300, 200), np.random.default_rng(0)).astype(float)
    for index, name in ((G_LOW, "g_min"), (G_HIGH, "g_max"), (R_UP, "r_up"), (R_DOWN, "r_down")):
        mean, spread = getattr(device, name), getattr(device, f"{name}_d2d")
        assert cells[..., index].mean() == pytest.approx(mean, rel=0.01), name
        assert cells[..., index].std() / mean == pytest.approx(spread, rel=0.03), name


def test_stuck_cells_do_not_move() -> None:
    device = QUIET.replace(stuck_low=0.3, stuck_high=0.2)
    crossbar = Crossbar(device, (1000, 1), seed=4)
    before = crossbar.conductance[:, 0].copy()
    crossbar.program(0, np.arange(1000), 5)
    moved = crossbar.conductance[:, 0] != before
    assert moved.mean() == pytest.approx(0.5, abs=0.05)
    assert (before == np.float32(device.g_max)).mean() == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_pulse_moves_a_cell_the_wrong_way(sign: int) -> None:
    """Also when the asymptotes are the nominal bounds, and cells spread beyond them."""
    tight = QUIET.replace(
        g_up_inf=QUIET.g_max, g_down_inf=QUIET.g_min, g_min_d2d=0.2, g_max_d2d=0.2
    )
    crossbar = Crossbar(tight, (2000, 1), seed=1)
    crossbar.set_conductance(np.full((2000, 1), tight.g_mid))
    for _ in range(30):
        before = crossbar.conductance.copy()
        crossbar.program(0, np.arange(2000), sign)
        assert (sign * (crossbar.conductance - before) >= 0).all()


def test_the_length_of_a_full_train() -> None:
    device = Device.load("subquantum-cbram")
    assert device.pulses_up == pytest.approx(64, rel=0.01)
    assert device.pulses_down == pytest.approx(64, rel=0.01)
    assert QUIET.replace(g_up_inf=QUIET.g_max).pulses_up == np.inf
