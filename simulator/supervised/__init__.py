r"""Perceptrons that learn from labels in arrays: backpropagation, executed by pulses.

Layer l has its weights in an array, reads them forward and backward, and changes them:

.. math:: z = \gamma \sum_i w_i x_i, \quad a = f(z), \quad
          \delta_l = f'(z_l) \, \gamma \sum_k w_{ik} \delta_{l+1,k}, \quad
          \Delta w = -\eta \, \gamma \, \delta \, x.

The forward sum is the current of a bit line less that of the reference; the backward sum that of a
word line with :math:`\delta` on the bit lines. A controller turns :math:`\Delta w` into pulses
(`updates`), as if all steps were equal: it does not sense the cell. Its use of the slopes before
that, image by image or in batches, is in `optimizers`; the effect of resistive lines, in `lines`.
"""

from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.optimizers import Optimizer
from cbramsim.simulator.supervised.perceptron import CrossbarPerceptron

__all__ = ["CrossbarPerceptron", "Optimizer", "PerceptronConfig"]
