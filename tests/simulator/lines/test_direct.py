from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.direct import solve_directly
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import solve
from tests.simulator.lines.make_badcrossbar_solutions import CASES, SOLUTIONS
from tests.simulator.lines.oracle import (
    NAN,
    all_of,
    dense_voltages,
    left_over,
    random_terminals,
)

THEIRS = dict(np.load(SOLUTIONS))
WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)
IDEAL = Wires(r_word=0, r_bit=0)


def random_array(shape: tuple[int, int] = (5, 4), seed: int = 0) -> NDArray:
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, shape)


def assert_lawful(
    g: NDArray, terminals: Terminals, wires: Wires, solution: Solution,
    faults: LineFaults | None = None,
) -> None:  # fmt: skip
    """Ohm for every cell and segment, Kirchhoff at every node without a bridge, energy."""
    faults = faults or LineFaults()
    word, bit, cells, along_rows, along_columns = all_of(solution)
    scale = max(np.abs(part).max() for part in solution.currents) + 1e-10  # some carry none at all
    drop = max(np.abs(word).max(), np.abs(bit).max())
    rows, columns = g.shape
    for i, j in np.ndindex(rows, columns):
        if np.isfinite(g[i, j]) and g[i, j] > 0:
            assert word[i, j] - bit[i, j] == pytest.approx(
                cells[i, j] * (1 / g[i, j] + wires.r_access), rel=1e-9, abs=1e-12 * drop
            )
        elif g[i, j] == 0:
            assert cells[i, j] == 0
    for i, k in np.ndindex(rows, columns + 1):
        before = word[i, k - 1] if k else terminals.word_left[i]
        after = word[i, k] if k < columns else terminals.word_right[i]
        r = wires.r_word + wires.r_source * (k in (0, columns))
        if (i, k) in faults.open_word or np.isnan(before + after):
            assert along_rows[i, k] == 0
        else:
            assert before - after == pytest.approx(r * along_rows[i, k], abs=1e-12 * drop)
    for k, j in np.ndindex(rows + 1, columns):
        before = bit[k - 1, j] if k else terminals.bit_top[j]
        after = bit[k, j] if k < rows else terminals.bit_bottom[j]
        r = wires.r_bit + wires.r_sense * (k in (0, rows))
        if (k, j) in faults.open_bit or np.isnan(before + after):
            assert along_columns[k, j] == 0
        else:
            assert before - after == pytest.approx(r * along_columns[k, j], abs=1e-12 * drop)
    if not (faults.short_word or faults.short_bit):
        for i, j in np.ndindex(rows, columns):
            assert along_rows[i, j] == pytest.approx(
                along_rows[i, j + 1] + cells[i, j], abs=1e-11 * scale
            )
            assert along_columns[i + 1, j] == pytest.approx(
                along_columns[i, j] + cells[i, j], abs=1e-11 * scale
            )
    assert sum(solution.power[1:]) == pytest.approx(solution.power.source, rel=1e-12, abs=1e-30)
    assert solution.error_bound <= 1e-11 * scale


# Closed forms


def test_one_cell_is_a_chain_of_resistors() -> None:
    solution = solve_directly(np.array([[1e-4]]), Terminals.product([0.5], 1, WIRES), WIRES)
    current = 0.5 / (50 + 2 + 500 + 1e4 + 3 + 20)
    assert solution.outputs[0] == pytest.approx(current, rel=1e-14)
    assert solution.inputs[0] == pytest.approx(current, rel=1e-14)
    assert solution.word[0, 0] == pytest.approx(0.5 - 52 * current, rel=1e-14)
    assert solution.bit[0, 0] == pytest.approx(23 * current, rel=1e-14)
    shares = [0.5 * current, 1e4 * current**2, 500 * current**2, 52 * current**2, 23 * current**2]
    assert solution.power == pytest.approx(shares, rel=1e-13)
    assert (solution.method, solution.iterations) == ("direct", 0)


