"""Cost of a training step by where its working sets live: fitted, and tested on sizes left out.

.. math::
    \\frac{t}{P} = \\frac{c_0 + c_1 \\, \\text{neurons} + c_2 \\, \\text{operations}
        + \\sum_k c_{2+k} \\, \\text{bytes living beyond level } k}{P}, \\qquad c \\ge 0

A neuron is a row of weights, with the overhead of its loop. Bytes in the innermost level are not
separated from operations: both are nearly proportional to P, and their costs cannot be
distinguished. Each further coefficient is the additional cost of a byte beyond one more level, so
that no level can be cheaper than the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls


class Load(NamedTuple):
    """Work and traffic of a training step of one network."""

    parameters: int
    """Number of parameters P."""
    neurons: int
    """Number of rows of weights, for every image of the batch."""
    operations: float
    """Multiply-adds, as BUTTER-E counts them."""
    bytes_beyond: tuple[float, ...]
    """Bytes of working sets that live beyond the first level, beyond the second, and so on."""


class CostModel(NamedTuple):
    """Non-negative coefficients, and the errors of the model."""

    names: tuple[str, ...]
    """Meaning of each coefficient."""
    coefficients: NDArray[np.float64]
    """Cost of a step; per neuron; per operation; per byte beyond each level."""
    error: float
    """Mean of |model / measured - 1| over the points of the fit."""
    worst: float
    """Largest of these errors."""
    left_out_error: float
    """Mean error when each point is predicted by a fit to all others."""

    def overhead(self, load: Load) -> float:
        """Return the part of the cost of a training step that does not depend on its work."""
        return float(self.coefficients[0] + self.coefficients[1] * load.neurons)

    def per_parameter(self, load: Load) -> float:
        """Return the cost per parameter of a training step."""
        return float(_features([load])[0] @ self.coefficients)


def fit(loads: Sequence[Load], per_parameter: Sequence[float], levels: Sequence[str]) -> CostModel:
    """Fit costs per parameter, in any unit, by non-negative least squares of relative errors.

    `levels` are the names of the levels, main memory last.
    """
    features, measured = _features(loads), np.array(per_parameter, float)
    coefficients = _solve(features, measured)
    errors = np.abs(features @ coefficients / measured - 1)
    left_out = []
    for n in range(len(measured)):
        others = np.arange(len(measured)) != n
        predicted = features[n] @ _solve(features[others], measured[others])
        left_out.append(abs(predicted / measured[n] - 1))
    names = ("step", "neuron", "operation", *(f"byte beyond {level}" for level in levels[:-1]))
    return CostModel(
        names, coefficients, float(errors.mean()), float(errors.max()), float(np.mean(left_out))
    )


def _features(loads: Sequence[Load]) -> NDArray[np.float64]:
    return np.array(
        [[1.0, load.neurons, load.operations, *load.bytes_beyond] for load in loads]
    ) / np.array([[load.parameters] for load in loads])  # fmt: skip


def _solve(features: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    relative = features / measured[:, None]
    scale = relative.max(axis=0)  # columns differ by ten orders of magnitude
    scale[scale == 0] = 1
    solution, _ = nnls(relative / scale, np.ones(len(measured)))
    return solution / scale
