"""Checks of arguments of an array: errors name the method, the value and the allowed range."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbramsim.core.arguments import array, finite, whole, whole_numbers
from cbramsim.core.errors import ParameterError, shown
from cbramsim.devices.conduction import STEEPEST
from cbramsim.devices.device import Device

MAX_CELLS = 2**24
"""Most cells of an array: 4096 x 4096, some 2 GB."""
HIGHEST_VOLTAGE = 100.0
"""Highest voltage on a word line, V; a higher one is taken for a mistake."""

MAX_PULSES = 1_000_000
"""Most pulses in one train; more are taken for a mistake."""

Access = Literal["transistor", "passive"]
WriteScheme = Literal["V/2", "V/3"]

Shape = tuple[int, int]
"""Word lines and bit lines."""


def one_per_row(what: str, values: NDArray, rows: NDArray[np.int64]) -> NDArray:
    """Return `values`, one for all or one per row, as one per row."""
    if values.shape not in ((), rows.shape):
        raise ParameterError(
            f"Crossbar.{what} must be one for all or one per row, {rows.size} (got {values.size})"
        )
    return np.broadcast_to(values, rows.shape).copy()


def pulses_to_give(
    where: str, pulses: ArrayLike, rows: NDArray[np.int64], inhibited: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return those of `rows` that get any of the requested `pulses`, and the number for each.

    `inhibited` marks those of them that get none, bool[rows].
    """
    asked = whole_numbers(f"{where}.program: pulses", pulses, -MAX_PULSES, MAX_PULSES)
    counts = one_per_row("program: pulses", asked, rows)
    given = (counts != 0) & ~inhibited
    return rows[given], counts[given]


def checked_shape(where: str, shape: Shape) -> tuple[int, int]:
    """Return word lines and bit lines, after a check that an array can have them."""
    try:
        rows, columns = shape
        rows, columns = whole("", rows, 1), whole("", columns, 1)
    except (TypeError, ValueError):
        raise ParameterError(
            f"{where}.shape: must be two whole numbers > 0, word lines and bit lines "
            f"(got {shown(shape)})"
        ) from None
    if rows * columns > MAX_CELLS:
        raise ParameterError(
            f"{where}.shape: must be at most {MAX_CELLS:,} cells (got {shown(shape)})"
        )
    return rows, columns


def fitted(where: str, values: ArrayLike, shape: Shape) -> NDArray[Any]:
    """Return finite values broadcast to the shape of an array."""
    found = finite(where, values)
    try:
        return np.broadcast_to(found, shape)
    except ValueError:
        raise ParameterError(
            f"{where} must have the shape (word lines, bit lines), {shape} "
            f"(got {found.shape}{transposed(found.shape, shape[::-1])})"
        ) from None


def refuse_outside(
    where: str, beyond: NDArray[Any], slack: float, window: tuple[float, float, str]
) -> None:
    """Refuse values that are `beyond` their window by more than `slack`."""
    if outside := int((beyond > slack).sum()):
        low, high, unit = window
        raise ParameterError(
            f"{where} must be >= {low:g} and <= {high:g}{unit} (got {outside} of {beyond.size} "
            f"outside, by up to {beyond.max():.3g}{unit}; clip=True takes the nearest inside)"
        )


def transposed(shape: tuple[int, ...], other: tuple[int, ...]) -> str:
    """Return a hint if a shape is that of a transposed array."""
    return ": this looks transposed, use .T" if shape == other else ""


def checked_lines(method: str, shape: Shape, column: int, rows: ArrayLike) -> NDArray[np.int64]:
    """Return `rows` as an array, after a check that all lines exist."""
    whole(f"Crossbar.{method}: column", column, 0, shape[1] - 1)
    lines = whole_numbers(f"Crossbar.{method}: rows", rows, 0, shape[0] - 1)
    if lines.ndim > 1:
        raise ParameterError(
            f"Crossbar.{method}: rows must be one row of numbers (got shape {lines.shape})"
        )
    return np.atleast_1d(lines)


def checked_cells(method: str, shape: Shape, cells: ArrayLike) -> NDArray[np.int64]:
    """Return `cells` as int64[cells, 2], after a check that all exist."""
    pairs = array(f"Crossbar.{method}: cells", cells)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ParameterError(
            f"Crossbar.{method}: cells must be pairs (word line, bit line) (got shape "
            f"{pairs.shape})"
        )
    if pairs.size and not (
        np.issubdtype(pairs.dtype, np.integer) and ((pairs >= 0) & (pairs < shape)).all()
    ):
        raise ParameterError(
            f"Crossbar.{method}: cells must be within {shape[0]} word lines and "
            f"{shape[1]} bit lines (got {shown(cells)})"
        )
    return pairs.astype(np.int64, order="C")


def checked_targets(
    method: str, device: Device, target: ArrayLike, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return a target (S) for each of `rows`, after a check that it is plausible."""
    targets = array(f"Crossbar.{method}: target", target).astype(np.float64)
    highest = 2 * device.g_max
    if not ((targets >= 0) & (targets <= highest)).all():
        raise ParameterError(
            f"Crossbar.{method}: target must be >= 0 and <= {highest:g} S, twice the g_max "
            f"of the device (got {shown(target)})"
        )
    return one_per_row(f"{method}: target", targets, rows)


def checked_voltages(
    method: str, shape: Shape, device: Device, voltages: ArrayLike
) -> NDArray[Any]:
    """Return voltages of word lines, [..., rows], after a check that they are plausible."""
    where = f"Crossbar.{method}: voltages"
    v = array(where, voltages)
    if v.ndim == 0 or v.shape[-1] != shape[0]:
        raise ParameterError(
            f"{where} must have {shape[0]} values on the last axis, one per word line "
            f"(got shape {v.shape}{transposed(v.shape[-1:], shape[1:])})"
        )
    return finite(where, v, min(HIGHEST_VOLTAGE, STEEPEST * device.v_sinh or np.inf), "V")
