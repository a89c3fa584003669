from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.direct import solve_directly
from cbramsim.simulator.lines.solution import Solution
from tests.simulator.lines.oracle import dense_voltages, left_over, random_terminals

WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)


def random_case(seed: int) -> tuple[NDArray, Terminals]:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    g = rng.uniform(1e-6, 1e-4, shape)
    g[rng.random(shape) < 0.1] = 0
    return g, random_terminals(shape, seed)


def solution_at(g: NDArray, terminals: Terminals, word: NDArray, bit: NDArray) -> Solution:
    """Return a solution that knows no more than its voltages."""
    rows, columns = np.zeros(g.shape[0]), np.zeros(g.shape[1])
    return Solution(g, terminals, WIRES, word, bit, rows, columns, np.nan, np.nan, 0, "relaxation")


@pytest.mark.parametrize("seed", range(6))
def test_voltages_give_the_solution_they_came_from(seed: int) -> None:
    """The direct solution gives its currents itself: those here follow from its voltages."""
    g, terminals = random_case(seed)
    direct = solve_directly(g, terminals, WIRES)
    ours = solution_at(g, terminals, direct.word, direct.bit)
    for one, other in zip(ours.currents, direct.currents, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9 * direct.through)
    assert ours.power == pytest.approx(direct.power, rel=1e-9, abs=1e-12 * direct.through)
    np.testing.assert_allclose(ours.outputs, direct.outputs, atol=1e-9 * direct.through)
    np.testing.assert_allclose(ours.inputs, direct.inputs, atol=1e-9 * direct.through)


def test_what_goes_through_is_summed_over_all_terminals() -> None:
    g, terminals = random_case(3)
    solution = solve_directly(g, terminals, WIRES)
    word, bit = solution.currents.word, solution.currents.bit
    ends = [*word[:, 0], *word[:, -1], *bit[0], *bit[-1]]
    assert solution.through == pytest.approx(sum(abs(current) for current in ends), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_no_current_is_further_off_than_what_kirchhoffs_law_leaves_over(seed: int) -> None:
    """With the voltages of a cell wrong. The bound is not far off then either."""
    g, terminals = random_case(seed)
    word, bit = dense_voltages(g, terminals, WIRES)
    rng = np.random.default_rng(seed)
    wrong = np.zeros((2, *g.shape))
    wrong[:, rng.integers(g.shape[0]), rng.integers(g.shape[1])] = rng.normal(size=2) * 10 ** (
        rng.uniform(-6, -1)
    )
    exact = solution_at(g, terminals, word, bit)
    solution = solution_at(g, terminals, word + wrong[0], bit + wrong[1])
    off = [
        solution.outputs - exact.outputs, solution.inputs - exact.inputs,
        *(one - other for one, other in zip(solution.currents, exact.currents, strict=True)),
    ]  # fmt: skip
    worst = max(np.abs(one).max() for one in off)
    assert 0 < worst <= left_over(solution) <= 10 * worst
