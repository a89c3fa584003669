"""Finite states, flicker and read noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from cbramsim.core.rng import normal_table
from cbramsim.core.verbs import sense
from cbramsim.devices.device import Device
from cbramsim.devices.noise import noise_of
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.devices.states import G0
from cbramsim.simulator.array.crossbar import Crossbar

QUIET = Device.load("subquantum-cbram").without_variability()
Z = 4.5
"""Standard errors that an estimate may be off: once in 150,000 tests by chance."""
UNLIKELY = 1e-5
"""Error probability of a binomial test."""
CELLS = 20_000


def one_pulse(device: Device, start: float, sign: int) -> np.ndarray:
    """Return the steps of many cells that get one pulse at `start`, S."""
    crossbar = Crossbar(device, (CELLS, 1), seed=11)
    crossbar.set_conductance(start)
    before = crossbar.conductance[:, 0].astype(float)
    crossbar.program(0, np.arange(CELLS), sign)
    return crossbar.conductance[:, 0].astype(float) - before


def test_the_conductance_quantum() -> None:
    assert pytest.approx(1 / 12906.4, rel=1e-5) == G0


# ---- finite states -----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("state", [0.2, 0.5, 0.8])
def test_rounding_is_right_on_average(state: float, sign: int) -> None:
    device = QUIET.replace(levels=11)
    start = device.g_min + state * device.g_range
    distance = device.g_range / 10
    steps = one_pulse(device, start, sign)
    mean = device.step_up(start) if sign > 0 else -device.step_down(start)
    sd = np.sqrt(abs(mean) * (distance - abs(mean)))
    assert steps.mean() == pytest.approx(mean, abs=Z * sd / np.sqrt(CELLS))
    assert set(np.round(steps / distance, 3)) == {0.0, float(sign)}


def test_a_train_of_a_finite_cell_follows_the_analog_law_on_average() -> None:
    """Of the constant law, away from the bounds, for rounding does not change its step."""
    device = QUIET.replace(
        law="constant", nonlinearity_up=0.0, nonlinearity_down=0.0, levels=33, pulses_up=100
    )
    crossbar = Crossbar(device, (CELLS, 1), seed=2)
    crossbar.program(0, np.arange(CELLS), 25)
    moved = crossbar.conductance[:, 0].astype(float) - device.g_min
    p = 32 / 100
    sd = np.sqrt(25 * p * (1 - p)) * device.g_range / 32
    assert moved.mean() == pytest.approx(device.g_range / 4, abs=Z * sd / np.sqrt(CELLS))
    assert moved.std() == pytest.approx(sd, rel=Z / np.sqrt(2 * CELLS))


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("levels", [2, 3, 16, 33])
def test_only_the_levels_of_its_own_window_occur(levels: int, noise: float) -> None:
    device = QUIET.replace(levels=levels, g_min_d2d=0.2, g_max_d2d=0.2, step_c2c=noise)
    crossbar = Crossbar(device, (500, 1), seed=3)
    rng = np.random.default_rng(0)
    low, high = (crossbar.state.cells[0, :, k].astype(float) for k in (G_LOW, G_HIGH))
    for _ in range(10):
        crossbar.program(0, np.arange(500), rng.integers(-20, 20, 500))
        place = (crossbar.conductance[:, 0] - low) / (high - low) * (levels - 1)
        np.testing.assert_allclose(place, np.round(place), atol=1e-4)
    crossbar.set_conductance(device.g_mid)
    place = (crossbar.conductance[:, 0] - low) / (high - low) * (levels - 1)
    np.testing.assert_allclose(place, np.round(place), atol=1e-4)


@pytest.mark.parametrize(("levels", "radix"), [(8, 2.0), (8, 4.0), (2, 3.0), (3, 10.0), (6, 1.5)])
def test_powers_of_a_radix_are_states_of_the_own_window(levels: int, radix: float) -> None:
    """G_k = G_min + (G_max - G_min) r^(k - N + 1), and G_0 = G_min."""
    device = QUIET.replace(
        levels=levels, level_radix=radix, g_min_d2d=0.2, g_max_d2d=0.2, step_c2c=0.05
    )
    places = [0.0] + [radix ** (k - levels + 1) for k in range(1, levels)]
    nominal = device.g_min + device.g_range * np.array(places)
    np.testing.assert_allclose(device.nominal_states(), nominal, rtol=1e-12)
    crossbar = Crossbar(device, (500, 1), seed=3)
    low, high = (crossbar.state.cells[0, :, k].astype(float) for k in (G_LOW, G_HIGH))
    seen = np.zeros(levels, int)
    rng = np.random.default_rng(0)
    for turn in range(40):
        if turn < 20:
            crossbar.program(0, np.arange(500), rng.integers(-20, 20, 500))
        else:
            crossbar.set_conductance(low[:, None] + (high - low)[:, None] * rng.random((500, 1)))
        place = (crossbar.conductance[:, 0] - low) / (high - low)
        off = np.abs(place[:, None] - places)
        assert off.min(axis=1).max() < 1e-5
        seen += np.bincount(off.argmin(axis=1), minlength=levels)
    assert (seen > 0).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("k", range(1, 5))
def test_rounding_to_powers_is_right_on_average(k: int, sign: int) -> None:
    device = QUIET.replace(levels=6, level_radix=2.0)
    states = device.nominal_states()
    steps = one_pulse(device, float(states[k]), sign)
    mean = device.step_up(states[k]) if sign > 0 else -device.step_down(states[k])
    values, counts = np.unique(np.round(steps / device.g_range, 6), return_counts=True)
    assert len(values) in (2, 3)  # rarely, by single precision, the state on the other side
    variance = ((values - steps.mean() / device.g_range) ** 2 * counts).sum() / CELLS
    sd = max(np.sqrt(variance) * device.g_range, 1e-3 * device.g_range)
    assert steps.mean() == pytest.approx(mean, abs=Z * sd / np.sqrt(CELLS))
    reached = np.abs(states[k] + steps[:, None] - states).min(axis=1)
    assert reached.max() < 1e-5 * device.g_range


def test_a_conductance_is_put_at_the_nearest_power() -> None:
    device = QUIET.replace(levels=8, level_radix=4.0)
    states = device.nominal_states()
    wanted = np.linspace(device.g_min, device.g_max, 2001)
    crossbar = Crossbar(device, (2001, 1), seed=0)
    crossbar.set_conductance(wanted[:, None])
    found = crossbar.conductance[:, 0].astype(float)
    least = np.abs(wanted[:, None] - states).min(axis=1)
    np.testing.assert_allclose(np.abs(found - wanted), least, atol=1e-6 * device.g_range)


def test_quantised_cells_are_at_multiples_of_the_quantum_inside_their_own_windows() -> None:
    device = Device.load("metal-cbram").replace(g_min_d2d=0.4, g_max_d2d=0.4)
    crossbar = Crossbar(device, (2000, 1), seed=3)
    rng = np.random.default_rng(0)
    low, high = (crossbar.state.cells[0, :, k] for k in (G_LOW, G_HIGH))
    for _ in range(10):
        crossbar.program(0, np.arange(2000), rng.integers(-30, 30, 2000))
        g = crossbar.conductance[:, 0]
        assert ((g >= low) & (g <= high)).all()
        atoms = g.astype(float) / device.g_quantum
        np.testing.assert_allclose(atoms, np.round(atoms), atol=1e-4)
    assert set(np.unique(np.round(atoms))) >= set(range(1, 11))


@pytest.mark.parametrize("way", [1, -1])
def test_two_levels_are_a_stochastic_binary_cell(way: int) -> None:
    """It switches with the probability that its relative step is."""
    device = QUIET.replace(levels=2)
    start = device.g_min if way > 0 else device.g_max
    steps = one_pulse(device, start, way)
    probability = float(device.relative_step_up(0) if way > 0 else device.relative_step_down(1))
    switched = steps != 0
    assert binomtest(int(switched.sum()), CELLS, probability).pvalue > UNLIKELY
    np.testing.assert_allclose(steps[switched], way * device.g_range, rtol=1e-5)


# ---- flicker and read noise --------------------------------------------------------------------


@pytest.mark.parametrize("duty", [0.5, 0.2, 0.9])
def test_flicker_has_two_values_and_the_right_duty_and_variance(duty: float) -> None:
    device = QUIET.replace(g_flicker=2e-6, flicker_duty=duty)
    noise, normals = noise_of(device, (1, 1)), normal_table(1)
    words = np.random.default_rng(5).integers(0, 2**64, 4000, dtype=np.uint64)
    values = np.array([sense(noise, 0.0, word, 0, normals) for word in words], float)
    assert np.unique(values) == pytest.approx([-2e-6 * duty, 2e-6 * (1 - duty)])
    upper = int((values > 0).sum())
    assert binomtest(upper, words.size, duty).pvalue > UNLIKELY
    sd = 2e-6 * np.sqrt(duty * (1 - duty))
    assert device.flicker_sigma == pytest.approx(sd)
    assert values.mean() == pytest.approx(0, abs=Z * sd / np.sqrt(words.size))


def test_a_sensed_value_has_read_noise_and_independent_flicker() -> None:
    device = QUIET.replace(read_c2c=0.02, g_flicker=3e-6, flicker_duty=0.3)
    both, normals = noise_of(device, (1, 1)), normal_table(1)
    words = np.random.default_rng(6).integers(0, 2**64, 4000, dtype=np.uint64)
    seen = np.array([sense(both, np.float32(1e-5), word, 0, normals) for word in words], float)
    flickering = noise_of(device.replace(read_c2c=0.0), (1, 1))
    flicker = np.array([sense(flickering, 0.0, word, 0, normals) for word in words], float)
    noise = seen - flicker - 1e-5
    sigma = 0.02 * device.g_range
    n = words.size
    assert noise.std() == pytest.approx(sigma, rel=Z / np.sqrt(2 * n))
    assert seen.mean() == pytest.approx(1e-5, abs=Z * seen.std() / np.sqrt(n))
    assert seen.var() == pytest.approx(sigma**2 + device.flicker_sigma**2, rel=Z * np.sqrt(2 / n))
    assert abs(np.corrcoef(noise, flicker)[0, 1]) < Z / np.sqrt(n)


@pytest.mark.parametrize("changes", [{"read_c2c": 0.02}, {"g_flicker": 3e-6, "flicker_duty": 0.3},
                                     {"read_c2c": 0.01, "g_flicker": 1e-6}])  # fmt: skip
def test_the_noise_of_a_sum_is_that_of_its_cells(changes: dict) -> None:
    """Var I = sum V² (sigma_read² + sigma_flicker²), half-driven rows counted as such."""
    device = QUIET.replace(**changes)
    crossbar = Crossbar(device, (40, 100), seed=9)
    v = np.repeat([0.1, 0.05, 0.0], [20, 10, 10])
    reads = crossbar.read(np.tile(v, (300, 1))).astype(float)
    per_cell = (device.read_c2c * device.g_range) ** 2 + device.flicker_sigma**2
    variance = (v**2).sum() * per_cell
    quiet = crossbar.read(v, noise=False)
    n = reads.size
    assert (reads - quiet).var() == pytest.approx(variance, rel=Z * np.sqrt(2 / n))
    assert (reads - quiet).mean() == pytest.approx(0, abs=Z * np.sqrt(variance / n))