@pytest.mark.parametrize("length", [1, 2, 7, 40])
def test_one_word_line_is_a_ladder(length: int) -> None:
    """Its conductance as seen by the driver is a continued fraction."""
    g = random_array((1, length))
    solution = solve_directly(g, Terminals.product([0.3], length, WIRES), WIRES)
    seen = 0.0
    for cell in g[0, ::-1]:
        seen = 1 / (2.0 + 1 / (seen + 1 / (1 / cell + 500 + 3 + 20)))
    assert solution.inputs[0] == pytest.approx(0.3 / (1 / seen + 50), rel=1e-13)
    assert solution.outputs.sum() == pytest.approx(solution.inputs[0], rel=1e-13)


@pytest.mark.parametrize("length", [2, 7, 40])
def test_one_bit_line_is_a_ladder(length: int) -> None:
    """Equal inputs: a ladder again, seen from the sense circuit."""
    g = random_array((length, 1))
    solution = solve_directly(g, Terminals.product([0.3] * length, 1, WIRES), WIRES)
    seen = 0.0
    for cell in g[:, 0]:
        seen = 1 / (3.0 + 1 / (seen + 1 / (1 / cell + 500 + 2 + 50)))
    assert solution.outputs[0] == pytest.approx(0.3 / (1 / seen + 20), rel=1e-13)


def test_ideal_lines_give_the_product() -> None:
    g, v = random_array((6, 9)), np.linspace(-0.2, 0.3, 6)
    solution = solve_directly(g, Terminals.product(v, 9, IDEAL), IDEAL)
    np.testing.assert_allclose(solution.outputs, v @ g, rtol=1e-13, atol=1e-20)
    np.testing.assert_allclose(solution.inputs, v * g.sum(axis=1), rtol=1e-13, atol=1e-20)
    np.testing.assert_array_equal(solution.word, np.repeat(v[:, None], 9, axis=1))
    np.testing.assert_array_equal(solution.bit, 0)
    assert_lawful(g, Terminals.product(v, 9, IDEAL), IDEAL, solution)


def test_an_access_transistor_is_in_series_with_its_cell() -> None:
    wires = Wires(r_word=0, r_bit=0, r_access=1e4)
    g = random_array()
    terminals = Terminals.product([0.1, 0.2, 0.3, 0.4, 0.5], 4, wires)
    solution = solve_directly(g, terminals, wires)
    currents = terminals.word_left[:, None] / (1 / g + 1e4)
    np.testing.assert_allclose(solution.currents.cells, currents, rtol=1e-13)
    assert solution.power.access == pytest.approx((1e4 * currents**2).sum(), rel=1e-13)
    assert solution.power.cells == pytest.approx((currents**2 / g).sum(), rel=1e-13)


# Against the equations written down once more


SCHEMES = {
    "one end": Wires(r_word=2, r_bit=3),
    "drivers": WIRES,
    "word lines from both ends": WIRES.replace(word_ends="both"),
    "all from both ends": WIRES.replace(word_ends="both", bit_ends="both"),
    "heavy": Wires(r_word=1e4, r_bit=2e3, r_sense=1e5),
}


