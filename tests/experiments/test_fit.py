"""`cbram fit`: files, printed tables, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cbramsim.devices.device import Device
from cbramsim.devices.fitting.synthetic import measure
from cbramsim.experiments.cli import main
from tests.measurements import write_measurement

KNOWN = Device.load("subquantum-cbram").without("stuck_low", "stuck_high").replace(read_c2c=0.01)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "lab" / "cells.csv"
    path.parent.mkdir()
    write_measurement(path, measure(KNOWN, 4, 5, (80, 80), seed=1))
    return path


def _fit(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["fit", *map(str, arguments)])


def test_a_fit_writes_a_device_with_its_sources(measured: Path, tmp_path: Path) -> None:
    result = _fit(measured, "--bootstrap", 40, "--law", "exponential")
    assert result.exit_code == 0, result.output
    device = Device.load(tmp_path / "cells.toml")
    digest = hashlib.sha256(measured.read_bytes()).hexdigest()
    for key in ("g_min", "g_max", "pulses_up", "nonlinearity_up", "step_c2c", "g_max_d2d"):
        origin = device.evidence(key)
        assert origin.evidence == "derived"
        assert digest in origin.source
        assert f"cbram fit {measured.name}" in origin.source
        assert "90 % interval" in origin.source
    assert device.evidence("v_set").evidence == "assumed"
    assert "as subquantum-cbram" in device.evidence("v_set").source
    assert device.v_set == KNOWN.v_set
    assert device.pulses_up == pytest.approx(64, rel=0.4)
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")
    for told in (
        "exponential",
        "constant",
        "power",
        "table",
        "foretells to",
        "g_min_d2d",
        "v_read",
    ):
        assert told in result.output


def test_json_says_the_same(measured: Path, tmp_path: Path) -> None:
    out, figure = tmp_path / "my.toml", tmp_path / "my.png"
    files = ("--out", out, "--figure", figure, "--report", tmp_path / "my.txt")
    result = _fit(measured, "--bootstrap", 40, "--law", "exponential", "--json", *files)
    table = json.loads(result.stdout)
    device = Device.load(out)
    assert figure.exists()
    assert table["cells"] == 4
    assert {"law", "error", "distance"} <= table["laws"][0].keys()
    for key, told in table["parameters"].items():
        assert getattr(device, key) == pytest.approx(told["value"], rel=1e-5)
        if told["value"]:  # of a spread of nothing there is no interval
            assert told["low"] <= told["high"]


def test_without_bootstrap_there_are_values_only(measured: Path) -> None:
    result = _fit(measured, "--bootstrap", 0, "--json")
    assert all(told["low"] is None for told in json.loads(result.stdout)["parameters"].values())


def test_voltages_of_the_file_are_used(measured: Path, tmp_path: Path) -> None:
    header, *lines = measured.read_text().splitlines()
    volts = [f"{line},{'1.3' if ',set,' in line else '-1.7'}" for line in lines]
    measured.write_text("\n".join([f"{header},voltage", *volts]))
    assert _fit(measured, "--bootstrap", 0, "--like", "epiram").exit_code == 0
    device, like = Device.load(tmp_path / "cells.toml"), Device.load("epiram")
    assert (device.v_set, device.v_reset) == (1.3, 1.7)
    assert device.evidence("v_set").evidence == "derived"
    assert device.t_set == like.t_set


@pytest.mark.parametrize("stated", ["by a column", "by the option"])
def test_the_read_voltage_that_is_stated_is_used(
    measured: Path, tmp_path: Path, stated: str
) -> None:
    arguments = ["--read-voltage", "0.2"]
    if stated == "by a column":
        header, *lines = measured.read_text().splitlines()
        table = [f"{header},read voltage (V)", *(f"{line},0.2" for line in lines)]
        measured.write_text("\n".join(table))
        arguments = []
    result = _fit(measured, "--bootstrap", 0, *arguments)
    assert result.exit_code == 0, result.output
    device = Device.load(tmp_path / "cells.toml")
    origin = device.evidence("v_read")
    assert device.v_read == 0.2
    assert origin.evidence == "derived"
    assert origin.source.startswith("read from cells.csv, SHA-256")
    (assumed,) = (line for line in result.output.splitlines() if line.startswith("not measured"))
    assert "v_read" not in assumed


def test_few_data_leave_spreads_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_measurement(tmp_path / "one.csv", measure(KNOWN, 1, 2, (80, 80), seed=1))
    result = _fit("one.csv", "--bootstrap", 0)
    assert "Warning: 1 cell" in result.output
    device = Device.load(tmp_path / "one.toml")
    assert (device.g_max_d2d, device.pulses_up_d2d) == (0, 0)


def test_files_are_not_overwritten_unless_told(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "cells.png").write_text("mine")
    refused = _fit(measured, "--bootstrap", 0)
    assert refused.exit_code == 2
    assert "--force" in refused.output
    assert not (tmp_path / "cells.toml").exists()
    assert (tmp_path / "cells.png").read_text() == "mine"
    assert _fit(measured, "--bootstrap", 0, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--like", "nothing"], "must be one of"),
        (["--out", "device.csv"], "must end in .toml"),
        (["--figure", "lab/cells.csv", "--force"], "is the measurement itself"),
        (["--out", "nowhere/x.toml"], "no such folder"),
        (["--out", "same.toml", "--figure", "./same.toml"], "is the file of --out as well"),
        (["--figure", "x.xyz"], "--figure: must be a .png file"),
        (["--figure", "/dev/full", "--force"], "--figure: must be a .png file"),
        (["--figure", "lab", "--force"], "--figure: must be a .png file"),
        (["--figure", "x" * 300 + ".png"], "cannot write"),
        (["--bootstrap", "5"], "at least 19"),
    ],
)
def test_a_refused_fit_writes_nothing(
    measured: Path, tmp_path: Path, arguments: list[str], told: str
) -> None:
    before = measured.read_bytes()
    result = _fit(measured, *arguments)
    assert result.exit_code == 2
    assert told in result.output
    assert result.output.strip().count("\n") == 0
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cells.csv", "lab"]
    assert measured.read_bytes() == before


def test_a_figure_is_written_into_regular_files_only(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/null")
    for name in ("folder.png", "device.png"):
        result = _fit(measured, "--figure", name, "--force")
        assert result.exit_code == 2
        assert f"cannot write {name}: not a regular file" in result.output
    assert (tmp_path / "device.png").is_symlink()
    assert not (tmp_path / "cells.toml").exists()


def test_a_bad_file_writes_nothing(measured: Path, tmp_path: Path) -> None:
    lines = measured.read_text().splitlines()
    lines[7] = lines[7].rsplit(",", 1)[0] + ",-1"
    measured.write_text("\n".join(lines))
    result = _fit(measured, "--bootstrap", 0)
    assert result.exit_code == 2
    assert "line 8: conductance must be at least 0" in result.output
    assert not list(tmp_path.glob("cells.*"))


def test_a_disk_that_is_full_leaves_nothing(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    result = _fit(measured, "--bootstrap", 0)
    assert result.exit_code == 2
    assert "No space left" in result.output
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cells.csv", "lab"]
