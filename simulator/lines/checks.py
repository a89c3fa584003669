"""Checks of circuits before they are solved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.arguments import finite, instance, number, whole_numbers
from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines.circuit import LineFaults, Terminals

FINEST = 1e-13
"""Smallest relative tolerance that double precision may reach."""
MOST_SIEMENS, MOST_VOLTS = 1e15, 1e9
"""Largest conductance and voltage; larger ones are taken for a mistake."""


def check_circuit(conductance: NDArray, terminals: Terminals, faults: LineFaults) -> None:
    """Raise `ParameterError` if sizes do not fit, or a value is meaningless."""
    if conductance.ndim != 2 or not conductance.size or not (conductance >= 0).all():
        raise ParameterError(
            f"conductance: must be [rows, columns] of numbers >= 0, in siemens (got "
            f"{_worst(conductance)})"
        )
    largest = conductance.max(initial=0, where=np.isfinite(conductance))
    number("conductance: that is finite", largest, 0, MOST_SIEMENS, "S")
    rows, columns = conductance.shape
    for name, ends, size in zip(
        Terminals._fields, terminals, (rows, rows, columns, columns), strict=True
    ):
        if ends.shape != (size,) or np.isinf(ends).any():
            raise ParameterError(
                f"Terminals.{name}: must be {size} voltages, NaN where nothing is connected (got "
                f"{'infinity' if ends.shape == (size,) else f'shape {ends.shape}'})"
            )
        finite(f"Terminals.{name}:", np.nan_to_num(ends), MOST_VOLTS, "V")
    limits = (
        (rows, columns + 1), (rows + 1, columns), (rows, rows, columns), (rows, columns, columns),
    )  # fmt: skip
    for name, places, limit in zip(LineFaults._fields, faults, limits, strict=True):
        for place in instance(f"LineFaults.{name}:", places, tuple, list):
            if not _within(place, limit):
                raise ParameterError(
                    f"LineFaults.{name}: must be {len(limit)} numbers from 0 and below {limit} "
                    f"(got {place})"
                )


def check_tolerance(where: str, tolerance: float) -> None:
    """Raise `ParameterError` if double precision cannot reach the tolerance."""
    if not FINEST <= number(f"{where}.tolerance:", tolerance) < 1:
        raise ParameterError(
            f"{where}.tolerance: must be >= {FINEST:g} and < 1 (got {tolerance!r})"
        )


def _within(place: Any, limit: tuple[int, ...]) -> bool:
    """Return whether a place has a whole number for each `limit`, from 0 and below it."""
    try:
        numbers = whole_numbers("", place, 0, max(limit) - 1)
    except ParameterError:
        return False
    return numbers.shape == (len(limit),) and bool((numbers < limit).all())


def _worst(conductance: NDArray) -> str:
    """Describe the error in conductances."""
    if conductance.ndim != 2 or not conductance.size:
        return f"shape {conductance.shape}"
    row, column = np.argwhere(~(conductance >= 0))[0]
    return f"{conductance[row, column]:g} at row {row}, column {column}"
