"""Spread from cell to cell, and faults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cbramsim.devices.device import Device
from cbramsim.devices.faults import HIGH, LOW, OPEN, WORKING, draw_faults
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import G_HIGH, G_LOW, RESET, SET
from cbramsim.simulator.array.crossbar import Crossbar

QUIET = Device.load("subquantum-cbram").without_variability()
SHAPE = (300, 200)
CELLS = SHAPE[0] * SHAPE[1]
Z = 4.5
"""Standard errors that an estimate may be off: once in 150,000 tests by chance."""
UNLIKELY = 1e-5
"""Error probability of a binomial test."""


def population(seed: int = 0, **changes: float) -> np.ndarray:
    device = QUIET.replace(**changes)
    return draw_population(device, SHAPE, np.random.default_rng(seed)).astype(float)


def relative_error_of_sd(spread: float) -> float:
    """Standard error of the sample standard deviation of a log-normal, from its kurtosis."""
    q = 1 + spread**2
    kurtosis = q**4 + 2 * q**3 + 3 * q**2 - 3
    return float(np.sqrt((kurtosis - 1) / CELLS) / 2)


# ---- spread ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.05, 0.2])
@pytest.mark.parametrize(
    ("parameter", "index"),
    [("g_max", G_HIGH), ("g_min", G_LOW), ("pulses_up", SET + 1), ("pulses_down", RESET + 1)],
)
def test_spreads_are_log_normal_with_the_nominal_value_as_mean(
    parameter: str, index: int, spread: float
) -> None:
    device = QUIET.replace(law="constant", nonlinearity_up=0.0, nonlinearity_down=0.0)
    device = device.replace(**{f"{parameter}_d2d": spread})
    values = np.abs(
        draw_population(device, SHAPE, np.random.default_rng(0))[..., index].astype(float)
    )
    nominal = device.g_range / 64 if index in (SET + 1, RESET + 1) else getattr(device, parameter)
    assert values.mean() == pytest.approx(nominal, rel=Z * spread / np.sqrt(CELLS))
    assert values.std() / nominal == pytest.approx(spread, rel=Z * relative_error_of_sd(spread))
    logs = np.log(values)
    skewness = ((logs - logs.mean()) ** 3).mean() / logs.std() ** 3
    assert abs(skewness) < Z * np.sqrt(6 / CELLS)


def test_steps_of_a_nonlinear_cell_spread_as_its_number_of_pulses_does() -> None:
    """A cell of label L and factor f is one of N / f pulses and the same label."""
    cells = population(pulses_up_d2d=0.2)
    first, slope = cells[..., SET + 1] / QUIET.g_range, cells[..., SET + 2]
    # d(P) from end to end: first (1 - (1 + slope)^P) / -slope = 1
    pulses = np.log1p(slope / first) / np.log1p(slope)
    factor = 64 / pulses
    assert factor.mean() == pytest.approx(1, rel=Z * 0.2 / np.sqrt(CELLS))
    assert factor.std() == pytest.approx(0.2, rel=Z * relative_error_of_sd(0.2))


def test_labels_spread_normally_and_stay_in_their_range() -> None:
    quiet = QUIET.replace(nonlinearity_up=1.0, nonlinearity_up_d2d=0.3)
    cells = draw_population(quiet, SHAPE, np.random.default_rng(0)).astype(float)
    first, slope = cells[..., SET + 1] / quiet.g_range, cells[..., SET + 2]
    ends = first * -np.expm1(64 * np.log1p(slope)) / -slope
    np.testing.assert_allclose(ends, 1, rtol=1e-3)
    nominal = population(nonlinearity_up=1.0)[0, 0, SET + 2]
    assert (slope < nominal).mean() == pytest.approx(0.5, abs=Z * 0.5 / np.sqrt(CELLS))
    extreme = population(nonlinearity_up=9.0, nonlinearity_up_d2d=2.0)
    assert (extreme[..., SET + 1] <= extreme[..., G_HIGH] - extreme[..., G_LOW] + 1e-12).all()


def test_nothing_turns_negative_at_the_largest_spread() -> None:
    cells = population(g_min_d2d=2.0, g_max_d2d=2.0, pulses_up_d2d=2.0, pulses_down_d2d=2.0)
    assert (cells[..., G_LOW] > 0).all()
    assert (cells[..., G_HIGH] >= cells[..., G_LOW]).all()
    assert (cells[..., SET + 1] >= 0).all()
    assert (cells[..., RESET + 1] <= 0).all()


@pytest.mark.parametrize("label", [-9.0, 9.0])
def test_no_cell_takes_less_than_a_pulse_from_end_to_end(label: float) -> None:
    device = QUIET.replace(nonlinearity_up=label, pulses_up=1.0, pulses_up_d2d=2.0)
    crossbar = Crossbar(device, (2000, 1), seed=1)
    assert np.isfinite(crossbar.state.cells).all()
    quick = crossbar.state.cells[0, :, SET + 1] >= 0.999 * np.float32(device.g_range)
    assert 0.2 < quick.mean() < 1
    crossbar.program(0, np.arange(2000), 1)
    np.testing.assert_allclose(crossbar.conductance[quick, 0], device.g_max, rtol=1.1e-3)


def test_without_spread_all_cells_are_the_nominal_one() -> None:
    cells = population()
    assert np.ptp(cells.reshape(-1, cells.shape[-1]), axis=0).max() == 0
    np.testing.assert_array_equal(cells[0, 0], Crossbar(QUIET, (1, 1)).state.nominal[0, 0])


# ---- faults ------------------------------------------------------------------------------------


def faults(shape: tuple[int, int] = SHAPE, **changes: float) -> np.ndarray:
    return draw_faults(QUIET.replace(**changes), shape, np.random.default_rng(7))


def test_independent_faults_are_as_frequent_as_stated() -> None:
    wanted = {LOW: 0.05, HIGH: 0.02, OPEN: 0.11}
    drawn = faults(stuck_low=0.05, stuck_high=0.02, stuck_open=0.11)
    for kind, fraction in wanted.items():
        found = int((drawn == kind).sum())
        assert binomtest(found, CELLS, fraction).pvalue > UNLIKELY


def test_clustered_faults_are_exactly_as_many_as_stated() -> None:
    drawn = faults(stuck_low=0.05, stuck_high=0.02, stuck_open=0.11, fault_cluster=3)
    counts = [int((drawn == kind).sum()) for kind in (LOW, HIGH, OPEN)]
    assert counts == [0.05 * CELLS, 0.02 * CELLS, 0.11 * CELLS]
    assert (faults(stuck_low=1.0) == LOW).all()
    assert (faults(stuck_open=1.0, fault_cluster=2) == OPEN).all()
    assert (faults() == WORKING).all()


@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_faults_cluster(radius: float) -> None:
    """A neighbour of a faulty cell is faulty far more often than any cell; independent: as often."""
    for cluster in (0.0, radius):
        faulty = faults(stuck_low=0.1, fault_cluster=cluster) == LOW
        beside = np.roll(faulty, 1, axis=0)[faulty]
        if cluster:
            assert beside.mean() > 0.6
        else:
            assert binomtest(int(beside.sum()), beside.size, 0.1).pvalue > UNLIKELY


def test_clusters_grow_with_their_radius() -> None:
    edges = []
    for radius in (1.0, 3.0, 9.0):
        faulty = faults(stuck_low=0.2, fault_cluster=radius) == LOW
        edges.append(int((faulty != np.roll(faulty, 1, axis=0)).sum()))
    assert edges[0] > 1.5 * edges[1] > 1.5**2 * edges[2]


@pytest.mark.parametrize("levels", [0, 5])
def test_faulty_cells_do_not_move_and_open_ones_carry_no_current(levels: int) -> None:
    device = QUIET.replace(
        stuck_low=0.2, stuck_high=0.2, stuck_open=0.2, step_c2c=0.05, g_min_d2d=0.1, levels=levels
    )
    crossbar = Crossbar(device, (2000, 1), seed=4)
    low, high = crossbar.state.cells[0, :, G_LOW], crossbar.state.cells[0, :, G_HIGH]
    fixed = low == high
    assert binomtest(int(fixed.sum()), 2000, 0.6).pvalue > UNLIKELY
    before = crossbar.conductance[:, 0].copy()
    for pulses in (5, -3, 40):
        crossbar.program(0, np.arange(2000), pulses)
        assert (crossbar.conductance[fixed, 0] == before[fixed]).all()
    assert (crossbar.conductance[~fixed, 0] != before[~fixed]).mean() > 0.9
    crossbar.set_conductance(device.g_mid)
    assert (crossbar.conductance[fixed, 0] == before[fixed]).all()
    open_ = high == 0
    assert binomtest(int(open_.sum()), 2000, 0.2).pvalue > UNLIKELY
    assert crossbar.read(np.where(open_, 0.1, 0), noise=False)[0] == 0
    assert (before[fixed & ~open_] > 0).all()
