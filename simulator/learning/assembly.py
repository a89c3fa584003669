"""Parts of a layer, by its configuration: array, rule, read-out, prices of its events."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbramsim.devices.device import Device
from cbramsim.simulator.array.binary import BinaryCrossbar
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Account, EnergyLedger, Operation
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.inputs import Inputs
from cbramsim.simulator.learning.readout import Converted, Direct, converted
from cbramsim.simulator.learning.rules.codes import CodeTable, wanted_codes
from cbramsim.simulator.learning.rules.ideal import DenseStdp, ideal_stdp
from cbramsim.simulator.learning.rules.pulsed import by_pulses, dense, pulsed_stdp
from cbramsim.simulator.learning.rules.rewarded import rewarded_stdp


def array_of(
    config: NetworkConfig,
    inputs: int,
    device: Device,
    periphery: Periphery,
    ledger: EnergyLedger,
    own: Own,
) -> Crossbar | PlaneArray:
    """Return the array of a layer with a number of inputs, in its first state."""
    shape = (inputs, config.neurons)
    built: Built = {
        "access": config.access, "scheme": config.scheme, "tiles": config.tiles,
        "wires": config.wiring if config.wires else None,
    }  # fmt: skip
    crossbar: Crossbar | PlaneArray
    if config.storage == "binary":
        crossbar = BinaryCrossbar(
            device, shape, config.binary, config.seed, periphery, ledger, **built
        )
    elif config.synapse.several:
        crossbar = SynapseCrossbar(
            device, shape, config.synapse, config.seed, periphery, ledger, Own(law=own.law), **built
        )
    else:
        crossbar = Crossbar(
            device, shape, config.seed, periphery, ledger, Own(law=own.law), **built
        )
    if config.pruning.kind == "hard":
        crossbar.expect_gaps()
    return crossbar


def rule_of(config: NetworkConfig, inputs: int, device: Device) -> Any:
    """Return the learning rule of a layer with a number of inputs, for compiled loops."""
    programming, whole = config.programming, config.programming.method == "deterministic"
    if config.update == "dense" and whole:  # rounded once it is known how much is asked of a column
        programming = programming.replace(method="stochastic")
    if config.storage == "binary":
        codes = wanted_codes(config.stdp, config.binary, programming.method)
        rule = by_pulses(CodeTable(codes), programming)
    elif config.exact:
        ideal = ideal_stdp(config.stdp, device)
        return DenseStdp.of(ideal, inputs) if config.update == "dense" else ideal
    elif config.reward.classes:
        return rewarded_stdp(
            config.reward, lambda asked: pulsed_stdp(asked, device, programming, config.synapse),
            config.stdp, config.neurons, config.encoding.windows,
        )  # fmt: skip
    else:
        rule = pulsed_stdp(config.stdp, device, programming, config.synapse)
    return dense(rule, whole=whole) if config.update == "dense" else rule


def readout_of(config: NetworkConfig, inputs: Inputs, device: Device) -> Direct | Converted:
    """Return the circuit between the bit lines and the neurons, for compiled loops."""
    if not config.readout.adc_bits or inputs.most_active is None:
        return Direct()
    starts, _ = config.tiles.parts((inputs.activity.size, config.neurons))
    tile_rows = int(np.diff(starts).max())
    adc = config.readout.converter(inputs.most_active, tile_rows, device.g_range)
    return converted(adc, starts, config.neurons, config.seed)


def prices_of(config: NetworkConfig, crossbar: Crossbar | PlaneArray) -> list[tuple[int, float]]:
    """Return the events whose energy does not depend on the state of a cell, and that energy, J."""
    periphery = crossbar.periphery
    prices = {
        Operation.WORD_LINE_DRIVE: crossbar.word_line_energy,
        Operation.NEURON_UPDATE: periphery.e_neuron,
        Operation.OUTPUT_SPIKE: periphery.e_spike,
    }
    if config.readout.adc_bits:
        prices[Operation.ADC_CONVERSION] = config.readout.price().value
        prices[Operation.SHIFT_ADD] = periphery.e_add
    if isinstance(crossbar, BinaryCrossbar):
        prices |= dict(crossbar.prices)
    return [(int(operation), joules) for operation, joules in prices.items()]


def price_events(account: Account, prices: list[tuple[int, float]]) -> None:
    """Price events as in `prices_of`."""
    for operation, joules in prices:
        account.joules[operation] = account.counts[operation] * joules
