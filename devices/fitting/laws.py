"""Candidate laws of the step, as compiled functions of the depth and of free shape parameters.

The laws are those of `cbramsim.devices.pulse_law`. A train of any polarity is followed by its
depth d, 0 where it begins and 1 at the far bound, and by its step, part of the window. Shape
parameters, shared by all cells, of each polarity:

============= ==================================================================================
`constant`    none
`exponential` k = N / A: the label is its departure from the line, positive if the train saturates
`power`       the exponent
`table`       relative steps at equally spaced depths but the first, where it is 1
============= ==================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.devices.pulse_law import Law, inverse_pulse_constant, nonlinearity_label

CONSTANT, EXPONENTIAL, POWER, TABLE = range(4)
KNOTS = 9
"""States at which the law `table` is free."""
STEEPEST = float(inverse_pulse_constant(8.99))
"""Largest |k|: that of the largest label."""


@dataclass(frozen=True)
class Candidate:
    """A law, and how its shape parameters are searched for."""

    name: Law
    code: int
    """Which law, in compiled loops."""
    shapes: int
    """Shape parameters of each polarity."""
    bounds: tuple[float, float]
    """Of every shape parameter."""
    starts: tuple[float, ...]
    """Values from which the search begins; of a table, the last, on a straight line."""

    def first_shapes(self) -> list[NDArray[np.float64]]:
        """Return the shapes from which the search begins, float64[2, n] each."""
        depth = np.linspace(0, 1, self.shapes + 1)[1:] if self.code == TABLE else None
        lines = [
            np.full(self.shapes, value) if depth is None else 1 + (value - 1) * depth
            for value in self.starts
        ]
        return [np.stack([line, line]) for line in lines]

    def labels(self, shape: NDArray[np.float64]) -> dict[str, Any]:
        """Return the fields of a `Device`, one for set and one for reset pulses; shapes [2, n]."""
        if self.code == EXPONENTIAL:
            k = shape[:, 0]
            up, down = np.sign(k) * nonlinearity_label(np.abs(k))
            return {"nonlinearity_up": float(up), "nonlinearity_down": -float(down)}
        if self.code == POWER:
            return {"exponent_up": float(shape[0, 0]), "exponent_down": float(shape[1, 0])}
        if self.code == TABLE:
            up, down = ((1.0, *map(float, row)) for row in shape)
            return {"shape_up": up, "shape_down": down}
        return {}


CANDIDATES = (
    Candidate("constant", CONSTANT, 0, (0, 0), (0.0,)),
    Candidate("exponential", EXPONENTIAL, 1, (-STEEPEST, STEEPEST), (0.0, 3.0, -3.0)),
    Candidate("power", POWER, 1, (0, 10), (0.5, 2.0)),
    Candidate("table", TABLE, KNOTS - 1, (0, 1000), (1.0, 0.4)),
)


@inlined
def first_and_slope(code, pulses, shape):  # type: ignore[no-untyped-def]
    """Return the step at depth 0, and by how much it changes with the depth if it is affine."""
    if code != EXPONENTIAL:
        return 1.0 / pulses, 0.0
    k = shape[0]
    slope = math.expm1(-k / pulses)
    return slope / math.expm1(-k) if abs(k) > 1e-9 else 1.0 / pulses, slope


@inlined
def step_at(code, first, slope, shape, depth):  # type: ignore[no-untyped-def]
    """Return the step at `depth`, part of the window."""
    if code == POWER:
        return first * max(1.0 - depth, 0.0) ** shape[0]
    if code == TABLE:
        place = min(max(depth, 0.0), 1.0) * shape.size
        j = min(int(place), shape.size - 1)
        left = shape[j - 1] if j > 0 else 1.0
        return first * (left + (shape[j] - left) * (place - j))
    return first + slope * min(max(depth, 0.0), 1.0)


@compiled_loop
def pulses_to_half(code: int, shape: NDArray[np.float64]) -> float:
    """Return the part of the pulses N after which a train is halfway."""
    pulses, depth = 400.0, 0.0
    first, slope = first_and_slope(code, pulses, shape)
    for n in range(20 * int(pulses)):
        depth += step_at(code, first, slope, shape, depth)
        if depth >= 0.5:
            return (n + 1) / pulses
    return 20.0
