"""Commands that learn: train, predict, sweep, pruning, neurons, compare, keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cbramsim.core.errors import CbramError
from cbramsim.experiments.cli import flags
from cbramsim.experiments.cli.flags import PATH, Keys, counts, flag, numbers, option, several

FLAGS = {
    "--dataset": "dataset", "--train-images": "train_images", "--epochs": "epochs",
    "--neurons": "neurons", "--device": "device", "--rule": "rule", "--pruning": "pruning.kind",
    "--prune-fraction": "pruning.fraction", "--seed": "seed",
}  # fmt: skip
"""Flag -> key of `TrainConfig`."""


@click.command(
    cls=flags.KeysCommand, of=("cbramsim.experiments.train.config", "TrainConfig"), flags=FLAGS
)
@flags.config
@flags.settings
@flags.out(default="runs/train")
@flags.force(help="Overwrite the run in that folder.")
@flag("--resume", help="Continue the run in that folder.")
@flags.quiet
@flags.engine
def train(
    keys: Keys, config: Path | None, settings: tuple[str, ...],
    out: Path, force: bool, resume: bool, quiet: bool, engine: Any,
) -> None:  # fmt: skip
    """Learn a dataset inside the array.

    By default the reference system: full MNIST, 500 neurons, 3 epochs, device pulses on
    subquantum-cbram, soft pruning of 75 %. The state is saved every 20 seconds, and after Ctrl-C,
    SIGTERM or SIGHUP.
    """
    from cbramsim.experiments import train as experiment
    from cbramsim.experiments.train.report import summary

    def finish(done: experiment.Run) -> None:
        click.echo(summary(done.metrics))
        done.draw()

    with flags.going_on():
        if resume:
            epochs = keys.pop("epochs", None)
            if keys or settings or config or force:
                raise CbramError("--resume: goes on with a run as it is; only --epochs may change")
            experiment.resume(out, epochs, quiet=quiet, finish=finish, engine=engine)
        else:
            wanted = experiment.TrainConfig(**flags.collect(config, settings, keys))
            experiment.run(wanted, out, force=force, quiet=quiet, finish=finish, engine=engine)
    click.echo(f"written to         {out}")


@click.command()
@click.argument("state", type=PATH)
@click.argument("images", type=PATH)
@option("--labels", type=PATH, metavar="FILE", help="Their labels, to score: IDX, .npy or .npz.")
@option("--vote", default="profile", metavar="profile|majority", help="Which vote.")
@flags.out(metavar="FILE", help="CSV file to write instead of printing.")
def predict(state: Path, images: Path, labels: Path | None, vote: str, out: Path | None) -> None:
    """Classify IMAGES with the network in STATE, a state.npz or the folder of a run.

    IMAGES is an IDX, .npy or .npz file, a picture such as a PNG, or a folder of such. Prints
    index,class; then the name of the class if it has one, and the file of a picture.

    Spikes are drawn by the content of each image: its class depends neither on the others nor on
    their order, and equal images get equal classes. (`cbram train` draws by position, so that the
    accuracy in metrics.json differs a little.)
    """
    from cbramsim.experiments import predict as experiment

    if out is not None:
        experiment.check_new(out)
    table, report = experiment.run(state, images, labels, vote)
    if out is None:
        click.echo(table, nl=False)
    else:
        experiment.write(out, table)
    click.echo(report, err=True)


@click.command()
@click.argument("description", type=PATH, metavar="CONFIG.toml")
@flags.reported
@flags.out(show_default="runs/CONFIG")
@flags.as_json
@flags.with_cluster
def sweep(description: Path, out: Path | None, at: Any) -> Any:
    """Run the study that CONFIG.toml describes; run it again to go on where it stopped.

    \b
    [base]                          what all runs share: keys of `cbram keys`
    epochs = 1
    [grid]                          every combination of these is run
    seed = [0, 1, 2]
    pruning.fraction = [0.5, 0.75]
    """
    from cbramsim.experiments.study.study import Study

    runs = Study.read(description, out, quiet=at.quiet).run(**at._asdict())
    found = runs.findings()
    found.write(runs.figures())
    return found


@click.command()
@flags.out(default="runs/pruning")
@option("--fractions", callback=numbers, metavar="F,F", help="Pruned fractions  [0.1 to 0.9, 0.95]")
@several("--rules", default="device,ideal", metavar="R,R", help="device, ideal or both.")
@flags.as_json
@flags.study(5)
def pruning(base: Keys, out: Path, fractions: Any, **options: Any) -> Any:
    """Compare soft with hard pruning: accuracy and energy over the pruned fraction.

    Over 800 runs on the full MNIST: an hour and a half on two cores. Run it again to go on where
    it stopped; `--seeds 1 --fractions 0.75 --rules device` takes minutes.
    """
    from cbramsim.experiments import pruning as experiment

    if fractions is not None:
        options["fractions"] = fractions
    return experiment.run(base, out, **options)


@click.command()
@flags.out(default="runs/neurons")
@option("--neurons", callback=counts, metavar="N,N",
        help="Numbers of neurons  [50 to 6,400]")  # fmt: skip
@flags.quick(help="Only a look: few neurons and images, nothing decided.")
@flags.as_json
@flags.study(3)
def neurons(base: Keys, out: Path, **options: Any) -> Any:
    """Look how accuracy grows with the number of neurons, beside what is published.

    Three quarters of an hour on one core, half of it for 6,400 neurons; run it again to go on where
    it stopped.
    """
    from cbramsim.experiments import neurons as experiment

    return experiment.run(base, out, **options)


@click.command()
@click.argument("folders", type=PATH, nargs=-1, required=True)
@flags.as_json
def compare(folders: tuple[Path, ...], as_json: bool) -> None:
    """Compare the finished runs in FOLDERS; those that differ in the seed only are averaged."""
    import json

    from cbramsim.experiments import compare as experiment
    from cbramsim.experiments.tables import for_people

    found = experiment.run(list(folders))
    click.echo(json.dumps(found, indent=2) if as_json else for_people(experiment.table(found)))


@click.command()
def keys() -> None:
    """List every key of config.toml with its meaning, range and default."""
    from cbramsim.experiments import list_keys

    click.echo(list_keys.run())
