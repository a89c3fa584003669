"""`cbram fit`: from measured pulse trains to a device file, with intervals and a figure."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from cbramsim.core.files import write_atomically
from cbramsim.core.provenance import Provenance
from cbramsim.core.units import in_prefixed
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.bootstrap import LEVEL, Interval, bootstrap
from cbramsim.devices.fitting.calibration import NAMES, Estimate
from cbramsim.devices.fitting.measurement import Measurement, read_measurement
from cbramsim.devices.fitting.ranking import (
    FEW_CELLS,
    FEW_CYCLES,
    Ranked,
    doubts,
    mean_steps,
    rank,
)
from cbramsim.devices.pulse_law import PulseLaw
from cbramsim.experiments.figures import BLUE, COLUMN_WIDTH, GREY, ORANGE, axes_grid, save
from cbramsim.experiments.targets import Target, check_targets

LIKE = "subquantum-cbram"
"""The device whose parameters stand in for what was not measured."""
IN_THE_DATA = ("levels", "level_radix", "g_quantum", "g_flicker", "flicker_duty")
"""What would come on top of the noise that was measured: never taken over."""
FITTED = (*PulseLaw.physical_parameters(), *NAMES[:2], "g_min_d2d", "g_max_d2d", "read_c2c")
"""What pulse trains show."""
SHOWN_TRAINS, DATA_BINS = 60, 12
"""Trains drawn as lines, and states at which measured steps are averaged."""


@dataclass(frozen=True)
class Fit:
    """What was found in a measurement."""

    measurement: Measurement
    ranked: list[Ranked]
    """Laws, best first."""
    intervals: dict[str, Interval]
    """By parameter of the best law."""
    repetitions: int
    """Of the bootstrap."""
    warnings: list[str]
    device: Device
    """With sources and grades."""

    @property
    def best(self) -> Ranked:
        """The law that is taken."""
        return self.ranked[0]


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
    ranked = rank(measurement, seed)
    intervals = bootstrap(
        ranked[0].estimate, measurement, repetitions, seed, progress=_progress(quiet)
    )
    command = shlex.join(
        ["cbram", "fit", path.name, "--like", Path(like).name, "--bootstrap", str(repetitions),
         "--seed", str(seed)]
    )  # fmt: skip
    found = Fit(
        measurement=measurement, ranked=ranked, intervals=intervals, repetitions=repetitions,
        warnings=doubts(measurement, ranked),
        device=_device(out.stem, ranked[0], intervals, measurement, template, command),
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


def _device(
    name: str,
    best: Ranked,
    intervals: dict[str, Interval],
    measurement: Measurement,
    like: Device,
    command: str,
) -> Device:
    """Return the device with the source of every parameter."""
    origin = f"{measurement.name}, SHA-256 {measurement.sha256}; {command}"
    values: dict[str, Any] = {}
    sources: dict[str, Provenance] = {}
    for key in Device.physical_parameters():
        if key in measurement.conditions:
            values[key] = measurement.conditions[key]
            sources[key] = Provenance(evidence="derived", source=f"read from {origin}")
        elif key in FITTED:
            sources[key] = Provenance(
                evidence="assumed", source=f"not fitted to {measurement.name}"
            )
        elif key in IN_THE_DATA:
            sources[key] = Provenance(
                evidence="assumed", source="analog: what there is of it is in the measured noise"
            )
        else:
            values[key] = getattr(like, key)
            sources[key] = Provenance(evidence="assumed", source=f"not measured; as {like.name}")
    values |= _found(best.estimate, intervals, measurement)
    for key in best.estimate.parameters():
        if key in values:
            told = _told(key, intervals)
            sources[key] = Provenance(evidence="derived", source=f"{told}{origin}")
    cells, cycles = measurement.cells, measurement.cycles
    return Device(
        name=name,
        summary=f"fitted to {measurement.name}: {cells} cells, {cycles} cycles, law {best.law}",
        provenance={key: source for key, source in sources.items() if key in values}, **values,
    )  # fmt: skip


def _found(
    estimate: Estimate, intervals: dict[str, Interval], measurement: Measurement
) -> dict[str, Any]:
    """Return the fitted fields of the device, corrected; spreads that cannot be told are left."""
    values = estimate.parameters()
    if measurement.cells < FEW_CELLS:
        values = {key: value for key, value in values.items() if not key.endswith("_d2d")}
    if measurement.cycles < FEW_CYCLES:
        values = {key: value for key, value in values.items() if not key.endswith("_c2c")}
    return values | {key: interval.value for key, interval in intervals.items()}


def _told(key: str, intervals: dict[str, Interval]) -> str:
    if key not in intervals or not np.isfinite(intervals[key].low):
        return "fitted to "
    interval = intervals[key]
    return f"{100 * LEVEL:g} % interval {interval.low:.4g} to {interval.high:.4g}; fitted to "


# ---- what is printed -------------------------------------------------------------------------


def summary(found: Fit) -> str:
    """Return laws, parameters with intervals, and warnings as text."""
    measurement = found.measurement
    up, down = measurement.pulses
    lines = [
        f"{measurement.name}: {measurement.cells} cells, {measurement.cycles} cycles of {up} set "
        f"and {down} reset pulses",
        "",
        f"{'law':<12} {'parameters':>10} {'AIC':>10} {'BIC':>10} {'delta BIC':>10}",
    ]
    lines += [
        f"{law.law:<12} {law.parameters:>10} {law.aic:>10.1f} {law.bic:>10.1f} "
        f"{law.bic - found.best.bic:>10.1f}"
        for law in found.ranked
    ]
    told = f"{100 * LEVEL:g} % interval" if found.repetitions else "no interval"
    lines += ["", f"{found.best.law:<22} {'value':>10}   {told} ({found.repetitions} bootstraps)"]
    lines += [_line(key, interval) for key, interval in found.intervals.items()]
    for key in ("shape_up", "shape_down"):
        if shape := getattr(found.device, key):
            lines.append(f"{key:<22} " + " ".join(f"{step:.3g}" for step in shape))
    assumed = [
        key for key, origin in found.device.provenance.items() if "not measured" in origin.source
    ]
    lines += ["", f"not measured, taken over: {', '.join(assumed)}"]
    return "\n".join(lines + [f"Warning: {warning}" for warning in found.warnings])


def _line(key: str, interval: Interval) -> str:
    unit = Device.unit(key)
    value, low, high = (
        in_prefixed(number, unit, 4) if unit else f"{number:.4g}"
        for number in (interval.value, interval.low, interval.high)
    )
    told = f"{low} to {high}" if np.isfinite(interval.low) else ""
    return f"{key:<22} {value:>10}   {told}"


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
    """Draw the trains with the fit, steps against conductance with each law, and residuals."""
    figure, axes = axes_grid(2, 2, 2 * COLUMN_WIDTH, 4.6)
    for way, ax in enumerate(axes[:2]):
        _draw_trains(ax, found, way)
    _draw_steps(axes[2], found)
    _draw_residuals(axes[3], found)
    for ax, letter in zip(axes, "abcd", strict=True):
        ax.set_title(letter, loc="left", weight="bold", size=9)
    save(figure, path)


def _draw_trains(ax: Any, found: Fit, way: int) -> None:
    readings = _readings(found.measurement, way) * 1e6
    pulses = np.arange(readings.shape[2])
    flat = readings.reshape(-1, len(pulses))
    shown = flat[:: -(-len(flat) // SHOWN_TRAINS)]
    ax.plot(pulses, shown.T, color=GREY, lw=0.4, alpha=0.4)
    ax.plot([], [], color=GREY, lw=0.8, label=f"{len(shown)} of {len(flat)} trains")
    curves = found.best.estimate.expected[way] * 1e6
    ax.plot(pulses, readings.mean(axis=(0, 1)), color=BLUE, lw=2, label="their mean")
    ax.plot(
        pulses, curves.mean(axis=0), color=ORANGE, lw=1, ls="--", label=f"fit, {found.best.law}"
    )
    ax.set_xlabel(f"{('set', 'reset')[way]} pulses")
    ax.set_ylabel("conductance (µS)")
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize="x-small")


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
    ax.set_xlabel("state (% of the cell's window)")
    ax.set_ylabel("step of a pulse\n(% of the window)")
    ax.legend(
        frameon=False, fontsize="x-small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1),
        columnspacing=1,
    )  # fmt: skip


def _draw_residuals(ax: Any, found: Fit) -> None:
    for way, colour, name in ((0, BLUE, "set"), (1, ORANGE, "reset")):
        readings = _readings(found.measurement, way)
        estimate = found.best.estimate
        window = estimate.seen.cells.window[:, None]
        misses = 100 * (readings.mean(axis=1) - estimate.expected[way]) / window
        pulses = np.arange(misses.shape[1])
        ax.fill_between(
            pulses, *np.quantile(misses, (0.1, 0.9), axis=0), color=colour, alpha=0.2, lw=0
        )
        ax.plot(pulses, misses.mean(axis=0), color=colour, lw=1.2, label=f"{name}: mean over cells")
    ax.axhline(0, color="black", lw=0.5)
    ax.set_xlabel("pulses")
    ax.set_ylabel("mean less fit\n(% of the window)")
    ax.legend(frameon=False, fontsize="x-small", title="band: 80 % of the cells",
              title_fontsize="x-small")  # fmt: skip


def _readings(measurement: Measurement, way: int) -> Any:
    return (measurement.set_readings, measurement.reset_readings)[way]
