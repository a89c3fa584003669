"""Rungs of the ladder from the records of jobs: bills, accuracies, shares of energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cbramsim.experiments.device_studies.comparison import REFERENCE
from cbramsim.experiments.ladder import digital
from cbramsim.experiments.ladder.approach import Approach, Family
from cbramsim.experiments.ladder.plan import NAMED, PRECISIONS, SMALL, Scope
from cbramsim.experiments.ladder.reuse import with_naming
from cbramsim.experiments.study.table import mean_and_spread
from cbramsim.simulator.comparison.array_bill import what_is_included
from cbramsim.simulator.comparison.chips import Chip
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.comparison.spiking import UNPRICED
from cbramsim.simulator.energy.bill import Bill, total
from cbramsim.simulator.several.reuse import Point, joules_to

Record = Mapping[str, Any]
Records = Mapping[str, Sequence[Record]]
"""Records by role, one for each seed."""

TARGETS = (0.90, 0.93)
"""Accuracies on held-out images at which approaches are compared."""
BASELINE = "FP32 perceptron, processor"
LABELS = {
    "fp32": "FP32", "fp16": "FP16", "bf16": "bfloat16", "int8": "INT8",
    "fp4": "4-bit (INT4, radix-4 FP4)", "luq": "4-bit (INT4, LUQ)",
}  # fmt: skip
OURS = {
    "exact": "exact rule, not pruned",
    "unpruned": "not pruned",
    "soft": "soft-pruned 75 %",
    "frozen": "frozen early, 75 %",
    "hard": "hard-pruned 40 %",
    "converters": "soft-pruned, 6-bit converters",
}
FROM_MEMORY = f"{REFERENCE}, soft-pruned 75 %, images from memory"
"""Name of the array that, like perceptrons, reads its images from memory."""
CHIPS = {
    "loihi-sana-fe": "Loihi, fit to silicon",
    "loihi-davies2018": "Loihi, per-event table",
    "odin": "ODIN, four chips",
    "truenorth-average": "TrueNorth, average",
}


def approaches(records: Records, scope: Scope, footprint: Footprint) -> list[Approach]:
    """Return all rungs for which there are records, unsorted."""
    made = [
        *_whole_nodes(records),
        *_perceptrons(records, footprint),
        *_tickets(records, footprint),
        *_spiking_elsewhere(records, footprint),
        *_arrays(records, scope),
        *_fed_from_memory(records, footprint),
        *_federations(records),
    ]
    return [
        one._replace(
            training=one.training and footprint.at_the_meter(one.training),
            inference=one.inference and footprint.at_the_meter(one.inference),
        )
        for one in made
    ]


def accuracy_of(records: Iterable[Record]) -> tuple[float, float | None]:
    """Return mean and spread of the test accuracy over seeds."""
    mean, spread = mean_and_spread(np.array([record["accuracy"] for record in records], float))
    assert mean is not None
    return mean, spread


def mean_bill(bills: list[Bill]) -> Bill:
    """Return the mean of several bills for the same work."""
    return total(bills) * (1 / len(bills))


class Watched(NamedTuple):
    """Accuracy of an approach while it learns, and the energy spent by then."""

    curve: list[Point]
    """Learning curve with naming of the neurons, in J, or in a unit proportional to it."""
    whole: float
    """Whole training, in the same unit: its naming takes more images than that of a point."""


def watched(found: Sequence[Record], of: Callable[[Record], Watched]) -> dict[str, Any]:
    """Return `shares` and `curve` of an approach."""
    first, whole = of(found[0])
    curve = tuple((point.joules / whole, point.accuracy) for point in first)
    return {"shares": shares(found, of), "curve": curve}


def shares(records: Iterable[Record], of: Callable[[Record], Watched]) -> dict[float, Any]:
    """Return the part of the energy spent when accuracies were reached, mean over seeds.

    None if that never happened with some seed.
    """
    found: dict[float, Any] = {}
    for target in TARGETS:
        parts = []
        for record in records:
            curve, whole = of(record)
            reached = joules_to(curve, target)
            parts.append(None if reached is None else reached / whole)
        known = [part for part in parts if part is not None]
        found[target] = float(np.mean(known)) if len(known) == len(parts) else None
    return found


def array_curve(record: Record) -> Watched:
    """Return the learning curve of an array; energy includes naming the neurons at that point."""
    return Watched(with_naming(record["curve"]), Bill.from_dict(record["training"]).joules)


def event_curve(record: Record) -> Watched:
    """Return the learning curve of an array, with images for joules, those that name included.

    Energy grows in this way where it is proportional to input events: on machines without cells to
    write.
    """
    named = digital.images_of(record, "label")
    curve = [
        Point(p["images"], p["images"] + min(NAMED, named), 0.0, p["accuracy"])
        for p in record["curve"]
    ]
    return Watched(curve, record["presented"] + named)


def perceptron_curve(record: Record) -> Watched:
    """Return the learning curve of a perceptron, with images for joules: each costs the same."""
    curve = [
        Point(point["images"], float(point["images"]), 0.0, point["accuracy"])
        for point in record["curve"]
    ]
    return Watched(curve, record["training"]["images"])


# ---- conventional machines ---------------------------------------------------------------------


def _whole_nodes(records: Records) -> list[Approach]:
    found = records.get("perceptron,fp32", [])
    if not found:
        return []
    made = []
    for machine, name in (("cpu", "CPU node"), ("gpu", "GPU node")):
        bills = [digital.whole_node(machine, record) for record in found]  # type: ignore[arg-type]
        made.append(
            Approach(
                f"FP32 perceptron, {name}, BUTTER-E",
                "conventional",
                *accuracy_of(found),
                mean_bill([training for training, _ in bills]),
                mean_bill([inference for _, inference in bills]),
                includes="whole node with idle power, from medians of BUTTER-E (stand-in fit); "
                "without the fixed cost of a run",
                **watched(found, perceptron_curve),
            )
        )
    return made


def _perceptrons(records: Records, footprint: Footprint) -> list[Approach]:
    made = []
    for precision in PRECISIONS:
        for size, what in (("", "perceptron"), (SMALL, "small perceptron")):
            found = records.get(f"{size}perceptron,{precision}", [])
            if found:
                name = f"{LABELS[precision]} {what}, accelerator"
                made.append(_perceptron(name, found, footprint))
    found = records.get("perceptron,fp32", [])
    return [_on_processor(found, footprint), *made] if found else made


def _perceptron(name: str, found: Sequence[Record], footprint: Footprint) -> Approach:
    family: Family = "conventional" if "FP32" in name else "low precision"
    return Approach(
        name, family, *accuracy_of(found),
        mean_bill([digital.perceptron_training(record, footprint) for record in found]),
        mean_bill([digital.perceptron_inference(record, footprint) for record in found]),
        includes="multiply-adds and all bytes moved, bottom-up; without control, rounding to the "
        "format, and leakage",
        **watched(found, perceptron_curve),
    )  # fmt: skip


def _on_processor(found: Sequence[Record], footprint: Footprint) -> Approach:
    one = _perceptron(BASELINE, found, footprint)
    extra = [
        mean_bill([digital.processor_overhead(record[phase], footprint) for record in found])
        for phase in ("training", "inference")
    ]
    assert one.training is not None
    assert one.inference is not None
    return one._replace(
        training=one.training + extra[0],
        inference=one.inference + extra[1],
        includes=one.includes.replace("without control", "instructions; without the other cores"),
    )


def _tickets(records: Records, footprint: Footprint) -> list[Approach]:
    found = records.get("ticket", [])
    if not found:
        return []

    def all_rounds(record: Record) -> Bill:
        return total(
            digital.perceptron_training({**record, "training": one["training"]}, footprint)
            for one in record["rounds"]
        )

    surviving = found[0]["rounds"][-1]["surviving"]
    return [
        Approach(
            f"FP32 lottery ticket, {100 * surviving:.0f} % left, accelerator", "conventional",
            *accuracy_of(found),
            mean_bill([all_rounds(record) for record in found]),
            mean_bill([digital.perceptron_inference(record, footprint) for record in found]),
            includes=f"all {len(found[0]['rounds'])} trainings; pruned weights cost nothing, nor "
            "do the places of the others",
        )
    ]  # fmt: skip


# ---- the spiking network -----------------------------------------------------------------------


def _spiking_elsewhere(records: Records, footprint: Footprint) -> list[Approach]:
    found = records.get("array,soft", [])
    if not found:
        return []
    accuracy, curve = accuracy_of(found), watched(found, event_curve)

    def training(bill: Callable[[Record, str], Bill]) -> Bill:
        return mean_bill([bill(record, "train") + bill(record, "label") for record in found])

    def inference(bill: Callable[[Record, str], Bill]) -> Bill:
        return mean_bill([bill(record, "test") * (1 / record["tested"]) for record in found])

    def on_digital(record: Record, phase: str) -> Bill:
        return digital.spiking_on_digital(record, phase, footprint)

    made = [
        Approach(
            "spiking network, 8-bit accelerator", "low precision", *accuracy,
            training(on_digital), inference(on_digital),
            includes="the same events as in the array, weights in SRAM, images read as by "
            f"perceptrons; unpriced: {', '.join(UNPRICED)}",
            **curve,
        )
    ]  # fmt: skip
    for preset, name in CHIPS.items():
        chip = Chip.load(preset)

        def on_chip(record: Record, phase: str, chip: Chip = chip) -> Bill:
            return digital.spiking_on_chip(chip, record, phase)

        learns = chip.on_chip_learning
        made.append(
            Approach(
                f"spiking network, {name}",
                "neuromorphic chip",
                *accuracy,
                training(on_chip) if learns else None,
                inference(on_chip),
                includes="events at the chip's prices, in real time; accuracy that of the array, "
                "whose weights and learning rule no chip has; unpriced: "
                + ", ".join((*chip.unpriced, "input")),
                **(curve if learns else {}),
            )
        )
    return made


def _arrays(records: Records, scope: Scope) -> list[Approach]:
    made = []
    for role, what in OURS.items():
        if found := records.get(f"array,{role}", []):
            made.append(_array(f"{REFERENCE}, {what}", "our array", found))
    dense, exact = (records.get(f"array,{role}", []) for role in ("dense", "exact"))
    if dense and exact:
        made.append(_dense(dense, exact, scope))
    for device in (Path(name).stem for name in scope.devices):
        if found := records.get(f"array,{device}", []):
            made.append(_array(f"{device}, soft-pruned 75 %", "memory array", found))
    return made


def _array(name: str, family: Family, found: Sequence[Record], *, curve: bool = True) -> Approach:
    bills = {
        phase: mean_bill([Bill.from_dict(record[phase]) for record in found])
        for phase in ("training", "inference")
    }
    return Approach(
        name, family, *accuracy_of(found), bills["training"], bills["inference"],
        includes=what_is_included(), **(watched(found, array_curve) if curve else {}),
    )  # fmt: skip


def _fed_from_memory(records: Records, footprint: Footprint) -> list[Approach]:
    """Return the soft-pruned array, with the price of images from memory as for perceptrons."""
    found = records.get("array,soft", [])
    if not found:
        return []

    def fetched(phase: str) -> Bill:
        return mean_bill([digital.images_fetched(record, phase, footprint) for record in found])

    one = _array(FROM_MEMORY, "our array", found, curve=False)
    assert one.training is not None
    assert one.inference is not None
    return [
        one._replace(
            training=one.training + fetched("train") + fetched("label"),
            inference=one.inference + fetched("test") * (1 / found[0]["tested"]),
            includes=f"{one.includes}* Images are read from memory, as by perceptrons.\n",
            **watched(found, event_curve),
        )
    ]


def _dense(found: Sequence[Record], exact: Sequence[Record], scope: Scope) -> Approach:
    """Return the rung of dense updates: priced on few images, accuracy that of the exact rule."""
    one = _array(f"{REFERENCE}, every cell updated", "our array", found)
    assert one.training is not None
    mean, spread = accuracy_of(exact)
    factor = scope.epochs * scope.learned / found[0]["presented"]
    return one._replace(
        accuracy=mean, accuracy_spread=spread, training=one.training * factor,
        inference=_array("", "our array", exact).inference, shares={}, curve=(),
        includes=(
            f"as a conventional network updates: every cell at every presentation; energy of the "
            f"first {found[0]['presented']} images, times {factor:.4g}; accuracy that of the exact "
            "rule"
        ),
    )  # fmt: skip


def _federations(records: Records) -> list[Approach]:
    names = {
        "concatenate": "arrays side by side",
        "match": "arrays matched and averaged",
    }
    return [
        _array(f"{REFERENCE}, federated: {name}", "our array", found, curve=False)._replace(
            includes=f"{what_is_included()}* **communication**: weights and names sent by cable, "
            "at an assumed energy per byte.\n"
        )
        for role, name in names.items()
        if (found := records.get(f"federation,{role}", []))
    ]
