"""Continuation of interrupted runs: saved states are checked before they are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.core.toml_files import read_toml
from cbramsim.experiments import run_folder
from cbramsim.experiments.run_folder import CONFIG, METRICS, STATE
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.data import Data
from cbramsim.experiments.train.training import Run
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.state_checks import EXTRA, LONGEST, conductance_bounds
from cbramsim.simulator.learning.state_file import Entry, check_entries, read_state


def taken_up(
    out: Path, epochs: int | None, data: Data | None, quiet: bool, threads: int | None
) -> Run:
    """Return the run in a folder, as it was saved, and record its new number of epochs.

    That is `epochs`, by default the number last requested; `data` are its images, if
    they are read already.
    """
    config = TrainConfig(**read_toml(out / CONFIG))
    state = read_state(out / STATE) if (out / STATE).is_file() else None
    if epochs is None and state and (out / METRICS).is_file():
        epochs = max(config.epochs, _epochs_asked_for(state, out / STATE))
    if epochs is not None:
        config = config.replace(epochs=epochs)
    data = data or Data(config, quiet=quiet)
    if state is None:
        return Run(config, data, SpikingNetwork(config.network()), out, quiet, threads)
    network = SpikingNetwork.from_state(state, out / STATE)
    if network.config != config.network():
        raise CbramError(f"out: {out / STATE} and {out / CONFIG} are of different runs")
    if network.passes > config.epochs:
        raise ParameterError(
            f"TrainConfig.epochs: must be a whole number >= {network.passes}, the passes already "
            f"complete (got {config.epochs})"
        )
    job = Run(config, data, network, out, quiet, threads)
    _restore(job, state)
    job.save()
    return job


def _restore(job: Run, arrays: dict[str, NDArray[Any]]) -> None:
    """Restore the learning curve and the clock of a saved state."""
    extra = {
        key.removeprefix(EXTRA): value for key, value in arrays.items() if key.startswith(EXTRA)
    }
    network = job.network
    _, highest = conductance_bounds(network.device)
    try:
        check_entries(extra, job.curve.entries(network.images_seen) | {
            "initial": Entry(network.crossbar.shape, np.float32, 0, highest),
            "seconds": Entry((), float, 0, LONGEST),
            "labels": Entry((), np.int64, 0, 2**32 - 1),
        })  # fmt: skip
        if int(extra["labels"]) != job.label_fingerprint:
            raise DataError("out: the labels are not those of the interrupted run")
        _check_progress(job)
        job.curve.restore(extra)
        job.initial = extra["initial"]
        job.seconds = float(extra["seconds"])
        job.sessions = _with_now(extra.get("versions"))
    except DataError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError(f"out: {job.out / STATE} is not of a run ({error})") from None


def _check_progress(job: Run) -> None:
    """Refuse a network that has seen other images than those of this run."""
    network, images = job.network, job.data.train_count
    seen = network.passes * images + network.position
    if network.images_seen != seen or (seen and network.pass_images[0] != images):
        raise ValueError(
            f"progress must be of passes over {images:,} images (got {network.passes:,} "
            f"passes, {network.position:,} of {network.pass_images[0]:,}, "
            f"{network.images_seen:,} in all)"
        )
    spikes = seen * job.config.encoding.windows
    for layer in network.layers:
        if layer.ledger.count("train", Operation.OUTPUT_SPIKE) != spikes:
            raise ValueError(f"ledger_counts must be {spikes:,} output spikes in the phase train")
        pulses = layer.ledger.count("train", Operation.PROGRAM_LINE)
        if layer.config.rule == "device" and layer.crossbar.wear().pulses != pulses:
            raise ValueError(f"wear must be {pulses:,} pulses, those of the ledger")


def _epochs_asked_for(state: dict[str, NDArray[Any]], path: Path) -> int:
    """Return the last requested number of epochs of the run of a state; 0 if not stated."""
    try:
        return int(state.get("extra_epochs", 0))
    except (TypeError, ValueError) as error:
        raise DataError(f"out: {path}: epochs: {error}") from None


def _with_now(saved: NDArray[Any] | None) -> list[dict[str, str]]:
    """Return the versions that a run was computed by, in order, each once; the present ones last.

    Version 0.5.0 did not save them.
    """
    earlier = [{"cbramsim": "not recorded"}] if saved is None else json.loads(str(saved))
    texts = isinstance(earlier, list) and all(
        isinstance(one, dict) and all(isinstance(value, str) for value in one.values())
        for one in earlier
    )
    if not texts:
        raise ValueError("versions: must be a list of tables of names")
    now = run_folder.versions()
    return [one for one in earlier if one != now] + [now]
