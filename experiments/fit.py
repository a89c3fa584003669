"""`cbram fit`: from measured pulse trains to a device file, with intervals and a figure."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tomli_w
from matplotlib.figure import Figure

from cbramsim.core.files import write_atomically
from cbramsim.core.plotting import COLUMN_WIDTH, save
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.drawing import residuals, steps_by_state
from cbramsim.devices.fitting.fit import LIKE, Fit, fit
from cbramsim.devices.fitting.intervals import LEVEL
from cbramsim.devices.fitting.reading import read_measurement
from cbramsim.experiments.targets import Target, check_targets

FLAGS = {"repetitions": "bootstrap"}
"""Options whose flag has another name."""


class Files(NamedTuple):
    """Files that a fit writes; by default in the current folder, named like the measurement."""

    device: Path | None = None
    """Device file, TOML."""
    figure: Path | None = None
    """Figure, PNG."""
    report: Path | None = None
    """Report, text."""

    def named(self, path: Path) -> tuple[Path, Path, Path]:
        """Return all of them for a measurement."""
        defaults = (Path(f"{path.stem}{ending}") for ending in (".toml", ".png", ".txt"))
        out, figure, report = (
            given or default for given, default in zip(self, defaults, strict=True)
        )
        return out, figure, report


def run(
    path: Path,
    files: Files | None = None,
    *,
    reading: dict[str, Any] | None = None,
    like: str = LIKE,
    force: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Fit:
    """Fit the pulse trains in a file; write a device file, a figure and a report.

    Parameters
    ----------
    path
        The file: see `cbramsim.devices.fitting.reading`.
    files
        Files to write.
    reading
        `window` and `read_voltage` of `read_measurement`.
    like
        The device, or TOML file, whose parameters are used for quantities that were not measured.
    force
        Overwrite files.
    quiet
        Whether to show no progress.
    **options
        Those of `cbramsim.fit`: law, extrapolate, v_set, v_reset, repetitions, seed.

    Raises
    ------
    CbramError
        If the file is not a measurement, a parameter is out of range, or a file exists. Nothing is
        written then.
    """
    out, figure, report = (files or Files()).named(path)
    template = Device.load(like)
    check_targets(
        Target("--out", out, ".toml"), Target("--figure", figure, ".png"),
        Target("--report", report, ".txt"),
        reads={path: "the measurement itself", Path(like): "the device to take over"}, force=force,
    )  # fmt: skip
    asked = {key: value for key, value in (reading or {}).items() if value is not None}
    measurement = read_measurement(path, **asked)
    made_by = _command(path, like, asked | options)
    options["voltages"] = {way: options.pop(f"v_{way}", None) for way in ("set", "reset")}
    found = fit(measurement, like=template, progress=_progress(quiet), **options)
    found = found.named(out.stem, made_by)
    draw(found, figure)
    text = tomli_w.dumps(found.device.to_table())
    write_atomically(out, lambda file: file.write(text.encode()))
    write_atomically(report, lambda file: file.write(f"{found}\n".encode()))
    return found


def _command(path: Path, like: str, options: dict[str, Any]) -> str:
    """Return the command that does the same, for the sources of parameters."""
    words = ["cbram", "fit", path.name, "--like", Path(like).name]
    for key, value in options.items():
        flag = f"--{FLAGS.get(key, key.replace('_', '-'))}"
        if value is True:
            words.append(flag)
        elif isinstance(value, tuple):
            words += [flag, ":".join(f"{part:g}S" for part in value)]
        elif value is not None and value is not False:
            words += [flag, f"{value}"]
    return shlex.join(words)


def _progress(quiet: bool) -> Any:
    from tqdm import tqdm

    return lambda items: tqdm(
        items, desc="bootstrap", unit="fit", disable=quiet or None, leave=False
    )


# ---- what is printed -------------------------------------------------------------------------


def to_json(found: Fit) -> str:
    """Return the fit as one JSON object; an unknown bound is null."""
    table = {
        "measurement": found.measurement.name,
        "sha256": found.measurement.sha256,
        "understood": found.measurement.understood,
        "cells": len(found.curves.cells),
        "trains": len(found.curves.curve),
        "arrives": {"g_min": bool(found.arrives[0]), "g_max": bool(found.arrives[1])},
        "laws": [
            {
                "law": law.law,
                "parameters": law.parameters,
                "error": law.error,
                "distance": law.distance,
            }
            for law in found.ranked
        ],
        "level": LEVEL,
        "bootstraps": found.repetitions,
        "parameters": {
            key: {
                "value": interval.value,
                "low": interval.low if np.isfinite(interval.low) else None,
                "high": interval.high if np.isfinite(interval.high) else None,
            }
            for key, interval in found.intervals.items()
        },
        "warnings": found.warnings,
    }
    return json.dumps(table, indent=2)


# ---- what is drawn ---------------------------------------------------------------------------


def draw(found: Fit, path: Path) -> None:
    """Draw the trains with the fit, residuals, and steps by state."""
    figure = Figure(figsize=(2 * COLUMN_WIDTH, 3.8), layout="constrained")
    panels = figure.subplot_mosaic(
        [["trains", "steps"], ["residuals", "steps"]], height_ratios=(5, 3)
    )
    found.plot(panels["trains"])
    residuals(panels["residuals"], found.curves, found.best.match)
    steps_by_state(panels["steps"], found.steps, found.ranked)
    for ax, letter in zip(panels.values(), "abc", strict=True):
        ax.set_title(letter, loc="left", weight="bold", size=9)
    save(figure, path)
