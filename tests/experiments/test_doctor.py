"""`cbram doctor` says what is there, and how to mend what is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from numba import config

import cbramsim
from cbramsim.core import kernels
from cbramsim.experiments import doctor
from cbramsim.experiments.cli import main
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.writing import program_column
from cbramsim.simulator.cuda import coverage
from cbramsim.simulator.images import datasets
from tests.test_imports import ROOT

compiled = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is compiled")


def checked(healthy: bool = True) -> dict[str, dict[str, str]]:
    """Return what the command finds, by what it looked at; its status must fit."""
    result = CliRunner().invoke(main, ["doctor", "--json"])
    content = json.loads(result.stdout)
    assert content["healthy"] == healthy, result.output
    assert result.exit_code == (0 if healthy else 1)
    return {check["what"]: check for check in content["checks"]}


def test_here_all_that_is_needed_is_there() -> None:
    checks = checked()
    assert checks["numpy"]["found"] == version("numpy")
    assert cbramsim.__version__ in checks["cbramsim"]["found"]
    assert "60,000 training and 10,000 test images" in checks["MNIST"]["found"]
    assert checks["a kernel"]["found"].startswith("right")
    assert "cores" in checks["machine"]["found"]
    wanting = [check for check in checks.values() if check["state"] in ("absent", "missing")]
    assert all(check["mend"] for check in wanting)


def test_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = dict(text.split(">=") for text in project["dependencies"])
    assert needed | {"llvmlite": ""} == doctor.NEEDED
    extras = project["optional-dependencies"]
    of_contributors = {"docs", "test", "dev"}
    wanted = [text for name in extras.keys() - of_contributors for text in extras[name]]
    parts = doctor.PARTS_OF_PACKAGES
    assert sorted(wanted) == sorted(
        f"{name}{parts.get(name, '')}>={least}" for name, (least, _) in doctor.OPTIONAL.items()
    )
    least = project["requires-python"].removeprefix(">=")
    assert sys.version_info[:2] >= tuple(map(int, least.split(".")))


def test_the_table_has_a_line_for_each_and_the_commands_below() -> None:
    checks = [
        doctor.Check("a", "ok", "1.0"),
        doctor.Check("longer", "missing", "not installed", "pip install longer"),
        doctor.Check("b", "absent", "not there", "pip install b"),
    ]
    assert doctor.table(checks).splitlines() == [
        "ok       a       1.0",
        "missing  longer  not installed",
        "absent   b       not there",
        "",
        "To mend it:",
        "  longer  pip install longer",
        "  b       pip install b",
        "",
        "Something needed is missing.",
    ]
    assert doctor.table(checks[:1]).endswith("1.0\n\nAll that is needed is there.")


@pytest.mark.parametrize(
    ("name", "there", "state", "found"),
    [
        ("scipy", None, "missing", "not installed"),
        ("scipy", "1.10.1", "missing", "1.10.1; 1.11 or newer is needed"),
        ("scipy", "1.11rc1", "ok", "1.11rc1"),
        ("scipy", "2.0", "ok", "2.0"),
        ("nir", None, "absent", "not installed (networks in NIR)"),
        ("numba-cuda", None, "absent", "not installed (graphics cards)"),
    ],
)
def test_a_package_that_is_missing_or_old_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, name: str, there: str | None, state: str, found: str
) -> None:
    def installed(package: str) -> str:
        if package != name:
            return version(package)
        if there is None:
            raise PackageNotFoundError(package)
        return there

    monkeypatch.setattr(doctor, "version", installed)
    check = checked(healthy=state != "missing")[name]
    assert (check["state"], check["found"]) == (state, found)
    extra = "[cu12]" if name == "numba-cuda" else ""
    assert (f"-m pip install '{name}{extra}>=" in check["mend"]) == (state != "ok")


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in the place of that of the bundled data, without any."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    monkeypatch.setattr(datasets, "resources", SimpleNamespace(files=lambda _: tmp_path))
    datasets._bundled.cache_clear()
    yield folder
    datasets._bundled.cache_clear()


def test_no_data_is_said(bundled: Path) -> None:
    check = checked(healthy=False)["MNIST"]
    assert check["state"] == "missing"
    assert "-m pip install --force-reinstall" in check["mend"]


def test_damaged_data_are_said(bundled: Path) -> None:
    shutil.copytree(ROOT / "cbramsim" / "data" / "mnist", bundled, dirs_exist_ok=True)
    file = bundled / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-1])
    assert "wrong SHA-256" in checked(healthy=False)["MNIST"]["found"]


@compiled
def test_loops_that_cannot_be_kept_are_slow_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels._Located, "_locator_classes", [])
    monkeypatch.setattr(program_column, "_cache", kernels._LoopCache(program_column.py_func))
    check = checked()["compiled loops"]
    assert check["state"] == "slow"
    assert "no folder can be written" in check["found"]
    assert "NUMBA_CACHE_DIR" in check["mend"]


@compiled
def test_loops_in_a_folder_for_temporary_files_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernels._Located, "_locator_classes", [kernels._PrivateLocator])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(program_column, "_cache", kernels._LoopCache(program_column.py_func))
    check = checked()["compiled loops"]
    assert check["state"] == "slow"
    assert f"in {tmp_path}" in check["found"]


@compiled
def test_loops_are_counted_where_they_are_kept(tmp_path: Path) -> None:
    """In processes of their own: the first compiles, the second finds what the first has kept."""
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "cbramsim", "doctor", "--json"],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not done.stderr
        found.append({check["what"]: check for check in json.loads(done.stdout)["checks"]})
    first, second = found
    assert "compiled in" in first["a kernel"]["found"]
    assert "taken from the cache in" in second["a kernel"]["found"]
    loops = list(tmp_path.rglob("*.nbc"))
    assert loops
    for checks in found:
        assert checks["compiled loops"]["found"].startswith(f"{len(loops)} of them, ")
        assert f"in {tmp_path}, which" in checks["compiled loops"]["found"]


def test_a_kernel_that_does_nothing_is_ill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Crossbar, "program", lambda *_: None)
    check = checked(healthy=False)["a kernel"]
    assert "moved the cells by [0. 0. 0. 0.] S" in check["found"]


def test_whatever_cannot_be_looked_at_is_told_with_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(what: str) -> Any:
        raise ImportError("libgone.so:\ncannot open shared object file")

    monkeypatch.setitem(doctor.LOOKS, "a kernel", broken)
    checks = checked(healthy=False)
    told = "ImportError: libgone.so: cannot open shared object file"
    assert checks["a kernel"]["found"] == told
    assert checks["MNIST"]["state"] == "ok"


def test_what_needs_a_package_that_is_missing_is_mended_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(package: str) -> str:
        if package == "numpy":
            raise PackageNotFoundError(package)
        return version(package)

    def broken(what: str) -> Any:
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr(doctor, "version", gone)
    monkeypatch.setitem(doctor.LOOKS, "MNIST", broken)
    checks = checked(healthy=False)
    assert checks["MNIST"]["found"] == "needs numpy"
    assert checks["MNIST"]["mend"] == checks["numpy"]["mend"]
    text = CliRunner().invoke(main, ["doctor"]).output
    assert text.count(checks["numpy"]["mend"]) == 1


def test_a_card_is_told_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(
        get_current_device=lambda: SimpleNamespace(name=b"A card"),
        current_context=lambda: SimpleNamespace(get_memory_info=lambda: (60 * 10**9, 80 * 10**9)),
    )
    monkeypatch.setattr(coverage, "missing", lambda: "")
    monkeypatch.setattr(coverage, "SIMULATED", False)
    monkeypatch.setattr("numba.cuda", card, raising=False)
    check = checked()["graphics card"]
    assert check["state"] == "ok"
    assert check["found"] == "A card, 80 GB of memory, 60 GB of it free"


def test_no_card_is_no_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "missing", lambda: "no graphics card is found")
    monkeypatch.setattr(coverage, "SIMULATED", False)
    check = checked()["graphics card"]
    assert (check["state"], check["found"]) == ("absent", "no graphics card is found")
    assert check["mend"]
