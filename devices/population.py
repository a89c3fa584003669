"""Cells of an array, drawn once from a `Device`: spread from cell to cell, faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.faults import HIGH, LOW, MIDDLE, OPEN, draw_faults
from cbramsim.devices.pulse_law import affine_step
from cbramsim.devices.pulses import (
    CELL_SIZE,
    G_HIGH,
    G_LOW,
    RESET,
    SET,
)
from cbramsim.devices.quantities import log_normal
from cbramsim.devices.technology import Technology


def draw_population(
    device: Technology, shape: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the parameters of every cell of an array.

    Spreads are log-normal with the nominal value as mean, so that no conductance or step turns
    negative (assumed; common for filament devices). Those of a nonlinearity label, of a slope, and
    of bounds in parts of the window (`g_min_d2d_of_window`) are normal. A cell whose bounds would
    be reversed has no window, and neither has a stuck one.

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
    float32[bit lines, word lines, 6]
        For set pulses and for reset pulses: the bound of the window from which a train starts (S),
        the signed step there (S), and its change per siemens on the way. The cells of a column are
        adjacent, as columns are programmed.
    """
    rows, columns = shape
    size = (columns, rows)
    low = log_normal(rng, device.g_min, device.g_min_d2d, size)
    high = log_normal(rng, device.g_max, device.g_max_d2d, size)
    factor_up = log_normal(rng, 1.0, device.pulses_up_d2d, size)
    factor_down = log_normal(rng, 1.0, device.pulses_down_d2d, size)
    if device.pulses_d2d:
        both = log_normal(rng, 1.0, device.pulses_d2d, size)
        factor_up, factor_down = both * factor_up, both * factor_down
    for bound, spread in ((low, device.g_min_d2d_of_window), (high, device.g_max_d2d_of_window)):
        if spread:
            bound += spread * device.g_range * rng.standard_normal(size)
            np.maximum(bound, 0, out=bound)
    low, high = _on_states(device, np.minimum(low, high), high)
    window = high - low
    cells = np.zeros((*size, CELL_SIZE), np.float32)
    cells[..., G_LOW], cells[..., G_HIGH] = low, high
    for start, way, sign, factor in ((SET, "up", 1, factor_up), (RESET, "down", -1, factor_down)):
        first, cells[..., start + 2] = _steps(device, way, sign, factor, rng)
        cells[..., start + 1] = sign * first * window
    _apply_faults(cells, device, rng)
    return cells


def _steps(
    device: Technology, way: str, sign: int, factor: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
    """Return first step, part of the window, and slope of every cell; `factor` is its relative
    size.

    No cell takes less than one pulse from end to end.
    """
    pulses = np.maximum(getattr(device, f"pulses_{way}") / factor, 1)
    if device.law == "linear":
        slope = np.full_like(pulses, getattr(device, f"slope_{way}"))
        if spread := getattr(device, f"slope_{way}_d2d"):
            slope = np.maximum(slope + spread * rng.standard_normal(factor.shape), -1)
        return 1 / pulses, slope / pulses
    if device.law != "exponential":
        return 1 / pulses, 0.0
    label = sign * getattr(device, f"nonlinearity_{way}")
    if spread := getattr(device, f"nonlinearity_{way}_d2d"):
        label = np.clip(label + spread * rng.standard_normal(factor.shape), -9, 9)
    return affine_step(pulses, label)


def _on_states(
    device: Technology, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the windows of quantised cells, whose bounds are multiples of the quantum."""
    quantum = device.g_quantum
    if not quantum:
        return low, high
    lowest = np.maximum(np.round(low / quantum), 1)
    return quantum * lowest, quantum * np.maximum(np.round(high / quantum), lowest)


def _apply_faults(cells: NDArray[np.float32], device: Technology, rng: np.random.Generator) -> None:
    condition = draw_faults(device, cells.shape[:2], rng)  # type: ignore[arg-type]
    low, high, open_ = condition == LOW, condition == HIGH, condition == OPEN
    middle = condition == MIDDLE
    between = (cells[middle, G_LOW] + cells[middle, G_HIGH]) / 2
    cells[middle, G_LOW] = cells[middle, G_HIGH] = between
    cells[low, G_HIGH] = cells[low, G_LOW]
    cells[high, G_LOW] = cells[high, G_HIGH]
    cells[open_, :] = 0
