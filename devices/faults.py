"""Cells that do not switch: stuck at the lowest or highest conductance, between, or open.

Faults are independent, or come in clusters of some size, as from particles and from edges of a
wafer. Clustered faults are the cells where a smooth random field (white noise, averaged over a
Gaussian of `fault_cluster` cells) is lowest, in the numbers that the fractions require: a
construction of ours, as no statistics of this technology are published.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cbramsim.core.provenance import SourcedParameters
from cbramsim.devices.quantities import Fraction

WORKING, LOW, HIGH, OPEN, MIDDLE = range(5)
"""Conditions of a cell."""


class Faults(SourcedParameters):
    """Fractions of the cells that do not switch, and their clustering."""

    stuck_low: Fraction = 0.0
    """Fraction of cells that stay at their lowest conductance whatever the pulses."""
    stuck_high: Fraction = 0.0
    """Fraction of cells that stay at their highest conductance whatever the pulses."""
    stuck_mid: Fraction = 0.0
    """Fraction of cells that stay in the middle of their window whatever the pulses."""
    stuck_open: Fraction = 0.0
    """Fraction of cells that do not conduct; the controller does not know, and their read noise
    stays in the sum."""
    fault_cluster: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Radius of a cluster of faults, in cells; 0 if they are independent."""

    @model_validator(mode="after")
    def _check_faults(self) -> Self:
        if self.stuck_low + self.stuck_high + self.stuck_mid + self.stuck_open > 1:
            raise ValueError("stuck_low + stuck_high + stuck_mid + stuck_open must be <= 1")
        return self


def draw_faults(
    faults: Faults, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the condition of every cell, uint8[shape]: as above."""
    fractions = {LOW: faults.stuck_low, HIGH: faults.stuck_high, OPEN: faults.stuck_open}
    if faults.stuck_mid:
        fractions[MIDDLE] = faults.stuck_mid
    if faults.fault_cluster:
        return _clustered(fractions, faults.fault_cluster, shape, rng)
    lot = rng.random(shape)
    condition = np.full(shape, WORKING, np.uint8)
    above = 0.0
    for kind, fraction in fractions.items():
        condition[(lot >= above) & (lot < above + fraction)] = kind
        above += fraction
    return condition


def _clustered(
    fractions: dict[int, float], radius: float, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Give each kind of fault the cells where a smooth field of its own is lowest."""
    from scipy.ndimage import gaussian_filter

    condition = np.full(shape, WORKING, np.uint8)
    for kind, fraction in fractions.items():
        field = gaussian_filter(rng.standard_normal(shape), radius, mode="wrap")
        field[condition != WORKING] = np.inf
        lowest = np.argsort(field, axis=None, kind="stable")[: round(fraction * field.size)]
        condition.ravel()[lowest] = kind
    return condition
