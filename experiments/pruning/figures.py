"""Figures of the pruning study: one message each, units on the axes, colour-blind-safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from cbramsim.core.plotting import COLUMN_WIDTH, axes_grid, titled, with_absent
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.pruning.claims import Found, decomposition
from cbramsim.experiments.pruning.plan import ALL_POLICIES, HARD_FRACTION, MAIN_FRACTION, Policy
from cbramsim.experiments.study.curves import legend_below
from cbramsim.experiments.study.table import paired
from cbramsim.simulator.drawing.plots import image_shape_of, mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cbramsim.experiments.study.runner import Runner
    from cbramsim.simulator.learning.network import SpikingNetwork

STYLES = {
    "unpruned": ("black", "s", "-"),
    "soft-floor": ("#56B4E9", "v", "-"),
    "soft-mean": ("#0072B2", "o", "-"),
    "soft-constant": ("#CC79A7", "D", "-"),
    "soft-freeze": ("#009E73", "^", "-"),
    "soft-mean-2": ("#332288", "P", "-"),
    "hard": ("#D55E00", "x", "--"),
    "hard-after": ("#E69F00", "+", "--"),
    "hard-salient": ("#882255", "1", "--"),
}
"""Colour, marker and line of each policy."""
REFERENCE = ((0.0, 94.0, "*"), (MAIN_FRACTION, 93.0, "*"), (HARD_FRACTION, 90.0, "v"))
"""Results of the reference: fraction, accuracy (%), and whether it is a bound (v)."""
SHOWN_CLASSES = 10
"""Most receptive fields in a row: one of each class."""


def of(table: pd.DataFrame, summary: dict[str, Any], runner: Runner) -> dict[str, Figure]:
    """Return every figure for which there are runs, by the name of its file."""
    found, made = Found(table), {}
    if len(found.select("unpruned")):
        made = {
            "accuracy.png": titled(_accuracy(found), _losses(found)),
            "energy.png": titled(_energy(found), _energy_left(found)),
            "pareto.png": titled(
                _pareto(found), "Accuracy against energy, and what nothing beats in both"
            ),
        }
    if len(decomposition(found)) > 1:
        made["waterfall.png"] = titled(_waterfall(found), _saved_in_all(found))
    if saved := {name: kinds for name, kinds in summary["savings"].items() if kinds}:
        made["savings.png"] = titled(_savings(saved), _left(saved))
    if len(networks := _networks(runner)) > 1:
        made["weights.png"] = titled(_weights(networks), "What neurons have learned, by policy")
    return made


def _losses(found: Found) -> str:
    """Return the losses by soft and hard pruning at the reference's fractions, in points."""
    told = []
    for kind, name, fraction in (
        ("soft", "soft-mean", MAIN_FRACTION), ("hard", "hard", HARD_FRACTION),
    ):  # fmt: skip
        rows = found.select(name, target_fraction=fraction)
        pairs = paired(rows, found.select("unpruned"), "accuracy")
        if len(pairs):
            points = 100 * (pairs[:, 0] - pairs[:, 1]).mean()
            told.append(f"{100 * fraction:.0f} % {kind}-pruned: {points:+.2f} points")
    return "; ".join(told) or "Accuracy over the pruned fraction"


def _energy_left(found: Found) -> str:
    """Return the savings by freezing, of training and of programming, at the reference's
    fraction."""
    rows = found.select("soft-freeze", target_fraction=MAIN_FRACTION)
    told = []
    for quantity, what in (("train_joules", "training"), ("write_joules", "programming")):
        pairs = paired(rows, found.select("unpruned"), quantity)
        if len(pairs):
            told.append(f"{100 * (pairs[:, 0] / pairs[:, 1] - 1).mean():+.0f} % of {what}")
    frozen = f"{100 * MAIN_FRACTION:.0f} % frozen"
    return f"{frozen}: {', '.join(told)}" if told else "Energy of training"


