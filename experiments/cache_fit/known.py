"""Findings on a network and on those of its family: as numbers, as rows, and as a picture."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from cbramsim.experiments.cache_fit import claims, knees, model
from cbramsim.experiments.cache_fit.advice import Advice, Place, lives_in
from cbramsim.experiments.cache_fit.costs import Costs, point_costs
from cbramsim.experiments.cache_fit.figure import Curve, Picture
from cbramsim.experiments.cache_fit.measure import Effort, Point, family
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.placement import Placed

DRAWN = Effort(per_octave=16, largest=2**24, seconds=0, fewest=0)
"""Sizes for which working sets are placed in the figure."""


class Fitted(NamedTuple):
    """Result of a measurement in float32 on one core."""

    model: model.CostModel
    costs: Costs
    knees: list[knees.Knee]


class Known(NamedTuple):
    """Findings on a network, and on others of its family."""

    own: Layers
    """Network of the user."""
    memory: Hierarchy
    """Placement of its working sets."""
    where: Place
    """Function that places the working sets of a network."""
    points: list[Point]
    """Measured points, if anything was measured."""
    fitted: Fitted | None
    """Result of the measurement."""
    costs: Costs | None
    """Costs, measured or priced, if they are known."""
    advice: Advice
    """Size that suits the caches."""

    @property
    def drawn(self) -> list[Layers]:
        """Networks of the family, of all sizes that are drawn."""
        largest = max(DRAWN.largest, self.own.parameters)
        return family(self.own, DRAWN._replace(largest=largest))

    def summary(self) -> dict[str, Any]:
        """Return the contents of summary.json."""
        own, memory, costs, fitted, advice = (
            self.own, self.memory, self.costs, self.fitted, self.advice,
        )  # fmt: skip
        found = fitted.knees if fitted else []
        candidates = [_candidate(one, own, costs) for one in advice.candidates]
        least = 100 * fitted.model.left_out_error if fitted else 0.0
        return {
            "claims": claims.claims(own, costs, fitted and fitted.model, advice, found),
            "layers": own.widths,
            "parameters": own.parameters,
            "hierarchy": {
                "name": memory.name,
                "source": memory.summary,
                "levels": [
                    {"name": level.name, "capacity": level.capacity, "units": level.units}
                    for level in memory.levels
                ],
            },
            "working_sets": [_set(one) for one in self.where(own)],
            "cost": costs and {"unit": costs.unit, "source": costs.source},
            "own_cost": costs and costs.per_parameter(own),
            "model": fitted and _model(fitted.model),
            "knees": [knee._asdict() for knee in found],
            "candidates": candidates,
            "none_fits": advice.none_fits,
            "best": advice.best and _candidate(advice.best, own, costs),
            "nearest": _nearest(candidates, own, least),
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each network that is measured, or else drawn."""
        measured = [
            (point.layers, point._asdict() | {"seconds_per_parameter": point.per_parameter})
            for point in self.points
        ]
        rows = []
        for layers, found in measured or [(layers, {}) for layers in self.drawn]:
            sets = self.where(layers)
            row = {"layers": str(layers), "parameters": layers.parameters}
            row |= {f"{one.working_set.name}_lives_in": one.level.name for one in sets}
            row |= {f"{one.working_set.name}_bytes": one.working_set.total for one in sets}
            row |= {key: value for key, value in found.items() if key != "layers"}
            if self.costs:
                row[f"model_{self.costs.unit}_per_parameter"] = self.costs.line(layers)
            rows.append(row)
        return rows

    def picture(self) -> Picture:
        """Return the contents of the figure."""
        points, drawn, costs, best = self.points, self.drawn, self.costs, self.advice.best
        sizes, placed = [one.parameters for one in drawn], [self.where(one) for one in drawn]
        curve, own = None, self.where(self.own)
        if points:
            unit, values = point_costs(points)
            slow = [point.slow / point.parameters for point in points] if unit == "s" else values
            curve = Curve([point.parameters for point in points], values, slow)
        names = [one.working_set.name for one in own]
        cost = costs.per_parameter(self.own) if costs else None
        return Picture(
            unit=costs.unit if costs else "",
            measured=curve,
            line=costs and Curve(sizes, [costs.line(layers) for layers in drawn]),
            line_label=costs.label if costs else "",
            own=(self.own.parameters, cost, lives_in(own)),
            best=(best.layers.parameters, best.cost) if best and best.cost is not None else None,
            sizes=sizes,
            lives={name: [lives_in(one, name) for one in placed] for name in names},
            levels=[level.name for level in self.memory.levels],
        )


def _nearest(
    candidates: list[dict[str, Any]], own: Layers, least: float
) -> dict[str, Any] | None:  # fmt: skip
    """Return the candidate nearest in size of those that save more than `least` per cent."""
    cheaper = [one for one in candidates if one.get("saves_per_parameter", 0.0) > least]
    return min(
        cheaper, key=lambda one: abs(math.log(one["parameters"] / own.parameters)), default=None
    )


def _set(one: Placed) -> dict[str, Any]:
    inner = one.capacity - one.level.capacity
    return {
        "name": one.working_set.name, "bytes": one.working_set.total, "share": one.share,
        "lives_in": one.level.name,
        "level_occupied": (one.occupied - inner) / one.level.capacity,
    }  # fmt: skip


def _model(fitted: model.CostModel) -> dict[str, Any]:
    names = zip(fitted.names, map(float, fitted.coefficients), strict=True)
    return {
        "coefficients": dict(names), "error": fitted.error, "worst": fitted.worst,
        "left_out_error": fitted.left_out_error,
    }  # fmt: skip


def _candidate(one: Any, own: Layers, costs: Costs | None) -> dict[str, Any]:
    entry = one._asdict() | {"layers": one.layers.widths, "parameters": one.layers.parameters}
    if costs:
        each, step = claims.saved(own, one.layers, costs)
        entry |= {"saves_per_parameter": each, "saves_per_datum": step}
    return entry
