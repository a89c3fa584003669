"""Figure of accuracy over neurons, published and found here."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, ORANGE, axes_grid, legend, tidy
from cbramsim.experiments.neurons.published import PUBLISHED, Point
from cbramsim.experiments.neurons.schedule import BY_SIZE, DEFAULT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = (
    (BY_SIZE, "accuracy", {"color": BLUE, "marker": "o"}, "here, class-profile vote"),
    (BY_SIZE, "accuracy_majority", {"color": ORANGE, "marker": "s"}, "here, majority vote"),
    (DEFAULT, "accuracy", {"color": BLUE, "marker": "o", "ls": ":", "mfc": "white", "lw": 1.0},
     "here, profile, default job"),
)  # fmt: skip
"""Schedule, quantity, look and name of each curve."""
LABELS = {
    "Querlioz 2011": (0, 6, -5), "Guo 2019": (0, 6, -1), "Boybat in Guo 2019": (0, 6, -3),
    "Querlioz in Guo 2019": (0, 6, -3), "Diehl & Cook 2015": (1, 6, -8), "VDSP 2022": (2, 6, -3),
    "Querlioz 2013": (0, -58, -2), "Shi 2018": (0, 6, -9), "ASP 2018": (0, -36, 5),
}  # fmt: skip
"""Place of the name of a published series: the point at which it stands, and its distance from
it."""
MARKERS = "DPv^X<p>*"
DARK = "0.25"
"""Grey of published results."""
TICKS = (60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 99)
"""Accuracies at the axis, percent."""


def accuracy(points: list[dict[str, Any]]) -> Figure:
    """Return accuracy over neurons; the axis is logarithmic in the share of errors.

    Parameters
    ----------
    points
        As of `points_of`.
    """
    figure, (ax,) = axes_grid(1, 1, COLUMN_WIDTH, 3.6)
    for number, (_, series) in enumerate(groupby(PUBLISHED, lambda point: point.label)):
        _published(ax, list(series), MARKERS[number % len(MARKERS)])
    for schedule, quantity, look, name in CURVES:
        of = [point for point in points if point["schedule"] == schedule]
        ax.errorbar(
            [point["neurons"] for point in of],
            [_error(point[quantity][0]) for point in of],
            yerr=[100 * (point[quantity][1] or 0.0) for point in of],
            **{"ms": 3.5, "lw": 1.3, "capsize": 2, "label": name} | look,
        )  # fmt: skip
    _axes(ax)
    legend(ax, loc="lower right")
    return figure


def _error(accuracy: float) -> float:
    """Return the share of errors, percent."""
    return 100 * (1 - accuracy)


def _published(ax: Axes, series: list[Point], marker: str) -> None:
    """Draw the results of one paper, and its name; hollow if not checked."""
    first = series[0]
    ax.errorbar(
        [point.neurons for point in series], [_error(point.accuracy) for point in series],
        yerr=[100 * (point.spread or 0.0) for point in series], color=DARK, marker=marker,
        ms=4.5, lw=0.7, ls="-", mfc="white" if first.grade == "recalled" else DARK, zorder=4,
    )  # fmt: skip
    at, right, up = LABELS.get(first.label, (0, 5, -3))
    ax.annotate(
        f"{'~' * first.about}{first.label}", (series[at].neurons, _error(series[at].accuracy)),
        (right, up), textcoords="offset points", fontsize=6, color=DARK,
    )  # fmt: skip


def _axes(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.invert_yaxis()
    ticks = [100 - accuracy for accuracy in TICKS]
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top := 0.9 * top)
    shown = [tick for tick in ticks if top <= tick <= bottom]
    ax.set_yticks(shown, [f"{100 - tick:g}" for tick in shown])
    ax.set_yticks([], minor=True)
    sizes = (50, 100, 200, 400, 800, 1600, 3200, 6400)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("neurons")
    ax.set_ylabel("test accuracy (%)")
    ax.grid(alpha=0.3)
    tidy(ax)
