from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numba import njit

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.core.verbs import convert
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits.prices import conversion_price
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.loop import scratch
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.readout import Readout, converted
from cbramsim.simulator.lines import Tiles

DEVICE = Device.load("subquantum-cbram").without_variability()
TILES = Tiles(rows=12)
SMALL = {"neurons": 15, "inputs": 60, "tiles": {"rows": 25}, "pruning": {"kind": "none"}}


@njit
def _convert(readout, array, n_active, work, stream, account):  # type: ignore[no-untyped-def]
    return convert(readout, array, n_active, work, stream, account)


@pytest.mark.parametrize("taken_out", [False, True])
@pytest.mark.parametrize("flaws", [{}, {"offset_d2d": 1.0, "inl": 1.0, "dnl": 0.3}])
def test_tiles_are_converted_apart_and_added(flaws: dict[str, float], taken_out: bool) -> None:
    """Cells that are taken out take their share of the reference of their tile along."""
    rng = np.random.default_rng(0)
    crossbar = Crossbar(DEVICE, (40, 9), seed=1)
    crossbar.set_weights(rng.uniform(-1, 1, (40, 9)))
    if taken_out:
        crossbar.disconnect(2, np.arange(0, 40, 3))
        crossbar.disconnect(5, np.arange(3, 30, 2))
    starts, _ = TILES.parts(crossbar.shape)
    readout = Readout(adc_bits=5, **flaws)
    adc = readout.converter(6.0, 10, DEVICE.g_range)
    chain = converted(adc, starts, 9, seed=3)
    spiked = rng.random(40) < 0.4
    rows, work = np.flatnonzero(spiked), scratch(40, 9)
    work.rows[: rows.size] = rows
    account = EnergyLedger().account("x")
    assert _convert(chain, crossbar.state, rows.size, work, stream(0, "x"), account) == 0
    currents = work.currents
    expected = np.zeros(9)
    for t, (first, end) in enumerate(pairwise(starts)):
        against = DEVICE.g_mid * crossbar.connected[first:end]
        signed = spiked[first:end] @ (crossbar.conductance[first:end].astype(float) - against)
        level = (signed - adc.minimum) / adc.lsb
        if flaws:
            edges = chain.conversion.edges[t * 9 : (t + 1) * 9, 1:-1]
            code = (level[:, None] >= edges).sum(axis=1)
        else:
            code = np.clip(np.floor(level + 0.5), 0, 31)
        expected += adc.minimum + adc.lsb * code
    np.testing.assert_allclose(currents, expected, atol=1e-4 * adc.lsb)
    assert account.counts[Operation.ADC_CONVERSION] == 9 * 4
    assert account.counts[Operation.SHIFT_ADD] == 9 * 3


def test_learning_books_its_conversions_and_goes_on_from_a_file(mnist, tmp_path) -> None:  # type: ignore[no-untyped-def]
    images = mnist.train_images[:600]

    def network() -> SpikingNetwork:
        return SpikingNetwork(**SMALL, readout={"adc_bits": 6, "offset_d2d": 0.5})

    whole = network().fit(images, epochs=2)
    account = whole.ledger.account("train")
    reads = account.counts[Operation.OUTPUT_SPIKE]
    assert account.counts[Operation.ADC_CONVERSION] == reads * 15 * 3
    price = conversion_price(6, "isaac").value
    assert account.joules[Operation.ADC_CONVERSION] == pytest.approx(reads * 45 * price)
    half = network().fit(images, epochs=1)
    half.save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    again.resume(again.prepare(images), epochs=2)
    np.testing.assert_array_equal(again.crossbar.conductance, whole.crossbar.conductance)
    assert again.ledger.to_dict() == whole.ledger.to_dict()


def test_what_cannot_be_converted_is_refused_by_name() -> None:
    with pytest.raises(ParameterError, match=r"Adc\.full_scale: .* below one level"):
        Readout(adc_bits=6, full_scale=1e-9).converter(5, 10, DEVICE.g_range)
    with pytest.raises(ParameterError, match=r"adc_source: must be one of isaac"):
        NetworkConfig(readout={"adc_bits": 6, "adc_source": "nobody"})
