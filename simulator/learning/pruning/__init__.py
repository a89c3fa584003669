"""Pruning while learning: maturity of neurons, selection of their weights, and pruned values.

*Soft* pruning holds a matured weight at a constant, non-zero value for the rest of the training: no
more pulses, but still used for recognition (Shi et al. 2018; threshold, selection and the constant
are not published, so each can be chosen here). *Hard* pruning, the conventional kind, takes the
cell out of the array: its weight is zero, which is the middle of the range.

There are three kinds of small objects: `maturity` (when), `selection` (which weights), `value`
(their value afterwards). `Pruning` names one of each, `Pruner` applies them.
"""

from cbramsim.simulator.learning.pruning.pruner import Pruner, Pruning

__all__ = ["Pruner", "Pruning"]
