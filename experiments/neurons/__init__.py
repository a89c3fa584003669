"""`cbram neurons`: accuracy against the number of neurons, ours and published.

One layer that learns without labels, not pruned, by device pulses; labels name its neurons. Each
size learns as in the default job, and as in `schedule`; both votes are scored. Figure and claims
compare this with the points in `published`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbramsim.core.arguments import whole
from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.neurons import figure
from cbramsim.experiments.neurons.claims import VOTES, claims
from cbramsim.experiments.neurons.published import PUBLISHED
from cbramsim.experiments.neurons.schedule import BY_SIZE, DEFAULT, case_name, settings
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.cases import Case, check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, markdown, mean_and_spread
from cbramsim.experiments.train.config import TrainConfig

SIZES = (50, 100, 300, 400, 500, 800, 1600, 3200, 6400)
"""Numbers of neurons."""
QUICK_SIZES = (50, 100)
QUICK: dict[str, Any] = {"train_images": 1000, "test_images": 500}
"""Images that a quick look learns and is scored on."""
BASE: dict[str, Any] = {"pruning": {"kind": "none"}}
"""Keys of the configuration that differ from the default job."""
POINTS, FIGURE = "published.csv", "neurons.png"


def run(
    base: dict[str, Any],
    out: Path,
    *,
    neurons: tuple[int, ...] | None = None,
    seeds: int = 3,
    quick: bool = False,
    at: Where = HERE,
) -> Findings:
    """Learn with different numbers of neurons; return the findings, and write them into a folder.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder; another run of the same goes on where it stopped.
    neurons
        Numbers of neurons, each once; `SIZES` by default.
    seeds
        Runs of each size and schedule.
    quick
        Whether to check only that it works: few neurons and images, and claims are not decided.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument or the folder is wrong.
    """
    check_base("neurons", base, "neurons", "seed", "epochs", "competition", "encoding")
    sizes = _checked(neurons or (QUICK_SIZES if quick else SIZES))
    shared = BASE | (QUICK if quick else {}) | base
    cases = [
        Case(
            case_name(schedule, size),
            settings(schedule, size),
            {"schedule": schedule, "neurons": size},
        )
        for schedule in (DEFAULT, BY_SIZE)
        for size in sizes
    ]
    runs = planned(shared, cases, seeds_of("neurons", seeds, len(cases)))
    config: TrainConfig = runs[0].config
    description = {"experiment": "neurons", "neurons": sizes, "base": shared, "seeds": seeds}
    with study_folder(out, "neurons", at):
        runner = Runner(runs, out, description, at)
        runner.go()
        table = runner.table()
        found = Cases(table)
        points = points_of(found, sizes)
        summary: dict[str, Any] = {
            "claims": claims(found, sizes, config.scored_on, quick=quick),
            "points": points,
            "published": [point._asdict() for point in PUBLISHED],
            "scored_on": config.scored_on,
        }
        findings = Findings(
            out, text(points), summary, {TABLE: table, POINTS: summary["published"]},
            runner.failures, base=shared, title="Accuracy against the number of neurons",
            evidence=evidence_of(Device.load(config.device)),
        )  # fmt: skip
        findings.write({FIGURE: figure.accuracy(points)} if points else {})
    return findings


def _checked(neurons: tuple[int, ...]) -> list[int]:
    sizes = sorted(whole("neurons.neurons", size, 1) for size in neurons)
    if len(set(sizes)) < len(sizes):
        raise ParameterError(f"neurons.neurons: must be different numbers (got {sizes})")
    return sizes


def points_of(cases: Cases, sizes: list[int]) -> list[dict[str, Any]]:
    """Return mean and spread of both votes for each schedule and size that was run."""
    points = []
    for schedule in (DEFAULT, BY_SIZE):
        for size in sizes:
            if (name := case_name(schedule, size)) in cases:
                of_votes = {vote: mean_and_spread(cases.values(name, vote)) for vote in VOTES}
                runs = len(cases.of(name))
                points.append({"schedule": schedule, "neurons": size, "seeds": runs, **of_votes})
    return points


def text(points: list[dict[str, Any]]) -> str:
    """Return a table of the results, beside the published ones for as many neurons."""
    heads = (
        "neurons", "published", "default job, profile", "by size, profile", "by size, majority",
        "seeds",
    )  # fmt: skip
    rows = []
    for size in sorted({point["neurons"] for point in points}):
        of = {point["schedule"]: point for point in points if point["neurons"] == size}
        published = [f"{p.label}: {p.text}" for p in PUBLISHED if p.neurons == size]
        shown = [
            in_percent(*of[schedule][vote]) if schedule in of else "-"
            for schedule, vote in (
                (DEFAULT, "accuracy"), (BY_SIZE, "accuracy"), (BY_SIZE, "accuracy_majority"),
            )
        ]  # fmt: skip
        seeds = str(of[BY_SIZE]["seeds"]) if BY_SIZE in of else "-"
        rows.append([f"{size:,}", "; ".join(published) or "-", *shown, seeds])
    return markdown(heads, rows) if rows else ""
