"""`cbram fit`: from measured pulse trains to a device file, with intervals and a figure."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from matplotlib.figure import Figure

from cbramsim.core.files import write_atomically
from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, ORANGE, save, tidy
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.bootstrap import LEVEL
from cbramsim.devices.fitting.fit import LIKE, Fit, fit
from cbramsim.devices.fitting.measurement import read_measurement
from cbramsim.devices.fitting.ranking import mean_steps
from cbramsim.devices.plots import residuals
from cbramsim.experiments.targets import Target, check_targets

DATA_BINS = 12
"""States at which measured steps are averaged."""


def run(
    path: Path,
    out: Path | None = None,
    figure: Path | None = None,
    *,
    like: str = LIKE,
    repetitions: int = 200,
    seed: int = 0,
    force: bool = False,
    quiet: bool = False,
) -> Fit:
    """Fit the pulse trains in a CSV file; write a device file and a figure.

    Parameters
    ----------
    path
        The file: see `cbramsim.devices.fitting.measurement`.
    out, figure
        TOML and PNG file to write; by default in the current folder, named like the CSV file.
    like
        The device, or TOML file, whose parameters stand in for what was not measured.
    repetitions, seed
        Of the bootstrap.
    force
        Overwrite files.
    quiet
        Show no progress.

    Raises
    ------
    CbramError
        If the file is not a measurement, a parameter is out of range, or a file exists. Nothing is
        written then.
    """
    out, figure = out or Path(f"{path.stem}.toml"), figure or Path(f"{path.stem}.png")
    template = Device.load(like)
    check_targets(
        Target("--out", out, ".toml"), Target("--figure", figure, ".png"),
        reads={path: "the measurement itself", Path(like): "the device to take over"}, force=force,
    )  # fmt: skip
    measurement = read_measurement(path)
    command = shlex.join(
        ["cbram", "fit", path.name, "--like", Path(like).name, "--bootstrap", str(repetitions),
         "--seed", str(seed)]
    )  # fmt: skip
    found = fit(
        measurement, name=out.stem, like=template, repetitions=repetitions, seed=seed,
        made_by=command, progress=_progress(quiet),
    )  # fmt: skip
    draw(found, figure)
    text = tomli_w.dumps(found.device.to_table())
    write_atomically(out, lambda file: file.write(text.encode()))
    return found


def _progress(quiet: bool) -> Any:
    from tqdm import tqdm

    return lambda items: tqdm(
        items, desc="bootstrap", unit="fit", disable=quiet or None, leave=False
    )


# ---- what is printed -------------------------------------------------------------------------


def to_json(found: Fit) -> str:
    """Return the same as one JSON object; a bound that is not known is null."""
    table = {
        "measurement": found.measurement.name,
        "sha256": found.measurement.sha256,
        "cells": found.measurement.cells,
        "cycles": found.measurement.cycles,
        "pulses": list(found.measurement.pulses),
        "laws": [
            {"law": law.law, "parameters": law.parameters, "aic": law.aic, "bic": law.bic}
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
    """Draw the trains with the fit, residuals, and steps against conductance with each law."""
    figure = Figure(figsize=(2 * COLUMN_WIDTH, 3.8), layout="constrained")
    panels = figure.subplot_mosaic(
        [["trains", "steps"], ["residuals", "steps"]], height_ratios=(5, 3)
    )
    found.plot(panels["trains"])
    residuals(panels["residuals"], *found.trains)
    _draw_steps(panels["steps"], found)
    for ax, letter in zip(panels.values(), "abc", strict=True):
        ax.set_title(letter, loc="left", weight="bold", size=9)
    save(figure, path)


def _draw_steps(ax: Any, found: Fit) -> None:
    styles = ("-", "--", ":", "-.")
    measurement, best = found.measurement, found.best.estimate
    for way, colour in ((0, BLUE), (1, ORANGE)):
        x, steps = mean_steps(measurement, best, way, DATA_BINS)
        ax.plot(100 * x, 100 * steps, "o", ms=3.5, mfc="none", color=colour)
        for law, style in zip(found.ranked, styles, strict=False):
            device = Device(
                name="law", v_set=1, t_set=1, v_reset=1, t_reset=1, v_read=1, t_read=1,
                **law.estimate.parameters(),
            )  # fmt: skip
            place = np.linspace(0, 1, 101)
            step = device.relative_step_up(place) if way == 0 else -device.relative_step_down(place)
            main = law is found.best
            ax.plot(
                100 * place, 100 * np.broadcast_to(step, place.shape), color=colour, ls=style,
                lw=1.3 if main else 0.8, alpha=1 if main else 0.7,
            )  # fmt: skip
    for law, style in zip(found.ranked, styles, strict=False):
        ax.plot([], [], color="black", ls=style, lw=1, label=law.law)
    ax.plot([], [], "o", ms=3.5, mfc="none", color="black", label="data")
    ax.axhline(0, color="black", lw=0.5)
    for name, colour, y, side in (("set", BLUE, 0.97, "top"), ("reset", ORANGE, 0.03, "bottom")):
        ax.text(0.97, y, name, color=colour, transform=ax.transAxes, ha="right", va=side, size=8)
    ax.set_xlabel("state (% of the cell's window)")
    ax.set_ylabel("step of a pulse\n(% of the window)")
    ax.legend(
        frameon=False, fontsize="x-small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1),
        columnspacing=1,
    )  # fmt: skip
    tidy(ax)
