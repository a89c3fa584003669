"""Pulse trains measured on simulated cells: data for a fit of a known device.

The physics is that of the array simulator: cells of `cbramsim.devices.population`, pulses of
`cbramsim.devices.pulses`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import lean_loop
from cbramsim.core.rng import (
    generator,
    next_word,
    normal_of,
    normal_table,
    stream,
    upper_uniform_of,
)
from cbramsim.core.verbs import mean_step, nearby_state_drawn, pulse_noise
from cbramsim.devices.fitting.measurement import Measurement
from cbramsim.devices.grids import grid_of
from cbramsim.devices.laws import law_of
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET, pulse_constants, within
from cbramsim.devices.scatter import scatter_of
from cbramsim.devices.technology import Technology


def measure(
    device: Technology, cells: int, cycles: int, pulses: tuple[int, int], seed: int = 0
) -> Measurement:
    """Measure `cells` new cells of `device`, as `trains_of` does."""
    return Measurement.of_arrays(
        f"{device.name} (simulated)", *trains_of(device, cells, cycles, pulses, seed)
    )


def trains_of(
    device: Technology, cells: int, cycles: int, pulses: tuple[int, int], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give new cells of `device` trains of set, then of reset pulses, `cycles` times.

    A cell begins at its lowest conductance. Every train is read before its first pulse and after
    each of its pulses.

    Parameters
    ----------
    device
        The technology.
    cells, cycles
        Number of cells, and of cycles of each.
    pulses
        Set pulses and reset pulses in a train.
    seed
        Seed of the cells and of all noise.

    Returns
    -------
    (float64[cells, cycles, 1 + pulses], float64[cells, cycles, 1 + pulses])
        Readings of set and of reset trains, S.

    Raises
    ------
    ParameterError
        If one of the numbers is below 1.
    """
    if min(cells, cycles, *pulses) < 1:
        raise ParameterError(
            f"measure: cells, cycles and pulses must be >= 1 (got {cells}, {cycles}, {pulses})"
        )
    population = draw_population(device, (cells, 1), generator(seed, "population"))
    readings = tuple(np.empty((cells, cycles, count + 1)) for count in pulses)
    pulse = pulse_constants(device)
    noise = pulse.read_sigma, device.g_flicker, device.flicker_duty
    _measure(
        population, law_of(device), scatter_of(device), grid_of(device), noise,
        stream(seed, "pulses"), normal_table(pad=1), readings,
    )  # fmt: skip
    return readings  # type: ignore[return-value]


@lean_loop
def _measure(population, law, scatter, grid, noise, random, normals, readings):  # type: ignore[no-untyped-def]
    """Fill both readings, float64[cells, cycles, pulses + 1] each, of float32[1, cells, 6]."""
    read_sigma, flicker, duty = noise
    set_readings, reset_readings = readings
    for i in range(population.shape[1]):
        low, high = population[0, i, G_LOW], population[0, i, G_HIGH]
        g = low
        for cycle in range(set_readings.shape[1]):
            for way, train in (
                (SET, set_readings[i, cycle]),
                (RESET, reset_readings[i, cycle]),
            ):
                for p in range(train.size):
                    if p > 0:
                        error = pulse_noise(scatter, population, 0, i, way, g)
                        error *= normal_of(next_word(random), normals)
                        target = g + mean_step(law, population, 0, i, way, g) + error
                        target = nearby_state_drawn(grid, target, low, high, random)
                        g = within(target, low, high)
                    error = read_sigma * normal_of(next_word(random), normals)
                    upper = 1.0 if upper_uniform_of(next_word(random)) < duty else 0.0
                    train[p] = g + error + flicker * (upper - duty)
