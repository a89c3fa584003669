from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines import direct, relaxation, solver
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.direct import solve_directly
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import ConvergenceError, Method, solve
from tests.examples import times
from tests.simulator.lines.oracle import (
    NAN,
    all_of,
    dense_voltages,
    furthest_from_exact,
    left_over,
    random_terminals,
)

WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)
DIGITS = Decimal("1e-60")
"""What the exact currents are rounded off by, A."""
SCHEMES = ["product", "V/2", "V/3", "floating", "any"]


def random_cells(
    shape: tuple[int, int], seed: int, decades: float = 4, empty: float = 0
) -> NDArray:
    """Conductances below 1 mS over some decades, a part of them zero."""
    rng = np.random.default_rng(seed)
    g = 1e-3 * 10 ** rng.uniform(-decades, 0, shape)
    g[rng.random(shape) < empty] = 0
    return g


def terminals_of(scheme: str, shape: tuple[int, int], wires: Wires, seed: int) -> Terminals:
    rng = np.random.default_rng(seed)
    if scheme == "any":
        return random_terminals(shape, seed)
    if scheme == "product":
        return Terminals.product(rng.uniform(-0.5, 0.5, shape[0]), shape[1], wires)
    cell = (int(rng.integers(shape[0])), int(rng.integers(shape[1])))
    return Terminals.selected(cell, 1.5, shape, scheme, wires)  # type: ignore[arg-type]


def furthest(one: Solution, other: Solution) -> float:
    """Return the largest difference of any current."""
    pairs = zip(
        (*one.currents, one.outputs, one.inputs), (*other.currents, other.outputs, other.inputs),
        strict=True,
    )  # fmt: skip
    return max(float(np.abs(a - b).max()) for a, b in pairs)


resistances = st.floats(-3, 5).map(lambda power: 10**power)
some_or_none = st.one_of(st.just(0.0), resistances)
wires_of_all_kinds = st.builds(
    Wires, r_word=resistances, r_bit=resistances, r_source=some_or_none, r_sense=some_or_none,
    r_access=some_or_none, word_ends=st.sampled_from(["one", "both"]),
    bit_ends=st.sampled_from(["one", "both"]),
)  # fmt: skip


# Against other solutions


