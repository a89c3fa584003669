from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.simulator.circuits import product
from cbramsim.simulator.circuits.adc import Adc, Converters
from cbramsim.simulator.circuits.product import ReadNoise, noisy_product, time_noisy_product

ROWS, COLUMNS, READS = 12, 5, 40_000
KINDS = {
    "absolute": ReadNoise(absolute=3e-6),
    "relative": ReadNoise(relative=0.2),
    "both": ReadNoise(absolute=3e-6, relative=0.1),
}


def array(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    v = rng.uniform(-0.2, 0.2, ROWS).astype(np.float32)
    return v, rng.uniform(1e-7, 1e-4, (ROWS, COLUMNS)).astype(np.float32)


def reads(noise: ReadNoise, seed: int = 0) -> np.ndarray:
    v, g = array()
    return noisy_product(np.tile(v, (READS, 1)), g, noise, stream(seed, "read"))


def cell_by_cell(noise: ReadNoise) -> np.ndarray:
    """Draw the noise of every cell in every read."""
    v, g = array()
    rng = np.random.default_rng(8)
    sigma = np.sqrt(noise.absolute**2 + (noise.relative * g.astype(float)) ** 2)
    out = np.empty((READS, COLUMNS))
    for n in range(READS):
        out[n] = v @ (g + sigma * rng.standard_normal(g.shape))
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_distributed_as_that_of_the_cells(kind: str) -> None:
    fast, slow = reads(KINDS[kind]), cell_by_cell(KINDS[kind])
    for k in range(COLUMNS):
        assert stats.ks_2samp(fast[:, k], slow[:, k]).pvalue > 1e-4
    np.testing.assert_allclose(fast.std(axis=0), slow.std(axis=0), rtol=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_has_the_variance_of_the_equation(kind: str) -> None:
    noise, (v, g) = KINDS[kind], array()
    variance = (v.astype(float) ** 2) @ (
        noise.absolute**2 + (noise.relative * g.astype(float)) ** 2
    )
    z = (reads(noise) - v.astype(float) @ g) / np.sqrt(variance)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=4.5 / np.sqrt(READS))
    np.testing.assert_allclose(z.var(axis=0), 1, atol=4.5 * np.sqrt(2 / READS))
    np.testing.assert_allclose(stats.kurtosis(z), 0, atol=4.5 * np.sqrt(24 / READS))
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4


def test_columns_and_reads_are_independent() -> None:
    z = reads(KINDS["relative"])
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    apart = z.T @ z / READS - np.eye(COLUMNS)
    after = z[1:].T @ z[:-1] / READS
    np.testing.assert_allclose(apart, 0, atol=4.5 / np.sqrt(READS))
    np.testing.assert_allclose(after, 0, atol=4.5 / np.sqrt(READS))


def test_without_noise_it_is_the_product(rng: np.random.Generator) -> None:
    v = rng.uniform(-0.2, 0.2, (30, ROWS)).astype(np.float32)
    g = array()[1]
    quiet = noisy_product(v, g, ReadNoise(), stream(0, "read"))
    np.testing.assert_allclose(quiet, v.astype(float) @ g, rtol=1e-4, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dnl", [0.0, 0.3])
def test_codes_are_those_of_the_noisy_currents(
    kind: str, dnl: float, rng: np.random.Generator
) -> None:
    v = rng.uniform(0, 0.2, (300, ROWS)).astype(np.float32)
    g = array()[1]
    adc = Adc(bits=8, full_scale=float((v @ g).max()), dnl=dnl, inl=2 * dnl, offset_d2d=dnl)
    chain = Converters(adc, COLUMNS, seed=2, sharing=2)
    currents = noisy_product(v, g, KINDS[kind], stream(5, "read"))
    codes = noisy_product(v, g, KINDS[kind], stream(5, "read"), chain)
    assert codes.dtype == np.uint16
    assert (codes == chain.convert(currents)).all()
    assert len(np.unique(codes)) > 100


def test_blocks_make_no_difference_but_in_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    v, g = array()
    batch = np.tile(v, (50, 1))
    monkeypatch.setattr(product, "BLOCK", 7 * COLUMNS)
    quiet = noisy_product(batch, g, ReadNoise(), stream(0, "read"))
    np.testing.assert_allclose(quiet, batch @ g, rtol=1e-5, atol=1e-11)
    chain = Converters(Adc(full_scale=1e-4, minimum=-5e-5), COLUMNS)
    codes = noisy_product(batch, g, ReadNoise(), stream(0, "read"), chain)
    assert (codes == chain.convert(quiet)).all()
    noisy = noisy_product(batch, g, KINDS["both"], stream(0, "read"))
    assert np.unique(noisy).size == noisy.size


def test_the_stream_is_all_that_a_read_depends_on() -> None:
    v, g = array()
    state = stream(3, "read")
    first = noisy_product(v[None], g, KINDS["both"], state)
    second = noisy_product(v[None], g, KINDS["both"], state)
    again = noisy_product(v[None], g, KINDS["both"], stream(3, "read"))
    assert (first == again).all()
    assert (first != second).all()


def test_a_cell_without_voltage_is_quiet_and_an_empty_batch_is_empty() -> None:
    g = array()[1]
    silent = noisy_product(np.zeros((4, ROWS)), g, KINDS["both"], stream(0, "read"))
    assert not silent.any()
    assert noisy_product(np.zeros((0, ROWS)), g, KINDS["both"], stream(0, "r")).shape == (
        0,
        COLUMNS,
    )


def test_shapes_that_do_not_fit_are_refused() -> None:
    v, g = array()
    with pytest.raises(ParameterError, match=r"\[batch, rows\]"):
        noisy_product(v, g, ReadNoise(), stream(0, "read"))
    with pytest.raises(ParameterError, match="for 5 columns"):
        noisy_product(v[None], g, ReadNoise(), stream(0, "read"), Converters(Adc(), 4))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    v, g = array()
    v[3] = value
    with pytest.raises(ParameterError, match="finite"):
        noisy_product(v[None], g, ReadNoise(), stream(0, "read"), Converters(Adc(dnl=0.1), 5))


def test_the_benchmark_measures_both_and_the_errors() -> None:
    figures = time_noisy_product(batch=400, shape=(40, 60), repetitions=1)
    for kind in ("absolute", "relative"):
        assert figures[f"{kind}_ratio"] * figures["numpy_seconds"] == pytest.approx(
            figures[f"{kind}_seconds"]
        )
        n = 400 * 60
        assert figures[f"{kind}_error_mean"] == pytest.approx(0, abs=4.5 / np.sqrt(n))
        assert figures[f"{kind}_error_deviation"] == pytest.approx(1, abs=4.5 / np.sqrt(2 * n))
        assert figures[f"{kind}_error_kurtosis"] == pytest.approx(0, abs=4.5 * np.sqrt(24 / n))
