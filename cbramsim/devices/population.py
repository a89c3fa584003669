"""An array's worth of cells, drawn once from a `Device`: spread from cell to cell, stuck cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, R_DOWN, R_UP


def draw_population(
    device: Device, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the parameters of every cell of an array.

    Spreads are log-normal with the nominal value as mean, so that no conductance or step turns
    negative (assumed; common for filament devices). A stuck cell has a window of zero width.

    Parameters
    ----------
    device
        The technology.
    shape
        (word lines, bit lines).
    rng
        The stream of this purpose.

    Returns
    -------
    float32[bit lines, word lines, 4]
        Lowest and highest conductance (S), and the fractions of a set and a reset pulse.
        A column's cells lie side by side, for it is columns that are programmed.
    """
    rows, columns = shape
    cells = np.empty((columns, rows, 4), np.float32)
    cells[..., G_LOW] = _spread(rng, device.g_min, device.g_min_d2d, (columns, rows))
    cells[..., G_HIGH] = _spread(rng, device.g_max, device.g_max_d2d, (columns, rows))
    cells[..., R_UP] = _spread(rng, device.r_up, device.r_up_d2d, (columns, rows))
    cells[..., R_DOWN] = _spread(rng, device.r_down, device.r_down_d2d, (columns, rows))
    # A window must lie between the asymptotes, or a pulse could move a cell the wrong way.
    for bound in (G_LOW, G_HIGH):
        np.clip(cells[..., bound], device.g_down_inf, device.g_up_inf, out=cells[..., bound])
    np.minimum(cells[..., G_LOW], cells[..., G_HIGH], out=cells[..., G_LOW])
    np.minimum(cells[..., R_UP:], 1.0, out=cells[..., R_UP:])
    _stick(cells, device, rng)
    return cells


def _spread(
    rng: np.random.Generator, mean: float, relative: float, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Draw log-normal values with the given mean and relative standard deviation."""
    sigma = np.sqrt(np.log1p(relative**2))
    return mean * np.exp(sigma * rng.standard_normal(shape) - 0.5 * sigma**2)


def _stick(cells: NDArray[np.float32], device: Device, rng: np.random.Generator) -> None:
    lot = rng.random(cells.shape[:2])
    low = lot < device.stuck_low
    high = ~low & (lot < device.stuck_low + device.stuck_high)
    cells[low, G_HIGH] = cells[low, G_LOW]
    cells[high, G_LOW] = cells[high, G_HIGH]
