"""Commands about cell technologies: devices, fit, compare-devices, sensitivity, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cbramsim.core.errors import CbramError
from cbramsim.experiments.cli import flags
from cbramsim.experiments.cli.flags import PATH, Keys, flag, option, several

REFERENCE = "subquantum-cbram"


def conductances(text: str) -> tuple[float, float]:
    """Return two conductances with units, low and high, as `2uS:20uS`, in S."""
    from cbramsim.core.units import to_si

    numbers = [part.rstrip("fpnu\u00b5\u03bcmkMS ") for part in text.split(":")]
    units = [part.lstrip("0123456789.eE+- ") for part in text.split(":")]
    try:
        low, high = (to_si(float(n), unit, "S") for n, unit in zip(numbers, units, strict=True))
    except ValueError:
        raise click.BadParameter(
            f"must be two conductances with units, such as 2uS:20uS (got {text!r})"
        ) from None
    if not 0 <= low < high:
        raise click.BadParameter(f"must be a low and a high conductance, from 0 on (got {text!r})")
    return low, high


@click.command()
@click.argument("name", default="", metavar="[NAME|FILE]")
@flags.as_json
@option("--figure", type=PATH, metavar="FILE", help="PNG to write  [NAME.png]")
@flag("--no-figure", help="Print only.")
@option("--export", type=PATH, metavar="FILE",
        help="Write the device for other programs, and draw nothing unless told to: .cir, .sp or "
        ".spice for ngspice, .va for Verilog-A, .json or .toml.")  # fmt: skip
@flags.force(help="Overwrite these files.")
def devices(name: str, as_json: bool, no_figure: bool, force: bool, **files: Path | None) -> None:
    """List the cell technologies of the catalog side by side.

    With the NAME of one, or a TOML file of the same form: print it in full, with the source of
    every parameter, and draw its pulse curves, steps, energies and states.
    """
    figure, export = files["figure"], files["export"]
    if figure is not None and (no_figure or not name):
        raise CbramError("--figure: needs a NAME, and no --no-figure")
    if export is not None and not name:
        raise CbramError("--export: needs a NAME")
    from cbramsim.experiments import catalog as experiment

    unasked = name and not as_json and not no_figure and export is None
    drawn = figure is not None or unasked
    if drawn:
        experiment.figure_of(name, figure, force=force)
    written = [experiment.export(name, export, force=force)] if export else []
    click.echo(experiment.report(name, as_json=as_json))
    if drawn:
        written.append(experiment.draw(name, figure, force=force))
    for file in written:
        click.echo(f"written to {file}", err=True)


@click.command()
@click.argument("measured", type=PATH, metavar="MEASURED")
@flags.out(metavar="FILE", help="Device file to write  [MEASURED.toml, here]")
@option("--figure", type=PATH, metavar="FILE", help="Figure to write  [MEASURED.png, here]")
@option("--report", type=PATH, metavar="FILE", help="Report to write  [MEASURED.txt, here]")
@option(
    "--like", default=REFERENCE, metavar="NAME|FILE", help="Device for parameters not measured."
)
@option("--law", metavar="NAME", help="Law; by default the simplest of those that predict best.")
@flag("--extrapolate", help="Look for bounds beyond the measured range.")
@option("--v-set", type=float, metavar="V", help="Which set voltage, if there are several.")
@option("--v-reset", type=float, metavar="V", help="Which reset voltage.")
@option("--window", type=conductances, metavar="LOW:HIGH",
        help="Conductances of readings in arbitrary units, as 2uS:20uS.")  # fmt: skip
@option("--read-voltage", type=float, metavar="V", help="Of readings that are currents.")
@option("--bootstrap", "repetitions", type=click.IntRange(0, 100_000), default=200, metavar="N",
        help="Repetitions for the intervals; 0 for none.")  # fmt: skip
@option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, metavar="N",
        help="Seed of the bootstrap.")  # fmt: skip
@flags.as_json
@flags.force(help="Overwrite these files.")
def fit(measured: Path, as_json: bool, **options: Any) -> None:
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
    found = experiment.run(measured, files, reading=reading, quiet=as_json, **options)
    click.echo(experiment.to_json(found) if as_json else found)


@click.command()
@flags.out(default="runs/devices")
@flags.devices(help="Presets and TOML files  [the whole catalog]")
@option("--programming", default="auto", metavar="METHOD",
        help="auto, stochastic, 'single pulse' or verify.")  # fmt: skip
@flag("--no-sensitivity", help="Do not change the assumed parameters.")
@flags.study(5)
def compare_devices(base: Keys, out: Path, no_sensitivity: bool, **options: Any) -> Any:
    """Learn in every technology of the catalog: accuracy, energy, and the uncertainty of the ratio.

    About an hour on two cores; run it again to go on where it stopped.
    """
    from cbramsim.experiments.device_studies import comparison

    return comparison.run(base, out, sensitivity=not no_sensitivity, **options)


@click.command()
@flags.out(default="runs/sensitivity")
@option("--method", type=click.Choice(["morris", "sobol"]), default="morris",
        help="A ranking, or parts of the variance.")  # fmt: skip
@option("--samples", type=click.IntRange(2), metavar="N",
        help="Paths of 23 runs, or base points of 24, a power of two  [8, or 32]")  # fmt: skip
@option("--sample-seed", type=click.IntRange(0, 2**63 - 1), default=0, metavar="N",
        help="Seed of the sample.")  # fmt: skip
@flags.as_json
@flags.study(1)
def sensitivity(base: Keys, out: Path, **options: Any) -> Any:
    """Vary all that is assumed of subquantum CBRAM together: which numbers decide what it saves.

    Each run learns 10,000 images once and is scored on held-back training images. Some minutes; run
    it again to go on where it stopped. `--method sobol --samples 64` takes half an hour on a core.
    Needs SALib, the extra `sensitivity`.
    """
    from cbramsim.experiments import sensitivity as experiment

    return experiment.run(base, out, **options)


@click.command()
@click.argument("device", default=REFERENCE)
@flags.out(show_default="runs/attribute-DEVICE")
@flags.study(3)
def attribute(device: str, base: Keys, out: Path | None, **options: Any) -> Any:
    """Switch the imperfections of DEVICE off, and on, one at a time, and rank what they cost.

    `--set wait=604800 --set wait_celsius=85` lets a week at 85 °C pass before the test.
    """
    from cbramsim.experiments.device_studies import attribution

    folder = out or Path("runs") / f"attribute-{Path(device).stem}"
    return attribution.run(device, base, folder, **options)


@click.command()
@click.argument("device", default=REFERENCE)
@flags.out(show_default="runs/robustness-DEVICE")
@several("--curves", metavar="C,C,...",
        help="d2d, c2c, levels, stuck-low, stuck-high, stuck-open, retention  [all]")  # fmt: skip
@flags.study(3)
def robustness(device: str, base: Keys, out: Path | None, **options: Any) -> Any:
    """Measure the fall of accuracy as DEVICE gets worse, one imperfection at a time."""
    from cbramsim.experiments.device_studies import robustness as experiment

    folder = out or Path("runs") / f"robustness-{Path(device).stem}"
    return experiment.run(device, base, folder, **options)
