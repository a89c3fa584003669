"""Figures of the ladder: the chart, accuracy over joules, claims with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator

from cbramsim.core.plotting import BLUE, GREY, ORANGE, axes_grid, titled
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.ladder.approach import (
    PHASES,
    Approach,
    Phase,
    joules,
    nearest_alternative,
)
from cbramsim.simulator.energy.bill import Bill, Draws

COLOURS = {
    "whole node": "#555555",
    "arithmetic": "#0072B2",
    "instructions": "#A6CEE3",
    "registers": "#FFF3B0",
    "L1": "#FFE08A",
    "L2": "#F5B83D",
    "L3": "#D98E04",
    "HBM": "#A65E00",
    "DRAM": "#7A3B00",
    "synapses": "#44AA99",
    "learning": "#88CCEE",
    "array read": "#009E73",
    "array write": "#D55E00",
    "converters": "#882255",
    "periphery": "#CC79A7",
    "neurons": "#DDCC77",
    "communication": "#332288",
    "static": "#BBBBBB",
}
"""Component -> colour, in the order of the legend."""
HATCHES = {"published": "", "derived": "////", "assumed": "...."}
"""Evidence -> hatch."""
FAMILY_COLOURS = {
    "conventional": "#222222",
    "low precision": "#0072B2",
    "neuromorphic chip": "#44AA99",
    "memory array": "#CC79A7",
    "our array": "#D55E00",
}
CLAIMED_COLOUR = "#56B4E9"
ACCURACY_MARKERS = {0.90: "o", 0.93: "D"}
"""Accuracy on held-out images -> marker at the energy with which it was reached."""
NOT_DRAWN = ("GPU", "FP32 perceptron, accelerator", "FP16", "bfloat", "LUQ", "per-event", "hard")
"""Curves that would overlap with others of their kind."""
LOWEST = 70.0
"""Accuracy at which the axis of the curves begins, per cent."""


NAMES = ("ladder.png", "ladder_all.png", "ladder_curves.png", "ladder_claims.png")
MOST_ROWS = 12
"""Most approaches in the shorter figure."""


def of(
    approaches: list[Approach], baseline: str, ours: str, targets: Sequence[float],
    readings: Mapping[str, Mapping[str, Any]], draws: Draws, conversions: str = "",
) -> dict[str, Figure]:  # fmt: skip
    """Return every figure for which there are results, by the name of its file.

    `baseline` and `ours` name the approach that others are compared with, and the one that is ours;
    `targets` are accuracies that are marked on the curves; `readings` as in `verdicts`;
    `conversions` describes the conversions of joules, for people.
    """
    story, everything, over_joules, claims = NAMES
    message = _message(approaches, baseline, ours)
    some = told(approaches, (baseline, ours))
    after = "Accuracy that is reached for the joules spent"
    made = {
        story: titled(ladder(some, baseline, draws, conversions), message),
        everything: titled(
            ladder(approaches, baseline, draws, conversions), "All approaches, dearest first"
        ),
        over_joules: titled(curves(approaches, targets), after),
    }
    if readings:
        made[claims] = titled(verdicts(readings), _held(readings))
    return made


def _message(approaches: list[Approach], baseline: str, ours: str) -> str:
    """Return the message of the ladder in one line."""
    bills = {one.name: one.training for one in approaches if one.training is not None}
    if baseline not in bills or ours not in bills:
        return "Joules to learn handwritten digits"
    share = times(bills[ours].joules / bills[baseline].joules)
    return f"{ours} learns with {share} of the energy of {baseline}"


def _held(readings: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the number of claimed factors that hold, each by its first reading."""
    held = [
        claim["claimed"][0] <= claim["readings"][0]["value"] <= claim["claimed"][1]
        for claim in readings.values()
    ]
    return f"{sum(held)} of {len(held)} claimed factors hold at the stated constants"


def told(approaches: list[Approach], always: tuple[str, ...]) -> list[Approach]:
    """Return the most important approaches, at most `MOST_ROWS`, in their order.

    They are those that are `always` shown; the most and the least expensive of each family to
    train; then the most accurate of the others.
    """
    trained = [one for one in approaches if one.training is not None]
    first = [one for one in approaches if one.name in always]
    for family in dict.fromkeys(one.family for one in trained):
        members = sorted((one for one in trained if one.family == family), key=_dearness)
        first += [members[-1], members[0]]
    rest = sorted(trained, key=lambda one: one.accuracy, reverse=True)
    chosen = list(dict.fromkeys(one.name for one in [*first, *rest]))[:MOST_ROWS]
    return [one for one in approaches if one.name in chosen]


