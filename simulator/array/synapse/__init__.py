r"""Weights in several analog cells each: summed, in differential pairs, with two significances.

Cells of one weight share a word line and have bit lines of their own, whose currents are joined
before anything is compared or converted, with the sign and the significance of each:

.. math:: w = \sum_p s_p f_p u_p, \qquad u_p = 2 (G_p - G_{min}) / (G_{max} - G_{min}) - 1,

:math:`s_p` = 1, or -1 on the falling side of a pair, and :math:`\sum f_p = 1`. The noise of N
summed cells is :math:`1/\sqrt N` of that of one, and so is their spread; a pulse on one of them
gives 1/N of a step. In an update one cell of a weight gets the pulses, in turn (Boybat et al.,
Nature Communications 9, 2514, 2018, with one counter for the array; here each neuron has its own).
The more significant of two groups is written by transfers only (Ambrogio et al., Nature 558, 60,
2018). Mirrors that join currents cost nothing, and a pair needs no reference (assumed).
"""

from cbramsim.simulator.array.synapse.crossbar import SynapseCrossbar
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.array.synapse.synapses import Synapses

__all__ = ["Synapse", "SynapseCrossbar", "Synapses"]
