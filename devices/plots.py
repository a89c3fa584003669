"""Figures of one memory cell: pulse trains, and the change of a state with time.

Each function draws arrays on an `Axes` and returns it. Some add a second panel to a new figure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cbramsim.core.plotting import (
    BLUE,
    COLUMN_WIDTH,
    CYCLE,
    GREY,
    ORANGE,
    axes_or_new,
    legend,
    tidy,
)
from cbramsim.core.units import TIMES, display_unit

Floats = NDArray[np.float64]

BAND = (16, 84)
"""Percentiles of a band: one standard deviation to either side of a normal distribution."""
MOST_STATES = 64
"""Most states that can be distinguished in a figure."""


def pulse_curve(
    ax: Axes | None,
    set_pulses: int,
    law: Floats,
    cycles: Floats,
    cells: Floats,
    states: Floats,
    seconds: Floats,
    left: Mapping[str, Floats],
) -> Axes:
    """Draw conductance against pulse number, up and down: the law, and the departure of cells from
    it.

    A new figure has a second panel, of states after some time, if cells age.

    Parameters
    ----------
    ax
        Axes for the pulses alone; a new figure by default.
    set_pulses, law, cycles, cells
        The fields of `trains.PulseTrains`.
    states
        The grid of states, float64[states], S; none if cells are analog.
    seconds, left
        Times since programming, float64[times], s, and the conductances then, S: name ->
        float64[times, states]. None if cells do not age.
    """
    two = {"ncols": 2, "sharey": True, "width_ratios": (5, 3)} if left else {}
    ax, *beside = axes_or_new(ax, COLUMN_WIDTH * (1.6 if left else 1), 2.6, **two)
    scale, unit = display_unit(float(law.max()), "S")
    x = np.arange(len(law))
    if 0 < len(states) <= MOST_STATES:
        ax.hlines(states * scale, 0, x[-1], color="0.88", lw=0.6, zorder=0)
        ax.plot([], [], color="0.75", lw=0.8, label=f"{len(states)} states")
    if np.ptp(cycles, axis=1).any():
        band = np.percentile(cycles, BAND, axis=1) * scale
        ax.fill_between(x, *band, color=ORANGE, alpha=0.35, lw=0, label="68 % of cycles")
    if np.ptp(cells, axis=1).any():
        band = np.percentile(cells, BAND, axis=1) * scale
        ax.fill_between(x, *band, color=GREY, alpha=0.15, lw=0)
        ax.plot(x, band.T, color="0.4", lw=0.8, ls="--", label=["68 % of cells", None])
    if len(states):
        ax.plot(x, cycles[:, 0] * scale, color=ORANGE, lw=0.7, label="one cycle")
    ax.plot(x, law * scale, color=BLUE, lw=1.5, label="law")
    ax.axvline(set_pulses, color="black", lw=0.5, ls=":")
    ax.set_xlim(0, x[-1])
    ax.set_xlabel(f"pulses: {set_pulses} set, {len(law) - 1 - set_pulses} reset")
    ax.set_ylabel(f"conductance ({unit})")
    legend(ax)
    for second in beside:
        _retention(second, seconds, {name: curves * scale for name, curves in left.items()})
    return tidy(ax)


def _retention(ax: Axes, seconds: Floats, left: Mapping[str, Floats]) -> None:
    """Draw the change of some states with time, in the unit of the shared axis."""
    for (name, curves), colour, style in zip(left.items(), CYCLE, ("-", "--", ":"), strict=False):
        lines = ax.plot(seconds, curves, color=colour, ls=style, lw=1.2)
        lines[0].set_label(name)
    ax.set_xscale("log")
    ax.set_xlim(seconds[0], seconds[-1])
    ticks = {"1 s": 1.0} | {f"1 {name}": TIMES[name] for name in ("h", "year")}
    ax.set_xticks(list(ticks.values()), list(ticks))
    ax.set_xticks([], minor=True)
    ax.set_xlabel("time since programming")
    legend(ax, loc="center left", bbox_to_anchor=(0, 0.75))
    tidy(ax)
