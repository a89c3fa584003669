"""The sweeps that come with the project say what can be run."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cbramsim.experiments.study.description import plan

SWEEPS = sorted((Path(__file__).parents[1] / "sweeps").glob("*.toml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_sweep_leaves_the_test_set_alone(path: Path) -> None:
    runs = plan(tomllib.loads(path.read_text()))
    assert len(runs) > 10
    assert all(run.config.validation_images for run in runs)
