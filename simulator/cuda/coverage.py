"""What a graphics card does, and whether there is one."""

from __future__ import annotations

from importlib.util import find_spec

from numba import config

from cbramsim.devices.device import Device
from cbramsim.simulator.array.own import Own
from cbramsim.simulator.cuda.sizes import most_neurons
from cbramsim.simulator.learning.config import NetworkConfig


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
    """Return what is missing to use a graphics card, or nothing."""
    if config.ENABLE_CUDASIM:  # type: ignore[attr-defined]
        return ""
    if find_spec("numba_cuda") is None:
        return "numba-cuda is not installed; install cbramsim with its extra 'cuda'"
    from numba import cuda

    if not cuda.is_available():
        return "no graphics card, or no driver for it, is found"
    return ""
