"""Runs of the ladder: every approach learns the same images, and is judged on the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.device_studies.comparison import METHODS, REFERENCE
from cbramsim.experiments.study.cases import seeds_of
from cbramsim.experiments.study.jobs import Job
from cbramsim.experiments.study.names import safe_name
from cbramsim.simulator.comparison.mlp import MlpConfig
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.images.second_datasets import BY_RULE
from cbramsim.simulator.learning.encoding import Encoding

PROGRAMMING = {
    "hzo-fefet": "single pulse", "taox-hfox": "stochastic", "pcmo": "single pulse",
    "ag-a-si": "stochastic", "gst-pcm": "single pulse", "epiram": "stochastic",
    "metal-cbram": "single pulse", "alox-hfo2": "single pulse", "taox-tio2": "single pulse",
}  # fmt: skip
"""Technologies beside the reference, and their programming, as `cbram compare-devices` chooses it
on held-back training images. The `ideal` device is not a technology."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp4", "luq")
"""Number formats in which the multilayer perceptron learns."""
EARLY, LATE = 0.27, 0.83
"""Maturity of neurons, as shares of the spikes that each fires: see `cbram pruning`."""
SMALL, SMALL_WIDTHS, SMALL_PRECISIONS = "small ", (784, 32, 10), ("fp32", "int8", "fp4")
"""A perceptron about as accurate as the spiking network, which learns the images once."""
NAMED = 4_000
"""Training images that name the neurons at a point of a learning curve."""


class Scope(NamedTuple):
    """Extent of the study."""

    learned: int = 57_500
    """Training images that are learned, the first of the file."""
    watched: int = 2_500
    """Training images, the last of the file, on which learning is watched."""
    tested: int | None = None
    """Test images of the final score; all by default."""
    neurons: int = 500
    """Neurons of the spiking network."""
    epochs: int = 3
    """Passes of the spiking network."""
    dense: int = 500
    """Images by which updates of every cell are priced."""
    devices: tuple[str, ...] = tuple(PROGRAMMING)
    """Technologies beside the reference: presets and TOML files."""
    precisions: tuple[str, ...] = PRECISIONS
    """Number formats in which the perceptron learns."""
    perceptron_epochs: int | None = None
    """Passes of the perceptron; its default if None."""
    rounds: int = 8
    """Rounds of iterative magnitude pruning."""
    ticket_epochs: int = 4
    """Passes in each of them."""
    shards: int = 4
    """Arrays that learn together."""
    seconds: tuple[str, ...] = ("other-digits", "slanted")
    """Second data sets of an array that is reused."""
    second_images: int | None = None
    """Training images of it that are used; all by default."""


FULL = Scope()
QUICK = Scope(
    learned=1_500, watched=500, tested=500, neurons=40, epochs=1, dense=20,
    devices=("gst-pcm",), precisions=("fp32", "int8", "fp4"), perceptron_epochs=1, rounds=2,
    ticket_epochs=1, shards=2, second_images=1_500,
)  # fmt: skip


ROOM = "cbramsim.experiments.ladder"
KINDS = {
    "array": f"{ROOM}.arrays:run", "perceptron": f"{ROOM}.perceptrons:run",
    "ticket": f"{ROOM}.perceptrons:ticket", "federation": f"{ROOM}.reuse:together",
    "second task": f"{ROOM}.reuse:second_task",
}  # fmt: skip
"""Kind of job -> its function."""


def jobs(scope: Scope, seeds: int) -> list[Job]:
    """Return all jobs, the longest first.

    Raises
    ------
    CbramError
        If a device, a number format or a data set is not known, or is named twice.
    """
    for device in scope.devices:
        Device.load(device)
        if Path(device).stem == REFERENCE:
            raise ParameterError(
                f"ladder.devices: {REFERENCE} is what the others are compared with (got {device})"
            )
    for precision in scope.precisions:
        MlpConfig(precision=precision)  # type: ignore[arg-type]
    if "fp32" not in scope.precisions:
        raise ParameterError(
            "ladder.precisions: must have fp32, with which all is compared (got "
            f"{','.join(scope.precisions)})"
        )
    for second in scope.seconds:
        if second not in BY_RULE:
            load_dataset(second)
    made = _jobs(scope, seeds_of("ladder", seeds, len(_jobs(scope, range(1)))))
    for name, count in Counter(safe_name(job.name).casefold() for job in made).items():
        if count > 1:
            raise ParameterError(
                f"ladder: devices, precisions and second data sets must differ in name (got {name} "
                "twice)"
            )
    return made


def _jobs(scope: Scope, seeds: range) -> list[Job]:
    return [
        job
        for seed in seeds
        for job in (
            *_federations(scope, seed),
            *_second_tasks(scope, seed),
            *_perceptrons(scope, seed),
            *_arrays(scope, seed),
        )
    ]


# ---- arrays ------------------------------------------------------------------------------------


