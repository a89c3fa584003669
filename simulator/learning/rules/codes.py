"""Learning rule on weights in binary cells: requested codes, and the energy of writing them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.simulator.array.binary.crossbar import BinaryCrossbar
from cbramsim.simulator.array.binary.parameters import BinaryWeights
from cbramsim.simulator.array.writing import SENSED_STATES
from cbramsim.simulator.learning.rules.pulsed import Method
from cbramsim.simulator.learning.rules.stdp import StdpRule


class CodeTable(NamedTuple):
    """Number of codes that the rule asks for, by the present one."""

    pulses: NDArray[np.float32]
    """Codes down for a depression, up for a potentiation, float32[2, 256]: see `wanted_codes`."""


def wanted_codes(
    rule: StdpRule, binary: BinaryWeights, method: Method = "stochastic"
) -> NDArray[np.float32]:
    """Return the numbers of codes down and up that the rule asks for, by code, float32[2, 256].

    Row 0 is for depression, row 1 for potentiation, both >= 0 and within the range of codes;
    rounded if `method` is `deterministic`.
    """
    step = 2 / (binary.codes - 1)
    weight = binary.weight_of(np.arange(binary.codes))
    at = np.minimum(weight + 0.5 * step, 1) if binary.rule_at == "midpoint" else weight
    wanted = np.zeros((2, SENSED_STATES), np.float32)
    wanted[0, : weight.size] = -rule.depression(weight) / step
    wanted[1, : weight.size] = np.minimum(rule.potentiation(at), 1 - weight) / step
    return np.rint(wanted) if method == "deterministic" else wanted


def expected_code_energy(
    rule: StdpRule,
    crossbar: BinaryCrossbar,
    column: int,
    probability: NDArray[np.float64],
    method: Method = "stochastic",
) -> NDArray[np.float64]:
    """Return the mean energy of the pulses that a weight gets per output spike of its neuron, J.

    The rule asks for q codes and gets floor(q) or the next whole number. Each bit in which two
    codes differ is one write, from the present conductance of its cell to its other level. The
    energy of verification is not included.

    Parameters
    ----------
    rule, crossbar, column
        The rule, the array, and the neuron.
    probability
        Probability of a spike of each input when the neuron fires, float64[rows].
    method
        Rounding of the change, see `Programming`.
    """
    binary, device, state = crossbar.binary, crossbar.device, crossbar.state
    planes = np.arange(binary.bits)
    lines = planes * crossbar.shape[1] + column
    g, cells = state.g_columns[lines].astype(np.float64), state.cells[lines].astype(np.float64)
    setting = 0.5 * device.v2t_set * (g + cells[..., G_HIGH]) + device.gate_set
    resetting = 0.5 * device.v2t_reset * (g + cells[..., G_LOW]) + device.gate_reset
    codes = (1 << planes) @ (g > device.g_mid)
    down, up = wanted_codes(rule, binary, method).astype(np.float64)[:, codes]
    energy = np.zeros(codes.size)
    for way, asked, share in ((-1, down, 1 - probability), (1, up, probability)):
        for codes_up, chance in (
            (way * np.floor(asked), 1 - asked % 1), (way * (np.floor(asked) + 1), asked % 1),
        ):  # fmt: skip
            after = np.clip(codes + codes_up.astype(np.int64), 0, binary.codes - 1)
            bits = (after >> planes[:, None]) & 1
            turned = ((codes ^ after) >> planes[:, None]) & 1
            energy += share * chance * (turned * np.where(bits, setting, resetting)).sum(axis=0)
    return binary.write_pulses * energy
