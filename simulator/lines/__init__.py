"""Line resistance: the exact nodal solution of an array, fast.

`solve` returns the voltages of all nodes for given `Terminals`; `effective` returns the array as
its terminals see it, after which every read is a product; `Crossbar(wires=...)` uses both.
`cbramsim.simulator.lines.spice` writes netlists.
"""

from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.curves import Sinh
from cbramsim.simulator.lines.effective_matrix import Effective, effective
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import ConvergenceError, solve
from cbramsim.simulator.lines.tiles import Tiles

__all__ = [
    "ConvergenceError",
    "Effective",
    "LineFaults",
    "Sinh",
    "Solution",
    "Terminals",
    "Tiles",
    "Wires",
    "effective",
    "solve",
]
