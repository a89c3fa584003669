"""Drift compensation: closed forms, what it cannot make up for, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.lines import Tiles

QUIET = Device.load("subquantum-cbram").without_variability()
DRIFT = QUIET.replace(drift_exponent=0.06)
SHAPE = (40, 12)
VOLTS = np.linspace(0, 0.1, 40)


def array(device: Device, **built: object) -> Crossbar:
    crossbar = Crossbar(device, SHAPE, seed=2, **built)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    crossbar.set_conductance(rng.uniform(device.g_min, device.g_max, SHAPE))
    crossbar.clock.start(crossbar.state.g_columns)
    return crossbar


@pytest.mark.parametrize("kind", ["global", "column"])
def test_drift_that_is_the_same_everywhere_is_made_up_for(kind: str) -> None:
    crossbar = array(DRIFT)
    before = crossbar.read(VOLTS)
    crossbar.note_sums()
    crossbar.wait(1e5)
    assert crossbar.read(VOLTS) == pytest.approx(before * 1e5**-0.06, rel=1e-5)
    factors = crossbar.compensate(kind)  # type: ignore[arg-type]
    assert factors == pytest.approx(1e5**0.06, rel=1e-5)
    assert crossbar.read(VOLTS) == pytest.approx(before, rel=1e-5)


def test_a_factor_is_the_ratio_of_the_sums_of_a_physical_array() -> None:
    crossbar = array(DRIFT.replace(drift_exponent_d2d=0.5), tiles=Tiles(columns=4))
    before = crossbar.conductance.astype(float)
    crossbar.note_sums()
    crossbar.wait(1e6)
    after = crossbar.conductance.astype(float)
    for kind, width in (("global", 4), ("column", 1)):
        sums = [g.sum(axis=0).reshape(-1, width).sum(axis=1) for g in (before, after)]
        expected = np.repeat(sums[0] / sums[1], width)
        np.testing.assert_allclose(crossbar.compensate(kind), expected, rtol=1e-5)  # type: ignore[arg-type]


def test_later_waits_are_made_up_for_from_the_first_sums() -> None:
    crossbar = array(DRIFT)
    before = crossbar.read(VOLTS)
    crossbar.note_sums()
    for _ in range(3):
        crossbar.wait(1e4)
        crossbar.note_sums()
        crossbar.compensate()
    assert crossbar.read(VOLTS) == pytest.approx(before, rel=1e-5)
    crossbar.forget_sums()
    assert crossbar.read(VOLTS) == pytest.approx(before * 3e4**-0.06, rel=1e-5)


def test_both_measurements_are_booked_as_reads_of_all_cells() -> None:
    crossbar = array(DRIFT)
    power = 0.1**2 * QUIET.t_read * crossbar.conductance.sum(dtype=float)
    crossbar.note_sums()
    crossbar.wait(1e5)
    crossbar.compensate()
    account = crossbar.ledger.account("use")
    assert account.counts[Operation.CELL_READ] == 2 * 40 * 12
    read = QUIET.v_read**2 * QUIET.t_read / (0.1**2 * QUIET.t_read) * power
    assert account.joules[Operation.CELL_READ] == pytest.approx(read * (1 + 1e5**-0.06), rel=1e-5)


def test_a_missing_measurement_is_named() -> None:
    with pytest.raises(ParameterError, match="note_sums comes first"):
        array(DRIFT).compensate()
    with pytest.raises(ParameterError, match="must be one of global, column"):
        array(DRIFT).compensate("row")  # type: ignore[arg-type]