def ladder(
    approaches: list[Approach], baseline: str, draws: Draws, conversions: str = ""
) -> Figure:
    """Draw joules to train and joules per recognised image, most expensive first."""
    order = sorted(approaches, key=_dearness, reverse=True)
    figure, (names, training, inference) = axes_grid(
        1, 3, 12.5, 0.255 * len(order) + 2.6, widths=(0.62, 1.1, 1)
    )
    reference = next(one for one in order if one.name == baseline)
    _write_names(names, order)
    titles = ("to train", "to recognise one image")
    for ax, phase, title in zip((training, inference), PHASES, titles, strict=True):
        _draw_bars(ax, order, phase, reference, draws)
        ax.set_title(f"{title} (x: times {baseline})", size=9)
    if conversions:
        figure.supxlabel(conversions, size=9)
    used = {charge.component for one in order for bill in _bills(one) for charge in bill}
    handles: list[Artist] = [
        Patch(color=COLOURS[name], label=name) for name in COLOURS if name in used
    ]
    handles += [
        Patch(facecolor="white", edgecolor="0.3", hatch=hatch, label=grade)
        for grade, hatch in HATCHES.items()
    ]
    handles += [
        Line2D([], [], ls="", marker=marker, ms=5, mfc="white", mec="black",
               label=f"{100 * accuracy:.0f} % reached")
        for accuracy, marker in ACCURACY_MARKERS.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=8, frameon=False, fontsize=7.5)
    return figure


def _bills(one: Approach) -> list[Bill]:
    return [bill for bill in (one.training, one.inference) if bill is not None]


def _dearness(one: Approach) -> float:
    """Return the energy by which an approach is sorted: training, or a rank by recognition
    alone."""
    if one.training is not None:
        return one.training.joules
    return one.inference.joules * 60_000 if one.inference is not None else 0.0


def _write_names(ax: Axes, order: list[Approach]) -> None:
    ax.set_axis_off()
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    for row, one in enumerate(order):
        colour = FAMILY_COLOURS[one.family]
        ax.text(0.8, row, one.name, ha="right", va="center", size=8, color=colour)
        ax.text(1.08, row, f"{100 * one.accuracy:.1f} %", ha="right", va="center", size=8)
    ax.text(1.08, -0.9, "accuracy", ha="right", va="bottom", size=8)


def _draw_bars(
    ax: Axes, order: list[Approach], phase: Phase, reference: Approach, draws: Draws
) -> None:
    bills = [one.bill(phase) for one in order]
    estimates = [None if bill is None else joules(bill, draws) for bill in bills]
    lows = [estimate.low for estimate in estimates if estimate]
    if phase == "training":
        reached = (one.to_reach(accuracy) for one in order for accuracy in ACCURACY_MARKERS)
        lows += [bill.joules for bill in reached if bill]
    highs = [estimate.high for estimate in estimates if estimate]
    left, right = 10 ** np.floor(np.log10(min(lows)) - 0.3), max(highs) * 400
    ax.set_xscale("log")
    ax.set_xlim(left, right)
    ax.set_ylim(len(order) - 0.4, -0.6)
    base = reference.bill(phase)
    for row, (bill, estimate) in enumerate(zip(bills, estimates, strict=True)):
        if bill is None or estimate is None:
            ax.text(
                left * 1.3, row, "no figure", va="center", size=6.5, color="0.5", style="italic"
            )
            continue
        _draw_bar(ax, row, bill, left)
        ax.plot([estimate.low, estimate.high], [row, row], color="black", lw=1.1)
        ax.plot([estimate.low, estimate.high], [row, row], "|", color="black", ms=5, mew=1.1)
        if phase == "training":
            _mark_accuracies(ax, row, order[row])
        text = in_prefixed(bill.joules, "J")
        if base is not None:
            text += f"   {times(bill.joules / base.joules)}"
        ax.text(estimate.high * 1.35, row - 0.17, text, va="center", size=7)
        if near := nearest_alternative(order[row], order, phase):
            other = near.bill(phase)
            assert other is not None
            text = f"{times(bill.joules / other.joules)} {near.name}"
            ax.text(estimate.high * 1.35, row + 0.23, text, va="center", size=5, color="0.4")
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(LogLocator(10, numticks=20))
    ax.xaxis.set_minor_locator(FixedLocator([]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: in_prefixed(x, "J")))
    ax.tick_params(labelsize=7)
    for label in ax.get_xticklabels():
        label.set_rotation(45)
    ax.grid(axis="x", alpha=0.25, lw=0.5)
    ax.set_axisbelow(True)


def _draw_bar(ax: Axes, row: int, bill: Bill, left: float) -> None:
    """Draw one bar; colours share its length as components share the energy."""
    length = np.log10(bill.joules / left)
    shares: dict[tuple[str, str], float] = {}
    for charge in bill:
        key = charge.component, charge.evidence
        shares[key] = shares.get(key, 0.0) + charge.joules / bill.joules
    start = 0.0
    with matplotlib.rc_context({"hatch.linewidth": 0.4}):
        for (component, evidence), share in sorted(shares.items(), key=_legend_order):
            begin, end = (left * 10 ** (length * part) for part in (start, start + share))
            ax.barh(
                row, end - begin, left=begin, height=0.72, color=COLOURS[component],
                hatch=HATCHES[evidence], edgecolor=(1, 1, 1, 0.75), linewidth=0.3,
            )  # fmt: skip
            start += share


