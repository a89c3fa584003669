"""`cbram ladder`: energy of learning handwritten digits by different approaches, on one chart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbramsim.experiments.device_studies.comparison import REFERENCE
from cbramsim.experiments.ladder import figures, findings, rungs, tables
from cbramsim.experiments.ladder.approach import Approach
from cbramsim.experiments.ladder.claims import TITLES
from cbramsim.experiments.ladder.plan import FULL, QUICK, Scope, jobs
from cbramsim.experiments.study.claims import Claim
from cbramsim.experiments.study.findings import TEXT, Failure, Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.jobs import carry_out, seconds_of
from cbramsim.experiments.study.runner import HERE, Where
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.energy.bill import Draws

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LADDER, CONSTANTS = "ladder.csv", "constants.csv"


def run(
    out: Path,
    *,
    seeds: int = 1,
    quick: bool = False,
    scope: Scope | None = None,
    footprint: Footprint | None = None,
    draws: Draws | None = None,
    at: Where = HERE,
) -> Findings:
    """Run the remaining part of the ladder in the folder `out`, and write the findings.

    `scope` is the extent of the study: all by default, or only a look if `quick`. `footprint`
    converts joules, `draws` are the random values of the constants that make the intervals. Raises
    `CbramError` if an argument or the folder is wrong.
    """
    scope = scope or (QUICK if quick else FULL)
    footprint, draws = footprint or Footprint(), draws or Draws()
    planned = jobs(scope, seeds)
    with study_folder(out, "ladder", at):
        done = carry_out(planned, out, at)
        approaches = rungs.approaches(done.records, scope, footprint)
        approaches.sort(key=_dearness, reverse=True)
        claims = findings.all_claims(done.records, approaches, draws, quick=quick)
        summary: dict[str, Any] = {
            "claims": claims,
            "verdict": verdict(claims),
            "ladder": _ladder(approaches, draws, footprint),
            "conversions": str(footprint),
            "scope": scope._asdict() | {"seeds": seeds},
            "seconds": seconds_of(planned, out),
        }
        conversions = str(footprint) if footprint != Footprint() else ""
        found = _found(out, approaches, summary, draws, conversions, done.failures)
        for name in (TEXT, *figures.NAMES):  # what an earlier look drew may not be drawn now
            (out / name).unlink(missing_ok=True)
        found.write(_figures(approaches, claims, draws, conversions) if summary["ladder"] else {})
    return found


def _found(
    out: Path, approaches: list[Approach], summary: dict[str, Any], draws: Draws,
    conversions: str, failures: list[Failure],
) -> Findings:  # fmt: skip
    written = {
        LADDER: tables.rows(approaches, draws), CONSTANTS: tables.constants(approaches),
    }  # fmt: skip
    text = tables.table(summary["ladder"], rungs.BASELINE) if summary["ladder"] else ""
    text += f"\n\nConversions: {conversions}." if text and conversions else ""
    return Findings(
        out, text, summary, written, failures, summary["verdict"], base=summary["scope"],
        title="Joules to learn handwritten digits", evidence=written[CONSTANTS],
    )  # fmt: skip


def _figures(
    approaches: list[Approach], claims: list[Claim], draws: Draws, conversions: str
) -> dict[str, Figure]:
    readings = {
        TITLES[claim["name"]]: {"claimed": claim["target"], "readings": claim["readings"]}
        for claim in claims
        if claim["name"] in TITLES
    }
    ours = f"{REFERENCE}, {rungs.OURS['soft']}"
    return figures.of(
        approaches, rungs.BASELINE, ours, rungs.TARGETS, readings, draws, conversions
    )  # fmt: skip


def _dearness(one: Approach) -> float:
    return one.training.joules if one.training else 0.0


def _ladder(approaches: list[Approach], draws: Draws, footprint: Footprint) -> list[dict[str, Any]]:
    baseline = next((one for one in approaches if one.name == rungs.BASELINE), None)
    if baseline is None:
        return []
    entries = tables.entries(approaches, baseline, draws)
    if footprint.country is not None:
        for entry in entries:
            for phase in ("training", "inference"):
                if entry[phase]:
                    # joules at the meter carry the overhead of the building already
                    joules = entry[phase]["value"] / footprint.pue
                    entry[phase]["grams_co2"] = footprint.co2_grams(joules)
    return entries


def verdict(claims: list[dict[str, Any]]) -> str:
    """Return in plain words whether the factors hold, and the conditions under which they would."""
    lines = []
    for claim in claims:
        if claim["name"] not in TITLES:
            continue
        low, high = claim["target"]
        lines.append(
            f"{TITLES[claim['name']]}: {'holds' if claim['held'] else 'does not hold'} at the "
            f"stated constants, {claim['value']:.3g} [{claim['low']:.3g}, {claim['high']:.3g}]; "
            f"in {claim['share_of_draws_in_which_it_holds']:.0%} of the draws it is within "
            f"{low:g} to {high:g}."
        )
        for mover in claim["to_hold"]:
            where = mover["median_where_it_holds"]
            if where is not None and mover["part_of_variance"] >= 0.05:
                lines.append(
                    f"    where it holds, {mover['constant']} ({mover['evidence']}) is "
                    f"{where:.2g} of its stated value; it makes {mover['part_of_variance']:.0%} of "
                    "the variance"
                )
    return "\n".join(lines)
