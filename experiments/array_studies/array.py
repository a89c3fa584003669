"""`cbram array`: the array as it is built: converters, tiles, binary cells, programming."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.toml_files import flat, nested
from cbramsim.core.units import in_prefixed
from cbramsim.experiments import run_folder
from cbramsim.experiments.array_studies import array_plan
from cbramsim.experiments.array_studies.array_claims import claims
from cbramsim.experiments.array_studies.array_costs import (
    IMAGES,
    USUAL_BITS,
    USUAL_KIND,
    Trained,
    product_costs,
    product_errors,
)
from cbramsim.experiments.array_studies.array_plan import ANALOG, FULL, QUICK, Scope
from cbramsim.experiments.array_studies.array_speed import product_speed
from cbramsim.experiments.array_studies.programming import (
    ProgrammingStudy,
    programming_figure,
    programming_study,
)
from cbramsim.experiments.device_studies.study import (
    HERE,
    Cases,
    Row,
    Where,
    carry_out,
    check_base,
    mean_and_spread,
    planned,
    studying,
)
from cbramsim.experiments.results import in_percent, read_metrics, saved_in
from cbramsim.experiments.run_folder import STATE
from cbramsim.experiments.sweep import PlannedRun, Sweep, seeds_of, write_csv
from cbramsim.experiments.train import Data, TrainConfig
from cbramsim.simulator.array.binary import capacity
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.network import SpikingNetwork

TABLE, PRODUCTS, PARTS, ERRORS = "runs.csv", "products.csv", "parts.csv", "product_errors.csv"
SUMMARY, SPEED = "summary.json", "speed.json"
COMPONENTS: dict[str, tuple[Operation, ...]] = {
    "word lines": (Operation.WORD_LINE_DRIVE,),
    "cells": (Operation.CELL_READ,),
    "reference": (Operation.REFERENCE_READ,),
    "wires": (Operation.READ_WIRE, Operation.PROGRAM_WIRE),
    "ADC": (Operation.ADC_CONVERSION,),
    "shift-add": (Operation.SHIFT_ADD,),
    "neurons": (Operation.NEURON_UPDATE, Operation.OUTPUT_SPIKE),
    "sensing": (Operation.SENSE_READ, Operation.BIT_SENSE),
    "pulses": (
        Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.PRUNE_SET_PULSE,
        Operation.PROGRAM_PULSE, Operation.PROGRAM_LINE, Operation.HALF_SELECT,
        Operation.BIT_SET, Operation.BIT_RESET,
    ),
}  # fmt: skip
"""Where joules go; every operation is in one of them."""
BINARY_BITS_SHOWN = (1, 2, 3, 4, 8)
"""For what fits into 512 kbit."""


class ArrayStudy(NamedTuple):
    """What the study found."""

    out: Path
    rows: list[Row]
    """One for each run, as in runs.csv."""
    summary: dict[str, Any]
    programming: ProgrammingStudy
    failures: list[Any]

    def report(self) -> str:
        """Return what was found, for people."""
        size = self.summary["size"]
        lines = [
            f"{size['train_images']:,} images learned in {size['epochs']} epochs, scored on "
            f"{size['scored_images']:,} images of the {size['scored_on']} set, "
            f"{size['seeds']} seeds",
            "",
            table(self.summary),
            "",
            product_table(self.summary),
            "",
        ]
        for claim in self.summary["claims"]:
            held = {True: "held  ", False: "missed", None: "      "}[claim["held"]]
            spread = "" if claim["spread"] is None else f" ± {claim['spread']:.2g}"
            interval = (
                "" if claim["interval"] is None else " [{:.3g}, {:.3g}]".format(*claim["interval"])
            )
            lines.append(f"{held}  {claim['name']:<28} {claim['value']:.4g}{spread}{interval}")
        lines += [f"failed  {failure.name}: {failure.error}" for failure in self.failures]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return all figures as one JSON object."""
        return json.dumps(self.summary, indent=2)


