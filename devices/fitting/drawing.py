"""Figures of a fit: trains with the law, residuals, and steps by state."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cbramsim.core.plotting import (
    BLUE,
    COLUMN_WIDTH,
    GREY,
    ORANGE,
    axes_or_new,
    legend,
    tidy,
)
from cbramsim.core.units import display_unit
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import POINTS
from cbramsim.devices.fitting.matching import Match
from cbramsim.devices.fitting.ranking import Ranked, smoothed
from cbramsim.devices.fitting.steps import Steps

Floats = NDArray[np.float64]

SHOWN_TRAINS, FEW_CURVES = 60, 3
"""Measured trains that are drawn as lines, and curves that are drawn one by one."""
SHOWN_LAWS = 4
"""Laws whose steps are drawn."""


def fitted_trains(ax: Axes | None, curves: Curves, found: Match) -> Axes:
    """Draw measured trains, set then reset, with the law that was matched.

    A new figure has a second panel below, of the residuals.

    Parameters
    ----------
    ax
        Axes for the trains alone; a new figure by default.
    curves
        The trains and their means.
    found
        The law.
    """
    two = {"nrows": 2, "sharex": True, "height_ratios": (5, 3)}
    ax, *below = axes_or_new(ax, COLUMN_WIDTH, 3.6, **two)
    scale, unit = display_unit(float(np.nanmax(curves.readings)), "S")
    shown = slice(None, None, -(-len(curves.readings) // SHOWN_TRAINS))
    of_train = curves.index[curves.curve[shown]]
    for (_, way, readings), train in zip(of_train, curves.readings[shown], strict=True):
        x = _begin(curves, way) + np.arange(readings)
        ax.plot(x, train[:readings] * scale, color=GREY, lw=0.4, alpha=0.4)
    count, trains = len(curves.readings[shown]), len(curves.readings)
    many = trains > len(curves.index)
    ax.plot([], [], color=GREY, lw=0.8, label=f"{count} of {trains} trains")
    for n, (x, data, fitted) in enumerate(_means(curves, found.mean)):
        line = data if many else smoothed(data, len(data))
        named = "their mean" if many else "smoothed"
        ax.plot(x, line * scale, color=BLUE, lw=2, label=None if n else named)
        name = None if n else f"fit, {found.candidate.name}"
        ax.plot(x, fitted * scale, color=ORANGE, lw=1.2, ls="--", label=name)
    ax.set_ylim(min(0, ax.get_ylim()[0]), None)
    ax.set_ylabel(f"conductance ({unit})")
    _count_pulses(ax, curves, named=not below)
    for second in below:
        residuals(second, curves, found)
    return ax


def residuals(ax: Axes, curves: Curves, found: Match) -> Axes:
    """Draw the distances of mean curves from the law; parameters as in `fitted_trains`."""
    window = float(found.window.mean())
    for n, (x, data, fitted) in enumerate(_means(curves, found.mean)):
        misses = 100 * (data - fitted) / window
        ax.plot(x, misses, color=BLUE, lw=0.6, alpha=0.5, label=None if n else "mean of trains")
        there = np.isfinite(misses)
        ax.plot(
            x[there], smoothed(misses[there], len(misses)), color=BLUE, lw=1.4,
            label=None if n else "smoothed",
        )  # fmt: skip
    ax.axhline(0, color="black", lw=0.5)
    ax.set_ylabel("mean less fit\n(% of the window)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.5 * (high - low))  # room for the legend
    _count_pulses(ax, curves)
    legend(ax, loc="upper center", ncols=2)
    return ax


def _begin(curves: Curves, way: int) -> int:
    """Return the beginning of trains of a polarity on the axis of pulses."""
    sets = curves.index[curves.index[:, 1] == 0, 2]
    return 0 if way == 0 or not sets.size else int(sets.max()) - 1


def _means(curves: Curves, fitted: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield pulses, data and fit: means over trains of one polarity, or each where there are
    few."""
    for way in (0, 1):
        mine = np.flatnonzero(curves.index[:, 1] == way)
        groups = [mine] if mine.size > FEW_CURVES else [mine[i : i + 1] for i in range(mine.size)]
        for group in groups:
            readings = int(curves.index[group, 2].max(initial=0))
            count = curves.count[group, :readings]
            number = count.sum(axis=0)
            if not readings or not number.any():
                continue
            data, law = (
                np.where(count > 0, count * part[group, :readings], 0).sum(axis=0)
                / np.where(number > 0, number, np.nan)
                for part in (curves.mean, fitted)
            )
            yield _begin(curves, way) + np.arange(float(readings)), data, law


def _count_pulses(ax: Axes, curves: Curves, *, named: bool = True) -> Axes:
    """Make the axis of pulses that of the longest set train and the longest reset train."""
    begin = _begin(curves, 1)
    resets = curves.index[curves.index[:, 1] == 1, 2]
    down = int(resets.max()) - 1 if resets.size else 0
    if begin and down:
        ax.axvline(begin, color="black", lw=0.5, ls=":")
    ax.set_xlim(0, begin + down)
    if named:
        ax.set_xlabel(f"pulses: {begin} set, {down} reset")
    legend(ax)
    return tidy(ax)


def steps_by_state(ax: Axes, steps: Steps, ranked: list[Ranked]) -> Axes:
    """Draw steps of set pulses (up) and of reset pulses (down) by state.

    Parameters
    ----------
    ax
        Where to draw.
    steps
        Steps that the data show without a law, with standard errors.
    ranked
        Laws; the first few are drawn.
    """
    scale, unit = display_unit(float(steps.state.max()), "S")
    largest = np.nanmax(np.abs([steps.set_step, steps.reset_step]))
    up, step_unit = display_unit(float(largest), "S")
    data = ((steps.set_step, steps.set_error), (-steps.reset_step, steps.reset_error))
    for way, colour in ((0, BLUE), (1, ORANGE)):
        step, error = data[way]
        ax.errorbar(
            steps.state * scale, step * up, error * up, fmt="o", ms=3.5, mfc="none", color=colour,
            lw=0.8,
        )  # fmt: skip
        for law, style in zip(ranked[:SHOWN_LAWS], ("-", "--", ":", "-."), strict=False):
            found = law.match
            low, window = found.low.mean(), found.window.mean()
            depth = np.linspace(0, 1, POINTS)
            state = low + window * (depth if way == 0 else 1 - depth)
            size = (1, -1)[way] * window * found.steps[:, way].mean(axis=0)
            main = law is ranked[0]
            ax.plot(
                state * scale, size * up, color=colour, ls=style, lw=1.3 if main else 0.8,
                alpha=1 if main else 0.7,
            )  # fmt: skip
    for law, style in zip(ranked[:SHOWN_LAWS], ("-", "--", ":", "-."), strict=False):
        ax.plot([], [], color="black", ls=style, lw=1, label=law.law)
    ax.plot([], [], "o", ms=3.5, mfc="none", color="black", label="data, no law")
    ax.axhline(0, color="black", lw=0.5)
    ax.set_ylim(-1.6 * largest * up, 1.6 * largest * up)
    for name, colour, y, side in (("set", BLUE, 0.97, "top"), ("reset", ORANGE, 0.03, "bottom")):
        ax.text(0.97, y, name, color=colour, transform=ax.transAxes, ha="right", va=side, size=8)
    ax.set_xlabel(f"conductance ({unit})")
    ax.set_ylabel(f"step of a pulse ({step_unit})")
    ax.legend(
        frameon=False, fontsize="x-small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1),
        columnspacing=1,
    )  # fmt: skip
    return tidy(ax)
