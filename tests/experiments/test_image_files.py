"""Data sets as people have them, through the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.toml_files import read_toml
from tests.experiments.test_cli import cbram, refused
from tests.simulator.images.test_picture_files import GREY, write_pictures

TINY = ["--epochs", "1", "--neurons", "5", "--quiet"]
CLASSES = ("cat, wild", "co$t$", "dog")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pets"), CLASSES, images=GREY)


@pytest.fixture(scope="module")
def finished(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = cbram("train", "--dataset", ".", *TINY, "--out", "run")
    assert result.exit_code == 0, result.output
    return folder / "run"


def test_classes_keep_their_names(finished: Path, folder: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["classes"] == list(CLASSES)
    assert np.shape(metrics["confusion"]) == (3, 3)
    assert (finished / "confusion.png").is_file()
    assert read_toml(finished / "config.toml")["dataset"] == str(folder)


def test_a_run_on_pictures_is_resumed_elsewhere(
    finished: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cbram("train", "--resume", "--out", finished, "--quiet")
    assert result.exit_code == 0, result.output


def test_a_sweep_over_files_of_images(folder: Path, tmp_path: Path) -> None:
    images, labels = np.repeat(GREY, 3, axis=0), np.tile([0, 1, 2], len(GREY))
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels[:, None]}
    np.savez(tmp_path / "pets.npz", **arrays)
    (tmp_path / "grid.toml").write_text(
        "base = {epochs = 1, neurons = 5}\n"
        f"grid = {{dataset = ['{folder}', '{tmp_path / 'pets.npz'}']}}\n"
    )
    out = tmp_path / "out"
    for _ in range(2):
        result = cbram("sweep", tmp_path / "grid.toml", "--out", out, "--workers", 1, "--quiet")
        assert result.exit_code == 0, result.output
    files = sorted((out / "runs").glob("*/metrics.json"))
    confusions = [json.loads(file.read_text())["confusion"] for file in files]
    assert len(confusions) == 2
    assert confusions[0] == confusions[1], "the same images, in the same order"


def test_predicting_from_any_file(finished: Path, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", GREY)
    np.save(tmp_path / "labels.npy", np.zeros((8, 1), int))
    np.savez(tmp_path / "images.npz", images=GREY, labels=np.zeros(8, int))
    plain = cbram("predict", finished, tmp_path / "images.npy", "--labels", tmp_path / "labels.npy")
    assert plain.exit_code == 0, plain.output
    header, *rows = plain.stdout.splitlines()
    assert (header, len(rows)) == ("index,class,name", 8)
    both = tmp_path / "images.npz"
    again = cbram("predict", finished, both, "--labels", both)
    assert (again.stdout, again.stderr) == (plain.stdout, plain.stderr)
    pictures = cbram("predict", finished, folder / "test" / "dog")
    assert pictures.stdout.splitlines() == [
        f"{header},file", *(f"{row},{n}.png" for n, row in enumerate(rows))
    ]  # fmt: skip
    one = cbram("predict", finished, folder / "test" / "dog" / "0.png")
    assert one.stdout.splitlines() == [f"{header},file", f"{rows[0]},0.png"]


def test_bad_files_are_refused(finished: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    (tmp_path / "a.npz").write_text("hello")
    refused(cbram("predict", finished, tmp_path), "a.png: not a picture that can be read")
    refused(cbram("predict", finished, tmp_path / "a.npz"), "a.npz: not a .npz file")
    refused(cbram("predict", finished, folder / "test" / "dog", "--labels", tmp_path), "directory")
    refused(cbram("predict", finished, "/dev/zero"), "/dev/zero: not an IDX file")
    for dataset, message in (
        ("mnsit", "did you mean 'mnist'"),
        ("", "must be a name or a path"),
        (tmp_path / "a.npz", "not a .npz file"),
        (folder / "test", "train/CLASS and test/CLASS"),
        (folder / "test" / "dog" / "0.png", "dataset: must be mnist, a folder of IDX files"),
    ):
        out = tmp_path / "out"
        refused(cbram("train", "--dataset", dataset, *TINY, "--out", out), message)
        assert not out.exists()
