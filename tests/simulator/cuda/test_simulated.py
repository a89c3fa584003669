"""What runs on a card, in Numba's CUDA simulator: the checks in the folder `simulated`.

The simulator has to be switched on before Numba is imported, so these run in processes of their
own. All but one also switch compilation off: loops are then plain Python, and each set of options
costs no ten seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDER = Path(__file__).parent / "simulated"
GROUPS = {
    "loops": ["loops"], "others": ["answers", "networks", "words"], "compiled": ["compiled"],
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_on_a_simulated_card(group: str) -> None:
    plain = {} if group == "compiled" else {"NUMBA_DISABLE_JIT": "1"}
    files = [FOLDER / f"check_{name}.py" for name in GROUPS[group]]
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-rf",
            "--tb=short", "-W", "ignore:overflow:RuntimeWarning", *files,
        ],
        cwd=ROOT, env=os.environ | plain | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_no_check_is_left_out() -> None:
    there = {path.stem.removeprefix("check_") for path in FOLDER.glob("check_*.py")}
    assert there == {name for names in GROUPS.values() for name in names}
