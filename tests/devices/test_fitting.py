"""Fits of measured pulse trains: known devices are recovered, and what cannot be told is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cbramsim
from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.devices.fitting.curves import Curves
from cbramsim.devices.fitting.expected import POINTS, CurveStarts, EachCell, follow
from cbramsim.devices.fitting.fit import Fit, fit
from cbramsim.devices.fitting.laws import CANDIDATES, EXPONENTIAL, device_law, steps_at
from cbramsim.devices.fitting.matching import match
from cbramsim.devices.fitting.measurement import Measurement, Train
from cbramsim.devices.fitting.noise import find_noise
from cbramsim.devices.fitting.ranking import SMALL, preliminary
from cbramsim.devices.fitting.synthetic import measure, trains_of
from cbramsim.simulator.array.crossbar import Crossbar
from tests.devices.fit_trials import CLOSE, LAWS, Plan, measured, missed
from tests.measurements import write_measurement

BASE = Device.load("subquantum-cbram").without("stuck_low", "stuck_high")
KNOWN = BASE.replace(read_c2c=0.01)
IDENTICAL = BASE.without("g_min_d2d", "g_max_d2d", "pulses_up_d2d", "pulses_down_d2d")


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
    up, down = trains_of(device, 1, 1, (70, 70))
    crossbar = Crossbar(device, (1, 1))
    for sign, readings in ((1, up), (-1, down)):
        assert crossbar.conductance[0, 0] == pytest.approx(readings[0, 0, 0], rel=1e-6)
        for g in readings[0, 0, 1:]:
            crossbar.program(0, [0], sign)
            assert crossbar.conductance[0, 0] == pytest.approx(g, rel=1e-6)


def test_synthetic_trains_have_the_statistics_of_the_simulator() -> None:
    """Mean and spread over 4000 cells: within 5 standard errors."""
    n, pulses = 4000, 45
    up, down = trains_of(BASE, n, 1, (pulses, pulses), seed=2)
    crossbar = Crossbar(BASE, (n, 1), seed=3)
    for sign, ours in ((1, up), (-1, down)):
        crossbar.program(0, np.arange(n), sign * pulses)
        theirs, ours = crossbar.conductance[:, 0], ours[:, 0, -1]
        assert abs(ours.mean() - theirs.mean()) < 5 * np.sqrt(2 / n) * theirs.std()
        assert ours.std() == pytest.approx(theirs.std(), rel=5 / np.sqrt(n))


def test_readings_have_the_read_noise() -> None:
    device = IDENTICAL.without("step_c2c").replace(read_c2c=0.02)
    up, _ = trains_of(device, 2000, 1, (20, 20), seed=1)
    noise = up[:, 0].std(axis=0)
    assert noise.mean() == pytest.approx(0.02 * device.g_range, rel=0.02)


@pytest.mark.parametrize("size", [(0, 1, (5, 5)), (1, 0, (5, 5)), (1, 1, (0, 5))])
def test_an_empty_measurement_is_refused(size: tuple) -> None:
    with pytest.raises(ParameterError, match="must be >= 1"):
        measure(BASE, *size)


# ---- what is expected of a law -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("sigma", "off"), [(0.0, 1e-5), (0.01, 0.0015), (0.02, 0.003), (0.06, 0.01)]
)
def test_expected_trains_are_the_means_of_many_simulated_ones(sigma: float, off: float) -> None:
    device = IDENTICAL.replace(step_c2c=sigma, read_c2c=0.0)
    up, down = (part[0] for part in trains_of(device, 1, 4000, (150, 150), seed=1))
    curves = np.array([[0, 0, 151], [0, 1, 151]])
    first = np.full((1, 2), float(device.relative_step_up(0)))
    start, spread = (np.array([f(up[:, 0]), f(down[:, 0])]) for f in (np.mean, np.std))
    means, variances = np.empty((2, 151)), np.empty((2, 151))
    follow(
        EXPONENTIAL, np.ones((2, 1)),
        EachCell(np.array([device.g_min]), np.array([device.g_max]), first, np.ones(1)),
        CurveStarts(curves, start, spread),
        np.full((2, 1), sigma), np.empty((1, 2, POINTS)), means, variances,
    )  # fmt: skip
    misses = (means - np.array([up.mean(axis=0), down.mean(axis=0)])) / device.g_range
    assert np.sqrt((misses**2).mean()) < off


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_device_takes_the_steps_of_the_law_that_it_was_made_of(candidate) -> None:
    shape = np.tile(candidate.starts[0], (2, 1))
    device = BASE.without("nonlinearity_up", "nonlinearity_down")
    device = device.replace(**device_law(candidate, (0.03, 0.05), shape))
    depth = np.linspace(0, 1, 9)
    for steps, first, way in (
        (device.relative_step_up(depth), 0.03, 0),
        (device.relative_step_down(1 - depth), 0.05, 1),
    ):
        wanted = steps_at(candidate.code, first, shape[way], depth)
        assert steps == pytest.approx(wanted, abs=2e-4)


# ---- known devices -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> Fit:
    data = measure(KNOWN, 8, 8, (100, 100), seed=5)
    return fit(data, law="exponential", repetitions=60)


def test_a_large_measurement_pins_the_device_down(found: Fit) -> None:
    # log-time is much the same curve at this label: which of the two is first is chance
    errors = {law.law: law.error for law in found.ranked}
    assert errors["exponential"] < min(errors.values()) + SMALL
    for key in ("g_min", "g_max", "pulses_up", "pulses_down", "nonlinearity_up"):
        interval = found.intervals[key]
        assert interval.low < interval.value < interval.high
        assert getattr(found.device, key) == pytest.approx(getattr(KNOWN, key), rel=0.2)
    assert found.device.step_c2c == pytest.approx(KNOWN.step_c2c, rel=0.1)
    assert found.device.read_c2c == pytest.approx(KNOWN.read_c2c, rel=0.15)
    for key in ("g_min_d2d", "g_max_d2d", "pulses_up_d2d"):
        low, value, high = (getattr(found.intervals[key], end) for end in ("low", "value", "high"))
        assert low <= value < high
        assert low < getattr(KNOWN, key) < high
        # noise of a cell's g_min is as large as its spread, which may be none at all
        assert key == "g_min_d2d" or value == pytest.approx(getattr(KNOWN, key), rel=0.6)


def test_the_same_seed_gives_the_same_fit(found: Fit) -> None:
    data = measure(KNOWN, 8, 8, (100, 100), seed=5)
    again = fit(data, law="exponential", repetitions=60)
    assert again.intervals == found.intervals
    assert again.device == found.device
    other = fit(data, law="exponential", repetitions=60, seed=1)
    assert other.intervals != found.intervals


def test_a_fitted_device_measures_like_the_data() -> None:
    """The oracle is the array simulator: trains of new cells, through `trains_of`."""
    device = IDENTICAL.replace(read_c2c=0.01)
    found = fit(measure(device, 2, 15, (100, 100), seed=5), repetitions=40)
    data = trains_of(device, 300, 1, (100, 100), seed=9)
    new = trains_of(found.device, 300, 1, (100, 100), seed=10)
    for one, other in zip(data, new, strict=True):
        assert other.mean(axis=(0, 1)) == pytest.approx(
            one.mean(axis=(0, 1)), abs=0.03 * device.g_range
        )
        steps = [np.diff(part, axis=2)[..., 10:50].std() for part in (one, other)]
        assert steps[1] == pytest.approx(steps[0], rel=0.15)


def test_a_noiseless_cell_is_found_exactly() -> None:
    device = KNOWN.without_variability()
    result = fit(measure(device, 1, 1, (100, 100)), repetitions=0)
    assert result.best.law == "exponential"
    for key in ("g_min", "g_max", "pulses_up", "pulses_down", "nonlinearity_up"):
        assert getattr(result.device, key) == pytest.approx(getattr(device, key), rel=1e-3)
    assert result.best.distance < 0.005


@pytest.mark.parametrize(("pulse", "read"), [(0.02, 0.002), (0.002, 0.02), (0.015, 0.015)])
def test_pulse_noise_and_read_noise_are_told_apart(pulse: float, read: float) -> None:
    device = IDENTICAL.replace(step_c2c=pulse, read_c2c=read)
    curves = Curves.of(measure(device, 2, 6, (120, 120), seed=2).trains)
    noise = find_noise(curves, preliminary(curves, curves.span))
    assert noise is not None
    assert noise.pulse == pytest.approx(pulse, abs=0.1 * max(pulse, read))
    assert noise.read == pytest.approx(read, abs=0.1 * max(pulse, read))


def test_noise_that_depends_on_the_state_is_kept() -> None:
    shape = (2.0, 1.0, 0.2)
    device = IDENTICAL.replace(step_c2c=0.02, noise_up=shape, noise_down=shape)
    result = fit(measure(device, 2, 20, (100, 100), seed=3), repetitions=0)
    assert len(result.device.noise_up) == 9
    for way in ("noise_up", "noise_down"):
        steps = result.device.step_c2c * np.array(getattr(result.device, way))
        wanted = 0.02 * np.interp(np.linspace(0, 1, 9), np.linspace(0, 1, 3), shape)
        assert steps[2:7] == pytest.approx(wanted[2:7], rel=0.35)


def test_noise_by_state_is_that_of_pulses_in_an_array() -> None:
    device = IDENTICAL.replace(step_c2c=0.02, noise_up=(2.0, 1.0, 0.5), noise_down=(1.0, 1.0))
    for place, relative in ((0.25, 1.5), (0.75, 0.75)):
        array = Crossbar(device, (200, 50), seed=1)
        g = device.g_min + place * device.g_range
        array.set_conductance(np.full((200, 50), g))
        for column in range(50):
            array.program(column, np.arange(200), 1)
        moved = array.conductance - g
        assert moved.std() == pytest.approx(relative * 0.02 * device.g_range, rel=0.03)
        assert moved.mean() == pytest.approx(device.step_up(g), rel=0.05)


# ---- data that are not as they should be -------------------------------------------------------


def _trains(up: np.ndarray, down: np.ndarray, **more: object) -> tuple[Train, Train]:
    return Train("set", up, **more), Train("reset", down, **more)  # type: ignore[arg-type]


def _curve(start: float, end: float, pulses: int, bend: float = 2.0) -> np.ndarray:
    n = np.linspace(0, 1, pulses + 1)
    return start + (end - start) * (1 - np.exp(-bend * n)) / (1 - np.exp(-bend))


def _told(result: Fit) -> str:
    return " ".join(result.warnings)


def _noisy(readings: np.ndarray, seed: int = 0, sigma: float = 2e-7) -> np.ndarray:
    return readings + sigma * np.random.default_rng(seed).standard_normal(readings.shape)


def test_trains_that_do_not_saturate_have_the_measured_range_for_a_window() -> None:
    up, down = _noisy(_curve(164e-6, 248e-6, 190, 0.7)), _noisy(_curve(248e-6, 164e-6, 190, 0.7))
    result = fit(Measurement("TaOx", _trains(up, down)), repetitions=40)
    assert result.device.g_min == pytest.approx(164e-6, rel=0.01)
    assert result.device.g_max == pytest.approx(248e-6, rel=0.01)
    assert result.device.pulses_end_to_end("up") == pytest.approx(190, rel=0.05)
    assert result.best.distance < 0.01
    for key in ("g_min", "g_max"):  # no better known than the readings at the ends
        value, low, high = result.intervals[key]
        assert value - low == pytest.approx(high - value, rel=0.1)
        assert 0.3 * 2e-7 / 2 < high - value < 3 * 2e-7
    assert "g_max is a lower bound" in _told(result)
    assert "g_min is an upper bound" in _told(result)


def test_a_bound_beyond_the_data_is_extrapolated_only_when_asked_for() -> None:
    def state(n: np.ndarray) -> np.ndarray:  # soft bounds at 10 and 110 uS, three quarters covered
        return 10e-6 + 100e-6 * (1 - np.exp(-n / 70))

    n = np.arange(101)
    up = _noisy(state(n), 1)
    down = _noisy(120e-6 - state(n), 2)
    data = Measurement("open", _trains(up, down))
    assert fit(data, repetitions=0).device.g_max == pytest.approx(up[-5:].mean(), rel=0.3)
    result = fit(data, repetitions=40, extrapolate=True, law="soft bounds")
    interval = result.intervals["g_max"]
    assert interval.low < 110e-6 < interval.high
    assert "extrapolated" in _told(result)


def test_trains_that_do_not_join_are_fitted_and_named() -> None:
    up, down = _noisy(_curve(2e-6, 40e-6, 60)), _noisy(_curve(20e-6, 3e-6, 60))
    result = fit(Measurement("relaxes", _trains(up, down)), repetitions=0)
    assert result.best.distance < 0.02
    assert "reset trains begin" in _told(result)
    assert "below where set trains end" in _told(result)


def test_one_polarity_is_a_device_whose_other_one_is_abrupt() -> None:
    up = _noisy(_curve(2e-6, 40e-6, 60))
    result = fit(Measurement("PCM", (Train("set", up),)), repetitions=40)
    assert result.device.pulses_end_to_end("down") == pytest.approx(1)
    assert result.device.evidence("pulses_down").evidence == "assumed"
    assert result.device.evidence("pulses_up").evidence == "derived"
    assert "no reset pulses were measured" in _told(result)
    back = fit(Measurement("reverse", (Train("reset", up[::-1].copy()),)), repetitions=0)
    assert back.device.pulses_end_to_end("up") == pytest.approx(1)


def test_trains_of_other_lengths_and_with_missing_readings_are_used_whole() -> None:
    rng = np.random.default_rng(0)
    trains: list[Train] = []
    for cycle, pulses in enumerate((40, 60, 80)):
        up = _noisy(_curve(2e-6, 40e-6, 80)[: pulses + 1], cycle)
        down = _noisy(_curve(40e-6, 2e-6, 80)[: pulses + 1], 10 + cycle)
        for part in (up, down):
            part[rng.integers(1, pulses, 5)] = np.nan
        trains += _trains(up, down, cycle=str(cycle))
    result = fit(Measurement("ragged", tuple(trains)), repetitions=0)
    assert result.curves.index[:, 2].max() == 81
    assert result.best.distance < 0.01
    assert result.device.g_max == pytest.approx(40e-6, rel=0.03)


def test_each_voltage_is_fitted_and_one_is_chosen() -> None:
    trains = [
        *_trains(_noisy(_curve(2e-6, 40e-6, 60)), _noisy(_curve(40e-6, 2e-6, 60)), voltage=1.0),
        Train("set", _noisy(_curve(2e-6, 40e-6, 30)), voltage=1.4),
    ]
    data = Measurement("volts", tuple(trains))
    result = fit(data, repetitions=0)
    assert result.device.v_set == 1.0
    assert list(result.others) == ["set 1.4 V, reset 1 V"]
    fast = result.others["set 1.4 V, reset 1 V"].device
    assert fast.pulses_end_to_end("up") < 0.7 * result.device.pulses_end_to_end("up")
    assert fit(data, repetitions=0, voltages={"set": 1.4}).device.v_set == 1.4
    with pytest.raises(DataError, match=r"v_set must be a voltage of set pulses in it, 1, 1.4 V"):
        fit(data, voltages={"set": 2.0})
    with pytest.raises(ParameterError, match=r"voltages must be one of set, reset \(got 'v_set'\)"):
        fit(data, voltages={"v_set": 1.4})


def test_a_cell_that_jumps_is_named() -> None:
    up, down = np.full(40, 38e-6), np.full(40, 2e-6)
    up[0], down[0] = 2e-6, 38e-6
    result = fit(Measurement("binary", _trains(up, down)), repetitions=0)
    assert "no reading is inside the window" in _told(result)


def test_a_cell_that_conducts_nothing_when_off_is_a_device() -> None:
    up, down = _noisy(_curve(0, 40e-6, 60)), _noisy(_curve(40e-6, 0, 60))
    result = fit(Measurement("off", _trains(up, down)), repetitions=0)
    assert 0 <= result.device.g_min < 1e-6


def test_noise_that_lasts_is_not_taken_for_a_state_that_wanders() -> None:
    rng = np.random.default_rng(4)
    trains: list[np.ndarray] = []
    for start, end in ((2e-6, 40e-6), (40e-6, 2e-6)):
        lasting, last = np.empty(801), 0.0
        for k in range(801):
            last = 0.9 * last + np.sqrt(1 - 0.81) * rng.standard_normal()
            lasting[k] = last
        trains.append(_curve(start, end, 800) + 2e-6 * lasting + 1.5e-6 * rng.standard_normal(801))
    result = fit(Measurement("1/f", _trains(*trains)), repetitions=0)
    assert result.noise is not None
    assert result.noise.lasting == pytest.approx(2 / 38, rel=0.25)
    assert result.device.step_c2c < 0.01
    assert result.best.distance < 0.03
    spread = np.hypot(result.device.step_c2c, np.sqrt(2) * result.device.read_c2c)
    assert spread == pytest.approx(np.diff(trains[0]).std() / 38e-6, rel=0.1)
    assert "noise of readings lasts" in _told(result)


@pytest.mark.parametrize("law", [law for law in LAWS if not law.listed], ids=lambda law: law.name)
def test_curves_of_laws_that_are_not_on_the_list_are_found(law) -> None:
    data, truth = measured(law, Plan(3, 5, 100, 0.8, 0.003, 0.005), seed=3)
    assert missed(fit(data, repetitions=0), truth) < CLOSE


def test_noise_that_hides_the_window_is_refused() -> None:
    flat = _noisy(np.full(60, 20e-6), sigma=2e-6)
    with pytest.raises(DataError, match="pulses must change the conductance by more than noise"):
        fit(Measurement("flat", _trains(flat, _noisy(np.full(60, 20e-6), 1, 2e-6))))
    with pytest.raises(DataError, match="pulses must change the conductance"):
        fit(Measurement("constant", _trains(np.full(60, 2e-5), np.full(60, 2e-5))))


def test_options_out_of_range_are_refused() -> None:
    data = measure(KNOWN, 1, 1, (60, 60))
    with pytest.raises(CbramError, match="must be 0, or at least 19"):
        fit(data, repetitions=5)
    with pytest.raises(CbramError, match="fit: law must be one of"):
        fit(data, law="cubic")
    half = replace(data, trains=tuple(_cut(train) for train in data.trains))
    with pytest.raises(DataError, match="has no end to extrapolate to"):
        fit(half, law="table", extrapolate=True)


def _cut(train: Train) -> Train:
    return replace(train, readings=train.readings[:30])


# ---- in the house ------------------------------------------------------------------------------


def test_a_file_becomes_a_device_that_learns(tmp_path: Path) -> None:
    path = tmp_path / "cell.csv"
    write_measurement(path, measure(KNOWN, 2, 3, (80, 80), seed=1))
    result = cbramsim.fit(path, repetitions=20)
    assert "90 % interval" in str(result)
    assert "Fit of cell.csv" in result._repr_html_()
    assert list(result.steps.to_frame().columns[:2]) == ["state", "set_step"]
    assert len(result.plot().lines) > 4
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    network = cbramsim.SpikingNetwork(device=result.device, neurons=4, seed=1).fit(images)
    assert network.ledger.total() > 0


def test_a_match_does_not_depend_on_the_unit() -> None:
    data = measure(KNOWN, 1, 4, (80, 80), seed=1)
    scaled = Measurement(
        "scaled", tuple(replace(train, readings=1e3 * train.readings) for train in data.trains)
    )
    one, other = (
        match(curves, CANDIDATES[2], curves.span, np.array([True, True]))
        for curves in (Curves.of(data.trains), Curves.of(scaled.trains))
    )
    assert other.shape == pytest.approx(one.shape, rel=1e-3)
    assert other.low == pytest.approx(1e3 * one.low, rel=1e-3)
