"""The `cbram` command as a user meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import cbramsim
from cbramsim.core.toml_files import flat, read_toml
from cbramsim.experiments import compare as compare_experiment
from cbramsim.experiments.cli import COMMANDS, main
from cbramsim.experiments.train.learning_curve import LearningCurve
from cbramsim.experiments.train.training import Run
from tests.simulator.images.test_datasets import MNIST, write_dataset

SMALL = ["--train-images", "1200", "--epochs", "2", "--neurons", "30", "--quiet"]
SETTINGS = ["--set", "pruning.mature_spikes=40", "--set", "test_images=300"]
FIGURES = {"receptive_fields", "weights", "energy", "learning", "confusion"}


def cbram(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def refused(result: Result, message: str) -> None:
    assert result.exit_code == 2, result.output
    assert message in result.output
    if result.output.startswith("Error"):
        assert len(result.output.strip().splitlines()) == 1


@pytest.fixture(autouse=True)
def _not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures but those of the run that all tests share: they take most of the time."""
    monkeypatch.setattr(Run, "draw", lambda run: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "small"
    result = cbram("train", *SMALL, *SETTINGS, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def test_a_run_writes_its_folder(finished: Path) -> None:
    written = {path.name for path in finished.iterdir()}
    figures = {f"{name}.png" for name in FIGURES}
    assert written == {"config.toml", "metrics.json", "state.npz", "report.html"} | figures
    report, metrics = (
        (finished / "report.html").read_text(),
        (finished / "metrics.json").read_text(),
    )
    assert report.count('src="data:image/png;base64,') == len(FIGURES)
    assert f"{json.loads(metrics)['test_accuracy']:.2%} of " in report
    for figure in finished.glob("*.png"):
        assert figure.stat().st_size > 1_000
        assert figure.read_bytes().startswith(b"\x89PNG")


def test_metrics_are_complete_and_consistent(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    for key in (
        "test_accuracy", "test_accuracy_majority", "labels_used", "train_images", "epochs",
        "neurons", "device", "rule", "pruning", "pruned_fraction", "seed", "training_seconds",
        "images_per_second", "energy", "energy_joules", "versions",
    ):  # fmt: skip
        assert key in metrics, key
    assert metrics["labels_used"] == metrics["train_images"] == 1200
    assert metrics["neurons"] == 30
    per_neuron = metrics["pruned_fraction_per_neuron"]
    pruned = np.load(finished / "state.npz")["pruned"].mean(axis=1)
    assert per_neuron == {"mean": pruned.mean(), "min": pruned.min(), "max": pruned.max()}
    assert metrics["pruned_fraction"] == pytest.approx(per_neuron["mean"])
    for phase, operations in metrics["energy"].items():
        total = sum(entry["joules"] for entry in operations.values())
        assert total == pytest.approx(metrics["energy_joules"][phase], rel=1e-12)
    assert set(metrics["energy"]) == {"train", "label", "test"}
    assert metrics["energy"]["test"]["output_spike"]["count"] % 300 == 0
    assert metrics["test_accuracy"] > 0.5


def test_the_same_command_gives_the_same_result(finished: Path, tmp_path: Path) -> None:
    assert cbram("train", *SMALL, *SETTINGS, "--out", tmp_path / "b").exit_code == 0
    first, second = (
        json.loads((folder / "metrics.json").read_text()) for folder in (finished, tmp_path / "b")
    )
    for metrics in (first, second):
        del metrics["training_seconds"], metrics["images_per_second"]
    assert first == second


def test_a_run_can_be_repeated_from_its_config(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    result = cbram("train", "--config", finished / "config.toml", "--quiet", "--out", out)
    assert result.exit_code == 0, result.output
    assert (out / "config.toml").read_text() == (finished / "config.toml").read_text()
    same_arrays(out / "state.npz", finished / "state.npz")


def same_arrays(first: Path, second: Path) -> None:
    a, b = np.load(first), np.load(second)
    assert set(a.files) == set(b.files)
    for name in a.files:
        if name != "extra_seconds":
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


@pytest.mark.parametrize("steps", [1, 6, 9])
def test_an_interrupted_run_resumes_to_the_same_end(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    out = tmp_path / "stopped"
    count = 0
    add = LearningCurve.add

    def add_and_press(self, *args) -> None:
        nonlocal count
        add(self, *args)
        count += 1
        if count == steps:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(LearningCurve, "add", add_and_press)
    result = cbram("train", *SMALL, *SETTINGS, "--out", out)
    assert result.exit_code == 130
    assert "--resume" in result.output
    assert not (out / "metrics.json").exists()
    monkeypatch.undo()

    result = cbram("train", "--resume", "--quiet", "--out", out)
    assert result.exit_code == 0, result.output
    same_arrays(out / "state.npz", finished / "state.npz")
    resumed, whole = (json.loads((f / "metrics.json").read_text()) for f in (out, finished))
    assert resumed["learning_curve"] == whole["learning_curve"]
    assert resumed["energy"] == whole["energy"]
    assert resumed["test_accuracy"] == whole["test_accuracy"]


def test_resuming_a_finished_run_changes_nothing_and_may_train_longer(
    finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "copy"
    subprocess.run(["cp", "-r", finished, out], check=True)
    assert cbram("train", "--resume", "--quiet", "--out", out).exit_code == 0
    same_arrays(out / "state.npz", finished / "state.npz")
    result = cbram("train", "--resume", "--epochs", 3, "--quiet", "--out", out)
    assert result.exit_code == 0, result.output
    longer = json.loads((out / "metrics.json").read_text())
    assert longer["epochs"] == 3
    assert longer["learning_curve"]["joules"][-1] == longer["energy_joules"]["train"]
    refused(cbram("train", "--resume", "--epochs", 1, "--out", out), "TrainConfig.epochs")


def test_resuming_with_other_data_is_refused(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    subprocess.run(["cp", "-r", finished, out], check=True)
    config = (out / "config.toml").read_text()
    (out / "config.toml").write_text(config.replace("_images = 1200", "_images = 1100"))
    refused(cbram("train", "--resume", "--out", out), "labels are not those")
    (out / "config.toml").write_text(config.replace("seed = 0", "seed = 1"))
    refused(cbram("train", "--resume", "--out", out), "of different runs")
    assert (out / "metrics.json").read_bytes() == (finished / "metrics.json").read_bytes()


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    """In a process of its own, with a real signal."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cbramsim.experiments", "train", "--out", str(out), "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "config.toml").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "cbram train --resume --out" in errors
    assert "Traceback" not in errors
    images_seen = np.load(out / "state.npz")["progress"][2]
    assert 0 < images_seen < 180_000
    assert images_seen % 200 == 0


def test_predicting_from_a_saved_state(finished: Path, tmp_path: Path) -> None:
    images, labels = MNIST / "t10k-images-idx3-ubyte.gz", MNIST / "t10k-labels-idx1-ubyte.gz"
    result = cbram("predict", finished, images, "--labels", labels)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "index,class"
    assert len(lines) == 10_001
    assert "accuracy" in result.stderr
    out = tmp_path / "classes.csv"
    for code in (0, 2):
        result = cbram("predict", finished / "state.npz", images, "--out", out)
        assert result.exit_code == code
    assert out.read_text().splitlines() == lines


def test_other_datasets_sizes_and_class_counts(tmp_path: Path) -> None:
    write_dataset(tmp_path / "tiny", size=9, classes=4)
    result = cbram(
        "train", "--dataset", tmp_path / "tiny", "--epochs", 1, "--neurons", 7, "--quiet",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["inputs"] == 81


def test_validation_scores_without_the_test_set(tmp_path: Path) -> None:
    result = cbram("train", *SMALL, "--set", "validation_images=200", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "test_accuracy" not in metrics
    assert metrics["validation_images"] == 200
    assert metrics["train_images"] == 1000


def test_the_order_is_defaults_file_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("neurons = 11\nepochs = 1\n[pruning]\nkind = 'hard'\nfraction = 0.3\n")
    out = tmp_path / "run"
    result = cbram(
        "train", "--config", file, "--neurons", 12, "--train-images", 300, "--prune-fraction", 0.2,
        "--set", "test_images=100", "--quiet", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    config = read_toml(out / "config.toml")
    assert (config["neurons"], config["epochs"], config["seed"]) == (12, 1, 0)
    assert (config["pruning"]["kind"], config["pruning"]["fraction"]) == ("hard", 0.2)


def test_comparing_runs_averages_over_seeds(finished: Path, tmp_path: Path) -> None:
    other = tmp_path / "seed1"
    assert cbram("train", *SMALL, *SETTINGS, "--seed", 1, "--out", other).exit_code == 0
    hard = tmp_path / "hard"
    assert cbram("train", *SMALL, *SETTINGS, "--pruning", "hard", "--out", hard).exit_code == 0
    result = cbram("compare", finished, other, hard, "--json")
    assert result.exit_code == 0, result.output
    soft_group, hard_group = json.loads(result.stdout)
    assert soft_group["seeds"] == [0, 1]
    changed = {"kind": "hard", "selection": "quantile", "stages": 1}
    assert hard_group["settings"] == {f"pruning.{key}": value for key, value in changed.items()}
    accuracies = [
        json.loads((folder / "metrics.json").read_text())["test_accuracy"]
        for folder in (finished, other)
    ]
    assert soft_group["accuracy"] == pytest.approx(
        [np.mean(accuracies), np.std(accuracies, ddof=1)]
    )
    assert (
        "| pruning.kind | pruning.selection | pruning.stages | seeds |"
        in cbram("compare", finished, hard).output
    )
    refused(cbram("compare", tmp_path), "no finished run")
    shutil.copytree(finished, tmp_path / "edited")
    metrics = json.loads((finished / "metrics.json").read_text())
    (tmp_path / "edited" / "metrics.json").write_text(json.dumps(metrics | {"test_accuracy": 5.0}))
    refused(cbram("compare", tmp_path / "edited"), "accuracy must be >= 0 and <= 1")
    refused(cbram("compare", finished, finished), "seed 0 is there twice")
    assert "±" not in cbram("compare", finished, hard).output


def test_every_key_is_listed_with_its_meaning(finished: Path) -> None:
    listed = dict(line.split(maxsplit=1) for line in cbram("keys").output.splitlines())
    written = flat(read_toml(finished / "config.toml"))
    assert set(written) <= set(listed)
    assert all(len(meaning) > 20 for meaning in listed.values())


def on_a_terminal(*args: object, columns: int = 90) -> list[str]:
    """Return the lines that a command prints on a terminal, without what makes them bold."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cbramsim.experiments", *map(str, args)], stdout=theirs,
        env=os.environ | {"COLUMNS": str(columns), "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    printed = b""
    with suppress(OSError):  # once the other end is closed
        while part := os.read(ours, 65_536):
            printed += part
    os.close(ours)
    assert process.wait() == 0
    text = re.sub("\x1b\\[[0-9;]*m", "", printed.decode())
    return [line.rstrip() for line in text.splitlines()]


def test_tables_are_aligned_on_a_terminal_and_plain_elsewhere(finished: Path) -> None:
    heads, line, *rows = on_a_terminal("keys")
    assert heads.split(maxsplit=1) == ["key", "meaning, range and default"]
    assert set(line) == {"-"}
    assert max(map(len, rows)) <= 90
    column = heads.index("meaning")
    assert {row[column - 1] for row in rows} == {" "}
    keys = [row.split()[0] for row in rows if row[0] != " "]
    assert keys == [row.split()[0] for row in cbram("keys").output.splitlines()]

    heads, _, row = on_a_terminal("compare", finished, columns=40)
    markdown = cbram("compare", finished).output.splitlines()
    for shown, plain in ((heads, markdown[0]), (row, markdown[2])):
        cells = [cell.strip() for cell in plain.strip("| ").split("|")]
        assert re.split(" {2,}", shown.strip()) == cells


def test_devices_from_files_are_told_apart(tmp_path: Path) -> None:
    text = cbramsim.Device.catalog()["subquantum-cbram"].read_text()
    folders = []
    for name, noise in (("a", "0.02"), ("b", "0.05")):
        (tmp_path / "mine.toml").write_text(text.replace("value = 0.02\n", f"value = {noise}\n"))
        folders.append(tmp_path / name)
        result = cbram(
            "train", *SMALL, *SETTINGS, "--device", tmp_path / "mine.toml", "--out", folders[-1]
        )
        assert result.exit_code == 0, result.output
    summaries = compare_experiment.run(folders)
    assert [s["settings"] for s in summaries] == [
        {"device.step_c2c": 0.02},
        {"device.step_c2c": 0.05},
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--neurons", "0"], "TrainConfig.neurons: must be a whole number >= 1"),
        (["--neurons", "-3"], "got -3"),
        (["--neurons", "many"], "Invalid value for '--neurons'"),
        (["--epochs", "0"], "TrainConfig.epochs: must be a whole number >= 1"),
        (["--train-images", "0"], "TrainConfig.train_images: must be a whole number >= 1"),
        (["--train-images", "60001"], "TrainConfig.train_images: must be a whole number >= 1 and <="),
        (["--prune-fraction", "1.5"], "TrainConfig.pruning.fraction: must be a number >= 0 and <= 1"),
        (["--prune-fraction", "nan"], "(got nan)"),
        (["--pruning", "sotf"], "must be one of none, soft, hard (got 'sotf') (did you mean 'soft'?)"),
        (["--rule", "x"], "must be one of ideal, device"),
        (["--device", "cbram"], "device: must be one of"),
        (["--dataset", "/nowhere"], "dataset: must be mnist, a folder"),
        (["--seed", "-1"], "TrainConfig.seed"),
        (["--set", "stdp.lpt=1"], "TrainConfig.stdp.lpt: unknown key (did you mean 'ltp'?)"),
        (["--set", "stdp.ltp"], "--set: must be KEY=VALUE"),
        (["--neurons", "5", "--set", "neurons=6"], "--set: neurons is given twice, as 5 and 6"),
        (["--set", "stdp.ltp=0.1", "--set", "stdp.ltp=0.2"], "given twice, as 0.1 and 0.2"),
        (["--set", "seed.x=1"], "TrainConfig.seed: must be a whole number"),
        (["--set", "stdp=1"], "TrainConfig.stdp: must be a table (got 1)"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["--set", "validation_images=60000"], "TrainConfig.validation_images"),
        (["--nuerons", "5"], "No such option"),
        (["--set", "competition.sharpness=1e300"], "TrainConfig.competition.sharpness: must be"),
        (["--set", "seed=" + "9" * 5000], "TrainConfig.seed"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, args: list[str], message: str
) -> None:
    out = tmp_path / "run"
    refused(cbram("train", *SMALL, *args, "--out", out), message)
    assert not out.exists()


def test_an_existing_folder_is_not_overwritten(finished: Path, tmp_path: Path) -> None:
    before = (finished / "metrics.json").read_bytes()
    refused(cbram("train", *SMALL, "--out", finished), "exists; use --force")
    assert (finished / "metrics.json").read_bytes() == before
    file = tmp_path / "file"
    file.touch()
    refused(cbram("train", *SMALL, "--out", file), "is a file")
    refused(cbram("train", *SMALL, "--out", file / "below"), "cannot write")
    refused(cbram("train", "--resume", "--out", tmp_path), "no run to resume")
    refused(cbram("train", "--resume", "--seed", 1, "--out", finished), "only --epochs may change")


def test_force_overwrites(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    for mine in ("mine.txt", "holiday.png"):
        (out / mine).write_text("kept")
    args = [*SMALL, *SETTINGS, "--epochs", "1", "--force", "--out", out]
    assert cbram("train", *args).exit_code == 0
    assert json.loads((out / "metrics.json").read_text())["epochs"] == 1
    assert (out / "mine.txt").read_text() == (out / "holiday.png").read_text() == "kept"


def test_bad_files_for_prediction_are_refused(finished: Path, tmp_path: Path) -> None:
    images, labels = MNIST / "t10k-images-idx3-ubyte.gz", MNIST / "train-labels-idx1-ubyte.gz"
    refused(cbram("predict", tmp_path / "no.npz", images), "no such file")
    refused(cbram("predict", images, images), "not a .npz file, or a damaged one")
    refused(cbram("predict", finished / "state.npz", finished / "state.npz"), "one array of images")
    refused(cbram("predict", finished / "state.npz", labels), "must have 3 dimensions")
    refused(
        cbram("predict", finished / "state.npz", images, "--labels", labels),
        "60000 labels for 10000",
    )
    refused(cbram("predict", finished / "state.npz", images, "--vote", "x"), "profile, majority")


def imported_by(*args: str) -> set[str]:
    """Return the modules that are there after a command, in a process of its own."""
    code = (
        "import sys\nfrom cbramsim.experiments.cli import main\n"
        f"try:\n    main({list(args)})\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


HEAVY = {"numpy", "numba", "scipy", "pandas", "matplotlib", "pydantic", "rich"}
WITH_KEYS = {"train", "ladder", "map"}
"""Commands with flags that are made from parameter objects, which their help imports."""


def test_help_imports_nothing_heavy() -> None:
    imported = imported_by("--help")
    assert not HEAVY & imported
    assert not [name for name in imported if name.startswith("cbramsim.experiments.cli.")]
    for commands in COMMANDS.values():
        light = commands.keys() - WITH_KEYS
        assert not light or not HEAVY & imported_by(min(light), "--help")


def test_help_lists_every_command_under_its_group() -> None:
    parts = cbram("--help").output.split("\n\n")
    for text, (group, commands) in zip(parts[-len(COMMANDS) :], COMMANDS.items(), strict=True):
        heading, *lines = text.splitlines()
        assert heading == f"{group.capitalize()}:"
        assert [line.split(maxsplit=1) for line in lines] == [[*pair] for pair in commands.items()]
        assert max(map(len, lines)) < 80


@pytest.mark.parametrize("name", [name for commands in COMMANDS.values() for name in commands])
def test_every_command_tells_what_it_does(name: str) -> None:
    result = cbram(name, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name} ")


def test_flags_are_described_by_the_fields_they_set() -> None:
    text = " ".join(cbram("train", "--help").output.split())
    for said in (
        "--neurons N Output neurons, one bit line each [a whole number >= 1 and <= 100000; default",
        "--pruning none|soft|hard",
        "--prune-fraction F Fraction of the weights to prune [a number >= 0 and <= 1; default 0.75]",
        "--train-images N Training images to use, the first of the file; all by default [a whole",
    ):
        assert said in text


def test_the_benchmark_prints_json() -> None:
    result = cbram("benchmark", "--quick", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["ratio_to_floor"] == pytest.approx(
        figures["train_step_seconds"] / figures["read_floor_seconds"]
    )
    assert figures["cell_reads_per_second"] > 0
    assert figures["peak_memory_bytes"] > 1e6