def _saved_in_all(found: Found) -> str:
    """Return the saving of all steps of the algorithm that were run together."""
    joules = [rows["train_joules"].mean() for _, rows in decomposition(found)]
    return f"The algorithm takes {joules[0] / joules[-1]:,.3g} times less energy to train"


def _left(saved: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the energy of programming that remains with the policy that saves the most."""
    kind, pruned = "programming pulses and lines", f"{100 * MAIN_FRACTION:.0f} % pruned"
    left = {
        name: kinds[kind]["with"] / kinds[kind]["without"]
        for name, kinds in saved.items()
        if kind in kinds and kinds[kind]["without"]
    }
    if not left:
        return f"What is left of each cost, {pruned}"
    best = min(left, key=lambda name: left[name])
    return f"{ALL_POLICIES[best].label}, {pruned}: {100 * left[best]:.0f} % of {kind} are left"


def _accuracy(found: Found) -> Figure:
    """Draw accuracy over the pruned fraction, by rule."""
    rules = [rule for rule in ("device", "ideal") if len(found.select("unpruned", rule))]
    figure, axes = axes_grid(1, len(rules), max(COLUMN_WIDTH * len(rules), 6), 3.8, sharey="row")
    for ax, rule in zip(axes, rules, strict=True):
        for policy in ALL_POLICIES.values():
            _curve(ax, found, rule, policy, "accuracy", 100)
        _reference_points(ax)
        ax.set_title("device pulses" if rule == "device" else "ideal rule", size=9)
        ax.set_xlabel("pruned weights (%)")
        ax.grid(alpha=0.3)
    accuracies = 100 * found.table["accuracy"]
    axes[0].set_ylim(max(min(accuracies) - 1, max(accuracies) - 15), max(max(accuracies), 94) + 0.7)
    axes[0].set_ylabel("test accuracy (%)")
    legend_below(figure, axes[0])
    return figure


def _energy(found: Found) -> Figure:
    """Draw training energy over the pruned fraction: all of it, and that of writing."""
    figure, axes = axes_grid(1, 2, 2 * COLUMN_WIDTH, 3.4)
    shown = {"train_joules": "all of training", "write_joules": "programming: pulses and lines"}
    for ax, (quantity, title) in zip(axes, shown.items(), strict=True):
        for policy in ALL_POLICIES.values():
            _curve(ax, found, "device", policy, quantity, 1e6)
        ax.set_ylim(0, None)
        ax.set_xlabel("pruned weights (%)")
        ax.set_ylabel("energy (µJ)")
        ax.set_title(title, size=9)
        ax.grid(alpha=0.3)
    legend_below(figure, axes[0])
    return figure


def _curve(ax: Axes, found: Found, rule: str, policy: Policy, quantity: str, scale: float) -> None:
    """Draw mean and standard deviation of one quantity over the fraction, from 0 on."""
    rows = found.select(policy.name, rule)
    if not len(rows):
        return
    rows = pd.concat([found.select("unpruned", rule), rows])
    groups = rows.groupby("target_fraction")
    x = 100 * groups["pruned_fraction"].mean()
    mean, spread = scale * groups[quantity].mean(), scale * groups[quantity].std().fillna(0.0)
    colour, marker, line = STYLES[policy.name]
    ax.plot(x, mean, color=colour, marker=marker, ls=line, ms=4, lw=1.2, label=policy.label)
    ax.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)


def _reference_points(ax: Axes) -> None:
    label: str | None = "reference (▼: below)"
    for fraction, accuracy, marker in REFERENCE:
        ax.plot(
            100 * fraction, accuracy, marker, ms=10 if marker == "*" else 7, mfc="white",
            mec="black", ls="none", label=label, zorder=5,
        )  # fmt: skip
        label = None


def _pareto(found: Found) -> Figure:
    """Draw accuracy against training energy, with the Pareto front."""
    figure, (ax,) = axes_grid(1, 1, 1.5 * COLUMN_WIDTH, 3.6)
    points: list[tuple[float, float]] = []
    for name in ("unpruned", *ALL_POLICIES):
        means = _means(found, name)
        if len(means):
            colour, marker, _ = STYLES[name]
            label = ALL_POLICIES[name].label if name in ALL_POLICIES else "not pruned"
            ax.plot(
                means[:, 0], means[:, 1], marker, color=colour, ms=5, ls="none", label=label,
                mfc="none" if marker in "osvD^P" else colour,
            )  # fmt: skip
            points += [tuple(point) for point in means]
    front = _front(np.array(points))
    ax.step(front[:, 0], front[:, 1], where="post", color="0.5", lw=1, zorder=0, label="best known")
    ax.set_xlabel("training energy (µJ)")
    ax.set_ylabel("test accuracy (%)")
    accuracies = [y for _, y in points]
    ax.set_ylim(max(max(accuracies) - 6, min(accuracies) - 0.5), max(accuracies) + 0.5)
    _label_epochs(ax, found)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _label_epochs(ax: Axes, found: Found) -> None:
    """Label each unpruned network with its epochs."""
    for epochs in sorted(set(found.table["epochs"].tolist())):
        rows = found.select("unpruned", epochs=epochs)
        if len(rows):
            x, y = 1e6 * rows["train_joules"].mean(), 100 * rows["accuracy"].mean()
            ax.annotate(
                f"{epochs} epoch{'s' * (epochs > 1)}", (x, y), (0, 8), textcoords="offset points",
                ha="center", size=7,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
            )  # fmt: skip


def _means(found: Found, policy: str) -> NDArray[np.float64]:
    """Return training energy (µJ) and accuracy (%) of every setting of a policy on the device."""
    table = found.table
    plain = {"policy": policy, "rule": "device", "update": "winner", "access": "transistor"}
    for key, value in plain.items():
        table = table[table[key] == value]
    settings = table.groupby(["target_fraction", "maturity", "epochs"], dropna=False, sort=False)
    means: NDArray[np.float64] = settings[["train_joules", "accuracy"]].mean().to_numpy()
    return means * (1e6, 100)


def _front(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Pareto front: points not beaten in both energy and accuracy, by energy."""
    best, front = -np.inf, []
    for energy, accuracy in points[np.lexsort((-points[:, 1], points[:, 0]))]:
        if accuracy > best:
            best = accuracy
            front.append((energy, accuracy))
    return np.array(front)


def _waterfall(found: Found) -> Figure:
    """Draw the effect of each step of the algorithm on pulses and joules."""
    steps = decomposition(found)
    x = np.arange(len(steps))
    figure, (left, right) = axes_grid(1, 2, 2 * COLUMN_WIDTH, 3.4)
    for ax, quantity, label, colour in (
        (left, "write_pulses", "write pulses", "#0072B2"),
        (right, "train_joules", "training energy (J)", "#D55E00"),
    ):
        means = np.array([rows[quantity].mean() for _, rows in steps])
        bottom = means.min() / 5
        ax.bar(x, means - bottom, bottom=bottom, color=colour, width=0.65)
        for n, mean in enumerate(means):
            factor = "" if n == 0 else f"\n÷ {means[n - 1] / mean:.3g}"
            joules = quantity.endswith("joules")
            size = in_prefixed(mean, "J") if joules else f"{mean / 1e6:,.3g} million"
            ax.text(n, mean * 1.15, size + factor, ha="center", size=7)
        ax.set_yscale("log")
        ax.set_ylim(bottom, means.max() * 12)
        ax.set_ylabel(label)
        ax.set_xticks(x, [step for step, _ in steps], size=6.5)
        ax.set_title(f"÷ {means[0] / means[-1]:,.0f} in all", size=9)
    accuracies = " → ".join(f"{100 * rows['accuracy'].mean():.1f}" for _, rows in steps)
    figure.supxlabel(f"test accuracy {accuracies} %", size=8)
    return figure


def _savings(tables: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Draw the savings of soft pruning in each kind of cost."""
    kinds = list(dict.fromkeys(kind for table in tables.values() for kind in table))
    figure, (ax,) = axes_grid(1, 1, 1.6 * COLUMN_WIDTH, 3.6)
    height = 0.8 / len(tables)
    for n, (name, table) in enumerate(tables.items()):
        left = [
            100 * table[kind]["with"] / table[kind]["without"]
            if kind in table and table[kind]["without"] else np.nan
            for kind in kinds
        ]  # fmt: skip
        y = np.arange(len(kinds)) + n * height
        colour = STYLES[name][0]
        ink = "black" if np.mean(to_rgb(colour)) > 0.5 else "white"
        ax.barh(y, left, height, color=colour, label=ALL_POLICIES[name].label)
        for place, value in zip(y, left, strict=True):
            if np.isfinite(value):
                ax.text(
                    value - 1,
                    place,
                    f"{value:.0f} %",
                    va="center",
                    ha="right",
                    size=6,
                    color=ink,
                )
    ax.axvline(100, color="black", lw=0.8)
    ax.set_yticks(np.arange(len(kinds)) + 0.4 - height / 2, kinds, size=8)
    ax.invert_yaxis()
    ax.set_xlabel("left after soft pruning of 75 % (%)")
    ax.legend(
        frameon=False, fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2
    )
    return figure


def _weights(shown: list[tuple[str, SpikingNetwork]]) -> Figure:
    """Draw receptive fields and histograms of weights, without pruning and pruned in each way."""
    counts = shown[0][1].class_counts
    assert counts is not None
    neurons = counts.argmax(axis=0)[:SHOWN_CLASSES]
    figure, axes = axes_grid(
        len(shown), 2, 2 * COLUMN_WIDTH, 0.75 * len(shown) + 0.6, widths=(3, 1)
    )
    bins = np.linspace(-1.2, 1.2, 97)
    colours = with_absent("RdBu_r")
    for row, (label, network) in enumerate(shown):
        fields, histogram = axes[2 * row], axes[2 * row + 1]
        weights = network.crossbar.weights
        fields.imshow(_fields(network, neurons), cmap=colours, vmin=-1, vmax=1)
        fields.set_axis_off()
        fields.set_title(label, size=8, loc="left", pad=2)
        pruned = network.pruner.pruned.T
        histogram.hist(
            [weights[~pruned], weights[pruned]], bins, stacked=True, color=["#0072B2", "#D55E00"],
            label=["learning", "pruned"],
        )  # fmt: skip
        histogram.set_yscale("log")
        histogram.set_ylim(10, None)
        histogram.set_ylabel("cells", size=7)
        histogram.tick_params(labelsize=6, labelbottom=row == len(shown) - 1)
    axes[1].legend(frameon=False, fontsize="xx-small", ncols=2, loc="lower center",
                   bbox_to_anchor=(0.5, 1))  # fmt: skip
    axes[-1].set_xlabel("weight", size=8)
    return figure


def _networks(runner: Runner) -> list[tuple[str, SpikingNetwork]]:
    """Return the networks whose states were kept, of the first seed, by policy."""
    found, labels = runner.networks("policy"), {"unpruned": "not pruned"}
    for policy in ALL_POLICIES.values():
        fraction = MAIN_FRACTION if policy.mode == "soft" else HARD_FRACTION
        labels[policy.name] = f"{policy.label}, {100 * fraction:.0f} %"
    return [(labels[name], found[name]) for name in labels if name in found]


def _fields(network: SpikingNetwork, neurons: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weights of some neurons as images in a row."""
    assert network.pixels is not None
    shape = image_shape_of(network.encoder.of, None)
    return mosaic(network.crossbar.weights[:, neurons], network.pixels, shape, len(neurons))
