"""Conversions: none unless asked for, and each by arithmetic that can be done by hand."""

import math

import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.arithmetic import mac
from cbramsim.simulator.comparison.footprint import (
    GRAMS_PER_KWH,
    Footprint,
    node_factor,
    pue_of,
)
from cbramsim.simulator.energy.bill import Bill, Constant

BYTE = Constant(
    name="b", value=1e-12, low=1e-12, high=1e-12, unit="J", evidence="assumed", source="x"
)


def bill() -> Bill:
    lines = Bill().add("arithmetic", 10, mac("fp32")).add("L2", 20, BYTE).add("DRAM", 5, BYTE)
    return lines.add("array read", 7, BYTE)


def test_nothing_is_converted_by_default() -> None:
    plain = Footprint()
    assert plain.scaled(bill(), 45).components() == bill().components()
    assert plain.at_the_meter(bill()).joules == bill().joules
    assert str(plain) == "no conversions"
    with pytest.raises(ParameterError, match=r"Footprint.country: is required for CO2"):
        plain.co2_grams(1.0)


def test_grams_of_a_kilowatt_hour_are_those_of_the_table() -> None:
    assert Footprint(country="world").co2_grams(3.6e6) == 475
    assert Footprint(country="FRA", pue=1.5).co2_grams(7.2e6) == pytest.approx(2 * 1.5 * 56)
    assert GRAMS_PER_KWH["USA-2019"] == pytest.approx(432.7, abs=0.05)  # 0.954 lb
    # g per kWh are kg per MWh are 1/3.6e6 g per J
    assert Footprint(country="coal").co2_grams(1.0) == pytest.approx(995 / 3_600_000)


def test_the_building_takes_its_share_of_every_component() -> None:
    at_meter = Footprint(pue=pue_of(2011)).at_the_meter(bill())
    for name, joules in bill().components().items():
        assert at_meter.components()[name] == pytest.approx(1.98 * joules)
    assert at_meter.constants == bill().constants, "what a user sets has no range"


def test_arithmetic_and_memory_scale_apart_and_the_rest_stays() -> None:
    scaled, before = Footprint(node=7).scaled(bill(), 45).components(), bill().components()
    arithmetic = [0.007 / 0.03, 0.03 / 0.1, 0.16 / 0.4, 0.38 / 0.9,
                  0.07 / 0.2, 1.48 / 3.1, 0.34 / 1.1, 1.31 / 3.7]  # fmt: skip
    memory = [7.5 / 10, 8.5 / 20, 14 / 100]
    for name, ratios in (("arithmetic", arithmetic), ("L2", memory)):
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        assert scaled[name] / before[name] == pytest.approx(mean)
    assert scaled["DRAM"] == before["DRAM"]
    assert scaled["array read"] == before["array read"]
    factor = node_factor("arithmetic", 45, 7)
    assert (factor.low, factor.high) == pytest.approx((min(arithmetic), max(arithmetic)))
    # a table's own FP32 multiply-add is within the range
    assert factor.low < mac("fp32", "7nm").value / mac("fp32", "45nm").value < factor.high


@pytest.mark.parametrize("kind", ["arithmetic", "memory"])
def test_scaling_there_and_on_is_scaling_all_the_way(kind) -> None:
    whole = node_factor(kind, 45, 7).value
    assert node_factor(kind, 45, 28).value * node_factor(kind, 28, 7).value == pytest.approx(whole)
    assert node_factor(kind, 28, 28).value == 1
    up = node_factor(kind, 7, 45)
    assert up.value == pytest.approx(1 / whole)
    assert up.low < up.value < up.high
    middle = math.sqrt(45 * 7)
    assert node_factor(kind, 45, middle).value == pytest.approx(math.sqrt(whole))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Footprint(country="GER"), r"country must be one of world, USA.*\(got 'GER'\)"),
        (lambda: Footprint(country="Wind"), r"did you mean 'wind'"),
        (lambda: Footprint(pue=0.9), r"Footprint.pue: must be a number >= 1"),
        (lambda: Footprint(node=3), r"Footprint.node: must be a number >= 7 and <= 45 \(got 3\)"),
        (lambda: node_factor("arithmetic", 65, 28), r"made_at must be >= 7 and <= 45 nm.*got 65"),
        (lambda: node_factor("memry", 45, 28), r"did you mean 'memory'"),
        (lambda: pue_of(2012), r"PUE: year must be one of 2007, .*got 2012"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_conversions_say_what_they_did() -> None:
    text = str(Footprint(node=28, pue=1.58, country="NOR"))
    assert text == "digital circuits scaled to 28 nm (assumed); PUE 1.58; NOR: 30 g CO2 per kWh"
