"""Prices of the counts of perceptrons, and of the spiking network on machines without an array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cbramsim.simulator.comparison import butter_e, chips
from cbramsim.simulator.comparison.arithmetic import instructions, mac
from cbramsim.simulator.comparison.bottom_up import Macs, energy_per_byte, price
from cbramsim.simulator.comparison.chips import Chip, ChipEvents
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.mlp import MlpConfig
from cbramsim.simulator.comparison.mlp.operands import operands_of
from cbramsim.simulator.comparison.placement import place
from cbramsim.simulator.comparison.spiking import SpikingEvents, spiking_bill
from cbramsim.simulator.comparison.traffic import StepCounts
from cbramsim.simulator.comparison.working_sets import WorkingSet, working_sets
from cbramsim.simulator.energy.bill import Bill, Constant, total

NODE = "45nm"
NANOMETRES = 45.0
"""Node of digital circuits at which their prices are best known, nm."""
HIERARCHY = "server-45nm"
"""Memory of both the processor and the accelerator."""
FORWARD_SHARE = Constant(
    name="forward-part-of-training", value=1 / 3, low=0.15, high=0.6, unit="", evidence="assumed",
    source="recognition on a whole node was not measured: the forward of three products; low and "
    "high assumed",
)  # fmt: skip


def macs_of(precision: str) -> Macs:
    """Return the multiply-adds of a precision; the optimiser works in FP32."""
    forward = "int4" if precision in ("fp4", "luq") else precision
    back = mac(precision, NODE)
    return Macs(mac(forward, NODE), back, back, mac("fp32", NODE))


def perceptron_training(record: Mapping[str, Any], footprint: Footprint) -> Bill:
    """Return the bill of a training, from its counts."""
    return _scaled(counted_bill(record, record["training"], training=True), footprint)


def perceptron_inference(record: Mapping[str, Any], footprint: Footprint) -> Bill:
    """Return the bill of one image recognised alone."""
    return _scaled(counted_bill(record, record["inference"], training=False), footprint)


def counted_bill(record: Mapping[str, Any], counted: Mapping[str, Any], *, training: bool) -> Bill:
    """Return the bill of the counts of a perceptron, layer by layer, each in its own precision."""
    config = MlpConfig(**record["config"])
    hierarchy = Hierarchy.load(HIERARCHY)
    operands = [operands_of(config, number) for number in range(config.layers.depth)]
    bits = operands[config.layers.depth // 2].bits
    sets = working_sets(
        config.layers, config.batch if training else 1, record["learned"],
        bytes_per_value={kind: width / 8 for kind, width in bits.items()}, training=training,
    )  # fmt: skip
    placement = place(sets, hierarchy)
    return total(
        price(
            StepCounts(**counts), operands[number].bits, placement, hierarchy,
            macs_of(operands[number].name),
        )
        for number, counts in enumerate(counted["layers"])
    )  # fmt: skip


def multiply_adds(counted: Mapping[str, Any]) -> int:
    """Return all multiply-adds that were counted."""
    return sum(StepCounts(**counts).macs for counts in counted["layers"])


def processor_overhead(counted: Mapping[str, Any], footprint: Footprint) -> Bill:
    """Return the energy of a processor's instructions for the counted multiply-adds in FP32."""
    return _scaled(instructions(multiply_adds(counted), "fp32", NODE), footprint)


def whole_node(machine: butter_e.Machine, record: Mapping[str, Any]) -> tuple[Bill, Bill]:
    """Return training and recognition on a whole node, after its measured energy per datum.

    The fixed cost of a run (loading, compiling), which exceeds that of the training, is left out.
    """
    layers = Layers(**record["config"]["layers"])
    each = butter_e.energy_per_datum(machine, layers.parameters, layers.depth)
    training = Bill().add(butter_e.WHOLE_NODE, record["training"]["images"], each)
    return training, Bill().add(butter_e.WHOLE_NODE, 1, each, FORWARD_SHARE)


def spiking_on_digital(record: Mapping[str, Any], phase: str, footprint: Footprint) -> Bill:
    """Return the bill of the events of a phase of the spiking network on the accelerator."""
    events = SpikingEvents.of_phase(record["ledger"][phase])
    bill = spiking_bill(events, tuple(record["shape"]), Hierarchy.load(HIERARCHY), NODE)
    return _scaled(bill, footprint) + images_fetched(record, phase, footprint)


def images_fetched(record: Mapping[str, Any], phase: str, footprint: Footprint) -> Bill:
    """Return the bill of reading the images of a phase from the same memory as perceptrons.

    One byte for each pixel that the array is wired to, once per presentation.
    """
    stored = images_of(record, "label") * Layers().widths[0]
    hierarchy = Hierarchy.load(HIERARCHY)
    level = place([WorkingSet("d", 0, stored, None)], hierarchy)[0].level
    bytes_read = images_of(record, phase) * record["shape"][0]
    return _scaled(Bill().add(level.name, bytes_read, energy_per_byte(level, hierarchy)), footprint)


def images_of(record: Mapping[str, Any], phase: str) -> float:
    """Return the number of images that an array was shown in a phase of its ledger."""
    events = SpikingEvents.of_phase(record["ledger"][phase])
    return events.competitions / record["shape"][1] / record["windows"]


def spiking_on_chip(chip: Chip, record: Mapping[str, Any], phase: str) -> Bill:
    """Return the bill of the events of a phase on a neuromorphic chip, in real time.

    Every window of the network lasts as long as in the array, and is one time step of the chip.
    """
    events = SpikingEvents.of_phase(record["ledger"][phase])
    shape = tuple(record["shape"])
    windows = events.competitions / shape[1]
    counted = ChipEvents(
        synaptic=events.synaptic, neuron_updates=events.competitions, spikes=events.spikes,
        weight_updates=events.written if phase == "train" else 0,
    ).in_real_time(windows, record["window"])  # fmt: skip
    return chips.run_bill(chip, counted, chip.fit(*shape).chips)


def _scaled(bill: Bill, footprint: Footprint) -> Bill:
    return footprint.scaled(bill, NANOMETRES)
