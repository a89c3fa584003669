r"""Neuromorphic chips: static power, and counted events at their marginal energy each.

.. math:: E = P_{static}\, t\, n_{chips} + \sum_{kind} n_{kind}\, e_{kind}

Presets live in `chip_catalog/*.toml`. Events that a chip's source does not price are named in
`unpriced`; costs that its price of a synaptic event already contains, in `included`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import Field

from cbramsim.core.errors import ParameterError
from cbramsim.core.presets import Preset
from cbramsim.core.validation import Parameters
from cbramsim.simulator.comparison.constants import constant_of
from cbramsim.simulator.energy.bill import Bill, Constant

Event = Literal["synaptic", "neuron_updates", "spikes", "weight_updates"]
EVENTS: tuple[Event, ...] = get_args(Event)
COMPONENTS: dict[Event, str] = {
    "synaptic": "synapses", "neuron_updates": "neurons", "spikes": "neurons",
    "weight_updates": "learning",
}  # fmt: skip
"""Component of a bill for the energy of each kind of event."""
PRICES = {"static": "W", "clock": "J"} | dict.fromkeys(EVENTS, "J")
"""Prices of a chip, and their units."""


Count = Annotated[int, Field(ge=1, le=10**12)]
Events = Annotated[float, Field(ge=0, le=1e30)]


class Capacity(Parameters):
    """Capacity of a chip."""

    neurons_per_core: Count
    """Neurons of a core."""
    inputs_per_core: Count
    """Inputs that every neuron of a core can have."""
    synapses_per_core: Count
    """Synapses of a core."""
    cores_per_chip: Count
    """Cores of a chip."""
    source: str
    """Source of these numbers."""


class Chip(Preset):
    """A neuromorphic chip as prices of its events."""

    catalog_package: ClassVar[str] = "cbramsim.simulator.comparison"
    catalog_folder: ClassVar[str] = "chip_catalog"

    name: str
    """Its name."""
    summary: str = ""
    """One line of description."""
    on_chip_learning: bool
    """Whether the chip can change its weights by itself."""
    included: tuple[Literal["neuron_updates", "spikes", "static"], ...]
    """Costs that the price of a synaptic event, or the static power, already contains."""
    unpriced: tuple[str, ...]
    """Costs for which the source gives no price."""
    synaptic: Constant
    """Energy of a synaptic event: a spike that reaches a synapse, J."""
    neuron_updates: Constant | None = None
    """Energy of the update of one neuron, J."""
    spikes: Constant | None = None
    """Energy of one spike sent out, J."""
    weight_updates: Constant | None = None
    """Energy of one change of a weight, J."""
    static: Constant | None = None
    """Power of an idle chip, W."""
    clock: Constant | None = None
    """Energy of one cycle of the clock, J."""
    cycles_per_synaptic: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    """Cycles of the clock per synaptic event: it runs as slowly as the events allow (assumed)."""
    capacity: Capacity
    """Capacity of a chip."""

    @classmethod
    def _values(cls, table: dict[str, Any], path: Path) -> dict[str, Any]:
        for key in PRICES.keys() & table.keys():
            name = f"{table['name']}.{key}"
            table[key] = constant_of(name, table[key], name, PRICES[key])
        return table

    def fit(self, inputs: int, neurons: int) -> Fit:
        """Return the cores and chips for a layer of `neurons`, each with all `inputs`.

        Neurons, inputs and synapses are spread evenly. Where inputs are split, the addition of the
        parts of a neuron is not priced.
        """
        limits = self.capacity
        splits = math.ceil(inputs / limits.inputs_per_core)
        by_lines = splits * math.ceil(neurons / limits.neurons_per_core)
        cores = max(by_lines, math.ceil(inputs * neurons / limits.synapses_per_core))
        return Fit(cores, math.ceil(cores / limits.cores_per_chip), splits, limits.source)


class Fit(NamedTuple):
    """Placement of a layer on chips."""

    cores: int
    """Cores that it needs."""
    chips: int
    """Chips that it needs."""
    input_splits: int
    """Cores over which the inputs of one neuron are split."""
    source: str
    """Source of the capacity."""


class ChipEvents(Parameters):
    """Events on the chips, and the time they took."""

    synaptic: Events
    """Spikes that reached a synapse: each input spike counts once for every neuron it goes to."""
    neuron_updates: Events = 0.0
    """Updates of neurons, summed over time steps."""
    spikes: Events = 0.0
    """Spikes sent out."""
    weight_updates: Events = 0.0
    """Weights changed on the chip."""
    seconds: Annotated[float, Field(ge=0, le=1e15), "s"] = 0.0
    """Time for which static power flows, s: see `in_real_time` and `at_rate`."""

    def in_real_time(self, windows: float, window: float) -> ChipEvents:
        """Return the same events, spread over `windows` presentations of `window` s each."""
        return self.replace(seconds=windows * window)

    def at_rate(self, synaptic_per_second: float) -> ChipEvents:
        """Return the same events as fast as a chip does `synaptic_per_second`, 1/s."""
        if not synaptic_per_second > 0:
            raise ParameterError(
                f"ChipEvents.at_rate: synaptic_per_second must be > 0 (got {synaptic_per_second:g})"
            )
        return self.replace(seconds=self.synaptic / synaptic_per_second)


class ChipBill(Bill):
    """A bill, and the costs that are not in it.

    Attributes
    ----------
    unpriced
        Work that happened, or belongs to such work, and that no source prices.
    """

    def __init__(self, unpriced: tuple[str, ...] = ()) -> None:
        """Begin with an empty bill."""
        super().__init__()
        self.unpriced = unpriced


def run_bill(chip: Chip, events: ChipEvents, chips: int = 1) -> ChipBill:
    """Return the bill of `events` on `chips` chips, each with its whole static power.

    Raises
    ------
    ParameterError
        If a chip that cannot learn has to, or one with static power is given no time.
    """
    if events.weight_updates and not chip.on_chip_learning:
        raise ParameterError(
            f"ChipEvents.weight_updates: must be 0 for {chip.name}, which has no on-chip learning "
            f"(got {events.weight_updates:g})"
        )
    if chip.static and not events.seconds:
        raise ParameterError(
            f"ChipEvents.seconds: must be > 0 for {chip.name}, which has static power (got 0)"
        )
    unpriced = list(chip.unpriced)
    bill = ChipBill()
    for kind in EVENTS:
        count, price = getattr(events, kind), getattr(chip, kind)
        if count and price:
            bill.add(COMPONENTS[kind], count, price)
        elif count and kind not in chip.included:
            unpriced.append(f"{count:g} {kind.replace('_', ' ')}")
    if chip.static:
        bill.add("static", events.seconds * chips, chip.static)
    if chip.clock:
        bill.add("static", events.synaptic * chip.cycles_per_synaptic, chip.clock)
    bill.unpriced = tuple(unpriced)
    return bill
