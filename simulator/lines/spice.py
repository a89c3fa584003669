"""Array as a netlist for ngspice: an independent check of the solvers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.lines.checks import check_circuit
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.curves import OHMIC, Curve, Sinh
from cbramsim.simulator.lines.network import check_driven, check_reached, network_of

_NO_FAULTS = LineFaults()
_OHMIC = "Resistors  Rc<row>_<column>         cell with its access transistor"
_CURVED = """Currents   Bc<row>_<column>         of a cell, by its voltage
* Resistors  Rc<row>_<column>         its access transistor, from node c<row>_<column>"""
_PRECISE = ".options reltol=1e-9 abstol=1e-18 vntol=1e-15 gmin=1e-18\n"
"""Options for precision: otherwise Newton's method of ngspice stops at a thousandth."""
_HEADER = """\
* {title}
* {rows} word lines by {columns} bit lines: the operating point, by "ngspice -b <this file>".
* Nodes      w<row>_<column>          on a word line
*            b<row>_<column>          on a bit line
*            word_left_<row>, word_right_<row>, bit_top_<column>, bit_bottom_<column>   terminals
* {cells}
*            Rw<row>_<segment>        segment of a word line, with the driver at its ends
*            Rb<segment>_<column>     segment of a bit line, with the sense circuit at its ends
* Sources    V<terminal>              -i(V<terminal>) flows into the array
* Left out   {open_count} open branches; {ideal_count} without resistance, whose nodes have the name
*            of the first of them
"""


def to_spice(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults = _NO_FAULTS,
    title: str = "array with resistive lines", node_voltages: bool = False,
    curve: Curve = OHMIC,
) -> str:  # fmt: skip
    """Return a netlist that prints the currents of all terminals, and the node voltages on request.

    Of terminals joined without resistance only the first is in the netlist: it carries the current
    of all of them. Cells that are not ohmic are behavioural sources. Circuits without one solution
    are refused as by `solve_directly`.
    """
    conductance = np.asarray(conductance, np.float64)
    terminals = Terminals(*(np.asarray(end, np.float64) for end in terminals))
    check_circuit(conductance, terminals, faults)
    rows, columns = conductance.shape
    network = network_of(conductance, terminals, wires, faults)
    check_reached(network, terminals, conductance.shape)
    ideal = np.isinf(network.conductance)
    group = network.joined(ideal)
    check_driven(network, group, terminals, conductance.shape)

    own = list(_node_names(rows, columns))
    first = np.unique(group, return_index=True)[1]
    names = [own[node] for node in first[group]]
    lines = [
        _HEADER.format(
            title=" ".join(title.split()), rows=rows, columns=columns,
            open_count=np.count_nonzero(network.conductance == 0),
            ideal_count=np.count_nonzero(ideal),
            cells=_CURVED if isinstance(curve, Sinh) else _OHMIC,
        )
    ]  # fmt: skip
    used = (network.conductance > 0) & (group[network.start] != group[network.end])
    branches = list(_branch_names(rows, columns))
    bare = conductance.ravel()
    for k in np.flatnonzero(used):
        ends = names[network.start[k]], names[network.end[k]]
        if isinstance(curve, Sinh) and k < bare.size and np.isfinite(bare[k]):
            lines += _curved_cell(branches[k], ends, bare[k], curve, wires)
        else:
            lines.append(f"{branches[k]} {' '.join(ends)} {float(1 / network.conductance[k])!r}\n")
    prints = []
    sourced: dict[str, str] = {}
    for node, voltage in enumerate(np.concatenate(terminals), 2 * rows * columns):
        if np.isnan(voltage):
            continue
        if (name := names[node]) in sourced:
            lines.append(f"* {own[node]}: joined to {sourced[name]} without resistance\n")
            continue
        sourced[name] = own[node]
        lines.append(f"V{own[node]} {name} 0 DC {float(voltage)!r}\n")
        prints.append(f"print i(V{own[node]})\n")
    if node_voltages:
        prints += [f"print v({name})\n" for name in dict.fromkeys(names[: 2 * rows * columns])]
    if isinstance(curve, Sinh):
        lines.append(_PRECISE)
    return "".join(
        [*lines, ".control\n", "set numdgt=15\n", "op\n", *prints, "quit\n", ".endc\n", ".end\n"]
    )


def _curved_cell(
    name: str, ends: tuple[str, str], conductance: float, curve: Sinh, wires: Wires
) -> Iterator[str]:
    """Yield a cell as a voltage-controlled current source, and its transistor."""
    place, (start, end) = name[2:], ends
    if wires.r_access:
        yield f"{name} {start} c{place} {wires.r_access!r}\n"
        start = f"c{place}"
    most = float(conductance * curve.scale)
    yield f"Bc{place} {start} {end} I={most!r}*sinh(V({start},{end})/{curve.v_sinh!r})\n"


def _node_names(rows: int, columns: int) -> Iterator[str]:
    """Name the nodes in the order of `Network`."""
    for line in "wb":
        yield from (f"{line}{i}_{j}" for i in range(rows) for j in range(columns))
    for name, size in zip(Terminals._fields, (rows, rows, columns, columns), strict=True):
        yield from (f"{name}_{k}" for k in range(size))


def _branch_names(rows: int, columns: int) -> Iterator[str]:
    """Name the branches in the order of `Network`, without the bridges."""
    yield from (f"Rc{i}_{j}" for i in range(rows) for j in range(columns))
    yield from (f"Rw{i}_{k}" for i in range(rows) for k in range(columns + 1))
    yield from (f"Rb{k}_{j}" for j in range(columns) for k in range(rows + 1))
