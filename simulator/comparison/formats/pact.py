r"""Activations between 0 and a learned clip (PACT, PACT+).

:math:`y = \tfrac12(|x| - |x - \alpha| + \alpha)`, that is x clipped to [0, alpha], then
rounded to the nearest of n + 1 values :math:`k \alpha / n`, n = 2^b - 1, ties to even.
(J. Choi et al., 2018, recalled, not confirmed; gradients as in IBM's fms-model-optimizer.)
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from cbramsim.core.kernels import compiled_loop
from cbramsim.simulator.comparison.formats.base import (
    ROUNDER,
    Floats,
    NumberFormat,
    check_positive,
    grid_values,
    prepared,
    round_to_grid,
    summed,
)

CLIP = 8.0
"""Starting value of alpha."""
CHUNK = 1024
"""Number of values processed at a time."""


class Pact(NumberFormat):
    """Format of unsigned levels at equal distances from 0 to a clip."""

    bits: Annotated[int, Field(ge=1, le=16)] = 4
    """Bits of one code."""
    plus: bool = False
    """Whether the clip's gradient includes the rounding of unclipped values (PACT+)."""

    @property
    def name(self) -> str:
        """`pact4`, or `pact4-plus`."""
        return f"pact{self.bits}" + ("-plus" if self.plus else "")

    @property
    def steps(self) -> int:
        """Number of steps from 0 to the clip."""
        return 2**self.bits - 1

    def values(self, clip: float = CLIP) -> NDArray[np.float64]:
        """Return all values, float64[steps + 1]."""
        return grid_values(self._step(clip), 0, 0, self.steps)

    def quantise(self, x: ArrayLike, clip: float = CLIP, *, out: Floats | None = None) -> Floats:
        """Return `x` clipped to [0, `clip`] and rounded, float32[...]."""
        values, out = prepared(self.name, x, out)
        step, top = self._step(clip), float(self.steps)
        round_to_grid(values.reshape(-1), step, 0.0, 0.0, top, out.reshape(-1))
        return out

    def gradients(
        self, x: ArrayLike, upstream: ArrayLike, clip: float = CLIP, *, out: Floats | None = None
    ) -> tuple[Floats, float]:
        r"""Return the gradients with respect to `x`, float32[...], and to the clip.

        Rounding is passed straight through: dy/dx is 1 for 0 < x < alpha, else 0; dy/dalpha is 1
        for x >= alpha, else 0, and with `plus` :math:`(\mathrm{round}(z) - z) / n` in between,
        z = n x / alpha.

        Parameters
        ----------
        x
            Input of `quantise`.
        upstream
            Gradient with respect to its result, of the same shape.
        clip
            alpha.
        out
            Array for the first gradient; may be `upstream` itself.
        """
        values, _ = prepared(self.name, x, None if out is None else out)
        slopes, out = prepared(self.name, np.broadcast_to(upstream, values.shape), out)
        weight = 1.0 / self.steps if self.plus else 0.0
        alpha = check_positive(f"{self.name}.clip", clip)
        total = _gradients(
            values.reshape(-1), slopes.reshape(-1), alpha, self._step(clip), weight,
            out.reshape(-1),
        )  # fmt: skip
        return out, float(total)

    def _step(self, clip: float) -> float:
        return float(np.float32(check_positive(f"{self.name}.clip", clip / self.steps)))


@compiled_loop
def _gradients(x, upstream, alpha, step, weight, out):  # type: ignore[no-untyped-def]
    """Write dy/dx times `upstream`; return the sum of dy/dalpha times `upstream`.

    Some numbers at a time, so that the sum has lanes, and the rounding keeps its order.
    """
    parts, total = np.empty(CHUNK), 0.0
    for first in range(0, x.size, CHUNK):
        count = min(CHUNK, x.size - first)
        values, slopes = x[first : first + count], upstream[first : first + count]
        result = out[first : first + count]
        for k in range(count):
            value, slope = np.float64(values[k]), np.float64(slopes[k])
            inside = (value > 0) & (value < alpha)
            place = value / step
            rest = (((place + ROUNDER) - ROUNDER) - place) * weight
            factor = rest if inside else 0.0
            factor = 1.0 if value >= alpha else factor
            parts[k] = slope * factor
            result[k] = np.float32(slope if inside else 0.0)
        total += summed(parts[:count])
    return total
