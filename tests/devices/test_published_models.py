"""Models of noise and time against numbers that others have published, to three digits."""

from __future__ import annotations

import numpy as np
import pytest

from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device

HOUR, DAY, YEAR = 3600.0, 86400.0, 365.25 * 86400
QUIET = Device.load("subquantum-cbram").without_variability()
PCM = QUIET.replace(
    g_min=0.0, g_max=25e-6,
    program_noise=(0.26348e-6, 1.9650e-6, -1.1731e-6),
    drift_by_state=(-0.0155, 0.0244, 0.049, 0.1),
    drift_spread_by_state=(-0.0125, -0.0059, 0.008, 0.045),
    drift_start=20.0,
    read_1f=(0.0088, -0.65, 0.2), read_1f_width=250e-9,
)  # fmt: skip
"""Phase-change memory of Nandakumar et al. (ICECS 2019) and Joshi et al. (Nat. Commun. 2020)."""
NEURRAM = QUIET.replace(
    g_min=0.0, g_max=40e-6,
    relaxation_times=(1.0, DAY, 2 * DAY), relaxation_states=(2e-6, 10e-6, 20e-6, 39e-6),
    relaxation_sigmas=tuple(1e-6 * np.array(
        [1.05, 2.26, 2.02, 1.17, 1.68, 3.72, 3.91, 2.75, 1.69, 3.66, 3.93, 2.76]
    )),
)  # fmt: skip
"""Filaments of Wan et al. (Nature 2022): spread at 1 s, 1 day and 2 days, by state."""
CMO = QUIET.replace(
    g_min=8e-6, g_max=90e-6, relaxation_shift=-0.089e-6, relaxation_spread=(0.412e-6, 0.042e-6),
    program_noise=(0.811e-9, 1.0687e-3 * 90e-6),
)  # fmt: skip
"""CMO/HfOx of IBM (2024)."""


def waited(device: Device, start: float, seconds: float, cells: int = 1) -> np.ndarray:
    """Conductances some time after programming, S."""
    g = np.full(cells, start, np.float32)
    return Ageing(device, g, np.random.default_rng(0)).wait(g, seconds, 25.0).astype(float)


@pytest.mark.parametrize(
    ("x", "sigma"), [(0.04, 0.340), (0.1, 0.448), (0.25, 0.681), (0.5, 0.953), (1.0, 1.055)]
)
def test_programming_noise_of_phase_change_memory(x: float, sigma: float) -> None:
    found = 1e6 * PCM.program_sigma(x * PCM.g_max, PCM.g_max)
    assert found == pytest.approx(sigma, abs=6e-4)


@pytest.mark.parametrize(
    ("x", "kept"),
    [
        (0.25, (0.775, 0.664, 0.562, 0.497)),
        (1.0, (0.775, 0.664, 0.562, 0.497)),
        (0.1, (0.732, 0.605, 0.493, 0.424)),
        (0.04, (0.680, 0.537, 0.417, 0.346)),
    ],
)
def test_drift_of_phase_change_memory(x: float, kept: tuple[float, ...]) -> None:
    mean = PCM.without("drift_spread_by_state")
    for seconds, part in zip((HOUR, DAY, 30 * DAY, YEAR), kept, strict=True):
        found = waited(mean, x * PCM.g_max, seconds)[0] / (x * PCM.g_max)
        assert found == pytest.approx(part, abs=6e-4)


def test_drift_exponents_of_cells_have_the_spread_of_their_state() -> None:
    for x, sigma in ((1.0, 0.008), (0.1, 0.02288), (0.04, 0.0343)):
        left = waited(PCM, x * PCM.g_max, 1e6, cells=40_000) / (x * PCM.g_max)
        exponents = -np.log(left) / np.log(1e6 / 20)
        assert exponents.std() == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize(
    ("x", "percent"), [(1.0, (4.2, 4.5, 4.8, 5.0)), (0.25, (10.3, 11.0, 11.7, 12.2))]
)
def test_read_noise_of_phase_change_memory(x: float, percent: tuple[float, ...]) -> None:
    g = x * PCM.g_max
    for seconds, part in zip((HOUR, DAY, 30 * DAY, YEAR), percent, strict=True):
        assert 100 * PCM.read_1f_sigma(g, PCM.g_max, seconds) / g == pytest.approx(part, abs=0.05)


