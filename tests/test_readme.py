"""The first commands of README, and its tables; the others are in `test_documents.py`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cbramsim import __version__
from cbramsim.experiments.pruning import text
from cbramsim.experiments.pruning.plan import ALL_POLICIES
from cbramsim.experiments.reproduce.readme import table_of
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


NUMBERS = json.loads((ROOT / "docs" / "readme.json").read_text())
MADE = re.compile(r"<!-- made by: (.*) -->\n(.*?)<!-- end -->", re.S)


def test_the_table_is_what_the_command_has_written() -> None:
    command, table = MADE.search(README).groups()
    assert command == "cbram reproduce readme"
    assert table.strip() == NUMBERS["table"].strip()
    assert NUMBERS["version"] == __version__
    assert NUMBERS["table"].strip() == table_of(NUMBERS["numbers"]).strip()


def test_no_other_result_stands_in_readme() -> None:
    """Results are numbers with a unit, a sign or a decimal point; what is left are names."""
    prose = re.sub(r"```.*?```|\]\(.*?\)|<img[^>]*>", "", MADE.sub("", README), flags=re.S)
    numbers = re.findall(r"[±~]? ?\d[\d,.]*\d?(?: ?[%xµnpmk]?J?\b| ?%)", prose)
    assert {number.strip(" .,") for number in numbers} <= KNOWN


KNOWN = {"3.11", "3.0", "100", "500", "25", "32", "9", "5312", "2018", "3"}
"""Numbers that are no results: versions, the reference, what is shown."""


def test_readme_can_be_read_in_a_minute_and_a_half() -> None:
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 1200


def test_the_table_of_the_pruning_study_is_the_one_that_it_prints() -> None:
    page = (ROOT / "docs" / "pruning.md").read_text()
    assert text([]) in page
    for policy in ALL_POLICIES.values():
        assert f"| device, {policy.label} |" in page
