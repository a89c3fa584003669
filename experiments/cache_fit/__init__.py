"""`cbram cache-fit`: where working sets live, and which size of network suits the caches."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.arguments import whole
from cbramsim.core.errors import CbramError, ParameterError, shown
from cbramsim.experiments.cache_fit import caches, claims, counters, knees, model
from cbramsim.experiments.cache_fit import measure as measuring
from cbramsim.experiments.cache_fit.advice import Advice, Place, advise, lives_in, placing
from cbramsim.experiments.cache_fit.costs import (
    PRECISIONS,
    Costs,
    can_price,
    load,
    measured,
    point_costs,
    priced,
)
from cbramsim.experiments.cache_fit.figure import Curve, Picture, draw
from cbramsim.experiments.cache_fit.measure import FULL, QUICK, Effort, Point, family
from cbramsim.experiments.cache_fit.report import text
from cbramsim.experiments.study.findings import SUMMARY, Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.placement import Placed

LAYERS, BATCH, IMAGES = "784,256,256,10", 1, 60_000
NETWORKS, FIGURE = "cache_fit.csv", "cache_fit.png"
MOST = 10**15
"""More images are taken for a mistake."""
DRAWN = Effort(per_octave=16, largest=2**24, seconds=0, fewest=0)
"""Sizes for which working sets are placed in the figure."""


class Question(NamedTuple):
    """What is asked: a network, how it is trained, and on which memory."""

    layers: str = LAYERS
    """Widths, "784,256,10", or matrices, "784x256,256x10"."""
    batch: int = BATCH
    """Images of a training step."""
    images: int = IMAGES
    """Images of the data set."""
    bits: int = 32
    """Of every value: 32, 16, 8 or 4. What is measured is float32 at all times."""
    hierarchy: str | None = None
    """Preset or TOML file instead of this machine: then nothing is measured, but priced."""
    caches: str | None = None
    """What this machine's caches are, if its system does not know; see `caches.parse`."""

    def network(self) -> Layers:
        """Return the network.

        Raises
        ------
        ParameterError
            If it, or anything else that is asked, is wrong.
        """
        layers = Layers.parse(self.layers)
        if layers.depth < 2:
            raise ParameterError(
                f"cache-fit.layers: must have a hidden layer, whose width can change (got {layers})"
            )
        for name in ("batch", "images"):
            value = getattr(self, name)
            if whole(f"cache-fit.{name}:", value, 1) > MOST:
                raise ParameterError(f"cache-fit.{name}: must be <= {MOST} (got {shown(value)})")
        if self.bits not in PRECISIONS:
            allowed = ", ".join(map(str, PRECISIONS))
            raise ParameterError(
                f"cache-fit.bits: must be one of {allowed} (got {shown(self.bits)})"
            )
        if self.hierarchy is not None and self.caches is not None:
            raise ParameterError(
                "cache-fit.caches: are those of this machine, not with a hierarchy"
            )
        return layers

    def memory(self) -> Hierarchy:
        """Return the memory hierarchy."""
        if self.hierarchy is not None:
            return Hierarchy.load(self.hierarchy)
        return caches.this_machine(self.caches)


def run(
    asked: Question,
    out: Path = Path("runs/cache-fit"),
    *,
    measure: bool = True,
    quick: bool = False,
    force: bool = False,
    quiet: bool = False,
) -> Findings:
    """Place the working sets of a network, measure, and say which size suits the caches.

    If `quick`, for seconds only; what is in the folder is overwritten only by `force`. Raises
    `CbramError` if an argument or the folder is wrong; nothing is written then.
    """
    own, memory = asked.network(), asked.memory()
    batch, images, bits = asked.batch, asked.images, asked.bits
    where = placing(memory, batch, images, bits)
    placed = where(own)
    drawn = family(own, DRAWN._replace(largest=max(DRAWN.largest, own.parameters)))
    lives = _lives(drawn, where, placed)
    effort = QUICK if quick else FULL
    networks = family(own, effort) if measure and asked.hierarchy is None else []
    measuring.check_effort(networks, batch)
    with study_folder(out, "cache-fit"):
        if (out / SUMMARY).is_file() and not force:
            raise CbramError(f"out: {out} exists; use --force to overwrite")
        points: list[Point] = []
        fitted = costs = None
        energy = counters.find()
        if networks:
            points = measuring.measure(networks, batch, effort, energy, quiet=quiet)
            fitted = _fit(points, memory, asked)
            costs = fitted.costs
        elif can_price(memory):
            costs = priced(memory, batch, images, bits)
        advice = advise(own, memory, where, costs and costs.per_parameter)
        summary = _summary(own, placed, memory, costs, fitted, advice) | {
            "batch": batch, "images": images, "bits": bits,
            "energy_counters": energy.missing or f"{len(energy.counters)} read",
        }  # fmt: skip
        tables = {NETWORKS: _rows(points, drawn, where, costs)}
        found = Findings(
            out, text(summary), summary, tables, closing=f"written to {out}",
            title="Which size of network suits the caches",
        )  # fmt: skip
        picture = _picture(own, placed, points, drawn, lives, memory, costs, advice)
        found.write({FIGURE: draw(picture)})
    return found


