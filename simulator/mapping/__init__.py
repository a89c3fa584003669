"""Trained networks in arrays: their weights are written into cells, and read by currents.

`TrainedNetwork` holds the trained network as layers in a row. `map_network` writes the matrix of
each layer into arrays (`MatrixArrays`), finds the ranges of inputs and converters on training
images, and returns a `MappedNetwork`, whose accuracy, energy and latency are those of the arrays.
`loss_by_cause` returns the loss of accuracy by cause.
"""

from cbramsim.simulator.mapping.causes import Cause, loss_by_cause
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.mapped import MappedNetwork, map_network
from cbramsim.simulator.mapping.trained import TrainedNetwork

__all__ = [
    "Cause", "MappedNetwork", "MappingConfig", "TrainedNetwork", "loss_by_cause", "map_network",
]  # fmt: skip
