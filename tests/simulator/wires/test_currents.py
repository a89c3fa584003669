from __future__ import annotations

import numpy as np
import pytest

from cbramsim.simulator.wires.circuit import Terminals, Wires
from cbramsim.simulator.wires.currents import solution_of
from cbramsim.simulator.wires.direct import solve_directly
from tests.simulator.wires.oracle import dense_voltages, left_over, random_terminals

WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)


def random_case(seed: int) -> tuple[np.ndarray, Terminals]:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)))
    g = rng.uniform(1e-6, 1e-4, shape)
    g[rng.random(shape) < 0.1] = 0
    return g, random_terminals(shape, seed)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", range(6))
def test_voltages_give_the_solution_they_came_from(seed: int, dtype: type) -> None:
    g, terminals = random_case(seed)
    g = g.astype(dtype)
    direct = solve_directly(g, terminals, WIRES)
    ours = solution_of(g, direct.word, direct.bit, terminals, WIRES, 7, "relaxation")
    scale = np.abs(direct.word_currents).max() + np.abs(direct.bit_currents).max()
    for one, other in zip(ours[2:5], direct[2:5], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9 * scale)
    assert ours.power == pytest.approx(direct.power, rel=1e-9, abs=1e-12 * scale)
    assert (ours.iterations, ours.method) == (7, "relaxation")


@pytest.mark.parametrize("seed", range(6))
def test_what_kirchhoff_leaves_over_is_summed_over_all_nodes(seed: int) -> None:
    """A wrong voltage at one node leaves over a current there and at each of its neighbours."""
    g, terminals = random_case(seed)
    word, bit = dense_voltages(g, terminals, WIRES)
    word[0, 0] += 0.1
    solution = solution_of(g, word, bit, terminals, WIRES, 0, "relaxation")
    cell = WIRES.in_series(g)[0, 0]
    neighbours = int(g.shape[1] > 1)
    ends = 0.1 / 52 * (
        float(not np.isnan(terminals.word_left[0]))
        + float(g.shape[1] == 1 and not np.isnan(terminals.word_right[0]))
    )  # fmt: skip
    at_node = 0.1 * cell + neighbours * 0.1 / 2 + ends
    at_others = 0.1 * cell + neighbours * 0.1 / 2
    assert solution.error_bound == pytest.approx(at_node + at_others, rel=1e-9)
    assert left_over(g, *solution[:5]) == pytest.approx(at_node, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_no_current_is_further_off_than_the_bound(seed: int) -> None:
    g, terminals = random_case(seed)
    word, bit = dense_voltages(g, terminals, WIRES)
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(-9, -1)
    node = np.zeros((2, *g.shape))
    node[:, rng.integers(g.shape[0]), rng.integers(g.shape[1])] = size * rng.normal(size=2)
    exact = solution_of(g, word, bit, terminals, WIRES, 0, "relaxation")
    wrong = solution_of(g, word + node[0], bit + node[1], terminals, WIRES, 0, "relaxation")
    worst = max(
        np.abs(getattr(wrong, name) - getattr(exact, name)).max()
        for name in ("cell_currents", "word_currents", "bit_currents", "outputs", "inputs")
    )
    assert 0 < worst <= wrong.error_bound
    assert wrong.error_bound <= 10 * worst  # a single wrong cell: the bound is not far off either
