"""Lines without resistance: reads see the cells themselves, without losses."""

from __future__ import annotations

from typing import NamedTuple

from cbramsim.core.kernels import each
from cbramsim.core.verbs import (
    book_all_lines,
    book_cell_sensed,
    book_cells_read,
    book_column_sensed,
    book_lines,
    implements,
    lost_in_lines,
    see_again,
    see_weights_again,
    seen,
    sum_seen,
)
from cbramsim.simulator.array.cells import sum_rows
from cbramsim.simulator.energy.ledger import Operation

CELL_READ = int(Operation.CELL_READ)


class IdealLines(NamedTuple):
    """Lines without resistance."""


@implements(sum_seen, IdealLines)
def _(lines, array, rows, n_active, currents, work):  # type: ignore[no-untyped-def]
    sum_rows(array.g, rows, n_active, currents)


@implements(seen, IdealLines)
def _(lines, array, row, column):  # type: ignore[no-untyped-def]
    return array.g[row, column]


@implements(see_again, IdealLines)
def _(lines, array, column):  # type: ignore[no-untyped-def]
    pass


@implements(see_weights_again, IdealLines)
def _(lines, slices, column):  # type: ignore[no-untyped-def]
    pass


@implements(book_cells_read, IdealLines)
def _(lines, array, rows, n_active, account):  # type: ignore[no-untyped-def]
    conductance = 0.0
    cells = 0
    for r in each(n_active):
        conductance += array.row_sum[rows[r]]
        cells += array.n_connected[rows[r]]
    account.counts[CELL_READ] += cells
    account.joules[CELL_READ] += array.pulse.v2t_read * conductance


@implements(book_column_sensed, IdealLines)
def _(lines, array, column, cells, account):  # type: ignore[no-untyped-def]
    pass


@implements(book_cell_sensed, IdealLines)
def _(lines, array, column, row, g, account):  # type: ignore[no-untyped-def]
    pass


@implements(lost_in_lines, IdealLines)
def _(lines, i2t, squares, column, row):  # type: ignore[no-untyped-def]
    return 0.0


@implements(book_lines, IdealLines)
def _(lines, pulses, joules, account):  # type: ignore[no-untyped-def]
    pass


@implements(book_all_lines, IdealLines)
def _(lines, array, spiked, part, account):  # type: ignore[no-untyped-def]
    pass
