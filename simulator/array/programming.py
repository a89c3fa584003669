"""Programming of cells one by one, with a record of every pulse: traces and their statistics.

`Crossbar.pulse_train` and `Crossbar.write_verify` return these records. They pulse and sense
through the kernels of `simulator.array.cells`, one pulse at a time, so that a trace changes neither
the random numbers nor the booking.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.verbs import settle_cell
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import RESET, SET
from cbramsim.simulator.array.cells import BookedAs
from cbramsim.simulator.array.writing import (
    correction,
    give_pulse,
    nominal_step,
    sense_cell,
)
from cbramsim.simulator.energy.ledger import Operation

Corrections = Literal["pulse", "train"]
"""Pulses that a cell gets between two senses: one `pulse`, or a `train` of as many as the nominal
device needs for the missing part."""

MAX_TRACE = 50_000_000
"""Most pulses that are traced at once, of all cells: 450 MB."""

BOOKED = tuple(
    int(operation)
    for operation in (
        Operation.PROGRAM_PULSE,
        Operation.SENSE_READ,
        Operation.PROGRAM_LINE,
        Operation.HALF_SELECT,
    )
)
"""Operations whose energy a trace distinguishes, in the order of `CellEnergy`."""


class CellEnergy(NamedTuple):
    """Energy booked for each cell, float64[cells], J."""

    pulses: NDArray[np.float64]
    """Energy of the pulses in the cell."""
    sensing: NDArray[np.float64]
    """Energy of sensing the cell."""
    lines: NDArray[np.float64]
    """Energy of charging its lines for the pulses."""
    half_selected: NDArray[np.float64]
    """Energy of other cells, in a passive array, while it is pulsed or sensed."""

    @property
    def total(self) -> NDArray[np.float64]:
        """Total energy."""
        return self.pulses + self.sensing + self.lines + self.half_selected


class Trace(NamedTuple):
    """Course of some cells, pulse after pulse; entries after the end are 0 pulses, or NaN."""

    cells: NDArray[np.int64]
    """Word line and bit line of each cell, int64[cells, 2]."""
    pulses: NDArray[np.int8]
    """Pulses, int8[cells, pulses]: 1 for a set and -1 for a reset pulse."""
    conductance: NDArray[np.float32]
    """Conductance before the first and after every pulse, float32[cells, pulses + 1], S."""
    sensed: NDArray[np.float32]
    """Readings of the controller, float32[cells, pulses + 1], S."""
    energy: CellEnergy
    """Energy of the writing."""


class Writing(NamedTuple):
    """Result of writing cells to targets, with verification."""

    trace: Trace
    """Record of every pulse."""
    target: NDArray[np.float64]
    """Conductance wanted of each cell, float64[cells], S."""
    reached: NDArray[np.bool_]
    """Whether the controller read each as its target before its budget was spent, bool[cells]."""
    final: NDArray[np.float32]
    """Conductance after all cells have been written, float32[cells], S: pulses on other cells of a
    passive array may have moved it since its own last pulse."""
    window: float
    """Width of the nominal window, S."""

    @property
    def pulses(self) -> NDArray[np.int64]:
        """Pulses that each cell got, int64[cells]."""
        return np.count_nonzero(self.trace.pulses, axis=1)

    @property
    def yield_(self) -> float:
        """Fraction of the cells that reached their target; NaN without cells."""
        return float(self.reached.mean()) if self.reached.size else float("nan")

    @property
    def mean_pulses(self) -> float:
        """Mean of the pulses to target, over the cells that reached it; NaN if none did."""
        return float(self.pulses[self.reached].mean()) if self.reached.any() else float("nan")

    def percentiles(self, percent: Any = (5, 50, 95)) -> NDArray[np.float64]:
        """Return percentiles of the pulses to target, over the cells that reached it."""
        if not self.reached.any():
            return np.full(np.shape(percent), np.nan)
        return np.percentile(self.pulses[self.reached], percent)

    def histogram(self) -> tuple[NDArray[np.int64], int]:
        """Return the numbers of cells that needed 0, 1, 2, ... pulses to target, and of those that
        missed it."""
        counts = np.bincount(self.pulses[self.reached], minlength=1)
        return counts, int((~self.reached).sum())

    @property
    def error(self) -> NDArray[np.float64]:
        """Final distance of each cell from its target, float64[cells], S."""
        return self.final - self.target

    @property
    def relative_error(self) -> NDArray[np.float64]:
        """Final distance as a part of the nominal window, float64[cells]."""
        return self.error / self.window


def budget_of(device: Device) -> int:
    """Return the pulses that span the nominal window, the budget of a verification."""
    return math.ceil(max(device.pulses_up, device.pulses_down))


def empty_trace(cells: NDArray[np.int64], pulses: int, method: str) -> Trace:
    """Return a trace of `cells`, int64[cells, 2], in which nothing has happened yet.

    Raises
    ------
    ParameterError
        Naming the `method` of a `Crossbar`, if it would be too long.
    """
    n = len(cells)
    if n * pulses > MAX_TRACE:
        raise ParameterError(
            f"Crossbar.{method}: cells times pulses must be <= {MAX_TRACE:,} "
            f"(got {n:,} cells with up to {pulses:,} pulses)"
        )
    return Trace(
        cells=cells,
        pulses=np.zeros((n, pulses), np.int8),
        conductance=np.full((n, pulses + 1), np.nan, np.float32),
        sensed=np.full((n, pulses + 1), np.nan, np.float32),
        energy=CellEnergy(*np.zeros((len(BOOKED), n))),
    )


@lean_loop
def trace_trains(array, train, sense, stream, account, trace):  # type: ignore[no-untyped-def]
    """Give one train to every cell of a trace, cell after cell.

    Parameters
    ----------
    array
        `ArrayState`.
    train
        int8[pulses], 1 or -1 each.
    sense
        Whether to sense the cell before the first and after every pulse.
    stream, account
        State of the stream "pulses", and `Account` to book on.
    trace
        `Trace`, filled.
    """
    for n in range(len(trace.cells)):
        row, column = trace.cells[n]
        book(account, trace.energy, n, -1.0)
        note(array, sense, stream, account, trace, n, 0)
        if not array.inhibited[column, row]:
            for p in range(train.size):
                give(array, train[p], stream, account, trace, n, p)
                note(array, sense, stream, account, trace, n, p + 1)
        book(account, trace.energy, n, 1.0)


@lean_loop
def write_cells(array, targets, tolerance, trains, stream, account, trace, reached):  # type: ignore[no-untyped-def]
    """Write the cells of a trace to their targets, see `Crossbar.write_verify`.

    Parameters
    ----------
    array
        `ArrayState`.
    targets, tolerance
        float64[cells], and the largest distance of a reading from it, S; below 0: as in
        `writing.verify`.
    trains
        Whether to correct by trains of pulses.
    stream, account
        State of the stream "pulses", and `Account` to book on.
    trace, reached
        `Trace` with room for as many pulses as a cell may get, and bool[cells]: filled.
    """
    budget = trace.pulses.shape[1]
    for n in range(len(trace.cells)):
        row, column = trace.cells[n]
        if array.inhibited[column, row]:
            trace.conductance[n, 0] = array.g_columns[column, row]
            continue
        book(account, trace.energy, n, -1.0)
        given = 0
        while True:
            seen = note(array, True, stream, account, trace, n, given)
            way = needed(array, seen, targets[n], tolerance)
            reached[n] = way == 0
            if way == 0 or given == budget:
                break
            length = 1
            if trains:
                length = min(missing_pulses(array, seen, targets[n], way), budget - given)
            for p in range(length):
                if p > 0:
                    note(array, False, stream, account, trace, n, given)
                give(array, way, stream, account, trace, n, given)
                given += 1
        book(account, trace.energy, n, 1.0)


@part
def needed(array, seen, target, tolerance):  # type: ignore[no-untyped-def]
    """Return the polarity of the pulse that a cell needs, or 0 if it is close enough."""
    if tolerance < 0:
        return correction(array, seen, target, 2 * array.pulse.sum_sigma)
    if abs(target - seen) <= tolerance:
        return 0
    return 1 if target > seen else -1


@part
def missing_pulses(array, seen, target, way):  # type: ignore[no-untyped-def]
    """Return the number of pulses that take the nominal cell next to `target`, at least 1."""
    g, count = seen, 0
    while count < MOST_MISSING:
        step = way * nominal_step(array, SET if way > 0 else RESET, g)
        if way * (target - g) <= 0.5 * step or step <= 0:
            break
        g += way * step
        count += 1
    return max(count, 1)


MOST_MISSING = 10_000
"""Longest train of one correction."""
BY_HAND = BookedAs.both(Operation.PROGRAM_PULSE)


@part
def give(array, way, stream, account, trace, n, p):  # type: ignore[no-untyped-def]
    """Give pulse number `p` of a trace to its cell `n`."""
    row, column = trace.cells[n]
    trace.pulses[n, p] = way
    give_pulse(array, column, row, way, BY_HAND, stream, account)


@part
def note(array, sense, stream, account, trace, n, p):  # type: ignore[no-untyped-def]
    """Record the state of cell `n` after `p` pulses; return its sensed conductance, or NaN."""
    row, column = trace.cells[n]
    seen = np.nan
    if sense:
        seen = np.float64(sense_cell(array, column, row, stream, account))
    else:
        settle_cell(array.access, array, column, row, stream)
    trace.sensed[n, p] = seen
    trace.conductance[n, p] = array.g_columns[column, row]
    return seen


@part
def book(account, energy, n, sign):  # type: ignore[no-untyped-def]
    """Add the contents of an account, times `sign`, to the energy of cell `n`."""
    energy.pulses[n] += sign * account.joules[BOOKED[0]]
    energy.sensing[n] += sign * account.joules[BOOKED[1]]
    energy.lines[n] += sign * account.joules[BOOKED[2]]
    energy.half_selected[n] += sign * account.joules[BOOKED[3]]