class _Fitted(NamedTuple):
    """What a measurement in float32 on one core comes to."""

    model: model.CostModel
    costs: Costs
    knees: list[knees.Knee]


def _fit(points: list[Point], memory: Hierarchy, asked: Question) -> _Fitted:
    names = [level.name for level in memory.levels]
    batch, images, bits = asked.batch, asked.images, asked.bits
    alone = placing(memory, batch, images, 32, alone=True)
    wanted = placing(memory, batch, images, bits, alone=True)
    loads = [load(point.layers, alone, names, batch) for point in points]
    values = point_costs(points)[1]
    fitted = model.fit(loads, values, names)
    return _Fitted(
        fitted,
        measured(points, fitted, lambda layers: load(layers, wanted, names, batch), bits),
        knees.find(
            [point.parameters for point in points], values,
            [lives_in(alone(point.layers)) for point in points], names,
            [fitted.overhead(one) for one in loads],
        ),
    )  # fmt: skip


def _lives(
    drawn: list[Layers], where: Place, placed: tuple[Placed, ...]
) -> dict[str, list[str]]:  # fmt: skip
    """Return where each working set lives, for each of the networks."""
    all_placed = [where(layers) for layers in drawn]
    names = [one.working_set.name for one in placed]
    return {name: [lives_in(one, name) for one in all_placed] for name in names}


def _summary(
    own: Layers, placed: tuple[Placed, ...], memory: Hierarchy, costs: Costs | None,
    fitted: _Fitted | None, advice: Advice,
) -> dict[str, Any]:  # fmt: skip
    found = fitted.knees if fitted else []
    candidates = [_candidate(one, own, costs) for one in advice.candidates]
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
        "working_sets": [_set(one) for one in placed],
        "cost": costs and {"unit": costs.unit, "source": costs.source},
        "own_cost": costs and costs.per_parameter(own),
        "model": fitted and _model(fitted.model),
        "knees": [knee._asdict() for knee in found],
        "candidates": candidates,
        "none_fits": advice.none_fits,
        "best": advice.best and _candidate(advice.best, own, costs),
        "nearest": _nearest(candidates, own, 100 * fitted.model.left_out_error if fitted else 0.0),
    }


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


def _rows(
    points: list[Point], drawn: list[Layers], where: Place, costs: Costs | None
) -> list[dict[str, Any]]:
    """Return a row for each measured network, or for each that was placed."""
    networks = [point.layers for point in points] or drawn
    rows = []
    for n, layers in enumerate(networks):
        row: dict[str, Any] = {"layers": str(layers), "parameters": layers.parameters}
        row |= {f"{one.working_set.name}_lives_in": one.level.name for one in where(layers)}
        row |= {f"{one.working_set.name}_bytes": one.working_set.total for one in where(layers)}
        if points:
            point = points[n]
            row |= {key: value for key, value in point._asdict().items() if key != "layers"}
            row["seconds_per_parameter"] = point.per_parameter
        if costs:
            row[f"model_{costs.unit}_per_parameter"] = costs.line(layers)
        rows.append(row)
    return rows


def _picture(
    own: Layers, placed: tuple[Placed, ...], points: list[Point], drawn: list[Layers],
    lives: dict[str, list[str]], memory: Hierarchy, costs: Costs | None, advice: Advice,
) -> Picture:  # fmt: skip
    sizes = [layers.parameters for layers in drawn]
    curve = None
    if points:
        unit, values = point_costs(points)
        slow = [point.slow / point.parameters for point in points] if unit == "s" else values
        curve = Curve([point.parameters for point in points], values, slow)
    best = advice.best
    return Picture(
        unit=costs.unit if costs else "",
        measured=curve,
        line=costs and Curve(sizes, [costs.line(layers) for layers in drawn]),
        line_label=costs.label if costs else "",
        own=(own.parameters, costs.per_parameter(own) if costs else None, lives_in(placed)),
        best=(best.layers.parameters, best.cost) if best and best.cost is not None else None,
        sizes=sizes,
        lives=lives,
        levels=[level.name for level in memory.levels],
    )
