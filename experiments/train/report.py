"""Report of a finished run: on the terminal, and in report.html, which can be mailed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cbramsim.core.units import in_prefixed
from cbramsim.devices.endurance import YEAR
from cbramsim.experiments.run_folder import FIGURES, REPORT
from cbramsim.experiments.study.html import Page, constants, write_html
from cbramsim.simulator.energy.ledger import Operation

CAPTIONS = (
    "Weights of the neurons that fired most, each as an image",
    "Conductances before and after training",
    "Energy by operation, in parts by phase",
    "Accuracy and pruned weights while learning",
    "Classes that are taken for others",
)
"""Captions of `FIGURES`, in their order."""


def summary(metrics: dict[str, Any]) -> str:
    """Return the results of a run, for people."""
    scored_on = metrics["scored_on"]
    per_image = metrics["energy_joules_per_image"]
    lines = [
        f"{scored_on} accuracy      {metrics[f'{scored_on}_accuracy']:.2%} (class-profile vote), "
        f"{metrics[f'{scored_on}_accuracy_majority']:.2%} (majority vote), "
        f"{metrics['labels_used']:,} training labels",
        f"pruning            {metrics['pruning']}, {metrics['pruned_fraction']:.1%} of the weights",
        "energy             "
        + ", ".join(f"{k} {in_prefixed(v, 'J')}" for k, v in metrics["energy_joules"].items()),
        "energy per image   "
        + ", ".join(f"{phase} {in_prefixed(v, 'J')}" for phase, v in per_image.items()),
        f"training time      {metrics['training_seconds']:.1f} s",
    ]
    assumed = [
        key for part in metrics["parameter_evidence"].values()
        for key, grade in part.items() if grade == "assumed"
    ]  # fmt: skip
    total = sum(len(part) for part in metrics["parameter_evidence"].values())
    lines.append(f"evidence           {len(assumed)} of {total} physical parameters are assumed")
    behind = metrics["wires"]
    if behind["solutions"]:
        lines.append(
            f"wires              reads see {behind['seen']:.1%} of the conductance; solved for "
            f"{behind['solutions']} times while learning, mean reads right to {behind['error']:.2%}"
            + (f", single ones to {behind['scatter']:.2%}" if behind["scatter"] else "")
        )
    worn = metrics["wear"]
    if worn["years"] is not None:
        rate, life = worn["images_per_second"], in_prefixed(worn["years"] * YEAR, "s")
        lines.append(
            f"wear               the hottest cell got {worn['hottest']:,} pulses, and is worn out "
            f"after {life} at {rate:g} images per second"
        )
    return "\n".join(lines)


def write(folder: Path, config: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Write the report of a finished run beside its figures, which it includes.

    `config` and `metrics` are the contents of config.toml and metrics.json.
    """
    scored_on = metrics["scored_on"]
    per_image = metrics["energy_joules_per_image"]
    images = metrics["train_images"]
    figures = zip(CAPTIONS, FIGURES, strict=True)
    page = Page(
        title=f"{Path(str(config['dataset'])).name} on {Path(metrics['device']).stem}",
        summary=(
            f"{metrics[f'{scored_on}_accuracy']:.2%} of {metrics[f'{scored_on}_images']:,} "
            f"{scored_on} images are recognised by {metrics['neurons']:,} neurons that learned "
            f"from {images:,} images in {metrics['epochs']:,} epoch{'s'[: metrics['epochs'] > 1]}. "
            f"Training took {in_prefixed(metrics['energy_joules']['train'], 'J')}, and scoring "
            f"{in_prefixed(per_image[scored_on], 'J')} for each image; "
            f"{metrics['pruned_fraction']:.1%} of the weights were pruned."
        ),
        table=_energies(metrics["energy"]),
        table_title="Energy",
        figures={caption: folder / name for caption, name in figures if (folder / name).is_file()},
        configuration=config,
        evidence=constants(
            {part: metrics[f"{part}_parameters"] for part in ("device", "periphery")}
        ),
        versions=metrics["versions"],
    )
    write_html(folder / REPORT, page)


def _energies(energy: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    """Return count and energy of all operations, as rows."""
    rows = []
    for phase, operations in energy.items():
        total = sum(booked["joules"] for booked in operations.values())
        for name, booked in operations.items():
            count, joules = booked["count"], booked["joules"]
            rows.append(
                {
                    "operation": Operation[name.upper()].label,
                    "phase": phase,
                    "count": count,
                    "joules": joules,
                    "share of the phase": joules / total if total else None,
                    "joules per event": joules / count if count else None,
                }
            )
    return rows
