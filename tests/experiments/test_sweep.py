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

from cbramsim import __version__
from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.experiments import train
from cbramsim.experiments.cli import main
from cbramsim.experiments.results import quantities
from cbramsim.experiments.study import runner
from cbramsim.experiments.study.cases import seeds_of
from cbramsim.experiments.study.description import plan
from cbramsim.experiments.study.findings import TOLD_FAILURES, Failure, Findings
from cbramsim.experiments.study.runner import Runner
from cbramsim.simulator.images.datasets import load_dataset

BASE = {
    "train_images": 400, "test_images": 200, "epochs": 1, "neurons": 20, "inputs": 100,
    "pruning": {"mature_spikes": 40},
}  # fmt: skip
TINY = BASE | {"train_images": 100, "test_images": 50, "neurons": 5}
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
    with (out / "runs.csv").open() as file:
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
        found = quantities(metrics)
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


def test_a_run_killed_before_its_time_was_written_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = description(tmp_path, base=TINY, grid={"seed": [0]}), tmp_path / "out"
    folder = out / "runs" / "seed=0"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.Run, "amend", killed)
        assert cbram(path, "--out", out, "--workers", 1).exit_code == 130
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (folder / "state.npz").exists()
    result = cbram(path, "--out", out, "--workers", 1)
    assert result.exit_code == 0, result.output
    assert "1 of 1 runs" in result.output
    assert not (folder / "state.npz").exists()
    again = json.loads((folder / "metrics.json").read_text())
    assert float(table(out)["seed=0"]["seconds"]) >= metrics["training_seconds"]
    timed = {"run_seconds", "training_seconds", "images_per_second"}
    assert {k: v for k, v in again.items() if k not in timed} == {
        k: v for k, v in metrics.items() if k not in timed
    }


