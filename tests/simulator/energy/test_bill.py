"""Bills: parts sum to the total, constants move what rests on them and nothing else."""

import json

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.energy.bill import Bill, Constant, Draws, interval, total

MAC = Constant(name="mac", value=2.0, low=1.0, high=8.0, unit="J", evidence="published", source="x")
BYTE = Constant(name="byte", value=3.0, low=3.0, high=3.0, unit="J", evidence="assumed", source="y")


def test_parts_sum_to_the_total_and_repeated_work_costs_in_proportion():
    bill = Bill().add("arithmetic", 10, MAC).add("L1", 5, BYTE).add("arithmetic", 1, MAC)
    assert bill.joules == 10 * 2 + 5 * 3 + 2
    assert bill.components() == {"arithmetic": 22, "L1": 15}
    assert sum(bill.of(name).joules for name in bill.components()) == bill.joules
    assert (bill * 3).joules == (3 * bill).joules == 3 * bill.joules
    assert total([bill, bill]).components() == {"arithmetic": 44, "L1": 30}


def test_a_product_of_constants_moves_with_each_of_them():
    bill = Bill().add_joules("read", 7.0, {MAC: 2.0, BYTE: 1.0})
    draws = Draws(500, seed=3)
    assert bill.sample(draws) == pytest.approx(7 * draws.factor(MAC) ** 2)  # BYTE does not vary


def test_draws_keep_to_the_range_with_the_stated_value_as_median():
    factors = Draws(40_000).factor(MAC)
    assert factors.min() >= 0.5 - 1e-12
    assert factors.max() <= 4 + 1e-12
    assert np.median(factors) == pytest.approx(1, rel=0.03)
    # log-uniform above the value: a quarter of all draws lies above the geometric mean of its ends
    assert np.mean(factors > 2) == pytest.approx(0.25, abs=0.01)


def test_one_constant_is_drawn_once_for_all_bills_so_that_ratios_are_exact():
    draws = Draws(200)
    one, three = Bill().add("a", 1, MAC), Bill().add("b", 3, MAC)
    assert three.sample(draws) / one.sample(draws) == pytest.approx(3)
    assert interval(three.sample(draws) / one.sample(draws)) == pytest.approx((3, 3))


def test_a_bill_survives_being_written_as_plain_values():
    bill = Bill().add("arithmetic", 10, MAC, BYTE).add_joules("L1", 2.5, {MAC: 1.0, BYTE: -1.0})
    again = Bill.from_dict(json.loads(json.dumps(bill.to_dict())))
    assert again.charges == bill.charges
    assert again.constants == bill.constants


def test_evidence_is_that_of_the_larger_part():
    assert Bill().add("a", 10, MAC).add("b", 1, BYTE).evidence == "published"
    assert Bill().add("a", 1, MAC).add("b", 10, BYTE).evidence == "assumed"
    assert Bill().add("a", 1, MAC, BYTE).charges[0].evidence == "assumed"


def test_impossible_constants_are_refused_by_name():
    with pytest.raises(ParameterError, match=r"mac: low <= value <= high .*got 3, 2, 8"):
        MAC.replace(low=3.0)
    with pytest.raises(
        ParameterError, match=r"Constant.value: must be a number >= 0 and <= 1e\+30 \(got -1"
    ):
        MAC.replace(value=-1.0)
    with pytest.raises(ValueError, match="two different constants are called mac"):
        Bill().add("a", 1, MAC).add("a", 1, MAC.replace(value=4.0))


def test_ratios_of_bills_refuse_one_name_for_two_ranges_but_not_for_two_units_of_work():
    draws = Draws(50)
    factors = draws.factor(MAC)
    assert np.array_equal(draws.factor(MAC.times(3)), factors)
    with pytest.raises(ValueError, match="two different constants are called mac"):
        Bill().add("arithmetic", 1, MAC.replace(high=9.0)).sample(draws)
