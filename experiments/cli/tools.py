"""Commands about the program itself: benchmark, doctor, completion."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cbramsim.core.errors import CbramError
from cbramsim.experiments.cli import flags, say


@click.command()
@flags.option("--engine", type=click.Choice(["cpu", "cuda"]), default="cpu",
              help="Device that is timed: one core, or a graphics card.")  # fmt: skip
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


@click.command()
@flags.as_json
def doctor(as_json: bool) -> None:
    """Say what is installed, whether it works, and how to mend what does not.

    Looks at packages, processors and memory, the data, where compiled loops are kept, and the
    graphics card; compiles one kernel. Status 0 if all that is needed is there, else 1.
    """
    from cbramsim.experiments import doctor as experiment

    checks = experiment.run()
    click.echo(experiment.to_json(checks) if as_json else experiment.table(checks))
    sys.exit(not experiment.healthy(checks))


SHELLS = {
    "bash": 'in ~/.bashrc: eval "$({name} completion bash)"',
    "zsh": 'in ~/.zshrc, after compinit: eval "$({name} completion zsh)"',
    "fish": "in ~/.config/fish/config.fish: {name} completion fish | source",
}
"""Shell -> the line that makes it complete commands, and where to write it."""


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print what makes a shell complete commands and flags  [the shell in use].

    Its last line says what to write into which file.
    """
    from click.shell_completion import get_completion_class

    used = Path(os.environ.get("SHELL", "")).name
    shell = shell or used
    if shell not in SHELLS:
        raise CbramError(f"completion: must be one of {', '.join(SHELLS)} (got {used or 'none'})")
    root = context.find_root()
    name = root.info_name if root.info_name in ("cbram", "cbramsim") else "cbram"
    found = get_completion_class(shell)
    assert found is not None
    script = found(root.command, {}, name, f"_{name.upper()}_COMPLETE").source()
    click.echo(f"{script.rstrip()}\n\n# One line {SHELLS[shell].format(name=name)}")
