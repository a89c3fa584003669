"""`cbram devices`: the table, one device in full, its figure, and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cbramsim.devices.device import Device
from cbramsim.devices.export.plain import to_dict
from cbramsim.experiments.catalog import table
from cbramsim.experiments.catalog.figure import draw_device
from cbramsim.experiments.cli import main

PRESETS = sorted(Device.catalog())
QUIET = Device.load("subquantum-cbram").without_variability()


def cbram(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.output


# ---- the table ---------------------------------------------------------------------------------


def test_the_table_has_one_aligned_row_per_technology() -> None:
    lines = cbram("devices").output.splitlines()
    rows = [line for line in lines if line.split(" ")[0] in PRESETS]
    names = [row.split()[0] for row in rows]
    assert sorted(names) == PRESETS
    shares = [Device.load(name).sourced_share for name in names]
    assert shares == sorted(shares, reverse=True), "what is best documented comes first"
    assert len({len(row) for row in rows}) == 1
    assert max(map(len, lines)) <= 160


def test_a_row_tells_what_is_in_the_benchmark() -> None:
    lines = cbram("devices").output.splitlines()
    row = next(line for line in lines if line.startswith("pcmo"))
    for text in ("6.36 nS – 43.5 nS", "2 V 1 ms", "99.7 pJ", "+3.68 -6.76", "1/10/20", "68%"):
        assert text in row


# ---- one in full -------------------------------------------------------------------------------


def test_every_stated_parameter_is_printed_with_its_source() -> None:
    device = Device.load("gst-pcm")
    shown = cbram("devices", "gst-pcm", "--no-figure").output
    named = [line.split()[0] for line in shown.splitlines() if line and line[0] != " "]
    assert set(device.provenance) <= set(named)
    assert "endurance" not in named
    words = " ".join(shown.split())
    assert all(" ".join(o.source.split()) in words for o in device.provenance.values())
    for text in ("on/off ratio 19.8", "100 set pulses", "-10.7 % per decade", "10 of 23"):
        assert text in words


def test_retention_and_states_are_derived() -> None:
    words = " ".join(cbram("devices", "metal-cbram", "--no-figure").output.split())
    assert "10 year at 55 °C" in words
    assert "states 10 " in words
    assert "endurance 10,000 pulses" in words


def test_a_users_file_is_shown_and_changed_values_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = Device.catalog()["ideal"].read_text().replace('"ideal"', '"mine"')
    file.write_text(text + "\n[levels]\nvalue = 16\nevidence = 'published'\nsource = 'data'\n")
    shown = cbram("devices", file, "--no-figure").output
    assert shown.startswith("mine: ")
    assert "11 of 12 stated" in shown


# ---- JSON --------------------------------------------------------------------------------------


def test_the_catalog_as_json() -> None:
    devices = json.loads(cbram("devices", "--json").output)
    assert [device["name"] for device in devices] == PRESETS
    for entry in devices:
        device = Device.load(entry["name"])
        assert set(device.provenance) == set(entry["parameters"])
        assert set(entry["parameters"]["g_min"]) == {"value", "unit", "evidence", "source"}
        assert entry["parameters"]["g_max"]["value"] == device.g_max
        derived = entry["derived"]
        assert derived["on_off_ratio"] == pytest.approx(device.g_max / device.g_min)
        at_mid = device.v2t_set * device.g_mid + device.gate_set
        assert derived["energy_joules"]["set"]["g_mid"] == pytest.approx(at_mid)
        assert ("retention_seconds_at_celsius" in derived) == bool(device.retention_time)


def test_one_device_as_json_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(cbram("devices", "pcmo", "--json").output)["name"] == "pcmo"
    assert not list(tmp_path.iterdir())


def test_energies_are_those_of_the_benchmark() -> None:
    """V² (g_max + g_min) / 2 t of the published parameters, to their three digits."""
    for name, up, down in (
        ("ag-a-si", 64e-12, 49e-12), ("taox-tio2", 54e-9, 13.5e-9), ("alox-hfo2", 2.9e-9, 3.6e-9),
        ("gst-pcm", 0.33e-9, 0.13e-9), ("epiram", 0.79e-9, 0.28e-9), ("pcmo", 100e-12, 100e-12),
    ):  # fmt: skip
        device = Device.load(name)
        energy = device.energies(device.g_mid)
        assert energy["set"] == pytest.approx(up, rel=0.05)
        assert energy["reset"] == pytest.approx(down, rel=0.05)


def test_pulses_end_to_end_are_counted_where_the_law_has_no_such_number() -> None:
    straight = QUIET.replace(nonlinearity_up=0.0, nonlinearity_down=0.0)
    power = straight.replace(law="power", exponent_up=1.0, exponent_down=0.0, pulses_up=1000)
    # (1 - x) = exp(-P / N): to 99 % in N ln 100
    assert power.pulses_end_to_end("up") == pytest.approx(1000 * np.log(100), rel=1e-3)
    assert power.pulses_end_to_end("down") == pytest.approx(0.99 * 64)
    dead = straight.replace(law="table", shape_up=(1.0, 0.0, 0.0), shape_down=(1.0, 1.0))
    assert dead.pulses_end_to_end("up") == np.inf
    assert to_dict(dead)["derived"]["pulses_up"] is None
    assert "∞ set pulses" in table.in_full(dead)


# ---- the figure --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["metal-cbram", "hzo-fefet", "ideal"])
def test_a_device_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert cbram("devices", name).exit_code == 0
    written = tmp_path / f"{name}.png"
    assert written.read_bytes().startswith(b"\x89PNG")
    refused(cbram("devices", name), f"{name}.png exists; use --force")
    assert cbram("devices", name, "--force").exit_code == 0


def test_devices_with_any_behaviour_are_drawn(tmp_path: Path) -> None:
    table_law = QUIET.replace(
        law="table", nonlinearity_up=0.0, nonlinearity_down=0.0, shape_up=(1.0, 0.0),
        shape_down=(1.0, 0.5, 0.2), stuck_open=0.1, levels=4, step_c2c=0.1, v_sinh=0.2,
    )  # fmt: skip
    draw_device(table_law, tmp_path / "table.png")
    draw_device(QUIET.replace(pulses_up=1.0, pulses_down=5000.0), tmp_path / "jump.png")
    assert len(list(tmp_path.iterdir())) == 2


# ---- for other programs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "first"),
    [
        (".cir", "* pcmo: "), (".sp", "* pcmo: "), (".SPICE", "* pcmo: "), (".va", "// pcmo: "),
        (".json", "{\n"), (".toml", 'name = "pcmo"\n'),
    ],
)  # fmt: skip
def test_a_device_is_written_for_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, first: str
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path(f"cell{suffix}")
    result = cbram("devices", "pcmo", "--export", file)
    assert result.exit_code == 0, result.output
    assert f"written to {file}" in result.stderr
    text = file.read_text()
    assert text.startswith(first)
    assert text.endswith("\n")
    assert list(tmp_path.iterdir()) == [tmp_path / file]
    refused(cbram("devices", "pcmo", "--export", file), "--export: cell")
    assert cbram("devices", "pcmo", "--export", file, "--force").exit_code == 0
    if suffix == ".toml":
        assert Device.load(file) == Device.load("pcmo")


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    for file in ("cell.pdf", "cell"):
        refused(
            cbram("devices", "pcmo", "--export", tmp_path / file),
            "must be a file whose name ends in .cir, .sp, .spice, .va, .json or .toml",
        )
    refused(cbram("devices", "--export", tmp_path / "all.cir"), "--export: needs a NAME")
    refused(cbram("devices", "hzo-fefet", "--export", tmp_path / "x.va"), "c_gate must be 0")
    mine = tmp_path / "mine.toml"
    mine.write_text(Device.catalog()["ideal"].read_text())
    refused(cbram("devices", mine, "--export", mine, "--force"), "is the device")
    assert list(tmp_path.iterdir()) == [mine]


def test_bad_requests_are_refused(tmp_path: Path) -> None:
    refused(cbram("devices", "pmco"), "did you mean 'pcmo'?")
    refused(cbram("devices", "--figure", "x.png"), "--figure: needs a NAME")
    refused(cbram("devices", "pcmo", "--no-figure", "--figure", "x.png"), "--figure: needs")
    refused(cbram("devices", "pcmo", "--figure", tmp_path / "x.pdf"), "must be a .png file")
    refused(cbram("devices", "pcmo", "--figure", tmp_path / "none" / "x.png"), "cannot write")
    link = tmp_path / "link.png"
    link.symlink_to("/dev/null")
    refused(cbram("devices", "pcmo", "--figure", link, "--force"), "not a regular file")
    assert list(tmp_path.iterdir()) == [link]


def test_listing_imports_no_plots() -> None:
    code = (
        "import sys\nfrom cbramsim.experiments.cli import main\n"
        "try:\n    main(['devices'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numba', 'matplotlib'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
