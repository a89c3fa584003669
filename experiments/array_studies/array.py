"""`cbram array`: the array as it is built: converters, tiles, binary cells, programming."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbramsim.core.toml_files import flat, nested
from cbramsim.core.units import in_prefixed
from cbramsim.experiments.array_studies import array_figures, array_plan
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
from cbramsim.experiments.results import in_percent, read_metrics
from cbramsim.experiments.study.cases import check_base, planned, seeds_of
from cbramsim.experiments.study.findings import TABLE, Findings, evidence_of
from cbramsim.experiments.study.folder import study_folder
from cbramsim.experiments.study.once import once
from cbramsim.experiments.study.runner import HERE, Runner, Where
from cbramsim.experiments.study.table import Cases, markdown, mean_and_spread, tidy
from cbramsim.experiments.train import Data, TrainConfig
from cbramsim.simulator.array.binary import capacity
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation

PRODUCTS, PARTS, ERRORS = "products.csv", "parts.csv", "product_errors.csv"
SPEED = "speed.json"
COMPONENTS: dict[str, tuple[Operation, ...]] = {
    "word lines": (Operation.WORD_LINE_DRIVE, Operation.BIT_LINE_DRIVE),
    "cells": (Operation.CELL_READ, Operation.TRANSPOSED_READ),
    "reference": (Operation.REFERENCE_READ,),
    "wires": (Operation.READ_WIRE, Operation.PROGRAM_WIRE),
    "ADC": (Operation.ADC_CONVERSION,),
    "shift-add": (Operation.SHIFT_ADD,),
    "neurons": (Operation.NEURON_UPDATE, Operation.OUTPUT_SPIKE),
    "optimizer": (Operation.MEMORY_BYTE, Operation.MULTIPLY_ADD),
    "sensing": (Operation.SENSE_READ, Operation.BIT_SENSE),
    "pulses": (
        Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.PRUNE_SET_PULSE,
        Operation.PROGRAM_PULSE, Operation.PROGRAM_LINE, Operation.HALF_SELECT,
        Operation.BIT_SET, Operation.BIT_RESET, Operation.RENEWAL_PULSE,
    ),
}  # fmt: skip
"""Components of the energy; every operation is in one of them."""
BINARY_BITS_SHOWN = (1, 2, 3, 4, 8)
"""Bits of a weight for which the capacity of 512 kbit is shown."""


def run(
    base: dict[str, Any],
    out: Path,
    *,
    seeds: int = 3,
    full: bool = False,
    quick: bool = False,
    at: Where = HERE,
) -> Findings:
    """Study the array with its circuits, or the remaining part of it, and write the findings.

    `base` are nested keys of the configuration that all runs share. If `full`, all images are
    learned for three epochs, and the test set scored; otherwise some training images once, and
    others of them scored. `quick` only shows that everything works. Raises `CbramError` if an
    argument or the folder is wrong.
    """
    check_base("array", flat(base), *array_plan.VARIED)
    scope = QUICK if quick else FULL
    size = array_plan.QUICK_SIZE if quick else {} if full else array_plan.SIZE
    shared = nested({**size, **flat(base)})
    config = TrainConfig(**shared)
    cases = array_plan.cases(config, scope)
    runs = planned(shared, cases, seeds_of("array", seeds, len(cases)), _is_multiplied)
    description = {"experiment": "array", "base": shared, "seeds": seeds}
    with study_folder(out, "array", at):
        data = Data(config)  # refuses numbers of images that there are not
        runner = Runner(runs, out / "learning", description, at)
        runner.go()
        speed = once(
            out / SPEED, lambda: product_speed(scope.batches, scope.repetitions), again=at.force
        )
        programming = programming_study(config.technology())
        found = _collect(out, runner, config, data, scope, speed, programming, seeds)
        drawn = array_figures.of(found.summary)
        found.write(drawn | {"programming.png": programming_figure(programming)})
    return found


def text(summary: dict[str, Any]) -> str:
    """Return the results of learning, and the costs of a product, as Markdown."""
    size = summary["size"]
    scale = (
        f"{size['train_images']:,} images learned, {size['epochs']} epochs, scored on "
        f"{size['scored_images']:,} images of the {size['scored_on']} set, {size['seeds']} seeds"
    )
    return "\n\n".join([scale, table(summary), product_table(summary)])


def table(summary: dict[str, Any]) -> str:
    """Return every case as a Markdown table: accuracy and energies per image."""
    heads = ("case", "accuracy", "training, per image", "of which ADC", "per image read")
    told = markdown(heads, map(_cells, summary["points"]))
    same = [f"{name} is {first}" for name, first in summary["layouts"].items() if name != first]
    return told + (f"\n\nFor this network, {', '.join(same)}." if same else "")


def _cells(point: dict[str, Any]) -> tuple[str, ...]:
    joules, adc = point["train_joules_per_image"][0], point["components"]["ADC"]
    return (
        point["case"], in_percent(*point["accuracy"]), in_prefixed(joules, "J"),
        f"{adc / joules:.0%}", in_prefixed(point["inference_joules"][0], "J"),
    )  # fmt: skip


def product_table(summary: dict[str, Any]) -> str:
    """Return the costs and errors of one product of the trained matrix, as Markdown."""
    errors = {
        (e["tile"], e["reference"], e["adc_bits"], e["disturbance"]): e["error"]
        for e in summary["product_errors"]
    }
    usual = [
        found for found in summary["products"]
        if (found["encoding"], found["adc_bits"]) == (USUAL_KIND, USUAL_BITS)
    ]  # fmt: skip
    heads = ("tiles", "reference", "energy", "latency", "area", "error", "1 % low")
    told = markdown(heads, (
        (
            found["tile"], found["reference"], in_prefixed(found["joules"], "J"),
            in_prefixed(found["seconds"], "s"), f"{found['mm2']:.3g} mm2",
            *(
                f"{errors[found['tile'], found['reference'], USUAL_BITS, fault]:.2%}"
                for fault in ("none", "all currents 1 % low")
            ),
        )
        for found in usual
    ))  # fmt: skip
    unpriced = [f"\nWithout a price: {found['unpriced']}." for found in usual[-1:]]
    fit = [entry["bits"] for entry in summary["capacity_512_kbit"] if entry["fits"]]
    return "\n".join([
        "One product, inputs bit by bit, converters of 8 bits; error in parts of the product's "
        "standard deviation, as it is and with all currents 1 % low:",
        "",
        told,
        *unpriced,
        f"Weights of {', '.join(map(str, fit)) or 'no'} bits fit into 512 kbit.",
    ])  # fmt: skip


# ---- runs --------------------------------------------------------------------------------------


def _is_multiplied(case: str, seed: int) -> bool:
    """Return whether a run's matrix is the one used for products."""
    return case == ANALOG and seed == 0


