"""`cbram train`: learn a dataset inside the array, and account for every joule.

A run is described by `TrainConfig` (`config`), learns from `Data` (`data`), and is a `Run`
(`training`), which `resuming` continues after an interrupt. Its results are collected in `metrics`,
drawn in `figures`, and described in `report`; `run_folder` manages its files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cbramsim.experiments import run_folder
from cbramsim.experiments.run_folder import METRICS
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.data import Data
from cbramsim.experiments.train.resuming import taken_up
from cbramsim.experiments.train.training import Run
from cbramsim.simulator.cuda.coverage import Engine
from cbramsim.simulator.learning.network import SpikingNetwork

__all__ = ["Data", "Run", "TrainConfig", "resume", "run"]


def run(
    config: TrainConfig,
    out: Path,
    *,
    force: bool = False,
    quiet: bool = False,
    threads: int | None = None,
    finish: Callable[[Run], Any] | None = None,
    engine: Engine = "auto",
) -> Run:
    """Train from scratch into the folder `out`, score, and return the run, without drawing figures.

    Parameters
    ----------
    config
        Configuration of the run.
    out
        Folder to write.
    force
        Whether to overwrite the run in that folder.
    quiet
        Whether to show no progress.
    threads
        Threads for labelling and scoring; one per core by default.
    finish
        Function that is called with the run once it is scored, while its folder is held: such as
        `Run.draw`.
    engine
        Place where the network learns, see `Run.on`.

    Raises
    ------
    CbramError
        If the data or the configuration is wrong, or if `out` exists, cannot be written, or is
        being written by another process.
    KeyboardInterrupt
        After Ctrl-C, with the state saved. Its notes describe how to continue.
    """
    data = Data(config, quiet=quiet)
    config = data.resolve(config)
    network = SpikingNetwork(config.network())
    with run_folder.writing(out, force=force):
        images = network.prepare(data.train_images)  # refuses what is too large
        run_folder.begin(out, config)
        return Run(config, data, network, out, quiet, threads).on(engine).go(finish, images)


def resume(
    out: Path,
    epochs: int | None = None,
    *,
    quiet: bool = False,
    threads: int | None = None,
    finish: Callable[[Run], Any] | None = None,
    data: Data | None = None,
    engine: Engine = "auto",
) -> Run:
    """Continue the run in the folder `out`, to the same end as if it had not been interrupted.

    While a finished run is trained longer, its config.toml, metrics.json and figures stay as they
    are. They are replaced together when the longer run is scored; until then, only state.npz is
    newer, and has the requested number of epochs.

    Parameters
    ----------
    out
        The folder of the run.
    epochs
        A new number of epochs, for training longer than first requested.
    quiet, threads, finish, engine
        As in `run`.
    data
        Its images, if they are read already.

    Raises
    ------
    CbramError, KeyboardInterrupt
        As in `run`.
    """
    run_folder.check_run(out)
    with run_folder.held(out):
        job = taken_up(out, epochs, data, quiet, threads)
        if not (out / METRICS).is_file():
            run_folder.write_config(out, job.config)
        return job.on(engine).go(finish)
