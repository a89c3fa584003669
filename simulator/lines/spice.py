"""The array as a netlist for ngspice, and back what it prints: an outside check of the solvers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cbramsim.simulator.lines.checks import check_circuit
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.network import check_driven, check_reached, network_of

_NO_FAULTS = LineFaults()
_HEADER = """\
* {title}
* {rows} word lines by {columns} bit lines: the operating point, by "ngspice -b <this file>".
* Nodes      w<row>_<column>          on a word line
*            b<row>_<column>          on a bit line
*            word_left_<row>, word_right_<row>, bit_top_<column>, bit_bottom_<column>   terminals
* Resistors  Rc<row>_<column>         cell with its access transistor
*            Rw<row>_<segment>        segment of a word line, with the driver at its ends
*            Rb<segment>_<column>     segment of a bit line, with the sense circuit at its ends
* Sources    V<terminal>              -i(V<terminal>) flows into the array
* Left out   {open_count} open branches; {ideal_count} without resistance, whose nodes have the name
*            of the first of them
"""


def to_spice(
    conductance: NDArray, terminals: Terminals, wires: Wires, faults: LineFaults = _NO_FAULTS,
    title: str = "array with resistive lines", node_voltages: bool = False,
) -> str:  # fmt: skip
    """Return a netlist that prints the currents of all terminals, and the node voltages if asked.

    Of terminals joined without resistance only the first is in the netlist: it carries the current
    of all of them. Circuits without one solution are refused as by `solve_directly`.
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
        )
    ]  # fmt: skip
    used = (network.conductance > 0) & (group[network.start] != group[network.end])
    branches = list(_branch_names(rows, columns))
    lines += [
        f"{branches[k]} {names[network.start[k]]} {names[network.end[k]]} "
        f"{float(1 / network.conductance[k])!r}\n"
        for k in np.flatnonzero(used)
    ]
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
    return "".join(
        [*lines, ".control\n", "set numdgt=15\n", "op\n", *prints, "quit\n", ".endc\n", ".end\n"]
    )


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
