r"""Candidate laws of the step, as compiled functions of the depth and of free shape parameters.

A train of either polarity is described by its depth d, 0 at the bound of the window that it leaves
and 1 at the bound that it approaches. A step is a part of the window: the step at d = 0 times the
shape

============= ===================================================== ===========================
law           shape of the step                                     its shape parameters
============= ===================================================== ===========================
`constant`    1                                                     none
`exponential` :math:`1 - (1 - e^{-k}) d`                            k = N / A
`soft bounds` :math:`1 - d`                                         none
`power`       :math:`(1 - d/r)^\gamma`                              :math:`\gamma`, r
`log-time`    :math:`e^{-k d}`                                      k
`sigmoid`     :math:`(1 + a d)(1 - d/r)`                            ln(1 + a), r
`stretched`   that of :math:`r(1 - e^{-(n/\tau)^\beta})`            :math:`\beta`, r
`table`       linear between `KNOTS` equally spaced depths          logarithms at all but the first
============= ===================================================== ===========================

*Exponential* is that of :mod:`cbramsim.devices.pulse_law` (MLP+NeuroSim V3.0 manual); *soft bounds*
and steps that fall linearly are those of T. Gokmen and Y. Vlasov (Front. Neurosci. 10, 333, 2016)
and of aihwkit, the latter the same as exponential; *log-time* is :math:`\ln(1 + n/n_0)` written as
a step, and aihwkit's exponential step; *sigmoid* is logistic growth; *stretched* is the
Kohlrausch function.

r is the end of the law, in windows: 1 where trains arrive at their bound, and more where the window
is only the measured range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import compiled_loop, inlined
from cbramsim.devices.pulse_law import nonlinearity_label

CONSTANT, EXPONENTIAL, SOFT, POWER, LOG_TIME, SIGMOID, STRETCHED, TABLE = range(8)
KNOTS = 9
"""Number of depths at which the law `table` is free."""
POINTS = 33
"""Number of depths at which a law that `Device` does not have is passed on as a table."""
STEEPEST = 40.0
"""Largest |k|: a label of 8.2."""
FARTHEST = 10.0
"""Largest r, windows."""


@dataclass(frozen=True)
class Candidate:
    """A law, and the search for its shape parameters."""

    name: str
    code: int
    """Number of the law in compiled loops."""
    shapes: tuple[str, ...] = ()
    """Names of its shape parameters; `r`, if any, is the last."""
    bounds: tuple[tuple[float, float], ...] = ()
    """Bounds of each of them."""
    starts: tuple[tuple[float, ...], ...] = ((),)
    """Starting points of the search."""

    def labels(self, shape: NDArray[np.float64]) -> dict[str, float]:
        """Return shape parameters by name, of set and of reset pulses; float64[2, n]."""
        if self.code == TABLE:
            return {}
        if self.code == EXPONENTIAL:
            k = shape[:, 0]
            up, down = np.sign(k) * nonlinearity_label(np.abs(k))
            return {"nonlinearity_up": float(up), "nonlinearity_down": -float(down)}
        return {
            f"{name}_{way}": float(value)
            for way, row in zip(("up", "down"), shape, strict=True)
            for name, value in zip(self.shapes, row, strict=True)
        }


_REACH = (1.0, FARTHEST)
CANDIDATES = (
    Candidate("constant", CONSTANT),
    Candidate("soft bounds", SOFT),
    Candidate(
        "exponential", EXPONENTIAL, ("k",), ((-STEEPEST, STEEPEST),), ((0.5,), (4.0,), (-3.0,))
    ),
    Candidate("power", POWER, ("exponent", "r"), ((0.0, 10.0), _REACH), ((0.5, 1.2), (2.0, 1.2))),
    Candidate("log-time", LOG_TIME, ("k",), ((-12.0, 12.0),), ((1.0,), (4.0,))),
    Candidate("sigmoid", SIGMOID, ("log_a", "r"), ((0.0, 6.0), _REACH), ((1.0, 1.2), (3.0, 1.2))),
    Candidate(
        "stretched", STRETCHED, ("beta", "r"), ((0.2, 5.0), _REACH), ((0.7, 1.2), (1.5, 1.2))
    ),
    Candidate(
        "table", TABLE, tuple(f"knot_{i}" for i in range(1, KNOTS)), ((-7.0, 7.0),) * (KNOTS - 1),
        (tuple(-0.15 * i for i in range(1, KNOTS)), (0.0,) * (KNOTS - 1)),
    ),
)  # fmt: skip
"""Laws, the simplest first."""
NAMES = tuple(candidate.name for candidate in CANDIDATES)


@inlined
def step_at(code, first, shape, depth):  # type: ignore[no-untyped-def]
    """Return the step at `depth`, part of the window; `first` is that at depth 0."""
    d = min(max(depth, 0.0), 1.0)
    if code == EXPONENTIAL:
        return first * (1.0 + math.expm1(-shape[0]) * d) if shape[0] > 0 else (
            first * (1.0 + math.expm1(min(-shape[0], STEEPEST)) * d)
        )  # fmt: skip
    if code == SOFT:
        return first * (1.0 - d)
    if code == POWER:
        return first * (1.0 - d / shape[1]) ** shape[0]
    if code == LOG_TIME:
        return first * math.exp(-shape[0] * d)
    if code == SIGMOID:
        return first * (1.0 + math.expm1(shape[0]) * d) * (1.0 - d / shape[1])
    if code == STRETCHED:
        left = 1.0 - d / shape[1]
        if left <= 1e-12:
            return 0.0
        # pulses so far over tau, and one more: of the first step alone, 1 / tau
        beta = shape[0]
        pulse = (-math.log1p(-min(first / shape[1], 1.0 - 1e-12))) ** (1.0 / beta)
        so_far = (-math.log(left)) ** (1.0 / beta)
        return shape[1] * (left - math.exp(-((so_far + pulse) ** beta)))
    if code == TABLE:
        place = d * shape.size
        j = min(int(place), shape.size - 1)
        near = math.exp(shape[j - 1]) if j > 0 else 1.0
        return first * (near + (math.exp(shape[j]) - near) * (place - j))
    return first


@compiled_loop
def steps_at(code, first, shape, depths):  # type: ignore[no-untyped-def]
    """Return the steps at several depths, float64[n]."""
    steps = np.empty(depths.size)
    for i in range(depths.size):
        steps[i] = step_at(code, first, shape, depths[i])
    return steps


def device_law(
    candidate: Candidate, first: tuple[float, float], shape: NDArray[np.float64]
) -> dict[str, Any]:
    """Return the fields of a `Device` that describe the step of a pulse.

    A law that `Device` does not have becomes a table of `POINTS` depths.

    Parameters
    ----------
    candidate
        The law.
    first
        Steps of set and of reset pulses at depth 0, parts of the window.
    shape
        Shape parameters of set and of reset pulses, float64[2, n].
    """
    ways = ("up", "down")
    pulses = {f"pulses_{way}": 1 / step for way, step in zip(ways, first, strict=True)}
    if candidate.code == CONSTANT:
        return {"law": "constant", **pulses}
    if candidate.code == EXPONENTIAL:
        k = shape[:, 0]
        return {"law": "exponential"} | candidate.labels(shape) | {
            f"pulses_{way}": max(_end_to_end(step, one), 1.0)
            for way, step, one in zip(ways, first, k, strict=True)
        }  # fmt: skip
    if candidate.code == SOFT:
        return {"law": "power", "exponent_up": 1.0, "exponent_down": 1.0, **pulses}
    if candidate.code == POWER and np.allclose(shape[:, 1], 1, atol=1e-6):
        exponents = {f"exponent_{way}": float(shape[i, 0]) for i, way in enumerate(ways)}
        return {"law": "power", **exponents, **pulses}
    count = KNOTS if candidate.code == TABLE else POINTS
    fields: dict[str, Any] = {"law": "table"}
    for i, way in enumerate(ways):
        steps = steps_at(candidate.code, first[i], shape[i], np.linspace(0, 1, count))
        largest = max(float(steps.max()), 1e-6)  # shapes are relative to the largest step
        fields[f"pulses_{way}"] = max(1 / largest, 1.0)
        fields[f"shape_{way}"] = tuple((np.minimum(steps, 1) / largest).tolist())
    return fields


def _end_to_end(first: float, k: float) -> float:
    r"""Return N of the exponential law: :math:`f (1 - e^{-k}) = 1 - e^{-k/N}`."""
    if abs(k) < 1e-6:
        return 1 / first
    slope = -first * math.expm1(-k)
    return -k / math.log1p(-min(slope, 1 - 1e-12))
