"""`MappingConfig`: mapping of a trained network into arrays, without its weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cbramsim.core.validation import NameOrPath, Parameters
from cbramsim.devices.device import Device
from cbramsim.simulator.array.checks import Access
from cbramsim.simulator.array.compensation import Compensation
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.lines import Tiles, Wires

Writing = Literal["verify", "error", "exact"]


class MappingConfig(Parameters):
    """Mapping of a trained network into arrays, without its weights."""

    device: NameOrPath = "subquantum-cbram"
    """Cell technology: a preset's name, or the path of a TOML file."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the cell to change, in SI units, by name."""
    periphery: NameOrPath = "cmos-28nm"
    """Circuits around the arrays: a preset's name, or the path of a TOML file."""
    synapse: Synapse = Synapse(pair=True, pulses="set")
    """Cells of a weight. A pair has one side at its lowest conductance; `Synapse()` is one cell
    against a reference column at mid-window. (Its settings of learning are not used.)"""
    scaling: Literal["layer", "column"] = "column"
    """Weight for which the window of the cells stands: the largest of a layer, or of each
    column."""
    clip: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Part of the weights, by size, that may lie beyond the window, and are clipped to it."""
    writing: Writing = "verify"
    """Way of writing weights: by pulses until each cell reads as it should (`verify`; where steps
    are small beside the noise of reads, a lucky read ends that early); with the error that has been
    published for the cell (`error`, see `Device.program_noise`; not booked); or as near as the
    cell's own window and states allow (`exact`; not booked)."""
    access: Access = "transistor"
    """Access device of each cell, as in `NetworkConfig`."""
    wires: bool = False
    """Whether lines have resistance: reads are then exact solutions of the arrays; for cells that
    are not ohmic, on average over typical reads."""
    wiring: Wires = Wires()
    """Resistances of the lines, with `wires`."""
    tiles: Tiles = Tiles(rows=128, columns=128)
    """Size of the physical arrays. Sums of several are converted separately and added."""
    encoding: Literal["bits", "amplitude"] = "bits"
    """Encoding of values on the word lines: bit by bit, the lowest first; or as voltages, in one
    read."""
    input_bits: Annotated[int, Field(ge=0, le=8)] = 8
    """Bits of an input; 0 for voltages that are not rounded."""
    readout: Readout = Readout(adc_bits=8)
    """Converters of the bit lines' currents, less those of the other side or of the reference. A
    range of 0 is that of the calibration."""
    percentile: Annotated[float, Field(ge=50, le=100)] = 99.99
    """Part of the calibration values that ranges contain, percent: of the inputs of each layer, and
    of the sums that are converted."""
    compensation: Compensation = "none"
    """Compensation of drift when time passes, see `array.compensation`."""
    celsius: Annotated[float, Field(gt=-273.15, le=1000)] = 25.0
    """Temperature while time passes, °C."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    def technology(self) -> Device:
        """Return the device with the changes in `cell`."""
        device = Device.load(self.device)
        return device.replace(**self.cell) if self.cell else device

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.input_bits and self.encoding == "bits":
            raise ValueError("input_bits must be >= 1 with encoding bits (got 0)")
        if not self.wires and self.wiring != Wires():
            raise ValueError("wires must be true for wiring to mean anything (got false)")
        if self.synapse.pair and self.synapse.pulses == "both":
            raise ValueError(
                "synapse.pulses must be set with pairs, one side of which is kept lowest "
                "(got 'both')"
            )
        if 0 < self.tiles.columns < self.synapse.planes:
            raise ValueError(
                f"tiles.columns must be >= {self.synapse.planes}, the cells of a weight (got "
                f"{self.tiles.columns})"
            )
        if self.synapse.significance > 1:
            raise ValueError(
                "synapse.significance must be 1: there is nothing to take over "
                f"(got {self.synapse.significance:g})"
            )
        return self
