r"""Access device of each cell of an array, and effects of pulses and senses on the other cells.

* `Transistor`: a device in every cell shuts it off while others are programmed.
* `Passive`: bare cells. Other cells see a part of the voltage, by the scheme:

  * `Halves`: the pulsed cell's word line is at V/2, its bit line at -V/2, all others at ground. The
    cells on the two lines, except the pulsed one, see V/2.
  * `Thirds`: the other word lines are at -V/6, the other bit lines at V/6. All other cells see a
    third of the voltage, reversed if they are on neither line.

  Cells whose current falls more than in proportion at low voltage take less. The partial voltage
  moves them (`Moving`) or does not (`Still`); the model of the motion is that of
  `cbramsim.devices.disturb`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.kernels import lean_loop, part
from cbramsim.core.verbs import (
    book_all_others,
    book_column_sneak,
    book_others,
    book_sneak,
    implements,
    mean_train,
    nearby_state_drawn,
    push_others,
    see_again,
    seen_by,
    settle_cell,
    settle_column,
    store,
    sum_of_others,
)
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET
from cbramsim.simulator.energy.ledger import Operation

HALF_SELECT = int(Operation.HALF_SELECT)


class Transistor(NamedTuple):
    """A device in every cell, which shuts it off while others on its lines are programmed."""


class Halves(NamedTuple):
    """Cells on the two lines of the pulsed one see half of the voltage."""

    v2t_set: float
    """V² t of a set pulse at half its voltage, J/S."""
    v2t_reset: float
    """V² t of a reset pulse at that part of its voltage, J/S."""


class Thirds(NamedTuple):
    """All other cells see a third of the voltage."""

    v2t_set: float
    """V² t of a set pulse at a third of its voltage, J/S."""
    v2t_reset: float
    """V² t of a reset pulse at that part of its voltage, J/S."""


class Gates(NamedTuple):
    """Cells whose pulses charge a gate: a part of the voltage charges other gates by its square."""

    scheme: Any
    """`Halves` or `Thirds`, for the conduction of cells, which is zero."""
    gate_set: float
    """Energy of one other gate in a set pulse, C (V/2)² or C (V/3)², J."""
    gate_reset: float
    """Energy of one other gate in a reset pulse, J."""


class Still(NamedTuple):
    """Cells that a part of the voltage does not move."""


class Moving(NamedTuple):
    """Cells that a part of the voltage moves by a part of a step."""

    drive: NDArray[np.float64]
    """Write pulses, or parts of one, that the cells of each word line, of each bit line, and all
    have seen, float64[2, rows + columns + 1]; set and reset pulses apart."""
    driven: NDArray[np.float64]
    """Number of these that each cell has followed, or does not see, float64[2, columns, rows]."""
    unresolved: NDArray[np.float32]
    """Movement of each cell by them below single precision, float32[columns, rows], S."""
    part_set: float
    """Movement of other cells on its lines by a set pulse, part of a step."""
    part_reset: float
    """Movement of other cells on its lines by a reset pulse, part of a step."""
    across_set: float
    """Movement of cells on neither line, which see it reversed, by a set pulse: part of a reset."""
    across_reset: float
    """Movement of cells on neither line by a reset pulse: part of a set."""


class Passive(NamedTuple):
    """Bare cells."""

    scheme: Any
    """`Halves`, `Thirds` or `Gates`."""
    others: Any
    """`Still` or `Moving`."""


def access_of(device: Device, shape: tuple[int, int], access: str, scheme: str) -> Any:
    """Return the access of the cells of an array of `shape` (word lines, bit lines)."""
    if access != "passive":
        return Transistor()
    part = 1 / 3 if scheme == "V/3" else 1 / 2
    others = _moving(device, shape, part) if device.v_switch else Still()
    kind = Thirds if scheme == "V/3" else Halves
    if device.c_gate:
        gates = part**2 * device.gate_set, part**2 * device.gate_reset
        return Passive(Gates(kind(0.0, 0.0), *gates), others)
    seen = (
        device.v2t(part * device.v_set, device.t_set),
        device.v2t(part * device.v_reset, device.t_reset),
    )
    return Passive(kind(*seen), others)


def _moving(device: Device, shape: tuple[int, int], part: float) -> Moving:
    rows, columns = shape
    v_set, v_reset, widths = device.v_set, device.v_reset, device.t_set / device.t_reset
    across = part < 0.5
    return Moving(
        drive=np.zeros((2, rows + columns + 1)),
        driven=np.zeros((2, columns, rows)),
        unresolved=np.zeros((columns, rows), np.float32),
        part_set=device.part_of_step(part * v_set, v_set),
        part_reset=device.part_of_step(part * v_reset, v_reset),
        across_set=across * widths * device.part_of_step(v_set / 3, v_reset),
        across_reset=across / widths * device.part_of_step(v_reset / 3, v_set),
    )


# ---- what it costs -----------------------------------------------------------------------------


@implements(sum_of_others, Transistor)
def _(access, array, column):  # type: ignore[no-untyped-def]
    return 0.0


@implements(book_others, Transistor)
def _(access, array, row, g, column_sum, is_set, pulses, account):  # type: ignore[no-untyped-def]
    pass


@implements(book_sneak, Transistor)
def _(access, array, row, cells, g, account):  # type: ignore[no-untyped-def]
    pass


@implements(book_column_sneak, Transistor)
def _(access, array, column, account):  # type: ignore[no-untyped-def]
    pass


@implements(sum_of_others, Passive)
def _(access, array, column):  # type: ignore[no-untyped-def]
    return sum_of_others(access.scheme, array, column)


@implements(sum_of_others, Halves)
def _(access, array, column):  # type: ignore[no-untyped-def]
    total = 0.0
    for row in range(array.g.shape[0]):
        total += np.float64(array.g_columns[column, row])
    return total


@implements(sum_of_others, Thirds)
def _(access, array, column):  # type: ignore[no-untyped-def]
    total = 0.0
    for row in range(array.g.shape[0]):
        total += array.row_sum[row]
    return total


@implements(book_others, Passive)
def _(access, array, row, g, column_sum, is_set, pulses, account):  # type: ignore[no-untyped-def]
    book_others(access.scheme, array, row, g, column_sum, is_set, pulses, account)


@implements(book_others, Halves)
def _(scheme, array, row, g, column_sum, is_set, pulses, account):  # type: ignore[no-untyped-def]
    rows, columns = array.g.shape
    v2t = scheme.v2t_set if is_set else scheme.v2t_reset
    account.counts[HALF_SELECT] += pulses * (rows + columns - 2)
    account.joules[HALF_SELECT] += pulses * v2t * ((array.row_sum[row] - g) + (column_sum - g))


@implements(book_others, Thirds)
def _(scheme, array, row, g, column_sum, is_set, pulses, account):  # type: ignore[no-untyped-def]
    rows, columns = array.g.shape
    v2t = scheme.v2t_set if is_set else scheme.v2t_reset
    account.counts[HALF_SELECT] += pulses * (rows * columns - 1)
    account.joules[HALF_SELECT] += pulses * v2t * (column_sum - g)


@implements(sum_of_others, Gates)
def _(gates, array, column):  # type: ignore[no-untyped-def]
    return sum_of_others(gates.scheme, array, column)


@implements(book_others, Gates)
def _(gates, array, row, g, column_sum, is_set, pulses, account):  # type: ignore[no-untyped-def]
    before = account.counts[HALF_SELECT]
    book_others(gates.scheme, array, row, g, column_sum, is_set, pulses, account)
    gate = gates.gate_set if is_set else gates.gate_reset
    account.joules[HALF_SELECT] += gate * (account.counts[HALF_SELECT] - before)


@implements(book_sneak, Passive)
def _(access, array, row, cells, g, account):  # type: ignore[no-untyped-def]
    account.counts[HALF_SELECT] += array.g.shape[1] - cells
    account.joules[HALF_SELECT] += array.pulse.v2t_read * (array.row_sum[row] - g)


@implements(book_column_sneak, Passive)
def _(access, array, column, account):  # type: ignore[no-untyped-def]
    for row in range(array.g.shape[0]):
        if not array.inhibited[column, row]:
            g = np.float64(array.g_columns[column, row])
            account.counts[HALF_SELECT] += array.g.shape[1] - 1
            account.joules[HALF_SELECT] += array.pulse.v2t_read * (array.row_sum[row] - g)


@implements(book_all_others, Transistor)
def _(access, array, rule, spiked, part, account):  # type: ignore[no-untyped-def]
    pass


@implements(book_all_others, Passive)
def _(access, array, rule, spiked, part, account):  # type: ignore[no-untyped-def]
    book_all_others(access.scheme, array, rule, spiked, part, account)


@implements(book_all_others, Halves)
def _(scheme, array, rule, spiked, part, account):  # type: ignore[no-untyped-def]
    """Add row i and column k, which a pulse on cell (i, k) half-selects: G_i. + G_.k - 2 G_ik."""
    rows, columns = array.g.shape
    for row in range(rows):
        v2t = scheme.v2t_set if spiked[row] else scheme.v2t_reset
        pulses = columns - rule.held_cells[row]
        own = array.row_sum[row] - rule.held_sum[row]
        joules = v2t * (pulses * array.row_sum[row] - 2 * own)
        account.joules[HALF_SELECT] += part * joules
    for column in range(columns):
        column_sum = sum_of_others(scheme, array, column)
        for row in range(rows):
            if not array.inhibited[column, row]:
                v2t = scheme.v2t_set if spiked[row] else scheme.v2t_reset
                account.joules[HALF_SELECT] += part * v2t * column_sum


@implements(book_all_others, Thirds)
def _(scheme, array, rule, spiked, part, account):  # type: ignore[no-untyped-def]
    """Add all other cells: a pulse on a cell is seen by all of them."""
    total = sum_of_others(scheme, array, 0)
    for row in range(array.g.shape[0]):
        v2t = scheme.v2t_set if spiked[row] else scheme.v2t_reset
        pulses = array.g.shape[1] - rule.held_cells[row]
        own = array.row_sum[row] - rule.held_sum[row]
        account.joules[HALF_SELECT] += part * v2t * (pulses * total - own)


@implements(book_all_others, Gates)
def _(gates, array, rule, spiked, part, account):  # type: ignore[no-untyped-def]
    for row in range(array.g.shape[0]):
        gate = gates.gate_set if spiked[row] else gates.gate_reset
        pulses = array.g.shape[1] - rule.held_cells[row]
        account.joules[HALF_SELECT] += part * gate * pulses * seen_by(gates.scheme, array)


@implements(seen_by, Transistor)
def _(access, array):  # type: ignore[no-untyped-def]
    return 0


@implements(seen_by, Passive)
def _(access, array):  # type: ignore[no-untyped-def]
    return seen_by(access.scheme, array)


@implements(seen_by, Gates)
def _(gates, array):  # type: ignore[no-untyped-def]
    return seen_by(gates.scheme, array)


@implements(seen_by, Halves)
def _(scheme, array):  # type: ignore[no-untyped-def]
    return array.g.shape[0] + array.g.shape[1] - 2


@implements(seen_by, Thirds)
def _(scheme, array):  # type: ignore[no-untyped-def]
    return array.g.size - 1


# ---- how others move ---------------------------------------------------------------------------


def _nothing_pushed(access, array, column, row, is_set, pulses):  # type: ignore[no-untyped-def]
    pass


def _cell_stays(access, array, column, row, stream):  # type: ignore[no-untyped-def]
    return 0.0


def _column_stays(access, array, column, stream):  # type: ignore[no-untyped-def]
    pass


for _kind in (Transistor, Still):
    implements(push_others, _kind)(_nothing_pushed)
    implements(settle_cell, _kind)(_cell_stays)
    implements(settle_column, _kind)(_column_stays)


@implements(push_others, Passive)
def _(access, array, column, row, is_set, pulses):  # type: ignore[no-untyped-def]
    push_others(access.others, array, column, row, is_set, pulses)


@implements(settle_cell, Passive)
def _(access, array, column, row, stream):  # type: ignore[no-untyped-def]
    return settle_cell(access.others, array, column, row, stream)


@implements(settle_column, Passive)
def _(access, array, column, stream):  # type: ignore[no-untyped-def]
    settle_column(access.others, array, column, stream)


@implements(push_others, Moving)
def _(others, array, column, row, is_set, pulses):  # type: ignore[no-untyped-def]
    """Add the pulses that the two lines of a cell and the array have seen.

    Pulses that the pulsed cell itself does not see count as followed.
    """
    drive, driven = others.drive, others.driven
    way = 0 if is_set else 1
    bit_line = array.g.shape[0] + column
    part = pulses * (others.part_set if is_set else others.part_reset)
    drive[way, row] += part
    drive[way, bit_line] += part
    driven[way, column, row] += 2 * part
    part = pulses * (others.across_set if is_set else others.across_reset)
    if part > 0:
        drive[1 - way, -1] += part
        drive[1 - way, row] -= part
        drive[1 - way, bit_line] -= part
        driven[1 - way, column, row] -= part


@implements(settle_cell, Moving)
def _(others, array, column, row, stream):  # type: ignore[no-untyped-def]
    """Move the cell first by the set pulses, then by the reset pulses.

    Their order matters only in the second order of a small part. Changes below single precision are
    kept for the next call. A cell of finite states takes one of the two states next to its
    conductance, at random and right on average.
    """
    before = np.float64(array.g_columns[column, row])
    after = _followed(
        before, others.drive, others.driven[:, column], others.unresolved[column], array, column,
        row, stream,
    )  # fmt: skip
    if after != before:
        store(array.written, array, column, row, before, after)
    return np.float64(after) - before


@implements(settle_column, Moving)
def _(others, array, column, stream):  # type: ignore[no-untyped-def]
    # one array after the other: a tuple of arrays is costly to hand on for every cell
    drive = others.drive
    g_column, driven, unresolved = (
        array.g_columns[column], others.driven[:, column], others.unresolved[column],
    )  # fmt: skip
    for row in range(g_column.size):
        before = np.float64(g_column[row])
        after = _followed(before, drive, driven, unresolved, array, column, row, stream)
        if after != before:
            store(array.written, array, column, row, before, after)


@part
def _followed(before, drive, driven, unresolved, array, column, row, stream):  # type: ignore[no-untyped-def]
    """Return the present conductance of a half-selected cell; `driven` and `unresolved` are of its
    column."""
    bit_line = driven.shape[1] + column
    seen_up = drive[0, row] + drive[0, bit_line] + drive[0, -1]
    seen_down = drive[1, row] + drive[1, bit_line] + drive[1, -1]
    up, down = max(seen_up - driven[0, row], 0.0), max(seen_down - driven[1, row], 0.0)
    driven[0, row], driven[1, row] = seen_up, seen_down
    low, high = array.cells[column, row, G_LOW], array.cells[column, row, G_HIGH]
    if up + down == 0.0 or not high > low or before == 0.0:  # stuck, worn out, or not there
        return np.float32(before)
    g = before + np.float64(unresolved[row])
    g = mean_train(array.law, array.cells, column, row, SET, g, up)
    g = mean_train(array.law, array.cells, column, row, RESET, g, down)
    g = min(max(g, min(np.float64(low), before)), max(np.float64(high), before))
    g = nearby_state_drawn(array.grid, g, low, high, stream)
    after = np.float32(g)
    unresolved[row] = np.float32(g - np.float64(after))
    return after


@part
def forget(others):  # type: ignore[no-untyped-def]
    """Reset the counts."""
    others.drive[:] = 0
    others.driven[:] = 0


@lean_loop
def settle_all(array, stream):  # type: ignore[no-untyped-def]
    """Update all half-selected cells of a `Moving` array, and reset the counts."""
    for column in range(array.g.shape[1]):
        settle_column(array.access, array, column, stream)
        see_again(array.lines, array, column)
    forget(array.access.others)
