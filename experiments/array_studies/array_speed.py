"""Time of a product with the read noise of every cell and its conversion."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from cbramsim.core.errors import CbramError

CODE = (
    "import json, sys; from cbramsim.simulator.circuits.product import time_noisy_product; "
    "print(json.dumps([time_noisy_product(int(n), repetitions=int(sys.argv[1])) "
    "for n in sys.argv[2:]]))"
)
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def product_speed(batches: tuple[int, ...], repetitions: int) -> dict[str, dict[str, float]]:
    """Return the results of `time_noisy_product`, by batch, in a process of one thread.

    The libraries read the number of threads only when they are loaded, hence the new process.
    """
    command = [sys.executable, "-c", CODE, str(repetitions), *map(str, batches)]
    done = subprocess.run(
        command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CbramError(f"array: the timing of products failed: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return {str(batch): figures for batch, figures in zip(batches, found, strict=True)}
