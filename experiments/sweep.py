"""`cbram sweep`: the study that a TOML file describes."""

from __future__ import annotations

from pathlib import Path

from cbramsim.experiments.study.findings import Findings
from cbramsim.experiments.study.runner import Where
from cbramsim.experiments.study.study import Study


def run(description: Path, out: Path | None, at: Where) -> Findings:
    """Carry out the study that a TOML file describes, or what is left of it.

    Raises
    ------
    CbramError
        If the description, the folder or the scheduler is wrong.
    """
    study = Study.read(description, out, quiet=at.quiet)
    runs = study.run(**at._asdict())
    found = runs.findings()
    found.write(runs.figures())
    return found
