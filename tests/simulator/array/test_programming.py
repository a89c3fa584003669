"""Traces of pulse trains and of write-verify, and their statistics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.core.plotting import save
from cbramsim.devices.device import Device
from cbramsim.experiments.array_studies.programming import SHAPE as SHAPE_WRITTEN
from cbramsim.experiments.array_studies.programming import programming_figure, programming_study
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.array.programming import BOOKED
from cbramsim.simulator.energy.ledger import Operation

CBRAM = Device.load("subquantum-cbram")
QUIET = CBRAM.without_variability()
SHAPE = (20, 6)
ALL = np.argwhere(np.ones(SHAPE))


def closed_form(device: Device, pulses: np.ndarray) -> np.ndarray:
    """G(P) = B (1 - exp(-P / A)) + G_min, with A = N for the preset's label: NeuroSim's eqs 1-3."""
    n = device.pulses_up
    return device.g_min + device.g_range * (1 - np.exp(-pulses / n)) / (1 - np.exp(-1))


def test_a_trace_is_the_pulse_curve_of_the_law() -> None:
    trace = Crossbar(QUIET, SHAPE).pulse_train([(3, 2), (4, 2)], 64)
    assert trace.conductance.shape == (2, 65)
    expected = np.broadcast_to(closed_form(QUIET, np.arange(65)), (2, 65))
    np.testing.assert_allclose(trace.conductance, expected, rtol=1e-3)
    assert (trace.pulses == 1).all()
    assert np.isnan(trace.sensed).all()


def test_trains_follow_each_other_and_end_where_they_began() -> None:
    crossbar = Crossbar(QUIET, SHAPE)
    trace = crossbar.pulse_train([(0, 0)], [80, -80], sense=True)
    g = trace.conductance[0]
    assert (np.diff(g[:65]) > 0).all()
    assert g[80] == pytest.approx(QUIET.g_max)
    assert g[-1] == pytest.approx(QUIET.g_min)
    np.testing.assert_allclose(trace.sensed, trace.conductance)  # a noiseless read
    assert crossbar.ledger.count("use", Operation.SENSE_READ) == 161
    assert crossbar.pulse_counts[0, 0] == 160


def test_a_trace_does_not_change_what_happens() -> None:
    traced, plain = (Crossbar(CBRAM, SHAPE, seed=4) for _ in range(2))
    trace = traced.pulse_train([(row, 1) for row in range(20)], [7])
    plain.program(1, range(20), 7)
    written = traced.write_verify([(row, 3) for row in range(20)], CBRAM.g_mid)
    missed = plain.program_to(3, range(20), CBRAM.g_mid)
    np.testing.assert_array_equal(traced.conductance, plain.conductance)
    np.testing.assert_array_equal(traced.pulse_counts, plain.pulse_counts)
    assert missed == (~written.reached).sum()
    np.testing.assert_array_equal(trace.conductance[:, -1], plain.conductance[:, 1])
    for op in Operation:
        assert traced.ledger.count("use", op) == plain.ledger.count("use", op)
        assert traced.ledger.account("use").joules[op] == pytest.approx(
            plain.ledger.account("use").joules[op], rel=1e-12
        )


@pytest.mark.parametrize("wanted", [0, 1, 7, 30, 64])
@pytest.mark.parametrize("corrections", ["pulse", "train"])
def test_a_noiseless_cell_takes_the_pulses_of_the_inverse_law(
    wanted: int, corrections: str
) -> None:
    """Target on the curve: P = -A ln(1 - (G - G_min) / B), which is a whole number there."""
    crossbar = Crossbar(QUIET, SHAPE)
    target = float(closed_form(QUIET, np.array(wanted)))
    written = crossbar.write_verify([(5, 5)], target, corrections=corrections)  # type: ignore[arg-type]
    b = QUIET.g_range / (1 - np.exp(-1))
    inverse = -QUIET.pulses_up * np.log(1 - (target - QUIET.g_min) / b)
    assert written.reached.all()
    assert written.pulses.tolist() == [wanted] == [round(inverse)]
    assert written.mean_pulses == wanted
    senses = crossbar.ledger.count("use", Operation.SENSE_READ)
    assert senses == (wanted + 1 if corrections == "pulse" else 1 + (wanted > 0))


@pytest.mark.parametrize("access", ["transistor", "passive"])
def test_energies_of_the_cells_sum_to_the_ledger(access: str) -> None:
    device = CBRAM.replace(v_switch=0.1)
    crossbar = Crossbar(device, SHAPE, seed=2, access=access)  # type: ignore[arg-type]
    energies = [
        crossbar.pulse_train(ALL[:9], [3, -2], sense=True).energy,
        crossbar.write_verify(ALL, device.g_mid).trace.energy,
    ]
    joules = crossbar.ledger.account("use").joules
    for part, operation in enumerate(BOOKED):
        booked = sum(energy[part].sum() for energy in energies)
        assert booked == pytest.approx(joules[operation], rel=1e-9)
    assert sum(energy.total.sum() for energy in energies) == pytest.approx(
        crossbar.ledger.total(), rel=1e-9
    )
    assert (energies[1].half_selected > 0).all() == (access == "passive")


@pytest.mark.parametrize("access", ["transistor", "passive"])
def test_pulse_energy_is_that_of_the_trace(access: str) -> None:
    """Sum of V² t (G before + G after) / 2, each cell by itself."""
    device = CBRAM.replace(v_switch=0.1)
    crossbar = Crossbar(device, SHAPE, seed=2, access=access)  # type: ignore[arg-type]
    trace = crossbar.write_verify(ALL, device.g_mid).trace
    g = trace.conductance.astype(float)
    mean = 0.5 * (g[:, :-1] + g[:, 1:])
    up, down = device.v_set**2 * device.t_set, device.v_reset**2 * device.t_reset
    pulses = np.where(trace.pulses > 0, up, down) * np.where(trace.pulses != 0, mean, 0)
    np.testing.assert_allclose(trace.energy.pulses, np.nansum(pulses, axis=1), rtol=1e-5)
    sensed = device.v_read**2 * device.t_read * np.nansum(g, axis=1)
    sensed += np.isfinite(g).sum(axis=1) * crossbar.program_costs().sense
    np.testing.assert_allclose(trace.energy.sensing, sensed, rtol=1e-5)


def test_the_histogram_counts_every_cell() -> None:
    device = CBRAM.replace(stuck_low=0.2)
    written = Crossbar(device, SHAPE, seed=1).write_verify(ALL, device.g_mid)
    counts, missed = written.histogram()
    assert counts.sum() + missed == len(ALL)
    assert 0 < missed < len(ALL)
    assert written.yield_ == counts.sum() / len(ALL)
    assert written.mean_pulses == pytest.approx(
        (counts * np.arange(counts.size)).sum() / counts.sum()
    )
    low, middle, high = written.percentiles()
    assert low <= middle <= high
    assert middle == np.median(written.pulses[written.reached])


def test_stuck_cells_are_misses_that_cost_the_whole_budget() -> None:
    device = QUIET.replace(stuck_high=0.3)
    crossbar = Crossbar(device, SHAPE, seed=1)
    stuck = crossbar.conductance[tuple(ALL.T)] > device.g_mid
    written = crossbar.write_verify(ALL, device.g_min, tolerance=0.1 * device.g_range, budget=11)
    np.testing.assert_array_equal(written.reached, ~stuck)
    np.testing.assert_array_equal(written.pulses, 11 * stuck)
    np.testing.assert_allclose(written.relative_error[stuck], 1, rtol=1e-6)


def test_nothing_reaches_a_target_outside_every_window() -> None:
    written = Crossbar(CBRAM, SHAPE, seed=1).write_verify(ALL, 2 * CBRAM.g_max, budget=100)
    assert written.yield_ == 0
    assert np.isnan(written.mean_pulses)
    assert np.isnan(written.percentiles()).all()
    assert written.histogram()[1] == len(ALL)
    assert (written.error < 0).all()


def test_a_wider_tolerance_takes_fewer_pulses() -> None:
    writings = [
        Crossbar(CBRAM, SHAPE, seed=1).write_verify(ALL, CBRAM.g_mid, tolerance=t * CBRAM.g_range)
        for t in (0.01, 0.04, 0.16)
    ]
    pulses = [written.trace.energy.pulses.sum() for written in writings]
    yields = [written.yield_ for written in writings]
    assert pulses == sorted(pulses, reverse=True)
    assert yields == sorted(yields)
    for written, tolerance in zip(writings, (0.01, 0.04, 0.16), strict=True):
        last = written.trace.sensed[np.arange(len(ALL)), written.pulses]
        within = np.abs(last - CBRAM.g_mid) <= tolerance * CBRAM.g_range * (1 + 1e-6)
        np.testing.assert_array_equal(within, written.reached)


def test_inhibited_cells_are_left_alone() -> None:
    crossbar = Crossbar(CBRAM, SHAPE, seed=1)
    crossbar.inhibit(2, [4])
    before = crossbar.conductance[4, 2]
    written = crossbar.write_verify([(4, 2)], CBRAM.g_mid)
    trace = crossbar.pulse_train([(4, 2)], 3)
    assert not written.reached.any()
    assert not trace.pulses.any()
    assert crossbar.conductance[4, 2] == before
    assert crossbar.ledger.total() == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.pulse_train([(0, 6)], 1), "cells must be within 20 word lines and 6 bit lines"),
        (lambda c: c.pulse_train([0, 1], 1), r"cells must be pairs .* \(got shape \(2,\)\)"),
        (lambda c: c.pulse_train([(0, 0)], 1.5), "pulses must be whole numbers"),
        (lambda c: c.pulse_train([(0, 0)], 10**7), "pulses must be whole numbers >= -100000 and <= 100000"),
        (lambda c: c.write_verify([(0, 0)], -1.0), "target must be >= 0"),
        (lambda c: c.write_verify([(0, 0)], 1e-5, tolerance=-1.0), "tolerance must be a number >= 0"),
        (lambda c: c.write_verify([(0, 0)], 1e-5, budget=1.5), "budget must be a whole number"),
        (lambda c: c.write_verify([(0, 0)], 1e-5, corrections="x"), "one of pulse, train"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call(Crossbar(QUIET, SHAPE))


def test_the_study_counts_every_cell_and_is_drawn(tmp_path: Path) -> None:
    study = programming_study("subquantum-cbram", seed=1, v_switch=0.1)
    table = json.loads(json.dumps(study.to_dict()))
    assert sum(table["histogram"]) + table["missed"] == SHAPE_WRITTEN[0] * SHAPE_WRITTEN[1]
    by_pulses = [entry for entry in table["tolerances"] if entry["corrections"] == "pulse"]
    assert [e["joules"] for e in by_pulses] == sorted(
        (e["joules"] for e in by_pulses), reverse=True
    )
    half, third = study.drifts
    assert (np.diff(half.up) >= 0).all()
    assert (np.diff(half.down) <= 0).all()
    assert half.up[-1] == pytest.approx(CBRAM.g_max)
    assert third.up[20] - CBRAM.g_min < 0.5 * (half.up[20] - CBRAM.g_min)
    save(programming_figure(study), tmp_path / "programming.png")
    assert (tmp_path / "programming.png").stat().st_size > 10_000
