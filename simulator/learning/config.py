"""`NetworkConfig`: everything that defines a network except its data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.rng import generator
from cbramsim.core.validation import NameOrPath, Parameters
from cbramsim.devices.device import Device
from cbramsim.devices.retention import COLDEST, HOTTEST
from cbramsim.simulator.array.binary import BinaryWeights
from cbramsim.simulator.array.checks import Access, WriteScheme
from cbramsim.simulator.array.compensation import Compensation
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.learning.encoding import Encoding
from cbramsim.simulator.learning.neurons import Competition
from cbramsim.simulator.learning.old_words import in_todays_words
from cbramsim.simulator.learning.pruning import Pruning
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.learning.rules.pulsed import Programming
from cbramsim.simulator.learning.rules.rewarded import Reward
from cbramsim.simulator.learning.rules.stdp import StdpRule
from cbramsim.simulator.lines import Tiles, Wires

Rule = Literal["ideal", "device"]
Update = Literal["winner", "dense"]
Storage = Literal["analog", "binary"]


REFERENCE_INPUTS = 397
"""Inputs of the reference network (Shi et al. 2018)."""


COMMON = {"inputs", "encoding", "seed", "later_layers"}
"""Keys that all layers share."""
MOST_LAYERS = 100
"""Most layers; more are taken for a mistake."""


class NetworkConfig(Parameters):
    """Everything that defines a network except its data."""

    neurons: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Output neurons, one bit line each."""
    inputs: Annotated[int | None, Field(ge=1, le=100_000)] = None
    """Number of pixels to use, the most active, one word line each; by default those that are
    non-zero in more than 5 % of the training images (5.05 %: 397 of MNIST)."""
    device: NameOrPath = "subquantum-cbram"
    """Cell technology: a preset's name, or the path of a TOML file."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the cell to change from those of `device`, in SI units, by name."""
    periphery: NameOrPath = "cmos-28nm"
    """Circuits around the array: a preset's name, or the path of a TOML file."""
    rule: Rule = "device"
    """Way in which updates are carried out: `ideal` (exactly, in an array without variability) or
    `device` (pulses). A code of `storage` binary, or a weight in several cells, cannot be moved
    exactly: there the ideal rule uses cells without variability, and pulses as in `programming`."""
    update: Update = "winner"
    """Columns that learn from a presentation: the `winner`'s, or all, each by its chance of firing
    (`dense`, like a conventional network, at the price of one)."""
    programming: Programming = Programming()
    """Way in which the controller gives device pulses."""
    celsius: Annotated[float, Field(gt=COLDEST, le=HOTTEST)] = 25.0
    """Temperature of the array in use, °C."""
    access: Access = "transistor"
    """Access device of each cell: a `transistor` that shuts it off while others on its lines are
    programmed; or none (`passive`), so that half-selected cells conduct at half the voltage."""
    scheme: WriteScheme = "V/2"
    """Voltage on the other cells of a passive array: half of it on the two lines of the programmed
    one (`V/2`), or a third of it everywhere (`V/3`)."""
    wires: bool = False
    """Whether lines have resistance: every read then sees reduced voltages, and the lines
    dissipate."""
    wiring: Wires = Wires()
    """Resistances of the lines, with `wires`."""
    tiles: Tiles = Tiles()
    """Size of the physical arrays that share the cells."""
    compensation: Compensation = "none"
    """Compensation of drift when time passes after learning, see `array.compensation`: `global`,
    one factor for a physical array, or `column`, one for each bit line."""
    readout: Readout = Readout()
    """Converters between the bit lines and the neurons."""
    wires_error: Annotated[float, Field(ge=1e-6, le=0.1)] = 0.01
    """Largest relative error of the mean current of any bit line while learning, before the lines
    are solved again. (The error that was reached is in the results.)"""
    storage: Storage = "analog"
    """Storage of weights: `analog`, each the conductance of one cell, or of a few (`synapse`); or
    `binary`, each a code in binary cells."""
    binary: BinaryWeights = BinaryWeights()
    """Bits and read-out of weights in binary cells."""
    synapse: Synapse = Synapse()
    """Cells of a weight of `storage` analog: their number, connection and writing."""
    initial_weight: Annotated[float, Field(ge=-1, le=1)] = -1.0
    """Mean of the weights before training, before they are clipped to their range: at -1, half of
    them start at the floor."""
    initial_weight_d2d: Annotated[float, Field(ge=0, le=2)] = 0.7
    """Standard deviation of the weights before training and clipping."""
    stdp: StdpRule = StdpRule()
    """The learning rule."""
    reward: Reward = Reward()
    """Whether labels reward a layer while it learns; by default they only name neurons."""
    competition: Competition = Competition()
    """Competition of the neurons."""
    encoding: Encoding = Encoding()
    """Encoding of pixels as spikes."""
    pruning: Pruning = Pruning()
    """Pruning while learning."""
    later_layers: tuple[dict[str, Any], ...] = ()
    """Layers after the first, each by its differences from the first: `neurons = 50`, ...
    A later layer learns from the spikes of the one before it; neurons of the last one are named."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    def replace(self, **changes: Any) -> Self:
        """Return a copy with `changes`, also under old names, validated like a new object."""
        return super().replace(**in_todays_words(changes))

    def of_layers(self) -> list[Self]:
        """Return the configuration of each layer, as if it were a network of its own.

        Raises
        ------
        ParameterError
            If a difference of a layer is not valid.
        """
        if not self.later_layers:
            return [self]
        first = self.replace(later_layers=())
        configs = [first]
        for n, changes in enumerate(self.later_layers, 1):
            merged = {
                name: part.replace(**changes[name])
                if isinstance(part := getattr(first, name, None), Parameters)
                and isinstance(changes[name], dict)
                else changes[name]
                for name in changes
            }
            seed = int(generator(self.seed, "layer", n).integers(2**62))
            configs.append(first.replace(**{"inputs": None, "seed": seed, **merged}))
        return configs

    @property
    def planes(self) -> int:
        """Cells of a weight."""
        return self.binary.bits if self.storage == "binary" else self.synapse.planes

    @property
    def exact(self) -> bool:
        """Whether the ideal rule moves weights exactly, without pulses."""
        return self.rule == "ideal" and self.storage == "analog" and not self.synapse.several

    @property
    def planned_inputs(self) -> int:
        """Number of inputs to plan for before images are known: `inputs`, or the reference's."""
        return self.inputs or REFERENCE_INPUTS

    def technology(self) -> Device:
        """Return the device with the changes in `cell`.

        Raises
        ------
        CbramError
            If the device, or a change, is not valid.
        """
        return self.changed(Device.load(self.device))

    def changed(self, device: Device) -> Device:
        """Return `device` with the changes in `cell`."""
        return device.replace(**self.cell) if self.cell else device

    @model_validator(mode="before")
    @classmethod
    def _in_todays_words(cls, values: dict[str, Any]) -> dict[str, Any]:
        return in_todays_words(values)

    @field_validator("cell")
    @classmethod
    def _check_cell(cls, cell: dict[str, Any]) -> dict[str, Any]:
        """Refuse values that no device can have; their fit to this one is checked when it is
        loaded."""
        for key in cell:
            if key not in Device.physical_parameters():
                hint = nearest(key, Device.physical_parameters())
                raise ParameterError(f"{key}: unknown key{hint}")
        Device.check_values(cell)
        return cell

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        for n, changes in enumerate(self.later_layers):
            if common := COMMON & changes.keys():
                raise ValueError(
                    f"later_layers[{n}] must leave {min(common)} to the network: all layers share "
                    f"{', '.join(sorted(COMMON))}"
                )
        if len(self.later_layers) >= MOST_LAYERS:
            raise ValueError(f"later_layers must be < {MOST_LAYERS} (got {len(self.later_layers)})")
        try:
            self.of_layers()
        except ParameterError as error:
            raise ValueError(f"later_layers: {error}") from None
        return self

    @model_validator(mode="after")
    def _check_wiring(self) -> Self:
        if not self.wires and self.wiring != Wires():
            raise ValueError("wires must be true for wiring to mean anything (got false)")
        return self

    @model_validator(mode="after")
    def _check_reward(self) -> Self:
        if self.reward.classes and (
            self.rule != "device" or self.update != "winner" or self.storage != "analog"
        ):
            raise ValueError(
                "reward.classes must be 0 unless rule is device, update winner and storage analog "
                f"(got {self.reward.classes})"
            )
        if not self.reward.classes and self.reward != Reward():
            raise ValueError("reward.classes must be > 0 for rewards to mean anything (got 0)")
        return self

    @model_validator(mode="after")
    def _check_binary(self) -> Self:
        if self.storage == "binary" and self.readout.adc_bits:
            raise ValueError(
                "readout.adc_bits must be 0 with storage binary, whose bit lines have the "
                f"converters of binary.adc_bits (got {self.readout.adc_bits})"
            )
        if self.storage == "binary" and self.synapse.several:
            raise ValueError(
                "storage must be analog with several cells a weight, as synapse has them (got "
                "binary)"
            )
        return self
