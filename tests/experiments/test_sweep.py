"""`cbram sweep`: any grid, independent runs, gone on with where it stopped."""

from __future__ import annotations

import csv
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner, Result

from cbramsim.errors import CbramError
from cbramsim.experiments import sweep
from cbramsim.experiments.cli import main

BASE = {
    "train_images": 400, "test_images": 200, "epochs": 1, "neurons": 20, "inputs": 100,
    "pruning": {"mature_spikes": 40},
}  # fmt: skip
GRID = {"seed": [0, 1], "pruning": {"fraction": [0.5, 0.75]}}


def description(folder: Path, **changes: Any) -> Path:
    table = {"base": BASE, "grid": GRID} | changes
    path = folder / "mine.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def cbram(*args: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, args), "--quiet"])


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "sweep.csv").open() as file:
        return {row["run"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    result = cbram(description(folder), "--out", folder / "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "4 of 4 runs" in result.output
    assert "| pruning.fraction |" in result.output
    return folder / "out"


def test_every_combination_has_a_folder_and_a_row(finished: Path) -> None:
    names = {f"seed={seed},fraction={fraction}" for seed in (0, 1) for fraction in (0.5, 0.75)}
    assert {path.name for path in (finished / "runs").iterdir()} == names
    rows = table(finished)
    assert set(rows) == names
    for name, row in rows.items():
        folder = finished / "runs" / name
        metrics = json.loads((folder / "metrics.json").read_text())
        assert float(row["accuracy"]) == metrics["test_accuracy"]
        assert float(row["train_joules"]) == metrics["energy_joules"]["train"]
        assert float(row["seconds"]) > 0
        config = tomllib.loads((folder / "config.toml").read_text())
        assert config["pruning"]["fraction"] == float(row["pruning.fraction"])
        assert not (folder / "state.npz").exists(), "kept only if asked for"


def test_parts_of_the_training_energy_add_up(finished: Path) -> None:
    for folder in (finished / "runs").iterdir():
        metrics = json.loads((folder / "metrics.json").read_text())
        found = sweep.quantities(metrics)
        rest = sum(
            metrics["energy"]["train"][name]["joules"] for name in ("neuron_update", "output_spike")
        )
        parts = found["write_joules"] + found["read_joules"] + found["sense_joules"] + rest
        assert parts == pytest.approx(found["train_joules"], rel=1e-12)


def test_two_workers_find_the_same(finished: Path, tmp_path: Path) -> None:
    result = cbram(description(tmp_path), "--out", tmp_path / "out", "--workers", 2)
    assert result.exit_code == 0, result.output
    one, two = table(finished), table(tmp_path / "out")
    assert set(one) == set(two)
    for name, row in one.items():
        for key, value in row.items():
            if key not in ("seconds", "training_seconds"):
                assert two[name][key] == value, (name, key)


def test_a_killed_sweep_goes_on_where_it_stopped(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    lost = out / "runs" / "seed=1,fraction=0.5"
    before = table(out)
    (lost / "metrics.json").unlink()  # killed before it was finished
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    assert cbram(description(tmp_path), "--out", out, "--workers", 1).exit_code == 0
    for path, written in kept.items():
        assert path.stat().st_mtime_ns == written, "finished runs are left alone"
    after = table(out)
    for name, row in before.items():
        assert after[name]["train_joules"] == row["train_joules"]
        assert after[name]["accuracy"] == row["accuracy"]


def test_a_larger_grid_adds_to_a_finished_one(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    larger = description(tmp_path, grid={"seed": [0, 1, 2], "pruning": {"fraction": [0.5]}})
    assert cbram(larger, "--out", out, "--workers", 1).exit_code == 0
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert set(table(out)) == {f"seed={seed},fraction=0.5" for seed in (0, 1, 2)}


def test_a_failed_run_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    broken = tmp_path / "none"
    variants = [{"name": "good"}, {"name": "broken", "dataset": str(broken)}]
    out = tmp_path / "out"
    path = description(tmp_path, variants=variants, grid={"seed": [0]})
    result = cbram(path, "--out", out, "--workers", 1)
    assert result.exit_code == 1
    assert "failed  broken,seed=0: " in result.output
    assert str(broken) in result.output
    assert "1 of 2 runs" in result.output
    told = (out / "runs" / "broken,seed=0" / "error.txt").read_text()
    assert "Traceback" in told
    assert tomllib.loads(told.partition("The run was:")[2])["neurons"] == 20
    assert set(table(out)) == {"good,seed=0"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {}}, "sweep.grid: must be a table of keys with lists of values, at least one"),
        ({"grid": {"seed": []}}, "sweep.grid.seed: must be a list of at least one value (got [])"),
        ({"grid": {"seed": 3}}, "sweep.grid.seed: must be a list of at least one value (got 3)"),
        (
            {"grid": {"pruning": {"fractoin": [0.1]}}},
            "TrainConfig.pruning.fractoin: unknown key (did you mean 'fraction'?)",
        ),
        ({"grid": {"epochs": [0]}}, "TrainConfig.epochs: must be a whole number >= 1"),
        ({"grid": {"seed": [1, 1]}}, "sweep: the run 'seed=1' is there twice"),
        ({"gird": {}}, "sweep: unknown key 'gird'; known are base, grid, variants, keep_state"),
        ({"variants": [{"epochs": 1}]}, "sweep.variants.name: is required of every variant"),
    ],
)
def test_a_wrong_description_is_one_clear_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    refused(cbram(description(tmp_path, **changes), "--out", tmp_path / "out"), message)
    assert not (tmp_path / "out").exists()


def test_results_of_another_version_are_refused_and_kept(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    text = (out / "sweep.toml").read_text()
    (out / "sweep.toml").write_text(text.replace(sweep.__version__, "0.0.9"))
    result = cbram(description(tmp_path), "--out", out)
    refused(result, f"holds results of cbramsim 0.0.9, this is {sweep.__version__}")
    assert len(list(out.rglob("metrics.json"))) == 4, "nothing lost"


def test_runs_of_another_configuration_are_refused_and_kept(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    path = description(tmp_path, base=BASE | {"neurons": 30})
    refused(cbram(path, "--out", out), "was run with another neurons")
    assert len(list(out.rglob("metrics.json"))) == 4, "nothing lost"
    assert cbram(path, "--out", out, "--force", "--workers", 1).exit_code == 0
    config = tomllib.loads(next(out.rglob("config.toml")).read_text())
    assert config["neurons"] == 30


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("not to be touched")
    result = cbram(description(tmp_path), "--out", tmp_path / "out")
    refused(result, "exists and is not the folder of a sweep")


def test_a_scheduler_that_does_not_answer_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cbramsim.experiments.engine.TIMEOUT", 1.0)
    address = "tcp://127.0.0.1:9"
    result = cbram(description(tmp_path), "--out", tmp_path / "out", "--scheduler", address)
    refused(result, f"--scheduler: no answer from {address} within 1 s")


def test_names_stay_apart_where_the_last_part_of_two_keys_is_the_same() -> None:
    runs = sweep.plan({"grid": {"stdp": {"ltp": [0.1]}, "competition": {"sharpness": [2.0]}}})
    assert runs[0].name == "ltp=0.1,sharpness=2"
    grid = {"device": ["ideal", "./my cells.toml"]}
    with pytest.raises(CbramError):
        sweep.plan({"grid": grid | {"nonsense": [1]}})
    assert [run.name for run in sweep.plan({"grid": grid})] == [
        "device=ideal", "device=._my_cells.toml",
    ]  # fmt: skip
