"""`cbram benchmark --engine cuda`: many networks on a graphics card against one core beside it.

Everything is measured in one process on one machine, so that ratios are meaningful. Two figures are
estimates, and marked as such: the times of large studies at the measured rates.

`twins` first checks that the card computes the same as a processor, `timing` measures learning,
`work` estimates studies; `rows` lists the figures beside their targets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from cbramsim.core.errors import CbramError
from cbramsim.experiments import run_folder
from cbramsim.experiments.card_benchmark import timing, work
from cbramsim.experiments.card_benchmark.rows import Row, rows
from cbramsim.experiments.card_benchmark.timing import Images, Stretch, seeded, untrained
from cbramsim.experiments.card_benchmark.twins import Twins, agreeing, twins
from cbramsim.experiments.study.engine import cores
from cbramsim.experiments.study.folder import study_folder
from cbramsim.simulator.cuda.batch import bytes_of, free_bytes
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.config import NetworkConfig

FIGURES = "benchmark.json"
"""File of the figures."""


class Sizes(NamedTuple):
    """Extent of the measurements."""

    base: dict[str, Any]
    """Keys of the configuration that all networks share, nested."""
    images: int | None
    """Number of training images to learn, the first; all by default. As many are recognised."""
    epochs: int
    """Passes of a training."""
    groups: tuple[int, int]
    """Number of networks that learn together: of the first group, and of the second."""
    pairs: int
    """Twins that are compared."""
    twin_images: int
    """Images from which these learn."""
    steps: int
    """Steps of learning where a part is enough."""
    devices: int
    """Networks with random devices that are measured."""
    limit: float
    """Seconds after which a training is broken off."""


FULL = Sizes({}, None, 3, (132, 528), 5, 100, 20, 1000, 90.0)
QUICK = Sizes(
    {"neurons": 6, "inputs": 8, "encoding": {"windows": 1}}, 2, 2, (1, 2), 1, 1, 1, 2, 60.0
)
"""Sizes that only show that everything works, also in Numba's CUDA simulator."""
DEVICES = 1000
"""Number of random devices for which one epoch is estimated."""


def run(
    out: Path,
    *,
    quick: bool = False,
    force: bool = False,
    tell: Callable[[str], Any] = lambda text: None,
) -> tuple[list[Row], dict[str, Any]]:
    """Measure, write the figures into the folder `out`, and return them beside their targets.

    `tell` is called with a description of the next measurement. Raises `CbramError` if the results
    of the card differ from those of a processor, or if the folder is not free.
    """
    with study_folder(out, "benchmark"):
        if (out / FIGURES).is_file() and not force:
            raise CbramError(f"out: {out} holds figures; use --force to overwrite")
        bench = Bench(QUICK if quick else FULL, tell)
        with timing.compiled_anew():
            found = rows(bench.figures)
        content = {
            "quick": quick, "machine": bench.machine(), "rows": [row.to_dict() for row in found],
            "figures": bench.figures, "versions": run_folder.versions(),
        }  # fmt: skip
        run_folder.write_json(out / FIGURES, content)
    return found, content