def _components(runner: Runner, run: str) -> dict[str, float]:
    """Return the joules of a run by phase and component: they add up to those of the phase."""
    metrics = read_metrics(runner.folder(run))
    return {
        f"{column}_{name.replace(' ', '_')}_joules": sum(
            metrics["energy"][phase].get(operation.name.lower(), {"joules": 0.0})["joules"]
            for operation in operations
        )
        for column, phase in (("train", "train"), ("test", metrics["scored_on"]))
        for name, operations in COMPONENTS.items()
    }


# ---- what they found ---------------------------------------------------------------------------


def _collect(
    out: Path, runner: Runner, config: TrainConfig, data: Data, scope: Scope,
    speed: dict[str, dict[str, float]], programming: ProgrammingStudy, seeds: int,
) -> Findings:  # fmt: skip
    runs = runner.table().to_dict("records")
    table = tidy(run | _components(runner, run["run"]) for run in runs)
    learned = config.epochs * data.train_count
    cases = Cases(table)
    points = [_point(cases, name, learned) for name in cases.names]
    trained = _trained(runner, data)
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
            "scored_on": config.scored_on,
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
    }  # fmt: skip
    tables = {TABLE: table, **products}
    return Findings(
        out, text(summary), summary, tables, runner.failures, base=config.model_dump(),
        title="The array as it is built",
        evidence=evidence_of(config.technology(), Periphery.load(config.periphery)),
    )  # fmt: skip


def _point(cases: Cases, name: str, learned: int) -> dict[str, Any]:
    """Return mean and spread of the results of a case, and its settings."""
    first = cases.first(name)
    facts = ("case", "part", "layout", "adc_bits", "error", "lsb", "bits", "read")
    joules = cases.values(name, "train_joules") / learned
    return {key: first[key] for key in facts if first.get(key) is not None} | {
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


def _trained(runner: Runner, data: Data) -> Trained | None:
    """Return the matrix of the analog run of seed 0, if it was finished."""
    network = runner.networks("case").get(ANALOG)
    if network is None:
        return None
    images = network.select_pixels(data.score_images[:IMAGES])
    return Trained(
        network.device, network.periphery, network.crossbar.weights.clip(-1, 1).astype(float),
        images / 256,
    )  # fmt: skip
