"""Descriptions of technologies: the catalog, files, refusals, and what all presets must obey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation
from tests.examples import times

PRESETS = sorted(Device.catalog())
GOOD = Device.catalog()["subquantum-cbram"].read_text()
CBRAM = Device.load("subquantum-cbram")


# ---- every preset ------------------------------------------------------------------------------


@pytest.fixture(params=PRESETS)
def preset(request: pytest.FixtureRequest) -> Device:
    return Device.load(request.param)


def test_the_catalog_has_the_reference_and_the_ideal_device() -> None:
    assert {"subquantum-cbram", "ideal", "metal-cbram"} <= set(PRESETS)
    assert len(PRESETS) >= 11


def test_every_stated_parameter_has_a_source(preset: Device) -> None:
    assert preset.summary
    assert set(preset.behaviours) <= set(preset.provenance)
    assert all(origin.source != "not stated" for origin in preset.provenance.values())
    required = {
        k for k in preset.physical_parameters() if type(preset).model_fields[k].is_required()
    }
    assert required <= set(preset.provenance)


def test_steps_are_not_negative_and_energies_are_positive_in_the_window(preset: Device) -> None:
    g = np.linspace(preset.g_min, preset.g_max, 101)
    for step in (preset.step_up(g), preset.step_down(g)):
        assert (step >= 0).all()
        assert step.sum() > 0
        assert (step <= preset.g_range * (1 + 1e-9)).all()
    assert preset.v2t_set * preset.g_min + preset.gate_set > 0
    assert preset.v2t_reset * preset.g_min + preset.gate_reset > 0
    assert preset.v2t_read > 0


def test_pulses_move_the_mean_in_their_own_direction(preset: Device) -> None:
    cells = 5000
    for sign in (1, -1):
        crossbar = Crossbar(preset, (cells, 1), seed=1)
        crossbar.set_conductance(preset.g_mid)
        before = crossbar.conductance.astype(float)
        crossbar.program(0, np.arange(cells), sign)
        step = crossbar.conductance - before
        assert sign * step.mean() > 0
        mean = preset.step_up(preset.g_mid) if sign > 0 else preset.step_down(preset.g_mid)
        assert sign * step.mean() < max(preset.g_range / 4, 1.1 * mean)
        if mean < preset.g_range / 4:  # others are at the bound by now
            crossbar.program(0, np.arange(cells), 5 * sign)
            assert sign * (crossbar.conductance - before).mean() > sign * step.mean()


def test_all_pulses_cost_energy(preset: Device) -> None:
    crossbar = Crossbar(preset, (20, 2), seed=1)
    crossbar.program(0, np.arange(20), 3)
    crossbar.program(0, np.arange(20), -3)
    account = crossbar.ledger.account("use")
    assert account.counts[Operation.PROGRAM_PULSE] == 120
    low = min(preset.v2t_set, preset.v2t_reset) * preset.g_min
    floor = low + min(preset.gate_set, preset.gate_reset)
    assert account.joules[Operation.PROGRAM_PULSE] > 0.3 * 120 * floor


@times(2)
@given(
    name=st.sampled_from(PRESETS),
    trains=st.lists(st.tuples(st.integers(0, 39), st.integers(-300, 300)), max_size=30),
    seed=st.integers(0, 2**31),
)
def test_no_program_takes_a_cell_out_of_its_window(name: str, trains: list, seed: int) -> None:
    crossbar = Crossbar(name, (40, 1), seed=seed)
    low, high = (crossbar.state.cells[0, :, bound] for bound in (G_LOW, G_HIGH))
    for row, pulses in trains:
        crossbar.program(0, [row], pulses)
        g = crossbar.conductance[:, 0]
        assert ((g >= low) & (g <= high)).all()


def test_without_variability_all_cells_of_a_preset_are_one(preset: Device) -> None:
    plain = preset.without_variability().without("levels", "level_radix", "g_quantum")
    assert not plain.ages
    assert plain.endurance == plain.step_c2c == plain.read_c2c == plain.g_flicker == 0
    assert (plain.g_max, plain.pulses_up, plain.v_set) == (
        preset.g_max, preset.pulses_up, preset.v_set,
    )  # fmt: skip
    assert not [key for key in plain.behaviours if key.endswith(("_d2d", "_c2c"))]
    crossbar = Crossbar(plain, (9, 1), seed=3)
    crossbar.program(0, np.arange(9), 7)
    assert np.unique(crossbar.conductance).size == 1


def test_weights_and_conductances_are_inverse(preset: Device) -> None:
    assert preset.weight_of(preset.g_min) == pytest.approx(-1)
    assert preset.weight_of(preset.g_max) == pytest.approx(1)
    assert preset.conductance_of(0.0) == pytest.approx(preset.g_mid)
    w = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(preset.weight_of(preset.conductance_of(w)), w, atol=1e-12)


# ---- descriptions ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(Periphery.catalog()))
def test_every_parameter_of_a_periphery_has_a_source(name: str) -> None:
    periphery = Periphery.load(name)
    assert set(periphery.provenance) == set(Periphery.physical_parameters())


def test_units_are_converted_at_the_boundary() -> None:
    assert CBRAM.g_min == pytest.approx(2.32e-6)
    assert CBRAM.t_read == pytest.approx(100e-9)
    assert CBRAM.retention_time == pytest.approx(40 * 365.25 * 86400)


def test_behaviours_are_what_is_on() -> None:
    assert Device.load("ideal").behaviours == ["c_cell"]
    assert {"g_quantum", "g_flicker", "endurance"} <= set(Device.load("metal-cbram").behaviours)
    assert "c_gate" in Device.load("hzo-fefet").behaviours
    assert "stuck_low" not in CBRAM.behaviours
    assert "stuck_low" in CBRAM.replace(stuck_low=0.1).behaviours


def test_a_changed_value_loses_its_source() -> None:
    device = CBRAM.replace(g_max=40e-6)
    assert device.evidence("g_max").source == "set by the user"
    assert device.evidence("g_min").source != "set by the user"


def test_a_parameter_can_be_put_back_to_its_default() -> None:
    device = CBRAM.without("step_c2c", "endurance")
    assert device.step_c2c == device.endurance == 0
    assert device.g_max_d2d == CBRAM.g_max_d2d


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g_min": -1.0}, "Device.g_min: must be a number >= 0 and <= 1 (got -1.0)"),
        ({"g_min": 1.0}, "g_max must be above g_min (got 2.32e-05 <= 1)"),
        ({"g_max": 2.32e-6}, "g_max must be above g_min"),
        ({"t_set": -1e-6}, "Device.t_set: must be a number >= 1e-15 and <= 10"),
        ({"t_read": 0.0}, "Device.t_read: must be a number >= 1e-15"),
        ({"v_reset": -1.0}, "Device.v_reset: must be a number >= 1e-06"),
        ({"pulses_up": 0.5}, "Device.pulses_up: must be a number >= 1"),
        ({"nonlinearity_up": 9.5}, "Device.nonlinearity_up: must be a number >= -9 and <= 9"),
        ({"step_c2c": float("nan")}, "Device.step_c2c: must be a number >= 0 and <= 2 (got nan)"),
        ({"levels": 1}, "levels must be 0 (analog), or at least 2 (got 1)"),
        ({"levels": 8, "g_quantum": 1e-6}, "levels must be 0 if g_quantum is given"),
        ({"levels": 8, "level_radix": 1.0}, "level_radix must be 0 (evenly spaced), or above 1"),
        ({"level_radix": 2.0}, "level_radix needs levels (got levels 0, an analog cell)"),
        ({"levels": 64, "level_radix": 2.0}, "lowest two of 64 levels apart in single precision"),
        ({"g_quantum": 3e-5}, "g_quantum must be at most g_max - g_min, 2.088e-05 S (got 3e-05 S)"),
        ({"g_flicker": 3e-5}, "g_flicker must be at most g_max - g_min"),
        ({"flicker_duty": 1.0}, "Device.flicker_duty: must be a number >= 1e-09 and < 1"),
        ({"exponent_up": 2.0}, "exponent_up needs the law power (got law exponential)"),
        ({"shape_down": (1.0, 0.5)}, "shape_down needs the law table (got law exponential)"),
        ({"law": "constant"}, "nonlinearity_up needs the law exponential (got law constant)"),
        ({"law": "parabolic"}, "Device.law: must be one of exponential, constant, linear, power"),
        (
            {"law": "table", "nonlinearity_up": 0.0, "nonlinearity_down": 0.0},
            "shape_up must be at least two steps, not all 0, for the law table (got [])",
        ),
        (
            {"stuck_low": 0.7, "stuck_high": 0.7},
            "stuck_low + stuck_high + stuck_mid + stuck_open must be <= 1",
        ),
        ({"v_sinh": 0.01}, "v_sinh must be 0, or at least 0.02 V"),
        ({"retention_time": 0.0}, "activation_energy needs a retention_time (got 0)"),
        ({"g_mn": 1.0}, "Device.g_mn: unknown key (did you mean 'g_min'?)"),
    ],
)
def test_impossible_values_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        CBRAM.replace(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# ---- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[g_min]", "[g_mni]", "Device.g_mni: unknown key in my.toml (did you mean 'g_min'?)"),
        ('unit = "uS"', 'unit = "uV"', "Device.g_min.unit: must be S, with or without a prefix"),
        ("value = 2.32", "value = -2.32", "Device.g_min: must be a number >= 0"),
        (
            "value = 2.32",
            'value = "low"',
            "Device.g_min: must be a number >= 0 and <= 1 (got 'low')",
        ),
        ('unit = "uS"\n', "", "Device.g_min.unit: is required (S, with or without a prefix"),
        ("value = 2.32", "valu = 2.32", "Device.g_min: must be a table of value, unit"),
        (
            'evidence = "assumed"',
            'evidence = "guess"',
            "must be one of published, derived, assumed",
        ),
        ("[g_min]", "[g_min", "device file"),
        ('unit = "year"', 'unit = "century"', "Device.retention_time.unit: must be s"),
    ],
)
def test_a_wrong_device_file_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(CbramError) as error:
        Device.load(path)
    assert message in str(error.value)


def test_a_missing_device_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml"):
        Device.load(tmp_path / "none.toml")


def test_an_unknown_device_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match="did you mean 'subquantum-cbram'"):
        Device.load("subquantum-cbrm")


def test_a_users_file_works_like_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert Device.load(path) == CBRAM


def test_a_users_file_may_have_a_measured_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = GOOD.replace("[nonlinearity_up]\nvalue = 1.2455", "[shape_up]\nvalue = [1.0, 0.5, 0.1]")
    text = text.replace("[nonlinearity_down]\nvalue = -1.2455", "[shape_down]\nvalue = [1, 0.2]")
    path.write_text(text + '\n[law]\nvalue = "table"\nsource = "measured"\n')
    device = Device.load(path)
    assert device.shape_up == (1.0, 0.5, 0.1)
    assert device.step_up(device.g_mid) == pytest.approx(0.5 * device.g_range / 64)
    assert device.evidence("law").source == "measured"
