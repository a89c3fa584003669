from __future__ import annotations

import logging
import os
import sys

import numpy as np
import pytest

if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    # The simulator's threads wait for one another in a loop: let them take turns quickly.
    sys.setswitchinterval(1e-5)
    np.seterr(over="ignore")  # random words
    logging.getLogger("cbramsim").setLevel(logging.ERROR)  # grey levels that were guessed
else:
    collect_ignore_glob = ["*"]  # test_simulated.py runs what is here


@pytest.fixture(autouse=True)
def _few_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let blocks have one warp only, for they take their time."""
    from cbramsim.simulator.cuda import batch

    monkeypatch.setattr(batch, "threads_for", lambda shape: batch.WARP)
