from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.curves import Sinh
from cbramsim.simulator.lines.direct import solve_directly
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import solve
from cbramsim.simulator.lines.spice import to_spice
from tests.simulator.lines.oracle import NAN, random_terminals

RESULTS = Path(__file__).with_name("ngspice_results.json")
WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)
FAULTS = LineFaults(((0, 0), (2, 3)), ((1, 1),), ((1, 3, 2),), ((4, 0, 3),))
V = np.linspace(0.1, 0.3, 5)

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
PRINTED = re.compile(
    rf"^\s*(?:i\(v(?P<source>\w+)\)|v(?P<branch>\w+)#branch|v\((?P<node>\w+)\))"
    rf"\s*=\s*(?P<value>{NUMBER})",
    re.IGNORECASE | re.MULTILINE,
)


def from_spice(text: str) -> dict[str, float]:
    """Return what ngspice printed: by terminal the current into the array, A; by node its voltage.

    The keys are as in the netlist: ``word_left_0``, ``w0_3``. Raises `DataError` if there is none.
    """
    values = {}
    for found in PRINTED.finditer(text):
        terminal, value = found["source"] or found["branch"], float(found["value"])
        values[(terminal or found["node"]).lower()] = -value if terminal else value
    if not values:
        raise DataError("from_spice: must be the output of ngspice -b (got no current, no voltage)")
    return values


def array() -> NDArray:
    return np.random.default_rng(3).uniform(1e-6, 1e-4, (5, 4))


def holed() -> NDArray:
    g = array()
    g[1, 2] = g[4, 0] = 0
    g[2, 1] = np.inf
    return g


def scheme(name: str, wires: Wires = WIRES) -> Terminals:
    return Terminals.selected((2, 1), 1.2, (5, 4), name, wires)  # type: ignore[arg-type]


BOTH = WIRES.replace(word_ends="both", bit_ends="both")
CASES = {
    "product": (array(), Terminals.product(V, 4, WIRES), WIRES, LineFaults()),
    "both ends": (array(), Terminals.product(V, 4, BOTH), BOTH, LineFaults()),
    "V/2": (array(), scheme("V/2"), WIRES, LineFaults()),
    "V/3": (array(), scheme("V/3"), WIRES, LineFaults()),
    "floating": (array(), scheme("floating"), WIRES, LineFaults()),
    "any ends": (array(), random_terminals((5, 4), 5), WIRES, LineFaults()),
    "faults": (array(), Terminals.product(V, 4, WIRES), WIRES, FAULTS),
    "0 and infinite cells": (holed(), scheme("V/3"), WIRES.replace(r_access=0), LineFaults()),
    "ideal word lines": (holed(), Terminals.product(V, 4, WIRES), Wires(r_word=0, r_source=9), FAULTS),
    "ideal lines": (array(), Terminals.product(V, 4, WIRES), Wires(r_word=0, r_bit=0),
                    LineFaults()),
    "ideal, both ends": (array(), Terminals.product(V, 4, BOTH), BOTH.replace(
        r_word=0, r_source=0), LineFaults()),
}  # fmt: skip


STEEP = Wires(r_word=200.0, r_bit=300.0, r_source=50.0, r_sense=20.0)
LARGE = np.random.default_rng(4).uniform(1e-6, 1e-4, (16, 16))
LOSSY = Wires(r_word=500.0, r_bit=500.0)
CURVED = {
    "product": (array(), Terminals.product(V, 4, WIRES), WIRES, LineFaults(), Sinh(0.1, 0.1)),
    "V/2": (array(), scheme("V/2"), WIRES, LineFaults(), Sinh(0.3, 0.1)),
    "V/3": (array(), scheme("V/3"), WIRES, LineFaults(), Sinh(0.3, 0.1)),
    "steep": (array(), Terminals.product(V, 4, STEEP), STEEP, LineFaults(), Sinh(0.04, 0.1)),
    "large": (LARGE, Terminals.product(np.linspace(0.1, 0.3, 16), 16, LOSSY), LOSSY, LineFaults(),
              Sinh(0.1, 0.1)),
    "faults": (holed(), Terminals.product(V, 4, WIRES), WIRES, FAULTS, Sinh(0.1, 0.1)),
    "ideal word lines": (array(), Terminals.product(V, 4, WIRES), Wires(r_word=0, r_source=9),
                         LineFaults(), Sinh(0.1, 0.1)),
}  # fmt: skip
"""Cells that are not ohmic; V / v_sinh is up to 4 in V/2, and 5 where it is steep."""


