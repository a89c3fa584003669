"""Figures of `cbram wires`: one message each, units on the axes, colour-blind-safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.plotting import (
    COLUMN_WIDTH,
    CYCLE,
    GREY,
    array_map,
    axes_grid,
    titled,
    with_absent,
)
from cbramsim.experiments.wires import learning
from cbramsim.simulator.drawing.plots import image_shape_of, mosaic
from cbramsim.simulator.lines import Solution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cbramsim.experiments.study.runner import Runner
    from cbramsim.experiments.wires.approximations import Point
    from cbramsim.experiments.wires.learning import Field

KINDS = (("ideal", "ideal lines", ":"), ("series", "own way in series", "--"),
         ("ladders", "ladders", "-"))  # fmt: skip
FIELDS_SHOWN = 5
"""Rows and columns of receptive fields."""


def of(
    points: list[Point], summary: dict[str, Any], runner: Runner, device: str,
    resistances: tuple[float, ...],
) -> dict[str, Figure]:  # fmt: skip
    """Return every figure for which there are runs, by the name of its file."""
    made = {"approximations.png": titled(_approximations(points), _lost(points, device))}
    if entries := summary["learning"]:
        message = _tolerated(summary["largest_tiles"], device)
        made["learning.png"] = titled(_learning(entries), message)
    if read := learning.read_of_learned_cells(runner, device, resistances):
        solution, cells = read
        made["node_voltages.png"] = titled(_maps(solution), _voltage_left(solution, cells))
    if panels := learning.fields(runner, device, resistances):
        title = "What neurons have learned, as reads see it"
        made["receptive_fields.png"] = titled(_fields(panels), title)
    return made


def _lost(points: list[Point], device: str) -> str:
    """Return the loss of the largest array of a device."""
    worst = max((point for point in points if point.device == device), key=lambda one: one.loss)
    return (
        f"{worst.size} lines of {worst.ohm:g} Ω a segment lose {100 * worst.loss:.0f} % of the "
        f"current of {device}"
    )


def _tolerated(tiles: list[dict[str, Any]], device: str) -> str:
    """Return the tiles of a device that cost at most a point of accuracy."""
    told = [
        f"{tile['side'] or 'none'} at {tile['ohm']:g} Ω"
        for tile in tiles
        if tile["device"] == device
    ]
    return f"Most lines of a tile of {device} that cost at most a point: {', '.join(told)}"


def _approximations(points: list[Point]) -> Figure:
    """Draw the losses of arrays, and the errors of approximations of them, by size and
    resistance."""
    devices = list(dict.fromkeys(point.device for point in points))
    figure, axes = axes_grid(2, len(devices), 2 * COLUMN_WIDTH, 5.0, sharey="row")
    for n, device in enumerate(devices):
        above, below = axes[n], axes[len(devices) + n]
        for ohm, colour in zip(dict.fromkeys(p.ohm for p in points), CYCLE, strict=False):
            chosen = [p for p in points if (p.device, p.ohm) == (device, ohm)]
            sizes = [p.size for p in chosen]
            above.plot(sizes, [100 * p.loss for p in chosen], "o-", color=colour, ms=3,
                       label=f"{ohm:g} Ω")  # fmt: skip
            above.plot(sizes, [100 * (1 - p.least) for p in chosen], ":", color=colour, lw=1)
            for key, _, style in KINDS:
                values = [100 * getattr(p, key) for p in chosen]
                below.plot(sizes, values, style, color=colour, lw=1.2)
            bounds = [100 * p.error for p in chosen]
            below.plot(sizes, bounds, color=colour, marker="x", ms=4, ls="none")
        above.set_title(device, size=9)
        below.set_xlabel("word lines, and bit lines")
        below.set_yscale("log")
        below.set_ylim(1e-11, 1e5)
        for ax in (above, below):
            ax.set_xscale("log", base=2)
            ax.set_xticks(sizes, [str(size) for size in sizes])
            ax.grid(alpha=0.3)
    axes[0].set_ylabel("current lost (%)\ndotted: worst bit line")
    axes[len(devices)].set_ylabel("error of a current (%)")
    axes[0].legend(frameon=False, fontsize="x-small", title="a segment", title_fontsize="x-small")
    _styles(figure, axes[-1])
    return figure


def _styles(figure: Figure, ax: Axes) -> None:
    """Explain the styles of the lower axes below a figure."""
    handles = [ax.plot([], [], style, color=GREY)[0] for _, _, style in KINDS]
    handles.append(ax.plot([], [], "x", color=GREY, ms=4)[0])
    labels = [label for _, label, _ in KINDS]
    figure.legend(handles, [*labels, "exact: bound"], frameon=False, fontsize="x-small",
                  loc="outside lower center", ncols=4)  # fmt: skip


def _learning(entries: list[dict[str, Any]]) -> Figure:
    """Draw accuracy, and the energy of reads by part, by size of the tiles."""
    devices = list(dict.fromkeys(entry["device"] for entry in entries))
    figure, axes = axes_grid(2, len(devices), 2 * COLUMN_WIDTH, 4.8, sharey="row")
    for n, device in enumerate(devices):
        above, below = axes[n], axes[len(devices) + n]
        own = [entry for entry in entries if entry["device"] == device]
        ideal = next((entry for entry in own if not entry["ohm"]), None)
        if ideal:
            above.axhline(100 * ideal["accuracy"], color=GREY, lw=1, label="ideal lines")
        ohms = sorted({entry["ohm"] for entry in own if entry["ohm"]})
        sides = [side for side in dict.fromkeys(e["side"] for e in own if e["ohm"]) if side]
        places = {side: place for place, side in enumerate([*sides, 0])}
        for ohm, colour in zip(ohms, CYCLE, strict=False):
            chosen = [entry for entry in own if entry["ohm"] == ohm]
            x = np.array([places[entry["side"]] for entry in chosen])
            above.errorbar(
                x, [100 * entry["accuracy"] for entry in chosen],
                yerr=[100 * (entry["accuracy_spread"] or 0) for entry in chosen],
                color=colour, marker="o", ms=4, capsize=2, label=f"{ohm:g} Ω",
            )  # fmt: skip
            _bars(below, x, ohms.index(ohm), len(ohms), chosen, colour, ideal)
        above.set_title(device, size=9)
        for ax in (above, below):
            ax.set_xticks(list(places.values()), [*(str(side) for side in sides), "all"])
            ax.set_xlim(-0.5, len(places) - 0.5)
            ax.grid(alpha=0.3, axis="y")
            ax.set_axisbelow(True)
        below.set_xlabel("lines of a square tile")
    axes[0].set_ylabel("accuracy (%)")
    axes[len(devices)].set_ylabel("energy of reads\n(ideal lines: 1)")
    axes[0].legend(frameon=False, fontsize="x-small", loc="lower left")
    parts = [
        axes[-1].bar([0], [0], color=GREY),
        axes[-1].bar([0], [0], color="white", edgecolor=GREY, hatch="////"),
    ]
    axes[-1].legend(parts, ["cells", "lines"], frameon=False, fontsize="x-small")
    return figure


def _bars(
    ax: Axes, x: NDArray[Any], n: int, count: int, entries: list[dict[str, Any]], colour: str,
    ideal: dict[str, Any] | None,
) -> None:  # fmt: skip
    """Draw the dissipation of reads, in cells (full) and in lines (hatched)."""
    scale = ideal["cell_read_joules"] if ideal else 1.0
    width = 0.8 / count
    at = x + (n - 0.5 * (count - 1)) * width
    cells = np.array([entry["cell_read_joules"] for entry in entries]) / scale
    lines = np.array([entry["read_wire_joules"] for entry in entries]) / scale
    ax.bar(at, cells, width, color=colour, label="cells")
    ax.bar(at, lines, width, bottom=cells, color="white", edgecolor=colour, hatch="////", lw=0.8)


def _voltage_left(solution: Solution, cells: str) -> str:
    """Return the part of the read voltage that cells see on average."""
    read = solution.terminals.word_left
    seen = (solution.word - solution.bit)[read > 0].mean() / read.max()
    return f"{cells}: driven cells see {100 * seen:.0f} % of the read voltage"


def _maps(solution: Solution) -> Figure:
    """Draw the voltages of the nodes of an array, and those left across its cells."""
    figure, axes = axes_grid(1, 3, 2.4 * COLUMN_WIDTH, 2.9)
    driven = solution.terminals.word_left > 0
    array_map(axes[0], 1e3 * np.where(driven[:, None], solution.word, np.nan), "voltage (mV)")
    array_map(axes[1], 1e3 * solution.bit, "voltage (mV)")
    solution.plot(axes[2])
    for ax, name in zip(axes, ("word lines", "bit lines", "across the cells"), strict=True):
        ax.set_title(name, size=9)
        ax.set_ylabel("")
    axes[0].set_ylabel("word line (grey: at ground)")
    return figure


def _fields(panels: list[Field]) -> Figure:
    """Draw receptive fields as reads see them, with and without lines."""
    figure, axes = axes_grid(1, len(panels), 2 * COLUMN_WIDTH, 2.4)
    image = None
    for ax, panel in zip(axes, panels, strict=True):
        image = ax.imshow(
            _mosaic(panel), cmap=with_absent("RdBu_r"),
            vmin=-1, vmax=1, interpolation="nearest",
        )  # fmt: skip
        ax.set_title(panel.title, size=8)
        ax.set_axis_off()
    figure.colorbar(image, ax=axes, label="weight as reads see it", shrink=0.8, extend="both")
    return figure


def _mosaic(panel: Field) -> NDArray[np.float64]:
    """Return the fields of some neurons, from the first bit line to the last, as one image."""
    count = panel.weights.shape[1]
    neurons = np.linspace(0, count - 1, min(count, FIELDS_SHOWN**2)).astype(int)
    shape = image_shape_of(panel.image_pixels, None)
    return mosaic(panel.weights[:, neurons], panel.pixels, shape, FIELDS_SHOWN)
