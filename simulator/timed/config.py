"""`TimedConfig`: everything that defines a network with time except its data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cbramsim.core.validation import NameOrPath, Parameters, zero_or_from
from cbramsim.devices.device import Device
from cbramsim.simulator.array.checks import Access
from cbramsim.simulator.lines import Tiles

Seconds = Annotated[float, Field(ge=0, le=1e9), zero_or_from(1e-12), "s"]
Some = Annotated[float, Field(ge=1e-9, le=1e9), "s"]
Hertz = Annotated[float, Field(ge=0, le=1e9), "Hz"]
MOST_STEPS = 10_000_000
"""Most steps of one presentation."""


class Coding(Parameters):
    """Encoding of grey levels as spikes: the rate is linear in the level x, 0 to 1."""

    kind: Literal["poisson", "jittered"] = "poisson"
    """Kind of coding: `poisson`: in each step with the probability rate x dt, independent of
    earlier steps; `jittered`: periods 1 / rate, each with normal noise, the first from a random
    phase (Querlioz 2011)."""
    rate_max: Hertz = 63.75
    """Spike rate of the level 1."""
    rate_min: Hertz = 0.0
    """Spike rate at the limit of the level 0."""
    darkest: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Level below which an input is silent; black always is."""
    jitter: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Standard deviation of a period, relative, kind `jittered`."""
    period_min: Seconds = 0.0
    """Shortest time between two spikes of an input, kind `jittered`."""


class Membrane(Parameters):
    """Integration and firing of neurons."""

    kind: Literal["current", "conductance"] = "current"
    """Kind of membrane: `current`: a spike raises the potential by its weight at once.
    `conductance`: it opens a conductance g by its weight, which closes with `tau_excitation` and
    pulls the potential towards `e_excitation` (Diehl & Cook 2015); potentials are then in V above
    rest."""
    tau: Some = 0.1
    """Time constant of the membrane."""
    threshold: Annotated[float, Field(ge=1e-9, le=1e9)] = 50.0
    """Potential above rest at which a neuron fires: in largest weights, or in V."""
    refractory: Seconds = 0.01
    """Time for which a neuron that has fired stays at rest."""
    tau_excitation: Some = 1e-3
    """Time constant of the excitatory conductance."""
    tau_inhibition: Some = 2e-3
    """Time constant of the inhibitory conductance."""
    e_excitation: Annotated[float, Field(ge=-10, le=10), "V"] = 65e-3
    """Reversal potential of the excitatory conductance above rest."""
    e_inhibition: Annotated[float, Field(ge=-10, le=10), "V"] = -35e-3
    """Reversal potential of the inhibitory conductance above rest."""


class Inhibition(Parameters):
    """Effect of a neuron that fires on all others."""

    kind: Literal["none", "reset", "drop", "conductance"] = "reset"
    """Kind of inhibition: `reset`: puts them to rest, for `time` (Querlioz); `drop`: lowers their
    potentials by `strength`; `conductance`: opens an inhibitory conductance of `strength`, in leak
    conductances, one step later (Diehl & Cook)."""
    time: Seconds = 0.0
    """Time for which others stay at rest, kind `reset`; 0: they go on integrating at once."""
    strength: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Strength of the inhibition, see `kind`."""
    in_use: bool = True
    """Whether neurons also inhibit each other when nothing is learned."""


class Adaptation(Parameters):
    """Adaptation of thresholds while the network learns; at other times they stay."""

    kind: Literal["none", "increment", "target"] = "none"
    """Kind of adaptation: `increment`: a neuron's threshold rises by `increment` as it fires, and
    decays back with `tau` (Diehl & Cook 2015); `target`: it rises by `rate` x (spikes - `target` x
    time) with every image, but not below a tenth of its initial value (homeostasis of Querlioz
    2011, d theta / dt = gamma (A - T), over images)."""
    increment: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Rise at a spike, in units of the threshold."""
    tau: Seconds = 0.0
    """Time constant of the decay, applied at the end of each image; 0 for none."""
    target: Hertz = 0.0
    """Target rate T."""
    rate: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Rise gamma of the threshold per spike above the target."""


