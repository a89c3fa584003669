from __future__ import annotations

import logging
import os
import sys

import numpy as np

assert os.environ.get("NUMBA_ENABLE_CUDASIM") == "1", "run by test_simulated.py"

# The simulator's threads wait for one another in a loop: let them take turns quickly.
sys.setswitchinterval(1e-5)
np.seterr(over="ignore")  # random words
logging.getLogger("cbramsim").setLevel(logging.ERROR)  # grey levels that were guessed