def _legend_order(item: tuple[tuple[str, str], float]) -> tuple[int, str]:
    (component, evidence), _ = item
    return list(COLOURS).index(component), evidence


def _mark_accuracies(ax: Axes, row: int, one: Approach) -> None:
    for accuracy, marker in ACCURACY_MARKERS.items():
        if bill := one.to_reach(accuracy):
            ax.plot(
                bill.joules, row, marker, ms=5, mfc="white", mec="black", mew=0.8, zorder=4
            )  # fmt: skip


def times(value: float) -> str:
    """Return a ratio in readable form: `12x`, or `1/340` where it is below one."""
    if value >= 0.995:
        return f"{_three(value)}x"
    return f"1/{_three(1 / value)}"


def _three(value: float) -> str:
    """Return three digits of a number >= 1, without an exponent up to a million."""
    if value < 99.95:
        return f"{value:.3g}"
    if value < 1e6:
        return f"{float(f'{value:.3g}'):,.0f}"
    exponent = int(np.floor(np.log10(value)))
    return f"{value / 10**exponent:.1f}·10$^{exponent}$"


# ---- accuracy over joules ----------------------------------------------------------------------


def curves(approaches: list[Approach], targets: Sequence[float]) -> Figure:
    """Draw accuracy on held-out training images over the joules spent so far."""
    figure, (ax,) = axes_grid(1, 1, 8.6, 4.6)
    ax.set_xscale("log")
    styles = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 3)))
    drawn: dict[str, int] = {}
    for one in approaches:
        crowded = any(word in one.name for word in NOT_DRAWN)
        if not one.curve or one.training is None or crowded:
            continue
        number = drawn[one.family] = drawn.get(one.family, -1) + 1
        others = one.family == "memory array"  # too many to tell apart by line
        label = one.name if not others else None if number else "other memory technologies"
        spent, accuracy = np.array([point for point in one.curve if point[0] > 0]).T
        ax.plot(
            spent * one.training.joules, 100 * accuracy,
            ls="-" if others else styles[number % len(styles)], color=FAMILY_COLOURS[one.family],
            marker="" if others else "o", ms=2.5, lw=0.7 if others else 1.3,
            label=label,
        )  # fmt: skip
    for target in targets:
        ax.axhline(100 * target, color=GREY, lw=0.8, zorder=0)
        ax.text(
            ax.get_xlim()[1], 100 * target, f" {100 * target:.0f} %", va="center", size=8,
            color="0.4",
        )  # fmt: skip
    ax.set_ylim(LOWEST, 100)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: in_prefixed(x, "J")))
    ax.set_xlabel("energy spent on training so far")
    ax.set_ylabel("accuracy, held-out images (%)")
    ax.grid(alpha=0.25, lw=0.5)
    ax.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1.06, 0.5))
    return figure


# ---- claims ------------------------------------------------------------------------------------


def verdicts(readings: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw each claim's readings with their intervals against the range that was claimed.

    `readings`: claim -> {"claimed": (low, high), "readings": [{"name", "value", "low", "high"}]}.
    """
    rows = sum(len(claim["readings"]) + 1 for claim in readings.values())
    figure, (ax,) = axes_grid(1, 1, 7.2, 0.2 * rows + 0.9)
    ax.set_xscale("log")
    row, ticks, labels = 0, [], []
    for title, claim in readings.items():
        low, high = claim["claimed"]
        count = len(claim["readings"])
        ax.fill_betweenx(
            [row + 0.45, row + count + 0.55], low, high, color=CLAIMED_COLOUR, alpha=0.3, lw=0
        )  # fmt: skip
        ticks.append(row)
        labels.append(title)
        for number, reading in enumerate(claim["readings"], 1):
            inside = low <= reading["value"] <= high
            colour = BLUE if inside else ORANGE
            y = row + number
            ax.plot([reading["low"], reading["high"]], [y, y], color=colour, lw=1.3)
            ax.plot(reading["value"], y, "o", color=colour, ms=6 if number == 1 else 4)
            ticks.append(y)
            labels.append(f"{reading['name']}   {times(reading['value'])}")
        row += count + 1
    ax.set_ylim(row - 0.4, -0.6)
    ax.set_yticks(ticks, labels, size=7)
    for label in ax.get_yticklabels():
        if label.get_text() in readings:
            label.set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    ax.axvline(1, color="0.5", lw=0.8)
    ax.set_xlabel("times less energy (band: claimed; line: 90 %)", size=8)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", alpha=0.25, lw=0.5)
    return figure