def _arrays(scope: Scope, seed: int) -> list[Job]:
    unpruned = {"pruning.kind": "none"}
    soft = {"pruning.mature_spikes": mature_spikes(scope, LATE)}
    frozen = {
        "pruning.value": "freeze", "pruning.selection": "write-cost", "pruning.stages": 1,
        "pruning.mature_spikes": mature_spikes(scope, EARLY),
    }  # fmt: skip
    hard = {
        "pruning.kind": "hard", "pruning.selection": "quantile", "pruning.fraction": 0.4,
        "pruning.stages": 1, **soft,
    }  # fmt: skip
    converters = {"readout.adc_bits": 6, "tiles.rows": 128, "tiles.columns": 128, **soft}
    changes: dict[str, dict[str, Any]] = {
        "exact": {"rule": "ideal", **unpruned},
        "unpruned": unpruned,
        "soft": soft,
        "frozen": frozen,
        "hard": hard,
        "converters": converters,
    }
    others = [
        (Path(device).stem, {"device": _located(device), **METHODS[programming(device)], **soft})
        for device in scope.devices
    ]
    dense = {"rule": "ideal", "update": "dense", **unpruned}
    few = scope._replace(learned=scope.dense, epochs=1)
    return [
        *(_array(scope, role, change, seed) for role, change in (*changes.items(), *others)),
        _array(few, "dense", dense, seed),
    ]


def programming(device: str) -> str:
    """Return the programming of a technology; a custom one is programmed stochastically."""
    return PROGRAMMING.get(device, "stochastic")


def _located(device: str) -> str:
    """Return a preset's name as it is, and a file so that a worker finds it."""
    return str(Path(device).resolve()) if device.endswith(".toml") else device


def _array(scope: Scope, role: str, changes: dict[str, Any], seed: int) -> Job:
    settings = {
        "network": _network(scope, seed) | changes, "epochs": scope.epochs, **_images(scope)
    }  # fmt: skip
    return Job(f"array,{role}", seed, KINDS["array"], settings)


def _network(scope: Scope, seed: int) -> dict[str, Any]:
    return {"device": REFERENCE, "neurons": scope.neurons, "seed": seed}


def mature_spikes(scope: Scope, share: float) -> int:
    """Return the number of output spikes after which a neuron is mature."""
    windows = Encoding().windows
    return max(1, round(share * scope.epochs * scope.learned * windows / scope.neurons))


def _images(scope: Scope) -> dict[str, Any]:
    return {"learned": scope.learned, "watched": scope.watched, "tested": scope.tested}


def _federations(scope: Scope, seed: int) -> list[Job]:
    """Return all ways to join, none of them pruned: a join releases pruned cells."""
    network = _network(scope, seed) | {"pruning.kind": "none"}
    # Averaged neurons need a stronger homeostasis (chosen on held-out training images).
    stronger = network | {"competition.homeostasis": 4.0}
    fewer = network | {"neurons": max(1, scope.neurons // scope.shards)}
    rounds = scope.epochs
    made = []
    for role, keys, plan in (
        ("concatenate", network, {"join": "concatenate"}),
        ("concatenate, same cells", fewer, {"join": "concatenate"}),
        ("match", stronger, {"join": "match", "rounds": rounds}),
        ("average", stronger, {"join": "average"}),
    ):
        join = {"clients": scope.shards, "epochs": scope.epochs, "seed": seed, **plan}
        settings = {"network": keys, "join": join, **_images(scope)}
        made.append(Job(f"federation,{role}", seed, KINDS["federation"], settings))
    return made


def _second_tasks(scope: Scope, seed: int) -> list[Job]:
    settings = {
        "network": _network(scope, seed) | {"pruning.kind": "none"}, "images": scope.second_images,
        "watched": scope.watched, "pretrain_epochs": scope.epochs, "epochs": 1,
    }  # fmt: skip
    return [
        Job(
            f"second task,{Path(second).name}",
            seed,
            KINDS["second task"],
            settings | {"second": second},
        )
        for second in scope.seconds
    ]  # fmt: skip


# ---- perceptrons -------------------------------------------------------------------------------


def _perceptrons(scope: Scope, seed: int) -> list[Job]:
    longer = {} if scope.perceptron_epochs is None else {"epochs": scope.perceptron_epochs}
    # Small batches reach 90 % with the fewest images (chosen on held-out training images).
    small = {
        "layers": {"widths": list(SMALL_WIDTHS)}, "epochs": 1, "shift": 0, "batch": 32,
        "learning_rate": 0.03,
    }  # fmt: skip
    made = [
        _perceptron(scope, f"{prefix}perceptron,{precision}", "perceptron", change, precision, seed)
        for prefix, change, precisions in (
            ("", longer, scope.precisions), (SMALL, small, SMALL_PRECISIONS),
        )
        for precision in precisions
    ]  # fmt: skip
    ticket = _perceptron(scope, "ticket", "ticket", {"epochs": scope.ticket_epochs}, "fp32", seed)
    ticket.settings["rounds"] = scope.rounds
    return [ticket, *made]


def _perceptron(
    scope: Scope, role: str, kind: str, changes: dict[str, Any], precision: str, seed: int
) -> Job:
    config = {"precision": precision, "seed": seed, **changes}
    return Job(role, seed, KINDS[kind], {"config": config, **_images(scope)})
