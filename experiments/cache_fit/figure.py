"""Figure of `cbram cache-fit`: cost against size, and the levels of working sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
import numpy as np

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, GREEN, GREY, ORANGE, axes_grid, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SETS = {"l": "between layers", "f": "forward", "b": "backward", "d": "with the data"}


class Curve(NamedTuple):
    """Cost per parameter against the number of parameters."""

    parameters: Sequence[float]
    """Numbers of parameters."""
    cost: Sequence[float]
    """Cost of each, s or J per parameter of a training step."""
    slow: Sequence[float] | None = None
    """Upper limit of three quarters of the samples, or None."""


class Picture(NamedTuple):
    """Contents of the figure."""

    unit: str
    """Unit, `s` or `J`, or nothing if there are no costs."""
    measured: Curve | None
    """Measured points."""
    line: Curve | None
    """Curve of the model, or of the prices."""
    line_label: str
    """Meaning of the line."""
    own: tuple[int, float | None, str]
    """Parameters and cost of the user's network, and the level of its backward set."""
    best: tuple[int, float] | None
    """Parameters and cost of the recommended network."""
    sizes: Sequence[int]
    """Sizes of networks for which the levels of working sets are known."""
    lives: dict[str, list[str]]
    """Level of each working set, by its name, for each of these sizes."""
    levels: Sequence[str]
    """All levels, innermost first."""


def draw(picture: Picture) -> Figure:
    """Return the figure."""
    with_cost = bool(picture.line or picture.measured)
    figure, axes = axes_grid(1 + with_cost, 1, 2 * COLUMN_WIDTH, 4.9 if with_cost else 1.9)
    if with_cost:
        axes[0].get_gridspec().set_height_ratios([3, 1.15])
        _costs(axes[0], picture)
        axes[0].tick_params(labelbottom=False)
    _places(axes[-1], picture)
    shown = [*picture.sizes, picture.own[0]]
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xlim(0.85 * min(shown), 1.15 * max(shown))
        ax.tick_params(labelsize=8)
    axes[-1].set_xlabel("parameters of the network", size=9)
    return titled(figure, _message(picture))


def _message(picture: Picture) -> str:
    """Return the level of the user's network, and the saving of the best one per parameter."""
    own, cost, level = picture.own
    told = f"{own:,} parameters train in {level}"
    if picture.best and cost and picture.best[1] < cost:
        told += f"; {picture.best[0]:,} cost {100 * (1 - picture.best[1] / cost):.0f} % less each"
    return told


def _costs(ax: Axes, picture: Picture) -> None:
    scale, unit = {"s": (1e9, "ns"), "J": (1e12, "pJ")}[picture.unit]
    for line in filter(None, [picture.line]):
        ax.plot(line.parameters, scale * np.array(line.cost), color=ORANGE, lw=1.6,
                label=picture.line_label, zorder=2)  # fmt: skip
    for points in filter(None, [picture.measured]):
        cost = scale * np.array(points.cost)
        slow = np.maximum(scale * np.array(points.slow) - cost, 0)
        ax.errorbar(
            points.parameters, cost, yerr=[np.zeros_like(cost), slow], fmt="o", color=BLUE, ms=4,
            lw=0.8, capsize=1.5, label="measured: fastest sample, to upper quartile", zorder=3,
        )  # fmt: skip
    ax.set_yscale("log")
    _readable(ax)
    ax.set_ylabel(f"training step ({unit} per parameter)", size=9)
    ax.grid(alpha=0.25, axis="y")
    for name, (left, right) in _bands(picture).items():
        ax.axvspan(left, right, color=GREY, alpha=0.22, lw=0, zorder=0)
        ax.annotate(name, ((left * right) ** 0.5, 0.98), xycoords=("data", "axes fraction"),
                    ha="center", va="top", size=8, color="0.35", weight="bold")  # fmt: skip
    ax.axvspan(np.nan, np.nan, color=GREY, alpha=0.22, lw=0,
               label="backward set has left the cache, forward set has not")  # fmt: skip
    parameters, cost_of_own, _ = picture.own
    if cost_of_own is not None:
        ax.plot(parameters, scale * cost_of_own, "*", ms=15, color="black", mec="white",
                label=f"your network, {parameters:,} parameters", zorder=5)  # fmt: skip
    if picture.best:
        ax.plot(picture.best[0], scale * picture.best[1], "D", ms=8, color=GREEN, mec="white",
                label=f"cheapest near a cache, {picture.best[0]:,}", zorder=4)  # fmt: skip
    handles, labels = ax.get_legend_handles_labels()
    first = [n for n, label in enumerate(labels) if label.startswith("measured")]
    order = first + [n for n in range(len(labels)) if n not in first]
    ax.legend(
        [handles[n] for n in order], [labels[n] for n in order], frameon=False,
        fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2,
    )  # fmt: skip


def _places(ax: Axes, picture: Picture) -> None:
    """Draw a bar for each working set, coloured by its level."""
    colours = matplotlib.colormaps["Blues"](np.linspace(0.22, 0.92, len(picture.levels)))
    edges = np.array(picture.sizes, float)
    span = np.log(edges[-1] / edges[0])
    for row, name in enumerate(reversed(picture.lives)):
        for level, left, right in _runs(picture.lives[name], edges):
            order = list(picture.levels).index(level)
            ax.barh(row, right - left, left=left, height=0.78, color=colours[order], lw=0)
            ink = "white" if order > (len(picture.levels) - 1) / 2 else "0.15"
            if np.log(right / left) > 0.05 * span:
                ax.text((left * right) ** 0.5, row, level, ha="center", va="center", size=7.5,
                        color=ink)  # fmt: skip
    ax.set_yticks(range(len(picture.lives)), [SETS[name] for name in reversed(picture.lives)])
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.spines["left"].set_visible(False)
    ax.axvline(picture.own[0], color="black", lw=1, ls=(0, (2, 2)))
    ax.set_ylabel("working set lives in", size=8)


def _runs(levels: Sequence[str], edges: np.ndarray) -> list[tuple[str, float, float]]:
    """Return ranges of sizes that live in one level, each up to the beginning of the next one."""
    starts = [n for n in range(len(levels)) if n == 0 or levels[n] != levels[n - 1]]
    ends = [*starts[1:], len(levels) - 1]
    return [
        (levels[start], edges[start], edges[end])
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]


def _bands(picture: Picture) -> dict[str, tuple[float, float]]:
    """Return the sizes at which the backward and the forward set leave each cache."""
    bands = {}
    for order, level in enumerate(picture.levels[:-1]):
        beyond = picture.levels[order + 1 :]
        left, right = (_first_in(picture, name, beyond) for name in ("b", "f"))
        if left is not None and left > picture.sizes[0]:
            bands[level] = (float(left), float(right or picture.sizes[-1]))
    return bands


def _first_in(picture: Picture, name: str, levels: Sequence[str]) -> int | None:
    """Return the smallest size at which a working set lives in one of `levels`."""
    pairs = zip(picture.sizes, picture.lives[name], strict=True)
    return next((size for size, level in pairs if level in levels), None)


def _readable(ax: Axes) -> None:
    """Number a logarithmic axis of cost, more densely if it spans little, and leave room above."""
    low, high = ax.get_ylim()
    steps = (1, 1.5, 2, 3, 4, 5, 7) if high < 10 * low else (1, 2, 5)
    high *= (high / low) ** 0.1
    ticks = [step * 10.0**power for power in range(-4, 9) for step in steps]
    shown = [tick for tick in ticks if low <= tick <= high]
    ax.set_ylim(low, high)
    ax.set_yticks(shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
