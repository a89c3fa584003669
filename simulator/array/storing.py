"""Cells as they come from the factory or from a file, and cells that are taken out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.memory import check_memory
from cbramsim.core.rng import generator, normal_table
from cbramsim.devices.device import Device
from cbramsim.devices.grids import grid_of
from cbramsim.devices.laws import law_of
from cbramsim.devices.noise import Growing, noise_of
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import G_HIGH, G_LOW, nominal_cell, pulse_constants
from cbramsim.devices.scatter import scatter_of
from cbramsim.devices.states import level_places
from cbramsim.devices.written import Blurred, written_of
from cbramsim.simulator.array.access import access_of
from cbramsim.simulator.array.cells import (
    LEARNING,
    AllConnected,
    ArrayState,
    Disconnected,
    ProgramCosts,
)
from cbramsim.simulator.array.checks import refuse_outside
from cbramsim.simulator.array.compensation import Uncompensated
from cbramsim.simulator.array.ideal_lines import IdealLines

BYTES_PER_CELL = 100
"""Memory to draw a cell, bytes."""
EVERY = slice(None)
ROUNDING = 1e-6
"""Largest excess of a conductance beyond the window by rounding, a part of `g_max`."""


def drawn(
    device: Device, shape: tuple[int, int], seed: int, costs: ProgramCosts, access: str, scheme: str
) -> ArrayState:
    """Return new cells, each at its lowest conductance, on ideal lines; arguments are checked."""
    rows, columns = shape
    check_memory("Crossbar.shape", BYTES_PER_CELL * rows * columns, f"{rows * columns:,} cells")
    cells = draw_population(device, shape, generator(seed, "population"))
    law = law_of(device)
    return ArrayState(
        g=cells[..., G_LOW].T.copy(),
        g_columns=cells[..., G_LOW].copy(),
        cells=cells,
        wear=np.zeros((columns, rows), np.uint32),
        hottest=np.zeros(1, np.uint32),
        inhibited=np.zeros((columns, rows), np.bool_),
        row_sum=np.zeros(rows),
        n_connected=np.full(rows, columns),
        nominal=nominal_cell(device)[None, None],
        reckoned=law,
        normals=normal_table(pad=max(rows, columns)),
        pulse=pulse_constants(device),
        costs=costs,
        booked_as=LEARNING,
        law=law,
        scatter=scatter_of(device),
        written=written_of(device),
        grid=grid_of(device),
        noise=noise_of(device, shape),
        gain=Uncompensated(),
        gaps=AllConnected(),
        lines=IdealLines(),
        access=access_of(device, shape, access, scheme),
    )


def put(
    array: ArrayState, device: Device, where: str, values: NDArray[Any], clip: bool, weights: bool
) -> None:
    """Set cells to states, given as conductances or as `weights`; the caller updates the rest.

    Raises
    ------
    ParameterError
        Naming `where`, if values are outside the window and `clip` is false.
    """
    with np.errstate(over="ignore"):
        wanted = np.asarray(device.conductance_of(values) if weights else values, np.float32)
    low, high = array.cells[..., G_LOW].T, array.cells[..., G_HIGH].T
    apart = ~connected(array)
    if not clip:
        beyond = np.maximum(np.minimum(low, device.g_min) - wanted, 0)
        beyond += np.maximum(wanted - np.maximum(high, device.g_max), 0)
        beyond[apart] = 0
        per_siemens = 2 / device.g_range if weights else 1
        refuse_outside(
            where, beyond * per_siemens, ROUNDING * device.g_max * per_siemens,
            (-1, 1, "") if weights else (device.g_min, device.g_max, " S"),
        )  # fmt: skip
    put_states(
        array, np.where(apart, 0, nearest_state(device, np.clip(wanted, low, high), low, high))
    )


def nearest_state(
    device: Device,
    conductance: NDArray[np.float32],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the nearest state, where states are finite, in windows from `low` to `high`, S."""
    if not (device.levels or device.g_quantum):
        return conductance
    if device.level_radix:
        places = level_places(device.levels, device.level_radix)
        place = (conductance - low) / np.where(high > low, high - low, 1)
        nearest = np.searchsorted((places[1:] + places[:-1]) / 2, place)
        return (low + places[nearest] * (high - low)).astype(np.float32)
    distance = (high - low) / (device.levels - 1) if device.levels else device.g_quantum
    distance = np.where(high > low, distance, 1).astype(np.float32)
    return np.clip(low + np.round((conductance - low) / distance) * distance, low, high)


def put_back(
    array: ArrayState,
    conductance: NDArray[np.float32],
    cells: NDArray[np.float32],
    wear: NDArray[np.uint32],
    inhibited: NDArray[np.bool_],
) -> None:
    """Restore cells, all connected; arrays as in `ArrayState`."""
    put_states(array, conductance)
    array.cells[:] = cells
    array.wear[:], array.inhibited[:] = wear, inhibited
    array.hottest[0] = wear.max()
    if isinstance(array.gaps, Disconnected):
        array.gaps.spared[:] = 0
    array.n_connected[:] = array.g.shape[1]


def connected(array: ArrayState, columns: slice = EVERY) -> NDArray[np.bool_]:
    """Return whether cells, all or those of some columns, are part of the array, bool[rows,
    ...]."""
    if isinstance(array.gaps, Disconnected):
        return array.gaps.spared[:, columns] == 0
    return np.ones(array.g[:, columns].shape, np.bool_)


def with_gaps(array: ArrayState) -> ArrayState:
    """Return the array in a form from which cells can be taken out."""
    if isinstance(array.gaps, Disconnected):
        return array
    return array._replace(gaps=Disconnected(np.zeros_like(array.g), array.pulse.g_mid))


def take_out(array: ArrayState, rows: NDArray[np.int64], columns: Any) -> None:
    """Disconnect cells, each at one of `rows` and `columns`, of an array `with_gaps`."""
    array.g[rows, columns] = array.g_columns[columns, rows] = 0
    array.gaps.spared[rows, columns] = array.gaps.g_mid
    changed = np.unique(rows)
    array.n_connected[changed] = (array.gaps.spared[changed] == 0).sum(axis=1)


def states_of(array: ArrayState) -> NDArray[np.float32]:
    """Return the states of all cells, float32[rows, columns], S."""
    if isinstance(array.written, Blurred):
        return np.ascontiguousarray(array.g_columns.T)
    return array.g


def put_states(array: ArrayState, states: NDArray[np.float32]) -> None:
    """Set all cells to `states`, float32[rows, columns], S; reads see them."""
    array.g[:], array.g_columns[:] = states, states.T


def move_states(array: ArrayState, states: NDArray[np.float32]) -> None:
    """Move all cells to `states`, as `put_states`; the errors of the last writes are kept."""
    if isinstance(array.written, Blurred):
        left = array.g - array.g_columns.T
        put_states(array, states)
        array.g[:] = np.maximum(states + left, 0)
    else:
        put_states(array, states)


def bring_into_step(array: ArrayState, device: Device, age: ArrayLike = 0.0) -> None:
    """Update everything that is derived from `g`.

    `age` is that of each cell, float64[columns, rows], s.
    """
    array.row_sum[:] = array.g.sum(axis=1, dtype=np.float64)
    if isinstance(array.noise, Growing):
        sigma = device.read_1f_sigma(array.g, device.g_max, np.asarray(age).T)
        array.noise.variance[:] = np.square(sigma)
