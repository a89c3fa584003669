"""Additional time of the training loop with every behaviour of a device on."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.rng import generator
from cbramsim.devices.device import Device
from cbramsim.simulator.images.datasets import load_dataset
from cbramsim.simulator.learning.network import IMAGES_PER_STEP, SpikingNetwork

STEPS, REPETITIONS = 10, 7
"""Steps of training in one measurement, and measurements, of which the fastest counts."""
WARM_IMAGES = 5_000
"""Images learned before the clock starts."""


class Overhead(NamedTuple):
    """Seconds per presentation, measured in turns."""

    plain: float
    """Time of the device without spread, noise, faults, ageing and wear."""
    device: float
    """Time of the device as it is described."""
    everything: float
    """Time of the device with every behaviour of the simulator."""


def behaviour_overhead(name: str, images: int | None = None) -> Overhead:
    """Time the training loop of a device three ways, see `Overhead`; nothing is pruned.

    Parameters
    ----------
    name
        A preset, or a TOML file.
    images
        Training images to use at most.
    """
    device = Device.load(name)
    pixels = load_dataset("mnist").train_images[: images or 20_000]
    networks = [_warm(d, pixels) for d in (device.without_variability(), device, loaded(device))]
    times = [
        [_timed(network, inputs, turn) for network, inputs in networks]
        for turn in range(REPETITIONS)
    ]
    return Overhead(*(float(t) for t in np.min(times, axis=0)))


def loaded(device: Device) -> Device:
    """Return a device with every behaviour on, and the same steps on average.

    Its law becomes a table of its own steps; it gets as many states as it has pulses, flicker, a
    tunnelling current, faults in clusters, drift, relaxation, wear, and spreads of everything.
    """
    depth = np.linspace(0, 1, 17)
    up = device.relative_step_up(depth) * device.pulses_up
    down = device.relative_step_down(1 - depth) * device.pulses_down
    voltage = max(device.v_set, device.v_reset)
    spreads = {key: 0.1 for key in device.physical_parameters() if key.endswith("_d2d")}
    return device.replace(
        law="table", shape_up=tuple(up.tolist()), shape_down=tuple(down.tolist()),
        exponent_up=0.0, exponent_down=0.0, nonlinearity_up=0.0, nonlinearity_down=0.0,
        levels=max(2, round(device.pulses_up)), level_radix=0.0, g_quantum=0.0,
        g_flicker=0.02 * device.g_range,
        v_sinh=voltage, stuck_low=0.01, stuck_high=0.01, stuck_open=0.01, fault_cluster=2.0,
        drift_exponent=0.005, retention_time=3e8, activation_energy=1.0, endurance=1e6,
        step_c2c=max(device.step_c2c, 0.01), noise_up=(1.1, 0.9), noise_down=(1.1, 0.9),
        read_c2c=max(device.read_c2c, 0.01), **spreads,
    )  # fmt: skip


def _warm(device: Device, images: NDArray[np.uint8]) -> tuple[SpikingNetwork, NDArray[np.uint8]]:
    network = SpikingNetwork(device=device, pruning={"kind": "none"})
    inputs = network.prepare(images)
    network.resume(inputs[:WARM_IMAGES], epochs=1)
    return network, inputs


def _timed(network: SpikingNetwork, inputs: NDArray[np.uint8], turn: int) -> float:
    """Return seconds per presentation of some steps of training."""
    rng = generator(0, "overhead", turn)
    chosen = [rng.integers(0, len(inputs), IMAGES_PER_STEP) for _ in range(STEPS)]
    start = time.perf_counter()
    for images in chosen:
        network.learn_from(inputs, images)
    return (time.perf_counter() - start) / (
        STEPS * IMAGES_PER_STEP * network.config.encoding.windows
    )
