"""Commands about the program itself: benchmark."""

from __future__ import annotations

from pathlib import Path

import click

from cbramsim.core.errors import CbramError
from cbramsim.experiments.cli import flags, say


@click.command()
@flags.option("--engine", type=click.Choice(["cpu", "cuda"]), default="cpu",
              help="What is timed: one core, or a graphics card.")  # fmt: skip
@flags.option("--out", type=flags.PATH, metavar="FOLDER",
              help="Folder to write, with --engine cuda  [runs/benchmark]")  # fmt: skip
@flags.force()
@flags.as_json
@flags.quick(help="Fewer repetitions, and no start-up times; of a card, only show that it works.")
def benchmark(engine: str, out: Path | None, force: bool, as_json: bool, quick: bool) -> None:
    """Time the training loop against its memory-bound floor and against NumPy.

    With `--engine cuda`: many networks at once on a graphics card, against one core of the same
    machine; some ten minutes.
    """
    if engine == "cuda":
        _on_a_card(out or Path("runs/benchmark"), force, as_json, quick)
        return
    if out is not None or force:
        raise CbramError("--out, --force: only with --engine cuda")
    from cbramsim.experiments import benchmark as experiment

    figures = experiment.run(quick=quick)
    click.echo(experiment.to_json(figures) if as_json else experiment.summary(figures))


def _on_a_card(out: Path, force: bool, as_json: bool, quick: bool) -> None:
    import json

    from cbramsim.simulator.cuda.coverage import SIMULATED, missing

    if reason := missing():
        needs = "a card of Nvidia and its driver, and: pip install 'cbramsim[cuda]'"
        raise CbramError(f"--engine cuda: {reason}; needed are {needs}")
    if SIMULATED and not quick:
        raise CbramError("--engine cuda: Numba's CUDA simulator has time for --quick only")
    from cbramsim.experiments import card_benchmark as experiment
    from cbramsim.experiments.card_benchmark.rows import text

    rows, content = experiment.run(out, quick=quick, force=force, tell=say)
    where = str(out / experiment.FIGURES)
    click.echo(json.dumps(content, indent=2) if as_json else text(rows, content, where))
