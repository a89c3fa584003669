"""Cost of a training step per parameter: measured here, or priced by the energies of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cbramsim.experiments.cache_fit import model
from cbramsim.experiments.cache_fit.advice import Place
from cbramsim.experiments.cache_fit.measure import Point
from cbramsim.simulator.comparison.arithmetic import mac
from cbramsim.simulator.comparison.bottom_up import train_bill
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.operations import operations
from cbramsim.simulator.energy.bill import Bill, Draws, interval

PRECISIONS = {32: "fp32", 16: "fp16", 8: "int8", 4: "int4"}
"""Arithmetic that is priced, by bits per value."""


class Costs(NamedTuple):
    """Cost per parameter of a training step, of any network of the family."""

    unit: str
    """Unit, `s` or `J`."""
    source: str
    """Source of the cost."""
    evidence: str
    """Grade of evidence."""
    per_parameter: Callable[[Layers], float]
    """Cost per parameter of a network."""
    line: Callable[[Layers], float]
    """Cost by the model, or the price."""
    label: str
    """Meaning of the line."""
    intervals: Callable[[Layers, Layers], dict[str, Any]]
    """Function of the own network and another one: 90 % intervals of the saving, in per cent, by
    per_parameter and per_datum; empty if there are none."""


def load(layers: Layers, where: Place, names: list[str], batch: int) -> model.Load:
    """Return the work and traffic of a training step, without the data set."""
    placed = [one for one in where(layers) if one.working_set.name != "d"]
    beyond = tuple(
        sum(one.working_set.total for one in placed if names.index(one.level.name) > depth)
        for depth in range(len(names) - 1)
    )
    neurons = batch * sum(layers.widths[1:])
    return model.Load(layers.parameters, neurons, operations(layers, batch).total, beyond)


def point_costs(points: list[Point]) -> tuple[str, list[float]]:
    """Return unit and measured cost per parameter: joules where they were counted."""
    if all(point.joules is not None for point in points):
        return "J", [(point.joules or 0.0) / point.parameters for point in points]
    return "s", [point.per_parameter for point in points]


def measured(
    points: list[Point], fitted: model.CostModel, loads: Callable[[Layers], model.Load], bits: int
) -> Costs:
    """Return costs by the measured curve; beyond it, and for other bits, by the model."""
    unit, values = point_costs(points)
    x, y = np.log([point.parameters for point in points]), np.log(values)

    def line(layers: Layers) -> float:
        return fitted.per_parameter(loads(layers))

    def curve(layers: Layers) -> float:
        at = np.log(layers.parameters)
        inside = x[0] <= at <= x[-1] and bits == 32
        return float(np.exp(np.interp(at, x, y))) if inside else line(layers)

    kind = "joules by the energy counters" if unit == "J" else "seconds of one core"
    source = f"{kind}, measured here on float32" + (
        "" if bits == 32 else f"; {bits} bits by the fitted model"
    )
    evidence = "measured" if bits == 32 else "derived"
    label = "model: work, and where working sets live"
    return Costs(unit, source, evidence, curve, line, label, lambda own, other: {})


def priced(hierarchy: Hierarchy, batch: int, images: int, bits: int) -> Costs:
    """Return costs bottom up: arithmetic, and bytes moved at the level where they live.

    Arithmetic is that of the 7 nm node if the name of the hierarchy says so, else of 45 nm.
    """
    node = "7nm" if hierarchy.name.endswith("7nm") else "45nm"
    price = mac(PRECISIONS[bits], node)
    draws = Draws()

    def bill(layers: Layers) -> Bill:
        return train_bill(layers, batch, images, hierarchy, bits, price)

    def per_parameter(layers: Layers) -> float:
        return bill(layers).joules * batch / layers.parameters

    def intervals(own: Layers, other: Layers) -> dict[str, Any]:
        ratio = bill(other).sample(draws) / bill(own).sample(draws)
        each = ratio * own.parameters / other.parameters
        return {
            "per_parameter": interval(100 * (1 - each)), "per_datum": interval(100 * (1 - ratio))
        }  # fmt: skip

    source = f"bottom up: {price.name}, and energies of {hierarchy.name}; a lower bound"
    return Costs("J", source, "derived", per_parameter, per_parameter, "bottom-up price", intervals)


def can_price(hierarchy: Hierarchy) -> bool:
    """Return whether the energies of all levels are known."""
    return all(level.energy_per_byte is not None for level in hierarchy.levels)
