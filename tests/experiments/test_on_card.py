"""Engines: a simulated card in a process of its own, and what is said where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cbramsim.core.errors import CbramError
from cbramsim.simulator.cuda import coverage


def test_studies_and_runs_on_a_simulated_card():
    checks = Path(__file__).with_name("on_card.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore", str(checks)],
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_auto_is_a_processor_where_there_is_no_card(monkeypatch):
    monkeypatch.setattr(coverage, "missing", lambda: "no card")
    assert not coverage.uses_card("auto")
    assert not coverage.uses_card("cpu")
    with pytest.raises(CbramError, match="engine: cuda cannot be used: no card"):
        coverage.uses_card("cuda")
    assert coverage.uses_card("cuda", elsewhere=True)
    assert not coverage.uses_card("auto", elsewhere=True)


def test_what_is_missing_is_said_with_what_mends_it(monkeypatch):
    monkeypatch.setattr(coverage, "find_spec", lambda name: None)
    assert "install cbramsim with its extra 'cuda'" in coverage.missing()


def test_nothing_of_a_card_is_imported_without_being_asked_for():
    code = "import sys, cbramsim.experiments.study.study as s; s.Where().engine; import numba; sys.exit(any(m.startswith('numba.cuda') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
