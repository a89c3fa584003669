"""Pruning while learning: when a neuron is mature, which of its cells are taken, what they become.

*Soft* pruning holds a matured weight at a constant, non-zero value for the rest of the training:
no more pulses, yet still there for recognition (Shi et al. 2018; threshold, selection and the
constant are not published, so each is a choice here). *Hard* pruning, the conventional kind, takes
the cell out of the array: its weight is zero, which is the middle of the range.

Three questions, three kinds of small objects: `maturity` (when), `selection` (which), `value`
(what they become). `Pruning` names one of each, `Pruner` puts them to work.
"""

from cbramsim.simulator.learning.pruning.pruner import Pruner, Pruning

__all__ = ["Pruner", "Pruning"]
