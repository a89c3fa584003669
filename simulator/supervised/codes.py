"""Read-out that converts each bit line and the reference separately, and subtracts codes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cbramsim.core.verbs import convert, implements, sum_cells
from cbramsim.simulator.learning.readout import ADC_CONVERSION


class SeparateCodes(NamedTuple):
    """Converters that round down, one for each bit line and one for the reference column."""

    lsb: float
    """Distance of two codes, S."""


@implements(convert, SeparateCodes)
def _(readout, array, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    currents = work.currents
    sum_cells(array, work.rows, n_active, currents, work, stream)
    per_lsb = 1 / readout.lsb
    reference = math.floor(n_active * array.pulse.g_mid * per_lsb)
    for k in range(currents.size):
        code = math.floor(np.float64(currents[k]) * per_lsb)
        currents[k] = np.float32((code - reference) * readout.lsb)
    account.counts[ADC_CONVERSION] += currents.size + 1
    return np.float32(0)
