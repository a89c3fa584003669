"""Capabilities of a graphics card, and whether there is one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, get_args

from numba import config

from cbramsim.core.arguments import one_of
from cbramsim.core.errors import CbramError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.cuda.sizes import most_neurons
from cbramsim.simulator.learning.config import NetworkConfig

Engine = Literal["auto", "cpu", "cuda"]
"""Device on which networks learn: a card if there is one (`auto`), processors (`cpu`), or a card
(`cuda`)."""
SIMULATED = bool(config.ENABLE_CUDASIM)  # type: ignore[attr-defined]
"""Whether Numba's CUDA simulator stands in for a card."""


def uses_card(engine: Engine, *, elsewhere: bool = False) -> bool:
    """Return whether runs are done on a card where that is possible.

    If they are done `elsewhere`, by a cluster, it is taken to have cards for `cuda`.

    Raises
    ------
    CbramError
        If there is no such engine, or `cuda` is asked for and something is missing.
    """
    one_of("engine:", engine, get_args(Engine))
    if engine == "cpu" or elsewhere:
        return engine == "cuda"
    reason = missing()
    if reason and engine == "cuda":
        raise CbramError(f"engine: cuda cannot be used: {reason}")
    return not reason


def why_not(
    network: NetworkConfig, device: Device, own: Own | None = None, inputs: int | None = None
) -> str:
    """Return why a network does not learn on a card, or nothing if it does.

    Keys are named with their values. `inputs` are those of the array, where they are known.
    """
    unlike = {
        "layers": (len(network.of_layers()), 1),
        "synapse.cells": (network.synapse.planes, 1),
        "storage": (network.storage, "analog"),
        "wires": (bool(network.wires), False),
        "readout.adc_bits": (network.readout.adc_bits, 0),
        "update": (network.update, "winner"),
        "reward.classes": (network.reward.classes, 0),
    }
    for key, (value, needed) in unlike.items():
        if value != needed:
            return f"{key} must be {needed} on a graphics card (got {value})"
    if network.access == "passive" and device.v_switch:
        return "half-selected cells that move (v_switch) are not followed on a graphics card"
    if own is not None and own._replace(criterion=None) != Own():
        return "parts of one's own are not compiled for a graphics card"
    inputs = inputs or network.planned_inputs
    if network.neurons > (most := most_neurons(inputs)):
        return (
            f"neurons must be at most {most} with {inputs} inputs on a graphics card, where they "
            f"share memory (got {network.neurons})"
        )
    return ""


def missing() -> str:
    """Return the missing requirement of a graphics card, or nothing."""
    if SIMULATED:
        return ""
    if find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; install cbramsim with its extra 'cuda'"
    from numba import cuda

    if not cuda.is_available():
        return "no graphics card, or no driver for it, is found"
    return ""
