r"""Errors of a write: noise in what reads see, and errors of verified programming.

*Write noise*: reads see the state of a cell with an offset that each write draws anew and that
stays until the next one,

.. math:: G_{seen} = \max(G + \xi\, \sigma_{write} (G_{max} - G_{min}), 0),

while later pulses start from the state G itself (Gong et al., Nature Communications 9, 2102, 2018,
whose trains show it; the form of Rasch et al., AICAS 2021). The energy of reads of the array
follows the conductance that they see; that of a pulse, or of sensing a cell, follows the state.

*Programming noise*: a cell that was programmed to a target by pulses and verification ends near it,
with a standard deviation that depends on the target,

.. math:: \sigma_{prog} = c_0 + c_1 x + c_2 x^2 + \dots, \qquad x = G_{target} / G_{max}

(phase-change memory: Joshi et al., Nature Communications 11, 2473, 2020).
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Siemens, Spread


class WriteNoise(SourcedParameters):
    """Errors that a write leaves beside the state it reaches; none by default."""

    write_c2c: Spread = 0.0
    """Noise of a write that reads see, but not the state: standard deviation as a fraction of
    `g_max - g_min`."""
    program_noise: Annotated[
        tuple[Annotated[float, Field(ge=-1, le=1)], ...], Field(max_length=8), Siemens
    ] = ()
    """Coefficients of the standard deviation about a target, S: see the module."""

    def program_sigma(self, target: Any, g_max: float) -> Any:
        """Return the standard deviation about a target (S) after verified programming, S."""
        x = np.asarray(target, np.float64) / g_max
        return np.maximum(np.polynomial.polynomial.polyval(x, self.program_noise or (0.0,)), 0)
