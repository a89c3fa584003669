"""Contents of metrics.json of a finished run: accuracies, energies, wear, and what they rest on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.experiments.train.config import TrainConfig
from cbramsim.experiments.train.data import Data
from cbramsim.simulator.array.saving import physical
from cbramsim.simulator.circuits.rollup import CELL_SQUARES
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.labelling import Recognition
from cbramsim.simulator.learning.network import SpikingNetwork


def metrics_of(
    config: TrainConfig, data: Data, network: SpikingNetwork, found: Recognition
) -> dict[str, Any]:
    """Return the results of a scored run; `Run` adds its times and versions.

    `network` is trained, its neurons named; `found` are the classes of the images that it is scored
    on.
    """
    profile, majority = found
    truth, scored_on = data.score_labels, config.scored_on
    per_neuron = network.pruner.fraction_per_neuron
    learned = config.epochs * data.train_count
    images = {"train": learned, "label": network.labels_used, scored_on: len(truth)}
    totals = network.ledger.totals()
    return {
        f"{scored_on}_accuracy": float((profile == truth).mean()),
        f"{scored_on}_accuracy_majority": float((majority == truth).mean()),
        f"{scored_on}_images": len(truth),
        "labels_used": network.labels_used,
        "train_images": data.train_count,
        "epochs": config.epochs,
        "neurons": config.neurons,
        "inputs": network.crossbar.shape[0],
        "grey_levels": network.grey_levels._asdict(),
        "competition_scale": network.layers[0].competition_scale,
        "device": config.device,
        "rule": config.rule,
        "pruning": config.pruning.kind,
        "pruned_fraction": network.pruner.fraction,
        "pruned_fraction_per_neuron": {
            "mean": float(per_neuron.mean()),
            "min": float(per_neuron.min()),
            "max": float(per_neuron.max()),
        },
        "pruned_fraction_target": config.pruning.fraction,
        "mature_neurons": int(network.pruner.mature.sum()),
        "missed_cells": network.pruner.missed,
        "cells": sum(layer.crossbar.state.g.size for layer in network.layers),
        "cell_area_f2": sum(
            layer.crossbar.state.g.size * CELL_SQUARES[layer.config.access]
            for layer in network.layers
        ),
        "seed": config.seed,
        "wear": wear(network, learned),
        "wires": wires(network),
        "serial_write_seconds": serial_write_seconds(network),
        "simulated_seconds": learned * config.encoding.windows * config.encoding.window,
        "energy": network.ledger.to_dict(),
        "energy_joules": totals,
        "energy_joules_per_image": {phase: totals[phase] / n for phase, n in images.items()},
        "classes": list(data.class_names),
        "confusion": _confusion(truth, profile, data.classes).tolist(),
        "device_parameters": network.device.to_table(),
        "periphery_parameters": network.periphery.to_table(),
        "parameter_evidence": evidence(network),
        "layers": [
            {
                "neurons": layer.config.neurons,
                "pruned_fraction": layer.pruner.fraction,
                "energy_joules": layer.ledger.totals(),
            }
            for layer in network.layers
        ],
        "scored_on": scored_on,
    }


def wear(network: SpikingNetwork, images: int) -> dict[str, Any]:
    """Return the wear by a job of `images`, and the years for which it could continue.

    The rate is that at which the array itself presents images; None if wear is not modelled.
    """
    encoding = network.config.encoding
    found = network.crossbar.wear(images)
    rate = 1 / (encoding.windows * encoding.window)
    years = found.years(rate)
    finite = years if years < float("inf") else None
    return found._asdict() | {"images_per_second": rate, "years": finite}


def wires(network: SpikingNetwork) -> dict[str, Any]:
    """Return the effect of lines on the reads of a network.

    `seen`, the part of the conductance of the cells that reads see; `error`, the largest of a mean
    read while learning; `scatter`, that of a single read by its fit (root mean square), where cells
    are not ohmic; and the number of solutions of the lines.
    """
    reads = network.crossbar.wired
    if reads is None:
        return {"seen": 1.0, "error": 0.0, "scatter": 0.0, "solutions": 0}
    cells = physical(network.crossbar).conductance
    seen = float(reads.conductance(cells).sum() / cells.sum())
    of_a_read = {"error": reads.error, "scatter": reads.scatter}
    return {"seen": seen, **of_a_read, "solutions": reads.solutions}


def serial_write_seconds(network: SpikingNetwork) -> float:
    """Return the time of programming, pulse after pulse, s.

    That is one cell at a time, as a controller with one write driver does. Pulses that take
    cells to a value are of either polarity; they count as the longer of the two.
    """
    device, account = network.device, network.ledger.account("train")
    sets, resets, others = (
        sum(int(account.counts[operation]) for operation in operations)
        for operations in (
            (Operation.LTP_PULSE, Operation.BIT_SET),
            (Operation.LTD_PULSE, Operation.BIT_RESET),
            (Operation.PRUNE_SET_PULSE, Operation.RENEWAL_PULSE),
        )
    )
    longer = max(device.t_set, device.t_reset)
    return sets * device.t_set + resets * device.t_reset + others * longer


def evidence(network: SpikingNetwork) -> dict[str, dict[str, str]]:
    """Return the evidence grade of every physical parameter, by device and periphery."""
    return {
        source.name: {key: source.evidence(key).evidence for key in source.stated_parameters()}
        for source in (network.device, network.periphery)
    }


def _confusion(
    truth: NDArray[np.uint8], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count images by true class (row) and predicted class (column)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts
