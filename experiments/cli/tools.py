"""Commands about the program itself: benchmark."""

from __future__ import annotations

import click

from cbramsim.experiments.cli import flags


@click.command()
@flags.as_json
@flags.quick(help="Fewer repetitions, and no start-up times.")
def benchmark(as_json: bool, quick: bool) -> None:
    """Time the training loop against its memory-bound floor and against NumPy."""
    from cbramsim.experiments import benchmark as experiment

    figures = experiment.run(quick=quick)
    click.echo(experiment.to_json(figures) if as_json else experiment.summary(figures))
