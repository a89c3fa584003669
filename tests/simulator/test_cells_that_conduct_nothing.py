"""Cells whose lowest conductance is 0: they behave as those of next to none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cbramsim.core.errors import ParameterError
from cbramsim.devices.ageing import Ageing
from cbramsim.devices.device import Device
from cbramsim.devices.export.plain import to_dict
from cbramsim.devices.population import draw_population
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.experiments.catalog.table import in_full, side_by_side
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.lines import Wires
from tests.simulator.lines.test_reads import exact, mean_read_error

BASE = Device.load("subquantum-cbram")
OFF, NEARLY = BASE.replace(g_min=0), BASE.replace(g_min=1e-18)
"""The second is below what single precision tells of a sum of conductances."""
WIRES = Wires(r_word=30, r_bit=30, r_source=500, r_access=1000)
TEXT = """
name = "mine"
summary = "Its low state conducts nothing"
g_min = {value = 0, unit = "μS", evidence = "published", source = "s"}
g_max = {value = 30, unit = "μS", evidence = "published", source = "s"}
pulses_up = {value = 50, evidence = "published", source = "s"}
pulses_down = {value = 20, evidence = "published", source = "s"}
v_set = {value = 0.6, unit = "V", evidence = "published", source = "s"}
v_reset = {value = 0.3, unit = "V", evidence = "published", source = "s"}
v_read = {value = 0.1, unit = "V", evidence = "published", source = "s"}
t_set = {value = 10, unit = "us", evidence = "published", source = "s"}
t_reset = {value = 10, unit = "µs", evidence = "published", source = "s"}
t_read = {value = 10, unit = "μs", evidence = "published", source = "s"}
"""


def test_a_file_may_say_so_with_either_mu(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, encoding="utf-8")
    device = Device.load(path)
    assert (device.g_min, device.g_max) == (0, pytest.approx(30e-6))
    assert (device.t_set, device.t_reset, device.t_read) == pytest.approx((1e-5,) * 3)
    for wrong in ("-1e-9", "1e-19"):
        path.write_text(TEXT.replace('value = 0, unit = "μS"', f'value = {wrong}, unit = "S"'))
        with pytest.raises(ParameterError, match="g_min: must be"):
            Device.load(path)


def test_its_ratio_is_infinite_and_cards_and_tables_say_so() -> None:
    assert OFF.on_off_ratio == np.inf
    assert BASE.on_off_ratio == BASE.g_max / BASE.g_min
    assert "∞" in in_full(OFF)
    assert "∞" in side_by_side([OFF])
    assert to_dict(OFF)["derived"]["on_off_ratio"] is None
    json.dumps(to_dict(OFF), allow_nan=False)
    assert "0 S to" in OFF._repr_html_()
    assert isinstance(OFF.plot().figure, Figure)
    assert OFF.weight_of(0.0) == -1
    assert OFF.conductance_of(-1.0) == 0


def test_there_is_no_spread_of_nothing(rng: np.random.Generator) -> None:
    cells = draw_population(OFF.replace(g_min_d2d=0.5), (30, 40), rng)
    works = cells[..., G_HIGH] > cells[..., G_LOW]
    assert (cells[works, G_LOW] == 0).all()
    assert np.isfinite(cells).all()


def test_it_drifts_and_relaxes(rng: np.random.Generator) -> None:
    device = OFF.replace(drift_exponent=0.05, retention_time=100.0, g_relaxed=1e-6)
    g = np.array([0, 1e-6, 10e-6], np.float32)
    after = Ageing(device, g, rng).wait(g, 1e6, 25.0)
    assert np.isfinite(after).all()
    assert after[0] > 0  # towards 1 uS, less its drift
    drifting = Ageing(OFF.replace(drift_exponent=0.05), g, rng).wait(g, 1e6, 25.0)
    assert drifting[0] == 0
    assert drifting[2] == pytest.approx(10e-6 * 1e6**-0.05, rel=1e-3)


@pytest.mark.parametrize("law", ["exponential", "constant", "power"])
def test_it_rises_from_nothing(law: str) -> None:
    labels = {} if law == "exponential" else {"nonlinearity_up": 0, "nonlinearity_down": 0}
    device, limit = (
        each.without_variability().replace(**labels).replace(law=law) for each in (OFF, NEARLY)
    )
    found = []
    for each in (device, limit):
        crossbar = Crossbar(each, (1, 1))
        for pulses in (20, -300, 5):
            crossbar.program(0, [0], pulses)
            found.append(float(crossbar.conductance[0, 0]))
    assert found[1] == 0
    assert found[:3] == pytest.approx(found[3:], rel=1e-5, abs=2e-18)
    assert found[2] > 0


@pytest.mark.parametrize("changes", [{}, {"levels": 4}, {"levels": 2}, {"g_quantum": 1e-6}])
@pytest.mark.parametrize("wires", [None, WIRES])
def test_an_array_of_it_is_that_of_cells_of_next_to_none(
    changes: dict, wires: Wires | None, rng: np.random.Generator
) -> None:
    weights = np.clip(rng.normal(-0.5, 1, (12, 7)), -1, 1)
    v = rng.random((5, 12)) * 0.1
    found = []
    for device in (OFF, NEARLY):
        crossbar = Crossbar(device.replace(**changes), (12, 7), seed=3, wires=wires)
        crossbar.set_weights(weights, clip=True)
        for column in range(7):
            crossbar.program(column, [0, 3, 5], [-200, 3, 1])
        found.append((crossbar.conductance, crossbar.read(v), crossbar.ledger.total()))
        assert np.isfinite(crossbar.read(v)).all()
        crossbar.plot()
        crossbar._repr_html_()
        if wires and not changes:
            voltages = crossbar.solve(v[0])
            assert np.isfinite(voltages.outputs).all()
            assert "nan" not in crossbar.to_spice(v[0]).lower()
    if "g_quantum" not in changes:  # of which the lowest is one
        assert (found[0][0] == 0).any()
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5, atol=2e-18)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-12)
    assert found[0][2] == pytest.approx(found[1][2], rel=1e-5)


@pytest.mark.parametrize("rule", ["device", "ideal"])
def test_a_network_of_it_learns_as_one_of_cells_of_next_to_none(mnist: Dataset, rule: str) -> None:
    """And as one behind wires that have hardly any resistance."""
    images = mnist.train_images[:300]
    changes = {"neurons": 20, "inputs": 60, "rule": rule, "pruning": {"kind": "none"}}
    wires = {"wires": True, "wiring": {"r_word": 1e-6, "r_bit": 1e-6}}
    off, nearly, wired = (
        SpikingNetwork(device=device, **changes, **more).fit(images, epochs=1)
        for device, more in ((OFF, {}), (NEARLY, {}), (OFF, wires))
    )
    g = off.crossbar.conductance
    assert (g == 0).any()
    np.testing.assert_allclose(g, nearly.crossbar.conductance, rtol=1e-3, atol=1e-3 * OFF.g_max)
    np.testing.assert_array_equal(g, wired.crossbar.conductance)
    assert off.ledger.total() == pytest.approx(nearly.ledger.total(), rel=1e-3)


def test_reads_behind_wires_while_it_learns_are_as_wrong_as_is_reported(mnist: Dataset) -> None:
    """Until the array is solved again, cells that conducted nothing are seen as their neighbours."""
    network = SpikingNetwork(
        device=OFF, neurons=20, inputs=60, wires=True, pruning={"kind": "none"},
        wiring={"r_word": 50.0, "r_bit": 50.0}, tiles={"rows": 25},
    )  # fmt: skip
    found: list[float] = []

    def compare(_: object) -> None:
        found.append(mean_read_error(network, network.crossbar.state.lines.seen))

    network.fit(mnist.train_images[:2400], epochs=1, callback=compare)
    wired = network.crossbar.wired
    assert wired is not None
    loss = 1 - exact(network).sum() / network.crossbar.conductance.sum()
    assert loss > 0.05
    assert found[-1] < 0.3 * loss
    assert max(found) < 0.1  # at first all cells are dark, and nothing is known of the lines
    assert wired.error < 0.3
    dark = network.crossbar.state.g == 0
    works = (network.crossbar.state.cells[..., G_HIGH] > 0).T
    assert (dark & works).any()
    assert (network.crossbar.state.lines.base.T[dark & works] > 0).all()
    assert (wired.beyond[dark & works] > 0).all()


@pytest.mark.parametrize("kind", ["none", "hard"])
def test_a_saved_network_of_it_goes_on(mnist: Dataset, tmp_path: Path, kind: str) -> None:
    images = mnist.train_images[:300]
    network = SpikingNetwork(
        device=OFF, neurons=20, inputs=60, wires=True, pruning={"kind": kind, "mature_spikes": 10}
    ).fit(images, epochs=1)
    network.save(tmp_path / "state.npz")
    again = SpikingNetwork.load(tmp_path / "state.npz")
    assert np.array_equal(again.crossbar.conductance, network.crossbar.conductance)
