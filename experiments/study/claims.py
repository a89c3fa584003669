"""Claims: statements of a study about numbers, and whether they meet their targets.

A claim is computed from the runs of its study, never set.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.study.table import mean_and_spread

Claim = dict[str, Any]
"""A claim in the form of summary.json: see `claim`."""
SIMULATED = "simulated with assumed device parameters"
"""Evidence of most claims."""


def claim(
    name: str, value: float | None, *, unit: str, definition: str, **facts: Any
) -> Claim:  # fmt: skip
    """Return a claim.

    Parameters
    ----------
    name
        Of the claim.
    value
        The number.
    unit
        Its unit; `fraction`, alone or with its base, is printed in percent.
    definition
        Definition of the number.
    **facts Further facts. Every claim has `spread` (sample standard deviation over seeds),
        `interval` (the range it may be in), `target` and `held` (the target, and whether it is
        met), None where there is none, and `evidence` (`SIMULATED` by default); `note` is printed
        below the claim.
    """
    return {
        "name": name, "value": value, "spread": None, "interval": None, "unit": unit,
        "target": None, "held": None, "evidence": SIMULATED, "definition": definition,
    } | facts  # fmt: skip


def mean_claim(name: str, values: NDArray[np.float64], **facts: Any) -> Claim | None:
    """Return a claim about the mean over seeds, or nothing without any; `facts` as for `claim`."""
    if not len(values):
        return None
    mean, spread = mean_and_spread(values)
    return claim(name, mean, spread=spread, runs=len(values), **facts)


def line(claim: Claim) -> str:
    """Return a claim as a line for people."""
    held = {True: "held", False: "missed", None: ""}[claim["held"]]
    unit: str = claim["unit"]
    unit = {"ratio": "x", "times": "x"}.get(unit, unit)
    scale, unit = (100, "%") if unit.startswith("fraction") else (1, unit)
    parts = ["none" if claim["value"] is None else f"{scale * claim['value']:.4g}"]
    if claim["spread"] is not None:
        parts.append(f"± {scale * claim['spread']:.2g}")
    parts.append(unit)
    if claim["interval"] is not None:
        low, high = (scale * end for end in claim["interval"])
        parts.append(f"[{low:.3g}, {high:.3g}]")
    if target := _target(claim["target"], scale):
        reference = claim.get("reference")
        parts.append(f"(target {target}{f'; reference: {reference}' if reference else ''})")
    told = f"{held:<6}  {claim['name']:<28} {' '.join(parts)}"
    return told + (f"\n        {claim['note']}" if claim.get("note") else "")


def _target(target: Any, scale: float) -> str:
    if target is None:
        return ""
    ends = target if isinstance(target, list | tuple) else [target]
    return " to ".join(f"{scale * end:g}" for end in ends)
