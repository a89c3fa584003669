"""Figures of the device studies: one message each, units on the axes, colour-blind-safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, GREEN, GREY, ORANGE, axes_grid, titled
from cbramsim.experiments.device_studies.claims import MEASURED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#882255",
    "#44AA99", "#999999", "#000000",
)  # fmt: skip
MARKERS = "osD^vP*XhdH"


def comparison(summary: dict[str, Any]) -> dict[str, Figure]:
    """Return the figures of the comparison, by the name of their file."""
    found = {}
    if devices := summary["devices"]:
        costs = [entry["train_joules"][0] for entry in devices]
        message = f"One network: {max(costs) / min(costs):,.0f}x in energy between technologies"
        found["devices.png"] = titled(_devices(summary), message)
    if aged := summary["aged"]:
        most = max(aged, key=lambda entry: entry["at_once"][0] - entry["none"][0])
        lost = 100 * (most["at_once"][0] - most["none"][0])
        message = (
            f"A day later {most['device']} has lost {lost:.1f} points, unless drift is compensated"
        )
        found["aged.png"] = titled(_aged(aged), message)
    if summary["sensitivity"]["effects"]:
        most = summary["sensitivity"]["effects"][0]["parameter"]
        message = f"{summary['sensitivity']['reference']} depends most on what is assumed of {most}"
        found["one_parameter.png"] = titled(_tornado(summary["sensitivity"]), message)
    return found


def _aged(aged: list[dict[str, Any]]) -> Figure:
    """Draw the accuracy of devices that change by themselves: at once, and a day later in three
    ways."""
    figure, (ax,) = axes_grid(1, 1, 2 * COLUMN_WIDTH, 1.2 + 0.3 * len(aged))
    ways = (
        ("at_once", "o", "black", "right after training"),
        ("none", "X", ORANGE, "a day later, uncompensated"),
        ("global", "s", BLUE, "one factor an array"),
        ("column", "D", GREEN, "one a bit line"),
    )
    for shift, (key, marker, colour, label) in zip((-0.24, -0.08, 0.08, 0.24), ways, strict=True):
        ax.errorbar(
            [100 * entry[key][0] for entry in aged], np.arange(len(aged)) + shift,
            xerr=[100 * (entry[key][1] or 0) for entry in aged], marker=marker, color=colour,
            ls="none", ms=4.5, capsize=2, lw=0.8, label=label,
        )  # fmt: skip
    ax.set_yticks(range(len(aged)), [entry["device"] for entry in aged])
    ax.set_ylim(len(aged) - 0.5, -0.5)
    ax.set_xlabel("test accuracy (%)")
    ax.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="x-small")
    return figure


def _devices(summary: dict[str, Any]) -> Figure:
    """Draw training energy and accuracy, a row for each technology, with the share of sourced
    parameters."""
    rows = sorted(summary["devices"], key=lambda entry: entry["train_joules"][0])
    height = 1.4 + 0.19 * len(rows)
    figure, axes = axes_grid(1, 2, 2 * COLUMN_WIDTH, height, sharey="row")
    energy, accuracy = axes
    reference = summary["devices"][0]["train_joules"][0]
    energy.axvspan(10 * reference, 100 * reference, color=GREY, alpha=0.2, lw=0)
    for y, entry in enumerate(rows):
        sourced = 1 - entry["assumed"] / entry["stated"]
        colour = BLUE if sourced >= MEASURED else ORANGE
        mark = {"marker": "o", "color": colour, "ls": "none", "ms": 5, "capsize": 2, "lw": 0.8}
        joules, joules_spread = entry["train_joules"]
        energy.errorbar(joules, y, xerr=joules_spread or 0, **mark)
        found, spread = entry["accuracy"]
        accuracy.errorbar(100 * found, y, xerr=100 * (spread or 0), **mark)
    names = [f"{e['device']}  {1 - e['assumed'] / e['stated']:.0%}" for e in rows]
    energy.set_yticks(range(len(rows)), names, size=7)
    energy.set_ylim(len(rows) - 0.4, -0.6)
    energy.set_xscale("log")
    energy.set_xlabel("energy of training, cells and circuits (J)")
    accuracy.set_xlabel("test accuracy (%)")
    for ax in axes:
        ax.grid(alpha=0.3)
    handles = [
        *(energy.plot([], [], "o", color=colour)[0] for colour in (BLUE, ORANGE)),
        energy.fill_between([], [], color=GREY, alpha=0.2, lw=0),
    ]
    labels = [
        f"at least {MEASURED:.0%} published or derived", "less",
        f"10 to 100 times {summary['devices'][0]['device']}",
    ]  # fmt: skip
    figure.legend(
        handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize="x-small"
    )
    return figure


def _tornado(sensitivity: dict[str, Any]) -> Figure:
    """Draw the change of training energy and accuracy with each assumption."""
    effects = sensitivity["effects"]
    figure, axes = axes_grid(1, 2, 2 * COLUMN_WIDTH, 1.0 + 0.22 * len(effects), sharey="row")
    energy, accuracy = axes
    for y, effect in enumerate(effects):
        for change in effect["changes"]:
            colour = ORANGE if change["factor"] > 1 else BLUE
            far = not 0.2 < change["factor"] < 5
            bar = {"height": 0.4 if far else 0.8, "color": colour, "alpha": 0.5 if far else 1.0}
            energy.barh(y, np.log10(change["train_joules"]), **bar)
            accuracy.barh(y, 100 * change["accuracy"], **bar)
    energy.set_yticks(range(len(effects)), [effect["parameter"] for effect in effects], size=7)
    energy.invert_yaxis()
    _factor_axis(energy)
    energy.set_xlabel("training energy, factor")
    accuracy.set_xlabel("accuracy, points")
    for ax in axes:
        ax.axvline(0, color="black", lw=0.8)
        ax.grid(alpha=0.3, axis="x")
    handles = [
        energy.barh([0], [0], color=colour, alpha=alpha, height=0)
        for colour, alpha in ((BLUE, 0.5), (BLUE, 1.0), (ORANGE, 1.0), (ORANGE, 0.5))
    ]
    figure.legend(
        handles, ["a tenth", "a third", "3 times", "10 times"], loc="outside lower center",
        ncols=4, frameon=False, fontsize="small",
        title="each assumed parameter, one at a time",
    )  # fmt: skip
    return figure


def _factor_axis(ax: Axes) -> None:
    """Label an axis of decimal logarithms with factors."""
    low, high = ax.get_xlim()
    ticks = [
        t for t in np.log10([0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 3, 5, 10, 30, 100])
        if low <= t <= high
    ]  # fmt: skip
    ax.set_xticks(ticks, [f"{10**t:.2g}" for t in ticks])


def attribution(summary: dict[str, Any]) -> Figure:
    """Return the figure of each imperfection's cost in accuracy and energy, alone and among all."""
    effects = [e for e in summary["effects"] if e["alone"]["accuracy_loss"] is not None]
    figure, axes = axes_grid(1, 2, 2 * COLUMN_WIDTH, 1.2 + 0.34 * len(effects), sharey="row")
    for ax, quantity, scale, origin in (
        (axes[0], "accuracy_loss", 100, 0),
        (axes[1], "energy_factor", 100, 1),
    ):
        for shift, key, colour, label in (
            (-0.2, "alone", BLUE, "on, and nothing else"),
            (0.2, "among", ORANGE, "on, among all the others"),
        ):
            values = [e[key][quantity] for e in effects]
            spreads = [e[key][f"{quantity}_spread"] or 0 for e in effects]
            ax.barh(
                np.arange(len(effects)) + shift,
                [scale * ((origin if v is None else v) - origin) for v in values], height=0.4,
                xerr=[scale * s for s in spreads], color=colour, label=label,
                error_kw={"lw": 0.8, "capsize": 1.5},
            )  # fmt: skip
        ax.axvline(0, color="black", lw=0.8)
        ax.grid(alpha=0.3, axis="x")
    axes[0].set_yticks(range(len(effects)), [e["imperfection"] for e in effects])
    axes[0].invert_yaxis()
    axes[0].set_xlabel("accuracy lost (points)")
    axes[1].set_xlabel("training energy added (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize="small",
    )  # fmt: skip
    most = effects[0]["imperfection"] if effects else "nothing"
    return titled(figure, f"{summary['device']}: {most} costs most accuracy")


