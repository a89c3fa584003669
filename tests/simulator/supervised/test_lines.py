"""Perceptrons behind resistive lines: reciprocity, reads both ways, following, and energies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.lines.circuit import Terminals, Wires
from cbramsim.simulator.lines.effective_matrix import effective
from cbramsim.simulator.lines.solver import solve
from cbramsim.simulator.supervised import CrossbarPerceptron
from cbramsim.simulator.supervised.lines import active_together

RNG = np.random.default_rng(11)
IMAGES = RNG.integers(0, 256, (60, 14)).astype(np.uint8)
LABELS = RNG.integers(0, 3, 60)
QUIET: dict[str, Any] = dict.fromkeys(
    ("g_min_d2d", "g_max_d2d", "pulses_up_d2d", "pulses_down_d2d", "read_c2c", "step_c2c"), 0.0
)
WIRING: dict[str, Any] = {"r_word": 60.0, "r_bit": 90.0, "r_source": 200.0, "r_sense": 100.0}
"""Far more than real lines have, for an array this small."""


def perceptron(**changes: Any) -> CrossbarPerceptron:
    config: dict[str, Any] = {
        "hidden": (9,), "cell": QUIET, "seed": 2, "initial_weight": 0.9, "rates": (0.1,),
        "wires": True, "wiring": WIRING,
    }  # fmt: skip
    return CrossbarPerceptron(**(config | changes))


def turned(wires: Wires) -> Wires:
    """Return the resistances of the same array with its lines' roles exchanged."""
    return Wires(
        r_word=wires.r_bit, r_bit=wires.r_word, r_source=wires.r_sense, r_sense=wires.r_source,
        r_access=wires.r_access, word_ends=wires.bit_ends, bit_ends=wires.word_ends,
    )  # fmt: skip


def read_backward(g: NDArray, wires: Wires, volts: NDArray) -> tuple[NDArray, float]:
    """Return the word lines' currents, volts on the bit lines, and what sources give: solved.

    Turned so that the bottom of a bit line, which is sensed forward, is the left of a word line.
    """
    terminals = Terminals.product(volts[::-1], len(g), turned(wires))
    solution = solve(g[::-1, ::-1].T, terminals, turned(wires), tolerance=1e-12)
    return solution.outputs[::-1], solution.power.source


@pytest.mark.parametrize("ends", [("one", "one"), ("both", "one"), ("both", "both")])
def test_a_backward_read_is_the_transpose_of_a_forward_one(ends: tuple[str, str]) -> None:
    wires = Wires(**WIRING, r_access=1e3, word_ends=ends[0], bit_ends=ends[1])  # type: ignore[arg-type]
    g, volts = RNG.uniform(2e-6, 2e-4, (8, 5)), RNG.uniform(-0.2, 0.2, 5)
    seen = effective(g, wires).conductance
    currents, _ = read_backward(g, wires, volts)
    np.testing.assert_allclose(currents, seen @ volts, rtol=1e-8)
    assert np.abs(seen / g - 1).max() > 0.1


def test_reads_see_what_the_lines_leave() -> None:
    """Forward and backward: outputs and slopes are those of the effective weights."""
    model = perceptron(encoding="amplitude").partial_fit(IMAGES[:20], LABELS[:20])
    weights = []
    for crossbar in model.crossbars:
        g = crossbar.conductance.astype(np.float64)
        seen = effective(g, Wires(**WIRING)).conductance
        weights.append(model.device.weight_of(seen))
        assert np.abs(weights[-1] - model.device.weight_of(g)).max() > 0.02
    x, target = IMAGES[30] / 255, np.eye(3)[LABELS[30]]
    hidden = 1 / (1 + np.exp(-x @ weights[0]))
    a = 1 / (1 + np.exp(-hidden @ weights[1]))
    np.testing.assert_allclose(model.predict_proba(IMAGES[30:31])[0], a, rtol=1e-4)
    delta = -2 * a * (1 - a) * (target - a)
    before = hidden * (1 - hidden) * (weights[1] @ delta)
    found = model.gradients(IMAGES[30], LABELS[30])
    for mine, expected in zip(found, (np.outer(x, before), np.outer(hidden, delta)), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("synapse", "part"), [({}, 0.02), ({"pair": True, "pulses": "set"}, 0.7)], ids=["one", "pair"]
)
def test_reads_follow_the_cells_while_they_learn(synapse: dict[str, Any], part: float) -> None:
    """Pairs that are only set grow all at once: the lines of so few cells change much in a step."""
    model = perceptron(rates=(0.2,), synapse=synapse)
    model.partial_fit(np.tile(IMAGES, (5, 1)), np.tile(LABELS, 5))
    for crossbar, together in zip(model.crossbars, model.together, strict=True):
        wired = crossbar.wired
        assert wired is not None
        assert wired.solutions > 1
        seen, g = crossbar.state.lines.seen, crossbar.state.g
        exact = effective(g, Wires(**WIRING)).conductance
        active = np.diag(together)
        off, ideal = (np.abs(active @ (x - exact)).max() for x in (seen, g))
        off, ideal = (each / (active @ exact).mean() for each in (off, ideal))
        assert off < part * ideal
        assert ideal > 0.05
        assert off < 0.01 or wired.error > 0.01


def test_lines_with_next_to_no_resistance_change_nothing() -> None:
    """Up to pulses whose chance is as good as even."""
    next_to_none = {"r_word": 1e-6, "r_bit": 1e-6}
    one = perceptron(wiring=next_to_none).partial_fit(IMAGES, LABELS)
    other = perceptron(wires=False, wiring={}).partial_fit(IMAGES, LABELS)
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        assert (np.abs(mine - theirs) < 1e-6).mean() > 0.98
        assert np.abs(mine - theirs).max() < 0.1


def test_energy_of_a_backward_read_is_a_close_lower_bound() -> None:
    model = perceptron(encoding="amplitude").partial_fit(IMAGES, LABELS)
    second, device = model.crossbars[1], model.device
    model.gradients(IMAGES[3], LABELS[3])
    delta = model.stages("gradients")[1].delta
    volts = device.v_read * np.abs(delta) / np.abs(delta).max()
    g = second.conductance.astype(np.float64)
    _, source = read_backward(g, Wires(**WIRING), volts)
    booked = model.ledgers[1].account("gradients").joules[Operation.TRANSPOSED_READ]
    assert 0.95 * source < booked / device.t_read <= source * (1 + 1e-6)
    _, alike = read_backward(g, Wires(**WIRING), np.full(3, device.v_read))
    bound = device.v_read**2 * effective(g, Wires(**WIRING)).conductance.sum()
    assert bound == pytest.approx(alike, rel=1e-8)


def test_lines_that_are_active_together_are_counted() -> None:
    codes = np.array([[3, 1, 0], [2, 0, 0]], np.uint8)
    # Bit 0: lines 0 and 1; nothing of the second image. Bit 1: line 0 of both.
    expected = np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0]]) / 3
    np.testing.assert_allclose(active_together(codes, 2, one_by_one=True), expected)
    mean = active_together(codes, 2, one_by_one=False)
    np.testing.assert_allclose(np.diag(mean), [5 / 6, 1 / 6, 0])
    assert mean[0, 1] == pytest.approx(1 / 6)


def test_what_lines_cannot_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="wires must be true for wiring to mean anything"):
        perceptron(wires=False)
    with pytest.raises(ParameterError, match="wires must be false where cells are not ohmic"):
        perceptron(cell={"v_sinh": 0.3})
