"""Arrays as they are saved with a network: cells, lines, clock and compensation, by name."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cbramsim.devices.noise import Growing
from cbramsim.devices.written import Blurred
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.planes import PlaneArray
from cbramsim.simulator.array.storing import states_of


def physical(array: Crossbar | PlaneArray) -> Crossbar:
    """Return the array of cells that holds the weights."""
    return array.cells if isinstance(array, PlaneArray) else array


def arrays_of(array: Crossbar | PlaneArray) -> dict[str, NDArray[Any]]:
    """Return the state of an array without its streams and ledger, for `restore`."""
    state, cells = array.state, physical(array)
    arrays: dict[str, NDArray[Any]] = {
        "conductance": states_of(state),
        "cells": state.cells,
        "wear": state.wear,
        "inhibited": state.inhibited,
        "connected": array.connected,
        "row_sum": state.row_sum,
    }
    if isinstance(state.written, Blurred):
        arrays["seen"] = state.g
    if isinstance(state.noise, Growing):
        arrays["variance"] = state.noise.variance
    if array.disturbs:
        arrays["unresolved"] = state.access.others.unresolved
    if array.wired:
        arrays |= array.wired.to_arrays(state)
    if isinstance(array, PlaneArray):
        arrays |= array.to_arrays()
    return arrays | cells.compensation_arrays() | array.clock.to_arrays()


def restore(array: Crossbar | PlaneArray, arrays: dict[str, NDArray[Any]]) -> None:
    """Restore the arrays of `arrays_of`."""
    array.restore(
        arrays["conductance"], arrays["cells"], arrays["wear"], arrays["inhibited"],
        arrays["connected"], arrays["row_sum"].copy(), arrays.get("seen"),
    )  # fmt: skip
    if isinstance(array, PlaneArray):
        for name, values in array.to_arrays().items():
            values[:] = arrays[name]
    if "variance" in arrays:
        array.state.noise.variance[:] = arrays["variance"]
    if array.disturbs:
        array.state.access.others.unresolved[:] = arrays["unresolved"]
    array.restore_lines(arrays)
    physical(array).restore_compensation(arrays)
    array.clock.restore(arrays, array.state.g_columns)
