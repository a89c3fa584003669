"""Pulses that cells have got, and cells that are worn out."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.devices.device import Device
from cbramsim.devices.endurance import YEAR, Wear, draw_endurance
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation

QUIET = Device.load("subquantum-cbram").without_variability()


def worked(device: Device, seed: int = 0) -> tuple[Crossbar, np.ndarray]:
    """Return an array after random trains, and how many pulses each cell was given."""
    crossbar = Crossbar(device, (13, 7), seed=seed)
    given = np.zeros((13, 7), int)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        column, rows = int(rng.integers(7)), rng.permutation(13)[:5]
        pulses = rng.integers(-9, 10, 5)
        crossbar.program(column, rows, pulses)
        given[rows, column] += np.abs(pulses)
    return crossbar, given


def test_every_pulse_is_counted_at_its_cell() -> None:
    crossbar, given = worked(QUIET)
    np.testing.assert_array_equal(crossbar.pulse_counts, given)
    assert given.sum() == crossbar.ledger.count("use", Operation.PROGRAM_PULSE)
    wear = crossbar.wear(images=100)
    assert (wear.pulses, wear.mean) == (given.sum(), pytest.approx(given.mean()))
    assert wear.hottest == given.max()
    assert given[wear.hottest_cell] == given.max()
    assert wear.worn_out == 0
    assert crossbar.state.hottest[0] == wear.hottest


def test_pulses_of_program_and_verify_are_counted() -> None:
    crossbar = Crossbar(QUIET, (5, 2), seed=1)
    crossbar.program_to(1, np.arange(5), QUIET.g_mid)
    counted = crossbar.pulse_counts
    assert counted[:, 0].sum() == 0
    assert counted.sum() == crossbar.ledger.count("use", Operation.PROGRAM_PULSE) > 0


def test_inhibited_cells_do_not_wear() -> None:
    crossbar = Crossbar(QUIET, (3, 1))
    crossbar.inhibit(0, [1])
    crossbar.program(0, [0, 1, 2], 4)
    assert crossbar.pulse_counts[:, 0].tolist() == [4, 0, 4]


def test_worn_out_cells_stay_where_they_are() -> None:
    crossbar, given = worked(QUIET.replace(endurance=25, step_c2c=0.05))
    crossbar.wear_out()
    dead = given >= 25
    assert 0 < dead.sum() < dead.size
    assert crossbar.wear().worn_out == dead.sum()
    before = crossbar.conductance.copy()
    assert (before[dead] > 0).all()
    for column in range(7):
        crossbar.program(column, np.arange(13), 3)
    np.testing.assert_array_equal(crossbar.conductance[dead], before[dead])
    assert (crossbar.conductance[~dead] != before[~dead]).mean() > 0.9


def test_wear_does_nothing_where_it_is_not_modelled() -> None:
    crossbar, _ = worked(QUIET)
    before = crossbar.state.cells.copy()
    crossbar.wear_out()
    np.testing.assert_array_equal(crossbar.state.cells, before)


def test_endurance_spreads_as_stated() -> None:
    device = QUIET.replace(endurance=1e5, endurance_d2d=0.4)
    limits = draw_endurance(device, (300, 200), np.random.default_rng(0))
    assert limits.mean() == pytest.approx(1e5, rel=0.01)
    assert limits.std() == pytest.approx(4e4, rel=0.03)
    assert (
        draw_endurance(QUIET.replace(endurance=9.0), (2, 2), np.random.default_rng(0)) == 9
    ).all()


def test_years_until_the_hottest_cell_is_worn_out() -> None:
    """It gets 50 pulses in 1000 images, and survives 1e6: 2e7 images, at 10 a second 2e6 s."""
    wear = Wear(
        pulses=900, mean=9.0, hottest=50, hottest_cell=(0, 0), worn_out=0, images=1000,
        endurance=1e6,
    )  # fmt: skip
    assert wear.years(10.0) == pytest.approx(2e6 / YEAR)
    assert wear.years(20.0) == pytest.approx(1e6 / YEAR)
    for never in ({"hottest": 0}, {"endurance": 0.0}, {"images": 0}):
        assert wear._replace(**never).years(10.0) == float("inf")
