"""The `cbram` command. Nothing heavy is imported before a command runs: help comes at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from cbramsim import __version__
from cbramsim.core.errors import CbramError, shown
from cbramsim.core.interrupts import endings_raised, status_of


class _Path(click.Path):
    """A path that has a name."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        if value == "" or "\0" in str(value):
            self.fail(f"must be the name of a file or folder (got {value!r})", param, context)
        return super().convert(value, param, context)


LONGEST_ERROR = 2000
"""Characters of an error."""
PATH = _Path(path_type=Path)


class _Conductances(click.ParamType):
    """Two conductances with units, low and high, as `2uS:20uS`."""

    name = "conductances"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Return them in S."""
        from cbramsim.core.units import to_si

        try:
            low, high = (
                to_si(
                    float(part.rstrip("fpnu\u00b5\u03bcmkMS ")),
                    part.lstrip("0123456789.eE+- "),
                    "S",
                )
                for part in value.split(":")
            )
        except ValueError:
            self.fail(f"must be two conductances with units, such as 2uS:20uS (got {value!r})")
        if not 0 <= low < high:
            self.fail(f"must be a low and a high conductance, from 0 on (got {value!r})")
        return low, high


CONDUCTANCES = _Conductances()
option = partial(click.option, show_default=True)


class Group(click.Group):
    """Prints what is the user's to mend as one line, and leaves with status 2.

    After Ctrl-C, SIGTERM or SIGHUP, with the status of that signal.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        try:
            with endings_raised():
                return super().main(*args, **kwargs)
        except OSError as error:  # of standard output; click has looked after broken pipes
            self._leave_because_of(error)

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        try:
            if sys.stdout is None:
                raise CbramError("standard output is closed; /dev/null may take its place")
            return super().invoke(context)
        except CbramError as error:
            self._leave(str(error))
        except KeyboardInterrupt as interrupt:
            sys.exit(status_of(interrupt))
        except MemoryError:
            self._leave("out of memory")
        except BrokenPipeError:
            raise  # click leaves without a word
        except OSError as error:
            self._leave_because_of(error)

    def _leave_because_of(self, error: OSError) -> NoReturn:
        """Name a file that is out of reach; what has no name is standard output."""
        where = error.filename
        if where is None:
            where = "standard output"
            with suppress(OSError, ValueError):  # so that nothing is tried again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._leave(f"{where}: {error.strerror or error}")

    def _leave(self, reason: str) -> NoReturn:
        """Leave with one line of bounded length, whatever is quoted in it."""
        line = " ".join(reason.split())
        say(f"Error: {line if len(line) <= LONGEST_ERROR else line[:LONGEST_ERROR] + '...'}")
        sys.exit(2)


def say(text: str) -> None:
    """Print to standard error, if it is there still: a terminal may have been closed."""
    with suppress(OSError):
        click.echo(text, err=True)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cbram")
def main() -> None:
    """Learn inside a simulated subquantum CBRAM array, and account for every joule."""


FLAGS = {
    "dataset": "dataset",
    "train_images": "train_images",
    "epochs": "epochs",
    "neurons": "neurons",
    "device": "device",
    "rule": "rule",
    "pruning": "pruning.kind",
    "prune_fraction": "pruning.fraction",
    "seed": "seed",
}
"""Flag -> key of `TrainConfig`."""


