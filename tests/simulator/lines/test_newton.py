"""Cells that are not ohmic behind resistive lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.lines import solver
from cbramsim.simulator.lines.circuit import LineFaults, Terminals, Wires
from cbramsim.simulator.lines.curves import OHMIC, Sinh, curve_of
from cbramsim.simulator.lines.direct import solve_directly
from cbramsim.simulator.lines.solution import Solution
from cbramsim.simulator.lines.solver import ConvergenceError, Method, solve
from tests.examples import times
from tests.simulator.lines.curved_oracle import furthest_from_exact_on_curve
from tests.simulator.lines.oracle import left_over
from tests.simulator.lines.test_solver import (
    SCHEMES,
    furthest,
    random_cells,
    terminals_of,
    wires_of_all_kinds,
)

WIRES = Wires(r_word=2.0, r_bit=3.0, r_source=50.0, r_sense=20.0, r_access=500.0)
DIGITS = 1e-45
"""What the exact currents are rounded off by, A."""
HIGHEST = 1.5
"""No terminal of `terminals_of` is higher, V."""

curves = st.builds(
    lambda steep, read: Sinh(HIGHEST / steep, HIGHEST / steep * read),
    st.floats(-1, math.log10(50)).map(lambda power: 10**power),
    st.floats(-1, 1).map(lambda power: 10**power),
)


def array(shape: tuple[int, int] = (8, 6), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, shape)


def product(shape: tuple[int, int], highest: float, wires: Wires = WIRES) -> Terminals:
    return Terminals.product(np.linspace(0.2, 1, shape[0]) * highest, shape[1], wires)


# The bound


@times(3)
@given(
    rows=st.integers(1, 12), columns=st.integers(1, 10), wires=wires_of_all_kinds,
    scheme=st.sampled_from(SCHEMES), empty=st.sampled_from([0.0, 0.3]), curve=curves,
    tolerance=st.sampled_from([1e-3, 1e-6, 1e-9]), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_no_current_is_further_off_than_the_bound_and_that_is_kept(
    rows: int, columns: int, wires: Wires, scheme: str, empty: float, curve: Sinh,
    tolerance: float, seed: int,
) -> None:  # fmt: skip
    """Two ways to the solution: line relaxation, and sparse factors of the whole network."""
    g = random_cells((rows, columns), seed, empty=empty)
    terminals = terminals_of(scheme, g.shape, wires, seed)
    try:
        exact = solve_directly(g, terminals, wires, curve=curve)
    except ParameterError:
        with pytest.raises(ParameterError, match=r"Terminals: .* float"):
            solve(g, terminals, wires, curve=curve)
        return
    ours = solve(g, terminals, wires, tolerance=tolerance, curve=curve)
    assert ours.error_bound <= tolerance * ours.through + 1e-20 * g.sum() + ours.rounding
    assert furthest(ours, exact) <= ours.error_bound + exact.error_bound
    assert np.abs(ours.word - exact.word).max() <= 1.6  # no voltage is beyond those that drive


@given(
    rows=st.integers(1, 3), columns=st.integers(1, 3), wires=wires_of_all_kinds,
    scheme=st.sampled_from(SCHEMES), decades=st.sampled_from([0, 4, 9]), curve=curves,
    tolerance=st.sampled_from([1e-3, 1e-9, 1e-12]), seed=st.integers(0, 2**31),
    method=st.sampled_from(["auto", "direct"]),
)  # fmt: skip
@example(1, 1, WIRES, "product", 0, Sinh(0.03, 0.1), 1e-12, 0, "direct")
def test_the_bound_holds_the_rounding_of_double_precision(
    rows: int, columns: int, wires: Wires, scheme: str, decades: int, curve: Sinh,
    tolerance: float, seed: int, method: Method,
) -> None:  # fmt: skip
    """Against seventy digits. It is no looser than some units in the last place of them all."""
    g = random_cells((rows, columns), seed, decades)
    terminals = terminals_of(scheme, g.shape, wires, seed)
    try:
        ours = solve(g, terminals, wires, tolerance=tolerance, method=method, curve=curve)
    except ConvergenceError:
        assert tolerance < 1e-9
        return
    assert float(furthest_from_exact_on_curve(ours)) <= ours.error_bound + DIGITS
    assert ours.error_bound - ours.rounding <= tolerance * ours.through + 1e-20 * g.sum()
    currents = sum(np.abs(part).sum() for part in ours.currents)
    steepest = (HIGHEST + curve.v_read) / curve.v_sinh
    loosest = 1e-14 * currents * (1 + steepest) + 1e-25 * g.sum()
    assert ours.rounding <= loosest + 1e-13 * (ours.error_bound - ours.rounding)


def test_the_bound_is_what_kirchhoffs_law_leaves_over() -> None:
    g = array()
    ours = solve(g, product(g.shape, 0.3), WIRES, tolerance=1e-4, curve=Sinh(0.05, 0.1))
    assert ours.error_bound - ours.rounding == pytest.approx(left_over(ours), rel=1e-6)
    assert ours.error_bound - ours.rounding > 1e-12 * ours.through


# Against closed forms


@given(
    g=st.floats(1e-9, 1e-3), r_access=st.floats(0, 1e6), v_sinh=st.floats(0.02, 2),
    voltage=st.floats(-1, 1), read=st.floats(0.01, 1),
)  # fmt: skip
def test_one_cell_in_series_with_all_its_resistances(
    g: float, r_access: float, v_sinh: float, voltage: float, read: float
) -> None:
    """The current is the root of x + R I(x) = V, x the voltage across the cell itself."""
    wires = Wires(r_word=3, r_bit=5, r_source=70, r_sense=11, r_access=r_access)
    resistance = 3 + 5 + 70 + 11 + r_access
    curve = Sinh(v_sinh, read)

    def current(x: float) -> float:
        return g * read * math.sinh(x / v_sinh) / math.sinh(read / v_sinh)

    x = brentq(
        lambda x: x + resistance * current(x) - voltage, -1, 1, xtol=1e-300, rtol=1e-14, maxiter=999
    )
    terminals = Terminals.product([voltage], 1, wires)
    ours = solve([[g]], terminals, wires, tolerance=1e-12, curve=curve)
    assert ours.outputs[0] == pytest.approx(current(x), rel=2e-12 * (1 + 1 / v_sinh), abs=1e-290)
    assert ours.power.cells == pytest.approx(x * current(x), rel=1e-10, abs=1e-290)


@pytest.mark.parametrize("method", ["relaxation", "direct"])
def test_a_large_voltage_scale_is_ohmic(method: Method) -> None:
    g = array()
    terminals = product(g.shape, 0.3)
    ohmic = solve(g, terminals, WIRES, tolerance=1e-12)
    ours = solve(g, terminals, WIRES, tolerance=1e-12, method=method, curve=Sinh(1e4, 0.1))
    for one, other in zip(ours.currents, ohmic.currents, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * ohmic.through)
    assert ours.power == pytest.approx(ohmic.power, rel=1e-8)
    closer = [
        furthest(ohmic, solve(g, terminals, WIRES, tolerance=1e-12, curve=Sinh(scale, 0.1)))
        for scale in (1, 10)
    ]
    assert closer[0] == pytest.approx(100 * closer[1], rel=0.01)  # the second order of 1 / scale


def test_without_resistance_it_is_the_curve_itself() -> None:
    device = Device.load("subquantum-cbram").replace(v_sinh=0.05)
    g, v = array(), np.linspace(-0.1, 0.2, 8)
    for wires in (Wires(r_word=0, r_bit=0), Wires(r_word=1e-9, r_bit=1e-9)):
        terminals = Terminals.product(v, 6, wires)
        ours = solve(g, terminals, wires, curve=curve_of(device)).outputs
        np.testing.assert_allclose(ours, device.read_equivalent(v) @ g, rtol=1e-6)


# Conservation, and what follows from a rising curve


@given(
    rows=st.integers(1, 8), columns=st.integers(1, 8), wires=wires_of_all_kinds,
    scheme=st.sampled_from(["product", "V/2", "V/3"]), curve=curves, seed=st.integers(0, 2**31),
    method=st.sampled_from(["auto", "direct"]),
)  # fmt: skip
def test_current_and_energy_are_conserved(
    rows: int, columns: int, wires: Wires, scheme: str, curve: Sinh, seed: int, method: Method
) -> None:
    g = random_cells((rows, columns), seed)
    terminals = terminals_of(scheme, g.shape, wires, seed)
    ours = solve(g, terminals, wires, curve=curve, method=method)
    assert ours.inputs.sum() == pytest.approx(ours.outputs.sum(), abs=2 * ours.error_bound)
    highest = 3 * HIGHEST  # a power is off by no more than a voltage times the error of a current
    assert ours.power.source == pytest.approx(
        sum(ours.power[1:]), abs=highest * (ours.error_bound + left_over(ours)) + 1e-300
    )
    assert min(ours.power) >= 0


def test_more_voltage_and_more_conductance_is_more_current() -> None:
    g, curve = array(), Sinh(0.05, 0.1)

    def outputs(highest: float, cells: np.ndarray) -> np.ndarray:
        terminals = product(cells.shape, highest)
        return solve(cells, terminals, WIRES, tolerance=1e-12, curve=curve).outputs

    several = [outputs(highest, g) for highest in (0.1, 0.2, 0.3, 0.4)]
    assert (np.diff(several, axis=0) > 0).all()
    better = g.copy()
    better[3, 2] *= 2
    assert outputs(0.3, better)[2] > outputs(0.3, g)[2]
    turned = solve(g, product(g.shape, -0.3), WIRES, curve=curve).outputs
    np.testing.assert_allclose(turned, -outputs(0.3, g), rtol=1e-7)


def test_cells_that_saturate_lines_lose_more_than_ohmic_ones() -> None:
    """At v_read all cells are alike; what is below draws less than in proportion."""
    g = array((32, 32))
    wires = Wires(r_word=20, r_bit=20)
    terminals = Terminals.product(np.full(32, 0.1), 32, wires)
    losses = [solve(g, terminals, wires, curve=Sinh(v, 0.1)).outputs.sum() for v in (0.02, 0.05)]
    assert losses[0] < losses[1] < solve(g, terminals, wires).outputs.sum()


# The method


def test_it_takes_few_steps_from_far_away() -> None:
    g = array((16, 16))
    wires = Wires(r_word=1e3, r_bit=1e3)
    far = solve(g, product(g.shape, 1.0, wires), wires, curve=Sinh(0.02, 0.1))
    assert far.method == "relaxation"
    assert far.iterations < 400


@pytest.mark.parametrize(
    ("wires", "faults"),
    [
        (Wires(r_word=0, r_bit=5, r_source=9), LineFaults()),
        (WIRES, LineFaults(((0, 0), (2, 3)), ((1, 1),), ((1, 3, 2),), ((4, 0, 3),))),
    ],
)
def test_other_circuits_are_solved_directly(wires: Wires, faults: LineFaults) -> None:
    g = array()
    g[1, 2] = 0
    ours = solve(g, product(g.shape, 0.3, wires), wires, faults=faults, curve=Sinh(0.05, 0.1))
    assert ours.method == "direct"
    assert ours.error_bound < 1e-12 * ours.through
    assert ours.inputs.sum() == pytest.approx(ours.outputs.sum(), rel=1e-12)


def test_a_shorted_cell_is_its_transistor() -> None:
    g = array((3, 3))
    g[1, 1] = np.inf
    ours = solve(g, product(g.shape, 0.3), WIRES, curve=Sinh(0.05, 0.1))
    across = ours.word[1, 1] - ours.bit[1, 1]
    assert ours.currents.cells[1, 1] == pytest.approx(across / 500)


def test_what_does_not_converge_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "settle_curved", lambda *_: (1.0, 1.0, 0))
    g, terminals = array(), product((8, 6), 0.3)
    assert solve(g, terminals, WIRES, curve=Sinh(0.05, 0.1)).method == "direct"
    with pytest.raises(ConvergenceError, match="relaxation did not converge"):
        solve(g, terminals, WIRES, curve=Sinh(0.05, 0.1), method="relaxation")
    from cbramsim.simulator.lines import direct

    monkeypatch.setattr(direct, "_NEWTONS", 1)
    with pytest.raises(ConvergenceError, match="did not converge to 1e-09"):
        solve(g, terminals, WIRES, curve=Sinh(0.05, 0.1))


def test_a_curve_must_be_one() -> None:
    with pytest.raises(ParameterError, match=r"solve\.curve"):
        solve([[1e-5]], product((1, 1), 0.1), WIRES, curve=0.1)  # type: ignore[arg-type]


def test_the_slope_is_the_derivative_of_the_current() -> None:
    v = np.linspace(-0.4, 0.4, 41)
    for r_access in (0.0, 10.0, 1e4, 1e7):
        curve, h = Sinh(0.05, 0.1), 1e-6
        current, slope = curve.current_and_slope(np.array(3e-5), v, r_access)
        steps = [curve.current_and_slope(np.array(3e-5), v + d, r_access)[0] for d in (-h, h)]
        np.testing.assert_allclose(slope, (steps[1] - steps[0]) / (2 * h), rtol=1e-6)
        at_cell = curve.voltage(np.array(3e-5), current)
        np.testing.assert_allclose(at_cell + r_access * current, v, rtol=1e-12, atol=1e-16)


# In a crossbar


def test_a_crossbar_solves_with_the_curve_of_its_device() -> None:
    device = Device.load("subquantum-cbram").replace(v_sinh=0.05)
    crossbar = Crossbar(device, (8, 6), seed=2, wires=WIRES)
    v = np.linspace(0, 0.2, 8)
    ours = crossbar.solve(v)
    assert isinstance(ours, Solution)
    assert ours.curve == Sinh(0.05, device.v_read)
    expected = solve(crossbar.conductance, Terminals.product(v, 6, WIRES), WIRES, curve=ours.curve)
    np.testing.assert_array_equal(ours.outputs, expected.outputs)
    assert curve_of(Device.load("subquantum-cbram")) is OHMIC
