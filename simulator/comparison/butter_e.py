"""Measured energy of training whole networks on whole nodes, after BUTTER-E: a stand-in model.

The study's own energy equation was not available. This is **not the paper's model**: two formulas
fitted to medians that were digitised from its figure (facts A.6, A.7), error < 1 %,

.. math::
    E_{GPU} &= 11.0\\,mJ + 1.47\\,nJ \\max(0, P - 2^{19.6}) + 0.206\\,mJ\\,(L - 7.3) \\\\
    E_{CPU} &= 2.98\\,mJ + 0.0758\\,mJ\\,L + 0.845\\,mJ\\,L\\,\\frac{P}{P + 2^{15}} + 2.11\\,nJ\\,P

per datum learned from, at P parameters and depth L. A CPU at depth 2 follows the table instead.
All of it holds for one kind of node, batches of 256, FP32 and TensorFlow of 2022, with idle power.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.provenance import Evidence
from cbramsim.simulator.comparison.layers import GRID_DEPTHS
from cbramsim.simulator.comparison.operations import BATCH, batches
from cbramsim.simulator.energy.bill import Bill, Constant

MJ, NJ = 1e-3, 1e-9
WHOLE_NODE = "whole node"
Machine = Literal["cpu", "gpu"]
SOURCE = "BUTTER-E, median over data sets and shapes, digitised from figure 3"
NOT_THE_MODEL = "stand-in fitted to digitised medians of BUTTER-E, not the paper's model"
LOG2_SIZES = (5, 24)
"""Binary logarithm of the number of parameters: the range of the study."""


class Medians(NamedTuple):
    """Digitised median energy per training datum at one size, mJ."""

    gpu: float
    """GPU node, all depths."""
    cpu: float
    """CPU node, all depths."""
    cpu_low: float
    """Lower quartile of the CPU node."""
    cpu_high: float
    """Upper quartile of the CPU node."""
    cpu_by_depth: Mapping[int, float]
    """CPU node at depths 2, 4, 8, 16."""


_DIGITISED = """
5   10.11  3.13  2.81  3.46   2.73  2.87  3.29  3.02
6   10.30  3.62  3.16  4.15   2.82  3.06  3.81  3.95
7   10.53  3.85  3.27  4.72   2.91  3.19  3.76  4.51
8   10.53  4.02  3.39  5.27   3.10  3.31  4.04  4.99
9   10.67  4.40  3.48  5.61   2.85  3.36  4.26  5.56
10  10.97  4.69  3.61  6.01   3.06  3.22  4.31  6.05
11  10.96  4.47  3.57  6.06   3.49  3.63  4.32  6.02
12  11.06  4.59  3.83  5.70   3.70  4.03  4.36  5.61
13  11.11  5.21  4.38  6.19   3.91  4.32  5.54  5.66
14  11.10  6.04  4.85  7.95   3.93  4.78  6.24  7.53
15  11.06  7.50  5.31  11.2   4.16  5.11  7.36  12.8
16  11.11  8.98  6.00  13.5   4.41  5.49  8.54  14.2
17  11.09  10.3  6.82  14.9   5.09  6.11  9.09  15.4
18  11.20  11.4  7.26  16.1   5.78  6.17  9.36  16.8
19  11.41  12.6  8.25  17.4   8.00  7.12  10.7  17.5
20  11.64  14.0  9.53  19.7   12.3  8.09  12.7  19.8
21  12.85  16.5  12.1  22.9   19.6  10.6  14.6  23.7
22  16.25  21.6  17.3  27.7   35.0  15.6  19.7  28.6
23  22.54  31.6  26.5  37.3   62.3  24.5  29.6  37.8
24  34.86  48.0  41.9  55.5  119.7  38.1  45.7  56.1
"""


def _read_row(gpu: float, cpu: float, low: float, high: float, *by_depth: float) -> Medians:
    return Medians(gpu, cpu, low, high, dict(zip((2, 4, 8, 16), by_depth, strict=True)))


def _overhead(machine: Machine, joules: float) -> Constant:
    return Constant(
        name=f"butter-e-{machine}-overhead", value=joules, low=joules, high=joules, unit="J",
        evidence="published",
        source="BUTTER-E notebook 3: 5 % quantile of tecator runs with at most 2^10 parameters",
    )  # fmt: skip


MEDIANS: Mapping[int, Medians] = {
    int(size): _read_row(*map(float, values))
    for size, *values in (line.split() for line in _DIGITISED.strip().splitlines())
}
"""Digitised medians by log2 of the number of parameters (facts A.6)."""
GPU_BY_DEPTH: Mapping[int, float] = dict(
    zip(
        GRID_DEPTHS,
        (9.97, 10.06, 10.30, 10.56, 10.59, 10.92, 11.10, 11.38, 11.59, 12.19, 12.52, 12.83, 13.12,
         13.49),
        strict=True,
    )
)  # fmt: skip
"""Digitised median of the GPU node by depth, all sizes, mJ (facts A.6)."""
OVERHEAD: Mapping[Machine, Constant] = {
    "cpu": _overhead("cpu", 14_028.67),
    "gpu": _overhead("gpu", 271_560.24),
}
"""Energy of a run beyond its batches, J: loading, compiling, start and end."""


class ModelErrors(NamedTuple):
    """Errors of a stand-in against the medians it was fitted to."""

    mean: float
    """Mean of |model / median - 1|."""
    lowest: float
    """Smallest model / median."""
    highest: float
    """Largest model / median."""
    medians: int
    """Number of medians."""


def stand_in_cpu(parameters: float, depth: float) -> float:
    """Return the stand-in's energy per training datum on a CPU node, J. Not the paper's model."""
    bend = depth * parameters / (parameters + 2**15)
    return (2.98 + 0.0758 * depth + 0.845 * bend) * MJ + 2.11 * NJ * parameters


def stand_in_gpu(parameters: float, depth: float) -> float:
    """Return the stand-in's energy per training datum on a GPU node, J. Not the paper's model."""
    return (11.0 + 0.206 * (depth - 7.3)) * MJ + 1.47 * NJ * max(0.0, parameters - 2**19.6)


def model_errors() -> dict[Machine, ModelErrors]:
    """Return the errors of both stand-ins against the digitised medians, see `model_ratios`."""
    return {machine: _errors(ratios) for machine, ratios in model_ratios().items()}


def model_ratios() -> dict[Machine, list[float]]:
    """Return model over digitised median, of both stand-ins.

    CPU at depths 4, 8 and 16; GPU over all depths, where the term in L - 7.3 vanishes.
    """
    cpu = [
        stand_in_cpu(2**size, depth) / (row.cpu_by_depth[depth] * MJ)
        for size, row in MEDIANS.items()
        for depth in (4, 8, 16)
    ]
    gpu = [stand_in_gpu(2**size, 7.3) / (row.gpu * MJ) for size, row in MEDIANS.items()]
    return {"cpu": cpu, "gpu": gpu}


def energy_per_datum(machine: Machine, parameters: int, depth: int) -> Constant:
    """Return the energy of learning from one datum on a whole node, J.

    The range takes in every median, see `model_errors`; single runs scatter more. A CPU at
    depth 2 is read from the table; depth 3 lies outside the range of the fit (assumed).

    Raises
    ------
    ParameterError
        If the network is outside the range of the study: 2^5 to 2^24 parameters, depth 2 to 20,
        on a CPU 2 to 16.
    """
    deepest = {"cpu": 16, "gpu": 20}
    if machine not in deepest:
        raise ParameterError(
            f"energy_per_datum.machine: must be one of {', '.join(deepest)} (got {machine!r})"
            f"{nearest(str(machine), deepest)}"
        )
    smallest, largest = (2**exponent for exponent in LOG2_SIZES)
    if not smallest <= parameters <= largest:
        raise ParameterError(
            f"energy_per_datum.parameters: must be {smallest} to {largest}, the range of the study "
            f"(got {parameters})"
        )
    if not 2 <= depth <= deepest[machine]:
        raise ParameterError(
            f"energy_per_datum.depth: must be 2 to {deepest[machine]} on a {machine}, the range of "
            f"the medians (got {depth})"
        )
    errors = model_errors()[machine]
    evidence: Evidence = "derived"
    if machine == "gpu":
        joules, source = stand_in_gpu(parameters, depth), NOT_THE_MODEL
    elif depth == 2:
        joules, source = _tabulated(parameters), f"{SOURCE}, depth 2, interpolated"
    else:
        joules, source = stand_in_cpu(parameters, depth), NOT_THE_MODEL
        if depth < 4:
            evidence, source = "assumed", f"{NOT_THE_MODEL}; depth {depth} extrapolated"
    return Constant(
        name=f"butter-e-{machine}-datum-{parameters}-{depth}",
        value=joules, low=joules / errors.highest, high=joules / errors.lowest,
        unit="J", evidence=evidence, source=source,
    )  # fmt: skip


def run_bill(machine: Machine, parameters: int, depth: int, observations: int, epochs: int) -> Bill:
    """Return the energy of a whole training run on a whole node.

    Overhead + epochs x ceil(0.8 n / 256) x 256 x energy per datum (facts A.4): 80 % of `n`
    observations are learned from, and the last batch of an epoch is paid in full.
    """
    for name, value in (("observations", observations), ("epochs", epochs)):
        if value < 1:
            raise ParameterError(f"run_bill.{name}: must be a whole number >= 1 (got {value})")
    per_datum = energy_per_datum(machine, parameters, depth)
    data = epochs * batches(observations).train * BATCH
    bill = Bill().add(WHOLE_NODE, 1, OVERHEAD[machine])
    return bill.add(WHOLE_NODE, data, per_datum)


def _errors(ratios: list[float]) -> ModelErrors:
    mean = sum(abs(ratio - 1) for ratio in ratios) / len(ratios)
    return ModelErrors(mean, min(ratios), max(ratios), len(ratios))


def _tabulated(parameters: float) -> float:
    """Return the median of a CPU at depth 2, J, interpolated in both logarithms."""
    medians = [row.cpu_by_depth[2] * MJ for row in MEDIANS.values()]
    return float(np.exp(np.interp(np.log2(parameters), list(MEDIANS), np.log(medians))))
