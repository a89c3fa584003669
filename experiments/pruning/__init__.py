"""`cbram pruning`: accuracy and energy over the pruned fraction, soft against hard."""

from cbramsim.experiments.pruning.study import Study, run

__all__ = ["Study", "run"]
