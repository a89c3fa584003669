r"""Networks with time: leaky integrate-and-fire neurons over the bit lines of an array.

Inputs spike at their own times. A spike drives its word line; the current of each bit line adds to
the potential of its neuron, in units of the largest weight, :math:`w = G / G_{max}`. There is no
reference column: weights are positive. Between spikes potentials leak,

.. math:: \tau \dot u = -u, \qquad u \leftarrow u + \sum_{i \text{ spikes}} w_i,

and a neuron that reaches its threshold fires, returns to rest, stays there for its refractory time,
inhibits the others, and its column learns from the times since the last spikes of the inputs
(`rules`). Labels only name neurons.
"""

from cbramsim.simulator.timed.config import (
    Adaptation,
    Coding,
    Inhibition,
    Membrane,
    TimedConfig,
    TimedStdp,
)
from cbramsim.simulator.timed.network import TimedNetwork

__all__ = [
    "Adaptation",
    "Coding",
    "Inhibition",
    "Membrane",
    "TimedConfig",
    "TimedNetwork",
    "TimedStdp",
]
