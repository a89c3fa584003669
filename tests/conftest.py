from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from matplotlib.figure import Figure

from cbramsim.simulator.images.datasets import Dataset, load_dataset

ROOT = Path(__file__).parents[1]
# Processes that tests start run what the tests import, whatever is installed: one package, whose
# loops are compiled once for all.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
)
# A shell lets what it starts in the background ignore these, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Nothing is left behind in the working tree.
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")

# No deadline: the first call of a kernel compiles it. A test that is not worth as many examples as
# the others, or worth more, asks for a multiple of what its profile gives: `times` in examples.py.
settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, max_examples=50
)
settings.register_profile(
    "deep",  # pytest --hypothesis-profile=deep: other examples each time, and many
    database=None, deadline=None, max_examples=20_000, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("repeatable")


LONGEST = (
    "test_notebooks", "test_documents", "test_readme", "test_ladder", "test_binary_options",
    "test_twin",
)  # fmt: skip
"""Files that take longest, and stay on one core: they begin first."""


def pytest_configure(config: pytest.Config) -> None:
    """Compile shared loops once, two at a time, before there are workers that would all do so."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        return
    if config.option.collectonly or config.option.help:
        return
    command = [sys.executable, "-m", "tests.warm"]
    parts = [
        subprocess.Popen([*command, part], cwd=ROOT, stderr=subprocess.DEVNULL)
        for part in ("learning", "recognition")
    ]
    for part in parts:
        part.wait()  # if one fails, a test will say why


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in LONGEST)


def in_the_tree() -> set[str]:
    """Return what lies in the working tree, without caches of compiled code."""
    found = {str(path.relative_to(ROOT)) for path in ROOT.iterdir()}
    for part in (
        "cbramsim",
        "devices",
        "docs",
        "examples",
        "experiments",
        "notebooks",
        "simulator",
        "sweeps",
        "tests",
    ):
        found |= {str(path.relative_to(ROOT)) for path in (ROOT / part).rglob("*")}
    return {path for path in found if "__pycache__" not in path}


BEFORE = in_the_tree()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput") or not os.environ.get("CI"):
        return  # whoever works in the tree meanwhile may leave what they like
    if left := sorted(in_the_tree() - BEFORE):
        print(f"\nthe tests left behind {', '.join(left)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _sketches() -> Iterator[None]:
    """Draw every figure whole, but coarsely and not laid out: that takes most of the time."""
    draw = Figure.savefig

    def sketch(figure: Figure, file: Any, **options: Any) -> None:
        figure._layout_engine = None  # "none" is one, too, for which all is drawn twice
        draw(figure, file, **options | {"dpi": 30})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return load_dataset("mnist")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(12345)
