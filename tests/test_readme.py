"""The first commands of README, and its tables; the others are in `test_documents.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cbramsim.experiments.pruning import text
from cbramsim.experiments.pruning.plan import ALL_POLICIES
from tests.commands import ROOT, blocks

README = (ROOT / "README.md").read_text()
SHELL = [block.code for block in blocks(ROOT / "README.md") if block.kind == "sh"]


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


def test_the_table_is_the_one_that_the_command_prints() -> None:
    assert text([]) in README
    for policy in ALL_POLICIES.values():
        assert f"| device, {policy.label} |" in README
    command = next(block for block in SHELL if "cbram pruning" in block)
    assert command.strip().endswith("cbram pruning")
