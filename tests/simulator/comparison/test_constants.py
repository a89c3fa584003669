"""The listing of constants: each once, as Markdown and as CSV; ranges by grade."""

import csv
import io

import pytest

from cbramsim.devices.device import Device
from cbramsim.simulator.circuits.prices import Price
from cbramsim.simulator.comparison.arithmetic import every_constant, mac
from cbramsim.simulator.comparison.constants import (
    COLUMNS,
    RANGE_BY_EVIDENCE,
    of_parameter,
    of_price,
    ranged,
    table,
    to_csv,
)


def test_every_constant_is_listed_once() -> None:
    constants = [*every_constant(), mac("fp32")]
    lines = table(constants).splitlines()
    assert len(lines) == 2 + len(every_constant())
    assert lines[0] == "| " + " | ".join(COLUMNS) + " |"
    assert sum("fp32-mac-45nm" in line and "4.6e-12" in line for line in lines) == 1


def test_csv_reads_back_to_the_same_values() -> None:
    read = {row["name"]: row for row in csv.DictReader(io.StringIO(to_csv(every_constant())))}
    for constant in every_constant():
        row = read[constant.name]
        assert [float(row[key]) for key in ("low", "value", "high")] == pytest.approx(
            [constant.low, constant.value, constant.high], rel=1e-3
        )
        assert (row["unit"], row["evidence"], row["source"]) == (
            constant.unit, constant.evidence, constant.source
        )  # fmt: skip


def test_bars_in_a_source_do_not_break_the_table() -> None:
    constant = ranged("x", 1.0, "J", "assumed", "a|b")
    assert table([constant]).splitlines()[-1].count(" | ") == len(COLUMNS) - 1


def test_two_constants_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two different ones are called fp32-mac-45nm"):
        table([mac("fp32"), mac("fp32").within(9)])


@pytest.mark.parametrize("grade", RANGE_BY_EVIDENCE)
def test_ranges_are_by_grade_unless_said_otherwise(grade) -> None:
    constant = of_price("x", Price(2.0, grade, "somewhere"))
    factor = RANGE_BY_EVIDENCE[grade]
    assert (constant.low, constant.high) == pytest.approx((2 / factor, 2 * factor))
    assert ranged("x", 2.0, "J", grade, "s", 10.0).high == 20


def test_a_parameter_keeps_its_grade_unit_and_source() -> None:
    device = Device.load("subquantum-cbram")
    constant = of_parameter(device, "t_set")
    assert (constant.name, constant.unit, constant.value) == ("subquantum-cbram.t_set", "s", 1e-6)
    assert constant.evidence == device.evidence("t_set").evidence