def config_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that set keys of `TrainConfig`."""
    options = [
        option("--dataset", metavar="NAME|PATH",
               help="mnist, a folder of IDX files or of pictures, or a .npz file  [mnist]"),
        option("--train-images", type=int, metavar="N", help="Training images  [all]"),
        option("--epochs", type=int, metavar="N", help="Passes over them  [3]"),
        option("--neurons", type=int, metavar="N", help="Output neurons  [500]"),
        option("--device", metavar="NAME|FILE", help="Cell technology  [subquantum-cbram]"),
        option("--rule", metavar="ideal|device", help="How updates are carried out  [device]"),
        option("--pruning", metavar="none|soft|hard", help="Pruning while learning  [soft]"),
        option("--prune-fraction", type=float, metavar="F", help="Fraction to prune  [0.75]"),
        option("--seed", type=int, metavar="N", help="Seed of everything random  [0]"),
        option("--config", type=PATH, metavar="FILE", help="TOML file; flags override it."),
        option("--set", "settings", multiple=True, metavar="KEY=VALUE",
               help="Any key of the TOML file, such as stdp.ltp=0.2"),
    ]  # fmt: skip
    for add in reversed(options):
        command = add(command)
    return command


@main.command(short_help="Learn a dataset inside the array.")
@config_flags
@option("--out", type=PATH, default="runs/train", metavar="FOLDER", help="Folder to write.")
@option("--force", is_flag=True, help="Overwrite the run in that folder.")
@option("--resume", is_flag=True, help="Go on with the run in that folder.")
@option("--quiet", is_flag=True, help="Show no progress.")
def train(
    out: Path,
    force: bool,
    resume: bool,
    quiet: bool,
    config: Path | None,
    settings: tuple[str, ...],
    **flags: Any,
) -> None:
    """Learn a dataset inside the array.

    By default the reference system: full MNIST, 500 neurons, 3 epochs, device pulses on
    subquantum-cbram, soft pruning of 75 %. The state is saved every 20 seconds, and after Ctrl-C,
    SIGTERM or SIGHUP.
    """
    from cbramsim.experiments import train as experiment

    def finish(done: experiment.Run) -> None:
        click.echo(experiment.summary(done.metrics))
        done.draw()

    given = {key: value for key, value in flags.items() if value is not None}
    try:
        if resume:
            epochs = given.pop("epochs", None)
            if given or settings or config or force:
                raise CbramError("--resume: goes on with a run as it is; only --epochs may change")
            experiment.resume(out, epochs, quiet=quiet, finish=finish)
        else:
            wanted = experiment.TrainConfig(**_collect(config, settings, given))
            experiment.run(wanted, out, force=force, quiet=quiet, finish=finish)
    except KeyboardInterrupt as interrupt:
        say("\n" + "; ".join(["Interrupted", *getattr(interrupt, "__notes__", [])]))
        raise
    click.echo(f"written to         {out}")


@main.command(short_help="Classify images from a saved state.")
@click.argument("state", type=PATH)
@click.argument("images", type=PATH)
@option("--labels", type=PATH, metavar="FILE", help="Their labels, to score: IDX, .npy or .npz.")
@option("--vote", default="profile", metavar="profile|majority", help="Which vote.")
@option("--out", type=PATH, metavar="FILE", help="CSV file to write instead of printing.")
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


@main.command(short_help="Time the training loop.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option("--quick", is_flag=True, help="Fewer repetitions, and no start-up times.")
def benchmark(as_json: bool, quick: bool) -> None:
    """Time the training loop against its memory-bound floor and against NumPy."""
    from cbramsim.experiments import benchmark as experiment

    figures = experiment.run(quick=quick)
    click.echo(experiment.to_json(figures) if as_json else experiment.summary(figures))


def cluster_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that say where runs are carried out."""
    options = [
        option("--scheduler", metavar="ADDRESS", help="A running Dask cluster, tcp://HOST:PORT"),
        option("--workers", type=click.IntRange(1), metavar="N",
               help="Processes on this machine  [one per core]"),
        option("--force", is_flag=True, help="Do runs of another version or configuration again."),
        option("--quiet", is_flag=True, help="Show no progress."),
    ]  # fmt: skip
    for add in reversed(options):
        command = add(command)
    return command


