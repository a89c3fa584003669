"""Commands about networks that others have trained: map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cbramsim.experiments.cli import flags
from cbramsim.experiments.cli.flags import Keys, option

FLAGS = {
    "--device": "device", "--writing": "writing", "--scaling": "scaling",
    "--input-bits": "input_bits", "--compensation": "compensation",
}  # fmt: skip
"""Flag -> key of `MappingConfig`."""


@click.command(
    name="map", cls=flags.KeysCommand, of=("cbramsim.simulator.mapping.config", "MappingConfig"),
    flags=FLAGS,
)  # fmt: skip
@click.argument("model", default="mnist-lenet", metavar="[MODEL]")
@option("--dataset", default="mnist", metavar="NAME|PATH", help="As of `cbram train`.")
@option("--mean", type=float, default=0.0, metavar="F",
        help="Images are 0 to 1, less this, ...")  # fmt: skip
@option("--std", "deviation", type=click.FloatRange(0, min_open=True), default=1.0, metavar="F",
        help="... divided by this, as the network was trained.")  # fmt: skip
@option("--days", type=click.FloatRange(0), default=0.0, metavar="F",
        help="How long the arrays wait before they are used.")  # fmt: skip
@option("--steps", type=click.IntRange(1, 1_000_000), default=100, metavar="N",
        help="Milliseconds for which a spiking network is shown an image.")  # fmt: skip
@flags.reported
@flags.config
@option("--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Any key of MappingConfig, such as readout.adc_bits=6 or wires=true")  # fmt: skip
@flags.out(default="runs/map")
@flags.seeds(default=3)
@flags.quick(help="Only a look: 200 test images, no verdict.")
@flags.as_json
@flags.with_cluster
def map(
    keys: Keys, model: str, config: Path | None, settings: tuple[str, ...], out: Path, at: Any,
    **asked: Any,
) -> Any:  # fmt: skip
    """Map a trained network onto arrays: accuracy by cause, joules, latency.

    MODEL is an ONNX or NIR file of dense and convolutional layers in a row, or one that comes with
    the package: mnist-lenet, mnist-mlp, mnist-slp. Ranges of inputs and converters are found on
    training images, accuracy is that of the test images. Needs the extra 'onnx' or 'nir'. Every
    cause is added to those before, and looked at alone. Run it again to go on where it stopped.
    """
    from cbramsim.experiments import mapping as experiment
    from cbramsim.simulator.mapping import MappingConfig

    wanted = MappingConfig(**flags.collect(config, settings, keys))
    seeds, quick = asked.pop("seeds"), asked.pop("quick")
    question = experiment.Question(model, **asked)
    return experiment.run(question, wanted, out, seeds=seeds, quick=quick, at=at)
