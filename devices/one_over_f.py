r"""Read noise with a 1/f spectrum: the longer a cell has stood, the more its reads scatter.

The noise of a cell with conductance G, t after it was programmed, has the relative standard
deviation

.. math:: \frac{\sigma}{G} = \min(a\, x^b, c)\, \sqrt{\ln \frac{t + w}{2 w}}, \qquad
          x = \frac{G}{G_{max}},

the integral of a 1/f spectrum from 1 / (t + w) to 1 / (2 w), w the width of a read (phase-change
memory: Joshi et al., Nature Communications 11, 2473, 2020, with a = 0.0088, b = -0.65, c = 0.2,
w = 250 ns). It does not change within a read, but from read to read as if drawn anew (assumed).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.kernels import lean_kernel, lean_vector_kernel
from cbramsim.core.provenance import SourcedParameters
from cbramsim.core.rng import NORMAL_MASK, next_word
from cbramsim.core.verbs import add_normals, add_read_noise, follow_state, implements, sense
from cbramsim.devices.quantities import Second, Width


class OneOverF(SourcedParameters):
    """Noise of reads that grows with the time since programming; none by default."""

    read_1f: Annotated[tuple[float, ...], Field(max_length=3)] = ()
    """a, b and c of the module; none without this noise."""
    read_1f_width: Width = 250e-9
    """Width of the read for which they hold, s."""
    read_1f_start: Annotated[float, Field(ge=1e-12, le=1e9), Second] = 1.0
    """Time after programming before which the noise is taken to be what it is then, s."""

    @model_validator(mode="after")
    def _check_one_over_f(self) -> Self:
        if not self.read_1f:
            return self
        if len(self.read_1f) != 3 or not 0 <= self.read_1f[0] <= 10 or not 0 < self.read_1f[2] <= 2:
            raise ValueError(
                "read_1f must be a factor >= 0 and <= 10, an exponent, and a limit > 0 and <= 2 "
                f"(got {list(self.read_1f)})"
            )
        if not -5 <= self.read_1f[1] <= 5:
            raise ValueError(f"read_1f: the exponent must be in -5 to 5 (got {self.read_1f[1]:g})")
        return self

    def read_1f_sigma(self, conductance: Any, g_max: float, seconds: Any) -> Any:
        """Return the standard deviation of this noise, S, some seconds after programming."""
        g = np.asarray(conductance, np.float64)
        if not self.read_1f:
            return np.zeros_like(g)
        a, b, limit = self.read_1f
        with np.errstate(divide="ignore"):
            part = np.minimum(a * np.power(g / g_max, b), limit)
        part = np.where(g > 0, part, 0.0)
        return g * part * np.sqrt(self._spectrum(seconds))

    def _spectrum(self, seconds: Any) -> Any:
        width = self.read_1f_width
        after = np.maximum(seconds, max(self.read_1f_start, width))
        return np.log((after + width) / (2 * width))


class Growing(NamedTuple):
    """Normal noise of a read and 1/f noise, as compiled loops see them."""

    sigma: float
    """Standard deviation of the normal part of one cell, S."""
    factor: float
    exponent: float
    limit: float
    g_max: float
    """S."""
    fresh: float
    """Variance of the relative noise of a new cell, for a factor of 1."""
    variance: NDArray[np.float32]
    """Of the 1/f noise of each cell, float32[rows, columns], S²."""

    @classmethod
    def of(cls, device: Any, shape: tuple[int, int]) -> Self:
        """Return the noise of the cells of an array, all new."""
        a, b, limit = device.read_1f
        fresh = float(device._spectrum(0.0))
        return cls(
            device.read_c2c * device.g_range, a, b, limit, device.g_max, fresh,
            np.zeros(shape, np.float32),
        )  # fmt: skip


@lean_kernel
def _variance(noise, g):  # type: ignore[no-untyped-def]
    if not g > 0:
        return np.float32(0)
    part = min(noise.factor * math.pow(g / noise.g_max, noise.exponent), noise.limit)
    return np.float32(noise.fresh * (g * part) ** 2)


@implements(sense, Growing)
def _(noise, g, word, row, normals):  # type: ignore[no-untyped-def]
    """The cell counts as new; its two parts have numbers from two places of the table."""
    seen = g + np.float32(noise.sigma) * normals[np.int64(word & NORMAL_MASK) + row]
    other = np.int64((word >> np.uint64(20)) & NORMAL_MASK) + row
    return seen + np.float32(math.sqrt(_variance(noise, np.float64(g)))) * normals[other]


@implements(follow_state, Growing)
def _(noise, column, row, g):  # type: ignore[no-untyped-def]
    noise.variance[row, column] = _variance(noise, np.float64(g))


@implements(add_read_noise, Growing)
def _(noise, array, rows, n_active, currents, work, stream):  # type: ignore[no-untyped-def]
    word = next_word(stream)
    offset, other = np.int64(word & NORMAL_MASK), np.int64((word >> np.uint64(20)) & NORMAL_MASK)
    add_normals(array.gaps, noise.sigma, n_active, currents, work, array.normals[offset:])
    sums = work.variances[: currents.size]
    _sum_variances(noise.variance, rows, n_active, sums)
    for k in range(currents.size):
        currents[k] += np.float32(math.sqrt(sums[k])) * array.normals[other + k]


@lean_vector_kernel
def _sum_variances(variance, rows, n_active, out):  # type: ignore[no-untyped-def]
    for k in range(out.size):
        out[k] = np.float32(0)
    for r in range(n_active):
        of_row = variance[rows[r]]
        for k in range(out.size):
            out[k] += of_row[k]
