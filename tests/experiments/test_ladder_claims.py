"""Ratios, medians and claims of the ladder, against closed forms."""

import json
import math
from typing import Any

import numpy as np
import pytest

from cbramsim.experiments.ladder import claims, digital, findings, rungs, tables
from cbramsim.experiments.ladder.approach import (
    Approach,
    Estimate,
    joules,
    nearest_alternative,
    ratio,
)
from cbramsim.experiments.ladder.figures import MOST_ROWS, times, told
from cbramsim.experiments.ladder.plan import FULL, KINDS
from cbramsim.experiments.study import jobs
from cbramsim.experiments.study.findings import Failure, Findings
from cbramsim.experiments.study.runner import Where
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.comparison.hierarchy import Hierarchy
from cbramsim.simulator.energy.bill import Bill, Constant, Draws

DRAWS = Draws(4000, seed=1)


def constant(name, value=1.0, factor=1.0, evidence="assumed"):
    return Constant(
        name=name, value=value, low=value / factor, high=value * factor, unit="J",
        evidence=evidence, source="test",
    )  # fmt: skip


SHARED, OWN, FIXED = constant("shared", 2.0, 4), constant("own", 1.0, 9), constant("fixed", 5.0)


def approach(name, training, inference=None, family="our array", **more):
    return Approach(name, family, 0.94, None, training, inference, **more)


def test_what_both_sides_share_cancels_in_a_ratio_and_what_they_do_not_stays():
    above, below = Bill().add("array read", 30, SHARED), Bill().add("array read", 3, SHARED)
    assert ratio(above, below, DRAWS) == pytest.approx((10, 10, 10))
    value, low, high = ratio(above, Bill().add("array read", 6, OWN), DRAWS)
    assert value == 10
    assert low < 10 / 4
    assert high > 10 * 4


def test_the_interval_of_one_constant_is_that_of_its_logarithm():
    value, low, high = joules(Bill().add("arithmetic", 1, OWN), DRAWS)
    # central 90 % of a log-uniform factor between 1/9 and 9
    assert value == 1
    assert low == pytest.approx(9**-0.9, rel=0.05)
    assert high == pytest.approx(9**0.9, rel=0.05)


def test_a_claim_holds_where_its_value_is_in_range_and_says_how_often_and_why():
    first = claims.reading("x", Bill().add("a", 30, OWN), Bill().add("b", 1, FIXED), DRAWS)
    found = claims.factor_claim("device_factor", [first], "", DRAWS)
    assert found["value"] == 6  # 30 / 5, outside 10..100
    assert found["held"] is False
    assert found["low"] < 6 < found["high"]
    # 6 f >= 10 for f = 9^u, u uniform in -1..1, and never above 100
    expected = (1 - math.log(10 / 6, 9)) / 2
    assert found["share_of_draws_in_which_it_holds"] == pytest.approx(expected, abs=0.02)
    (mover,) = found["to_hold"]
    assert (mover["constant"], mover["evidence"]) == ("own", "assumed")
    assert mover["part_of_variance"] == pytest.approx(1)
    assert mover["median_where_it_holds"] > 10 / 6 > mover["median_elsewhere"]


def test_median_and_product_of_readings_are_taken_draw_by_draw():
    one = Bill().add("a", 1, FIXED)
    readings = [claims.reading(str(n), n * one, one, DRAWS) for n in (1, 3, 50)]
    middle = claims.median("median", readings)
    assert middle.estimate == Estimate(3, 3, 3)
    assert claims.product("both", middle, readings[2]).estimate == pytest.approx((150, 150, 150))
    found = claims.factor_claim(
        "total_factor", [claims.product("both", middle, readings[2])], "", DRAWS
    )
    assert found["held"] is True
    assert found["holds_in_all_of_the_interval"] is True
    assert found["to_hold"] == []


def test_parts_of_the_table_sum_to_the_total():
    bill = Bill().add("array read", 4, OWN).add("array write", 2, FIXED).add("array read", 1, FIXED)
    rows = tables.rows([approach("one", bill, bill * 0.5)], DRAWS)
    for phase in ("training", "inference"):
        parts = [row for row in rows if row["phase"] == phase]
        (total,) = (row["joules"] for row in parts if row["component"] == "total")
        assert sum(row["joules"] for row in parts) == pytest.approx(2 * total)
        assert all(row["low"] <= row["joules"] <= row["high"] for row in parts)


