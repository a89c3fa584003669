"""What a network is told of its cells behind resistive lines, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.array.curved_lines import CurvedLines
from cbramsim.simulator.lines.saturating import saturated


def told(y: NDArray[np.float32], seen: NDArray[np.float32], lines: Any) -> NDArray[np.float32]:
    """Return a read of the word lines y[rows], 1 or 0, in S: what the loops sum up."""
    if not isinstance(lines, CurvedLines):
        return y @ seen
    summed = np.zeros(seen.shape[1], np.float32)
    for bend, start, end in zip(lines.bends, lines.starts[:-1], lines.starts[1:], strict=True):
        summed += saturated(y[start:end] @ seen[start:end], bend)
    return summed
