r"""Read noise with a 1/f spectrum: it grows with the time since programming.

The noise of a cell with conductance G, t after it was programmed, has the relative standard
deviation

.. math:: \frac{\sigma}{G} = \min(a\, x^b, c)\, \sqrt{\ln \frac{t + w}{2 w}}, \qquad
          x = \frac{G}{G_{max}},

the integral of a 1/f spectrum from 1 / (t + w) to 1 / (2 w), w the width of a read (phase-change
memory: Joshi et al., Nature Communications 11, 2473, 2020, with a = 0.0088, b = -0.65, c = 0.2,
w = 250 ns). It is constant within a read, and drawn anew for each read (assumed).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Second, Width


class OneOverF(SourcedParameters):
    """Noise of reads that grows with the time since programming; none by default."""

    read_1f: Annotated[tuple[float, ...], Field(max_length=3)] = ()
    """Parameters a, b and c of the module; none without this noise."""
    read_1f_width: Width = 250e-9
    """Width of the read for which they hold, s."""
    read_1f_start: Annotated[float, Field(ge=1e-12, le=1e9), Second] = 1.0
    """Time after programming up to which the noise is taken as constant, s."""

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
        return g * part * np.sqrt(self.one_over_f_spectrum(seconds))

    def one_over_f_spectrum(self, seconds: Any) -> Any:
        """Return the logarithm of the module, some seconds after programming."""
        width = self.read_1f_width
        after = np.maximum(seconds, max(self.read_1f_start, width))
        return np.log((after + width) / (2 * width))
