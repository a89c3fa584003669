"""`cbram predict`: classify images from a saved state."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd
from numpy.typing import NDArray

from cbramsim.core.arguments import one_of
from cbramsim.core.errors import CbramError, DataError
from cbramsim.core.files import check_writable, write_atomically
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.run_folder import STATE
from cbramsim.simulator.images.datasets import read_images, read_labels
from cbramsim.simulator.learning.labelling import Vote
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.state_file import read_state


def run(state: Path, images: Path, labels: Path | None, vote: str) -> tuple[str, str]:
    """Classify `images`; return a table as CSV, and a line of report.

    Its columns are index and class, then name where the classes have names, and file where the
    images are pictures. An image's class does not depend on the others, see
    `SpikingNetwork.predict`. Raises `CbramError` if a file is missing or damaged, or the state has
    no named neurons.
    """
    one_of("vote:", vote, get_args(Vote))
    path = state / STATE if state.is_dir() else state
    arrays = read_state(path)
    network = SpikingNetwork.from_state(arrays, path)
    pictures = read_images(images)
    truth = None if labels is None else read_labels(labels)
    if truth is not None and len(truth) != len(pictures.images):
        raise DataError(f"{labels}: {len(truth)} labels for {len(pictures.images)} images")
    network.ledger.clear("test")
    classes = network.predict(pictures.images, vote)  # type: ignore[arg-type]
    columns: dict[str, Sequence[Any]] = {"index": range(len(classes)), "class": classes.tolist()}
    if names := _class_names(arrays, path):
        columns["name"] = [names[c] if c < len(names) else "" for c in classes]
    if pictures.names:
        columns["file"] = pictures.names
    report = f"{len(classes):,} images, {in_prefixed(network.ledger.total('test'), 'J')}"
    if truth is not None:
        report += f", accuracy {(classes == truth).mean():.2%} ({vote} vote)"
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n"), report


def _class_names(arrays: dict[str, NDArray[Any]], path: Path) -> list[str]:
    """Return the names of the classes that a run has saved; none if classes have no names."""
    try:
        names = json.loads(str(arrays.get("extra_classes", "[]")))
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"state file {path}: classes must be a list of names")
    return names


def check_new(path: Path) -> None:
    """Refuse a file for the table that exists, or that cannot be written."""
    if os.path.lexists(path):
        raise CbramError(f"out: {path} exists")
    check_writable(path)


def write(path: Path, table: str) -> None:
    """Write the table to a new file."""
    check_new(path)
    write_atomically(path, lambda file: file.write(table.encode()))
