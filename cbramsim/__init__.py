"""Learning inside a simulated subquantum CBRAM array: accuracy, and an answer in joules.

>>> import cbramsim
>>> data = cbramsim.load_dataset("mnist")
>>> network = cbramsim.SpikingNetwork(neurons=100).fit(data.train_images, epochs=1)
>>> network.label(data.train_images, data.train_labels)
>>> network.score(data.test_images, data.test_labels)
>>> print(network.ledger)
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "1.0.0"

_ROOT = Path(__file__).parents[1]


class _Houses:
    """Finder of the three packages of a checkout, whose folders are beside this one."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name in {"cbramsim.devices", "cbramsim.simulator", "cbramsim.experiments"}:
            return PathFinder.find_spec(name, [str(_ROOT)])
        return None


if (_ROOT / "setup.py").is_file() and (_ROOT / "devices" / "device.py").is_file():
    sys.meta_path.insert(0, _Houses)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from cbramsim.core.errors import ParameterError as ParameterError
    from cbramsim.devices.device import Device as Device
    from cbramsim.devices.fitting.fit import fit as fit
    from cbramsim.devices.fitting.reading import read_measurement as read_measurement
    from cbramsim.experiments.study.study import Study as Study
    from cbramsim.simulator.array.crossbar import Crossbar as Crossbar
    from cbramsim.simulator.array.own import Own as Own
    from cbramsim.simulator.array.synapse.crossbar import SynapseCrossbar as SynapseCrossbar
    from cbramsim.simulator.array.synapse.parameters import Synapse as Synapse
    from cbramsim.simulator.circuits import Periphery as Periphery
    from cbramsim.simulator.comparison.hierarchy import Hierarchy as Hierarchy
    from cbramsim.simulator.comparison.layers import Layers as Layers
    from cbramsim.simulator.comparison.mlp import Mlp as Mlp
    from cbramsim.simulator.energy.bill import Bill as Bill
    from cbramsim.simulator.energy.bill import Draws as Draws
    from cbramsim.simulator.energy.ledger import EnergyLedger as EnergyLedger
    from cbramsim.simulator.energy.ledger import Operation as Operation
    from cbramsim.simulator.images.datasets import load_dataset as load_dataset
    from cbramsim.simulator.learning.config import NetworkConfig as NetworkConfig
    from cbramsim.simulator.learning.encoding import Encoding as Encoding
    from cbramsim.simulator.learning.network import SpikingNetwork as SpikingNetwork
    from cbramsim.simulator.learning.neurons import Competition as Competition
    from cbramsim.simulator.learning.pruning import Pruning as Pruning
    from cbramsim.simulator.learning.rules.pulsed import Programming as Programming
    from cbramsim.simulator.learning.rules.rewarded import Reward as Reward
    from cbramsim.simulator.learning.rules.stdp import StdpRule as StdpRule
    from cbramsim.simulator.lines import Terminals as Terminals
    from cbramsim.simulator.lines import Tiles as Tiles
    from cbramsim.simulator.lines import Wires as Wires
    from cbramsim.simulator.mapping.causes import loss_by_cause as loss_by_cause
    from cbramsim.simulator.mapping.config import MappingConfig as MappingConfig
    from cbramsim.simulator.mapping.mapped import map_network as map_network
    from cbramsim.simulator.mapping.trained import TrainedNetwork as TrainedNetwork
    from cbramsim.simulator.several.federation import Federation as Federation
    from cbramsim.simulator.several.federation import federate as federate
    from cbramsim.simulator.several.reuse import learning_curve as learning_curve
    from cbramsim.simulator.several.reuse import warm_start as warm_start
    from cbramsim.simulator.supervised.config import PerceptronConfig as PerceptronConfig
    from cbramsim.simulator.supervised.optimizers import Optimizer as Optimizer
    from cbramsim.simulator.supervised.perceptron import CrossbarPerceptron as CrossbarPerceptron
    from cbramsim.simulator.timed.config import TimedConfig as TimedConfig
    from cbramsim.simulator.timed.network import TimedNetwork as TimedNetwork

_HOME = {
    "Device": "cbramsim.devices.device",
    "fit": "cbramsim.devices.fitting.fit",
    "read_measurement": "cbramsim.devices.fitting.reading",
    "Study": "cbramsim.experiments.study.study",
    "ParameterError": "cbramsim.core.errors",
    "Crossbar": "cbramsim.simulator.array.crossbar",
    "load_dataset": "cbramsim.simulator.images.datasets",
    "Encoding": "cbramsim.simulator.learning.encoding",
    "EnergyLedger": "cbramsim.simulator.energy.ledger",
    "Operation": "cbramsim.simulator.energy.ledger",
    "NetworkConfig": "cbramsim.simulator.learning.config",
    "Bill": "cbramsim.simulator.energy.bill",
    "Draws": "cbramsim.simulator.energy.bill",
    "Hierarchy": "cbramsim.simulator.comparison.hierarchy",
    "Layers": "cbramsim.simulator.comparison.layers",
    "Mlp": "cbramsim.simulator.comparison.mlp",
    "MappingConfig": "cbramsim.simulator.mapping.config",
    "TrainedNetwork": "cbramsim.simulator.mapping.trained",
    "loss_by_cause": "cbramsim.simulator.mapping.causes",
    "map_network": "cbramsim.simulator.mapping.mapped",
    "Federation": "cbramsim.simulator.several.federation",
    "federate": "cbramsim.simulator.several.federation",
    "learning_curve": "cbramsim.simulator.several.reuse",
    "warm_start": "cbramsim.simulator.several.reuse",
    "SpikingNetwork": "cbramsim.simulator.learning.network",
    "Competition": "cbramsim.simulator.learning.neurons",
    "Own": "cbramsim.simulator.array.own",
    "Synapse": "cbramsim.simulator.array.synapse.parameters",
    "SynapseCrossbar": "cbramsim.simulator.array.synapse.crossbar",
    "Periphery": "cbramsim.simulator.circuits",
    "Pruning": "cbramsim.simulator.learning.pruning",
    "Programming": "cbramsim.simulator.learning.rules.pulsed",
    "Reward": "cbramsim.simulator.learning.rules.rewarded",
    "StdpRule": "cbramsim.simulator.learning.rules.stdp",
    "Terminals": "cbramsim.simulator.lines",
    "Tiles": "cbramsim.simulator.lines",
    "CrossbarPerceptron": "cbramsim.simulator.supervised.perceptron",
    "Optimizer": "cbramsim.simulator.supervised.optimizers",
    "PerceptronConfig": "cbramsim.simulator.supervised.config",
    "TimedConfig": "cbramsim.simulator.timed.config",
    "TimedNetwork": "cbramsim.simulator.timed.network",
    "Wires": "cbramsim.simulator.lines",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that the command line starts at once."""
    if name not in _HOME:
        raise AttributeError(f"module 'cbramsim' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
