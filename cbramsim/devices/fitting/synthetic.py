"""Pulse trains measured on simulated cells: the data that a fit of a known device would get.

The physics is that of the array simulator: cells of `cbramsim.devices.population`, pulses of
`cbramsim.devices.pulses`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import (
    G_HIGH,
    G_LOW,
    RESET,
    SET,
    PulseConstants,
    mean_step,
    nearby_state,
    pulse_constants,
    step_shapes,
    within,
)
from cbramsim.errors import ParameterError
from cbramsim.kernels import compiled_loop
from cbramsim.rng import (
    State,
    generator,
    next_word,
    normal_of,
    normal_table,
    stream,
    upper_uniform_of,
)


def measure(
    device: Device, cells: int, cycles: int, pulses: tuple[int, int], seed: int = 0
) -> Measurement:
    """Measure `cells` new cells of `device`: trains of set, then of reset pulses, `cycles` times.

    A cell begins at its lowest conductance. Every train is read before its first pulse and after
    each of its pulses.

    Parameters
    ----------
    device
        The technology.
    cells, cycles
        How many cells are measured, and how often.
    pulses
        Set pulses and reset pulses in a train.
    seed
        Seed of the cells and of all noise.

    Raises
    ------
    ParameterError
        If one of the numbers is below 1.
    """
    if min(cells, cycles, *pulses) < 1:
        raise ParameterError(
            f"measure: cells, cycles and pulses must be >= 1 (got {cells}, {cycles}, {pulses})"
        )
    population = draw_population(device, (cells, 1), generator(seed, "population"))[0]
    return measure_cells(device, population, cycles, pulses, seed)


def measure_cells(
    device: Device,
    population: NDArray[np.float32],
    cycles: int,
    pulses: tuple[int, int],
    seed: int = 0,
) -> Measurement:
    """Measure given cells, float32[cells, 6] as `draw_population` draws them; else as `measure`."""
    set_readings = np.empty((len(population), cycles, pulses[0] + 1))
    reset_readings = np.empty((len(population), cycles, pulses[1] + 1))
    constants = pulse_constants(device)
    _measure(
        population, constants, step_shapes(device), stream(seed, "pulses"), normal_table(pad=1),
        set_readings, reset_readings,
    )  # fmt: skip
    return Measurement(
        name=f"{device.name} (simulated)", set_readings=set_readings, reset_readings=reset_readings
    )


@compiled_loop
def _measure(
    population: NDArray[np.float32],
    pulse: PulseConstants,
    shapes: NDArray[np.float32],
    random: State,
    normals: NDArray[np.float32],
    set_readings: NDArray[np.float64],
    reset_readings: NDArray[np.float64],
) -> None:
    for i in range(population.shape[0]):
        cell = population[i]
        g = cell[G_LOW]
        for cycle in range(set_readings.shape[1]):
            for start, readings in (
                (SET, set_readings[i, cycle]),
                (RESET, reset_readings[i, cycle]),
            ):
                for p in range(readings.size):
                    if p > 0:
                        noise = pulse.step_sigma * normal_of(next_word(random), normals)
                        target = g + mean_step(g, cell, start, pulse, shapes) + noise
                        if pulse.finite:
                            uniform = upper_uniform_of(next_word(random))
                            target = nearby_state(target, cell[G_LOW], cell[G_HIGH], uniform, pulse)
                        g = within(target, cell[G_LOW], cell[G_HIGH])
                    error = pulse.read_sigma * normal_of(next_word(random), normals)
                    flickers = upper_uniform_of(next_word(random)) < pulse.flicker_duty
                    upper = 1.0 if flickers else 0.0
                    flicker = pulse.flicker * (upper - pulse.flicker_duty)
                    readings[p] = g + error + flicker
