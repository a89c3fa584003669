"""Figures of the study of the array: one message each, units on the axes, colour-blind-safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from cbramsim.core.plotting import COLUMN_WIDTH, CYCLE, GREY, axes_grid, titled
from cbramsim.experiments.array_studies.array_plan import ANALOG, binary_case, converter_case
from cbramsim.experiments.study.curves import MARKERS, legend_below

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = dict[str, Any]
UNIT, SCALE = "nJ", 1e9
"""Unit and scale of energies per image."""
COMPONENT_COLOURS = {
    "word lines": "#0072B2", "cells": "#56B4E9", "reference": "#CCCCCC", "wires": "#661100",
    "ADC": "#D55E00", "shift-add": "#F0E442", "neurons": "#CC79A7", "sensing": "#009E73",
    "pulses": "#332288", "optimizer": "#999933",
}  # fmt: skip


def of(summary: dict[str, Any]) -> dict[str, Figure]:
    """Return every figure of learning, by the name of its file."""
    if ANALOG not in _points(summary):
        return {}
    claims = {claim["name"]: claim["value"] for claim in summary["claims"]}
    return {
        "converters.png": titled(_converters(summary), _needed(claims)),
        "components.png": titled(_components(summary), _dearest(_points(summary)[ANALOG])),
        "binary.png": titled(_binary(summary), _binary_cells(claims)),
    }


def _needed(claims: dict[str, Any]) -> str:
    bits = claims.get("adc_bits_needed")
    told = f"{bits} bits lose no accuracy" if bits else "all that were tried lose accuracy"
    return f"Converters: {told}"


def _dearest(analog: Point) -> str:
    name, joules = max(analog["components"].items(), key=lambda item: item[1])
    share = joules / analog["train_joules_per_image"][0]
    return f"Without converters {100 * share:.0f} % of the training energy goes into: {name}"


def _binary_cells(claims: dict[str, Any]) -> str:
    lost, ratio = claims.get("binary_2bit_loss"), claims.get("analog_over_binary_energy")
    if lost is None or not ratio:
        return "Weights in binary cells"
    change = f"{-100 * lost:+.1f} points, {1 / ratio:.2g} times the energy"
    return f"Weights in 2 binary cells against analog ones: {change}"


def _converters(summary: dict[str, Any]) -> Figure:
    """Draw accuracy and training energy against the bits of the converters, by size of tile."""
    figure, (accuracy, energy) = axes_grid(1, 2, 2 * COLUMN_WIDTH, 3.2)
    same = summary["layouts"]
    points = [point for point in summary["points"] if point["part"] == "converters"]
    for n, layout in enumerate(dict.fromkeys(point["layout"] for point in points)):
        also = [name for name, first in same.items() if first == layout and name != layout]
        label = " = ".join([layout, *also]) + (" tiles" if "x" in layout else "")
        mine = [point for point in points if point["layout"] == layout]
        _both(accuracy, energy, "adc_bits", mine, n, label)
    _analog_lines(accuracy, energy, _points(summary)[ANALOG], ANALOG)
    for ax in (accuracy, energy):
        ax.set_xticks(sorted({point["adc_bits"] for point in points}))
        ax.set_xlabel("resolution of the converters (bit)")
    legend_below(figure, energy)
    return figure


def _components(summary: dict[str, Any]) -> Figure:
    """Draw the components of the energy of training, in arrays with and without converters."""
    points = _points(summary)
    shown = [(label, points[case]) for label, case in _bars(summary) if case in points]
    figure, (ax,) = axes_grid(1, 1, 2 * COLUMN_WIDTH, 0.9 + 0.36 * len(shown))
    left = np.zeros(len(shown))
    for name, colour in COMPONENT_COLOURS.items():
        widths = np.array([SCALE * point["components"][name] for _, point in shown])
        if widths.any():
            ax.barh(
                [label for label, _ in shown], widths, left=left, color=colour, label=name,
                edgecolor="white", linewidth=0.4,
            )  # fmt: skip
        left += widths
    ax.invert_yaxis()
    ax.set_xlabel(f"training energy per image ({UNIT})")
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _binary(summary: dict[str, Any]) -> Figure:
    """Draw accuracy and training energy against the binary cells of a weight."""
    figure, (accuracy, energy) = axes_grid(1, 2, 2 * COLUMN_WIDTH, 3.2)
    points = [point for point in summary["points"] if point["part"] == "binary"]
    kinds = (
        ("summed", 0, "summed, exact converters"),
        ("sensed", 0, "sensed bit by bit"),
        ("summed", 6, "summed, 6-bit converters"),
    )
    for n, (read, bits, label) in enumerate(kinds):
        mine = [point for point in points if (point["read"], point["adc_bits"]) == (read, bits)]
        _both(accuracy, energy, "bits", mine, n, label)
    _analog_lines(accuracy, energy, _points(summary)[ANALOG], "analog cells")
    tried = sorted({point["bits"] for point in points})
    for ax in (accuracy, energy):
        ax.set_xscale("log", base=2)
        ax.set_xticks(tried, [str(bits) for bits in tried])
        ax.minorticks_off()
        ax.set_xlabel("binary cells per weight")
        _mark_what_fits(ax, summary["capacity_512_kbit"], tried)
    legend_below(figure, energy)
    return figure


def _points(summary: dict[str, Any]) -> dict[str, Point]:
    return {point["case"]: point for point in summary["points"]}


def _both(
    accuracy: Axes, energy: Axes, against: str, points: list[Point], n: int, label: str
) -> None:
    """Draw accuracy and energy of some points against a setting: the curve number `n`."""
    x = [point[against] for point in points]
    for ax, quantity, scale in (
        (accuracy, "accuracy", 100),
        (energy, "train_joules_per_image", SCALE),
    ):
        means = [scale * point[quantity][0] for point in points]
        spreads = [scale * (point[quantity][1] or 0) for point in points]
        ax.errorbar(
            x, means, yerr=spreads, capsize=2, color=CYCLE[n], marker=MARKERS[n], ms=4, lw=1.2,
            label=label,
        )  # fmt: skip
        ax.grid(alpha=0.3)
    accuracy.set_ylabel("accuracy (%)")
    energy.set_yscale("log")
    energy.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    energy.yaxis.set_major_formatter("{x:g}")
    energy.yaxis.set_minor_formatter(NullFormatter())
    energy.set_ylabel(f"training energy per image ({UNIT})")


def _analog_lines(accuracy: Axes, energy: Axes, analog: Point, label: str) -> None:
    for ax, value in (
        (accuracy, 100 * analog["accuracy"][0]),
        (energy, SCALE * analog["train_joules_per_image"][0]),
    ):
        ax.axhline(value, color="black", lw=1, ls="--", label=label)


def _bars(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the bars that are drawn: label and case."""
    claims = {claim["name"]: claim["value"] for claim in summary["claims"]}
    bits = claims.get("adc_bits_needed")
    layouts = dict.fromkeys(summary["layouts"].values())
    return [
        ("analog, no converter", ANALOG),
        *((f"analog, {bits}-bit ADC, {layout}", converter_case(layout, bits)) for layout in layouts
          if bits is not None),
        ("2 bits, summed", binary_case(2)),
        ("2 bits, summed, 6-bit ADC", binary_case(2, "summed", 6)),
        ("2 bits, sensed", binary_case(2, "sensed")),
    ]  # fmt: skip


def _mark_what_fits(ax: Axes, capacity: list[dict[str, Any]], tried: list[int]) -> None:
    """Shade the bits per weight with which the network fits into 512 kbit."""
    most = max((entry["bits"] for entry in capacity if entry["fits"]), default=0)
    if not most:
        return
    ax.axvspan(
        min(tried) / 1.15, most * 1.15, color=GREY, alpha=0.2, lw=0, label="fits in 512 kbit"
    )
    ax.set_xlim(min(tried) / 1.15, max(tried) * 1.15)
