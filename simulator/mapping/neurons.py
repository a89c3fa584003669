r"""`Leaky`: integrate-and-fire neurons of a trained spiking network, step by step.

The membrane follows :math:`\tau \dot v = v_{leak} - v + R I`, or without a leak
:math:`\dot v = R I`; above its threshold the neuron spikes and is reset (as NIR defines LIF and IF:
Pedersen et al., Nature Communications 15, 8122, 2024). Steps are forward Euler, as in the
frameworks from which such networks come:

.. math:: v \leftarrow v + \frac{\Delta t}{\tau} (v_{leak} - v + R I).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cbramsim.simulator.mapping.layers import Digital, Floats, Weighted


@dataclass(frozen=True, eq=False)
class Leaky:
    """Integrate-and-fire neurons; each number is one for all, or one for each neuron."""

    threshold: Floats
    """Potential above which a neuron spikes."""
    resistance: Floats
    """Resistance R: the potential to which a unit of input drives the membrane, or, without a leak,
    its rate per second."""
    tau: Floats | None = None
    """Time constant of the membrane, s; None: it does not leak."""
    leak: Floats | float = 0.0
    """Value to which the membrane leaks."""
    reset: Floats | float = 0.0
    """Value after a spike."""

    def step(self, drive: Floats, v: Floats | None, dt: float) -> tuple[Floats, Floats]:
        """Return the spikes of a step, 0 or 1, and the membrane after it.

        Parameters
        ----------
        drive
            Input I, float32[images, ...].
        v
            The membrane before the step, as `drive`; None for the first step, in which it is at
            rest.
        dt
            Duration of a step, s.
        """
        rest = np.broadcast_to(np.asarray(self.leak, np.float32), drive.shape)
        v = rest if v is None else v
        if self.tau is None:
            v = v + np.float32(dt) * self.resistance * drive
        else:
            v = v + np.float32(dt) / self.tau * (self.leak - v + self.resistance * drive)
        spikes = v > self.threshold
        v = np.where(spikes, self.reset, v).astype(np.float32)
        return spikes.astype(np.float32), v


Layer = Weighted | Digital | Leaky
