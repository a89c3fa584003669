"""Energies of driving lines, which do not depend on the state of a cell."""

from __future__ import annotations

from cbramsim.devices.device import Device
from cbramsim.simulator.array.cells import ProgramCosts
from cbramsim.simulator.array.writing import SENSED_BITS
from cbramsim.simulator.circuits import Periphery


def program_costs(
    device: Device, periphery: Periphery, shape: tuple[int, int], access: str, scheme: str
) -> ProgramCosts:
    """Return the state-independent energies of programming in an array of some `shape`.

    A pulse charges its bit line and its word line to V. In a passive array it charges each to
    V/2 only, but the other cells on the two lines see that voltage, and conduct; with a
    transistor in every cell they do not. In the V/3 scheme it charges all others to V/6, too,
    and all other cells conduct. Sensing drives the cell's word line once, and takes one
    decision per bit. Lines are those of the (largest) tile that the cell is in.
    """
    rows, columns = shape
    both_lines = device.c_cell * (rows + columns) * (0.25 if access == "passive" else 1)
    if scheme == "V/3":
        both_lines += device.c_cell * (2 * rows * columns - rows - columns) / 36
    return ProgramCosts(
        line_set=both_lines * device.v_set**2,
        line_reset=both_lines * device.v_reset**2,
        sense=periphery.e_word_line
        + device.c_cell * columns * device.v_read**2
        + SENSED_BITS * periphery.e_sense,
    )
