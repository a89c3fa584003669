"""`cbram cache-fit`: placement of working sets, and the size of network that suits the caches."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cbramsim.core.arguments import whole
from cbramsim.core.errors import CbramError, ParameterError, shown
from cbramsim.experiments.cache_fit import caches, counters, knees, model
from cbramsim.experiments.cache_fit import measure as measuring
from cbramsim.experiments.cache_fit.advice import advise, lives_in, placing
from cbramsim.experiments.cache_fit.costs import (
    PRECISIONS,
    can_price,
    load,
    measured,
    point_costs,
    priced,
)
from cbramsim.experiments.cache_fit.figure import draw
from cbramsim.experiments.cache_fit.known import Fitted, Known
from cbramsim.experiments.cache_fit.measure import FULL, QUICK, Point, family
from cbramsim.experiments.cache_fit.report import text
from cbramsim.experiments.study.findings import SUMMARY, Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.comparison.layers import Layers

LAYERS, BATCH, IMAGES = "784,256,256,10", 1, 60_000
NETWORKS, FIGURE = "cache_fit.csv", "cache_fit.png"
MOST = 10**15
"""Most images; more are taken for a mistake."""


class Question(NamedTuple):
    """Question of the user: a network, its training, and its memory."""

    layers: str = LAYERS
    """Network, as widths, "784,256,10", or matrices, "784x256,256x10"."""
    batch: int = BATCH
    """Images of a training step."""
    images: int = IMAGES
    """Images of the data set."""
    bits: int = 32
    """Bits of every value: 32, 16, 8 or 4. Measurements always use float32."""
    hierarchy: str | None = None
    """Preset or TOML file instead of this machine: costs are then priced, not measured."""
    caches: str | None = None
    """Caches of this machine, if its system does not know them; see `caches.parse`."""

    def network(self) -> Layers:
        """Return the network.

        Raises
        ------
        ParameterError
            If it, or another part of the question, is wrong.
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
    """Place the working sets of a network, measure, and find the size that suits the caches.

    If `quick`, for seconds only; contents of the folder are overwritten only by `force`. Raises
    `CbramError` if an argument or the folder is wrong; nothing is written then.
    """
    own, memory = asked.network(), asked.memory()
    batch, images, bits = asked.batch, asked.images, asked.bits
    where = placing(memory, batch, images, bits)
    where(own)  # refuses what fits in no level
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
        known = Known(own, memory, where, points, fitted, costs, advice)
        summary = known.summary() | {
            "batch": batch, "images": images, "bits": bits,
            "energy_counters": energy.missing or f"{len(energy.counters)} read",
        }  # fmt: skip
        found = Findings(
            out, text(summary), summary, {NETWORKS: known.rows()}, closing=f"written to {out}",
            title="Which size of network suits the caches",
        )  # fmt: skip
        found.write({FIGURE: draw(known.picture())})
    return found


def _fit(points: list[Point], memory: Hierarchy, asked: Question) -> Fitted:
    names = [level.name for level in memory.levels]
    batch, images, bits = asked.batch, asked.images, asked.bits
    alone = placing(memory, batch, images, 32, alone=True)
    wanted = placing(memory, batch, images, bits, alone=True)
    loads = [load(point.layers, alone, names, batch) for point in points]
    values = point_costs(points)[1]
    fitted = model.fit(loads, values, names)
    return Fitted(
        fitted,
        measured(points, fitted, lambda layers: load(layers, wanted, names, batch), bits),
        knees.find(
            [point.parameters for point in points], values,
            [lives_in(alone(point.layers)) for point in points], names,
            [fitted.overhead(one) for one in loads],
        ),
    )  # fmt: skip
