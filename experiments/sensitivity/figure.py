"""The figure: which parameters decide accuracy and energy, and the claim over the leading two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, GREEN, GREY, ORANGE, axes_grid, legend, tidy
from cbramsim.core.plotting import titled as with_title
from cbramsim.core.units import display_unit
from cbramsim.experiments.sensitivity.limits import CLAIMED
from cbramsim.experiments.sensitivity.plan import CLAIM
from cbramsim.experiments.sensitivity.results import Answer, Question

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"sobol": "total index", "morris": "mean elementary effect"}
MOST = 1.25
"""End of an axis of indices: none can be above 1 but by chance."""
UNITS: dict[str, dict[str, str]] = {
    "sobol": {},
    "morris": {"energy": " (decades)", "accuracy": " (points)"},
}


def sensitivity(asked: Question, found: Answer, summary: dict[str, Any]) -> Figure:
    """Return bars of the indices, and the ratio of the claim over the leading two parameters.

    Parameters
    ----------
    asked, found
        The study and its result.
    summary
        As summary.json has it.
    """
    figure, axes = axes_grid(2, 2, 2 * COLUMN_WIDTH, 7.0)
    rows = summary["parameters"]
    for ax, quantity, colour in ((axes[0], "energy", ORANGE), (axes[1], "accuracy", BLUE)):
        _bars(ax, rows, quantity, asked.taken.method, colour)
    if found.floor is not None:
        scale = 100 if asked.taken.method == "morris" else 1
        axes[1].axvline(scale * found.floor, color="black", lw=0.8, ls=":", label="chance alone")
        legend(axes[1], loc="lower right")
    axes[1].tick_params(labelleft=False)
    for ax, limit in zip(axes[2:], summary["limits"], strict=False):
        _claim(ax, asked, found, limit)
    for ax in axes[2 + len(summary["limits"]) :]:  # of a folder without these runs
        ax.set_visible(False)
    ends = [end for ax in axes[2:] for end in ax.get_ylim()]
    for ax in axes[2:]:
        ax.set_ylim(min(ends), max(ends))
    legend(axes[2], loc="lower left")
    leading = " and ".join(row["parameter"] for row in rows[:2])
    return with_title(figure, f"What the cell takes is decided by {leading} most of all")


def _bars(ax: Axes, rows: list[dict[str, Any]], quantity: str, method: str, colour: str) -> None:
    """Draw the index of each parameter with its interval; the first-order part darker."""
    scale = 100 if method == "morris" and quantity == "accuracy" else 1
    places = np.arange(len(rows))
    total, half = (
        scale * np.array([row[quantity][key] for row in rows]) for key in ("total", "total_half")
    )
    ax.barh(
        places, total, xerr=half, color=colour, alpha=0.75, height=0.75,
        error_kw={"lw": 0.8, "capsize": 1.5},
    )  # fmt: skip
    if rows[0][quantity]["first"] is not None:
        first = [row[quantity]["first"] for row in rows]
        ax.plot(first, places, "|", color="black", ms=7, label="first-order index")
    ax.set_yticks(places, [row["parameter"] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    low, high = ax.get_xlim()
    cut = MOST if method == "sobol" and high > MOST else high
    ax.set_xlim(max(min(low, 0.0), -0.1 * cut), cut)
    ax.set_xlabel(f"{quantity}: {NAMES[method]}{UNITS[method].get(quantity, '')}")
    ax.grid(alpha=0.3, axis="x")
    tidy(ax)
    ax.tick_params(axis="y", labelsize=6)
    if quantity == "energy":
        legend(ax, loc="lower right")


def _claim(ax: Axes, asked: Question, found: Answer, limit: dict[str, Any]) -> None:
    """Draw the ratio over a parameter: samples, their middle, and the others as assumed."""
    number = [one.parameter for one in asked.ranges].index(limit["parameter"])
    one, curve, bins = asked.ranges[number], limit["alone"]["curve"], limit["with_others"]
    scale, unit = display_unit(abs(one.high), limit["unit"]) if limit["unit"] else (1.0, "")
    sign = -1 if one.high < 0 else 1

    def shown(values: Iterable[float]) -> NDArray[np.float64]:
        return sign * scale * np.array(list(values))

    ax.axhspan(*CLAIMED, color=GREY, alpha=0.25, lw=0, label="claimed: 10 to 100")
    step = found.taken.block if found.taken.times > 1 else 1  # the first of a block stand for it
    values = shown(one.at(place) for place in found.taken.points[::step, number])
    look: dict[str, Any] = {"color": GREEN, "ms": 3, "alpha": 0.4, "mew": 0}
    ax.plot(values, found.ratios[CLAIM][::step], "o", **look, label="samples of all parameters")
    ax.plot(
        shown(each["value"] for each in bins), [each["ratio"][2] for each in bins],
        color=GREEN, lw=1.5, label="their median",
    )  # fmt: skip
    places, ratios = (np.array([point[key] for point in curve]) for key in ("place", "ratio"))
    ax.plot(shown(point["value"] for point in curve), ratios, color="black", lw=1.5,
            label="all others as assumed")  # fmt: skip
    at = np.exp(np.interp(one.place(limit["assumed"]), places, np.log(ratios)))
    ax.plot(shown([limit["assumed"]]), [at], "o", color="black", ms=5, label="as assumed")
    ax.set_xlabel(f"{'-' * (sign < 0)}{limit['parameter']}{f' ({unit})' if unit else ''}")
    ax.set_ylabel("energy of others over that of the cell")
    ax.set_yscale("log")
    if one.scale == "log":
        ax.set_xscale("log")
    for axis in (ax.xaxis, ax.yaxis)[one.scale == "linear" :]:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    ax.grid(alpha=0.3)
    tidy(ax)
