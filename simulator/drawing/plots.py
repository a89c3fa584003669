"""Figures of arrays, ledgers and networks.

Each function draws arrays on an `Axes`, that of a new figure by default, and returns it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.plotting import (
    COLUMN_WIDTH,
    CYCLE,
    array_map,
    axes_or_new,
    legend,
    tidy,
    with_absent,
)
from cbramsim.core.units import display_unit, in_prefixed

ROW = 0.19
"""Height of a bar with its name, inches."""
MOST_NAMED = 100
"""Most neurons whose classes can be read in a figure."""


# ---- arrays ------------------------------------------------------------------------------------


def conductance_map(
    ax: Axes | None,
    conductance: NDArray[np.float32],
    connected: NDArray[np.bool_],
    window: tuple[float, float],
) -> Axes:
    """Draw the conductance of every cell; cells that are not part of the array are absent.

    Parameters
    ----------
    ax
        Axes; a new figure by default.
    conductance, connected
        float32[rows, columns], S, and bool[rows, columns].
    window
        Conductances at the ends of the colours, S: those of the device.
    """
    (ax,) = axes_or_new(ax, COLUMN_WIDTH, 2.8)
    scale, unit = display_unit(window[1], "S")
    shown = np.where(connected, conductance.astype(np.float64), np.nan)
    low, high = (bool(part.any()) for part in (shown < window[0], shown > window[1]))
    array_map(
        ax, shown * scale, f"conductance ({unit})", vmin=window[0] * scale, vmax=window[1] * scale,
        extend=("neither", "max", "min", "both")[2 * low + high],
    )  # fmt: skip
    if missing := int((~connected).sum()):
        ax.set_title(f"grey: {missing:,} disconnected cells", size="small")
    return ax


def cell_voltages(
    ax: Axes | None, voltages: NDArray[np.float64], meant: NDArray[np.float64]
) -> Axes:
    """Draw the size of the voltage across every cell.

    Parameters
    ----------
    ax
        Axes; a new figure by default.
    voltages
        From word line to bit line, float64[rows, columns], V.
    meant
        Voltages on lines without resistance, V; cells that should see none are left out. NaN
        where a line floats.
    """
    (ax,) = axes_or_new(ax, COLUMN_WIDTH, 2.8)
    sizes = np.where(meant == 0, np.nan, np.abs(voltages))
    scale, unit = display_unit(float(np.nanmax(sizes, initial=0.0)) or 1.0, "V")
    array_map(ax, sizes * scale, f"voltage across a cell ({unit})", vmin=0)
    if (meant == 0).any():
        ax.set_title("grey: no voltage applied", size="small")
    return ax


# ---- energy ------------------------------------------------------------------------------------


def energy_bars(
    ax: Axes | None,
    phases: Sequence[str],
    operations: Sequence[str],
    joules: NDArray[np.float64],
) -> Axes:
    """Draw the energy by operation: a bar for each, in parts by phase.

    Parameters
    ----------
    ax
        Axes; a new figure by default.
    phases, operations
        Their names.
    joules
        float64[phases, operations], J.
    """
    (ax,) = axes_or_new(ax, 1.4 * COLUMN_WIDTH, 0.75 + ROW * max(len(operations), 2))
    by_operation = joules.sum(axis=0)
    largest = float(by_operation.max(initial=0.0))
    scale, unit = display_unit(largest, "J")
    places, left = np.arange(len(operations)), np.zeros(len(operations))
    for n, (phase, part) in enumerate(zip(phases, joules, strict=True)):
        label = f"{phase}: {in_prefixed(float(part.sum()), 'J')}"
        colour = CYCLE[n % len(CYCLE)]
        bars = ax.barh(
            places, part * scale, 0.75, left, color=colour, ec="white", lw=0.5, label=label
        )
        for bar in bars:
            bar.sticky_edges.x[:] = [0.0]  # no margin on that side, wherever a part begins
        left += part * scale
    for place, total in enumerate(by_operation):
        text = f" {in_prefixed(float(total), 'J')}"
        ax.text(total * scale, place, text, va="center", size="x-small")
    ax.set_yticks(places, operations)
    ax.set_ylim(len(operations) - 0.4, -0.6)
    ax.margins(x=0.2)  # room for the numbers
    ax.set_xlabel(f"energy ({unit}); total {in_prefixed(float(joules.sum()), 'J')}")
    ax.tick_params(axis="y", length=0)
    legend(ax)
    return tidy(ax)


# ---- networks ----------------------------------------------------------------------------------


def receptive_fields(
    ax: Axes | None,
    weights: NDArray[np.float32],
    pixels: NDArray[np.int64],
    image_shape: tuple[int, int],
    chosen: NDArray[np.int64],
    classes: Sequence[str] = (),
) -> Axes:
    """Draw the weights of some neurons, each as an image; grey are pixels that are not read.

    Parameters
    ----------
    ax
        Axes; a new figure by default.
    weights
        float32[inputs, neurons].
    pixels
        Pixel that each input reads, int64[inputs].
    image_shape
        (height, width) of an image.
    chosen
        Neurons that are drawn, row by row, int64[n].
    classes
        The class of each of them; none if they are not named.
    """
    height, width = image_shape
    columns = math.ceil(math.sqrt(len(chosen) * height / width))
    canvas = mosaic(weights[:, chosen], pixels, image_shape, columns)
    (ax,) = axes_or_new(
        ax, 1.2 * COLUMN_WIDTH, 0.3 + COLUMN_WIDTH * canvas.shape[0] / canvas.shape[1]
    )
    image = ax.imshow(canvas, cmap=with_absent("RdBu_r"), vmin=-1, vmax=1, interpolation="nearest")
    readable = len(chosen) <= MOST_NAMED
    for place, name in enumerate(classes if readable else ()):
        row, column = divmod(place, columns)
        ax.text(
            column * (width + 1) + 1, row * (height + 1) + 1, name.replace("$", r"\$"),
            va="top", size="xx-small", weight="bold",
            path_effects=[withStroke(linewidth=1, foreground="white")],
        )  # fmt: skip
    ax.set_axis_off()
    count = weights.shape[1]
    whose = f"{len(chosen)} most active of {count}" if len(chosen) < count else f"all {count}"
    named = ", with their classes" if len(classes) and readable else ""
    ax.set_title(f"{whose} neurons{named}", size="small")
    bar = ax.figure.colorbar(
        image, ax=ax, fraction=0.05, extend="both", ticks=(-1, -0.5, 0, 0.5, 1)
    )
    bar.set_label("weight (grey: not read)", size="small")
    bar.ax.tick_params(labelsize="small")
    return ax


def image_shape_of(pixels: int, given: tuple[int, int] | None) -> tuple[int, int]:
    """Return (height, width) of images with a number of pixels: as given, or that of a square.

    Raises
    ------
    ParameterError
        If the number of pixels does not match.
    """
    height, width = (math.isqrt(pixels),) * 2 if given is None else given
    if height * width != pixels:
        raise ParameterError(
            f"image_shape: must be the height and width of images of {pixels:,} pixels "
            f"(got {given or 'none, and they are not square'})"
        )
    return height, width


def mosaic(
    weights: NDArray[np.float32],
    pixels: NDArray[np.int64],
    image_shape: tuple[int, int],
    columns: int,
) -> NDArray[np.float64]:
    """Return the weights of neurons as one picture, a row of images after another.

    Parameters
    ----------
    weights, pixels, image_shape
        As in `receptive_fields`.
    columns
        Images in a row.

    Returns
    -------
    float64[height, width]
        NaN between images, and where a pixel is not read.
    """
    height, width = image_shape
    count = weights.shape[1]
    rows = -(-count // columns)
    canvas = np.full((rows, height + 1, columns, width + 1), np.nan)
    for place in range(count):
        field = np.full(height * width, np.nan)
        field[pixels] = weights[:, place]
        row, column = divmod(place, columns)
        canvas[row, 1:, column, 1:] = field.reshape(height, width)
    inside = canvas.reshape(rows * (height + 1), columns * (width + 1))
    return np.pad(inside, ((0, 1), (0, 1)), constant_values=np.nan)
