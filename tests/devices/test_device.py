from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.errors import CbramError, DataError, ParameterError
from cbramsim.simulator.periphery import Periphery

PRESETS = sorted(Device.catalog())
GOOD = Device.catalog()["subquantum-cbram"].read_text()


def test_the_catalogue_has_the_reference_and_the_ideal_device() -> None:
    assert {"subquantum-cbram", "ideal"} <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_every_parameter_of_a_preset_has_a_source(name: str) -> None:
    device = Device.load(name)
    written = set(device.provenance)
    defaulted = set(device.physical_parameters()) - written
    assert all(getattr(device, key) == 0 for key in defaulted), defaulted
    assert all(origin.source for origin in device.provenance.values())


@pytest.mark.parametrize("name", sorted(Periphery.catalog()))
def test_every_parameter_of_a_periphery_has_a_source(name: str) -> None:
    periphery = Periphery.load(name)
    assert set(periphery.provenance) == set(Periphery.physical_parameters())


def test_units_are_converted_at_the_boundary() -> None:
    device = Device.load("subquantum-cbram")
    assert device.g_min == pytest.approx(2.32e-6)
    assert device.t_read == pytest.approx(100e-9)


def test_a_changed_value_loses_its_source() -> None:
    device = Device.load("subquantum-cbram").replace(g_up_inf=40e-6)
    assert device.evidence("g_up_inf").source == "set by the user"
    assert device.evidence("g_min").source != "set by the user"


def test_the_reference_device_spans_its_window_in_64_pulses() -> None:
    d = Device.load("subquantum-cbram")
    up = d.g_up_inf - (d.g_up_inf - d.g_min) * (1 - d.r_up) ** 64
    down = d.g_down_inf + (d.g_max - d.g_down_inf) * (1 - d.r_down) ** 64
    assert up == pytest.approx(d.g_max, rel=1e-3)
    assert down == pytest.approx(d.g_min, rel=5e-3)


def test_without_variability_keeps_the_rest() -> None:
    device = Device.load("subquantum-cbram")
    plain = device.without_variability()
    assert plain.step_c2c == plain.read_c2c == plain.g_max_d2d == 0
    assert plain.g_max == device.g_max


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g_min": -1.0}, "Device.g_min: must be a number > 0 and <= 1 (got -1.0)"),
        ({"g_min": 1.0}, "g_max must be above g_min"),
        ({"r_up": 1.5}, "Device.r_up: must be a number > 0 and <= 1 (got 1.5)"),
        ({"step_c2c": float("nan")}, "Device.step_c2c: must be a number >= 0 and <= 2 (got nan)"),
        ({"g_up_inf": 1e-6}, "g_up_inf must be at least g_max"),
        ({"stuck_low": 0.7, "stuck_high": 0.7}, "stuck_low + stuck_high must be <= 1"),
        ({"g_mn": 1.0}, "Device.g_mn: unknown key (did you mean 'g_min'?)"),
    ],
)
def test_impossible_values_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        Device.load("subquantum-cbram").replace(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[g_min]", "[g_mni]", "Device.g_mni: unknown key in my.toml (did you mean 'g_min'?)"),
        ('unit = "uS"', 'unit = "uV"', "Device.g_min.unit: must be S, with or without a prefix"),
        ("value = 2.32", "value = -2.32", "Device.g_min: must be a number > 0"),
        (
            "value = 2.32",
            'value = "low"',
            "Device.g_min: must be a number > 0 and <= 1 (got 'low')",
        ),
        ('unit = "uS"\n', "", "Device.g_min.unit: is required (S, with or without a prefix"),
        ("value = 2.32", "valu = 2.32", "Device.g_min: must be a table of value, unit"),
        (
            'evidence = "assumed"',
            'evidence = "guess"',
            "must be one of published, derived, assumed",
        ),
        ("[g_min]", "[g_min", "device file"),
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
    assert Device.load(path).g_max == Device.load("subquantum-cbram").g_max
    assert np.isfinite(Device.load(path).g_mid)