@pytest.mark.parametrize("wires", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("scheme", ["product", "V/2", "V/3", "floating"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (5, 4), (3, 8)])
def test_every_scheme(wires: Wires, scheme: str, shape: tuple[int, int]) -> None:
    g = random_array(shape)
    if scheme == "product":
        terminals = Terminals.product(np.linspace(-0.2, 0.3, shape[0]), shape[1], wires)
    else:
        cell = (shape[0] - 1, shape[1] // 2)
        terminals = Terminals.selected(cell, 1.5, shape, scheme, wires)
    solution = solve_directly(g, terminals, wires)
    word, bit = dense_voltages(g, terminals, wires)
    np.testing.assert_allclose(solution.word, word, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(solution.bit, bit, rtol=1e-9, atol=1e-12)
    assert_lawful(g, terminals, wires, solution)


@given(rows=st.integers(1, 6), columns=st.integers(1, 6), seed=st.integers(0, 2**31))
def test_any_ends_may_float(rows: int, columns: int, seed: int) -> None:
    g = 10 ** np.random.default_rng(seed).uniform(-7, -3, (rows, columns))
    terminals = random_terminals((rows, columns), seed)
    solution = solve_directly(g, terminals, WIRES)
    word, bit = dense_voltages(g, terminals, WIRES)
    np.testing.assert_allclose(solution.word, word, atol=1e-8)
    np.testing.assert_allclose(solution.bit, bit, atol=1e-8)
    assert_lawful(g, terminals, WIRES, solution)


def test_cells_without_conductance_that_leave_a_way() -> None:
    g = random_array()
    g[1] = g[:, 2] = 0
    g[3, 1] = 0
    terminals = Terminals.product(np.linspace(0.1, 0.3, 5), 4, WIRES)
    solution = solve_directly(g, terminals, WIRES)
    word, bit = dense_voltages(g, terminals, WIRES)
    np.testing.assert_allclose(solution.word, word, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(solution.bit, bit, rtol=1e-9, atol=1e-15)
    assert solution.outputs[2] == pytest.approx(0, abs=1e-18)
    assert_lawful(g, terminals, WIRES, solution)


def test_sources_and_senses_may_be_swapped() -> None:
    """Reciprocity: what 1 V at one terminal drives out of another, it drives back."""
    g = random_array((4, 3))
    ends = np.cumsum([4, 4, 3])

    def leaving(driven: int) -> NDArray:
        volts = np.zeros(14)
        volts[driven] = 1.0
        solution = solve_directly(g, Terminals(*np.split(volts, ends)), WIRES)
        word, bit = solution.currents.word, solution.currents.bit
        return np.concatenate([-word[:, 0], word[:, -1], -bit[0], bit[-1]])

    transfer = np.array([leaving(driven) for driven in range(14)])
    np.testing.assert_allclose(transfer, transfer.T, rtol=1e-10, atol=1e-18)
    np.testing.assert_allclose(transfer.sum(axis=1), 0, atol=1e-16)


# Zero and infinite resistance


ZEROS = [set_ for n in (1, 2, 4) for set_ in itertools.combinations(
    ("r_word", "r_bit", "r_source", "r_sense"), n)]  # fmt: skip


SEGMENT = {"r_source": "r_word", "r_sense": "r_bit"}


@pytest.mark.parametrize("zero", ZEROS, ids="+".join)
@pytest.mark.parametrize("scheme", ["product", "both", "floating"])
def test_no_resistance_is_the_limit_of_little(zero: tuple[str, ...], scheme: str) -> None:
    """The same little on every resistance that is zero, so that currents split alike."""
    ends = "both" if scheme == "both" else "one"
    wires = WIRES.replace(word_ends=ends, bit_ends=ends)
    without = wires.replace(**dict.fromkeys(zero, 0.0))
    # Zero segments and zero ends in series are one resistance, as is each of the other segments.
    small = [name for name in zero if SEGMENT.get(name) not in zero]
    little = without.replace(**dict.fromkeys(small, 1e-9))
    g = random_array()
    if scheme == "floating":
        terminals = Terminals.selected((2, 1), 1.0, (5, 4), "floating", wires)
    else:
        terminals = Terminals.product(np.linspace(0.1, 0.3, 5), 4, wires)
    exact, near = (solve_directly(g, terminals, one) for one in (without, little))
    np.testing.assert_allclose(exact.word, near.word, atol=1e-8)
    np.testing.assert_allclose(exact.bit, near.bit, atol=1e-8)
    for one, other in zip(exact.currents, near.currents, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(other).max())
    assert_lawful(g, terminals, without, exact)


def test_a_cell_of_no_resistance_joins_its_lines() -> None:
    g = random_array()
    g[1, 2] = g[4, 0] = np.inf
    terminals = Terminals.product(np.linspace(0.1, 0.3, 5), 4, WIRES)
    for wires in (WIRES, WIRES.replace(r_access=0), WIRES.replace(r_access=0, r_word=0)):
        exact = solve_directly(g, terminals, wires)
        near = solve_directly(np.where(np.isinf(g), 1e6, g), terminals, wires)
        for one, other in zip(all_of(exact), all_of(near), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(other).max())
        assert_lawful(g, terminals, wires, exact)
    assert exact.word[1, 2] == exact.bit[1, 2]


def test_no_conductance_is_the_limit_of_little() -> None:
    g = random_array()
    g[1, 2] = g[4, 0] = 0
    terminals = Terminals.selected((4, 0), 1.0, (5, 4), "floating", WIRES)
    exact = solve_directly(g, terminals, WIRES)
    near = solve_directly(np.where(g == 0, 1e-15, g), terminals, WIRES)
    for one, other in zip(all_of(exact), all_of(near), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("scheme", ["product", "floating"])
def test_nearly_no_resistance_costs_no_digits(scheme: str) -> None:
    """1e9 S beside 1e-6 S, the lines far from the voltages of their terminals, if they have any."""
    g = random_array((30, 40))
    little = WIRES.replace(r_word=1e-9, r_bit=1e-8)
    if scheme == "floating":
        terminals = Terminals.selected((2, 1), 1.0, g.shape, "floating", little)
    else:
        terminals = Terminals.product(np.linspace(0.1, 0.3, 30), 40, little)
    near = solve_directly(g, terminals, little)
    ideal = solve_directly(g, terminals, WIRES.replace(r_word=0, r_bit=0))
    assert near.error_bound < 1e-11 * near.through
    np.testing.assert_allclose(near.currents.cells, ideal.currents.cells, rtol=1e-8, atol=1e-15)


def test_a_picoohm() -> None:
    g, v = random_array(), np.linspace(0.1, 0.3, 5)
    wires = Wires(r_word=1e-12, r_bit=1e-12)
    solution = solve_directly(g, Terminals.product(v, 4, wires), wires)
    np.testing.assert_allclose(solution.outputs, v @ g, rtol=1e-9)


def test_what_rounding_destroys_is_in_the_bound() -> None:
    """Picoohms and no terminal near: 1e12 S hide the cells, and the bound says so."""
    wires = Wires(r_word=1e-12, r_bit=1e-12)
    terminals = Terminals.selected((2, 1), 1.0, (30, 40), "floating", wires)
    solution = solve_directly(random_array((30, 40)), terminals, wires)
    assert solution.error_bound == pytest.approx(left_over(solution), rel=1e-6)
    assert solution.error_bound > 1e-3 * solution.through


def test_a_floating_line_takes_the_voltage_it_is_joined_to() -> None:
    floating = Terminals(np.array([NAN]), np.array([NAN]), np.full(2, NAN), np.array([0.3, 0.1]))
    solution = solve_directly(np.array([[np.inf, 1e-4]]), floating, IDEAL)
    assert solution.outputs == pytest.approx([-2e-5, 2e-5], rel=1e-14)
    assert solution.word[0] == pytest.approx([0.3, 0.3], rel=1e-14)
    assert solution.currents.word[0] == pytest.approx([0, 2e-5, 0], rel=1e-14)


# Faults, worked by hand


def test_an_open_word_line_leaves_the_far_cells_without_current() -> None:
    g = np.array([[1e-4, 2e-4]])
    terminals = Terminals.product([0.5], 2, WIRES)
    solution = solve_directly(g, terminals, WIRES, LineFaults(open_word=((0, 1),)))
    assert solution.outputs == pytest.approx([0.5 / (52 + 1e4 + 500 + 23), 0], rel=1e-14)
    assert solution.word[0, 1] == pytest.approx(0, abs=1e-15)


def test_a_word_line_driven_from_both_ends_survives_a_break() -> None:
    wires = WIRES.replace(word_ends="both")
    g = np.array([[1e-4, 2e-4]])
    terminals = Terminals.product([0.5], 2, wires)
    solution = solve_directly(g, terminals, wires, LineFaults(open_word=((0, 1),)))
    expected = [0.5 / (52 + 1e4 + 500 + 23), 0.5 / (52 + 5e3 + 500 + 23)]
    assert solution.outputs == pytest.approx(expected, rel=1e-14)
    assert solution.currents.word[0] == pytest.approx([expected[0], 0, -expected[1]], rel=1e-14)


def test_an_open_bit_line_lifts_the_cells_above_it() -> None:
    g = np.array([[1e-4], [2e-4]])
    terminals = Terminals.product([0.5, 0.3], 1, WIRES)
    solution = solve_directly(g, terminals, WIRES, LineFaults(open_bit=((1, 0),)))
    assert solution.outputs == pytest.approx([0.3 / (52 + 5e3 + 500 + 23)], rel=1e-14)
    assert solution.currents.cells[0, 0] == pytest.approx(0, abs=1e-18)
    assert solution.bit[0, 0] == pytest.approx(0.5, rel=1e-14)


def test_bridged_word_lines_share_their_voltage() -> None:
    wires = Wires(r_word=10.0, r_bit=0.0)
    g = np.array([[1e-2], [3e-2]])
    terminals = Terminals.product([0.5, 0.1], 1, wires)
    solution = solve_directly(g, terminals, wires, LineFaults(short_word=((0, 1, 0),)))
    shared = (0.5 + 0.1) / 10 / (2 / 10 + 1e-2 + 3e-2)
    assert solution.word[:, 0] == pytest.approx([shared, shared], rel=1e-14)
    assert solution.inputs == pytest.approx([(0.5 - shared) / 10, (0.1 - shared) / 10], rel=1e-13)
    bridge = solution.currents.word[0, 0] - solution.currents.cells[0, 0]
    assert bridge == pytest.approx(-solution.currents.word[1, 0] + 3e-2 * shared, rel=1e-13)
    assert solution.outputs == pytest.approx([4e-2 * shared], rel=1e-13)


def test_bridged_bit_lines_share_their_current() -> None:
    wires = Wires(r_word=0.0, r_bit=10.0, r_sense=90.0)
    g = np.array([[1e-2, 3e-2]])
    terminals = Terminals.product([0.5], 2, wires)
    solution = solve_directly(g, terminals, wires, LineFaults(short_bit=((0, 0, 1),)))
    shared = 0.5 * 4e-2 / (4e-2 + 2 / 100)
    assert solution.bit[0] == pytest.approx([shared, shared], rel=1e-14)
    assert solution.outputs == pytest.approx([shared / 100] * 2, rel=1e-13)


def test_faults_together() -> None:
    faults = LineFaults(
        open_word=((0, 0), (2, 3)), open_bit=((1, 1), (5, 0)),
        short_word=((1, 3, 2),), short_bit=((4, 0, 3),),
    )  # fmt: skip
    g = random_array()
    terminals = Terminals.product(np.linspace(0.1, 0.3, 5), 4, WIRES)
    solution = solve_directly(g, terminals, WIRES, faults)
    word, bit = dense_voltages(g, terminals, WIRES, faults, r_bridge=1e-6)
    np.testing.assert_allclose(solution.word, word, rtol=1e-6)
    np.testing.assert_allclose(solution.bit, bit, rtol=1e-6)
    assert_lawful(g, terminals, WIRES, solution, faults)


def test_a_loop_without_resistance_carries_the_limit_of_equal_small_ones() -> None:
    faults = LineFaults(short_word=((1, 2, 0), (1, 2, 3)))
    g = random_array()
    terminals = Terminals.product([0.1, 0.3, 0.2, 0.1, 0.2], 4, WIRES)
    wires, little = WIRES.replace(r_word=0), WIRES.replace(r_word=1e-5)
    solution = solve_directly(g, terminals, wires, faults)
    word, _ = dense_voltages(g, terminals, little, faults, r_bridge=1e-5)
    np.testing.assert_allclose(
        solution.currents.word[:, 1:-1], -np.diff(word, axis=1) / 1e-5, rtol=1e-4, atol=1e-10
    )
    assert solution.error_bound < 1e-16


# Refusals


def test_a_part_that_floats_is_named() -> None:
    g = random_array((5, 9))
    g[3, 5:8] = 0
    terminals = Terminals.product(np.ones(5), 9, WIRES)
    faults = LineFaults(open_word=((3, 5), (3, 8)))
    with pytest.raises(ParameterError, match=r"Terminals: word line 3, columns 5 to 7 float.*3 no"):
        solve_directly(g, terminals, WIRES, faults)
    g[3, 6] = 1e-9
    assert solve_directly(g, terminals, WIRES, faults).currents.cells[3, 6] == pytest.approx(
        0, abs=1e-16
    )


def test_a_bit_line_that_floats_is_named() -> None:
    g = random_array((5, 4))
    g[:, 2] = 0
    terminals = Terminals.product(np.ones(5), 4, WIRES)
    terminals.bit_bottom[2] = NAN
    with pytest.raises(ParameterError, match=r"Terminals: bit line 2, rows 0 to 4 float"):
        solve_directly(g, terminals, WIRES)


def test_no_terminal_at_all() -> None:
    nothing = Terminals(*(np.full(size, NAN) for size in (5, 5, 4, 4)))
    with pytest.raises(ParameterError, match=r"word line 0, columns 0 to 3 float.*40 nodes"):
        solve_directly(random_array(), nothing, WIRES)


def test_voltages_joined_without_resistance() -> None:
    g = random_array()
    terminals = Terminals.product(np.ones(5), 4, Wires(word_ends="both"))
    terminals.word_right[2] = 0.5
    with pytest.raises(
        ParameterError,
        match=r"Terminals: word_left\[2\] at 1 V and word_right\[2\] at 0.5 V are joined",
    ):
        solve_directly(g, terminals, IDEAL)
    g[1, 3] = np.inf
    with pytest.raises(ParameterError, match=r"word_left\[1\] at 1 V and bit_bottom\[3\] at 0 V"):
        solve_directly(g, Terminals.product(np.ones(5), 4, IDEAL), IDEAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"g": np.ones(3)}, "conductance: must be"),
        ({"g": np.full((2, 3), -1.0)}, "conductance: must be"),
        ({"g": np.full((2, 3), NAN)}, "conductance: must be"),
        ({"g": np.ones((3, 2))}, "Terminals.word_left: must be 3 voltages"),
        ({"voltages": [np.inf, 0]}, "Terminals.word_left: must be 2 voltages"),
        ({"faults": LineFaults(open_word=((0, 4),))}, r"LineFaults.open_word: .*got \(0, 4\)"),
        ({"faults": LineFaults(open_bit=((-1, 0),))}, "LineFaults.open_bit"),
        ({"faults": LineFaults(short_word=((0, 2, 0),))}, "LineFaults.short_word"),
        ({"faults": LineFaults(short_bit=((0, 1),))}, "LineFaults.short_bit"),  # type: ignore
    ],
)
def test_what_is_no_circuit(change: dict, message: str) -> None:
    terminals = Terminals.product(change.get("voltages", [0.1, 0.2]), 3, WIRES)
    with pytest.raises(ParameterError, match=message):
        solve_directly(
            change.get("g", np.ones((2, 3))), terminals, WIRES, change.get("faults", LineFaults())
        )


# An outside program


@pytest.mark.parametrize("solver", [solve, solve_directly])
@pytest.mark.parametrize("case", CASES)
def test_badcrossbar(case: str, solver: Callable[..., Solution]) -> None:
    """What it said of arrays whose word lines are driven from the left, and bit lines sensed below."""
    theirs = {
        key.removeprefix(f"{case}/"): value
        for key, value in THEIRS.items()
        if key.startswith(f"{case}/")
    }
    wires = Wires(r_word=theirs["wires"][0], r_bit=theirs["wires"][1])
    with np.errstate(divide="ignore"):
        g = 1 / theirs["resistances"]
    ours = solver(g, Terminals.product(theirs["v"], g.shape[1], wires), wires)
    pairs = [
        (ours.outputs, theirs["output"]),
        (ours.currents.cells, theirs["cells"]),
        (ours.currents.word[:, :-1], theirs["word"]),
        (ours.currents.bit[1:], theirs["bit"]),
        (ours.word, theirs["word_voltages"]),
        (ours.bit, theirs["bit_voltages"]),
    ]
    for one, other in pairs:
        np.testing.assert_allclose(one, other, atol=1e-9 * np.abs(other).max(), rtol=1e-8)
