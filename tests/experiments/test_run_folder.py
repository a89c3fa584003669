"""The folder of a run: nothing in it is lost, whatever ends the run."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cbramsim.core import files
from cbramsim.core.errors import CbramError
from cbramsim.core.toml_files import read_toml
from cbramsim.experiments import run_folder, train
from cbramsim.experiments.cli import main
from cbramsim.experiments.train import training
from cbramsim.experiments.train.learning_curve import LearningCurve
from tests.simulator.images.test_datasets import write_dataset

SETTINGS = ("--epochs", 2, "--neurons", 6, "--quiet", "--set", "pruning.mature_spikes=5")


def cbram(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture(autouse=True)
def _drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without the time that they take."""

    def draw(self: train.Run) -> None:
        with run_folder.held(self.out):
            for name in run_folder.FIGURES:
                files.write_atomically(self.out / name, lambda file: file.write(b"picture"))

    monkeypatch.setattr(train.Run, "draw", draw)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    write_dataset(folder, counts=(500, 500, 60, 60))
    return folder


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    result = cbram("train", "--dataset", data, *SETTINGS, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def same_end(first: Path, second: Path) -> None:
    """The same names, the same bits of the state, and the same metrics."""
    assert set(contents(first)) == {"config.toml", "metrics.json", "state.npz", *run_folder.FIGURES}
    a, b = np.load(first / "state.npz"), np.load(second / "state.npz")
    assert set(a.files) == set(b.files)
    for name in set(a.files) - {"extra_seconds"}:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    seconds = ("training_seconds", "images_per_second")
    one, two = (
        {key: value for key, value in read(f).items() if key not in seconds}
        for f in (first, second)
    )
    assert one == two


def killed(operation: int, args: list[object], out: Path) -> bool:
    """Run in a process that ends before its n-th operation on a file in `out`, as by kill -9."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    seen = 0

    def audit(event: str, details: tuple) -> None:
        nonlocal seen
        changes = event in ("os.rename", "os.remove", "os.mkdir") or (
            event == "open" and isinstance(details[2], int) and details[2] & os.O_CREAT
        )
        if changes and str(details[0]).startswith(str(out)):
            seen += 1
            if seen == operation:
                os._exit(9)

    sys.addaudithook(audit)
    training.SAVE_EVERY = 0.0
    cbram(*args, "--out", out)
    os._exit(0)


@pytest.mark.parametrize("operation", [2, 3, 6, 8, 11, 12, 14, 17, 33, 34, 37])
def test_a_killed_run_goes_on(data: Path, finished: Path, tmp_path: Path, operation: int) -> None:
    out = tmp_path / "run"
    command = ["train", "--dataset", data, *SETTINGS]
    assert killed(operation, command, out)
    again = command if run_folder.is_empty(out) else ["train", "--resume", "--quiet"]
    result = cbram(*again, "--out", out)
    assert result.exit_code == 0, result.output
    same_end(out, finished)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_asks_for_the_end_the_state_is_saved(
    data: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: signal.Signals,
) -> None:
    out = tmp_path / "my run"
    add, save = LearningCurve.add, train.Run.save

    def add_and_stop(self, *args) -> None:
        add(self, *args)
        signal.raise_signal(stop)

    def stop_and_save(self) -> None:
        signal.raise_signal(stop)
        save(self)

    monkeypatch.setattr(LearningCurve, "add", add_and_stop)
    monkeypatch.setattr(train.Run, "save", stop_and_save)
    result = cbram("train", "--dataset", data, *SETTINGS, "--out", out)
    assert result.exit_code == 128 + stop
    assert result.output.strip() == (
        f"Interrupted; the state is saved; go on with: cbram train --resume --out '{out}'"
    )
    assert np.load(out / "state.npz")["progress"][2] == 200
    monkeypatch.setattr(LearningCurve, "add", add)
    monkeypatch.setattr(train.Run, "save", save)
    assert cbram("train", "--resume", "--quiet", "--out", out).exit_code == 0
    same_end(out, finished)


@pytest.mark.parametrize("phase", ["label", "recognise"])
def test_an_interrupt_after_training_costs_no_training(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    out = tmp_path / "run"

    def stop(*_, **__) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(train.SpikingNetwork, phase, stop)
    result = cbram("train", "--dataset", data, *SETTINGS, "--out", out)
    assert result.exit_code == 128 + signal.SIGTERM
    assert "the state is saved" in result.output
    assert np.load(out / "state.npz")["progress"][2] == 1000
    monkeypatch.undo()
    assert not (out / "metrics.json").exists()


def test_a_run_that_is_trained_longer_keeps_its_results_until_there_are_new_ones(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = contents(out)
    fsync = os.fsync
    for room in (0, 1, 2, 3):  # writes that the disk has room for
        left = room

        def full(descriptor: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        result = cbram("train", "--resume", "--epochs", 3, "--quiet", "--out", out)
        assert result.exit_code == 2
        assert "No space left on device" in result.output
        assert len(result.output.splitlines()) == 1
        now = contents(out)
        now["state.npz"] = before["state.npz"]  # which alone may be ahead
        assert now == before
        assert cbram("compare", out).exit_code == 0
    monkeypatch.setattr(os, "fsync", fsync)
    assert cbram("train", "--resume", "--quiet", "--out", out).exit_code == 0, "it knows how far"
    assert read(out)["epochs"] == read_toml(out / "config.toml")["epochs"] == 3
    run_folder.write_config(out, train.TrainConfig(**read_toml(finished / "config.toml")))
    assert "is of epochs = 3, config.toml of 2" in cbram("compare", out).output


def test_a_run_is_overwritten_only_where_there_is_room(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    before = contents(out)

    def full(_: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(run_folder, "config_text", full)
    result = cbram("train", "--dataset", data, *SETTINGS, "--force", "--out", out)
    assert result.exit_code == 2
    assert contents(out) == before


def test_one_run_at_a_time_writes_a_folder(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    add, refusals = LearningCurve.add, []

    def another() -> None:
        for force in (False, True):
            try:
                with run_folder.writing(out, force=force):
                    pass
            except CbramError as error:
                refusals.append(str(error))
        try:
            train.resume(out)
        except CbramError as error:
            refusals.append(str(error))

    def add_and_try(self, *args) -> None:
        add(self, *args)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(another).result()

    monkeypatch.setattr(LearningCurve, "add", add_and_try)
    assert cbram("train", "--dataset", data, *SETTINGS, "--out", out).exit_code == 0
    same_end(out, finished)
    exists, *held = refusals[:3]
    assert "use --force" in exists
    assert all(f"is being written by process {os.getpid()} on " in text for text in held)


def test_all_versions_of_a_run_are_kept(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    newer = run_folder.versions() | {"cbramsim": "99.0"}
    assert read(out)["earlier_versions"] == []
    monkeypatch.setattr(run_folder, "versions", lambda: newer)
    assert cbram("train", "--resume", "--epochs", 3, "--quiet", "--out", out).exit_code == 0
    monkeypatch.undo()
    assert read(out)["versions"] == newer
    assert read(out)["earlier_versions"] == [run_folder.versions()]


def test_a_folder_of_somebody_else_is_left_alone(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "config.toml").write_text("seed = 1\n")
    (out / "metrics.json").write_text("{}")
    before = contents(out)
    for force in ((), ("--force",)):
        result = cbram("train", "--dataset", data, *SETTINGS, *force, "--out", out)
        assert result.exit_code == 2
        assert "cbramsim did not make it" in result.output
    with pytest.raises(CbramError, match="cbramsim did not make it"):
        run_folder.claim(out, "array")
    assert contents(out) == before


def test_a_study_claims_its_folder(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    for _ in range(2):
        run_folder.claim(out, "array")
    (out / "array.json").write_text("{}")
    run_folder.claim(out, "array")
    with pytest.raises(CbramError, match="was made by cbram array, not by cbram ladder"):
        run_folder.claim(out, "ladder")
    with pytest.raises(CbramError, match="did not make it"):
        run_folder.claim(out.parent, "array")
    old = tmp_path / "old"
    old.mkdir()
    (old / "ladder.json").write_text(json.dumps({"versions": run_folder.versions()}))
    run_folder.claim(old, "ladder")
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    with pytest.raises(CbramError, match="did not make it"):
        run_folder.claim(copy, "array")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("", "must be the name of a file or folder (got '')"),
        ("a\0b", "must be the name of a file or folder"),
        ("x" * 300, "File name too long"),
        ("new/" + "x" * 300, "File name too long"),
        ("link", "is a link to nothing"),
        ("/proc/none/run", "cannot write /proc/none/run"),
        ("/dev/null", "is a file"),
    ],
)
def test_a_folder_out_of_reach_is_refused_by_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("nothing")
    result = cbram("train", "--dataset", data, *SETTINGS, "--out", out)
    assert result.exit_code == 2
    assert message in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
    result = cbram("train", "--resume", "--out", out)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_predicting_writes_new_regular_files_only(
    data: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreached(*_: object) -> None:
        raise AssertionError("refused before the work")

    monkeypatch.setattr("cbramsim.experiments.predict.run", unreached)
    images = data / "t10k-images-idx3-ubyte.gz"
    (tmp_path / "link").symlink_to("nothing")
    for out, message in (
        ("/dev/null", "exists"), (tmp_path, "exists"), (tmp_path / "link", "exists"),
        (tmp_path / "no" / "file", "No such file"), (tmp_path / ("x" * 256), "too long"),
    ):  # fmt: skip
        result = cbram("predict", finished, images, "--out", out)
        assert result.exit_code == 2
        assert message in result.output
        assert len(result.output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("command", "redirection", "status", "errors"),
    [
        ("--help", "> /dev/full", 2, "Error: standard output: No space left on device\n"),
        ("keys", "> /dev/full", 2, "Error: standard output: No space left on device\n"),
        ("keys", ">&-", 2, "Error: standard output is closed; /dev/null may take its place\n"),
        ("keys", "| head -1", 0, ""),
        ("compare /none", "2> /dev/full", 2, ""),
    ],
)
def test_output_that_cannot_be_written_is_told(
    command: str, redirection: str, status: int, errors: str
) -> None:
    line = f"{sys.executable} -m cbramsim.experiments {command} {redirection}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, errors)


def test_other_images_are_not_gone_on_with(data: Path, finished: Path, tmp_path: Path) -> None:
    """Of the same number, shape and labels: they were taken for those of the run."""
    other, out = tmp_path / "data", tmp_path / "out"
    write_dataset(other)
    shutil.copytree(finished, out)
    config = (out / "config.toml").read_text().replace(str(data), str(other))
    assert str(other) in config
    images = dict.fromkeys(p for p in other.iterdir() if "train-images" in p.name)
    for path in images:
        original = data / path.name
        path.write_bytes(_rolled(original.read_bytes()))
    for path in other.iterdir():
        if path not in images:
            shutil.copy(data / path.name, path)
    (out / "config.toml").write_text(config)
    state = dict(np.load(out / "state.npz"))
    state["config"] = np.array(str(state["config"]).replace(str(data), str(other)))
    np.savez(out / "state.npz", **state)
    before = contents(out)
    result = cbram("train", "--resume", "--epochs", 3, "--quiet", "--out", out)
    assert result.exit_code == 2
    assert "the images are not those that the run has learned from" in result.output
    assert contents(out)["metrics.json"] == before["metrics.json"]


def _rolled(content: bytes) -> bytes:
    """An IDX file of images, gzipped or not, whose last image is the first."""
    packed = content[:2] == b"\x1f\x8b"
    plain = gzip.decompress(content) if packed else content
    size = int.from_bytes(plain[8:12], "big") * int.from_bytes(plain[12:16], "big")
    plain = plain[:16] + plain[-size:] + plain[16:-size]
    return gzip.compress(plain, mtime=0) if packed else plain


@pytest.mark.parametrize("name", ["config.toml", "learning.png", "metrics.json"])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_of_ours_is_not_overwritten(
    data: Path, finished: Path, tmp_path: Path, name: str, kind: str
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    shutil.copytree(finished, out)
    elsewhere.write_bytes((out / name).read_bytes() if (out / name).exists() else b"mine")
    (out / name).unlink(missing_ok=True)
    if kind == "folder":
        (out / name).mkdir()
    else:
        (out / name).symlink_to(elsewhere)
    before = elsewhere.read_bytes(), sorted(path.name for path in out.iterdir())
    result = cbram("train", "--dataset", data, *SETTINGS, "--out", out, "--force")
    assert result.exit_code == 2
    assert name in result.output or "did not make it" in result.output
    assert (elsewhere.read_bytes(), sorted(path.name for path in out.iterdir())) == before


def test_the_configuration_of_somebody_else_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("neurons = 5  # mine\n")
    result = cbram("train", "--resume", "--out", tmp_path)
    assert result.exit_code == 2
    assert "its config.toml was not written by cbram train" in result.output
    assert (tmp_path / "config.toml").read_text() == "neurons = 5  # mine\n"


def test_test_images_are_looked_at_before_training(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (60, 6, 6)).astype(np.uint8)
    wrong = np.full((20, 6, 6), np.nan)
    labels = np.arange(60) % 3
    np.savez(
        tmp_path / "a.npz", x_train=grey / 255, y_train=labels, x_test=wrong, y_test=labels[:20]
    )
    out = tmp_path / "out"
    result = cbram("train", "--dataset", tmp_path / "a.npz", *SETTINGS, "--out", out)
    assert result.exit_code == 2
    assert "images must be grey levels" in result.output
    assert not (out / "state.npz").exists()
