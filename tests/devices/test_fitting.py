"""Fits of measured pulse trains: known devices are recovered, and what cannot be told is said."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.bootstrap import Interval, bootstrap
from cbramsim.devices.fitting.calibration import (
    Estimate,
    estimate,
    parameters,
    relative_spread,
    statistics,
)
from cbramsim.devices.fitting.cells import fit_cells
from cbramsim.devices.fitting.laws import CANDIDATES
from cbramsim.devices.fitting.measurement import (
    Measurement,
    read_measurement,
)
from cbramsim.devices.fitting.ranking import doubts, rank
from cbramsim.devices.fitting.synthetic import measure
from cbramsim.simulator.array.crossbar import Crossbar
from tests.measurements import write_measurement

BASE = Device.load("subquantum-cbram").without("stuck_low", "stuck_high")
KNOWN = BASE.replace(read_c2c=0.01)
IDENTICAL = BASE.without("g_min_d2d", "g_max_d2d", "pulses_up_d2d", "pulses_down_d2d")
LAWS = {candidate.name: candidate for candidate in CANDIDATES}


def _estimate(device: Device, cells: int = 6, cycles: int = 8, pulses: int = 100) -> Estimate:
    data = measure(device, cells, cycles, (pulses, pulses), seed=5)
    return estimate(data, LAWS[device.law])


# ---- synthetic measurements --------------------------------------------------------------------


@pytest.mark.parametrize(
    "law",
    [
        {},
        {"law": "power", "exponent_up": 0.8, "exponent_down": 1.5},
        {"law": "constant"},
        {"law": "table", "shape_up": (1, 0.6, 0.5), "shape_down": (1, 1.4, 0.2)},
    ],
)
def test_a_synthetic_train_is_that_of_the_simulator_without_noise(law: dict) -> None:
    labels = {"nonlinearity_up": 0, "nonlinearity_down": 0} if law else {}
    device = KNOWN.without_variability().replace(**labels).replace(**law)
    data = measure(device, 1, 1, (70, 70))
    crossbar = Crossbar(device, (1, 1))
    for sign, readings in ((1, data.set_readings), (-1, data.reset_readings)):
        assert crossbar.conductance[0, 0] == pytest.approx(readings[0, 0, 0], rel=1e-6)
        for g in readings[0, 0, 1:]:
            crossbar.program(0, [0], sign)
            assert crossbar.conductance[0, 0] == pytest.approx(g, rel=1e-6)


def test_synthetic_trains_have_the_statistics_of_the_simulator() -> None:
    """Mean and spread over 4000 cells: within 5 standard errors."""
    n, pulses = 4000, 45
    data = measure(BASE, n, 1, (pulses, pulses), seed=2)
    crossbar = Crossbar(BASE, (n, 1), seed=3)
    for sign, ours in ((1, data.set_readings), (-1, data.reset_readings)):
        crossbar.program(0, np.arange(n), sign * pulses)
        theirs, ours = crossbar.conductance[:, 0], ours[:, 0, -1]
        assert abs(ours.mean() - theirs.mean()) < 5 * np.sqrt(2 / n) * theirs.std()
        assert ours.std() == pytest.approx(theirs.std(), rel=5 / np.sqrt(n))


def test_readings_have_the_read_noise() -> None:
    device = IDENTICAL.without("step_c2c").replace(read_c2c=0.02)
    data = measure(device, 2000, 1, (20, 20), seed=1)
    noise = data.set_readings[:, 0].std(axis=0)
    assert noise.mean() == pytest.approx(0.02 * device.g_range, rel=0.02)


@pytest.mark.parametrize("size", [(0, 1, (5, 5)), (1, 0, (5, 5)), (1, 1, (0, 5))])
def test_an_empty_measurement_is_refused(size: tuple) -> None:
    with pytest.raises(ParameterError, match="must be >= 1"):
        measure(BASE, *size)


# ---- recovery ----------------------------------------------------------------------------------

COVERED = (
    "g_min", "g_max", "pulses_up", "pulses_down", "nonlinearity_up", "nonlinearity_down",
    "step_c2c", "read_c2c", "g_min_d2d", "g_max_d2d", "pulses_up_d2d", "pulses_down_d2d",
)  # fmt: skip


def test_intervals_contain_the_truth_as_often_as_they_say() -> None:
    """Coverage of 80 % intervals over 60 measurements of 5 cells, 10 cycles, 100 + 100 pulses.

    The number of intervals with the truth in them is binomial; each of the 12 parameters is tested
    on both sides at 1e-3 in all (Bonferroni), so that a right method fails this test once in a
    thousand choices of the seeds.
    """
    sets, level = 60, 0.8
    inside = dict.fromkeys(COVERED, 0)
    for k in range(sets):
        data = measure(KNOWN, 5, 10, (100, 100), seed=k)
        found = estimate(data, LAWS["exponential"], seed=k, rounds=2, simulations=8)
        intervals = bootstrap(found, data, 29, seed=k, level=level)
        for name in COVERED:
            inside[name] += intervals[name].low <= getattr(KNOWN, name) <= intervals[name].high
    tail = 0.5e-3 / len(COVERED)
    lowest, highest = binom.ppf(tail, sets, level), binom.isf(tail, sets, level)
    assert all(lowest <= count <= highest for count in inside.values()), inside
    # all together: parameters of one measurement hang together, so this has no such probability
    assert 0.72 <= np.mean(list(inside.values())) / sets <= 0.88


def test_a_large_measurement_pins_the_device_down() -> None:
    found = _estimate(KNOWN, cells=60, cycles=20)
    for name, value in found.parameters().items():
        if name in ("law", "g_min_d2d"):  # fits of the low bound scatter more than cells differ
            continue
        tolerance = 0.25 if name.endswith("_d2d") else 0.08
        assert value == pytest.approx(getattr(KNOWN, name), rel=tolerance), name


def test_calibration_removes_what_clipped_noise_does_to_least_squares() -> None:
    """Of 60 cells alike with noisy pulses: least squares alone is off, the device is not."""
    device = IDENTICAL.replace(step_c2c=0.04)
    data = measure(device, 60, 20, (100, 100), seed=2)
    law = LAWS["exponential"]
    alone = parameters(law, statistics(data, law).vector())
    found = estimate(data, law).parameters()
    assert alone["g_min"] > 1.3 * device.g_min
    assert found["g_min"] == pytest.approx(device.g_min, rel=0.05)
    for key in ("nonlinearity_up", "nonlinearity_down"):
        off = abs(alone[key] - getattr(device, key))
        assert off > 0.5
        assert abs(found[key] - getattr(device, key)) < 0.6 * off


@pytest.mark.parametrize("name", ["subquantum-cbram", "taox-hfox", "epiram", "ag-a-si"])
def test_least_squares_finds_a_noiseless_cell_exactly(name: str) -> None:
    device = Device.load(name).without_variability()
    pulses = round(1.3 * device.pulses_up), round(1.3 * device.pulses_down)
    cells = fit_cells(measure(device, 1, 1, pulses), LAWS["exponential"])
    assert cells.low[0] == pytest.approx(device.g_min, rel=0.01)
    assert cells.high[0] == pytest.approx(device.g_max, rel=0.01)
    assert cells.pulses[0] == pytest.approx([device.pulses_up, device.pulses_down], rel=0.03)
    labels = LAWS["exponential"].labels(cells.shapes[0])
    for key, value in labels.items():
        assert value == pytest.approx(getattr(device, key), abs=0.1)


@pytest.mark.parametrize(
    ("device", "best"),
    [
        (KNOWN, "exponential"),
        (
            KNOWN.replace(law="power", nonlinearity_up=0, nonlinearity_down=0, exponent_up=1.5,
                          exponent_down=1.5, pulses_up=30, pulses_down=30),
            "power",
        ),
        (KNOWN.replace(law="constant", nonlinearity_up=0, nonlinearity_down=0), "constant"),
    ],
)  # fmt: skip
def test_the_law_that_made_the_data_comes_first(device: Device, best: str) -> None:
    ranked = rank(measure(device, 6, 15, (100, 100), seed=4))
    assert ranked[0].law == best


def test_cells_that_differ_are_not_taken_for_noise() -> None:
    found = _estimate(KNOWN.without("step_c2c", "read_c2c")).parameters()
    assert found["step_c2c"] < 2e-3
    assert found["read_c2c"] < 2e-3
    assert all(value > 0.02 for key, value in found.items() if key.endswith("_d2d"))


def test_noise_is_not_taken_for_cells_that_differ() -> None:
    found = _estimate(IDENTICAL, cells=10, cycles=20).parameters()
    assert found["step_c2c"] == pytest.approx(0.02, rel=0.08)
    assert all(found[f"{key}_d2d"] < 0.06 for key in ("g_max", "pulses_up", "pulses_down"))


def test_pulse_noise_and_read_noise_are_told_apart() -> None:
    found = _estimate(IDENTICAL.replace(step_c2c=0.02, read_c2c=0.02), cycles=20).parameters()
    assert found["step_c2c"] == pytest.approx(0.02, rel=0.12)
    assert found["read_c2c"] == pytest.approx(0.02, rel=0.08)


def test_a_spread_is_that_of_log_normal_numbers() -> None:
    numbers = np.exp(0.3 * np.random.default_rng(0).standard_normal(200_000))
    assert relative_spread(0.09) == pytest.approx(numbers.std() / numbers.mean(), rel=0.01)
    assert relative_spread(-0.1) == 0


# ---- what the data cannot tell -----------------------------------------------------------------


def _doubts(data: Measurement) -> str:
    return "\n".join(doubts(data, rank(data)))


def test_trains_that_do_not_saturate_are_named() -> None:
    told = _doubts(measure(IDENTICAL, 4, 30, (40, 100), seed=1))
    assert "set trains do not saturate" in told
    assert "g_max is a lower bound" in told
    assert "g_min is an upper bound" not in _doubts(measure(IDENTICAL, 4, 10, (120, 120), seed=1))


def test_few_cycles_and_one_cell_leave_spreads_untold() -> None:
    data = measure(KNOWN, 1, 2, (100, 100), seed=1)
    told = _doubts(data)
    assert "cycles are too few" in told
    assert "one cell" in told
    found = bootstrap(estimate(data, LAWS["exponential"]), data, 39)
    assert not any(name.endswith(("_d2d", "_c2c")) for name in found)


def test_laws_that_cannot_be_told_apart_are_named() -> None:
    data = measure(KNOWN, 3, 3, (100, 100), seed=1)
    ranked = rank(data)
    close = [ranked[0], replace(ranked[1], bic=ranked[0].bic + 9)]
    assert "cannot be told apart" in "\n".join(doubts(data, close))
    far = [ranked[0], replace(ranked[1], bic=ranked[0].bic + 11)]
    assert "cannot be told apart" not in "\n".join(doubts(data, far))


def test_a_window_lost_in_noise_is_refused() -> None:
    data = measure(IDENTICAL, 2, 3, (40, 40), seed=1)
    noise = np.random.default_rng(0).standard_normal
    lost = replace(
        data,
        set_readings=1e-5 + 1e-6 * noise(data.set_readings.shape),
        reset_readings=1e-5 + 1e-6 * noise(data.reset_readings.shape),
    )
    with pytest.raises(DataError, match="well above the noise"):
        estimate(lost, LAWS["exponential"])


def test_constant_readings_are_refused() -> None:
    flat = Measurement("flat", np.full((2, 3, 20), 1e-6), np.full((2, 3, 20), 1e-6))
    with pytest.raises(DataError, match="must change with pulses"):
        estimate(flat, LAWS["constant"])


def test_too_few_bootstraps_are_refused_and_none_gives_no_interval() -> None:
    data = measure(KNOWN, 3, 3, (80, 80), seed=1)
    found = estimate(data, LAWS["exponential"])
    with pytest.raises(CbramError, match="at least 39"):
        bootstrap(found, data, 3)
    value: Interval = bootstrap(found, data, 0)["g_max"]
    assert value.value == pytest.approx(found.parameters()["g_max"])
    assert np.isnan(value.low)


def test_the_same_seed_gives_the_same_intervals() -> None:
    data = measure(KNOWN, 3, 3, (80, 80), seed=1)
    found = estimate(data, LAWS["exponential"])
    assert bootstrap(found, data, 39, seed=7) == bootstrap(found, data, 39, seed=7)
    assert bootstrap(found, data, 39, seed=7) != bootstrap(found, data, 39, seed=8)


def test_a_fit_expects_curves_near_the_data() -> None:
    data = measure(KNOWN, 4, 10, (80, 90), seed=1)
    found = estimate(data, LAWS["exponential"])
    for mean, readings in zip(
        found.expected, (data.set_readings, data.reset_readings), strict=True
    ):
        assert mean.shape == readings.mean(axis=1).shape
        assert np.abs(mean - readings.mean(axis=1)).max() < 0.1 * KNOWN.g_range


# ---- files -------------------------------------------------------------------------------------

HEADER = "cycle,cell,pulse,polarity,conductance (uS)"


def _lines(cells: int = 2, cycles: int = 3, readings: int = 15) -> list[str]:
    lines = []
    for cell in range(cells):
        for cycle in range(cycles):
            for polarity in ("set", "reset"):
                for pulse in range(readings):
                    g = pulse if polarity == "set" else readings - 1 - pulse
                    lines.append(f"{cycle},{cell},{pulse},{polarity},{1 + g}")
    return lines


def _read(tmp_path: Path, lines: list[str], header: str = HEADER) -> Measurement:
    path = tmp_path / "measured.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return read_measurement(path)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = measure(KNOWN, 3, 4, (20, 30), seed=1)
    path = tmp_path / "measured.csv"
    write_measurement(path, data)
    back = read_measurement(path)
    assert back.set_readings == pytest.approx(data.set_readings, rel=1e-7)
    assert back.reset_readings == pytest.approx(data.reset_readings, rel=1e-7)
    assert back.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (back.cells, back.cycles, back.pulses) == (3, 4, (20, 30))


@pytest.mark.parametrize(
    ("unit", "siemens"), [("(uS)", 1e-6), ("[nS]", 1e-9), ("(µS)", 1e-6), ("[mS]", 1e-3)]
)
def test_the_unit_of_the_header_counts(tmp_path: Path, unit: str, siemens: float) -> None:
    data = _read(tmp_path, _lines(), f"cycle,cell,pulse,polarity,conductance {unit}")
    assert data.set_readings[0, 0, 0] == pytest.approx(siemens)


def test_units_may_stand_in_a_column(tmp_path: Path) -> None:
    data = _read(tmp_path, [f"{line},uS" for line in _lines()],
                 "cycle,cell,pulse,polarity,conductance,unit")  # fmt: skip
    assert data.reset_readings[0, 0, 0] == pytest.approx(15e-6)


def test_columns_come_in_any_order_and_polarities_as_numbers(tmp_path: Path) -> None:
    lines = []
    for line in _lines():
        cycle, cell, pulse, polarity, g = line.split(",")
        lines.append(f"{g},{'+1' if polarity == 'set' else '-1'},{pulse},{cell},{cycle}")
    shuffled = _read(tmp_path, lines, "Conductance (uS), Polarity, Pulse, Cell, Cycle")
    assert np.array_equal(shuffled.set_readings, _read(tmp_path, _lines()).set_readings)


def test_voltages_and_widths_are_kept(tmp_path: Path) -> None:
    lines = [f"{line},{'1.5,20' if ',set,' in line else '-2,50'}" for line in _lines()]
    data = _read(tmp_path, lines, HEADER + ",voltage,width (ns)")
    assert data.conditions == pytest.approx(
        {"v_set": 1.5, "v_reset": 2.0, "t_set": 20e-9, "t_reset": 50e-9}
    )
    changed = [
        line.replace("1.5,20", "1.8,20", 1) if i < 15 else line for i, line in enumerate(lines)
    ]
    assert "voltage of set" in _read(tmp_path, changed, HEADER + ",voltage,width (ns)").warnings[0]


def test_uneven_trains_are_cut_with_a_warning(tmp_path: Path) -> None:
    data = _read(tmp_path, [line for line in _lines() if not line.startswith("1,1,14,set")])
    assert data.pulses == (13, 14)
    assert "14 to 15 readings" in data.warnings[0]


def _with(line: int, old: str, new: str) -> list[str]:
    lines = _lines()
    assert old in lines[line]
    lines[line] = lines[line].replace(old, new)
    return lines


BAD = {
    "no readings": (HEADER, [], "no readings"),
    "a column is missing": (
        "cycle,cell,pulse,polarty,conductance", _lines(),
        r"column polarity is missing \(did you mean 'polarty'\?\)"),
    "a value is missing": (HEADER, ["0,0,0,set"], "line 2: must have 5 values"),
    "no number": (HEADER, _with(3, "3,set,4", "3,set,four"), "line 5: conductance .*'four'"),
    "not finite": (HEADER, _with(3, "3,set,4", "3,set,nan"), "line 5: conductance .*'nan'"),
    "negative": (HEADER, _with(3, "3,set,4", "3,set,-4"), "line 5: conductance must be at least 0"),
    "not siemens": (
        "cycle,cell,pulse,polarity,conductance", _lines(), "line 3: conductance must be at most 1 S"),
    "resistance": ("cycle,cell,pulse,polarity,conductance (kOhm)", _lines(), "unit of conductance"),
    "a gap": (HEADER, _with(3, "0,0,3", "0,0,7"), "line 5: pulse must be one more"),
    "going back": (HEADER, _with(3, "0,0,3", "0,0,1"), "line 5: pulse must be one more"),
    "a later start": (
        HEADER, [line for line in _lines() if line.split(",")[2] not in "01"],
        "pulse must be 0 where a train begins"),
    "polarity": (HEADER, _with(3, "set", "up"), "line 5: polarity must be set or reset.*'up'"),
    "no reset": (
        HEADER, [line for line in _lines() if "reset" not in line], "cell 0 has no reset pulses"),
    "a missing train": (
        HEADER, [line for line in _lines() if not line.startswith("2,1,") or "reset" in line],
        "cell 1 has no set pulses in cycle 2"),
    "short": (HEADER, _lines(readings=8), "more than 10 readings"),
    "mixed units": (
        HEADER, [f"{line}000" if line.startswith(("0,1", "1,1", "2,1")) else line
                 for line in _lines()], "must be in one unit"),
    "a unit that takes none": (
        "cycle,cell,pulse (s),polarity,conductance", _lines(), "column pulse takes no unit"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_by_name(tmp_path: Path, case: str) -> None:
    header, lines, message = BAD[case]
    with pytest.raises(DataError, match=message) as refused:
        _read(tmp_path, lines, header)
    assert "measured.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "x.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            read_measurement(path)