def test_the_nearest_alternative_is_of_another_family_and_nearest_in_the_logarithm():
    unit = Bill().add("a", 1, FIXED)
    mine = approach("mine", 10 * unit)
    near, far = (
        approach("near", 40 * unit, family="conventional"),
        approach("far", 1 * unit, family="low precision"),
    )
    kin = approach("kin", 11 * unit)
    none = approach("none", None, family="neuromorphic chip")
    assert nearest_alternative(mine, [mine, kin, far, none, near], "training") is near
    assert nearest_alternative(mine, [mine, kin], "training") is None


def test_joules_to_reach_an_accuracy_are_a_part_of_the_bill_or_none():
    one = approach("one", Bill().add("a", 8, FIXED), shares={0.9: 0.25, 0.93: None})
    assert one.to_reach(0.9).joules == 10
    assert one.to_reach(0.93) is None
    assert one.to_reach(0.95) is None


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1x"), (12.34, "12.3x"), (4567.8, "4,570x"), (1 / 340, "1/340")]
)
def test_ratios_are_written_as_people_read_them(value, text):
    assert times(value) == text


def test_draws_do_not_depend_on_the_order_in_which_constants_are_asked_for():
    one, other = Draws(50), Draws(50)
    one.factor(SHARED)
    assert np.array_equal(one.factor(OWN), other.factor(OWN))


def second_task(warm: list[tuple[float, float]], cold: list[tuple[float, float]]) -> dict[str, Any]:
    """Return a record whose curves have these (joules, accuracy); naming costs 2 J."""
    return {
        "pretrain_joules": 30.0,
        "curves": {
            start: [
                {"images": n, "joules": joules, "naming_joules": 2.0, "accuracy": accuracy}
                for n, (joules, accuracy) in enumerate(curve)
            ]
            for start, curve in (("warm", warm), ("cold", cold))
        },
    }


def test_a_warm_start_pays_for_the_new_names_of_its_neurons():
    record = second_task([(0, 0.8), (4, 1.0)], [(0, 0.1), (18, 0.9)])
    found = findings.all_claims({"second task,x": [record]}, [], DRAWS, quick=True)
    (saving,) = (claim for claim in found if claim["name"] == "warm_start_saving:x")
    assert saving["value"] == pytest.approx((18 + 2) / (2 + 2))
    assert saving["break_even_uses"] == pytest.approx(30 / (20 - 4))


def test_a_start_that_is_good_enough_at_once_saves_a_finite_factor():
    record = second_task([(0, 0.95), (4, 0.96)], [(0, 0.1), (18, 0.9)])
    found = findings.all_claims({"second task,x": [record]}, [], DRAWS, quick=True)
    (saving,) = (claim for claim in found if claim["name"] == "warm_start_saving:x")
    assert saving["value"] == pytest.approx(10)


def array_record(joules: float = 1.0, **more: Any) -> dict[str, Any]:
    """Return what an array found, 100 images learned and named."""
    bill = Bill().add("array write", joules, FIXED).to_dict()
    point = {"images": 100, "joules": joules, "naming_joules": 0.0, "accuracy": 0.9}
    return {
        "accuracy": 0.9, "presented": 100, "tested": 10, "curve": [point], "training": bill,
        "inference": bill, "shape": [2, 5], "windows": 2, "window": 0.01,
    } | more  # fmt: skip


def test_a_job_that_failed_takes_its_rungs_with_it_and_nothing_else():
    records = {"array,dense": [array_record()], "array,unpruned": [array_record()]}
    names = [one.name for one in rungs.approaches(records, FULL, Footprint())]
    assert names == ["subquantum-cbram, not pruned"]
    records |= {"array,exact": [array_record()]}
    names = [one.name for one in rungs.approaches(records, FULL, Footprint())]
    assert "subquantum-cbram, every cell updated" in names


