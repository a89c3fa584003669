"""The rule on weights in binary cells: how many codes it asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.array.binary.parameters import DigitalCells
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.learning.rules.pulsed import Scheme
from cbramsim.simulator.learning.rules.stdp import StdpRule


class CodeTable(NamedTuple):
    """How many codes the rule asks for, by the present one."""

    pulses: NDArray[np.float32]
    """See `wanted_codes`, float32[2, 256]: codes down for a depression, up for a potentiation."""


def wanted_codes(
    rule: StdpRule, digital: DigitalCells, scheme: Scheme = "stochastic"
) -> NDArray[np.float32]:
    """Return how many codes down and up the rule asks for, by code, float32[2, 256].

    Row 0 is for depression, row 1 for potentiation, both >= 0 and within the range of codes;
    rounded if `scheme` is `deterministic`.
    """
    step = 2 / (digital.codes - 1)
    weight = digital.weight_of(np.arange(digital.codes))
    at = np.minimum(weight + 0.5 * step, 1) if digital.rule_at == "midpoint" else weight
    wanted = np.zeros((2, SENSED_STATES), np.float32)
    wanted[0, : weight.size] = -rule.depression(weight) / step
    wanted[1, : weight.size] = np.minimum(rule.potentiation(at), 1 - weight) / step
    return np.rint(wanted) if scheme == "deterministic" else wanted
