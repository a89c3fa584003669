"""Learning inside a simulated subquantum CBRAM array: accuracy, and an answer in joules.

>>> import cbramsim
>>> data = cbramsim.load_dataset("mnist")
>>> network = cbramsim.SpikingNetwork(neurons=100).fit(data.train_images, epochs=1)
>>> network.label(data.train_images, data.train_labels)
>>> network.score(data.test_images, data.test_labels)
>>> print(network.ledger)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.7.0"

if TYPE_CHECKING:
    from cbramsim.devices.device import Device as Device
    from cbramsim.errors import ParameterError as ParameterError
    from cbramsim.simulator.bill import Bill as Bill
    from cbramsim.simulator.bill import Draws as Draws
    from cbramsim.simulator.configuration import NetworkConfig as NetworkConfig
    from cbramsim.simulator.crossbar import Crossbar as Crossbar
    from cbramsim.simulator.datasets import load_dataset as load_dataset
    from cbramsim.simulator.digital.hierarchy import Hierarchy as Hierarchy
    from cbramsim.simulator.digital.layers import Layers as Layers
    from cbramsim.simulator.digital.mlp import Mlp as Mlp
    from cbramsim.simulator.encoding import Encoding as Encoding
    from cbramsim.simulator.energy import EnergyLedger as EnergyLedger
    from cbramsim.simulator.energy import Operation as Operation
    from cbramsim.simulator.federation import Federation as Federation
    from cbramsim.simulator.federation import federate as federate
    from cbramsim.simulator.network import SpikingNetwork as SpikingNetwork
    from cbramsim.simulator.neurons import Competition as Competition
    from cbramsim.simulator.own import Own as Own
    from cbramsim.simulator.periphery import Periphery as Periphery
    from cbramsim.simulator.pruning import Pruning as Pruning
    from cbramsim.simulator.reuse import learning_curve as learning_curve
    from cbramsim.simulator.reuse import warm_start as warm_start
    from cbramsim.simulator.stdp import Programming as Programming
    from cbramsim.simulator.stdp import StdpRule as StdpRule
    from cbramsim.simulator.wires import Terminals as Terminals
    from cbramsim.simulator.wires import Tiles as Tiles
    from cbramsim.simulator.wires import Wires as Wires

_HOME = {
    "Device": "cbramsim.devices.device",
    "ParameterError": "cbramsim.errors",
    "Crossbar": "cbramsim.simulator.crossbar",
    "load_dataset": "cbramsim.simulator.datasets",
    "Encoding": "cbramsim.simulator.encoding",
    "EnergyLedger": "cbramsim.simulator.energy",
    "Operation": "cbramsim.simulator.energy",
    "NetworkConfig": "cbramsim.simulator.configuration",
    "Bill": "cbramsim.simulator.bill",
    "Draws": "cbramsim.simulator.bill",
    "Hierarchy": "cbramsim.simulator.digital.hierarchy",
    "Layers": "cbramsim.simulator.digital.layers",
    "Mlp": "cbramsim.simulator.digital.mlp",
    "Federation": "cbramsim.simulator.federation",
    "federate": "cbramsim.simulator.federation",
    "learning_curve": "cbramsim.simulator.reuse",
    "warm_start": "cbramsim.simulator.reuse",
    "SpikingNetwork": "cbramsim.simulator.network",
    "Competition": "cbramsim.simulator.neurons",
    "Own": "cbramsim.simulator.own",
    "Periphery": "cbramsim.simulator.periphery",
    "Pruning": "cbramsim.simulator.pruning",
    "Programming": "cbramsim.simulator.stdp",
    "StdpRule": "cbramsim.simulator.stdp",
    "Terminals": "cbramsim.simulator.wires",
    "Tiles": "cbramsim.simulator.wires",
    "Wires": "cbramsim.simulator.wires",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that the command line starts at once."""
    if name not in _HOME:
        raise AttributeError(f"module 'cbramsim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
