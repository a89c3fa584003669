"""`cbram predict`: classify IDX images from a saved state."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

from cbramsim.arguments import one_of
from cbramsim.errors import CbramError, DataError
from cbramsim.experiments.run_folder import STATE
from cbramsim.files import check_writable, write_atomically
from cbramsim.simulator.datasets import read_idx
from cbramsim.simulator.network import SpikingNetwork, Vote
from cbramsim.units import in_prefixed


def run(state: Path, images: Path, labels: Path | None, vote: str) -> tuple[str, str]:
    """Classify `images`; return the table index,class as CSV, and a line of report.

    Raises
    ------
    CbramError
        If a file is missing or damaged, or the state has no named neurons.
    """
    one_of("vote:", vote, get_args(Vote))
    network = SpikingNetwork.load(state / STATE if state.is_dir() else state)
    pictures = read_idx(images, dimensions=3)
    truth = None if labels is None else read_idx(labels, dimensions=1)
    if truth is not None and len(truth) != len(pictures):
        raise DataError(f"{labels}: {len(truth)} labels for {len(pictures)} images")
    network.ledger.clear("test")
    classes = network.predict(pictures, vote)  # type: ignore[arg-type]
    table = "index,class\n" + "".join(f"{i},{c}\n" for i, c in enumerate(classes))
    report = f"{len(classes):,} images, {in_prefixed(network.ledger.total('test'), 'J')}"
    if truth is not None:
        report += f", accuracy {(classes == truth).mean():.2%} ({vote} vote)"
    return table, report


def check_new(path: Path) -> None:
    """Refuse a file for the table that is there, or that cannot be written."""
    if os.path.lexists(path):
        raise CbramError(f"out: {path} exists")
    check_writable(path)


def write(path: Path, table: str) -> None:
    """Write the table to a new file."""
    check_new(path)
    write_atomically(path, lambda file: file.write(table.encode()))
