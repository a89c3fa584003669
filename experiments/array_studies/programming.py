"""Accuracy and price of writing the cells of a device, and its effect on other cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, GREEN, GREY, ORANGE, axes_grid, titled
from cbramsim.devices.device import Device
from cbramsim.simulator.array.checks import WriteScheme
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.programming import Corrections, Writing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPE = (64, 16)
"""Shape of the array that is written."""
TOLERANCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Tolerances of the reading of a cell around its target, parts of the window."""
LEVELS = (0.25, 0.5, 0.75)
"""Targets of the traces, parts of the window."""
SHOWN = 8
"""Traces drawn for each target."""
TROUBLED = (16, 16)
"""Array whose half-selected cells are watched."""
PULSES = 100_000
"""Most pulses on the cell with which they share a line."""
VIOLET = "#CC79A7"


class AtTolerance(NamedTuple):
    """Writing all cells to random targets, with one tolerance and one way to correct."""

    tolerance: float
    """Tolerance, part of the window."""
    corrections: Corrections
    """Pulses that a cell gets between two senses."""
    yield_: float
    """Fraction of the cells that reached their target."""
    mean_pulses: float
    """Mean number of pulses to target, of those."""
    error: float
    """Root mean square of the error of those that reached it, part of the window."""
    joules: float
    """Mean energy per cell, with sensing and lines, J."""
    sensing: float
    """Part of it that is sensing."""


class Drift(NamedTuple):
    """Half-selected cells while a cell on their lines is pulsed."""

    scheme: WriteScheme
    """Voltage on half-selected cells."""
    pulses: NDArray[np.int64]
    """Pulses given, int64[n]."""
    up: NDArray[np.float32]
    """Conductance of a cell that began at `g_min`, after set pulses, float32[n], S."""
    down: NDArray[np.float32]
    """Conductance of a cell that began at `g_max`, after reset pulses, float32[n], S."""


