"""`PerceptronConfig`: everything that defines a perceptron in arrays except its data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cbramsim.core.validation import NameOrPath, Parameters
from cbramsim.devices.device import Device
from cbramsim.simulator.array.checks import Access
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.lines import Tiles, Wires
from cbramsim.simulator.supervised.optimizers import Optimizer

Width = Annotated[int, Field(ge=1, le=100_000)]
Rate = Annotated[float, Field(ge=0, le=1000)]


class PerceptronConfig(Parameters):
    """Everything that defines a perceptron in arrays except its data."""

    hidden: Annotated[tuple[Width, ...], Field(max_length=8)] = (100,)
    """Units of the hidden layers; () for a single layer, which learns by the delta rule."""
    device: NameOrPath = "subquantum-cbram"
    """Cell technology: a preset's name, or the path of a TOML file."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the cell to change, in SI units, by name."""
    periphery: NameOrPath = "cmos-28nm"
    """Circuits around the array: a preset's name, or the path of a TOML file."""
    synapse: Synapse = Synapse()
    """Cells of a weight."""
    access: Access = "transistor"
    """Access device of each cell, as in `NetworkConfig`."""
    tiles: Tiles = Tiles()
    """Size of the physical arrays."""
    wires: bool = False
    """Whether lines have resistance, see `supervised.lines`."""
    wiring: Wires = Wires()
    """Resistances of the lines, with `wires`."""
    wires_error: Annotated[float, Field(ge=1e-6, le=0.1)] = 0.01
    """Largest relative error of the mean current of any bit line while learning, before the lines
    are solved again, as in `NetworkConfig`."""
    readout: Readout = Readout()
    """Converters of the bit lines' currents less the reference's; see also `codes`."""
    codes: Annotated[int, Field(ge=0, le=65536)] = 0
    """Number of steps over the window of all cells of a bit line, in which it and the reference are
    converted separately, rounded down; the difference of the codes is the sum. 0: as in
    `readout`."""
    encoding: Literal["bits", "amplitude"] = "bits"
    """Encoding of values on the word lines: bit by bit; or as voltages, exactly, in one read, of
    ohmic cells without converters."""
    input_bits: Annotated[int, Field(ge=1, le=8)] = 8
    """Bits of an input; 1 is black and white."""
    hidden_bits: Annotated[int, Field(ge=1, le=8)] = 8
    """Bits of a hidden unit on the word lines of the next array, with `encoding` bits. The value
    remembered for the update is not rounded."""
    loss: Literal["squared", "cross-entropy"] = "squared"
    """Logistic outputs and the sum of squared errors, or softmax outputs and cross-entropy."""
    gain: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Factor gamma on the sum of weights times inputs."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=9)] = (0.1,)
    """Learning rate eta of each layer, or one for all."""
    update: Literal["rounded", "stochastic", "sign"] = "stochastic"
    """Rounding of the change to q = |dw| / 2 x `pulses_up` (or down) pulses: `rounded`, half away
    from zero; `stochastic`, floor(q + U), right on average; `sign`, one pulse by its sign
    (Manhattan rule), where q is at least `threshold`."""
    threshold: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Smallest number of pulses for `update` sign, pulses."""
    batch: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Images whose slopes are summed before pulses are given. An incomplete batch at the end waits
    for the next images."""
    optimizer: Optimizer = Optimizer()
    """Optimizer of the slopes before rounding: plain descent, momentum or Adam, in a digital
    memory."""
    initial_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Largest size of the initial weights, which are uniformly distributed."""
    initial_levels: Annotated[int, Field(ge=0, le=1000)] = 0
    """Number of values of the initial weights, evenly spaced; 0 for any value."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    @property
    def layers(self) -> int:
        """Number of arrays."""
        return len(self.hidden) + 1

    @property
    def rate_of(self) -> tuple[float, ...]:
        """Rate of each layer."""
        return self.rates if len(self.rates) > 1 else self.rates * self.layers

    @property
    def remembers(self) -> bool:
        """Whether slopes are stored in a memory beside the array."""
        return self.batch > 1 or self.optimizer.kind != "sgd"

    def technology(self) -> Device:
        """Return the device with the changes in `cell`."""
        device = Device.load(self.device)
        return device.replace(**self.cell) if self.cell else device

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.rates) not in (1, self.layers):
            raise ValueError(
                f"rates must be one, or one for each of the {self.layers} layers (got "
                f"{len(self.rates)})"
            )
        if self.codes and self.readout.adc_bits:
            raise ValueError(
                f"codes must be 0 with readout.adc_bits, the other converter (got {self.codes})"
            )
        if self.codes and (self.tiles.rows or self.synapse.several):
            raise ValueError(
                "codes must be 0 with tiles.rows, and with several cells a weight, whose currents "
                f"are joined before they are converted (got {self.codes})"
            )
        if self.encoding == "amplitude" and (self.codes or self.readout.adc_bits):
            raise ValueError("encoding must be bits with converters (got amplitude)")
        if not self.wires and self.wiring != Wires():
            raise ValueError("wires must be true for wiring to mean anything (got false)")
        if self.threshold and self.update != "sign":
            raise ValueError(f"threshold needs update sign (got {self.threshold:g})")
        return self
