"""`cbram sensitivity`: which assumed numbers decide what subquantum CBRAM saves, and how wrong.

All assumed parameters of the reference device vary together, each in the range that `ranges` states
a reason for; a run is done at each point of a sample, and SALib tells what each parameter has to do
with the accuracy and with the energy of training. Then the leading ones vary alone. The claim "10
to 100 times lower in energy" is a ratio to other technologies, which stay as the catalog has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import seed_sequence
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.comparison import REFERENCE
from cbramsim.experiments.results import read_metrics
from cbramsim.experiments.sensitivity import figure, results
from cbramsim.experiments.sensitivity.claims import claims
from cbramsim.experiments.sensitivity.closed_form import coefficients
from cbramsim.experiments.sensitivity.indices import Method, sample
from cbramsim.experiments.sensitivity.plan import (
    BASE,
    SETS,
    alone_cases,
    assumed_case,
    comparison_cases,
    sample_cases,
)
from cbramsim.experiments.sensitivity.ranges import ranges_of
from cbramsim.experiments.sensitivity.results import Question
from cbramsim.experiments.study.cases import Case, check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, markdown

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = {"morris": 8, "sobol": 32}
"""Blocks of each method by default."""
PLAIN = (
    "access", "wires", "storage", "synapse", "readout", "tiles", "pruning", "later_layers", "rule",
)  # fmt: skip
"""Keys that change what energies are made of: see `closed_form`."""
COMPARED, ALONE, INDICES, FIGURE = "compared.csv", "alone.csv", "indices.csv", "sensitivity.png"


def run(
    base: dict[str, Any],
    out: Path,
    *,
    method: Method = "morris",
    samples: int | None = None,
    sample_seed: int = 0,
    seeds: int = 1,
    at: Where = HERE,
) -> Findings:
    """Vary all that is assumed, or do what is left of it, and write what was found.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    method
        `morris`, for a ranking, or `sobol`, for parts of the variance: see `indices`.
    samples
        Blocks of some 20 points each; as `SAMPLES` says by default.
    sample_seed
        Of the points.
    seeds
        Runs at each point, with the seeds 0, 1, ...
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument or the folder is wrong, or SALib is missing.
    """
    check_base("sensitivity", base, "device", "seed", "cell", "programming")
    shared = BASE | base
    for key in PLAIN if method == "sobol" else ():
        if key in base:
            raise ParameterError(
                f"sensitivity.{key}: must be left as it is for sobol, whose energies are worked "
                f"out for plain arrays (got {base[key]!r}); morris takes any"
            )
    if not shared["validation_images"]:
        raise ParameterError(
            "sensitivity.validation_images: must be above 0, the test set is not for this (got "
            f"{shared['validation_images']!r})"
        )
    device = Device.load(REFERENCE)
    ranges = ranges_of(device)
    count = SAMPLES.get(method, 0) if samples is None else samples
    drawn = int(seed_sequence(sample_seed, "sensitivity").generate_state(1)[0])
    taken = sample(method, len(ranges), count, drawn)
    asked = Question(device, ranges, taken, seeds_of("sensitivity", seeds, len(taken.points)))
    description = {
        "experiment": "sensitivity", "method": method, "samples": count, "base": shared,
        "sample_seed": sample_seed, "seeds": seeds,
    }  # fmt: skip

    def carried_out(part: str, cases: list[Case], seeds: range) -> Runner:
        runner = Runner(planned(shared, cases, seeds), out / part, description, at)
        runner.go()
        return runner

    with study_folder(out, "sensitivity", at):
        others = [assumed_case(), *comparison_cases()]
        compared = carried_out("compared", others, results.compared_seeds(asked.seeds))
        sampled = carried_out("samples", sample_cases(ranges, taken), asked.seeds)
        tables = Cases(_with_coefficients(sampled)), Cases(compared.table())
        found = results.answer(asked, *tables)
        leading = [ranges[number] for number in results.leaders(found, results.LOOKED_AT)]
        cases = [case for one in leading for case in alone_cases(device, one)]
        changed = carried_out("alone", cases, asked.seeds)
        alone = Cases(changed.table())
        technologies = results.by_technology(found)
        summary: dict[str, Any] = {
            "claims": claims(asked, found, technologies),
            "method": method, "samples": count, "runs": len(tables[0].table),
            "parameters": results.parameters(asked, found),
            "limits": results.limits_of(asked, found, alone, tables[1]),
            "technologies": technologies, "chance": found.floor,
            "images": sampled.learned, "scored_on": "validation",
        }  # fmt: skip
        findings = Findings(
            out, text(summary), summary,
            {TABLE: tables[0].table, COMPARED: tables[1].table, ALONE: alone.table,
             INDICES: _flat(summary["parameters"])},
            [failure for part in (compared, sampled, changed) for failure in part.failures],
            title="Which assumed numbers decide what the cell saves", base=shared,
            evidence=evidence_of(device),
        )  # fmt: skip
        drawable = summary["parameters"] and summary["limits"]
        findings.write({FIGURE: figure.sensitivity(asked, found, summary)} if drawable else {})
    return findings


def _with_coefficients(sampled: Runner) -> pd.DataFrame:
    """Return the table of the samples, with what their energies are made of."""
    table = sampled.table()
    rows = [
        coefficients(run.config, read_metrics(sampled.folder(run.name))["energy"]["train"])
        for run in sampled.finished()
    ]
    columns = zip(results.COEFFICIENTS, np.transpose(rows), strict=True) if rows else ()
    return table.assign(**dict(columns))


# ---- for people --------------------------------------------------------------------------------


def text(summary: dict[str, Any]) -> str:
    """Return the indices, the limits, and the ratios, as Markdown tables."""
    parts = [_indices(summary), _limits(summary["limits"]), _technologies(summary["technologies"])]
    return "\n\n".join(part for part in parts if part)


def _indices(summary: dict[str, Any]) -> str:
    sobol = summary["method"] == "sobol"
    what = ("total", "first order") if sobol else ("mean effect", "")
    heads = [
        "parameter", "assumed", "range",
        *(f"{quantity}, {one}" for quantity in ("energy", "accuracy") for one in what if one),
    ]  # fmt: skip
    rows = [
        [
            row["parameter"], _value(row["assumed"], row["unit"]),
            f"{_value(row['low'], row['unit'])} to {_value(row['high'], row['unit'])}",
            *(
                f"{row[quantity][key]:.3f} ± {row[quantity][f'{key}_half']:.3f}"
                for quantity in ("energy", "accuracy")
                for key in ("total", "first")
                if row[quantity][key] is not None
            ),
        ]
        for row in summary["parameters"]
    ]  # fmt: skip
    return markdown(heads, rows) if rows else ""


def _limits(limits: list[dict[str, Any]]) -> str:
    heads = (
        "parameter", "assumed", "claim holds alone from", "to", "with all others from", "to",
        "share at its best",
    )  # fmt: skip
    rows = []
    for limit in limits:
        shown = [limit["parameter"], _value(limit["assumed"], limit["unit"])]
        shown += [_end(limit, "low", "looked_from"), _end(limit, "high", "looked_to")]
        mostly = [one for one in limit["with_others"] if one["share"] >= 0.5]
        ends = [_value(mostly[end]["value"], limit["unit"]) for end in (0, -1)] if mostly else []
        best = max((one["share"] for one in limit["with_others"]), default=0.0)
        rows.append([*shown, *(ends or ("nowhere", "nowhere")), f"{100 * best:.0f} %"])
    return markdown(heads, rows) if rows else ""


def _end(limit: dict[str, Any], end: str, looked: str) -> str:
    """Return where the claim ceases to hold, all others as assumed, on one side."""
    alone, unit = limit["alone"], limit["unit"]
    if not alone["holds"]:
        return "fails as assumed"
    if alone[end] is None:
        return f"beyond {_value(alone[looked], unit)}"
    factor = alone[f"{end}_factor"]
    return _value(alone[end], unit) + ("" if factor is None else f" ({factor:.2f}x)")


def _technologies(technologies: list[dict[str, Any]]) -> str:
    heads = (
        "energy of", "x, as assumed", "x, samples: 5 %", "50 %", "95 %", "10 to 100 in", "below",
        "above",
    )  # fmt: skip
    rows = []
    for entry in technologies:
        name, (mean, spread) = entry["technology"], entry["as_assumed"]
        rows.append(
            [
                f"median of {name}, {len(SETS[name])} cells" if name in SETS else name,
                f"{mean:.3g}" + ("" if spread is None else f" ± {spread:.2g}"),
                *(f"{one:.3g}" for one in entry["quantiles"]),
                *(f"{100 * entry[key]['share']:.0f} %" for key in ("holds", "below", "above")),
            ]
        )
    return markdown(heads, rows) if rows else ""


def _value(value: float, unit: str) -> str:
    return in_prefixed(value, unit) if unit else f"{value:.3g}"


def _flat(parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the indices as rows of plain columns."""
    return [
        {key: value for key, value in row.items() if not isinstance(value, dict)}
        | {
            f"{quantity}_{key}": value
            for quantity in ("energy", "accuracy")
            for key, value in row[quantity].items()
        }
        for row in parameters
    ]