@times(5)
@given(
    rows=st.integers(1, 20), columns=st.integers(1, 16), wires=wires_of_all_kinds,
    scheme=st.sampled_from(SCHEMES), empty=st.sampled_from([0.0, 0.3]),
    tolerance=st.sampled_from([1e-3, 1e-6, 1e-9]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_no_current_is_further_off_than_the_bound_and_that_is_kept(
    rows: int, columns: int, wires: Wires, scheme: str, empty: float, tolerance: float, seed: int
) -> None:
    g = random_cells((rows, columns), seed, empty=empty)
    terminals = terminals_of(scheme, g.shape, wires, seed)
    try:
        exact = solve_directly(g, terminals, wires)
    except ParameterError:
        with pytest.raises(ParameterError, match=r"Terminals: .* float"):
            solve(g, terminals, wires)
        return
    ours = solve(g, terminals, wires, tolerance=tolerance)
    none = 1e-20 * g.sum()
    assert ours.error_bound <= tolerance * ours.through + none
    assert furthest(ours, exact) <= ours.error_bound + exact.error_bound
    assert np.abs(ours.word - exact.word).max() <= 1.6  # no voltage is beyond those that drive


@times(5)
@given(
    rows=st.integers(1, 4), columns=st.integers(1, 4), wires=wires_of_all_kinds,
    scheme=st.sampled_from(SCHEMES), decades=st.sampled_from([0, 4, 9]),
    tolerance=st.sampled_from([1e-3, 1e-9, 1e-12]), seed=st.integers(0, 2**31),
    method=st.sampled_from(["auto", "direct"]),
)  # fmt: skip
@example(1, 1, Wires(r_word=10**1.31, r_bit=1.0), "product", 4, 1e-9, 0, "auto")
def test_the_bound_holds_the_rounding_of_double_precision(
    rows: int, columns: int, wires: Wires, scheme: str, decades: int, tolerance: float, seed: int,
    method: Method,
) -> None:  # fmt: skip
    """Against the exact currents. It is no looser than some units in the last place of them all."""
    g = random_cells((rows, columns), seed, decades)
    solution = solve(
        g, terminals_of(scheme, g.shape, wires, seed), wires, tolerance=tolerance, method=method
    )
    assert furthest_from_exact(solution) <= Decimal(solution.error_bound) + DIGITS
    everything = sum(np.abs(part).sum() for part in solution.currents)
    # Ten units, and two of what the voltages at both ends of a line would drive through one segment.
    assert solution.rounding <= 4.5e-15 * everything + 1e-25


def test_a_bound_that_missed_the_rounding_of_one_cell() -> None:
    """What Kirchhoff's law leaves over is nothing here, and the current still is not exact."""
    wires = Wires(r_word=10**1.31, r_bit=1)
    off = []
    for volts in np.linspace(0.1, 0.5, 41):
        solution = solve([[1e-4]], Terminals.product([volts], 1, wires), wires)
        off.append(float(furthest_from_exact(solution)) / solution.error_bound)
    assert 0.01 < max(off) <= 1


@given(
    rows=st.integers(1, 7), columns=st.integers(1, 7), wires=wires_of_all_kinds,
    scheme=st.sampled_from(SCHEMES), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_voltages_are_those_of_the_equations_written_down_once_more(
    rows: int, columns: int, wires: Wires, scheme: str, seed: int
) -> None:
    g = random_cells((rows, columns), seed)
    terminals = terminals_of(scheme, g.shape, wires, seed)
    solution = solve(g, terminals, wires)
    # In double precision, the sum of a cell's and a line's conductance would be wrong by more.
    word, bit = dense_voltages(g, terminals, wires, number=np.longdouble)
    # A node is tied to a terminal by no less than this, so that voltages are off by no more.
    path = 42 * (wires.r_word + wires.r_bit) + wires.r_source + wires.r_sense
    path += 1e7 + wires.r_access
    allowed = 2 * path * solution.error_bound + 1e-8
    np.testing.assert_allclose(solution.word, word, atol=allowed)
    np.testing.assert_allclose(solution.bit, bit, atol=allowed)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ends", ["one", "both"])
def test_the_laws_hold_for_the_currents_that_are_returned(scheme: str, ends: str) -> None:
    """Kirchhoff's at every node, and the sources give what cells and lines dissipate."""
    wires = WIRES.replace(word_ends=ends, bit_ends=ends)
    g = random_cells((23, 31), 4, decades=2)
    solution = solve(g, terminals_of(scheme, g.shape, wires, 5), wires, tolerance=1e-10)
    assert solution.method == "relaxation"
    assert left_over(solution) <= 1.01 * solution.error_bound + 1e-15 * solution.through
    assert sum(solution.power[1:]) == pytest.approx(solution.power.source, rel=1e-9)
    assert min(solution.power) >= 0
    assert solution.inputs.sum() - solution.outputs.sum() == pytest.approx(
        0, abs=solution.error_bound
    )


def test_terminals_may_be_swapped() -> None:
    """Reciprocity: what 1 V on one word line drives into a bit line, it drives back."""
    g = random_cells((12, 7), 3)
    there = [solve(g, Terminals.product(v, 7, WIRES), WIRES).outputs for v in np.eye(12)]
    back = []
    for v in np.eye(7):
        ends = Terminals(np.zeros(12), np.full(12, NAN), np.full(7, NAN), v)
        back.append(-solve(g, ends, WIRES).inputs)
    np.testing.assert_allclose(there, np.transpose(back), rtol=1e-6)


@pytest.mark.parametrize("resistance", [1e-1, 1e-5, 1e-9, 1e-12, 1e-15])
def test_small_resistances_cost_no_digits(resistance: float) -> None:
    """A drop of 1e-14 V beside 0.3 V has two digits left, from which no current can be told."""
    g = random_cells((30, 40), 1, decades=2)
    wires = Wires(r_word=resistance, r_bit=resistance)
    terminals = terminals_of("product", g.shape, wires, 7)
    ours, exact = solve(g, terminals, wires), solve_directly(g, terminals, wires)
    assert furthest(ours, exact) <= ours.error_bound + exact.error_bound
    np.testing.assert_allclose(ours.inputs, exact.inputs, rtol=1e-9)


@pytest.mark.parametrize("r", [1e3, 1e5])
def test_an_array_that_loses_nearly_all_still_converges(r: float) -> None:
    g = random_cells((64, 64), 0, decades=1)
    wires = Wires(r_word=r, r_bit=r)
    v = np.full(64, 0.2)
    terminals = Terminals.product(v, 64, wires)
    ours = solve(g, terminals, wires, method="relaxation")
    assert ours.method == "relaxation"
    assert ours.outputs.sum() < 0.02 * (v @ g).sum()
    assert furthest(ours, solve_directly(g, terminals, wires)) <= ours.error_bound


@pytest.mark.parametrize("r", [1e-6, 1.0, 1e6])
def test_where_nothing_flows_nothing_is_found(r: float) -> None:
    """One terminal alone drives all nodes to its voltage; there is no current to compare with."""
    wires = Wires(r_word=r, r_bit=r)
    nothing = np.full(6, NAN)
    one = nothing.copy()
    one[2] = 0.7
    solution = solve(random_cells((6, 6), 2), Terminals(one, nothing, nothing, nothing), wires)
    np.testing.assert_allclose(solution.word, 0.7, rtol=1e-9)
    np.testing.assert_allclose(solution.bit, 0.7, rtol=1e-9)
    assert max(np.abs(part).max() for part in solution.currents) < 1e-20
    equal = Terminals(one, one, nothing, one)
    assert solve(random_cells((6, 6), 2), equal, wires).error_bound < 1e-20


def test_zero_volts() -> None:
    solution = solve(random_cells((5, 4), 0), Terminals.product(np.zeros(5), 4, WIRES), WIRES)
    assert not any(part.any() for part in all_of(solution))
    assert solution.error_bound == solution.through == 0


def test_an_open_array() -> None:
    solution = solve(np.zeros((5, 4)), Terminals.product(np.ones(5), 4, WIRES), WIRES)
    np.testing.assert_array_equal(solution.word, 1)
    assert not solution.outputs.any()
    assert not solution.inputs.any()


# Methods


@pytest.mark.parametrize(
    ("wires", "faults", "short"),
    [
        (WIRES.replace(r_word=0), None, False),
        (WIRES.replace(r_bit=0), None, False),
        (WIRES, LineFaults(open_word=((1, 2),)), False),
        (WIRES, None, True),
    ],
)
def test_what_relaxation_cannot_do_is_solved_directly(
    wires: Wires, faults: LineFaults | None, short: bool
) -> None:
    g = random_cells((5, 4), 0)
    if short:
        g[1, 1] = np.inf
    terminals = Terminals.product(np.linspace(0.1, 0.5, 5), 4, wires)
    solution = solve(g, terminals, wires, faults=faults)
    exact = solve_directly(g, terminals, wires, faults or LineFaults())
    assert (solution.method, solution.iterations) == ("direct", 0)
    np.testing.assert_array_equal(solution.outputs, exact.outputs)
    with pytest.raises(ParameterError, match=r"solve\.method: relaxation needs lines without fau"):
        solve(g, terminals, wires, faults=faults, method="relaxation")


def test_the_method_that_is_asked_for_is_used() -> None:
    g, terminals = random_cells((5, 4), 0), Terminals.product(np.ones(5), 4, WIRES)
    solutions = {m: solve(g, terminals, WIRES, method=m) for m in ("auto", "relaxation", "direct")}
    assert [s.method for s in solutions.values()] == ["relaxation", "relaxation", "direct"]
    assert solutions["auto"].iterations > 0
    np.testing.assert_allclose(solutions["auto"].outputs, solutions["direct"].outputs, rtol=1e-8)


def spoiled(monkeypatch: pytest.MonkeyPatch, left: float) -> None:
    """Let relaxation stop with this left over, A, of 1 A."""
    monkeypatch.setattr(solver, "settle", lambda *_: (left, 1.0, 17))


@pytest.mark.parametrize("left", [0.5, NAN, np.inf])
def test_where_relaxation_fails_the_array_is_solved_directly(
    monkeypatch: pytest.MonkeyPatch, left: float
) -> None:
    g, terminals = random_cells((5, 4), 0), Terminals.product(np.ones(5), 4, WIRES)
    spoiled(monkeypatch, left)
    solution = solve(g, terminals, WIRES)
    assert solution.method == "direct"
    assert left_over(solution) < 1e-12 * solution.through


@pytest.mark.parametrize("left", [2e-6, NAN])
def test_a_tolerance_that_is_not_reached_is_reported(
    monkeypatch: pytest.MonkeyPatch, left: float
) -> None:
    g, terminals = random_cells((5, 4), 0), Terminals.product(np.ones(5), 4, WIRES)

    def bad(*circuit: object) -> Solution:
        return Solution(
            g, terminals, WIRES, g, g, np.zeros(5), np.zeros(4), error_bound=left, through=1.0,
            iterations=0, method="direct",
        )  # fmt: skip

    monkeypatch.setattr(direct, "solve_directly", bad)
    spoiled(monkeypatch, 0.5)
    share = "nan" if np.isnan(left) else "2e-06"
    with pytest.raises(ConvergenceError, match=rf"converge to 1e-09: .* is {share} of the curr"):
        solve(g, terminals, WIRES)


def test_no_more_steps_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel: a single step does not solve a heavy array, and it says so."""
    wires = Wires(r_word=1e3, r_bit=1e3)
    g = random_cells((20, 20), 0)
    terminals = Terminals.product(np.ones(20), 20, wires)
    lines, source = solver.circuit_of(terminals, wires)
    factors, drops = relaxation.factorise(g, lines), relaxation.memory(g.shape)
    for array in drops:
        array[:] = 0
    relaxation.leftovers(g, lines, source, drops)
    steps = relaxation.correct(factors, lines, source, drops, 1e-9, 0.0, 1)
    bound, through = relaxation.leftovers(g, lines, source, drops)
    assert steps == 1
    assert bound > 1e-6 * through


def test_a_finer_tolerance_takes_more_steps_and_is_closer() -> None:
    g = random_cells((40, 30), 0)
    wires = Wires(r_word=100, r_bit=100)
    terminals = Terminals.product(np.ones(40), 30, wires)
    exact = solve_directly(g, terminals, wires)
    found = [solve(g, terminals, wires, tolerance=t) for t in (1e-2, 1e-5, 1e-8, 1e-11)]
    steps, off = [s.iterations for s in found], [furthest(s, exact) for s in found]
    assert steps == sorted(set(steps))
    assert off == sorted(off, reverse=True)


# What is refused


@pytest.mark.parametrize("name", ["r_word", "r_bit", "r_source", "r_sense", "r_access"])
@pytest.mark.parametrize("value", [-1e-9, NAN, np.inf, 1e13])
def test_impossible_resistances_are_refused(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=rf"Wires\.{name}: must be"):
        Wires(**{name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g": np.full((2, 3), NAN)}, r"conductance: must be \[rows, columns\] of numbers >= 0"),
        ({"g": np.full((2, 3), -1e-9)}, "conductance: must be"),
        ({"g": np.ones(6)}, "conductance: must be"),
        ({"g": np.ones((2, 0))}, "conductance: must be"),
        ({"g": np.ones((3, 2))}, "Terminals.word_left: must be 3 voltages"),
        ({"volts": [np.inf, 0]}, "Terminals.word_left: must be 2 voltages"),
        ({"tolerance": 0.0}, r"solve.tolerance: must be >= 1e-13 and < 1 \(got 0.0\)"),
        ({"tolerance": 1e-14}, "solve.tolerance"),
        ({"tolerance": 1.0}, "solve.tolerance"),
        ({"tolerance": NAN}, r"solve.tolerance: .*got nan"),
        ({"method": "newton"}, r"solve.method: must be one of auto, relaxation, direct \(got 'n"),
        ({"faults": LineFaults(open_bit=((3, 0),))}, r"LineFaults.open_bit: .*got \(3, 0\)"),
    ],
)
def test_what_is_no_circuit_is_refused_by_name(changes: dict, message: str) -> None:
    g = changes.pop("g", np.ones((2, 3)))
    terminals = Terminals.product(changes.pop("volts", [0.1, 0.2]), 3, WIRES)
    with pytest.raises(ParameterError, match=message):
        solve(g, terminals, WIRES, **changes)


@pytest.mark.parametrize("method", ["auto", "relaxation", "direct"])
def test_a_line_that_floats_is_named(method: str) -> None:
    g = random_cells((5, 4), 0)
    terminals = Terminals.product(np.ones(5), 4, WIRES)
    terminals.word_left[3] = NAN
    solve(g, terminals, WIRES, method=method)  # its cells hold it
    g[3] = 0
    with pytest.raises(ParameterError, match=r"Terminals: word line 3.* float"):
        solve(g, terminals, WIRES, method=method)  # type: ignore[arg-type]
    g[3] = 1e-5
    nothing = Terminals(*(np.full(n, NAN) for n in (5, 5, 4, 4)))
    with pytest.raises(ParameterError, match=r"Terminals: word line 0.* float"):
        solve(g, nothing, WIRES, method=method)  # type: ignore[arg-type]