class ProgrammingStudy(NamedTuple):
    """Data of the figure."""

    device: Device
    """Technology, as given."""
    v_switch: float
    """Voltage scale with which half-selected cells move, V: the device's, or an assumed one."""
    levels: tuple[Writing, ...]
    """Columns of cells written to each of `LEVELS`, pulse by pulse."""
    written: Writing
    """All cells written to random targets, with the tolerance of `Crossbar.program_to`."""
    at: tuple[AtTolerance, ...]
    """Writing with every tolerance, by pulses and by trains."""
    drifts: tuple[Drift, ...]
    """Half-selected cells in both schemes."""

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, for JSON."""
        counts, missed = self.written.histogram()
        return {
            "device": self.device.name,
            "v_switch": self.v_switch,
            "yield": self.written.yield_,
            "mean_pulses": self.written.mean_pulses,
            "percentiles_5_50_95": self.written.percentiles().tolist(),
            "histogram": counts.tolist(),
            "missed": missed,
            "tolerances": [entry._asdict() for entry in self.at],
            "drifts": [
                {key: value if isinstance(value, str) else value.tolist()
                 for key, value in drift._asdict().items()}
                for drift in self.drifts
            ],
        }  # fmt: skip


def programming_study(
    device: Device | str, seed: int = 0, v_switch: float | None = None
) -> ProgrammingStudy:
    """Write the cells of an array of `device`, and disturb others.

    `seed` is that of the cells, of their targets and of all noise; `v_switch` the voltage scale of
    switching, V, for the drift of half-selected cells: by default the device's, or, where it has
    none, a twelfth of its set voltage (assumed).
    """
    device = device if isinstance(device, Device) else Device.load(device)
    rows = SHAPE[0]
    scale = v_switch or device.v_switch or device.v_set / 12
    cells = np.argwhere(np.ones(SHAPE))
    rng = np.random.default_rng(seed)
    targets = device.conductance_of(rng.uniform(-1, 1, len(cells)))
    levels = tuple(
        Crossbar(device, (rows, 1), seed).write_verify(
            [(row, 0) for row in range(rows)], device.g_min + level * device.g_range
        )
        for level in LEVELS
    )
    return ProgrammingStudy(
        device=device,
        v_switch=scale,
        levels=levels,
        written=Crossbar(device, SHAPE, seed).write_verify(cells, targets),
        at=tuple(
            _at_tolerance(device, seed, cells, targets, tolerance, corrections)
            for corrections in ("pulse", "train")
            for tolerance in TOLERANCES
        ),
        drifts=tuple(
            drift_study(device.replace(v_switch=scale), scheme)
            for scheme in ("V/2", "V/3")
            if not device.c_gate
        ),
    )


def _at_tolerance(
    device: Device, seed: int, cells: NDArray[np.int64], targets: NDArray[np.float64],
    tolerance: float, corrections: Corrections,
) -> AtTolerance:  # fmt: skip
    written = Crossbar(device, SHAPE, seed).write_verify(
        cells, targets, tolerance=tolerance * device.g_range, corrections=corrections
    )
    joules = written.trace.energy.total
    error = written.relative_error[written.reached]
    return AtTolerance(
        tolerance=tolerance,
        corrections=corrections,
        yield_=written.yield_,
        mean_pulses=written.mean_pulses,
        error=float(np.sqrt(np.mean(error**2))) if error.size else float("nan"),
        joules=float(joules.mean()),
        sensing=float(written.trace.energy.sensing.sum() / joules.sum()),
    )


def drift_study(device: Device, scheme: WriteScheme) -> Drift:
    """Pulse one cell of a passive array, and watch another on its word line; identical cells."""
    quiet = device.without_variability().replace(v_switch=device.v_switch)
    asked = np.unique(np.geomspace(1, PULSES, 41).astype(np.int64))
    ends = []
    for sign in (1, -1):
        crossbar = Crossbar(quiet, TROUBLED, access="passive", scheme=scheme)
        crossbar.set_weights(np.full(TROUBLED, -sign))
        seen = []
        for pulses in np.diff(asked, prepend=0):
            crossbar.program(0, [0], [sign * int(pulses)])
            seen.append(crossbar.conductance[0, 1])
        ends.append(np.array(seen))
    return Drift(scheme, asked, ends[0], ends[1])


def programming_figure(study: ProgrammingStudy) -> Figure:
    """Return traces, pulses to target, yield and energy against tolerance, and the disturb."""
    figure, axes = axes_grid(2, 2, 2 * COLUMN_WIDTH, 5.0)
    _traces(axes[0], study)
    _histogram(axes[1], study.written)
    _tolerances(axes[2], study)
    _drifts(axes[3], study)
    for ax, letter in zip(axes, "abcd", strict=True):
        ax.set_title(letter, loc="left", weight="bold", size=9)
    reached = study.written.yield_
    return titled(
        figure, f"Write-verify takes {reached:.1%} of the cells of {study.device.name} to target"
    )


def _traces(ax: Axes, study: ProgrammingStudy) -> None:
    band = study.device.g_range
    for level, writing, colour in zip(LEVELS, study.levels, (BLUE, GREEN, ORANGE), strict=True):
        traces = writing.trace.conductance[:SHOWN].T * 1e6
        ax.plot(traces, color=colour, lw=0.7, alpha=0.8)
        target = (study.device.g_min + level * band) * 1e6
        ax.axhline(target, color=colour, lw=1.0, ls="--")
        last = writing.pulses[:SHOWN]
        ax.plot(last, traces[last, np.arange(len(last))], color=colour, ls="none", marker="o", ms=3)
    longest = max(int(writing.pulses[:SHOWN].max()) for writing in study.levels)
    ax.set_xlim(0, max(longest, 1) * 1.02)
    ax.set_xlabel("pulses")
    ax.set_ylabel("conductance (µS)")
    ax.text(0.98, 0.03, "dashed: targets", transform=ax.transAxes, size=7, ha="right", color=GREY)


def _histogram(ax: Axes, written: Writing) -> None:
    counts, _ = written.histogram()
    width = max(1, -(-len(counts) // 40))
    binned = np.add.reduceat(counts, np.arange(0, len(counts), width))
    ax.bar(np.arange(len(binned)) * width, binned, width, align="edge", color=BLUE)
    low, middle, high = written.percentiles()
    for value, style in ((low, ":"), (middle, "-"), (high, ":")):
        ax.axvline(value, color="black", lw=0.9, ls=style)
    ax.set_xlabel("pulses to target (random targets)")
    ax.set_ylabel("cells" if width == 1 else f"cells per {width} pulses")
    ax.set_ylim(0, 1.3 * max(binned.max(), 1))
    ax.text(
        0.98, 0.99,
        f"{written.yield_:.1%} reach it\nmedian {middle:.0f}, 5-95 %: {low:.0f}-{high:.0f}",
        transform=ax.transAxes, ha="right", va="top", size=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _tolerances(ax: Axes, study: ProgrammingStudy) -> None:
    right = ax.twinx()
    for corrections, marker, fill in (("pulse", "o", "full"), ("train", "s", "none")):
        entries = [entry for entry in study.at if entry.corrections == corrections]
        tolerance = [100 * entry.tolerance for entry in entries]
        for axis, values, colour in (
            (ax, [100 * entry.yield_ for entry in entries], BLUE),
            (right, [entry.joules * 1e12 for entry in entries], ORANGE),
        ):
            axis.plot(
                tolerance, values, color=colour, marker=marker, fillstyle=fill, ms=4, lw=1.0,
                ls="-" if fill == "full" else "--",
            )  # fmt: skip
        ax.plot(
            [], [], color=GREY, marker=marker, fillstyle=fill, ms=4, lw=1.0,
            ls="-" if fill == "full" else "--", label=f"sensed after every {corrections}",
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks([100 * t for t in TOLERANCES], [f"{100 * t:g}" for t in TOLERANCES])
    ax.minorticks_off()
    ax.set_xlabel("tolerance (% of the window)")
    ax.set_ylabel("yield (%)", color=BLUE)
    ax.set_ylim(0, 105)
    right.set_ylabel("energy per cell (pJ)", color=ORANGE)
    right.set_ylim(0, None)
    right.spines["top"].set_visible(False)
    ax.legend(frameon=False, fontsize=7, loc="lower left")


def _drifts(ax: Axes, study: ProgrammingStudy) -> None:
    device = study.device
    if not study.drifts:
        ax.text(0.5, 0.5, "cells with a gate:\nno passive array", ha="center", va="center")
        ax.set_axis_off()
        return
    for drift, colour, style in zip(study.drifts, (ORANGE, VIOLET), ("-", "--"), strict=False):
        for g in (drift.up, drift.down):
            part = 100 * (g - device.g_min) / device.g_range
            label = f"{drift.scheme} scheme" if g is drift.up else None
            ax.plot(drift.pulses, part, color=colour, ls=style, label=label)
    ax.set_xscale("log")
    ax.set_xlabel("pulses on a cell of the same line")
    ax.set_ylabel("half-selected cell\n(% of window)")
    given = " (assumed)" if device.evidence("v_switch").evidence == "assumed" else ""
    ax.legend(
        frameon=False, fontsize=7, title_fontsize=7, loc="center left",
        title=f"$v_{{switch}}$ = {study.v_switch:.2g} V{given}",
    )  # fmt: skip
