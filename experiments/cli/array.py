"""Commands about the array as it is built: array, wires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cbramsim.core.errors import CbramError
from cbramsim.experiments.cli import flags
from cbramsim.experiments.cli.flags import Keys, flag


@click.command()
@flags.out(default="runs/array")
@flag("--full", help="All images, three epochs, the test set.")
@flags.quick(help="Only show that everything works.")
@flags.as_json
@flags.study(3)
def array(base: Keys, out: Path, full: bool, quick: bool, **options: Any) -> Any:
    """Study the array as it is built: converters, tiles, binary cells, programming.

    By default 20,000 images are learned once, and 5,000 other training images are used for the
    score: about a quarter of an hour on two cores. Run it again to continue where it stopped.
    """
    from cbramsim.experiments.array_studies import array as experiment

    if full and quick:
        raise CbramError("--full: not with --quick")
    return experiment.run(base, out, full=full, quick=quick, **options)


@click.command()
@flags.out(default="runs/wires")
@flags.devices(default="subquantum-cbram,gst-pcm", help="Technologies.")
@flags.quick(help="Only a look: small problems.")
@flags.as_json
@flags.study(1)
def wires(base: Keys, out: Path, **options: Any) -> Any:
    """Time the exact solution of resistive lines, and learn behind them.

    \b
    How fast and how exact, side by side in one run; badcrossbar too, where it is installed.
    What arrays lose by size and resistance, and what approximations make of it.
    Accuracy and energy of learning behind lines, by size of the tiles: 50,000 images once,
    scored on held-back training images; `--set` changes that. Half an hour on two cores.
    """
    from cbramsim.experiments import wires as experiment

    return experiment.run(base, out, **options)
