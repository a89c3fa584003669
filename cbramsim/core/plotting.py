"""Palette, sizes, axes and files that all figures share.

This module is imported only where and when something is drawn: matplotlib takes longer to import
than the whole simulator. Drawing functions are beside the code whose results they draw; they take
arrays, draw on one `matplotlib.axes.Axes`, and return it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cbramsim.core.files import write_atomically

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", GREY)
"""Colours of curves and bars, in their order: Okabe and Ito's colour-blind-safe set."""
ABSENT = "0.85"
"""Grey of absent values."""
COLUMN_WIDTH = 3.5
"""Width of a journal column, inches."""


def axes_or_new(ax: Axes | None, width: float, height: float, **grid: Any) -> list[Axes]:
    """Return `ax` alone, or all axes of a new pyplot figure of `width` x `height` inches.

    `grid` are arguments of `pyplot.subplots`; one axes by default.
    """
    if ax is not None:
        return [ax]
    import matplotlib.pyplot as plt  # sets up a backend: for people at a screen only

    _, axes = plt.subplots(figsize=(width, height), layout="constrained", squeeze=False, **grid)
    return list(axes.ravel())


def tidy(ax: Axes) -> Axes:
    """Return `ax` without the upper and right spine, with letters sized for the width of a
    column."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize="small")
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize("small")
    return ax


def legend(ax: Axes, **options: Any) -> None:
    """Draw the legend of `ax`, if it has entries."""
    if ax.get_legend_handles_labels()[1]:
        look = {"facecolor": "white", "edgecolor": "none", "framealpha": 0.8}
        ax.legend(**look | {"fontsize": "x-small"} | options)


def array_map(ax: Axes, values: NDArray[Any], label: str, **options: Any) -> Axes:
    """Draw one value per cell of an array, [word lines, bit lines], with a colour bar.

    Parameters
    ----------
    ax
        Where to draw.
    values
        NaN where there is nothing to show.
    label
        Quantity and unit, at the colour bar.
    **options
        For `Axes.imshow`; `extend` is for the colour bar.
    """
    extend = options.pop("extend", "neither")
    look: dict[str, Any] = {
        "cmap": with_absent("viridis"),
        "interpolation": "nearest",
        "aspect": "auto",
    }
    image = ax.imshow(values, **look | options)
    bar = ax.figure.colorbar(image, ax=ax, extend=extend)
    bar.set_label(label, size="small")
    bar.ax.tick_params(labelsize="small")
    ax.set_xlabel("bit line")
    ax.set_ylabel("word line")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
    return tidy(ax)


def with_absent(name: str) -> Colormap:
    """Return a colour map by name that shows NaN in grey."""
    return matplotlib.colormaps[name].with_extremes(bad=ABSENT)


def axes_grid(  # type: ignore[no-untyped-def]
    rows: int,
    columns: int,
    width: float,
    height: float,
    *,
    sharey: Literal["none", "all", "row", "col"] = "none",
    widths: tuple[float, ...] | None = None,
):
    """Return a figure of `width` x `height` inches, and its axes in one list, row by row.

    `sharey` as in `matplotlib.figure.Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(
        rows, columns, sharey=sharey, squeeze=False, gridspec_kw={"width_ratios": widths}
    )
    axes = list(np.ravel(grid))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def titled(figure: Figure, message: str) -> Figure:
    """Return a figure with a title above it."""
    figure.suptitle(message, size=9, weight="bold")
    return figure


def save(figure: Figure, path: Path, dpi: int = 200) -> None:
    """Write a figure as PNG."""
    FigureCanvasAgg(figure)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=dpi))