@main.command(short_help="Run any grid over any keys, on all cores.")
@click.argument("description", type=PATH, metavar="CONFIG.toml")
@option("--out", type=PATH, metavar="FOLDER", help="Folder to write  [runs/CONFIG]")
@cluster_flags
def sweep(
    description: Path,
    out: Path | None,
    scheduler: str | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Run the sweep that CONFIG.toml describes; run it again to go on where it stopped.

    \b
    [base]                          what all runs share: keys of `cbram keys`
    epochs = 1
    [grid]                          every combination of these is run
    seed = [0, 1, 2]
    pruning.fraction = [0.5, 0.75]
    """
    from cbramsim.experiments import sweep as experiment
    from cbramsim.experiments.study.runner import Where

    with _going_on():
        found = experiment.run(description, out, Where(scheduler, workers, force, quiet))
    click.echo(found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="Soft against hard pruning: accuracy and energy.")
@option("--out", type=PATH, default="runs/pruning", metavar="FOLDER", help="Folder to write.")
@option("--seeds", type=click.IntRange(1), default=5, metavar="N", help="Runs of each kind.")
@option("--fractions", metavar="F,F,...", help="Pruned fractions  [0.1 to 0.9, 0.95]")
@option("--rules", default="device,ideal", metavar="R,R", help="device, ideal or both.")
@option("--config", type=PATH, metavar="FILE", help="TOML file with what all runs share.")
@option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Any key of that file.")
@cluster_flags
def pruning(
    out: Path,
    seeds: int,
    fractions: str | None,
    rules: str,
    config: Path | None,
    settings: tuple[str, ...],
    scheduler: str | None,
    workers: int | None,
    force: bool,
    quiet: bool,
) -> None:
    """Compare soft with hard pruning: accuracy and energy over the pruned fraction.

    Over 800 runs on the full MNIST: an hour and a half on two cores. Run it again to go on where
    it stopped; `--seeds 1 --fractions 0.75 --rules device` takes minutes.
    """
    from cbramsim.experiments import pruning as experiment
    from cbramsim.experiments.study.runner import Where

    wanted = {} if fractions is None else {"fractions": _numbers("--fractions", fractions)}
    with _going_on():
        found = experiment.run(
            _collect(config, settings, {}), out, seeds=seeds, rules=_names("--rules", rules),
            at=Where(scheduler, workers, force, quiet), **wanted,
        )  # fmt: skip
    click.echo(found.report())
    if found.failures:
        sys.exit(1)


def study_flags(seeds: int) -> Callable[..., Any]:
    """Add the flags that all studies of devices share."""

    def add_all(command: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            option("--seeds", type=click.IntRange(1), default=seeds, metavar="N",
                   help="Runs of each kind."),
            option("--config", type=PATH, metavar="FILE",
                   help="TOML file with what all runs share."),
            option("--set", "settings", multiple=True, metavar="KEY=VALUE",
                   help="Any key of that file."),
        ]  # fmt: skip
        for add in reversed(options):
            command = add(command)
        return cluster_flags(command)

    return add_all


@main.command("compare-devices", short_help="One network in every memory technology.")
@option("--out", type=PATH, default="runs/devices", metavar="FOLDER", help="Folder to write.")
@option("--devices", metavar="A,B,...", help="Presets and TOML files  [the whole catalog]")
@option(
    "--programming",
    default="auto",
    metavar="METHOD",
    help="auto, stochastic, 'single pulse' or verify.",
)
@option("--no-sensitivity", is_flag=True, help="Do not change the assumed parameters.")
@study_flags(seeds=5)
def compare_devices(
    out: Path,
    devices: str | None,
    programming: str,
    no_sensitivity: bool,
    seeds: int,
    config: Path | None,
    settings: tuple[str, ...],
    **where: Any,
) -> None:
    """Learn in every technology of the catalog: accuracy, energy, and how firm the ratio is.

    Half an hour on two cores; run it again to go on where it stopped.
    """
    from cbramsim.experiments.device_studies import comparison
    from cbramsim.experiments.study.runner import Where

    with _going_on():
        found = comparison.run(
            _collect(config, settings, {}), out, devices=_names("--devices", devices),
            seeds=seeds, programming=programming, sensitivity=not no_sensitivity,
            at=Where(**where),
        )  # fmt: skip
    click.echo(found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="What each imperfection of a device costs.")
@click.argument("device", default="subquantum-cbram")
@option("--out", type=PATH, metavar="FOLDER", help="Folder to write  [runs/attribute-DEVICE]")
@study_flags(seeds=3)
def attribute(
    device: str,
    out: Path | None,
    seeds: int,
    config: Path | None,
    settings: tuple[str, ...],
    **where: Any,
) -> None:
    """Switch the imperfections of DEVICE off, and on, one at a time, and rank what they cost.

    `--set wait=604800 --set wait_celsius=85` lets a week at 85 °C pass before the test.
    """
    from cbramsim.experiments.device_studies import attribution
    from cbramsim.experiments.study.runner import Where

    folder = out or Path("runs") / f"attribute-{Path(device).stem}"
    with _going_on():
        found = attribution.run(
            device, _collect(config, settings, {}), folder, seeds=seeds, at=Where(**where)
        )
    click.echo(found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="Accuracy against how imperfect a device is.")
@click.argument("device", default="subquantum-cbram")
@option("--out", type=PATH, metavar="FOLDER", help="Folder to write  [runs/robustness-DEVICE]")
@option(
    "--curves",
    metavar="C,C,...",
    help="d2d, c2c, levels, stuck-low, stuck-high, stuck-open, retention  [all]",
)
@study_flags(seeds=3)
def robustness(
    device: str,
    out: Path | None,
    curves: str | None,
    seeds: int,
    config: Path | None,
    settings: tuple[str, ...],
    **where: Any,
) -> None:
    """Look how accuracy falls as DEVICE gets worse, one imperfection at a time."""
    from cbramsim.experiments.device_studies import robustness as experiment
    from cbramsim.experiments.study.runner import Where

    folder = out or Path("runs") / f"robustness-{Path(device).stem}"
    with _going_on():
        found = experiment.run(
            device, _collect(config, settings, {}), folder,
            curves=_names("--curves", curves), seeds=seeds, at=Where(**where),
        )  # fmt: skip
    click.echo(found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="What the resistance of lines does, and how fast it is solved for.")
@option("--out", type=PATH, default="runs/wires", metavar="FOLDER", help="Folder to write.")
@option("--devices", default="subquantum-cbram,gst-pcm", metavar="A,B", help="Technologies.")
@option("--quick", is_flag=True, help="Only a look: small problems.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@study_flags(seeds=1)
def wires(
    out: Path,
    devices: str,
    quick: bool,
    as_json: bool,
    seeds: int,
    config: Path | None,
    settings: tuple[str, ...],
    **where: Any,
) -> None:
    """Time the exact solution of resistive lines, and learn behind them.

    \b
    How fast and how exact, side by side in one run; badcrossbar too, where it is installed.
    What arrays lose by size and resistance, and what approximations make of it.
    Accuracy and energy of learning behind lines, by size of the tiles: 50,000 images once,
    scored on held-back training images; `--set` changes that. Half an hour on two cores.
    """
    from cbramsim.experiments import wires as experiment
    from cbramsim.experiments.study.runner import Where

    with _going_on():
        found = experiment.run(
            _collect(config, settings, {}), out, devices=_names("--devices", devices), seeds=seeds,
            quick=quick, at=Where(**where),
        )  # fmt: skip
    click.echo(found.to_json() if as_json else found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="Converters, tiles, binary cells, programming.")
@option("--out", type=PATH, default="runs/array", metavar="FOLDER", help="Folder to write.")
@option("--full", is_flag=True, help="All images, three epochs, the test set.")
@option("--quick", is_flag=True, help="Only show that everything works.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@study_flags(seeds=3)
def array(
    out: Path,
    full: bool,
    quick: bool,
    as_json: bool,
    seeds: int,
    config: Path | None,
    settings: tuple[str, ...],
    **where: Any,
) -> None:
    """Study the array as it is built: converters, tiles, binary cells, programming.

    By default 20,000 images are learned once, and 5,000 other training images scored on: about a
    quarter of an hour on two cores. Run it again to go on where it stopped.
    """
    from cbramsim.experiments.array_studies import array as experiment
    from cbramsim.experiments.study.runner import Where

    if full and quick:
        raise CbramError("--full: not with --quick")
    with _going_on():
        found = experiment.run(
            _collect(config, settings, {}), out, seeds=seeds, full=full, quick=quick,
            at=Where(**where),
        )  # fmt: skip
    click.echo(found.to_json() if as_json else found.report())
    if found.failures:
        sys.exit(1)


@main.command("cache-fit", short_help="Which size of network suits the caches.")
@option(
    "--layers",
    default="784,256,256,10",
    metavar="W,W,...",
    help="Widths, or matrices: 784x256,256x10",
)
@option("--batch", type=int, default=1, metavar="N", help="Images of a training step.")
@option("--images", type=int, default=60_000, metavar="N", help="Images of the data set.")
@option("--bits", type=int, default=32, metavar="N", help="Of every value: 32, 16, 8 or 4.")
@option(
    "--hierarchy",
    metavar="NAME|FILE",
    help="Price on this memory hierarchy instead of measuring  [this machine]",
)
@option(
    "--caches",
    metavar="TEXT",
    help="This machine's, if its system is wrong: 'L1=48KiB x2, L2=2MiB x2'",
)
@option("--no-measure", is_flag=True, help="Only say where working sets live.")
@option("--out", type=PATH, default="runs/cache-fit", metavar="FOLDER", help="Folder to write.")
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option("--quick", is_flag=True, help="Measure for seconds only.")
@option("--force", is_flag=True, help="Overwrite what is in that folder.")
@option("--quiet", is_flag=True, help="Show no progress.")
def cache_fit(
    layers: str,
    out: Path,
    caches: str | None,
    no_measure: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Say where the working sets of a network live, and which size suits the caches.

    Times a training step of networks of the same shape, from small to 16 million parameters, and
    compares the times with a model of where working sets live. Under a minute; joules where the
    system counts them.
    """
    from cbramsim.experiments import cache_fit as experiment

    found = experiment.run(layers, out, caches_given=caches, measure=not no_measure, **settings)
    click.echo(found.to_json() if as_json else found.report())


@main.command(short_help="Joules to learn digits: from FP32 to this array, on one chart.")
@option("--out", type=PATH, default="runs/ladder", metavar="FOLDER", help="Folder to write.")
@option("--seeds", type=click.IntRange(1), default=1, metavar="N", help="Runs of each kind.")
@option("--quick", is_flag=True, help="Only a look: few images, small networks.")
@option("--devices", metavar="A,B,...", help="Presets and TOML files beside the reference  [nine]")
@option("--precisions", metavar="P,P,...", help="fp32, fp16, bf16, int8, fp4, luq  [all]")
@option("--second", metavar="NAME,...", help="Second data sets  [other-digits,slanted]")
@option("--node", type=float, metavar="NM", help="Scale digital circuits to this node  [off]")
@option("--pue", type=float, metavar="F", help="Energy of the building over its computers'  [off]")
@option("--country", metavar="NAME", help="Whose electricity, for grams of CO2  [off]")
@option(
    "--draws",
    type=click.IntRange(100, 10**6),
    default=4000,
    metavar="N",
    help="Of the constants.",
)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@cluster_flags
def ladder(
    out: Path,
    seeds: int,
    quick: bool,
    devices: str | None,
    precisions: str | None,
    second: str | None,
    node: float | None,
    pue: float | None,
    country: str | None,
    draws: int,
    as_json: bool,
    **where: Any,
) -> None:
    """Compare what it takes to learn MNIST: perceptrons in FP32 to 4 bits, chips, and arrays.

    All learn the same images and are scored on the same; every joule is split by where it goes,
    and every constant has a range. Seven minutes on two cores, 17 with three seeds. Run it again
    with the same seeds to go on where it stopped; conversions then take seconds. `--second` may
    also be what `--dataset` takes.
    """
    # One thread: results then do not depend on how many a machine has. Before NumPy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from cbramsim.experiments import ladder as experiment
    from cbramsim.experiments.ladder.plan import FULL, QUICK
    from cbramsim.experiments.study.runner import Where
    from cbramsim.simulator.comparison.footprint import Footprint
    from cbramsim.simulator.energy.bill import Draws

    scope = QUICK if quick else FULL
    lists = {
        "devices": _names("--devices", devices),
        "precisions": _names("--precisions", precisions),
        "seconds": _names("--second", second),
    }
    scope = scope._replace(**{key: names for key, names in lists.items() if names})
    conversions: dict[str, Any] = {"node": node, "pue": pue, "country": country}
    footprint = Footprint(**{key: value for key, value in conversions.items() if value is not None})
    with _going_on():
        found = experiment.run(
            out, seeds=seeds, quick=quick, scope=scope, footprint=footprint, draws=Draws(draws),
            at=Where(**where),
        )  # fmt: skip
    click.echo(found.to_json() if as_json else found.report())
    if found.failures:
        sys.exit(1)


@main.command(short_help="Turn measured pulse trains into a device file.")
@click.argument("measured", type=PATH, metavar="MEASURED")
@option("--out", type=PATH, metavar="FILE", help="Device file to write  [MEASURED.toml, here]")
@option("--figure", type=PATH, metavar="FILE", help="Figure to write  [MEASURED.png, here]")
@option("--report", type=PATH, metavar="FILE", help="Report to write  [MEASURED.txt, here]")
@option(
    "--like",
    default="subquantum-cbram",
    metavar="NAME|FILE",
    help="Device to take what is not measured from.",
)
@option("--law", metavar="NAME", help="Law to take; by default the one that foretells best.")
@option("--extrapolate", is_flag=True, help="Look for bounds beyond the measured range.")
@option("--v-set", type=float, metavar="V", help="Which set voltage, if there are several.")
@option("--v-reset", type=float, metavar="V", help="Which reset voltage.")
@option(
    "--window",
    type=CONDUCTANCES,
    metavar="LOW:HIGH",
    help="Conductances of readings in arbitrary units, as 2uS:20uS.",
)
@option("--read-voltage", type=float, metavar="V", help="Of readings that are currents.")
@option(
    "--bootstrap",
    "repetitions",
    type=click.IntRange(0, 100_000),
    default=200,
    metavar="N",
    help="Repetitions for the intervals; 0 for none.",
)
@option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    metavar="N",
    help="Seed of the bootstrap.",
)
@option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@option("--force", is_flag=True, help="Overwrite these files.")
def fit(measured: Path, like: str, as_json: bool, force: bool, **options: Any) -> None:
    """Fit pulse laws, noise and spreads to measured pulse trains; write a device file.

    \b
    MEASURED is a table as instruments and people write them: CSV, tabs or semicolons,
    a reading a line, or a train a column. Columns, by name, as far as there are any:
    cycle, cell             any labels
    pulse                   0 for the reading before a train, then 1, 2, ...
    polarity                set or reset, LTP or LTD, +1 or -1; or the sign of the voltage
    conductance (uS)        in any prefix of S; or resistance (kOhm), or current (nA)
    voltage, width (us)     optional: of the pulses
    """
    from cbramsim.experiments import fit as experiment

    files = experiment.Files(*(options.pop(key) for key in ("out", "figure", "report")))
    reading = {key: options.pop(key) for key in ("window", "read_voltage")}
    found = experiment.run(
        measured, files, reading=reading, like=like, force=force, quiet=as_json, **options
    )
    click.echo(experiment.to_json(found) if as_json else found)