def run(
    base: dict[str, Any],
    out: Path,
    *,
    seeds: int = 3,
    full: bool = False,
    quick: bool = False,
    at: Where = HERE,
) -> ArrayStudy:
    """Study the array with its circuits, or do what is left of it, and write what was found.

    Parameters
    ----------
    base
        Keys of the configuration that all runs share, nested.
    out
        The folder.
    seeds
        Runs of each case, with the seeds 0, 1, ...
    full
        Learn all images for three epochs, and score on the test set; otherwise some of the
        training images are learned once, and others of them scored on.
    quick
        Only show that everything works.
    at
        Where runs are carried out.

    Raises
    ------
    CbramError
        If an argument or the folder is wrong.
    """
    check_base("array", flat(base), *array_plan.VARIED)
    scope = QUICK if quick else FULL
    size = array_plan.QUICK_SIZE if quick else {} if full else array_plan.SIZE
    shared = nested({**size, **flat(base)})
    config = TrainConfig(**shared)
    runs = _runs(shared, config, scope, seeds)
    description = {"experiment": "array", "base": shared, "seeds": seeds}
    with studying(out, "array", at):
        data = Data(config)  # refuses numbers of images that there are not
        sweep = carry_out(runs, out / "learning", description, at)
        rows = [row | _components(sweep, row["run"]) for row in sweep.rows()]
        speed = _speed(out, scope, at.force)
        programming = programming_study(config.technology())
        summary, products = _collect(sweep, rows, config, data, scope, speed, programming, seeds)
        found = ArrayStudy(out, rows, summary, programming, sweep.failures)
        _write(found, products)
    return found


def table(summary: dict[str, Any]) -> str:
    """Return every case as a Markdown table: accuracy and energies per image."""
    lines = [
        "| case | accuracy | training, per image | of which ADC | per image read |",
        "| --- | --- | --- | --- | --- |",
    ]
    for point in summary["points"]:
        joules, adc = point["train_joules_per_image"][0], point["components"]["ADC"]
        lines.append(
            f"| {point['case']} | {in_percent(*point['accuracy'])} | {in_prefixed(joules, 'J')} | "
            f"{adc / joules:.0%} | {in_prefixed(point['inference_joules'][0], 'J')} |"
        )
    same = [f"{name} is {first}" for name, first in summary["layouts"].items() if name != first]
    if same:
        lines.append(f"\nFor this network, {', '.join(same)}.")
    return "\n".join(lines)


def product_table(summary: dict[str, Any]) -> str:
    """Return what one product of the trained matrix costs, and how far it is off, as Markdown."""
    lines = [
        "One product, inputs bit by bit, converters of 8 bits; error in parts of the product's "
        "standard deviation, as it is and with all currents 1 % low:",
        "",
        "| tiles | reference | energy | latency | area | error | 1 % low |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    errors = {
        (e["tile"], e["reference"], e["adc_bits"], e["disturbance"]): e["error"]
        for e in summary["product_errors"]
    }
    for found in summary["products"]:
        if (found["encoding"], found["adc_bits"]) != (USUAL_KIND, USUAL_BITS):
            continue
        key = found["tile"], found["reference"], USUAL_BITS
        lines.append(
            f"| {found['tile']} | {found['reference']} | {in_prefixed(found['joules'], 'J')} | "
            f"{in_prefixed(found['seconds'], 's')} | {found['mm2']:.3g} mm2 | "
            f"{errors[(*key, 'none')]:.2%} | {errors[(*key, 'all currents 1 % low')]:.2%} |"
        )
        unpriced = found["unpriced"]
    if summary["products"]:
        lines.append(f"\nWithout a price: {unpriced}.")
    fit = [entry["bits"] for entry in summary["capacity_512_kbit"] if entry["fits"]]
    lines.append(f"Weights of {', '.join(map(str, fit)) or 'no'} bits fit into 512 kbit.")
    return "\n".join(lines)


# ---- runs --------------------------------------------------------------------------------------


def _runs(
    base: dict[str, Any], config: TrainConfig, scope: Scope, seeds: int
) -> list[PlannedRun]:  # fmt: skip
    cases = array_plan.cases(config, scope)
    return [
        # the matrix of which products are formed
        run._replace(keep_state=run.settings["case"] == ANALOG and run.settings["seed"] == 0)
        for run in planned(base, cases, seeds_of("array", seeds, len(cases)))
    ]


def _components(sweep: Sweep, run: str) -> dict[str, float]:
    """Return the joules of a run by phase and component: they add up to those of the phase."""
    metrics = read_metrics(sweep.folder(run))
    return {
        f"{column}_{name.replace(' ', '_')}_joules": sum(
            metrics["energy"][phase].get(operation.name.lower(), {"joules": 0.0})["joules"]
            for operation in operations
        )
        for column, phase in (("train", "train"), ("test", metrics["scored_on"]))
        for name, operations in COMPONENTS.items()
    }


