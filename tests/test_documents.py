"""Every code block of README and of the guides does what it is there for."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cbramsim.devices.device import Device
from cbramsim.experiments.study.description import plan
from cbramsim.experiments.train import Run
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from tests.commands import DOCUMENTS, ROOT, Block, a_place_to_work, blocks, commands, run

BLOCKS = [block for path in DOCUMENTS for block in blocks(path)]
FIRST_STEPS = 2
"""Blocks at the top of README that make an environment: `test_readme.py` has them."""
FEWER = {
    r"neurons=500": "neurons=20",
    r"(data\.(?:train|test)_(?:images|labels))(?![\[\w])": r"\1[:500]",
    r"\[:2000\]": "[:400]",
    r"\[-500:\]": "[-200:]",
}


def of_kind(kind: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.kind == kind and not block.not_run]
    return pytest.mark.parametrize("block", chosen, ids=lambda b: f"{b.document}-{b.number}")


def test_every_block_is_run_or_says_why_not() -> None:
    """Blocks without a language are drawings."""
    assert {block.kind for block in BLOCKS} <= {"sh", "python", "toml", ""}
    assert {block.document for block in BLOCKS} >= {"README", "array", "devices", "sweeps", "wires"}
    for block in BLOCKS:
        if block.not_run:
            assert re.match("needs|installs", block.not_run), block


@of_kind("python")
def test_python(block: Block, tmp_path: Path) -> None:
    """As a script of its own, from a file."""
    code = block.code
    for pattern, few in FEWER.items():
        code = re.sub(pattern, few, code)
    script = tmp_path / "script.py"
    script.write_text(code)
    for table in (ROOT / "docs").rglob("*.csv"):
        shutil.copy(table, tmp_path)
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "import Task" in block.code:
        assert len(done.stdout.splitlines()) >= 10
        assert "division by zero" in done.stdout, "one of the tasks fails"


@of_kind("sh")
def test_shell(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order. What pip is asked for must exist; it is not installed again."""
    if block.document == "README" and block.number < FIRST_STEPS:
        return
    a_place_to_work(tmp_path, monkeypatch)
    if "measured.toml" in block.code and "cbram fit" not in block.code:
        shutil.copy("mine.toml", "measured.toml")  # as if an earlier block had made it
    for toml in (b for b in BLOCKS if (b.document, b.kind) == (block.document, "toml")):
        (tmp_path / "mine.toml").write_text(toml.code)
        if "import Task" in block.code:
            few = "[base]\ntrain_images = 300\nneurons = 10\n"
            fewer = toml.code.replace("[base]", few).replace("[0, 1, 2]", "[0, 1]")
            (tmp_path / "mine.toml").write_text(fewer.replace("[0.25, 0.5, 0.75]", "[0.5]"))
    for number, command in enumerate(commands(block.code)):
        if command[0] == "pip":
            assert command[1:] == ["install", ".[sweep]"]
        else:
            run(command, monkeypatch, f"runs/{number}")
            if command[1] == "train":  # the figures of one are enough
                monkeypatch.setattr(Run, "draw", lambda run: None)


@of_kind("toml")
def test_toml(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(block.code)
    if block.document == "devices":
        assert Device.load(str(path)).nonlinearity_up > 1
    elif block.document == "ladder":
        assert len(Hierarchy.load(str(path)).levels) == 2
    else:
        assert len(plan(tomllib.loads(block.code))) == 2 * 3 * 3
