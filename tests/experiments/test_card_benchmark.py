"""The benchmark of a graphics card, at its smallest, in Numba's CUDA simulator.

Whether that is used is settled when Numba is imported: hence processes of their own.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cbramsim.experiments.study.engine import cores
from tests.experiments.test_cli import cbram

SIMULATOR = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
ROWS = (
    "windows a second, 1 networks",
    "windows a second, 2 networks",
    "times the windows of one core, 1 networks",
    "times the windows of one core, 2 networks",
    "time of one network, one core's being 1",
    "cbram pruning, all 890 runs",
    "1,000 random devices, an epoch each",
    "compilation, the first time",
    "bytes of a network",
    "networks that fit",
    "time in kernels, 2 networks",
    "time in copies, 2 networks",
    "time on the host, 2 networks",
)


def python(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], env=SIMULATOR, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What the command prints, and what it writes."""
    out = tmp_path_factory.mktemp("card") / "benchmark"
    command = ("-m", "cbramsim.experiments", "benchmark", "--engine", "cuda", "--quick")
    done = python(*command, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((out / "benchmark.json").read_text())


def test_every_row_is_there_with_a_number(found: tuple[str, dict[str, Any]]) -> None:
    text, content = found
    rows = {row["what"]: row for row in content["rows"]}
    assert tuple(rows) == ROWS
    lines = text.splitlines()
    for what, row in rows.items():
        assert math.isfinite(row["value"])
        (line,) = (line for line in lines if line.startswith(f"{what}  "))
        assert row["shown"] in line
        assert (row["target"] is None) == (row["held"] is None)
        assert row["held"] is None or (" held " in line) == row["held"]
    assert [row["target"] for row in rows.values() if row["target"]] == [
        12e6, 18e6, 100, 100, 1.2, 300, 180, 30,
    ]  # fmt: skip
    assert "estimated" in rows["cbram pruning, all 890 runs"]["how"]
    assert "cbram pruning --engine cuda" in rows["cbram pruning, all 890 runs"]["how"]
    assert "scaled" in rows["1,000 random devices, an epoch each"]["how"]


def test_ratios_are_those_of_the_figures(found: tuple[str, dict[str, Any]]) -> None:
    figures = found[1]["figures"]
    core = 1 / figures["core_window_seconds"]
    for group in figures["together"]:
        assert group["windows"] == 2 * group["networks"], "two images of one window, after a step"
        assert group["windows_per_second"] == pytest.approx(group["windows"] / group["seconds"])
        assert group["times_one_core"] == pytest.approx(group["windows_per_second"] / core)
        shares = [group[f"{where}"] for where in ("in_kernels", "in_copies", "on_the_host")]
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0
        assert shares[0] > 0.5, "the simulator takes its time"


def test_the_estimate_is_that_of_the_whole_plan(found: tuple[str, dict[str, Any]]) -> None:
    figures = found[1]["figures"]
    pruning, host, rates = figures["pruning"], figures["host"], figures["rates"]
    kinds, parts = pruning["kinds"], pruning["parts"]
    assert {name: kind["runs"] for name, kind in kinds.items()} == {
        "ideal, dense, transistor": 5,
        "ideal, winner, transistor": 5 * (1 + 6 * 11),
        "device, winner, transistor": 530,
        "device, winner, passive": 20,
    }
    assert [name for name, kind in kinds.items() if kind["why_not"]] == ["ideal, dense, transistor"]
    # 60,000 images of five windows, thrice; 20 runs of the trade-off once, and 20 twice
    assert kinds["ideal, winner, transistor"]["windows"] == 335 * 3 * 60_000 * 5
    assert kinds["device, winner, transistor"]["windows"] == (490 * 3 + 20 + 2 * 20) * 60_000 * 5
    assert pruning["seconds"] == pytest.approx(sum(parts.values()))
    on_card = {name: kind for name, kind in kinds.items() if not kind["why_not"]}
    windows = sum(kind["windows"] for kind in on_card.values())
    # of the two, kernels at the rate of each kind, the rest at that of the default: all but nothing
    at_least = sum(kind["windows"] / rates[name] for name, kind in on_card.items())
    assert parts["kernels"] + parts["beside"] == pytest.approx(at_least, rel=0.1)
    assert parts["beside"] == pytest.approx(windows * host["beside"])
    assert parts["curves"] == pytest.approx(windows / 1000 * host["curve"])
    assert parts["answers"] == pytest.approx(885 * (host["answered"] + host["answering"]))
    dense = kinds["ideal, dense, transistor"]["windows"] / rates["ideal, dense, transistor"]
    assert parts["on cores"] == pytest.approx(dense / min(5, cores()))


WRONG = """
import numpy as np
from cbramsim.core.errors import CbramError
from cbramsim.experiments.card_benchmark import QUICK, Bench
from cbramsim.experiments.card_benchmark.timing import seeded, untrained
from cbramsim.simulator.cuda import batch

bench = Bench(QUICK, print)
configs = seeded(QUICK.base, 2)
second = untrained(bench.images.train, configs)[0][1]
(alone,), _ = untrained(bench.images.train, configs[1:])
assert np.array_equal(second.crossbar.conductance, alone.crossbar.conductance)
assert second.layers[0].competition_scale == alone.layers[0].competition_scale

before = batch.launch

def wrong(loop, blocks, shape, arguments):
    before(loop, blocks, shape, arguments)
    cells = arguments[4].array
    cells.g[0, 3, 2] += 1e-3 * second.device.g_range
    cells.g_columns[0, 2, 3] = cells.g[0, 3, 2]

batch.launch = wrong
try:
    bench.twins
except CbramError as error:
    print(error)
"""


def test_a_wrong_card_ends_it() -> None:
    """Where one cell is off by a thousandth; and networks that share pixels are as if alone."""
    done = python("-c", WRONG)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert "the card does not compute the same as a processor" in said
    assert "conductances 0.002" in said


def test_without_a_card_it_says_what_is_missing(tmp_path: Path) -> None:
    from cbramsim.simulator.cuda.coverage import missing

    if not missing():
        pytest.skip("there is a card")
    result = cbram("benchmark", "--engine", "cuda", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert missing() in result.output
    assert "pip install 'cbramsim[cuda]'" in result.output
    assert not (tmp_path / "out").exists()


def test_a_folder_is_for_a_card_only(tmp_path: Path) -> None:
    result = cbram("benchmark", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "only with --engine cuda" in result.output


def test_figures_are_not_overwritten(tmp_path: Path, found: tuple[str, dict[str, Any]]) -> None:
    out = Path(found[0].splitlines()[-1].removeprefix("written to ")).parent
    command = ("-m", "cbramsim.experiments", "benchmark", "--engine", "cuda", "--quick")
    done = python(*command, "--out", str(out))
    assert done.returncode == 2
    assert "--force" in done.stderr


def test_the_simulator_has_no_time_for_all_of_it(tmp_path: Path) -> None:
    done = python("-m", "cbramsim.experiments", "benchmark", "--engine", "cuda")
    assert done.returncode == 2
    assert "--quick" in done.stderr