def test_without_a_baseline_there_is_still_a_report(tmp_path):
    summary = {"ladder": [], "claims": [], "verdict": "", "conversions": "none"}
    failure = Failure("perceptron,fp32,seed=0", "no memory")
    report = Findings(tmp_path, "", summary, {}, [failure]).report()
    assert "failed  perceptron,fp32,seed=0: no memory" in report


def counted(images: int) -> dict[str, dict[str, float]]:
    """Return a phase of a ledger in which 5 neurons competed twice for each image."""
    return {"neuron_update": {"count": 2 * 5 * images}, "cell_read": {"count": 30 * images}}


def soft_record() -> dict[str, Any]:
    """Return a record of 300 images learned for 10 J, 100 named for 2 J, and 10 recognised."""
    curve = [
        {"images": n, "joules": joules, "naming_joules": 0.2, "accuracy": accuracy}
        for n, joules, accuracy in ((60, 4.0, 0.90), (300, 10.0, 0.94))
    ]
    ledger = {"train": counted(300), "label": counted(100), "test": counted(10)}
    return array_record(12.0, presented=300, curve=curve, ledger=ledger)


def test_energy_to_an_accuracy_is_that_of_the_curve_though_all_of_training_names_with_more():
    by_name = {
        one.name: one
        for one in rungs.approaches({"array,soft": [soft_record()]}, FULL, Footprint())
    }
    ours = by_name["subquantum-cbram, soft-pruned 75 %"]
    assert ours.to_reach(0.90).joules == pytest.approx(4.2)
    # on machines that pay by event: 60 images to learn and 100 that name, of 300 and 100
    elsewhere = by_name["spiking network, 8-bit accelerator"]
    share = (60 + 100) / (300 + 100)
    assert elsewhere.to_reach(0.90).joules == pytest.approx(share * elsewhere.training.joules)


def test_images_cost_the_same_to_read_on_an_accelerator_and_for_an_array_fed_from_memory():
    by_name = {
        one.name: one
        for one in rungs.approaches({"array,soft": [soft_record()]}, FULL, Footprint())
    }
    level = Hierarchy.load(digital.HIERARCHY).levels[1]  # 100 images of 784 bytes
    one_image = 2 * level.energy_per_byte.value
    ours, fed = by_name["subquantum-cbram, soft-pruned 75 %"], by_name[rungs.FROM_MEMORY]
    assert fed.training.joules - ours.training.joules == pytest.approx(400 * one_image)
    assert fed.inference.of(level.name).joules == pytest.approx(one_image)
    elsewhere = by_name["spiking network, 8-bit accelerator"]
    assert elsewhere.inference.of(level.name).joules == pytest.approx(one_image)


def test_a_job_that_fails_leaves_no_record_of_earlier_settings(tmp_path):
    job = jobs.Job("array,soft", 0, KINDS["array"], {"unknown": 1})
    (tmp_path / jobs.FOLDER).mkdir()
    earlier = {"version": "0", "settings": {}, "seconds": 1.0, "found": array_record()}
    (tmp_path / jobs.FOLDER / f"{job.name}.json").write_text(json.dumps(earlier))
    done = jobs.carry_out([job], tmp_path, Where(workers=1, quiet=True, force=True))
    assert [failure.name for failure in done.failures] == [job.name]
    assert done.records == {}


def test_the_story_has_both_ends_of_each_family():
    def approach(name: str, family: str, joules: float, accuracy: float) -> Approach:
        bill = Bill().add("arithmetic", joules, FIXED)
        return Approach(name, family, accuracy, None, bill, None)

    chips = [approach(f"chip {n}", "neuromorphic chip", n + 1.0, 0.5) for n in range(20)]
    others = [approach("ours", "our array", 0.1, 0.9), approach("best", "low precision", 2, 0.99)]
    base = approach("base", "conventional", 50.0, 0.8)
    names = [one.name for one in told([base, *chips, *others], ("base", "ours"))]
    assert len(names) == MOST_ROWS
    assert {"base", "ours", "best", "chip 0", "chip 19"} <= set(names)
    assert names == [one.name for one in [base, *chips, *others] if one.name in names]