PANELS = (
    ("spread from cell to cell (%)", ("d2d",), 100, "linear"),
    ("pulse noise (% of the window)", ("c2c",), 100, "linear"),
    ("states per cell", ("levels",), 1, "log2"),
    ("faulty cells (%)", ("stuck-low", "stuck-high", "stuck-open"), 100, "linear"),
    ("time at 85 °C before reading (days)", ("retention",), 1 / 86400, "symlog"),
)
"""Panels of the robustness figure: axis, curves, scale of the values, kind of axis."""


def robustness(curves: dict[str, list[dict[str, Any]]]) -> Figure:
    """Return the figure of accuracy against each imperfection."""
    panels = [panel for panel in PANELS if any(name in curves for name in panel[1])]
    rows = -(-len(panels) // 3)
    figure, axes = axes_grid(rows, min(3, len(panels)), 2 * COLUMN_WIDTH, 2.3 * rows + 0.3)
    # what forgets, forgets all: it has an axis of its own
    alike = [100 * p["accuracy"] for c, ps in curves.items() if c != "retention" for p in ps]
    for ax, (label, names, scale, kind) in zip(axes, panels, strict=False):
        for n, name in enumerate(name for name in names if name in curves):
            points = curves[name]
            ax.errorbar(
                [scale * p["value"] for p in points], [100 * p["accuracy"] for p in points],
                yerr=[100 * (p["spread"] or 0) for p in points], color=COLOURS[n],
                marker=MARKERS[n], ms=3.5, lw=1.2, capsize=2, label=name,
            )  # fmt: skip
        if kind == "log2":
            ax.set_xscale("log", base=2)
            ax.xaxis.set_major_formatter("{x:.0f}")
        elif kind == "symlog":
            ax.set_xscale("symlog", linthresh=1)
            ax.xaxis.set_major_formatter("{x:g}")
        if alike and names != ("retention",):
            ax.set_ylim(min(alike) - 1.5, max(alike) + 1)
        if len(names) > 1:
            ax.legend(frameon=False, fontsize="x-small", loc="lower left")
        ax.set_xlabel(label, size=8)
        ax.grid(alpha=0.3)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    for ax in axes[:: min(3, len(panels))]:
        ax.set_ylabel("test accuracy (%)")
    return titled(figure, "How far each imperfection may go before accuracy falls")
