"""Folders of sweeps and studies: what is not cbramsim's stays, and what is refused leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cbramsim.core.errors import CbramError, DataError
from cbramsim.experiments.cli import main
from cbramsim.experiments.results import saved_in
from cbramsim.experiments.study.folder import study_folder

STUDIES = (
    "pruning", "compare-devices", "attribute", "robustness", "wires", "array", "ladder",
    "neurons",
)  # fmt: skip
SMALL = ("--set", "train_images=20", "--set", "test_images=10")


def cbram(command: str, out: Path, *arguments: str) -> Result:
    small = () if command in ("ladder", "array", "wires") else SMALL
    return CliRunner().invoke(main, [command, "--out", str(out), *small, *arguments])


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert result.output.strip().count("\n") == 0


@pytest.mark.parametrize("command", STUDIES)
def test_a_study_leaves_alone_what_it_did_not_make(tmp_path: Path, command: str) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("not to be touched")
    refused(cbram(command, tmp_path, "--force"), "exists and cbramsim did not make it")
    assert list(tmp_path.iterdir()) == [thesis]
    address = ("--scheduler", "localhost")
    refused(cbram(command, tmp_path / "out", *address), "--scheduler: must be tcp://HOST:PORT")
    refused(cbram(command, tmp_path / "out", "--workers", "1000000"), "--workers: must be a whole")
    refused(cbram(command, tmp_path / "out", "--seeds", f"1{'0' * 30}"), "at most 100,000 runs")
    assert list(tmp_path.iterdir()) == [thesis]


def test_cache_fit_leaves_alone_what_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("not to be touched")
    arguments = ["cache-fit", "--no-measure", "--out", str(tmp_path), "--force"]
    refused(CliRunner().invoke(main, arguments), "exists and cbramsim did not make it")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def fail_in(out: Path, written: str) -> None:
    """Begin a study that writes a file, if it has a name, and fails."""
    with study_folder(out, "array"):
        assert (out / ".cbramsim").read_text() == "cbram array\n"
        if written:
            (out / written).touch()
        raise CbramError("no")


def test_a_new_folder_goes_again_if_nothing_was_written(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with pytest.raises(CbramError, match="no"):
        fail_in(out, "")
    assert not (tmp_path / "a").exists()
    with pytest.raises(CbramError, match="no"):
        fail_in(out, "speed.json")
    assert {path.name for path in out.iterdir()} == {".cbramsim", "speed.json"}
    with study_folder(out, "array"):
        pass
    assert (out / "speed.json").exists()
    with pytest.raises(CbramError, match="was made by cbram array, not by cbram ladder"):
        study_folder(out, "ladder").__enter__()
    with pytest.raises(CbramError, match="is inside"):
        study_folder(out / "c", "array").__enter__()


@pytest.mark.parametrize("name", ["x" * 300, "file", "file/x"])
def test_folders_that_there_cannot_be_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CbramError, match="out: "):
        study_folder(tmp_path / name, "array").__enter__()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_damaged_file_of_a_study_is_named(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    for error in (ValueError("x"), KeyError("x"), TypeError("x"), OSError("x")):
        with pytest.raises(DataError, match=r"speed\.json: is damaged; remove it"), saved_in(path):
            raise error