class TimedStdp(Parameters):
    """Change of a column when its neuron fires.

    `window`: a cell whose input has spiked within `window` gets one set pulse, any other one reset
    pulse (Querlioz 2011); their steps follow the device's law. `trace`: the requested change of a
    weight is eta (x - x_tar) (1 - w)^mu, with x = exp(-t / tau) of its input's last spike (Diehl &
    Cook 2015, the source of x_tar and mu).
    """

    kind: Literal["window", "trace"] = "window"
    """Kind of rule, see above."""
    window: Seconds = 0.05
    """Time before the neuron's spike in which an input's spike counts."""
    tau: Some = 0.02
    """Time constant of the trace."""
    eta: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Learning rate of the trace."""
    target: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Trace x_tar below which inputs are depressed."""
    exponent: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Exponent mu, by which the change falls towards the largest weight."""
    total: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Sum of a neuron's weights, to which a controller brings it back after each image in which it
    fires, kind `trace`; 0: not controlled."""
    exact: bool = False
    """Whether a controller sets cells exactly, each change booked as one pulse; otherwise it senses
    them, and gives floor(q + U) pulses, with q pulses of the nominal device for the requested
    change and U uniform: right on average. Kind `trace`."""


class TimedConfig(Parameters):
    """Everything that defines a network with time except its data."""

    neurons: Annotated[int, Field(ge=1, le=100_000)] = 50
    """Number of neurons, each on a bit line."""
    device: NameOrPath = "subquantum-cbram"
    """Cell technology: a preset's name, or the path of a TOML file."""
    cell: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the cell to change, in SI units, by name."""
    periphery: NameOrPath = "cmos-28nm"
    """Circuits around the array: a preset's name, or the path of a TOML file."""
    access: Access = "transistor"
    """Access device of each cell, as in `NetworkConfig`."""
    tiles: Tiles = Tiles()
    """Size of the physical arrays, on ideal lines."""
    dt: Some = 5e-4
    """Time step. Spikes within one step are read together."""
    presentation: Some = 0.35
    """Time for which an image is presented."""
    pause: Seconds = 0.0
    """Time without input after it."""
    anew: bool = True
    """Whether neurons and traces are put to rest before each image."""
    fewest_spikes: Annotated[int, Field(ge=0, le=1000)] = 0
    """Fewest spikes of all neurons for an image; with fewer, it is presented again at rates that
    are higher by half, and so on, up to ten times (Diehl & Cook 2015)."""
    coding: Coding = Coding()
    """Encoding of grey levels as spikes."""
    membrane: Membrane = Membrane()
    """Integration and firing of neurons."""
    inhibition: Inhibition = Inhibition()
    """Effect of a neuron that fires on the others."""
    adaptation: Adaptation = Adaptation()
    """Adaptation of thresholds."""
    stdp: TimedStdp = TimedStdp()
    """Learning rule."""
    initial: Annotated[float, Field(ge=0, le=1)] = 0.67
    """Mean weight at the beginning."""
    initial_spread: Annotated[float, Field(ge=0, le=10)] = 0.2
    """Relative spread of the initial weights, form `normal`."""
    initial_form: Literal["normal", "uniform"] = "normal"
    """Distribution of the initial weights: `normal`, or `uniform` from 0 to twice the mean."""
    vote: Literal["most", "majority", "mean", "profile"] = "most"
    """Vote that names an image: the neuron that fired `most`; the class whose neurons fired most
    often in sum (`majority`) or on average (`mean`); or the sum of spikes x log P(class |
    neuron)."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of everything random."""

    def technology(self) -> Device:
        """Return the device with the changes in `cell`."""
        device = Device.load(self.device)
        return device.replace(**self.cell) if self.cell else device

    def steps(self, seconds: float) -> int:
        """Return the steps of some time, to the nearest."""
        return round(seconds / self.dt)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= self.presentation / self.dt <= MOST_STEPS:
            raise ValueError(
                f"dt must be <= presentation, and >= {1 / MOST_STEPS:g} of it (got {self.dt:g} s)"
            )
        if self.coding.rate_max * self.dt >= 1:
            raise ValueError(
                f"coding.rate_max must be < 1 / dt, {1 / self.dt:g} Hz (got "
                f"{self.coding.rate_max:g} Hz)"
            )
        if self.coding.rate_min > self.coding.rate_max:
            raise ValueError(
                f"coding.rate_min must be <= coding.rate_max (got {self.coding.rate_min:g} Hz)"
            )
        conducting = self.membrane.kind == "conductance"
        if conducting != (self.inhibition.kind == "conductance") and self.inhibition.kind != "none":
            raise ValueError(
                "inhibition.kind must be conductance or none with membrane.kind conductance, and "
                f"only there (got {self.inhibition.kind})"
            )
        if conducting and self.dt > 0.1 * self.membrane.tau:
            raise ValueError(
                f"dt must be <= membrane.tau / 10 with membrane.kind conductance (got {self.dt:g})"
            )
        if self.stdp.total and self.stdp.kind != "trace":
            raise ValueError(f"stdp.total needs stdp.kind trace (got {self.stdp.total:g})")
        return self
