"""Spiking network of the array on conventional digital hardware: the same events, other prices.

Weights are numbers in memory. Every synaptic event reads one and adds it, every potential takes
part in one competition, and the STDP of the winner reads its column and writes the changed weights.
The network works on one image at a time, so that nothing is reused from one event to the next: all
weights come from the level of the hierarchy in which the whole matrix lives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cbramsim.simulator.comparison.arithmetic import elementwise, mac
from cbramsim.simulator.comparison.bottom_up import energy_per_byte
from cbramsim.simulator.comparison.hierarchy import Hierarchy, Level
from cbramsim.simulator.comparison.placement import place
from cbramsim.simulator.comparison.working_sets import WorkingSet
from cbramsim.simulator.energy.bill import Bill, Constant
from cbramsim.simulator.energy.ledger import Operation

POTENTIAL_BITS = 16
"""Bits of the sum of a neuron's inputs."""
EXPONENTIAL = Constant(
    name="operations-per-exponential", value=10, low=4, high=40, unit="", evidence="assumed",
    source="multiplications in FP16 for one exponential of the softmax competition",
)  # fmt: skip
UNPRICED = ("random numbers of inputs, competition and updates", "control and instructions")
"""Costs for which no figure stands."""


class SpikingEvents(NamedTuple):
    """Events in a spiking network, whatever it is built of."""

    synaptic: int
    """Spikes that reach a synapse."""
    competitions: int
    """Neurons that take part in one competition."""
    spikes: int
    """Output spikes."""
    examined: int
    """Weights that the learning rule examines."""
    written: int
    """Weights that it changes, each counted once, however many pulses a cell would take."""

    @classmethod
    def of_phase(cls, phase: Mapping[str, Mapping[str, float]]) -> SpikingEvents:
        """Return the events that an array's ledger has booked, a phase of its `to_dict`."""

        def count(*operations: Operation) -> int:
            names = [operation.name.lower() for operation in operations]
            return sum(int(phase[name]["count"]) for name in names if name in phase)

        return cls(
            count(Operation.CELL_READ),
            count(Operation.NEURON_UPDATE),
            count(Operation.OUTPUT_SPIKE),
            count(Operation.SENSE_READ),
            count(Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.PRUNE_SET_PULSE),
        )


def home(shape: tuple[int, int], bits: int, hierarchy: Hierarchy) -> Level:
    """Return the level in which a matrix of weights lives."""
    matrix = WorkingSet("weights", shape[0] * shape[1] * bits / 8, 0, None)
    return place([matrix], hierarchy)[0].level


def spiking_bill(
    events: SpikingEvents,
    shape: tuple[int, int],
    hierarchy: Hierarchy,
    node: str = "45nm",
    bits: int = 8,
) -> Bill:
    """Return the bill of events in digital hardware.

    Parameters
    ----------
    events
        Events of the network.
    shape
        Inputs and neurons.
    hierarchy
        Memory levels, with energies.
    node
        Node of the arithmetic, see `arithmetic.mac`.
    bits
        Bits of a weight.

    Raises
    ------
    ParameterError
        If the hierarchy has no energy for the level that is needed, or the node is not known.
    """
    level = home(shape, bits, hierarchy)
    moved = (events.synaptic + events.examined + events.written) * bits / 8
    return (
        Bill()
        .add(level.name, moved, energy_per_byte(level, hierarchy))
        .add("arithmetic", events.synaptic + events.written, mac(f"spike{POTENTIAL_BITS}", node))
        .add("arithmetic", events.competitions, elementwise("fp16", node), EXPONENTIAL)
    )
