"""A pulse law of one's own, with a state.

What a pulse leaves adds to the next step, and fades. A law is a `NamedTuple` for which the verb
`mean_step` is implemented; its arrays are saved with the network (CONTRIBUTING.md).
"""

import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import cbramsim as cb
from cbramsim.core.verbs import implements, mean_step


class Priming(NamedTuple):
    """A linear step, larger for a while after each pulse."""

    gain: float
    primed: np.ndarray  # what earlier pulses have left
    last: np.ndarray  # of which pulse of the array it was the rest
    now: np.ndarray  # pulses of the array


@implements(mean_step, Priming)
def _(law, cells, column, row, way, g):
    law.now[0] += 1
    left = law.primed[column, row] * np.exp(-(law.now[0] - law.last[column, row]) / 5)
    law.primed[column, row], law.last[column, row] = left + 1, law.now[0]
    return cells[column, row, way + 1] * (1 + law.gain * left)


figure, ax = plt.subplots(layout="constrained")
for gain in (0, 0.2):
    law = Priming(gain, np.zeros((1, 1)), np.zeros((1, 1), np.int64), np.zeros(1, np.int64))
    trace = cb.Crossbar("ideal", (1, 1), own=cb.Own(law=law)).pulse_train([[0, 0]], [90, -90])
    ax.plot(1e6 * trace.conductance[0], label=f"gain {gain:g}")
    print(f"gain {gain:g}: {trace.conductance[0, 20]:.5e} S after 20 pulses")
ax.set(xlabel="pulse", ylabel="conductance (µS)", title="Pulses in a row help each other")
ax.legend()
figure.savefig(Path(*sys.argv[1:2], "20_own_law.png"))
