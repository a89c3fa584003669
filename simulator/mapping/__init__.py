"""Trained networks in arrays: weights from elsewhere are written into cells, and read by currents.

`TrainedNetwork` is what has been trained, as layers in a row. `map_network` writes the matrix of
each layer into arrays (`MatrixArrays`), finds the ranges of inputs and converters on training
images, and returns a `MappedNetwork`, whose accuracy, energy and latency are those of the arrays.
`loss_by_cause` says what costs how much accuracy.
"""

from cbramsim.simulator.mapping.causes import Cause, loss_by_cause
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.mapped import MappedNetwork, map_network
from cbramsim.simulator.mapping.trained import TrainedNetwork

__all__ = [
    "Cause", "MappedNetwork", "MappingConfig", "TrainedNetwork", "loss_by_cause", "map_network",
]  # fmt: skip
