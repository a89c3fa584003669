"""Results of the runs: indices of every parameter, limits of the leading ones, ratios by
technology.

Indices of energy are of its decimal logarithm: a parameter that makes it three times as large is
worth the same wherever the others are. The ratio of the claim is a constant over it, so its
logarithm has the same indices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.experiments.sensitivity import closed_form, limits
from cbramsim.experiments.sensitivity.indices import LEVELS, Indices, Sample, indices, whole_blocks
from cbramsim.experiments.sensitivity.plan import AS_ASSUMED, CLAIM, SETS, sample_cases
from cbramsim.experiments.sensitivity.ranges import Range
from cbramsim.experiments.study.table import Cases, mean_and_spread

LEADERS, LOOKED_AT = 3, 6
"""Leading parameters that a claim is about, and of which it is said how wrong they may be."""
LEAST_SEEDS = 3
"""Of what is compared."""
QUANTITIES = ("accuracy", "train_joules")
"""Quantities for which indices are computed."""
COEFFICIENTS = tuple(f"joules_{letter}" for letter in "abcdefg")
"""Columns of the coefficients of a run: see `closed_form`."""


class Question(NamedTuple):
    """Question of the study."""

    device: Device
    """Cell as assumed."""
    ranges: list[Range]
    """Ranges of the assumed parameters."""
    taken: Sample
    """Points at which the claim is evaluated."""
    seeds: range
    """Seeds of the runs at each point."""


class Answer(NamedTuple):
    """Answer of the samples and of the comparison; means over seeds."""

    taken: Sample
    """Points at which energies are known: as `Question.taken`, or more, see `closed_form`."""
    accuracy: NDArray[np.float64]
    """Accuracy on held-back images, float64[points]."""
    ratios: dict[str, NDArray[np.float64]]
    """Ratios of energy, by technology, and by set of them (the median),
    float64[points], geometric means."""
    assumed: dict[str, NDArray[np.float64]]
    """The same for the cell as assumed, float64[seeds of the comparison]."""
    assumed_accuracy: float
    """Of the cell as assumed."""
    of_accuracy: Indices | None
    """Of the accuracy."""
    of_energy: Indices | None
    """Of the logarithm of the energy."""
    floor: float | None
    """Index of the accuracy that chance alone gives to a parameter that changes what is drawn."""


def answer(asked: Question, samples: Cases, compared: Cases) -> Answer:
    """Return what finished runs say; samples for Sobol have columns of `coefficients`."""
    names = [case.name for case in sample_cases(asked.ranges, asked.taken)]
    of_seeds, joules = (_by_seed(samples, names, key, asked.seeds) for key in QUANTITIES)
    accuracy, taken, of = of_seeds.mean(axis=0), asked.taken, np.arange(len(names))
    if taken.method == "sobol":
        taken, of = closed_form.more(taken, asked.ranges)
        of_runs = np.stack(
            [_by_seed(samples, names, key, asked.seeds)[:, of] for key in COEFFICIENTS], axis=-1
        )
        joules = np.array([closed_form.joules(taken, asked.ranges, one) for one in of_runs])
    logs = np.log10(joules)
    seeds = compared_seeds(asked.seeds)
    as_assumed = np.log10(_by_seed(compared, [AS_ASSUMED], "train_joules", seeds))
    return Answer(
        taken, accuracy[of],
        {name: 10 ** r.mean(axis=0) for name, r in _ratios(compared, asked.seeds, logs).items()},
        {name: 10 ** r[:, 0] for name, r in _ratios(compared, seeds, as_assumed).items()},
        float(np.mean(compared.values(AS_ASSUMED, "accuracy"))) if AS_ASSUMED in compared else 0.0,
        indices(asked.taken, accuracy), indices(taken, logs.mean(axis=0)),
        _floor(asked, compared, accuracy),
    )  # fmt: skip


def compared_seeds(seeds: range) -> range:
    """Return the seeds of what is compared: enough for a spread."""
    return range(max(len(seeds), LEAST_SEEDS))


def _by_seed(cases: Cases, names: list[str], quantity: str, seeds: range) -> NDArray[np.float64]:
    """Return a quantity of each case, float64[seeds, cases]; NaN where it has not run."""
    return np.array([over_cases(cases, names, quantity, seed) for seed in seeds])


def over_cases(cases: Cases, names: list[str], quantity: str, seed: int) -> NDArray[np.float64]:
    """Return a quantity of each case with a seed, float64[cases]; NaN where it has not run."""
    if not len(cases.table):
        return np.full(len(names), np.nan)
    table = cases.table[cases.table["seed"] == seed].set_index("case")
    return table[quantity].astype(float).reindex(names).to_numpy(np.float64)


def _ratios(
    compared: Cases, seeds: range, logs: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return logarithms of the energy of technologies over that of the cell, [seeds, points].

    By technology, and by set, whose median is taken; `logs` are those of the cell.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for name, technologies in SETS.items():
        theirs = np.log10(_by_seed(compared, list(technologies), "train_joules", seeds))
        columns = {name: np.median(theirs, axis=1)} | dict(zip(technologies, theirs.T, strict=True))
        found |= {one: values[:, None] - logs for one, values in columns.items()}
    return found


def _floor(asked: Question, compared: Cases, accuracy: NDArray[np.float64]) -> float | None:
    """Return what chance alone gives.

    If every run had an error of its own, variance s^2, the total index of Y were s^2 / V(Y), and
    the mean size of an elementary effect that of a difference of two over the step of a path.
    """
    of_seeds = compared.values(AS_ASSUMED, "accuracy")
    kept = accuracy[whole_blocks(asked.taken, accuracy)]
    if len(of_seeds) < 2 or not len(kept) or not np.ptp(kept):
        return None
    variance = float(of_seeds.var(ddof=1)) / len(asked.seeds)
    if asked.taken.method == "sobol":
        return variance / float(kept.var())
    step = LEVELS / (2 * (LEVELS - 1))
    return 2 * (variance / np.pi) ** 0.5 / step


def leaders(found: Answer, count: int = LEADERS) -> list[int]:
    """Return the parameters that have most to do with the energy, by their number."""
    return [] if found.of_energy is None else found.of_energy.ranking()[:count].tolist()


def parameters(asked: Question, found: Answer) -> list[dict[str, Any]]:
    """Return range and indices of every parameter, the most influential on energy first."""
    if found.of_energy is None or found.of_accuracy is None:
        return []
    rows = []
    for number in found.of_energy.ranking():
        one = asked.ranges[number]
        rows.append(
            {
                "parameter": one.parameter,
                "assumed": getattr(asked.device, one.parameter),
                "unit": asked.device.unit(one.parameter),
                **one._asdict(),
                "source": asked.device.evidence(one.parameter).source,
                "energy": _of(found.of_energy, number),
                "accuracy": _of(found.of_accuracy, number),
            }
        )
    return rows


def _of(found: Indices, number: int) -> dict[str, float | None]:
    return {
        key: None if values is None else float(values[number])
        for key, values in found._asdict().items()
        if key != "blocks"
    }


def limits_of(
    asked: Question, found: Answer, changed: Cases, compared: Cases
) -> list[dict[str, Any]]:
    """Return how wrong each leading parameter may be before the claim fails."""
    entries = []
    for number in leaders(found, LOOKED_AT):
        one = asked.ranges[number]
        curve = _curve(asked, one, changed, compared)
        if curve:
            pairs = [(point["place"], point["ratio"]) for point in curve]
            entries.append(
                {
                    "parameter": one.parameter,
                    "unit": asked.device.unit(one.parameter),
                    "assumed": getattr(asked.device, one.parameter),
                    "alone": limits.alone(one, asked.device, pairs) | {"curve": curve},
                    "with_others": limits.with_others(
                        found.taken, asked.ranges, number, found.ratios[CLAIM]
                    ),
                }
            )
    return entries


def _curve(asked: Question, one: Range, changed: Cases, compared: Cases) -> list[dict[str, Any]]:
    """Return ratio and accuracy over the values of a parameter, all others as assumed."""
    table = changed.table
    if not len(table) or one.parameter not in set(table["parameter"]):
        return []
    rows = table[table["parameter"] == one.parameter].drop_duplicates("case").sort_values("place")
    names = list(rows["case"])
    accuracy, joules = (_by_seed(changed, names, key, asked.seeds) for key in QUANTITIES)
    ratios = 10 ** _ratios(compared, asked.seeds, np.log10(joules))[CLAIM].mean(axis=0)
    points = zip(rows["place"], rows["value"], ratios, accuracy.mean(axis=0), strict=True)
    keys = ("place", "value", "ratio", "accuracy")
    return [
        dict(zip(keys, map(float, point), strict=True)) for point in points if np.isfinite(point[2])
    ]


def by_technology(found: Answer) -> list[dict[str, Any]]:
    """Return the ratio to each technology and set: as assumed, and over all samples."""
    rows = []
    for name, ratio in found.ratios.items():
        known = np.isfinite(ratio)
        if not known.any():
            continue
        as_well = found.accuracy >= found.assumed_accuracy - limits.SMALL_LOSS
        low, high = limits.CLAIMED
        shares = {
            "holds": limits.holds(ratio), "below": ratio < low, "above": ratio > high,
            "holds_and_learns": limits.holds(ratio) & as_well,
        }  # fmt: skip
        rows.append(
            {
                "technology": name,
                "as_assumed": mean_and_spread(found.assumed[name]),
                "quantiles": [float(q) for q in np.percentile(ratio[known], (5, 50, 95))],
            }
            | {key: limits.share(found.taken, true, known) for key, true in shares.items()}
        )
    return rows
