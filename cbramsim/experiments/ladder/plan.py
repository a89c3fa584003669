"""What the ladder runs: every approach learns the same images, and is judged on the same."""

from __future__ import annotations

from typing import Any, NamedTuple

from cbramsim.experiments.device_studies.comparison import REFERENCE, SCHEMES

PROGRAMMING = {
    "hzo-fefet": "single pulse", "taox-hfox": "stochastic", "pcmo": "single pulse",
    "ag-a-si": "stochastic", "gst-pcm": "single pulse", "epiram": "stochastic",
    "metal-cbram": "single pulse", "alox-hfo2": "single pulse", "taox-tio2": "single pulse",
}  # fmt: skip
"""Technologies beside the reference, and how each is programmed: what `cbram compare-devices`
chooses on held-back training images. The `ideal` device is not a technology."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8", "fp4", "luq")
"""In which the multilayer perceptron learns."""
EARLY, LATE = 0.27, 0.83
"""When neurons are mature, as shares of the spikes that each fires: see `cbram pruning`."""
NAMED = 5_000
"""Training images that name the neurons at a point of a learning curve."""


class Scope(NamedTuple):
    """How much is run."""

    learned: int = 55_000
    """Training images that are learned, the first of the file."""
    watched: int = 5_000
    """Training images, the last of the file, on which learning is watched."""
    tested: int | None = None
    """Test images of the final score; all by default."""
    neurons: int = 500
    """Of the spiking network."""
    epochs: int = 3
    """Passes of the spiking network."""
    dense: int = 500
    """Images by which updates of every cell are priced."""
    devices: tuple[str, ...] = tuple(PROGRAMMING)
    precisions: tuple[str, ...] = PRECISIONS
    perceptron_epochs: int | None = None
    """Passes of the perceptron; its default if None."""
    rounds: int = 8
    """Of iterative magnitude pruning."""
    shards: int = 4
    """Arrays that learn together."""


FULL = Scope()
QUICK = Scope(
    learned=1_500, watched=500, tested=500, neurons=40, epochs=1, dense=20,
    devices=("gst-pcm",), precisions=("fp32", "int8", "fp4"), perceptron_epochs=1, rounds=1,
    shards=2,
)  # fmt: skip


class Job(NamedTuple):
    """One thing to run."""

    name: str
    """Unique, and that of its file."""
    kind: str
    """Which function of `jobs` does it."""
    settings: dict[str, Any]
    """Its arguments: plain values."""


def jobs(scope: Scope, seeds: int) -> list[Job]:
    """Return all jobs, the longest first."""
    return [
        job
        for seed in range(seeds)
        for job in (*_reuse(scope, seed), *_perceptrons(scope, seed), *_arrays(scope, seed))
    ]


def array_name(role: str, seed: int) -> str:
    """Return the name of a job that learns in an array."""
    return f"array,{role},seed={seed}"


def perceptron_name(precision: str, seed: int) -> str:
    """Return the name of a job that trains a perceptron."""
    return f"perceptron,{precision},seed={seed}"


def mature_spikes(scope: Scope, share: float, windows: int = 5) -> int:
    """Return after how many output spikes a neuron is mature."""
    return max(1, round(share * scope.epochs * scope.learned * windows / scope.neurons))


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
    roles: dict[str, dict[str, Any]] = {
        "exact": {"rule": "ideal", **unpruned},
        "unpruned": unpruned,
        "soft": soft,
        "frozen": frozen,
        "hard": hard,
        "converters": converters,
    }
    roles |= {
        device: {"device": device, **SCHEMES[PROGRAMMING[device]], **soft}
        for device in scope.devices
    }
    made = [_array(scope, role, changes, seed) for role, changes in roles.items()]
    dense = {"rule": "ideal", "update": "dense", **unpruned}
    first = scope._replace(learned=scope.dense, epochs=1)
    return [*made, _array(first, "dense", dense, seed)]


def _array(scope: Scope, role: str, changes: dict[str, Any], seed: int) -> Job:
    network = {"device": REFERENCE, "neurons": scope.neurons, "seed": seed, **changes}
    return Job(array_name(role, seed), "array", {"network": network, **_images(scope)})


def _images(scope: Scope) -> dict[str, Any]:
    return {
        "learned": scope.learned, "watched": scope.watched, "tested": scope.tested,
        "epochs": scope.epochs,
    }  # fmt: skip


def _perceptrons(scope: Scope, seed: int) -> list[Job]:
    raise NotImplementedError


def _reuse(scope: Scope, seed: int) -> list[Job]:
    raise NotImplementedError
