"""Parts of the stages of a perceptron, by its configuration, and the costs of its events."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.simulator.array.built import Built
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.array.synapse import SynapseCrossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.circuits.prices import conversion_price
from cbramsim.simulator.energy.ledger import Account, EnergyLedger, Operation
from cbramsim.simulator.learning.loop import Scratch, scratch
from cbramsim.simulator.learning.readout import Direct, converted
from cbramsim.simulator.supervised.codes import SeparateCodes
from cbramsim.simulator.supervised.config import PerceptronConfig
from cbramsim.simulator.supervised.loop import (
    Amplitude,
    Bits,
    CrossEntropy,
    SquaredError,
    Stage,
)
from cbramsim.simulator.supervised.optimizers import Collected, Immediately
from cbramsim.simulator.supervised.updates import Rounded, Sign, Stochastic


class Memory(NamedTuple):
    """Memory of a stage from one verb to the next, see `Stage`."""

    work: Scratch
    values: NDArray[np.float64]
    codes: NDArray[np.uint8]
    outputs: NDArray[np.float64]
    delta: NDArray[np.float64]
    optimizer: Immediately | Collected


def array_of(
    config: PerceptronConfig,
    device: Device,
    periphery: Periphery,
    ledger: EnergyLedger,
    layer: int,
    shape: tuple[int, int],
) -> Crossbar | PlaneArray:
    """Return the array of a layer, (inputs, units), with its initial weights."""
    built: Built = {
        "access": config.access, "tiles": config.tiles,
        "wires": config.wiring if config.wires else None,
    }  # fmt: skip
    seed = int(generator(config.seed, "layer", layer).integers(2**62))
    made: Crossbar | PlaneArray
    if config.synapse.several:
        made = SynapseCrossbar(device, shape, config.synapse, seed, periphery, ledger, **built)
    else:
        made = Crossbar(device, shape, seed, periphery, ledger, **built)
    rng, most = generator(config.seed, "initial weights", layer), config.initial_weight
    weights = rng.uniform(-most, most, shape)
    if config.initial_levels:
        levels = np.linspace(-most, most, config.initial_levels)
        weights = levels[rng.integers(config.initial_levels, size=shape)]
    made.set_weights(weights, clip=True)
    return made


def memory_of(config: PerceptronConfig, layer: int, shape: tuple[int, int]) -> Memory:
    """Return the empty memory of a stage of (inputs, units)."""
    rows, columns = shape
    optimizer: Immediately | Collected = Immediately()
    if config.remembers:
        optimizer = Collected(
            config.batch, config.rate_of[layer], config.gain,
            np.zeros((columns, rows), np.float32), np.zeros(1, np.int64),
            config.optimizer.new_moments(shape),
        )  # fmt: skip
    return Memory(
        scratch(rows, columns, config.synapse.planes),
        np.zeros(rows), np.zeros(rows, np.uint8), np.zeros(columns), np.zeros(columns), optimizer,
    )  # fmt: skip


def stage_of(
    config: PerceptronConfig,
    layer: int,
    crossbar: Crossbar | PlaneArray,
    cells: Any,
    memory: Memory,
    account: Account,
) -> Stage:
    """Return a layer in the form of compiled loops.

    Parameters
    ----------
    config, layer, crossbar, memory
        The layer, its number, its array and its memory.
    cells
        Cells that loops read and write, see `Crossbar.for_loops` and `Crossbar.at_rest`.
    account
        Account in which events are booked.
    """
    device, synapse = crossbar.device, config.synapse
    sigma = np.linalg.norm(synapse.parts) * crossbar.pulse.sum_sigma
    up, down = device.pulses_up, device.pulses_down
    if synapse.pair:
        up = down = up if synapse.pulses == "set" else 2 / (1 / up + 1 / down)
    levels = np.array([down, up], np.float64) * synapse.written / synapse.share
    return Stage(
        array=cells,
        readout=readout_of(config, crossbar),
        encoding=Amplitude() if config.encoding == "amplitude" else Bits(),
        update=update_of(config),
        per_siemens=2 * config.gain / device.g_range,
        step=config.rate_of[layer] * config.gain,
        levels=levels,
        planes=synapse.planes,
        references=0 if synapse.pair else 1,
        bits=config.hidden_bits if layer else config.input_bits,
        sigma=float(sigma),
        normals=crossbar.state.normals,
        account=account,
        **memory._asdict(),
    )


def readout_of(config: PerceptronConfig, crossbar: Crossbar | PlaneArray) -> Any:
    """Return the circuit between bit lines and sums."""
    rows, columns = crossbar.shape
    if config.codes:
        return SeparateCodes(lsb=crossbar.device.g_range * rows / config.codes)
    if not config.readout.adc_bits:
        return Direct()
    starts, _ = config.tiles.parts(crossbar.shape)
    tile_rows = int(np.diff(starts).max())
    adc = config.readout.converter(tile_rows, tile_rows, crossbar.device.g_range)
    return converted(adc, starts, columns, physical(crossbar).seed)


def update_of(config: PerceptronConfig) -> Rounded | Stochastic | Sign:
    """Return the rounding of changes to pulses."""
    if config.update == "sign":
        return Sign(config.threshold)
    return Rounded() if config.update == "rounded" else Stochastic()


def loss_of(config: PerceptronConfig) -> SquaredError | CrossEntropy:
    """Return the loss."""
    return CrossEntropy() if config.loss == "cross-entropy" else SquaredError()


def price_events(
    account: Account, config: PerceptronConfig, crossbar: Crossbar | PlaneArray
) -> None:
    """Price the events whose energy does not depend on the state of a cell."""
    device, periphery = crossbar.device, crossbar.periphery
    drivers = len(config.tiles.parts(crossbar.shape)[0]) - 1
    charge = device.c_cell * crossbar.shape[0] * device.v_read**2
    prices = {
        Operation.WORD_LINE_DRIVE: crossbar.word_line_energy,
        Operation.BIT_LINE_DRIVE: drivers * periphery.e_word_line + charge,
        Operation.NEURON_UPDATE: periphery.e_neuron,
        Operation.SHIFT_ADD: periphery.e_add,
        Operation.MEMORY_BYTE: periphery.e_memory,
        Operation.MULTIPLY_ADD: periphery.e_multiply_add,
    }
    if bits := config.readout.adc_bits or config.codes.bit_length():
        conversion = conversion_price(bits, config.readout.adc_source)
        prices[Operation.ADC_CONVERSION] = conversion.value
    for operation, joules in prices.items():
        account.joules[operation] = account.counts[operation] * joules