class Bench:
    """Measurements, each made once, in the order in which they are asked for."""

    def __init__(self, sizes: Sizes, tell: Callable[[str], Any]) -> None:
        self.sizes, self.tell = sizes, tell
        data = load_dataset("mnist")
        count = sizes.images
        self.images = Images(
            data.train_images[:count], data.train_labels[:count], data.test_images[:count]
        )

    @staticmethod
    def machine() -> dict[str, Any]:
        """Return what it is measured on."""
        return timing.card() | {"cores": cores()}

    @cached_property
    def twins(self) -> Twins:
        """Networks from the card, which agree with those from a core."""
        self.tell("does the card compute what a processor does?")
        few = Images(*(part[: self.sizes.twin_images] for part in self.images))
        return twins(few, self.sizes.base, self.sizes.pairs)

    @cached_property
    def core(self) -> Stretch:
        """A training on one core."""
        return self.alone_on_core(seeded(self.sizes.base, 1)[0], self.sizes.limit)

    def alone_on_core(
        self, config: NetworkConfig, limit: float, name: str = "the default"
    ) -> Stretch:
        """Return how a network learns on one core, for a limited time, s."""
        self.tell(f"1 on a core: {name}")
        (network,), inputs = untrained(self.images.train, [config])
        found = timing.on_one_core(network, inputs, self.sizes.epochs, limit)
        self.tell(f"  {found.rate:,.0f} windows a second")
        return found

    def together(
        self, configs: list[NetworkConfig], steps: int | None = None, name: str = "the default"
    ) -> Stretch:
        """Return the duration of learning together, for a limited time or some steps."""
        self.tell(f"{len(configs):,} on the card: {name}")
        start = perf_counter()
        networks, inputs = untrained(self.images.train, configs)
        drawn = perf_counter() - start
        sizes = self.sizes
        found = timing.on_the_card(networks, inputs, sizes.epochs, sizes.limit, steps)
        self.tell(f"  {found.rate:,.0f} windows a second")
        return found._replace(drawn=drawn)

    @cached_property
    def alone(self) -> Stretch:
        """Some steps of one network on the card: those that begin the training on one core."""
        return self.together(seeded(self.sizes.base, 1), 5 * self.sizes.steps)

    @cached_property
    def groups(self) -> dict[int, Stretch]:
        """Trainings of groups of networks."""
        base = self.sizes.base
        return {n: self.together(seeded(base, n)) for n in self.sizes.groups}

    @cached_property
    def host(self) -> work.Host:
        """Time of the processor, beside the larger group."""
        network, group = self.twins.networks[0], self.groups[self.sizes.groups[-1]]
        self.tell("answers, curves and states")
        return work.Host(
            group.drawn / group.networks, group.brought / group.networks, group.beside,
            work.curve_seconds(network, self.images, 10 * self.sizes.steps),
            *work.answer_seconds(network, self.images), work.save_seconds(network),
        )  # fmt: skip

    @cached_property
    def planned(self) -> list[work.Kind]:
        """Plan of `cbram pruning`."""
        return work.kinds()

    def kinds(self) -> dict[str, Stretch]:
        """Return how each kind of run of `cbram pruning` learns, by name."""
        sizes, found = self.sizes, {}
        for kind in self.planned:
            configs = seeded(sizes.base, min(kind.at_once, sizes.devices), **kind.changes)
            if kind.why_not:
                found[kind.name] = self.alone_on_core(configs[0], 2.0, kind.name)
            else:
                found[kind.name] = self.together(configs, sizes.steps, kind.name)
        return found

    @cached_property
    def random(self) -> Stretch:
        """Some steps of networks with random devices."""
        configs = work.random_devices(self.sizes.base, self.sizes.devices)
        return self.together(configs, self.sizes.steps, "random devices")

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Measure all; return the figures by name, in seconds and bytes."""
        twins, core, alone = self.twins, self.core, self.alone
        bytes_each, free = bytes_of(twins.networks[0].layers[0]), free_bytes()
        groups, host, kinds = self.groups, self.host, self.kinds()
        window = core.typical
        pruning = work.pruning(self.planned, kinds, host)
        planned = {kind.name: {"runs": kind.runs, "windows": kind.windows, "at_once": kind.at_once,
                               "why_not": kind.why_not}
                   for kind in self.planned}  # fmt: skip
        epoch = len(self.images.train) * twins.networks[0].config.encoding.windows
        devices = work.devices(self.random, DEVICES, epoch, host)
        first, again = twins.answering
        last = groups[self.sizes.groups[-1]]
        return {
            "agreeing": agreeing(twins.differences),
            "differences": twins.differences,
            "core_window_seconds": window,
            "core_whole_training_seconds": core.first + sum(core.seconds),
            "together": [_told(groups[n], window) for n in self.sizes.groups],
            "alone_seconds": median(alone.seconds),
            "core_same_steps_seconds": median(core.seconds[: len(alone.seconds)]),
            "pruning": {"kinds": planned, **_estimated(pruning, window)},
            "devices": {"measured": self.random.networks, "steps": len(self.random.seconds),
                        "wanted": DEVICES, **_estimated(devices, window)},
            "host": host._asdict(),
            "rates": {name: found.rate for name, found in kinds.items()},
            "random_devices_rate": self.random.rate,
            "compilation": {
                "learning": twins.stretch.compilation,
                "answering": max(first - again, 0.0),
                "more networks": last.compilation,
                **{name: kinds[name].compilation for name in kinds},
            },
            "bytes_per_network": bytes_each,
            "bytes_taken_per_network": last.taken / last.networks,
            "networks_that_fit": (free - self.images.train.size) // bytes_each,
            "free_bytes": free,
        }  # fmt: skip


def _told(stretch: Stretch, window: float) -> dict[str, Any]:
    """Return the figures of a group; `window` is the time of one core for a window."""
    seconds = sum(stretch.seconds)
    kernels, copies = stretch.kernels / seconds, stretch.copies / seconds
    return {
        "networks": stretch.networks, "windows": stretch.windows, "seconds": seconds,
        "steps": len(stretch.seconds), "whole_training": stretch.whole,
        "windows_per_second": stretch.rate, "times_one_core": stretch.rate * window,
        "in_kernels": kernels, "in_copies": copies, "on_the_host": 1 - kernels - copies,
    }  # fmt: skip


def _estimated(estimate: work.Estimate, window: float) -> dict[str, Any]:
    """Return the figures of an estimate, with the ratio of one core's time to it."""
    times = estimate.windows * window / estimate.seconds
    return {**estimate._asdict(), "times_one_core": times}
