"""Pulse law with a state of its own: a trace of each pulse adds to the next step, and fades."""

from typing import NamedTuple

import numpy as np

import cbramsim as cb
from cbramsim.core.verbs import implements, mean_step


class Priming(NamedTuple):
    """A linear step, larger for a while after each pulse."""

    gain: float
    memory: float
    primed: np.ndarray  # what is left of earlier pulses when the last one came
    last: np.ndarray  # when that was
    now: np.ndarray  # the clock


@implements(mean_step, Priming)
def _(law, cells, column, row, way, g):
    law.now[0] += 1
    faded = np.exp(-(law.now[0] - law.last[column, row]) / law.memory)
    left = law.primed[column, row] * faded
    law.primed[column, row], law.last[column, row] = left + 1, law.now[0]
    return cells[column, row, way + 1] * (1 + law.gain * left)


def priming(crossbar):
    """Return the law for the cells of a crossbar, without a trace of earlier pulses."""
    shape = crossbar.shape[::-1]  # columns, rows
    return Priming(0.5, 50, np.zeros(shape), np.zeros(shape, np.int64), np.zeros(1, np.int64))


crossbar = cb.Crossbar("subquantum-cbram", (2, 1), own=cb.Own(law=priming))
crossbar.program(0, [0, 1], [20, 5])
print("weights after 20 and 5 pulses:", crossbar.weights[:, 0].round(3).tolist())
