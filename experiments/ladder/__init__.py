"""`cbram ladder`: how many joules it takes to learn handwritten digits, on one honest chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.files import write_atomically
from cbramsim.experiments import run_folder
from cbramsim.experiments.device_studies.study import HERE, Where, studying
from cbramsim.experiments.engine import Outcome
from cbramsim.experiments.ladder import findings, rungs, tables
from cbramsim.experiments.ladder.approach import Approach
from cbramsim.experiments.ladder.claims import TITLES
from cbramsim.experiments.ladder.plan import FULL, QUICK, Job, Scope, jobs
from cbramsim.experiments.ladder.work import carry_out, seconds_of
from cbramsim.experiments.sweep import write_csv
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.energy.bill import Draws

SUMMARY, TABLE, CONSTANTS, REPORT = "summary.json", "ladder.csv", "constants.csv", "table.md"
DRAWN = (REPORT, "ladder.png", "ladder_curves.png", "ladder_claims.png")
"""What is written only where there are results to compare."""


class Ladder(NamedTuple):
    """What the ladder found."""

    out: Path
    approaches: list[Approach]
    """Dearest training first."""
    summary: dict[str, Any]
    failures: list[Outcome]

    def to_json(self) -> str:
        """Return the summary as one JSON object."""
        return json.dumps(self.summary, indent=2)

    def report(self) -> str:
        """Return what was found, for people."""
        lines = []
        if self.summary["ladder"]:
            lines += [tables.table(self.summary["ladder"], rungs.BASELINE), ""]
        lines += [_claim_line(claim) for claim in self.summary["claims"]]
        lines += ["", self.summary["verdict"], f"conversions: {self.summary['conversions']}"]
        lines += [f"failed  {failure.name}: {failure.error}" for failure in self.failures]
        return "\n".join(lines)


def run(
    out: Path,
    *,
    seeds: int = 1,
    quick: bool = False,
    scope: Scope | None = None,
    footprint: Footprint | None = None,
    draws: Draws | None = None,
    at: Where = HERE,
) -> Ladder:
    """Run what is left of the ladder in the folder `out`, and write what was found.

    Parameters
    ----------
    out
        The folder.
    seeds
        Runs of each kind, with the seeds 0, 1, ...
    quick
        Only a look: few images, small networks.
    scope
        How much is run; `quick` or not by default.
    footprint
        Conversions; none by default.
    draws
        Random values of the constants, for the intervals.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument or the folder is wrong.
    """
    scope = scope or (QUICK if quick else FULL)
    footprint, draws = footprint or Footprint(), draws or Draws()
    planned = jobs(scope, seeds)
    with studying(out, "ladder", at):
        return _study(planned, out, scope, footprint, draws, at, seeds=seeds, quick=quick)


def _study(
    planned: list[Job], out: Path, scope: Scope, footprint: Footprint, draws: Draws, at: Where, *,
    seeds: int, quick: bool,
) -> Ladder:  # fmt: skip
    done = carry_out(planned, out, at)
    approaches = rungs.approaches(done.records, scope, footprint)
    approaches.sort(key=_dearness, reverse=True)
    claims = findings.all_claims(done.records, approaches, draws, quick=quick)
    summary = {
        "claims": claims,
        "verdict": verdict(claims),
        "ladder": _ladder(approaches, draws, footprint),
        "conversions": str(footprint),
        "scope": scope._asdict() | {"seeds": seeds},
        "seconds": seconds_of(planned, out),
        "versions": run_folder.versions(),
    }
    found = Ladder(out, approaches, summary, done.failures)
    _write(found, draws, footprint)
    return found


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
    """Return in plain words whether the factors hold, and what they would need to."""
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


def _claim_line(claim: dict[str, Any]) -> str:
    held = {True: "held  ", False: "missed", None: "      "}[claim["held"]]
    line = f"{held}  {claim['name']:<26} {claim['value']:<9.4g} {claim['unit']}"
    if claim["interval"] is not None:
        line += " [{:.4g}, {:.4g}]".format(*claim["interval"])
    return line


def _write(found: Ladder, draws: Draws, footprint: Footprint) -> None:
    # matplotlib takes longer to import than the bills take to add up
    from cbramsim.experiments.ladder import figures

    write_csv(found.out / TABLE, tables.rows(found.approaches, draws))
    write_csv(found.out / CONSTANTS, tables.constants(found.approaches))
    run_folder.write_json(found.out / SUMMARY, found.summary)
    for name in DRAWN:  # what an earlier look drew may not be drawn now
        (found.out / name).unlink(missing_ok=True)
    if not found.summary["ladder"]:
        return
    converted = found.summary["conversions"] if footprint != Footprint() else ""
    text = tables.table(found.summary["ladder"], rungs.BASELINE) + "\n"
    if converted:
        text += f"\nConversions: {converted}.\n"
    write_atomically(found.out / REPORT, lambda file: file.write(text.encode()))
    figures.ladder(found.approaches, rungs.BASELINE, draws, found.out, converted)
    figures.curves(found.approaches, rungs.TARGETS, found.out)
    readings = {
        TITLES[claim["name"]]: {"claimed": claim["target"], "readings": claim["readings"]}
        for claim in found.summary["claims"]
        if claim["name"] in TITLES
    }
    if readings:
        figures.verdicts(readings, found.out)