def _speed(out: Path, scope: Scope, force: bool) -> dict[str, dict[str, float]]:
    """Return what was measured in this folder before, or measure it."""
    path = out / SPEED
    if path.is_file() and not force:
        with saved_in(path):
            found: dict[str, dict[str, float]] = json.loads(path.read_text())
            return found
    found = product_speed(scope.batches, scope.repetitions)
    run_folder.write_json(path, found)
    return found


# ---- what they found ---------------------------------------------------------------------------


def _collect(
    sweep: Sweep, rows: list[Row], config: TrainConfig, data: Data, scope: Scope,
    speed: dict[str, dict[str, float]], programming: ProgrammingStudy, seeds: int,
) -> tuple[dict[str, Any], dict[str, list[Row]]]:  # fmt: skip
    learned = config.epochs * data.train_count
    cases = Cases(rows)
    names = dict.fromkeys(row["case"] for row in rows)
    points = [_point(cases, name, learned) for name in names]
    trained = _trained(sweep, data)
    products = {}
    if trained:
        totals, parts = product_costs(trained, scope.adc_bits, config.readout.adc_source)
        errors = product_errors(trained, scope.adc_bits)
        products = {PRODUCTS: totals, PARTS: parts, ERRORS: errors}
    summary = {
        "claims": claims(cases, config, scope, speed, programming.to_dict()),
        "size": {
            "train_images": data.train_count, "epochs": config.epochs, "seeds": seeds,
            "scored_images": len(data.score_images),
            "scored_on": "validation" if config.validation_images else "test",
        },
        "layouts": array_plan.layouts(config),
        "points": points,
        "capacity_512_kbit": [
            {"bits": bits} | fit._asdict() | {"fits": fit.fits}
            for bits in BINARY_BITS_SHOWN
            for fit in [capacity(bits, config.planned_inputs, config.neurons)]
        ],
        "products": products.get(PRODUCTS, []),
        "product_parts": products.get(PARTS, []),
        "product_errors": products.get(ERRORS, []),
        "product_speed": speed,
        "programming": programming.to_dict(),
        "versions": run_folder.versions(),
    }  # fmt: skip
    return summary, products


def _point(cases: Cases, name: str, learned: int) -> dict[str, Any]:
    """Return mean and spread of what a case found, and its settings."""
    first = cases.of(name)[0]
    facts = ("case", "part", "layout", "adc_bits", "error", "lsb", "bits", "read")
    joules = cases.values(name, "train_joules") / learned
    return {key: first[key] for key in facts if key in first} | {
        "seeds": len(cases.of(name)),
        "accuracy": mean_and_spread(cases.values(name, "accuracy")),
        "train_joules_per_image": mean_and_spread(joules),
        "inference_joules": mean_and_spread(cases.values(name, "inference_joules")),
        "write_pulses": mean_and_spread(cases.values(name, "write_pulses")),
        "components": {
            part: float(cases.values(name, f"train_{part.replace(' ', '_')}_joules").mean())
            / learned
            for part in COMPONENTS
        },
    }


def _trained(sweep: Sweep, data: Data) -> Trained | None:
    """Return the matrix of the analog run of seed 0, if it was finished."""
    kept = next((run for run in sweep.finished() if run.keep_state), None)
    if kept is None:
        return None
    network = SpikingNetwork.load(sweep.folder(kept.name) / STATE)
    images = network.select_pixels(data.score_images[:IMAGES])
    return Trained(
        network.device, network.periphery, network.crossbar.weights.clip(-1, 1).astype(float),
        images / 256,
    )  # fmt: skip


def _write(found: ArrayStudy, products: dict[str, list[Row]]) -> None:
    # matplotlib takes longer to import than a small run takes
    from cbramsim.experiments.array_studies import array_figures

    write_csv(found.out / TABLE, found.rows)
    for name, rows in products.items():
        write_csv(found.out / name, rows)
    run_folder.write_json(found.out / SUMMARY, found.summary)
    array_figures.converters(found.summary, found.out)
    array_figures.components(found.summary, found.out)
    array_figures.binary(found.summary, found.out)
    programming_figure(found.programming, found.out / "programming.png")
