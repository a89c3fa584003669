r"""Perceptrons that learn from labels in arrays: backpropagation, carried out by pulses.

Layer l has its weights in an array, reads them forward, backward and changes them:

.. math:: z = \gamma \sum_i w_i x_i, \quad a = f(z), \quad
          \delta_l = f'(z_l) \, \gamma \sum_k w_{ik} \delta_{l+1,k}, \quad
          \Delta w = -\eta \, \gamma \, \delta \, x.

The forward sum is the current of a bit line less that of the reference; the backward sum that of a
word line with :math:`\delta` on the bit lines. A controller turns :math:`\Delta w` into pulses
(`updates`), as if all steps were alike: it does not sense the cell. What it makes of the slopes
before, image by image or in batches, is in `optimizers`; what resistive lines do, in `lines`.
"""

from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.optimizers import Optimizer
from cbramsim.simulator.supervised.perceptron import CrossbarPerceptron

__all__ = ["CrossbarPerceptron", "Optimizer", "PerceptronConfig"]
