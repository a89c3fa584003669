r"""Switching at a part of the write voltage: disturbance of half-selected cells in a passive array.

Switching accelerates exponentially with voltage (the voltage-time dilemma of Waser et al., Adv.
Mater. 21, 2632, 2009; the sinh of hopping ions in the Stanford compact model, Guan et al., IEEE
Electron Device Lett. 33, 1405, 2012; both recalled, the form is assumed here). A pulse of voltage
V and width t moves a cell by the part

.. math:: f = \frac{\sinh(V / V_0)}{\sinh(V_{write} / V_0)} \frac{t}{t_{write}},
          \qquad V_0 = v_{switch},

of the step of a write pulse of that polarity from the same state: :math:`e^{-V_{write} / 2V_0}`
at half the voltage if :math:`V_{write} \gg V_0`, V / V_write if :math:`V_0 \gg V_{write}`. Many of
them add up, :math:`dG/dn = f S(G)` with S the mean step. Their noise is left out (assumed: it
averages out over many pulses), and so is their wear. A cell that they have moved ages like a newly
programmed one (assumed).
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from cbramsim.core.provenance import SourcedParameters
from cbramsim.core.validation import zero_or_from
from cbramsim.devices.quantities import Volt


class Disturb(SourcedParameters):
    """Step of a cell under a pulse below the write voltage."""

    v_switch: Annotated[float, Field(ge=0, le=1000), zero_or_from(1e-6), Volt] = 0.0
    """Voltage scale at which switching accelerates, V; 0 if no lower voltage than that of a write
    moves a cell. Otherwise half-selected cells of a passive array move while others are
    programmed."""

    def part_of_step(self, voltage: float, written: float) -> float:
        """Return the step of a pulse of `voltage` as a part of a step at `written`, both V.

        Of the same polarity and width.
        """
        if not self.v_switch or voltage == 0:
            return 0.0
        low, high = voltage / self.v_switch, written / self.v_switch
        return math.exp(low - high) * math.expm1(-2 * low) / math.expm1(-2 * high)
