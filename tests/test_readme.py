"""README's commands do what README says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest
from click.testing import CliRunner

import cbramsim
from cbramsim.devices.fitting.measurement import write_measurement
from cbramsim.devices.fitting.synthetic import measure
from cbramsim.experiments.cli import main
from cbramsim.experiments.pruning.plan import ALL_POLICIES
from cbramsim.experiments.pruning.study import Study
from tests.simulator.test_datasets import MNIST, write_dataset

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
SHELL = [block for language, block in BLOCKS if language == "sh"]
USAGE = next(block for block in SHELL if "cbram predict" in block)
COMMANDS = [shlex.split(line, comments=True) for line in USAGE.splitlines() if line]


def test_there_is_one_command_to_run_and_one_to_test() -> None:
    run, test = SHELL[:2]
    assert run.strip().endswith("pip install . && .venv/bin/cbram train")
    assert test.strip().endswith("-m pytest")
    assert " -e " not in run + test, "an editable install over a plain one hides the package"
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script


def test_the_main_command_learns_mnist(tmp_path: Path) -> None:
    """The whole default job, in a process of its own as a user runs it."""
    command = [sys.executable, "-m", "cbramsim.experiments", "train"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "runs" / "train" / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.93
    assert metrics["pruned_fraction"] == pytest.approx(0.75, abs=0.01)
    assert metrics["train_images"] == metrics["labels_used"] == 60_000
    assert (metrics["device"], metrics["neurons"], metrics["epochs"]) == (
        "subquantum-cbram",
        500,
        3,
    )


def test_every_command_of_the_usage_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, on few images."""
    (tmp_path / "data").mkdir()
    write_dataset(tmp_path / "data" / "fashion", size=28, classes=10, counts=(900, 900, 90, 90))
    (tmp_path / "mine.toml").write_text(cbramsim.Device.catalog()["ideal"].read_text())
    (tmp_path / "grid.toml").write_text(
        "base = {train_images = 800, epochs = 1, neurons = 20}\ngrid = {seed = [0, 1]}\n"
    )
    write_measurement(
        tmp_path / "measured.csv", measure(cbramsim.Device.load("subquantum-cbram"), 3, 4, (90, 90))
    )
    (tmp_path / "images-idx3-ubyte.gz").symlink_to(MNIST / "t10k-images-idx3-ubyte.gz")
    monkeypatch.chdir(tmp_path)
    assert len(COMMANDS) > 8
    for number, (program, name, *args) in enumerate(COMMANDS):
        assert program == "cbram"
        args = [arg.replace("~", str(tmp_path)) for arg in args]
        args = [arg.replace("=10000", "=100") if "validation" in arg else arg for arg in args]
        args = [path for arg in args for path in (sorted(glob(arg)) if "*" in arg else [arg])]
        if name == "train" and "--resume" not in args:
            args += ["--train-images", "800", "--epochs", "1", "--neurons", "20"]
            args += [] if "--out" in args else ["--out", f"runs/{number}"]
        if name == "train":
            args.append("--quiet")
        if name == "sweep":
            args += ["--workers", "1", "--quiet"]
        if name == "benchmark":
            args.append("--quick")
        if name == "ladder":
            args += ["--quick", "--workers", "1", "--quiet", "--devices", "gst-pcm"]
            args += ["--precisions", "fp32,fp4", "--second", "slanted", "--seeds", "1"]
        if name == "cache-fit":
            args += ["--quick", "--no-measure", "--quiet"]
        if name == "fit":
            args += ["--bootstrap", "39"]
        result = CliRunner().invoke(main, [name, *args])
        assert result.exit_code == 0, (name, args, result.output)


def test_the_table_is_the_one_that_the_command_prints() -> None:
    study = Study(sweep=None, workers=None)  # type: ignore[arg-type]
    study.summary = {"policies": []}
    assert study.table() in README
    for policy in ALL_POLICIES.values():
        assert f"| device, {policy.label} |" in README
    command = next(block for block in SHELL if "cbram pruning" in block)
    assert command.strip().endswith("cbram pruning")


def test_the_python_example_works() -> None:
    code = next(block for language, block in BLOCKS if language == "python")
    code = code.replace("neurons=500", "neurons=20")
    code = re.sub(r"data\.(train|test)_(images|labels)", r"data.\1_\2[:500]", code)
    exec(code, {})