def test_a_state_that_a_kill_left_is_removed(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    state = out / "runs" / "seed=0,fraction=0.5" / "state.npz"
    state.write_bytes(b"left between the last two steps of a run")
    left = [out / ".cbram-7-0123abcd.tmp", *(state.parent / name for name in (
        ".cbramsim.lock", ".cbram-7-4567cdef.tmp",
    ))]  # fmt: skip
    for path in left:
        path.touch()
    assert cbram(description(tmp_path), "--out", out, "--workers", 1).exit_code == 0
    assert not state.exists()
    assert not any(path.exists() for path in left)
    assert table(out) == table(finished)


def test_a_failed_run_is_reported_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = train.run

    def failing(config: train.TrainConfig, *args: Any, **options: Any) -> train.Run:
        if config.neurons == 21:
            raise ValueError("no more\nmemory")
        return really(config, *args, **options)

    monkeypatch.setattr(train, "run", failing)
    out = tmp_path / "out"
    path = description(tmp_path, base=TINY, grid={"neurons": [20, 21]})
    result = cbram(path, "--out", out, "--workers", 1)
    assert result.exit_code == 1
    assert "failed  neurons=21: ValueError: no more memory" in result.output
    assert "1 of 2 runs" in result.output
    told = (out / "runs" / "neurons=21" / "error.txt").read_text()
    assert "Traceback" in told
    assert tomllib.loads(told.partition("The run was:")[2])["neurons"] == 21
    assert set(table(out)) == {"neurons=20"}
    monkeypatch.setattr(train, "run", really)
    assert cbram(path, "--out", out, "--workers", 1).exit_code == 0, "tried again"
    assert not (out / "runs" / "neurons=21" / "error.txt").exists()


def test_many_failures_are_not_all_listed(tmp_path: Path) -> None:
    failures = [Failure(f"seed={n}", "no") for n in range(100)]
    lines = Findings(tmp_path, "", {}, {}, failures, "the end").report().splitlines()
    assert len(lines) == TOLD_FAILURES + 2
    assert lines[-2] == "failed  80 more: see error.txt in their folders"


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
        ({"gird": {}}, "(did you mean 'grid'?)"),
        ({"keep_state": "no"}, "sweep.keep_state: must be true or false (got 'no')"),
        ({"base": [1]}, "sweep.base: must be a table (got [1])"),
        ({"base": {"prunning": {}}}, "TrainConfig.prunning: unknown key (did you mean 'pruning'?)"),
        ({"grid": 3}, "sweep.grid: must be a table of keys with lists of values"),
        ({"grid": {"pruning": {}}}, "sweep.grid.pruning: must be a list of at least one value"),
        ({"grid": {"seed": [[1, 2], [3]]}}, "the run 'seed=[1, 2]': TrainConfig.seed: must be"),
        ({"grid": {"seed": [{"a": 1}]}}, "TrainConfig.seed: must be a whole number"),
        ({"grid": {"seed": ["x" * 10**5]}}, "the run 'seed=xxx"),
        ({"grid": {"wait": [float("nan")]}}, "TrainConfig.wait: must be a number"),
        ({"grid": {"pruning": ["x"]}}, "pruning: must be a table (got 'x')"),
        (
            {"grid": {"pruning.kind": ["soft"], "pruning": ["x"]}},
            "pruning: must be a table (got 'x')",
        ),
        ({"grid": {"a..b": [1]}}, "the run 'b=1': 'a..b': a key must be"),
        ({"grid": {"cell": {"g_mni": [1.0]}}}, "TrainConfig.cell.g_mni: unknown key"),
        ({"grid": {"cell": {"../../x": [1.0]}}}, "'cell.../../x': a key must be"),
        ({"grid": {"dataset": [".."]}}, "the run 'dataset=._': "),
        ({"grid": {"dataset": ["x" * 300]}}, "the run 'dataset=xxx"),
        ({"grid": {"dataset": ["mnist", "a\0b"]}}, "TrainConfig.dataset: must be a name or a path"),
        ({"grid": {"device": ["ideal", ".."]}}, "the run 'device=._': device: must be one of"),
        ({"grid": {"periphery": ["x" * 300]}}, "the run 'periphery=xxx"),
        ({"grid": {"train_images": [400, 60_001]}}, "TrainConfig.train_images: must be"),
        ({"variants": [{"epochs": 1}]}, "sweep.variants.name: is required of every variant"),
        ({"variants": []}, "sweep.variants: must be a list of tables, [[variants]] (got [])"),
        ({"variants": [{"name": "a"}, {"name": "a"}]}, "sweep.variants.name: 'a' is there twice"),
        ({"variants": [{"name": "a", "seed": 1}]}, "sweep.variants.seed: is in the grid as well"),
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
    text = (out / "study.toml").read_text()
    (out / "study.toml").write_text(text.replace(__version__, "0.0.9"))
    result = cbram(description(tmp_path), "--out", out)
    refused(result, f"holds results of cbramsim 0.0.9, this is {__version__}")
    assert len(list(out.rglob("metrics.json"))) == 4, "nothing lost"


def test_a_study_of_an_earlier_version_is_known_by_its_old_name(
    finished: Path, tmp_path: Path
) -> None:
    """Also the folders inside that of a study, which bear no mark."""
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / ".cbramsim").unlink()
    text = (out / "study.toml").read_text()
    (out / "study.toml").unlink()
    (out / "sweep.toml").write_text(text.replace(__version__, "0.9.0"))
    with pytest.raises(CbramError, match=r"holds results of cbramsim 0\.9\.0"):
        Runner([], out, {})
    Runner([], out, {}, runner.Where(force=True))


def test_runs_of_another_configuration_are_refused_and_kept(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    wider = description(tmp_path, base=BASE | {"neurons": 30})
    refused(cbram(wider, "--out", out), "was run with another neurons")
    longer = description(tmp_path, base=BASE | {"epochs": 2})
    refused(cbram(longer, "--out", out), "was run with another epochs")
    assert len(list(out.rglob("metrics.json"))) == 4, "nothing lost"
    wider = description(tmp_path, base=BASE | {"neurons": 30})
    assert cbram(wider, "--out", out, "--force", "--workers", 1).exit_code == 0
    config = tomllib.loads(next(out.rglob("config.toml")).read_text())
    assert config["neurons"] == 30


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("not to be touched")
    result = cbram(description(tmp_path), "--out", tmp_path / "out")
    refused(result, "exists and cbramsim did not make it")
    refused(cbram(description(tmp_path), "--out", tmp_path / "out", "--force"), "did not make it")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_the_folder_of_another_command_or_run_is_left_alone(finished: Path, tmp_path: Path) -> None:
    path, run = description(tmp_path), next((finished / "runs").iterdir())
    refused(cbram(path, "--out", run, "--force"), "is inside")
    refused(cbram(path, "--out", run / "a" / "b"), "which holds other results")
    assert not (run / "a").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".cbramsim").write_text("cbram array\n")
    refused(cbram(path, "--out", tmp_path / "out"), "was made by cbram array, not by cbram sweep")


