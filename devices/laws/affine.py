r"""The step as a linear function of the state: laws `exponential`, `constant`, `linear`.

.. math:: S(G) = S_1 + s\,(G - G_{edge}),

where the edge from which a train starts, the first step and the slope are those of the cell.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cbramsim.core.verbs import implements, mean_step, mean_train


class Affine(NamedTuple):
    """Steps that are linear in the state; each cell keeps its own two numbers."""


@implements(mean_step, Affine)
def _(law, cells, column, row, way, g):  # type: ignore[no-untyped-def]
    edge, first, slope = (
        cells[column, row, way], cells[column, row, way + 1], cells[column, row, way + 2],
    )  # fmt: skip
    return first + slope * np.float64(g - edge)


@implements(mean_train, Affine)
def _(law, cells, column, row, way, g, pulses):  # type: ignore[no-untyped-def]
    """Integrate many parts of a step, :math:`dG/dn = S(G)`: an exponential, without bounds."""
    edge, first, slope = (
        cells[column, row, way], cells[column, row, way + 1], cells[column, row, way + 2],
    )  # fmt: skip
    x = np.float64(slope) * pulses
    # expm1(x) / x; its series is right to 1e-13, and fast
    grown = 1 + x / 2 * (1 + x / 3 * (1 + x / 4)) if abs(x) < 1e-3 else math.expm1(x) / x
    return g + (first + slope * np.float64(g - edge)) * pulses * grown
