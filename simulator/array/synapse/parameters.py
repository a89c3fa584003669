"""`Synapse`: the number of cells of a weight, and their writing."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.validation import Parameters
from cbramsim.core.verbs import place
from cbramsim.devices.device import Device
from cbramsim.simulator.array.synapse.turns import BothWays, BySets, first_group, second_group

MOST_CELLS = 64
"""Most cells on a side; more are taken for a mistake."""


class NominalPulse(NamedTuple):
    """Effect of one pulse on a weight of nominal cells, at some weights."""

    step: NDArray[np.float64]
    """Change of the weight, >= 0, float64[...]."""
    joules: NDArray[np.float64]
    """Energy of the pulse, J, float64[...]."""


class Synapse(Parameters):
    """Cells of a weight; one, by default."""

    cells: Annotated[int, Field(ge=1, le=MOST_CELLS)] = 1
    """Number of cells whose currents are summed, on each side of a pair and of each significance.
    One of them is written, in turn."""
    pair: bool = False
    """Whether as many cells count with the opposite sign, so that no reference column is needed."""
    pulses: Literal["both", "set"] = "both"
    """Pulses that lower a weight of a pair: `both`, set pulses on one side and reset pulses on the
    other, in turn; or `set`, only set pulses, on the side that counts down, as for cells that are
    reset abruptly. Both sides then grow until they are renewed."""
    significance: Annotated[float, Field(ge=1, le=1000)] = 1.0
    """Weight of the cells of a second group relative to those of the first, from which they take
    over what was learned; 1: there is no second group."""
    renew_every: Annotated[int, Field(ge=1, le=10**9)] = 100
    """Updates of a neuron after which its weights are renewed, where that is needed. With `pulses`
    set, weights are written anew if one side is nearly full and the other not empty; a second group
    takes over the weight that the first has learned."""
    renew_above: Annotated[float, Field(ge=0.5, le=1)] = 0.75
    """Part of the window above which a side is nearly full, with `pulses` set."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.pulses == "set" and not self.pair:
            raise ValueError("pulses must be both unless pair is true (got 'set')")
        default = type(self).model_fields["renew_every"].default
        if not self.renewed and self.renew_every != default:
            raise ValueError(
                "renew_every needs pulses set, or significance > 1, for weights to be renewed "
                f"(got {self.renew_every})"
            )
        return self

    @property
    def several(self) -> bool:
        """Whether a weight has more than one cell."""
        return self.planes > 1

    @property
    def renewed(self) -> bool:
        """Whether weights are written anew from time to time."""
        return self.pulses == "set" or self.significance > 1

    @property
    def sides(self) -> int:
        """Number of sides of a weight: 2 for a pair."""
        return 2 if self.pair else 1

    @property
    def written(self) -> int:
        """Number of cells of a weight that learn."""
        return self.sides * self.cells

    @property
    def planes(self) -> int:
        """Number of cells of a weight; those that learn come first, the two sides of a pair in
        turn."""
        return self.written * (2 if self.significance > 1 else 1)

    @property
    def writing(self) -> BothWays | BySets:
        """Way of writing weights, for compiled loops."""
        return BySets() if self.pulses == "set" else BothWays()

    @property
    def parts(self) -> NDArray[np.float64]:
        """Signed part of each cell in a weight, float64[planes]; their sizes add up to 1."""
        signs = np.tile([1.0, -1.0] if self.pair else [1.0], self.planes // self.sides)
        weighing = np.ones(self.planes)
        weighing[self.written :] = self.significance
        return signs * weighing / weighing.sum()

    @property
    def share(self) -> float:
        """Part of a weight in all cells that learn."""
        return float(np.abs(self.parts[: self.written]).sum())

    def places(self, weight: NDArray) -> NDArray[np.float64]:
        """Return the place of each cell of a `weight` that is written anew, as a weight by itself.

        A second group takes as much of the weight as it can, and the first the rest.

        Returns
        -------
        float64[planes, ...]
            -1, at the lowest conductance, to 1.
        """
        weight = np.asarray(weight, np.float64)
        second = second_group(weight, self.share)
        groups = [first_group(weight, second, self.share), second][: self.planes // self.written]
        sides = [
            np.stack([place(self.writing, sign * group) for sign in (1.0, -1.0)[: self.sides]])
            for group in groups
        ]
        return np.concatenate([side for side in sides for _ in range(self.cells)])

    def rising(self, device: Device, weight: NDArray[np.float64]) -> NominalPulse:
        """Return the effect of the pulse of a potentiation at each `weight`, -1 to 1."""
        return self._mean(device, weight, (1.0, -1.0) if self.pulses == "both" else (1.0,))

    def falling(self, device: Device, weight: NDArray[np.float64]) -> NominalPulse:
        """Return the effect of the pulse of a depression at each `weight`, -1 to 1."""
        return self._mean(device, weight, (-1.0, 1.0) if self.pulses == "both" else (0.0, 1.0))

    def _mean(
        self, device: Device, weight: NDArray[np.float64], ways: tuple[float, ...]
    ) -> NominalPulse:
        """Return the mean over the sides of a weight, each written one of `ways`: set 1, reset -1.

        Cells of the first group are at the places of a weight that is written anew.
        """
        places = self.places(weight)[: self.sides] if self.several else [weight]
        steps, joules = [], []
        for at, way in zip(places, ways, strict=False):
            g = device.conductance_of(at)
            if way > 0:
                steps.append(device.step_up(g))
                joules.append(device.v2t_set * g + device.gate_set)
            elif way < 0:
                steps.append(device.step_down(g))
                joules.append(device.v2t_reset * g + device.gate_reset)
        of_cell = np.mean(steps, axis=0) * 2 / device.g_range
        return NominalPulse(of_cell * (self.share / self.written), np.mean(joules, axis=0))
