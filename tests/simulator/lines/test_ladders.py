"""One line at a time: where that is exact, and how far off it is elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.effective_matrix import effective
from cbramsim.simulator.lines.ladders import along_ladders
from cbramsim.simulator.lines.solver import circuit_of

WIRES = Wires(r_word=200.0, r_bit=300.0, r_source=5e3, r_sense=2e3)
ENDS = [("one", "one"), ("both", "one"), ("one", "both"), ("both", "both")]


def ladders(g: NDArray, wires: Wires) -> NDArray:
    part = np.ascontiguousarray(g, np.float32)
    rest = Terminals.product(np.zeros(len(g)), g.shape[1], wires)
    seen = np.full_like(part, np.nan)
    along_ladders(part, circuit_of(rest, wires)[0], seen)
    return seen


def random_cells(shape: tuple[int, int], seed: int = 0) -> NDArray:
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, shape).astype(np.float32)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("length", [1, 2, 7, 33])
def test_one_word_line_is_a_ladder(length: int, ends: tuple) -> None:
    """There is no other word line into which anything could flow."""
    wires = WIRES.replace(word_ends=ends[0], bit_ends=ends[1])
    g = random_cells((1, length))
    np.testing.assert_allclose(ladders(g, wires), effective(g, wires).conductance, rtol=1e-6)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("shape", [(2, 1), (9, 1), (8, 5), (33, 4)])
def test_ideal_word_lines_leave_the_others_at_ground(shape: tuple, ends: tuple) -> None:
    wires = Wires(
        r_word=1e-9, r_bit=300, r_sense=2e3, word_ends=ends[0], bit_ends=ends[1]
    )  # fmt: skip
    g = random_cells(shape)
    exact = effective(g, wires.replace(r_word=0))
    np.testing.assert_allclose(ladders(g, wires), exact.conductance, rtol=1e-6)


def test_two_cells_on_a_bit_line_by_hand() -> None:
    """Ideal word lines; 1 V on the upper one: of its current the lower cell takes a share."""
    wires = Wires(r_word=1e-9, r_bit=1e3, r_sense=4e3)
    upper, lower = 2e-4, 5e-4
    g = np.array([[upper], [lower]])
    sensed = 1 / 5e3
    below = 1 / (1e3 + 1 / (lower + sensed))
    expected_upper = upper * below / (upper + below) * sensed / (sensed + lower)
    above = 1 / (1e3 + 1 / upper)
    down_and_up = sensed + above
    expected_lower = lower * down_and_up / (lower + down_and_up) * sensed / down_and_up
    np.testing.assert_allclose(ladders(g, wires)[:, 0], [expected_upper, expected_lower], rtol=1e-6)


def test_two_cells_on_a_word_line_by_hand() -> None:
    wires = Wires(r_word=1e3, r_bit=1e-9, r_source=4e3)
    first, second = 2e-4, 5e-4
    behind = 1 / (1e3 + 1 / second)
    v_first = (1 / 5e3) / (1 / 5e3 + first + behind)
    v_second = v_first * (1 / 1e3) / (1 / 1e3 + second)
    seen = ladders(np.array([[first, second]]), wires)[0]
    np.testing.assert_allclose(seen, [first * v_first, second * v_second], rtol=1e-6)


@pytest.mark.parametrize("ends", ENDS)
def test_what_they_leave_out_is_of_second_order(ends: tuple) -> None:
    """Three times less resistance, three times less loss, and nine times less error."""
    g = random_cells((20, 15))
    off, lost = [], []
    for r in (9.0, 3.0, 1.0):
        wires = Wires(r_word=r, r_bit=r, r_source=3 * r, word_ends=ends[0], bit_ends=ends[1])
        exact = effective(g, wires, tolerance=1e-12).conductance
        off.append(float(np.abs(ladders(g, wires) - exact).sum()))
        lost.append(float((g - exact).sum()))
    assert 2.5 < lost[0] / lost[1] < lost[1] / lost[2] < 3.1
    assert 7 < off[0] / off[1] < off[1] / off[2] < 9.3
    assert off[1] < 0.2 * lost[1]


def test_they_follow_a_change_of_the_cells_better_than_they_approximate() -> None:
    """What `WiredReads` relies on, at a loss of a third."""
    wires = Wires(r_word=10, r_bit=10)
    g = random_cells((40, 30))
    later = (g * np.random.default_rng(1).uniform(0.8, 1.25, g.shape)).astype(np.float32)
    exact, exact_later = (effective(one, wires).conductance for one in (g, later))
    assert exact.sum() < 0.8 * g.sum()
    followed = exact / ladders(g, wires) * ladders(later, wires)
    off = np.abs(ladders(later, wires) - exact_later).sum(), np.abs(followed - exact_later).sum()
    assert off[1] < 0.15 * off[0]


def test_open_cells_show_nothing_and_block_nothing() -> None:
    g = random_cells((9, 6))
    g[:, 2] = g[4] = 0
    g[1, 1] = 0
    seen = ladders(g, WIRES)
    np.testing.assert_array_equal(seen == 0, g == 0)
    rows, columns = (np.delete(np.arange(n), gone) for n, gone in ((9, 4), (6, 2)))
    assert (seen[np.ix_(rows, columns)] > 0).sum() == 8 * 5 - 1


@pytest.mark.parametrize("r", [1e-9, 1.0, 1e4])
def test_no_read_sees_more_than_the_cells(r: float) -> None:
    g = random_cells((17, 23))
    seen = ladders(g, Wires(r_word=r, r_bit=r))
    assert (seen > 0).all()
    assert (seen <= g * (1 + 1e-6)).all()
