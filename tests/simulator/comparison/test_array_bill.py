"""The bill of an array: it sums to its ledger, and foretells a run with other constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.array.crossbar import Crossbar
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.comparison.array_bill import (
    INCLUDED,
    NOT_INCLUDED,
    adc_constant,
    array_bill,
    network_bill,
    what_is_included,
)
from cbramsim.simulator.comparison.constants import HIGHEST, RANGE_BY_EVIDENCE
from cbramsim.simulator.energy.bill import Bill, Constant, Draws
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.network import SpikingNetwork

TINY: dict[str, Any] = {"neurons": 12, "inputs": 60, "pruning": {"mature_spikes": 12}}
BINARY = {"storage": "binary", "pruning": {"kind": "none"}}


class Changed(Draws):
    """One draw, in which some constants are multiplied by given factors."""

    def __init__(self, factors: dict[str, float]) -> None:
        super().__init__(1)
        self.factors = factors

    def factor(self, constant: Constant) -> np.ndarray:
        return np.array([self.factors.get(constant.name, 1.0)])


def trained(**changes: Any) -> SpikingNetwork:
    images = np.random.default_rng(5).integers(0, 256, (240, 28, 28)).astype(np.uint8)
    images[:120, :14] //= 8
    images[120:, 14:] //= 8
    network = SpikingNetwork(**(TINY | changes)).fit(images, epochs=1)
    network.label(images, np.repeat([0, 1], 120))
    return network


def foretold(bill: Bill, factors: dict[str, float]) -> dict[str, float]:
    return {name: float(bill.of(name).sample(Changed(factors))[0]) for name in bill.components()}


@pytest.fixture(scope="module")
def network() -> SpikingNetwork:
    return trained()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rule": "ideal"},
        {"readout": {"adc_bits": 8}},
        {"tiles": {"rows": 25, "columns": 5}, "programming": {"method": "verify"}},
        {"pruning": {"kind": "hard", "mature_spikes": 12}},
        {"device": "hzo-fefet"},
        {"update": "dense", "rule": "ideal", "pruning": {"kind": "none"}},
        BINARY,
        BINARY | {"binary": {"read": "sensed", "bits": 3}},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())) or "default",
)
def test_the_bill_sums_to_the_ledger_and_no_part_is_negative(changes: dict) -> None:
    network = trained(**changes)
    for phase in network.ledger.phases:
        bill = network_bill(network, phase)
        assert bill.joules == pytest.approx(network.ledger.total(phase), rel=1e-9, abs=0)
        assert set(bill.components()) <= set(INCLUDED)
        assert min(charge.joules for charge in bill) > -1e-12 * bill.joules


@pytest.mark.parametrize(
    ("cell", "factors"),
    [
        ({"v_read": 0.13}, {"v_read": 1.3}),
        ({"t_read": 30e-9}, {"t_read": 0.3}),
        ({"t_set": 3e-6, "v_reset": 2.0}, {"t_set": 3.0, "v_reset": 2.0}),
        ({"v_set": 1.5, "t_reset": 2e-7}, {"v_set": 1.5, "t_reset": 0.2}),
        ({"g_min": 2 * 2.32e-6, "g_max": 2 * 23.2e-6}, {"g_max": 2.0}),
        ({"c_cell": 1e-15}, {"c_cell": 5.0}),
    ],
    ids=lambda item: "-".join(item),
)
def test_a_run_with_another_cell_costs_what_the_bill_foretells(cell: dict, factors: dict) -> None:
    """All but pruning, whose pulses are of either polarity, is foretold to rounding."""
    other = trained(cell=cell, pruning={"kind": "none"})
    plain = trained(pruning={"kind": "none"})
    names = {f"subquantum-cbram.{key}": factor for key, factor in factors.items()}
    for phase in plain.ledger.phases:
        expected = foretold(network_bill(plain, phase), names)
        assert network_bill(other, phase).components() == pytest.approx(expected, rel=1e-6)
        if phase == "train":
            assert sum(expected.values()) != pytest.approx(plain.ledger.total(phase), rel=1e-3)


def test_window_and_both_write_voltages_leave_pruning_as_it_is(network: SpikingNetwork) -> None:
    cell = {"g_min": 2 * 2.32e-6, "g_max": 2 * 23.2e-6, "v_set": 2.0, "v_reset": 2.0}
    other = trained(cell=cell)
    assert network.ledger.count("train", Operation.PRUNE_SET_PULSE) > 0
    names = {f"subquantum-cbram.{key}": 2.0 for key in ("g_max", "v_set", "v_reset")}
    expected = foretold(network_bill(network, "train"), names)
    assert network_bill(other, "train").components() == pytest.approx(expected, rel=1e-6)


def test_a_run_with_other_circuits_costs_what_the_bill_foretells(
    network: SpikingNetwork, tmp_path: Path
) -> None:
    plain = Periphery.load("cmos-28nm")
    factors = {"e_word_line": 3.0, "e_sense": 0.5, "e_neuron": 7.0, "e_spike": 2.0}
    changed = plain.replace(**{key: getattr(plain, key) * f for key, f in factors.items()})
    path = tmp_path / "other.toml"
    path.write_text(tomli_w.dumps(changed.to_table()))
    other = trained(periphery=str(path))
    names = {f"cmos-28nm.{key}": factor for key, factor in factors.items()}
    for phase in network.ledger.phases:
        expected = foretold(network_bill(network, phase), names)
        assert network_bill(other, phase).components() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("base", "factors"),
    [
        ({"device": "hzo-fefet"}, {"c_gate": 2.0, "v_set": 1.5}),
        (BINARY, {"v_read": 2.0, "t_set": 3.0, "t_reset": 5.0}),
        (BINARY | {"binary": {"read": "sensed"}}, {"v_read": 2.0, "v_set": 0.5}),
        ({"readout": {"adc_bits": 6}}, {"t_read": 4.0, "c_cell": 3.0}),
        ({"programming": {"method": "verify"}}, {"v_read": 3.0, "t_set": 2.0}),
    ],
    ids=["gate", "binary", "sensed", "converted", "verified"],
)
def test_other_arrays_are_foretold_too(base: dict, factors: dict) -> None:
    base = {"pruning": {"kind": "none"}} | base
    plain = trained(**base)
    device = plain.crossbar.device
    values = {key: getattr(device, key) * factor for key, factor in factors.items()}
    other = trained(**base, cell=values)
    names = {f"{device.name}.{key}": factor for key, factor in factors.items()}
    for phase in plain.ledger.phases:
        expected = foretold(network_bill(plain, phase), names)
        assert network_bill(other, phase).components() == pytest.approx(expected, rel=1e-6)
    plain_joules = plain.ledger.total("train")
    assert network_bill(other, "train").joules != pytest.approx(plain_joules, rel=1e-3)


def test_sinh_cells_are_foretold_to_first_order() -> None:
    cell = {"v_sinh": 0.4}
    plain = trained(cell=cell, pruning={"kind": "none"})
    bill = network_bill(plain, "train")
    for key in ("v_set", "v_read", "v_sinh"):
        device = plain.crossbar.device
        step = 1 + 1e-4
        other = trained(cell=cell | {key: getattr(device, key) * step}, pruning={"kind": "none"})
        expected = foretold(bill, {f"{device.name}.{key}": step})
        change = other.ledger.total("train") / plain.ledger.total("train") - 1
        assert change == pytest.approx(sum(expected.values()) / bill.joules - 1, rel=1e-3)


def test_drivers_and_lines_of_a_read_are_told_apart() -> None:
    crossbar = Crossbar("subquantum-cbram", (20, 10), seed=2)
    spikes = np.arange(20) % 2 == 0
    crossbar.read_spikes(spikes, signed=True)
    components = array_bill(crossbar, crossbar.ledger.account("use")).components()
    device, g = crossbar.device, crossbar.conductance[spikes].astype(float)
    current = device.v_read**2 * device.t_read * (g.sum() + 10 * device.g_mid)
    lines = 10 * 10 * device.c_cell * device.v_read**2
    assert components["periphery"] == pytest.approx(10 * crossbar.periphery.e_word_line)
    assert components["array read"] == pytest.approx(current + lines, rel=1e-6)


def test_ranges_are_those_of_the_policy_and_squares_follow(network: SpikingNetwork) -> None:
    bill = network_bill(network, "train")
    for constant in bill.constants.values():
        factor = RANGE_BY_EVIDENCE[constant.evidence]
        highest, _ = HIGHEST.get(constant.name.split(".")[-1], (factor * constant.value, ""))
        assert constant.high == pytest.approx(highest)
        assert constant.value / constant.low == pytest.approx(factor)
    cell_read = bill.of("array read").charges[0]
    assert {name.split(".")[1]: power for name, power in cell_read.powers.items()} == {
        "v_read": 2,
        "t_read": 1,
        "g_max": 1,
    }  # all assumed: up to 3^4 times as much
    assert bill.evidence == "assumed"


def test_a_value_set_by_hand_counts_as_assumed() -> None:
    bill = network_bill(trained(device="epiram", cell={"t_set": 1e-6}), "train")
    assert bill.constants["epiram.t_set"].evidence == "assumed"
    assert bill.constants["epiram.v_set"].evidence == "published"


def test_a_converter_lies_between_the_best_and_the_median_of_the_survey() -> None:
    constant = adc_constant(8, "isaac")
    assert (constant.low, constant.high) == pytest.approx((1.1e-12, 5.8e-12), rel=1e-9)
    assert constant.low < constant.value < constant.high
    assert adc_constant(8, "survey-best").low == adc_constant(8, "survey-best").value


@pytest.mark.parametrize("changes", [{"access": "passive"}, {"wires": True}])
def test_energies_that_do_not_go_with_powers_are_refused(changes: dict) -> None:
    other = trained(**changes)
    with pytest.raises(ParameterError, match=r"needs transistors as access.*J of"):
        network_bill(other, "train")


def test_a_phase_that_never_was_is_refused(network: SpikingNetwork) -> None:
    with pytest.raises(ParameterError, match=r"phase must be one of train.*did you mean 'train'"):
        network_bill(network, "trian")
    assert "trian" not in network.ledger.phases


def test_conversions_without_a_price_are_refused() -> None:
    crossbar = Crossbar(Device.load("subquantum-cbram"), (4, 4))
    crossbar.ledger.add("use", Operation.ADC_CONVERSION, 1, 1e-12)
    with pytest.raises(ParameterError, match="conversion is required"):
        array_bill(crossbar, crossbar.ledger.account("use"))


def test_the_text_names_every_component_and_what_is_not_priced() -> None:
    text = what_is_included()
    assert all(f"**{component}**" in text for component in INCLUDED)
    assert all(part in text for part in NOT_INCLUDED)
