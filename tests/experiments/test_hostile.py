"""Options with values that nobody means: refused by name and at once, and nothing is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cbramsim.experiments.cli import main

HUGE, MANY_DIGITS = str(10**12), "1" + "0" * 400
NUMBERS = ("-1", "1.5", "nan", "", "a,b", "µ", "\0", MANY_DIGITS, "9" * 5000)
COUNTS = (*NUMBERS, "0", HUGE)
LISTS = ("", ",", ",,", "a,,b", "no-such-thing", "µ", "\0", "ideal,ideal", "x" * 5000)
NAMES = ("", "no-such-thing", "µ", "\0", "x" * 5000, "no/such/file.toml")
SETTINGS = (
    "", "=", "=1", " =1", "seed", ".seed=1", "seed.=1", "stdp..ltp=1", ".".join("a" * 17) + "=1",
    "a." * 50_000 + "a=1", "seed.x=1", "stdp=1", "seed={}", f"seed={MANY_DIGITS}",
    "seed=" + "9" * 5000, "seed=0x" + "f" * 5000, "seed=1e400", "seed=true", "seed='1'",
    "stdp.ltp=1e400", "stdp.ltp=nan", "stdp.ltp=[]", "neurons=1e12", "neurons=[[[[1]]]]",
    "stdp.ltp=" + "[" * 5000, "stdp={" + "a." * 50_000 + "a=1}", "cell.levels=1e400", "cell.x=1",
    "µ=1", "seed=\0", "\0=1", "x" * 5000 + "=1", "device=", "pruning.kind=", "dataset=",
)  # fmt: skip
CASES = [
    ("train", "--neurons", COUNTS),
    ("train", "--neurons", ("100000",)),
    ("train", "--epochs", COUNTS),
    ("train", "--train-images", COUNTS),
    ("train", "--seed", NUMBERS),
    ("train", "--prune-fraction", ("-1", "2", "1e400", "nan", "", "a,b", MANY_DIGITS)),
    ("train", "--device", NAMES),
    ("train", "--dataset", ("no-such-thing", "µ", "x" * 5000, "no/such/file.toml")),
    ("train", "--rule", NAMES),
    ("train", "--pruning", NAMES),
    ("train", "--config", ("", "\0", "no-such-file", "/", "/dev/zero", "x" * 5000)),
    ("train", "--out", ("", "\0", "x" * 5000)),
    ("train", "--set", SETTINGS),
    ("pruning", "--seeds", COUNTS),
    ("pruning", "--fractions", (*LISTS, "nan", "1e400", "0", "-1", "2", "0.5,", MANY_DIGITS)),
    ("pruning", "--rules", LISTS),
    ("neurons", "--neurons", (*LISTS, *COUNTS, "5,5", "5,", "5,0")),
    ("neurons", "--seeds", COUNTS),
    ("neurons", "--set", ("epochs=1", "seed=1", "competition.sharpness=2")),
    ("pruning", "--config", ("", "no-such-file", "/dev/zero")),
    ("pruning", "--set", ("seed=1", "a.=1", "neurons=0")),
    ("compare-devices", "--devices", LISTS),
    ("compare-devices", "--programming", NAMES),
    ("compare-devices", "--seeds", COUNTS),
    ("attribute", "--seeds", COUNTS),
    ("attribute", "--set", ("seed=1", "a.=1", "neurons=0")),
    ("robustness", "--curves", LISTS),
    ("robustness", "--seeds", COUNTS),
    ("wires", "--devices", LISTS),
    ("wires", "--seeds", COUNTS),
    ("array", "--seeds", COUNTS),
    ("cache-fit", "--layers", (*LISTS, *NUMBERS, "784", "784,0,10", f"784,{HUGE},10", "784x2,3x4",
                               "1," * 30_000 + "1", "x", "1xx2")),
    ("cache-fit", "--batch", COUNTS),
    ("cache-fit", "--batch", ("1000000",)),
    ("cache-fit", "--images", (*NUMBERS, "0", "9" * 30)),
    ("cache-fit", "--bits", (*COUNTS, "5")),
    ("cache-fit", "--hierarchy", NAMES),
    ("cache-fit", "--caches", (*LISTS, f"L1={MANY_DIGITS}KiB", "L1=1.2.3KiB, L2=2MiB", "L1=0KiB",
                               f"L1=48KiB x{MANY_DIGITS}", "L1=48KiB x0", "L1=1KiB, L1=2KiB",
                               "L2=1MiB, L1=2MiB", "L1=9999999TiB", "L1=-1KiB", "L1=1ZiB")),
    ("ladder", "--draws", (*COUNTS, "99")),
    ("ladder", "--seeds", COUNTS),
    ("ladder", "--devices", LISTS),
    ("ladder", "--precisions", LISTS),
    ("ladder", "--second", LISTS),
    ("ladder", "--node", (*NUMBERS, "0", "1e400")),
    ("ladder", "--pue", ("-1", "0.5", "nan", "", "1e400", MANY_DIGITS)),
    ("ladder", "--country", NAMES),
    ("ladder", "--workers", COUNTS),
    ("fit {csv}", "--bootstrap", (*NUMBERS, HUGE)),
    ("fit {csv}", "--seed", NUMBERS),
    ("fit {csv}", "--like", NAMES),
    ("predict {csv} {csv}", "--vote", NAMES),
    ("devices ideal", "--figure", ("", "\0", "x" * 5000, "no-such-kind.zzz")),
]  # fmt: skip
ARGUMENTS = [
    ("attribute", NAMES[1:]),
    ("robustness", NAMES[1:]),
    ("devices", NAMES[1:]),
    ("sweep", ("", "\0", "no-such-file", "/", "/dev/zero", "x" * 5000)),
    ("fit", ("", "\0", "no-such-file", "/", "/dev/zero", "x" * 5000)),
    ("compare", ("", "\0", "no-such-folder", "/dev/zero", "x" * 5000)),
]  # fmt: skip
CALLED = {
    "--neurons": "Crossbar.shape", "--layers": "Layers.widths", "--batch": "Hierarchy.levels",
    "--devices": "device", "--like": "device", "--precisions": "precision", "--second": "dataset",
    "--prune-fraction": "fraction", "--train-images": "train_images",
}  # fmt: skip
"""How messages call what an option sets, if not by its name."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(folder: Path, result: Result) -> None:
    assert result.exit_code == 2, (result.output[-500:], result.exception)
    assert isinstance(result.exception, SystemExit)
    *_, last = result.output.strip().splitlines()
    assert last.startswith("Error: ")
    assert "Traceback" not in result.output
    assert len(last) < 2100 or "Invalid value" in last  # where click shows all of it
    assert not [path for path in folder.iterdir() if path.name != "pulses.csv"]


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        pytest.param(command, option, value, id=f"{command.split()[0]} {option} {number}")
        for command, option, values in CASES
        for number, value in enumerate(values)
    ],
)
def test_an_option_with_a_hostile_value_is_refused(folder, command, option, value):
    (folder / "pulses.csv").write_text("nothing\n")
    given = command.format(csv="pulses.csv").split()
    result = CliRunner().invoke(main, [*given, f"{option}={value}"])
    refused(folder, result)
    *_, last = result.output.strip().splitlines()
    names = {option[2:], CALLED.get(option, option[2:]), *re.split("[=. ]+", value[:50])} - {""}
    assert any(name in last for name in names), last


@pytest.mark.parametrize(
    ("command", "value"),
    [
        pytest.param(command, value, id=f"{command} {number}")
        for command, values in ARGUMENTS
        for number, value in enumerate(values)
    ],
)
def test_an_argument_with_a_hostile_value_is_refused(folder, command, value):
    refused(folder, CliRunner().invoke(main, [command, value]))
