"""`cbram reproduce`: published results and our reproductions; the replication board.

An entry is a module whose docstring gives the source of its numbers, the information missing there,
and the deviations of this reproduction. It has `PAPER`, its name; `ROWS`, the published values; and
`job`, the work for a row. Add yours to `ENTRIES`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbramsim.core.arguments import one_of
from cbramsim.experiments.reproduce.published import Published
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study import jobs
from cbramsim.experiments.study.cases import seeds_of
from cbramsim.experiments.study.claims import Claim, claim
from cbramsim.experiments.study.findings import Findings
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Where
from cbramsim.experiments.study.table import markdown, mean_and_spread

ENTRIES = (
    "neurosim", "shi2018", "querlioz2011", "querlioz2013", "guo2019", "diehl2015", "burr2014",
    "li2018", "yao2017", "gokmen2016", "mapped",
)  # fmt: skip
"""Modules beside this one."""
README = "readme"
"""Instead of an entry: the numbers that README shows."""
HEADS = ("entry", "what", "published", "here", "difference", "verdict")
QUICK = "quick"
"""Text instead of a verdict: too few images were learned for any."""


class Found(NamedTuple):
    """A published number, and our results."""

    entry: str
    """Name of the entry."""
    published: Published
    """Published value."""
    runs: list[dict[str, Any]]
    """Runs, one for each seed, with `value`."""


def entry_of(name: str) -> Any:
    """Return the module of an entry.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    one_of("reproduce: entry", name, ENTRIES)
    return import_module(f"{__name__}.{name}")


def run(
    names: tuple[str, ...] = (),
    out: Path = Path("runs/reproduce"),
    *,
    seeds: int = 5,
    quick: bool = False,
    at: Where = HERE,
) -> Findings:
    """Reproduce entries, all by default; return the findings, and write them into a folder.

    Parameters
    ----------
    names
        Of `ENTRIES`; or only `README`.
    out
        The folder; another run of the same goes on where it stopped.
    seeds
        Number of seeds.
    quick
        Whether to check only that it works.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If there is no such entry, or the folder holds something else.
    """
    if names == (README,):
        return import_module(f"{__name__}.{README}").run(out, seeds=seeds, quick=quick, at=at)
    entries = {name: entry_of(name) for name in names or ENTRIES}
    planned = [
        entry.job(row, seed, quick)._replace(role=f"{name},{row.name}")
        for name, entry in entries.items()
        for row in entry.ROWS
        for seed in seeds_of("reproduce", seeds)
    ]
    with study_folder(out, "reproduce", at):
        done = jobs.carry_out(planned, out, at)
        found = [
            Found(name, row, done.records.get(f"{name},{row.name}", []))
            for name, entry in entries.items()
            for row in entry.ROWS
        ]
        claims = [made for each in found if (made := _claim(each, quick)) is not None]
        findings = Findings(
            out, board(found, quick), {"claims": claims, "quick": quick},
            {"runs.csv": [_row(each, one) for each in found for one in each.runs]}, done.failures,
            title="What papers report, and what comes out here",
            closing="" if quick else _closing(claims),
        )  # fmt: skip
        findings.write({})
    return findings


def board(found: list[Found], quick: bool) -> str:
    """Return the replication board as a Markdown table."""
    rows = []
    for each in found:
        mean, spread = _values(each)
        published = each.published
        if mean is None:
            rows.append([each.entry, published.what, published.text, "-", "-", "not run"])
            continue
        here = in_percent(mean, spread) if published.unit == "fraction" else f"{mean:.3g}"
        away = 100 * (mean - published.value) if published.unit == "fraction" else None
        rows.append([
            each.entry, published.what, published.text, here,
            f"{away:+.1f} points" if away is not None else f"{mean / published.value:.2g} x",
            QUICK if quick else published.verdict(mean),
        ])  # fmt: skip
    return markdown(HEADS, rows)


def _values(found: Found) -> tuple[float | None, float | None]:
    return mean_and_spread(np.array([one["value"] for one in found.runs], float))


def _claim(found: Found, quick: bool) -> Claim | None:
    mean, spread = _values(found)
    if mean is None:
        return None
    published = found.published
    judged = published.tolerance is not None and not quick
    return claim(
        f"{found.entry}:{published.name}", mean, spread=spread, unit=published.unit,
        definition=(
            f"{entry_of(found.entry).PAPER}; {published.what}, published {published.text} "
            f"({published.source})"
        ),
        target=list(published.range) if judged and published.range else None,
        held=published.within(mean) if judged else None,
        evidence=published.evidence, note=published.note,
    )  # fmt: skip


def _row(found: Found, one: dict[str, Any]) -> dict[str, Any]:
    published = found.published
    known = {"published": published.value, "tolerance": published.tolerance}
    return {"entry": found.entry, "what": published.name, **known, **one}


def _closing(claims: list[Claim]) -> str:
    judged = [each for each in claims if each["held"] is not None]
    return f"{sum(each['held'] for each in judged)} of {len(judged)} published numbers are held"