@main.command(short_help="Mean and spread over seeds of finished runs.")
@click.argument("folders", type=PATH, nargs=-1, required=True)
@option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def compare(folders: tuple[Path, ...], as_json: bool) -> None:
    """Compare the finished runs in FOLDERS; those that differ in the seed only are averaged."""
    import json

    from cbramsim.experiments import compare as experiment

    summaries = experiment.run(list(folders))
    click.echo(json.dumps(summaries, indent=2) if as_json else experiment.table(summaries))


@main.command(short_help="List the keys of config.toml.")
def keys() -> None:
    """List every key of config.toml with its meaning, range and default."""
    from cbramsim.experiments import list_keys

    click.echo(list_keys.run())


@main.command(short_help="List cell technologies, or show and draw one.")
@click.argument("name", default="", metavar="[NAME|FILE]")
@option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@option("--figure", type=PATH, metavar="FILE", help="PNG to write  [NAME.png]")
@option("--no-figure", is_flag=True, help="Print only.")
@option("--force", is_flag=True, help="Overwrite that PNG.")
def devices(name: str, as_json: bool, figure: Path | None, no_figure: bool, force: bool) -> None:
    """List the cell technologies of the catalog side by side.

    With the NAME of one, or a TOML file of the same form: print it in full, with the source of
    every parameter, and draw its pulse curves, steps, energies and states.
    """
    if figure is not None and (no_figure or not name):
        raise CbramError("--figure: needs a NAME, and no --no-figure")
    from cbramsim.experiments import catalog as experiment

    drawn = figure is not None or (name and not as_json and not no_figure)
    if drawn:
        experiment.figure_of(name, figure, force=force)
    click.echo(experiment.report(name, as_json=as_json))
    if drawn:
        written = experiment.draw(name, figure, force=force)
        click.echo(f"written to {written}", err=True)


