"""Currents, and energies of pulses and reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation

QUIET = Device.load("subquantum-cbram").without_variability()
SINH = QUIET.replace(v_sinh=0.3)
volts = st.floats(-1, 1)


@given(v=volts)
def test_an_ohmic_cell_obeys_ohms_law(v: float) -> None:
    assert QUIET.read_equivalent(v) == v


@given(v=volts, scale=st.floats(0.05, 5))
def test_the_current_is_odd_and_rises_faster_than_in_proportion(v: float, scale: float) -> None:
    device = QUIET.replace(v_sinh=scale)
    assert device.read_equivalent(-v) == -device.read_equivalent(v)
    rounding = 1e-12 * abs(v) + 1e-320  # the last is for numbers that are nearly too small to be
    if abs(v) > device.v_read:
        assert abs(device.read_equivalent(v)) >= abs(v) - rounding
    else:
        assert abs(device.read_equivalent(v)) <= abs(v) + rounding


@given(scale=st.floats(0.05, 100))
def test_the_conductance_is_what_a_read_sees(scale: float) -> None:
    device = QUIET.replace(v_sinh=scale)
    assert device.read_equivalent(device.v_read) == pytest.approx(device.v_read, rel=1e-12)


@given(v=volts)
def test_a_large_voltage_scale_is_ohmic(v: float) -> None:
    assert QUIET.replace(v_sinh=1000.0).read_equivalent(v) == pytest.approx(v, rel=1e-6)


def test_whole_volts_are_voltages_too() -> None:
    assert SINH.read_equivalent(1) == SINH.read_equivalent(1.0)
    assert SINH.read_equivalent(np.array([0, 1]))[1] == SINH.read_equivalent(1.0)


def test_currents_of_an_array_follow_the_sinh_law() -> None:
    crossbar = Crossbar(SINH, (5, 3), seed=1)
    crossbar.set_weights(np.random.default_rng(0).uniform(-1, 1, (5, 3)))
    v = np.array([0.1, -0.1, 0.3, 0.0, -0.6])
    equivalent = 0.1 * np.sinh(v / 0.3) / math.sinh(0.1 / 0.3)
    np.testing.assert_allclose(crossbar.read(v), equivalent @ crossbar.conductance, rtol=1e-5)
    at_read = crossbar.read([0.1, 0, 0, 0, 0])
    np.testing.assert_allclose(at_read, 0.1 * crossbar.conductance[0], rtol=1e-6)


def test_a_read_costs_v_i_t() -> None:
    crossbar = Crossbar(SINH, (5, 3), seed=1)
    v = np.array([0.1, -0.2, 0.3, 0.0, -0.6])
    power = (v * 0.1 * np.sinh(v / 0.3) / math.sinh(0.1 / 0.3)) @ crossbar.conductance
    crossbar.read(v)
    booked = crossbar.ledger.account("use").joules[Operation.CELL_READ]
    assert booked == pytest.approx(power.sum() * SINH.t_read, rel=1e-5)


@given(scale=st.floats(0.05, 50))
def test_a_pulse_costs_v_i_t_and_half_the_voltage_less_than_a_quarter(scale: float) -> None:
    device = QUIET.replace(v_sinh=scale)
    current = 0.1 * math.sinh(1.0 / scale) / math.sinh(0.1 / scale)  # per siemens
    assert device.v2t_set == pytest.approx(1.0 * current * 1e-6, rel=1e-9)
    half = device.v2t(0.5, 1e-6)
    assert half < 0.25 * device.v2t_set
    assert QUIET.v2t(0.5, 1e-6) == 0.25 * QUIET.v2t_set


def test_half_selected_cells_of_a_passive_array_take_less_where_the_cell_is_nonlinear() -> None:
    shares = []
    for device in (QUIET, SINH):
        crossbar = Crossbar(device, (6, 4), seed=1, access="passive")
        crossbar.program(0, [0], 1)
        joules = crossbar.ledger.account("use").joules
        shares.append(joules[Operation.HALF_SELECT] / joules[Operation.PROGRAM_PULSE])
    # eight cells at g_min and half the voltage, over one that a pulse has moved by half a step
    moved = 1 + 0.5 * QUIET.step_up(QUIET.g_min) / QUIET.g_min
    kappa = math.sinh(0.5 / 0.3) / math.sinh(1 / 0.3)
    assert shares == pytest.approx([8 * 0.25 / moved, 8 * 0.5 * kappa / moved], rel=1e-4)
    assert shares[1] < shares[0]


def test_charging_a_gate_costs_c_v2_whatever_the_conductance() -> None:
    device = QUIET.replace(c_gate=1e-15, v_set=3.0, v_reset=2.0)
    for start in (device.g_min, device.g_mid, device.g_max):
        for sign, volt in ((1, 3.0), (-1, 2.0)):
            crossbar = Crossbar(device, (1, 1))
            crossbar.set_conductance(start)
            crossbar.program(0, [0], 7 * sign)
            joules = crossbar.ledger.account("use").joules[Operation.PROGRAM_PULSE]
            assert joules == pytest.approx(7 * 1e-15 * volt**2)
    assert device.v2t_read == QUIET.v2t_read


def test_a_steeper_curve_than_any_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"v_sinh must be 0, or at least 0\.02 V"):
        QUIET.replace(v_sinh=0.019)
