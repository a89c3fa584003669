"""Commands about joules: ladder, cache-fit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from cbramsim.experiments.cli import flags
from cbramsim.experiments.cli.flags import Keys, flag, option, several

# Results then do not depend on how many threads a machine has. Before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

FLAGS = {"--node": "node", "--pue": "pue", "--country": "country"}
"""Flag -> key of `Footprint`."""
FOOTPRINT = "cbramsim.simulator.comparison.footprint", "Footprint"


@click.command(cls=flags.KeysCommand, of=FOOTPRINT, flags=FLAGS)
@flags.reported
@flags.out(default="runs/ladder")
@flags.seeds(default=1)
@flags.quick(help="Only a look: few images, small networks.")
@flags.devices(help="Presets and TOML files beside the reference  [nine]")
@several("--precisions", metavar="P,...", help="fp32, fp16, bf16, int8, fp4, luq  [all]")
@several("--second", "seconds", metavar="NAME,...",
        help="Second data sets  [other-digits,slanted]")  # fmt: skip
@option("--draws", type=click.IntRange(100, 10**6), default=4000, metavar="N",
        help="Of the constants.")  # fmt: skip
@flags.as_json
@flags.with_cluster
def ladder(
    keys: Keys, out: Path, seeds: int, quick: bool, draws: int, at: Any, **lists: Any
) -> Any:
    """Compare what it takes to learn MNIST: perceptrons in FP32 to 4 bits, chips, and arrays.

    All learn the same images and are scored on the same; every joule is split by where it goes,
    and every constant has a range. Seven minutes on two cores, 17 with three seeds. Run it again
    with the same seeds to go on where it stopped; conversions then take seconds. `--second` may
    also be what `--dataset` takes.
    """
    from cbramsim.experiments import ladder as experiment
    from cbramsim.experiments.ladder.plan import FULL, QUICK
    from cbramsim.simulator.comparison.footprint import Footprint
    from cbramsim.simulator.energy.bill import Draws

    scope = QUICK if quick else FULL
    scope = scope._replace(**{key: names for key, names in lists.items() if names})
    return experiment.run(
        out, seeds=seeds, quick=quick, scope=scope, footprint=Footprint(**keys),
        draws=Draws(draws), at=at,
    )  # fmt: skip


@click.command()
@option("--layers", default="784,256,256,10", metavar="W,W,...",
        help="Widths, or matrices: 784x256,256x10")  # fmt: skip
@option("--batch", type=int, default=1, metavar="N", help="Images of a training step.")
@option("--images", type=int, default=60_000, metavar="N", help="Images of the data set.")
@option("--bits", type=int, default=32, metavar="N", help="Of every value: 32, 16, 8 or 4.")
@option("--hierarchy", metavar="NAME|FILE",
        help="Price on this memory hierarchy instead of measuring  [this machine]")  # fmt: skip
@option("--caches", metavar="TEXT",
        help="This machine's, if its system is wrong: 'L1=48KiB x2, L2=2MiB x2'")  # fmt: skip
@flag("--no-measure", help="Only print the levels of working sets.")
@flags.out(default="runs/cache-fit")
@flags.as_json
@flags.quick(help="Measure for seconds only.")
@flags.force()
@flags.quiet
def cache_fit(out: Path, no_measure: bool, as_json: bool, **options: Any) -> None:
    """Say where the working sets of a network live, and which size suits the caches.

    Times a training step of networks of the same shape, from small to 16 million parameters, and
    compares the times with a model of where working sets live. Under a minute; joules where the
    system counts them.
    """
    from cbramsim.experiments import cache_fit as experiment
    from cbramsim.experiments.tables import for_people

    asked = experiment.Question(*(options.pop(key) for key in experiment.Question._fields))
    found = experiment.run(asked, out, measure=not no_measure, **options)
    click.echo(found.to_json() if as_json else for_people(found.report()))
