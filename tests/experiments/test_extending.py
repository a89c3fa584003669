"""Runs that are gone on with: to a later end, or from a state that is not theirs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.experiments.cli import main
from cbramsim.experiments.train import Run

ARGS = ("--train-images", "600", "--neurons", "6", "--quiet")
SETTINGS = ("inputs=40", "test_images=100", "pruning.maturity=trained")


def cbram(*args: object) -> Any:
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    given = [*map(str, args), *([] if "--resume" in args else settings)]
    return CliRunner().invoke(main, given)


@pytest.fixture(autouse=True)
def _not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures but those of the run that all tests share: they take most of the time."""
    monkeypatch.setattr(Run, "draw", lambda run: None)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "once"
    result = cbram("train", *ARGS, "--epochs", 1, "--device", "gst-pcm", "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_a_finished_run_that_is_extended_is_the_longer_run(once: Path, tmp_path: Path) -> None:
    twice, extended = tmp_path / "twice", tmp_path / "extended"
    result = cbram("train", *ARGS, "--epochs", 2, "--device", "gst-pcm", "--out", twice)
    assert result.exit_code == 0, result.output
    shutil.copytree(once, extended)
    result = cbram("train", "--resume", "--epochs", 2, "--quiet", "--out", extended)
    assert result.exit_code == 0, result.output
    first, second = (np.load(folder / "state.npz") for folder in (twice, extended))
    assert set(first.files) == set(second.files)
    for name in first.files:
        if name != "extra_seconds":
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("progress", [1, 200, 600], "progress must be of passes over 600 images"),
        ("progress", [9, 0, 600], "TrainConfig.epochs: must be a whole number >= 9"),
        ("progress", [0, 3400, 600], "the position must be < 600"),
        ("pass_images", [3000, 1], "progress must be of passes over 600 images"),
        ("wear", None, "wear must be"),
        ("extra_seconds", -1.0, "seconds must be >= 0"),
        ("extra_seconds", np.nan, "seconds must be >= 0"),
        ("extra_seconds", np.inf, "seconds must be >= 0"),
        ("extra_seconds", [1.0], "seconds must have shape ()"),
        ("extra_labels", -1, "labels must be >= 0"),
        ("extra_initial", np.zeros((6, 40), np.float32), "initial must have shape (40, 6)"),
        ("extra_curve_votes", np.full((6, 10), np.nan), "curve_votes must be >= 0"),
        ("extra_curve_fresh", np.zeros((6, 3)), "curve_fresh must have shape (6, 10)"),
        ("extra_curve_points", np.full((1, 4), -1.0), "curve_points must be >= 0"),
        ("extra_curve_counters", [5.0, 2.0], "curve_counters must be at most 2"),
        ("extra_curve_counters", "gone", "curve_counters is missing"),
    ],
)
def test_a_state_that_is_not_of_the_run_is_refused(
    once: Path, tmp_path: Path, name: str, value: Any, message: str
) -> None:
    out = tmp_path / "run"
    shutil.copytree(once, out)
    arrays = dict(np.load(out / "state.npz"))
    if isinstance(value, str):
        del arrays[name]
    else:
        arrays[name] = arrays[name] + 1 if value is None else np.array(value)
    np.savez(out / "state.npz", **arrays)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    result = cbram("train", "--resume", "--epochs", 2, "--quiet", "--out", out)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
