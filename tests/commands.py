"""The code blocks of README and the guides, and their commands on a small scale."""

from __future__ import annotations

import re
import shlex
from glob import glob
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

import cbramsim
from cbramsim.devices.fitting.synthetic import measure
from cbramsim.experiments.cli import main
from tests.measurements import write_measurement
from tests.simulator.images.test_datasets import MNIST, write_dataset

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^>]*) -->\n)?^```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A code block of a document."""

    document: str
    number: int
    kind: str
    """Its language."""
    code: str
    not_run: str
    """Why it is not run: `<!-- not run: why -->` on the line before it."""


def blocks(path: Path) -> list[Block]:
    """Return the code blocks of a document; one in a folder of docs/ is named with its folder."""
    folder = path.parent.name
    name = path.stem if path.parent in (ROOT, ROOT / "docs") else f"{folder}/{path.stem}"
    return [
        Block(
            name, number, found["kind"], found["code"],
            (found["mark"] or "").partition("not run: ")[2],
        )
        for number, found in enumerate(BLOCK.finditer(path.read_text()))
    ]  # fmt: skip


def commands(code: str) -> list[list[str]]:
    """Return the commands of a block of shell, word by word."""
    lines = code.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
    return [[one.removeprefix(".venv/bin/") for one in command] for command in words if command]


FEW = ["--train-images", "800", "--epochs", "1", "--neurons", "20"]
SMALL = {
    "train": ["--quiet"],
    "sweep": ["--workers", "1", "--quiet"],
    "benchmark": ["--quick"],
    "cache-fit": ["--quick", "--no-measure", "--quiet"],
    "fit": ["--bootstrap", "39"],
    "map": ["--quick", "--seeds", "1", "--workers", "1", "--quiet"],
}
"""What makes a command small enough."""
STUDIES = {
    "ladder": "ladder",
    "pruning": "pruning",
    "neurons": "neurons",
    "compare-devices": "device_studies.comparison",
    "sensitivity": "sensitivity",
    "attribute": "device_studies.attribution",
    "robustness": "device_studies.robustness",
    "wires": "wires",
    "array": "array_studies.array",
    "reproduce": "reproduce",
}
"""Modules of the commands that take minutes at their smallest: they are run up to the study itself,
and the studies on a small scale by the tests of these modules."""


class Begun(Exception):
    """A study that was begun."""


def a_place_to_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder with the files of which the documents speak."""
    (folder / "data").mkdir()
    write_dataset(folder / "data" / "fashion", size=28, classes=10, counts=(900, 900, 90, 90))
    (folder / "mine.toml").write_text(cbramsim.Device.catalog()["ideal"].read_text())
    (folder / "grid.toml").write_text(
        "base = {train_images = 800, epochs = 1, neurons = 20}\ngrid = {seed = [0, 1]}\n"
    )
    write_measurement(
        folder / "measured.csv", measure(cbramsim.Device.load("subquantum-cbram"), 3, 4, (90, 90))
    )
    (folder / "images-idx3-ubyte.gz").symlink_to(MNIST / "t10k-images-idx3-ubyte.gz")
    monkeypatch.chdir(folder)


def run(command: list[str], monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    """Run a `cbram` command in this process, on few images; by default into the folder `out`."""
    program, name, *args = command
    assert program == "cbram"
    args = [arg.replace("~", str(Path.cwd())) for arg in args]
    args = [arg.replace("=10000", "=100") if "validation" in arg else arg for arg in args]
    args = [path for arg in args for path in (sorted(glob(arg)) if "*" in arg else [arg])]
    if name == "train" and "--resume" not in args:
        args += [*FEW, *([] if "--out" in args else ["--out", out])]
    args += SMALL.get(name, [])
    if name in STUDIES:

        def begin(*_: object, **__: object) -> None:
            raise Begun

        monkeypatch.setattr(f"cbramsim.experiments.{STUDIES[name]}.run", begin)
    result = CliRunner().invoke(main, [name, *args])
    if name in STUDIES:
        assert isinstance(result.exception, Begun), (name, args, result.output)
    else:
        assert result.exit_code == 0, (name, args, result.output)