@pytest.mark.parametrize(
    ("g", "sigmas"),
    [
        (2, (1.05, 1.68, 1.69)), (10, (2.26, 3.72, 3.66)),
        (20, (2.02, 3.91, 3.93)), (39, (1.17, 2.75, 2.76)),
    ],
)  # fmt: skip
def test_relaxation_of_neurram(g: float, sigmas: tuple[float, ...]) -> None:
    for seconds, sigma in zip((1.0, DAY, 2 * DAY), sigmas, strict=True):
        found = 1e6 * NEURRAM.relaxation_sigma(1e-6 * g, seconds)
        assert found == pytest.approx(sigma, rel=1e-6)


def test_relaxation_is_interpolated_in_state_and_in_the_logarithm_of_time() -> None:
    at = NEURRAM.relaxation_sigma(15e-6, np.exp(np.log(DAY) / 2))
    assert 1e6 * at == pytest.approx((2.26 + 2.02 + 3.72 + 3.91) / 4)
    outside = NEURRAM.relaxation_sigma(np.array([0.0, 40e-6]), 100 * DAY)
    np.testing.assert_allclose(1e6 * outside, [1.69, 2.76])


def test_cells_of_neurram_are_found_with_that_spread() -> None:
    found = waited(NEURRAM, 20e-6, DAY, cells=40_000)
    assert 1e6 * found.std() == pytest.approx(3.91, rel=0.02)
    assert 1e6 * found.mean() == pytest.approx(20, abs=0.1)


@pytest.mark.parametrize(("seconds", "shift", "sigma"), [(HOUR, -0.73, 0.76), (DAY, -1.01, 0.89)])
def test_relaxation_of_cmo_hfox(seconds: float, shift: float, sigma: float) -> None:
    found = 1e6 * waited(CMO, 50e-6, seconds, cells=100_000)
    assert found.mean() - 50 == pytest.approx(shift, abs=0.011)
    assert found.std() == pytest.approx(sigma, abs=0.009)


def test_programming_noise_of_cmo_hfox() -> None:
    assert 1e9 * CMO.program_sigma(50e-6, CMO.g_max) == pytest.approx(54.2, abs=0.1)


@pytest.mark.parametrize("device", [PCM, NEURRAM, CMO], ids=["pcm", "neurram", "cmo"])
@pytest.mark.parametrize("parts", [(10.0, 1e4), (1e5, 1.0), (HOUR, DAY)])
def test_waiting_twice_is_waiting_once(device: Device, parts: tuple[float, float]) -> None:
    g = np.linspace(device.g_min, device.g_max, 200).astype(np.float32)
    once = Ageing(device, g, np.random.default_rng(1)).wait(g, sum(parts), 25.0)
    ageing = Ageing(device, g, np.random.default_rng(1))
    twice = ageing.wait(ageing.wait(g, parts[0], 25.0), parts[1], 25.0)
    # where a cell has relaxed to nothing the way back is lost
    np.testing.assert_allclose(twice[once > 1e-6], once[once > 1e-6], rtol=1e-4)


def test_a_cell_that_is_programmed_again_begins_anew() -> None:
    g = np.full(2, 20e-6, np.float32)
    ageing = Ageing(NEURRAM, g, np.random.default_rng(2))
    g = ageing.wait(g, DAY, 25.0)
    g[1] = 10e-6
    g = ageing.wait(g, DAY, 25.0)
    other = Ageing(NEURRAM, np.full(2, 10e-6, np.float32), np.random.default_rng(2))
    assert g[1] == other.wait(np.full(2, 10e-6, np.float32), DAY, 25.0)[1]
    assert ageing.age.tolist() == [2 * DAY, DAY]
