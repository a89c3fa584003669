"""`cbram pruning`: accuracy and energy over the pruned fraction, soft against hard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cbramsim.core.errors import ParameterError
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.pruning import figures
from cbramsim.experiments.pruning import plan as planning
from cbramsim.experiments.pruning.claims import Found, claims, savings
from cbramsim.experiments.pruning.plan import ALL_POLICIES, HARD_FRACTION, MAIN_FRACTION, Policy
from cbramsim.experiments.results import in_percent
from cbramsim.experiments.study.cases import check_base, configured, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import column, markdown, mean_and_spread
from cbramsim.experiments.study.usage import Usage

FIRST = (
    "mode", "value", "target_fraction", "pruned_fraction", "seed", "accuracy",
    "accuracy_majority", "train_joules", "test_joules", "write_pulses", "read_joules", "seconds",
    "rule", "policy", "maturity", "epochs", "update", "access",
)  # fmt: skip
"""First columns of the table; the other quantities follow."""
TOLD = (
    "accuracy", "accuracy_majority", "pruned_fraction", "train_joules", "write_joules",
    "sense_joules", "read_joules", "test_joules", "write_pulses",
)  # fmt: skip
"""Description of each policy."""


def run(
    base: dict[str, Any],
    out: Path,
    *,
    seeds: int = 5,
    fractions: tuple[float, ...] = planning.FRACTIONS,
    rules: tuple[str, ...] = ("device", "ideal"),
    at: Where = HERE,
) -> Findings:
    """Run the study, or the remaining part of it, and write the findings.

    `base` are nested keys of the configuration that all runs share; `fractions` those of the
    curves, beside 0 and the reference's; `rules` are `device`, `ideal` or both. Raises `CbramError`
    if an argument, the folder or the scheduler is wrong.
    """
    _check(base, seeds, fractions, rules)
    curves = len(ALL_POLICIES) * (len(set(fractions)) + 2)
    all_seeds = tuple(seeds_of("pruning", seeds, curves))
    description = {
        "experiment": "pruning", "base": base, "seeds": seeds, "fractions": list(fractions),
        "rules": list(rules),
    }  # fmt: skip
    with study_folder(out, "pruning", at):
        planned = planning.runs(base, all_seeds, fractions, rules)
        runner = Runner(planned, out, description, at)
        usage = Usage(runner)
        try:
            with usage.measured():
                runner.go()
        finally:
            found = _found(runner, usage, base)
            found.write_data()
        found.write(figures.of(found.tables[TABLE], found.summary, runner))
    return found


def _check(
    base: dict[str, Any], seeds: int, fractions: tuple[float, ...], rules: tuple[str, ...]
) -> None:
    seeds_of("pruning", seeds)
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ParameterError(
                f"pruning.fractions: must be numbers > 0 and <= 1 (got {fraction:g})"
            )
    for rule in rules:
        if rule not in ("device", "ideal"):
            raise ParameterError(f"pruning.rules: must be of device, ideal (got {rule!r})")
    check_base("pruning", base, "access", "pruning", "rule", "seed", "update")


def _found(runner: Runner, usage: Usage, base: dict[str, Any]) -> Findings:
    table = runner.table()
    table = table.reindex(columns=list(dict.fromkeys([*FIRST, *table])))
    made = [*claims(table), usage.claim()] if len(table) else []
    policies = _policies(table) if len(table) else []
    summary = {
        "claims": [claim for claim in made if claim],
        "policies": policies,
        "savings": {name: savings(table, ALL_POLICIES[name]) for name in planning.SAVERS},
        "runs": len(table),
    }
    closing = f"{len(table)} of {len(runner.runs)} runs in {runner.out}"
    told = text(policies) if len(table) else ""
    title = "Soft against hard pruning"
    return Findings(
        runner.out, told, summary, {TABLE: table}, runner.failures, closing, title, base,
        evidence_of(configured(base, {}).technology()),
    )  # fmt: skip


def _policies(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return mean and spread of each policy at the reference's fraction."""
    found, entries = Found(table), []
    for rule in ("device", "ideal"):
        for name, label, facts, reference in (
            ("unpruned", "not pruned", {}, "about 94 %"),
            *((p.name, p.label, _fraction(p), _reference(p)) for p in ALL_POLICIES.values()),
        ):
            rows = found.select(name, rule, **facts)
            if len(rows):
                told = {what: mean_and_spread(column(rows, what)) for what in TOLD}
                entry = {"rule": rule, "policy": name, "label": label, "reference": reference}
                entries.append(entry | told)
    return entries


def _fraction(policy: Policy) -> dict[str, float]:
    return {"target_fraction": MAIN_FRACTION if policy.mode == "soft" else HARD_FRACTION}


def _reference(policy: Policy) -> str:
    return "93 %" if policy.mode == "soft" else "below 90 %"


def text(policies: list[dict[str, Any]]) -> str:
    """Return the policies at the reference's fractions as a Markdown table."""
    heads = (
        "weights", "pruned", "accuracy", "majority vote", "training", "of which writing",
        "write pulses", "reference",
    )  # fmt: skip
    return markdown(heads, (
        (
            f"{entry['rule']}, {entry['label']}", f"{entry['pruned_fraction'][0]:.1%}",
            in_percent(*entry["accuracy"]), in_percent(*entry["accuracy_majority"]),
            in_prefixed(entry["train_joules"][0], "J"), in_prefixed(entry["write_joules"][0], "J"),
            f"{entry['write_pulses'][0] / 1e6:.1f} million", entry["reference"],
        )
        for entry in policies
    ))  # fmt: skip