def _collect(
    config: Path | None, settings: tuple[str, ...], flags: dict[str, Any]
) -> dict[str, Any]:
    """Merge a TOML file with ``--set`` and flags, which override it, into nested values."""
    from cbramsim.core.toml_files import flat, nested, parse_value, read_toml
    from cbramsim.simulator.learning.old_words import in_todays_words

    given = {FLAGS[flag]: value for flag, value in flags.items()}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise CbramError(f"--set: must be KEY=VALUE (got {shown(setting)})")
        for name, value in flat({key.strip(): parse_value(text.strip())}).items():
            if given.setdefault(name, value) != value:
                raise CbramError(
                    f"--set: {name} is given twice, as {shown(given[name])} and {shown(value)}"
                )
    values = flat(read_toml(config)) if config else {}
    return in_todays_words(nested(values | given))


@contextmanager
def _going_on() -> Iterator[None]:
    """Say after Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        say("\nInterrupted; the same command goes on.")
        raise


def _names(flag: str, text: str | None) -> Any:
    """Return the names in a list, each once; nothing if the flag is not given."""
    if text is None:
        return None
    names = [part.strip() for part in text.split(",")]
    if not all(names) or len(names) != len(set(names)):
        raise CbramError(
            f"{flag}: must be names, each once, with commas between them (got {shown(text)})"
        )
    return tuple(names)


def _numbers(flag: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise CbramError(
            f"{flag}: must be numbers with commas between them (got {shown(text)})"
        ) from None
