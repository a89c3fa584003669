r"""Relaxation after programming: in the first seconds to days filaments move at random.

A cell that was programmed to :math:`G_p` has, at the time t after that, the conductance

.. math:: G(t) = G_p + s \ln t + \xi\, \sigma(t, G_p) \ge 0,

t in seconds and at least 1 s, :math:`\xi` the cell's own standard normal number (the same each time
it is programmed: assumed). The spread is :math:`\sigma = b + c \ln t` (CMO/HfOx), or that of a
table of times and states, linear in :math:`\ln t` and in G between them and constant beyond
(NeuRRAM: Wan et al., Nature 608, 504, 2022).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Second, Siemens

Change = Annotated[float, Field(ge=-1, le=1)]
Sigma = Annotated[float, Field(ge=0, le=1)]


class Relaxation(SourcedParameters):
    """Shift and spread of conductances after programming; none by default."""

    relaxation_shift: Annotated[Change, Siemens] = 0.0
    """Shift s of the module, S per unit of ln t."""
    relaxation_spread: Annotated[tuple[Change, ...], Field(max_length=2), Siemens] = ()
    """Parameters b and c of the module, S and S per unit of ln t."""
    relaxation_times: Annotated[
        tuple[Annotated[float, Field(ge=1, le=1e15)], ...], Field(max_length=100), Second
    ] = ()
    """Times of a table of spreads, rising, s."""
    relaxation_states: Annotated[tuple[Sigma, ...], Field(max_length=100), Siemens] = ()
    """States of that table, rising, S."""
    relaxation_sigmas: Annotated[tuple[Sigma, ...], Field(max_length=10_000), Siemens] = ()
    """Spreads of that table, S: all states at the first time, then all at the next one."""

    @model_validator(mode="after")
    def _check_relaxation(self) -> Self:
        if len(self.relaxation_spread) == 1:
            raise ValueError("relaxation_spread must be none, or two numbers")
        times, states, sigmas = (
            self.relaxation_times, self.relaxation_states, self.relaxation_sigmas,
        )  # fmt: skip
        if len(times) * len(states) != len(sigmas) or (bool(times) != bool(sigmas)):
            raise ValueError(
                f"relaxation_sigmas must be {len(times)} x {len(states)} numbers, those of "
                f"relaxation_times by relaxation_states (got {len(sigmas)})"
            )
        if self.relaxation_spread and sigmas:
            raise ValueError("relaxation_sigmas needs no relaxation_spread")
        for key, values in (("relaxation_times", times), ("relaxation_states", states)):
            if any(a >= b for a, b in pairwise(values)):
                raise ValueError(f"{key} must rise (got {list(values)})")
        return self

    @property
    def relaxes(self) -> bool:
        """Whether cells move after programming."""
        return bool(self.relaxation_shift or self.relaxation_spread or self.relaxation_sigmas)

    def relaxation_sigma(self, programmed: Any, seconds: Any) -> Any:
        """Return the spread of cells, S, some seconds after they were programmed, S."""
        g, after = np.asarray(programmed, np.float64), np.log(np.maximum(seconds, 1.0))
        if self.relaxation_spread:
            at_once, growth = self.relaxation_spread
            return np.maximum(at_once + growth * after, 0) + np.zeros_like(g)
        if not self.relaxation_sigmas:
            return np.zeros(np.broadcast_shapes(g.shape, after.shape))
        times, states = np.log(self.relaxation_times), np.array(self.relaxation_states)
        table = np.reshape(self.relaxation_sigmas, (len(times), len(states)))
        row, up = _place(times, after)
        column, right = _place(states, g)
        near = (1 - right) * table[row, column] + right * table[row, column + (right > 0)]
        row = row + (up > 0)
        far = (1 - right) * table[row, column] + right * table[row, column + (right > 0)]
        return (1 - up) * near + up * far


def _place(points: NDArray[np.float64], x: Any) -> tuple[Any, Any]:
    """Return the points between which `x` lies, and its part of the distance to the next, 0 to
    1."""
    x = np.clip(x, points[0], points[-1])
    if len(points) == 1:
        return np.zeros(np.shape(x), np.int64), np.zeros(np.shape(x))
    below = np.clip(np.searchsorted(points, x, "right") - 1, 0, len(points) - 2)
    return below, (x - points[below]) / (points[below + 1] - points[below])


class Relaxing:
    """Relaxation of the cells of an array."""

    def __init__(
        self, relaxation: Relaxation, shape: tuple[int, ...], rng: np.random.Generator
    ) -> None:
        """Draw the numbers of each cell."""
        self.relaxation = relaxation
        self._xi = rng.standard_normal(shape)

    def moved(
        self, programmed: NDArray[np.float32], age: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the movement of each cell since it was programmed, S."""
        shift = self.relaxation.relaxation_shift * np.log(np.maximum(age, 1.0))
        moved = shift + self._xi * self.relaxation.relaxation_sigma(programmed, age)
        # A cell that has just been programmed is where it was put.
        return np.where(age > 0, np.maximum(moved, -programmed.astype(np.float64)), 0.0)
