"""Curves of a quantity of many runs against a varied setting, mean and spread over the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cbramsim.core.plotting import CYCLE, axes_or_new, legend, tidy
from cbramsim.experiments.study.html_values import named
from cbramsim.experiments.study.table import worded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osv^DPX*"


def curves(
    table: pd.DataFrame,
    quantity: str,
    against: str,
    others: list[str],
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of a quantity against a setting, with its sample standard deviation.

    `table` has a row for each run; each combination of values of the columns `others` has a curve
    of its own. On `ax`, or in a new figure.
    """
    (axes,) = axes_or_new(ax, 4.5, 3.2)
    name, scale = named(quantity, table[quantity])
    numbers = pd.api.types.is_numeric_dtype(table[against])
    table = worded(table, [against, *others])
    kinds = list(table[against].unique())
    groups = table.groupby(others, sort=False) if others else [((), table)]
    for place, (values, group) in enumerate(groups):
        found = group.groupby(against)[quantity].agg(["mean", "std"]).fillna({"std": 0.0})
        found = found if numbers else found.reindex(kinds)  # all curves have the same places
        at = np.asarray(found.index, float) if numbers else np.arange(len(found))
        label = ", ".join(f"{_short(k)} {v}" for k, v in zip(others, values, strict=True))
        axes.errorbar(
            at, scale * found["mean"], scale * found["std"], label=label, capsize=2,
            marker=MARKERS[place % len(MARKERS)], markersize=4, color=CYCLE[place % len(CYCLE)],
            linestyle="-" if numbers else "none",
        )  # fmt: skip
    if not numbers:
        axes.set_xticks(range(len(kinds)), kinds, rotation=20, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(kinds) - 0.5)
    axes.set_xlabel(against)
    axes.set_ylabel(name)
    if others:
        legend(axes)
    return tidy(axes)


def legend_below(figure: Figure, ax: Axes) -> None:
    """Give a figure one legend for all its axes, that of `ax`, below them."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(
        handles, labels, frameon=False, fontsize="x-small", loc="outside lower center", ncols=3
    )


def _short(key: str) -> str:
    return key.rpartition(".")[2]
