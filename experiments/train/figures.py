"""Figures of a training run: one message each, units on the axes, colour-blind-safe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cbramsim.core.plotting import BLUE, COLUMN_WIDTH, ORANGE, axes_grid, save, titled
from cbramsim.core.units import in_prefixed
from cbramsim.simulator.energy.ledger import EnergyLedger
from cbramsim.simulator.learning.network import SpikingNetwork


def receptive_fields(
    network: SpikingNetwork, image_shape: tuple[int, ...], out: Path, shown: int = 100
) -> None:
    """Draw the weights of the neurons that fired most, each as an image."""
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    height, width = image_shape
    network.plot(figure.add_subplot(), image_shape=(height, width), shown=shown)
    titled(figure, "What the neurons that fired most have learned")
    save(figure, out / "receptive_fields.png", dpi=150)  # resampling takes memory


def weight_histogram(network: SpikingNetwork, initial: NDArray[np.float32], out: Path) -> None:
    """Draw the distribution of the conductances before and after training."""
    crossbar, device = network.crossbar, network.device
    connected = crossbar.connected
    top = max(float(crossbar.conductance.max()), float(initial.max())) * 1e6
    bins = np.linspace(0, top, 80)
    figure, ax = _axes(COLUMN_WIDTH, 2.6)
    pruned = network.pruner.pruned.T & connected
    groups = {
        "after, learning": (connected & ~pruned, BLUE),
        "after, soft-pruned": (pruned, ORANGE),
    }
    drawn = {label: group for label, group in groups.items() if group[0].any()}
    ax.hist(
        [crossbar.conductance[mask] * 1e6 for mask, _ in drawn.values()], bins, stacked=True,
        color=[colour for _, colour in drawn.values()], label=list(drawn),
    )  # fmt: skip
    ax.hist(initial.ravel() * 1e6, bins, histtype="step", color="black", label="before")
    ax.set_xlabel("conductance (µS)")
    open_cells = int((~connected).sum())
    ax.set_ylabel(f"cells ({open_cells:,} disconnected)" if open_cells else "cells")
    ax.set_yscale("log")
    lowest, span = device.g_min * 1e6, device.g_range * 1e6
    weight_axis = ax.secondary_xaxis(
        "top",
        functions=(lambda g: 2 * (g - lowest) / span - 1, lambda w: lowest + (w + 1) * span / 2),
    )
    weight_axis.set_xlabel("weight")
    ax.legend(frameon=False, fontsize="x-small")
    titled(figure, f"Cells before and after training: {100 * network.pruner.fraction:.0f} % pruned")
    save(figure, out / "weights.png")


def energy(ledger: EnergyLedger, out: Path) -> None:
    """Draw the energy by operation and phase."""
    figure, ax = _axes(1.4 * COLUMN_WIDTH, 3.0)
    ledger.plot(ax)
    titled(figure, f"Training took {in_prefixed(ledger.total('train'), 'J')}")
    save(figure, out / "energy.png")


def learning(curve: dict[str, list[float]], images_per_epoch: int, out: Path) -> None:
    """Draw accuracy and pruned fraction over the training images."""
    figure, ax = _axes(COLUMN_WIDTH, 2.8)
    epochs = np.array(curve["images"]) / images_per_epoch
    marker = "o" if len(epochs) < 20 else ""
    for column, colour, line, label in (
        ("accuracy", BLUE, "-", "majority vote, training stream"),
        ("pruned_fraction", ORANGE, "--", "weights pruned"),
    ):
        values = 100 * np.array(curve[column])
        ax.plot(epochs, values, color=colour, ls=line, marker=marker, ms=3, label=label)
    ax.set_xlabel("epochs")
    ax.set_ylabel("accuracy, pruned weights (%)")
    ax.set_ylim(0, 100)
    ax.set_xlim(0, None)
    ax.grid(alpha=0.3)
    ax.legend(
        frameon=False, fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2
    )
    last = 100 * curve["accuracy"][-1] if curve["accuracy"] else None
    told = (
        "Too few images for a curve" if last is None else f"Accuracy while learning: {last:.1f} %"
    )
    titled(figure, told)
    save(figure, out / "learning.png")


def confusion(counts: NDArray[np.int64], names: tuple[str, ...], out: Path) -> None:
    """Draw the confusion of classes, in per cent of the true class.

    `names` are those of the classes, or none if classes have only numbers.
    """
    classes = len(counts)
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(max(3.5, 0.32 * classes), 8.0)
    figure, ax = _axes(size, size * 0.85)
    # Errors are what one looks for: the scale ends where the largest of them does.
    errors = share - np.diag(np.diag(share))
    image = ax.imshow(errors, cmap="Oranges", vmin=0, vmax=max(errors.max(), 1e-9))
    figure.colorbar(image, ax=ax, label="errors (% of the true class)", shrink=0.8)
    if classes <= 26:
        for (i, j), value in np.ndenumerate(share):
            if value >= 0.05:
                dark = i != j and value > 0.6 * errors.max()
                ax.text(
                    j, i, f"{value:.0f}" if i == j else f"{value:.1f}", ha="center", va="center",
                    fontsize=6, weight="bold" if i == j else "normal",
                    color="white" if dark else "black",
                )  # fmt: skip
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    if classes <= 26:
        # A dollar would begin a formula.
        labels = [name[:20].replace("$", r"\$") for name in names[:classes]] or range(classes)
        ax.set_xticks(range(classes), labels, rotation=90 * bool(names))
        ax.set_yticks(range(classes), labels)
    ax.tick_params(labelsize=7)
    true, taken = (int(k) for k in np.unravel_index(errors.argmax(), errors.shape))
    called = [f"{names[k][:12] if names else k}".replace("$", r"\$") for k in (true, taken)]
    titled(figure, f"Most often {called[0]} is taken for {called[1]}: {errors.max():.1f} %")
    save(figure, out / "confusion.png")


def _axes(width: float, height: float):  # type: ignore[no-untyped-def]
    figure, (ax,) = axes_grid(1, 1, width, height)
    return figure, ax