def operating_point(netlist: str) -> str:
    """Solve a netlist of resistors and voltages by modified nodal analysis; print like ngspice."""
    words = [line.split() for line in netlist.splitlines()[1:] if line[0] in "RV"]
    names = sorted({name for _, a, b, *_ in words for name in (a, b)} - {"0"})
    row = {name: k for k, name in enumerate(names)} | {"0": -1}
    sources = [element[0] for element in words if element[0][0] == "V"]
    size = len(names) + len(sources) + 1  # ground comes last and is struck out
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for name, start, end, *value in words:
        a, b, x = row[start], row[end], float(value[-1])
        if name[0] == "R":
            matrix[[a, b, a, b], [a, b, b, a]] += np.array([1, 1, -1, -1]) / x
        else:
            k = len(names) + sources.index(name)
            matrix[[a, b, k, k], [k, k, a, b]] += [1, -1, 1, -1]
            right[k] = x
    result = dict(
        zip([*names, *sources], np.linalg.solve(matrix[:-1, :-1], right[:-1]), strict=True)
    )
    asked = [line[6:] for line in netlist.splitlines() if line.startswith("print ")]
    return "\n".join(f"{one.lower()} = {result[one[2:-1]]:.15e}" for one in asked)


def assert_same(values: dict[str, float], terminals: Terminals, solution: Solution) -> None:
    """The terminal currents; where ends are one, their sum. And the voltages of nodes."""
    into = Terminals(
        solution.currents.word[:, 0], -solution.currents.word[:, -1],
        solution.currents.bit[0], -solution.currents.bit[-1],
    )  # fmt: skip
    scale = max(np.abs(current).max() for current in into)
    listed = 0
    for one, other in (("word_left", "word_right"), ("bit_top", "bit_bottom")):
        for k, current in enumerate(getattr(into, one)):
            names, pair = (f"{one}_{k}", f"{other}_{k}"), (current, getattr(into, other)[k])
            listed += sum(name in values for name in names)
            if all(name in values for name in names):
                assert [values[name] for name in names] == pytest.approx(pair, abs=1e-6 * scale)
            elif any(name in values for name in names):
                present = sum(values.get(name, 0.0) for name in names)
                assert present == pytest.approx(sum(pair), abs=1e-6 * scale)
    assert listed > 0
    voltages = {name: value for name, value in values.items() if name[0] in "wb" and name[1] != "o"
                and name[1] != "i"}  # fmt: skip
    assert voltages
    for name, value in voltages.items():
        row, column = map(int, name[1:].split("_"))
        nodes = solution.word if name[0] == "w" else solution.bit
        assert value == pytest.approx(nodes[row, column], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_netlist_has_the_currents_of_the_array(case: tuple) -> None:
    conductance, terminals, wires, faults = case
    netlist = to_spice(conductance, terminals, wires, faults, node_voltages=True)
    solution = solve_directly(conductance, terminals, wires, faults)
    assert_same(from_spice(operating_point(netlist)), terminals, solution)


def netlist_of(case: str) -> str:
    return to_spice(*CASES[case], node_voltages=True)


@pytest.mark.parametrize("case", CASES)
def test_ngspice(case: str) -> None:
    """What it printed for these very netlists."""
    theirs = json.loads(RESULTS.read_text())[case]
    assert theirs["netlist"] == netlist_of(case), "make_ngspice_results.py has to be run again"
    _, terminals, _, _ = CASES[case]
    assert_same(from_spice(theirs["printed"]), terminals, solve_directly(*CASES[case]))


def curved_netlist_of(case: str) -> str:
    *circuit, curve = CURVED[case]
    return to_spice(*circuit, node_voltages=True, curve=curve)


@pytest.mark.parametrize("case", CURVED)
def test_ngspice_with_cells_that_are_not_ohmic(case: str) -> None:
    """What it printed for these very netlists, by a Newton's method of its own."""
    theirs = json.loads(RESULTS.read_text())[f"sinh: {case}"]
    assert theirs["netlist"] == curved_netlist_of(case), (
        "make_ngspice_results.py has to be run again"
    )
    conductance, terminals, wires, faults, curve = CURVED[case]
    ours = solve(conductance, terminals, wires, faults=faults, curve=curve)
    assert_same(from_spice(theirs["printed"]), terminals, ours)
    ohmic = solve(conductance, terminals, wires, faults=faults)
    assert np.abs(ours.outputs - ohmic.outputs).max() > 0.05 * np.abs(ohmic.outputs).max()


def test_a_cell_that_is_not_ohmic_by_hand() -> None:
    wires = Wires(r_word=2, r_bit=3, r_access=7)
    netlist = to_spice(
        np.array([[1e-4, np.inf]]), Terminals.product([0.1], 2, wires), wires,
        curve=Sinh(0.05, 0.1),
    )  # fmt: skip
    most = 1e-4 * 0.1 / np.sinh(2)
    cells = [line.split() for line in netlist.splitlines() if line.startswith(("Rc", "Bc"))]
    assert cells[0] == ["Rc0_0", "w0_0", "c0_0", "7.0"]
    assert cells[1][:3] == ["Bc0_0", "c0_0", "b0_0"]
    amplitude, rest = cells[1][3].removeprefix("I=").split("*")
    assert float(amplitude) == pytest.approx(most, rel=1e-14)
    assert rest == "sinh(V(c0_0,b0_0)/0.05)"
    assert cells[2] == ["Rc0_1", "w0_1", "b0_1", "7.0"]
    assert ".options reltol=1e-9" in netlist
    assert ".options" not in to_spice(*CASES["product"])


def test_a_netlist_read_by_hand() -> None:
    g = np.array([[1e-4, 0.0], [np.inf, 2e-4]])
    netlist = to_spice(
        g, Terminals(np.array([0.1, NAN]), np.array([NAN] * 2), np.array([NAN] * 2), np.zeros(2)),
        Wires(r_word=2, r_bit=0, r_sense=5), title="four\ncells",
    )  # fmt: skip
    assert netlist.startswith("* four cells\n* 2 word lines by 2 bit lines")
    assert [line for line in netlist.splitlines() if line[0] in "RV"] == [
        "Rc0_0 w0_0 w1_0 10000.0",
        "Rc1_1 w1_1 b0_1 5000.0",
        "Rw0_0 word_left_0 w0_0 2.0",
        "Rw0_1 w0_0 w0_1 2.0",
        "Rw1_1 w1_0 w1_1 2.0",
        "Rb2_0 w1_0 bit_bottom_0 5.0",
        "Rb2_1 b0_1 bit_bottom_1 5.0",
        "Vword_left_0 word_left_0 0 DC 0.1",
        "Vbit_bottom_0 bit_bottom_0 0 DC 0.0",
        "Vbit_bottom_1 bit_bottom_1 0 DC 0.0",
    ]
    assert netlist.count("\nprint i(") == 3
    assert "print v(" not in netlist


def test_what_ngspice_prints_is_read_back() -> None:
    text = """
    Doing analysis at TEMP = 27.000000 and TNOM = 27.000000
    i(vword_left_0) = -1.250000000000000e-05
    vbit_bottom_1#branch = 3.5E-6
    v(w0_1) = 9.9e-02
    """
    assert from_spice(text) == {"word_left_0": 1.25e-5, "bit_bottom_1": -3.5e-6, "w0_1": 0.099}
    with pytest.raises(DataError, match="from_spice"):
        from_spice("Error: no such file")


def test_circuits_without_one_solution_are_refused() -> None:
    with pytest.raises(ParameterError, match="joined without resistance"):
        to_spice(np.array([[np.inf]]), Terminals.product([1], 1, WIRES), Wires(r_word=0, r_bit=0))
    terminals = Terminals.product([1.0, NAN], 1, WIRES)
    with pytest.raises(ParameterError, match="word line 1, columns 0 to 0 float"):
        to_spice(np.array([[1e-5], [0.0]]), terminals, WIRES)