def test_the_folder_of_version_0_5_0_is_known(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    (out / ".cbramsim").unlink()
    (out / "study.toml").rename(out / "sweep.toml")
    assert cbram(description(tmp_path), "--out", out, "--workers", 1).exit_code == 0
    assert (out / ".cbramsim").read_text() == "cbram sweep\n"


def test_a_folder_that_another_process_writes_is_refused(finished: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    with (out / ".cbramsim.lock").open("w") as lock:
        lock.write("process 7 on another\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(cbram(description(tmp_path), "--out", out), "is being written by process 7")
    assert cbram(description(tmp_path), "--out", out, "--workers", 1).exit_code == 0


def test_a_damaged_run_is_named_and_done_again(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    path, folder = description(tmp_path), out / "runs" / "seed=0,fraction=0.5"
    (folder / "metrics.json").write_text("{")
    refused(cbram(path, "--out", out), f"{folder} is damaged")
    assert cbram(path, "--out", out, "--force", "--workers", 1).exit_code == 0
    assert len(table(out)) == 4


def test_a_scheduler_that_does_not_answer_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cbramsim.experiments.study.engine.TIMEOUT", 1.0)
    address = "tcp://127.0.0.1:9"
    result = cbram(description(tmp_path), "--out", tmp_path / "out", "--scheduler", address)
    refused(result, f"--scheduler: no answer from {address} within 1 s")
    assert not (tmp_path / "out").exists()


def test_names_stay_apart_where_the_last_part_of_two_keys_is_the_same() -> None:
    runs = plan({"grid": {"stdp": {"ltp": [0.1]}, "competition": {"sharpness": [2.0]}}})
    assert runs[0].name == "ltp=0.1,sharpness=2"
    grid: dict[str, Any] = {"device": ["ideal", "./my cells.toml"]}
    with pytest.raises(CbramError):
        plan({"grid": grid | {"nonsense": [1]}})
    assert [run.name for run in plan({"grid": grid})] == [
        "device=ideal", "device=._my_cells.toml",
    ]  # fmt: skip


def test_values_that_look_the_same_have_folders_of_their_own() -> None:
    fractions = [0.1234567, 0.12345671]
    names = [run.name for run in plan({"grid": {"pruning": {"fraction": fractions}}})]
    assert len(set(names)) == 2
    assert all(name.startswith("fraction=0.123457-") for name in names)
    datasets = ["A/b", "a b", "x" * 300]
    runs = plan({"grid": {"dataset": datasets}})
    assert len({run.name.casefold() for run in runs}) == 3
    assert [run.config.dataset for run in runs] == datasets
    with pytest.raises(ParameterError, match="is there twice"):
        plan({"grid": {"wait": [1, 1.0]}})


def test_the_number_of_runs_is_looked_at_before_they_are_made() -> None:
    three = {"neurons": list(range(1, 1001)), "epochs": list(range(1, 1001)), "seed": [0] * 1000}
    with pytest.raises(ParameterError, match=r"at most 100,000 runs \(got 1,000,000,000\)"):
        plan({"grid": three})
    with pytest.raises(ParameterError, match=r"x.seeds: must make at most .* 10\^15 or more"):
        seeds_of("x", 10**400)
    for wrong in (0, -1, True, 1.0, "3"):
        with pytest.raises(ParameterError, match=r"x\.seeds: must be a whole number"):
            seeds_of("x", wrong)  # type: ignore[arg-type]
    assert seeds_of("x", 3, 2) == range(3)


def test_a_data_set_is_read_once_for_all_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def counted(name: str) -> Any:
        read.append(name)
        return load_dataset(name)

    monkeypatch.setattr(runner, "load_dataset", counted)
    grid = {"seed": list(range(30)), "train_images": [100, 200], "test_images": [10, 20]}
    runs = plan({"grid": grid})
    assert len(Runner(runs, tmp_path / "out", {}).waiting()) == 120
    assert read == ["mnist"]


def test_two_names_for_one_run_are_refused_before_it_begins() -> None:
    same = {"grid": {"seed": [0]}, "variants": [{"name": "a"}, {"name": "b"}]}
    with pytest.raises(
        ParameterError, match="sweep: a,seed=0 and b,seed=0 are one and the same run"
    ):
        plan(same)
