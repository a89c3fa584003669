"""Losses of accuracy by cause, from the trained network to the array as it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from cbramsim.devices.technology import AGEING, GRANULARITY
from cbramsim.simulator.lines import Wires
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.mapped import MappedNetwork
from cbramsim.simulator.mapping.trained import TrainedNetwork

READS = ("read_c2c", "g_flicker", "read_1f")
"""Parameters of a cell that make reads differ."""
ORDER = ("cells", "noise of reads", "lines", "converters", "time")
"""Causes that are added to rounded inputs, in this order."""


class Cause(NamedTuple):
    """Effect of a cause on the accuracy."""

    name: str
    """Cause that is added to all before it."""
    accuracy: float
    """Accuracy with it and all before it, 0 to 1."""
    lost: float
    """Loss against the accuracy without it; negative if it gains."""
    alone: float
    """Loss with only this cause and rounded inputs."""


def loss_by_cause(
    model: Any,
    calibration: ArrayLike,
    images: ArrayLike,
    labels: ArrayLike,
    config: MappingConfig | None = None,
    *,
    seconds: float = 0.0,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Cause]:
    """Return the loss by each cause: added one after the other, and alone.

    After the network in `software` and rounded `inputs` these are the `cells` (their states and
    spreads, and how they are written), the `noise of reads`, `lines`, `converters` and `time`, as
    far as the configuration has them. Each network is mapped anew, with the same seed.

    Parameters
    ----------
    model, calibration, config
        As for `map_network`.
    images, labels
        Images and labels on which accuracy is measured.
    seconds
        Time that passes before.
    progress
        Function that is called with the name of each cause before it is evaluated.
    """
    network, config = TrainedNetwork.of(model), config or MappingConfig()

    def accuracy(*on: str) -> float:
        mapped = MappedNetwork(network, calibration, only(config, on))
        if "time" in on:
            mapped.wait(seconds)
        return mapped.score(images, labels)

    progress("software")
    software = network.score(images, labels)
    progress("inputs")
    rounded = before = accuracy()
    lost = software - rounded
    found = [Cause("software", software, 0.0, 0.0), Cause("inputs", rounded, lost, lost)]
    present = causes_of(config, seconds)
    for n, name in enumerate(present):
        progress(name)
        now = accuracy(*present[: n + 1])
        alone = rounded - (now if n == 0 else accuracy(name))
        found.append(Cause(name, now, before - now, alone))
        before = now
    return found


def causes_of(config: MappingConfig, seconds: float) -> list[str]:
    """Return the causes of `ORDER` that are present."""
    device = config.technology()
    there = {
        "cells": True,
        "noise of reads": any(key in device.behaviours for key in READS),
        "lines": config.wires,
        "converters": config.readout.adc_bits > 0,
        "time": seconds > 0 and device.ages,
    }
    return [name for name in ORDER if there[name]]


def only(config: MappingConfig, on: tuple[str, ...]) -> MappingConfig:
    """Return a configuration with rounded inputs and some causes of `ORDER`."""
    device = config.technology()
    same = device.without_variability().without(*GRANULARITY)
    off = {key: x for key, x in device.differing(same).items() if cause_of(key) not in on}
    changes: dict[str, Any] = {"cell": config.cell | off}
    if "cells" not in on:
        changes["writing"] = "exact"
    if "lines" not in on:
        changes |= {"wires": False, "wiring": Wires()}
    if "converters" not in on:
        changes["readout"] = config.readout.replace(adc_bits=0)
    return config.replace(**changes)


def cause_of(key: str) -> str:
    """Return the cause of `ORDER` to which a parameter of the cell belongs."""
    if key in READS:
        return "noise of reads"
    ages = (*AGEING, "drift", "retention", "relaxation", "activation")
    return "time" if key.startswith(ages) else "cells"
