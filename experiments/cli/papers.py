"""Commands about what others have published: reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cbramsim.experiments.cli import flags


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@flags.reported
@flags.out(default="runs/reproduce")
@flags.seeds(default=5)
@flags.quick(help="Only a look: few images, no verdict.")
@flags.as_json
@flags.with_cluster
def reproduce(names: tuple[str, ...], out: Path, seeds: int, quick: bool, at: Any) -> Any:
    """Reproduce what papers report: neurosim, shi2018, mapped, ...  [all].

    Each published number stands beside ours with its tolerance and a verdict. Run it again to go
    on where it stopped. What is taken from a paper, what it does not state, and where this
    deviates, stands in the docstring of its module, experiments/reproduce/NAME.py. `readme`
    measures the numbers of README.
    """
    from cbramsim.experiments import reproduce as experiment

    return experiment.run(names, out, seeds=seeds, quick=quick, at=at)
