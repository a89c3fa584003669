"""The stand-in for measured nodes: its errors, its range, and what a run costs."""

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.butter_e import (
    GPU_BY_DEPTH,
    MEDIANS,
    OVERHEAD,
    energy_per_datum,
    model_errors,
    run_bill,
    stand_in_cpu,
    stand_in_gpu,
)
from cbramsim.simulator.energy.bill import Draws


def test_the_stand_ins_miss_the_digitised_medians_as_stated():
    cpu, gpu = model_errors()["cpu"], model_errors()["gpu"]
    assert (cpu.medians, gpu.medians) == (60, 20)
    assert cpu.mean == pytest.approx(0.073, abs=0.0005)
    assert gpu.mean == pytest.approx(0.023, abs=0.0005)
    assert (cpu.lowest, cpu.highest) == pytest.approx((0.76, 1.39), abs=0.005)
    assert 0.95 < gpu.lowest < 1 < gpu.highest < 1.1


def test_the_stand_ins_by_hand():
    assert stand_in_gpu(2**10, 7.3) == 11e-3
    assert stand_in_gpu(2**24, 17.3) == pytest.approx(13.06e-3 + 1.47e-9 * (2**24 - 2**19.6))
    assert stand_in_cpu(2**15, 8) == pytest.approx(
        (2.98 + 0.6064 + 0.845 * 8 / 2) * 1e-3 + 2.11e-9 * 2**15
    )


def test_the_table_is_consistent_with_what_the_authors_found():
    sizes = list(MEDIANS)
    assert sizes == list(range(5, 25))
    for row in MEDIANS.values():
        assert row.cpu_low < row.cpu < row.cpu_high
    cheaper = [size for size in sizes if MEDIANS[size].cpu < MEDIANS[size].gpu]
    assert cheaper == list(range(5, 18))  # CPU is cheaper up to 2^17 parameters
    small = [MEDIANS[size].gpu for size in sizes if size <= 20]
    assert max(small) / min(small) < 1.17  # flat within 8 % from 2^5 to 2^20
    at = MEDIANS[16].cpu_by_depth
    assert at[16] / at[4] == pytest.approx(2.6, abs=0.05)
    slope = (MEDIANS[24].gpu - MEDIANS[22].gpu) * 1e-3 / (2**24 - 2**22)
    assert 1.37e-9 < slope < 1.66e-9  # quartiles of the printed slope


def test_the_depth_term_holds_for_medians_over_all_sizes():
    """They are above 11.0 mJ by what the large networks add, the same at all depths."""
    excess = [mj - (11.0 + 0.206 * (depth - 7.3)) for depth, mj in GPU_BY_DEPTH.items()]
    assert np.ptp(excess) < 0.4


def test_a_cpu_at_depth_2_follows_the_table():
    for size, row in MEDIANS.items():
        assert energy_per_datum("cpu", 2**size, 2).value == pytest.approx(
            row.cpu_by_depth[2] * 1e-3
        )
    between = energy_per_datum("cpu", round(2**23.5), 2).value
    assert between == pytest.approx(np.sqrt(62.3e-3 * 119.7e-3), rel=1e-3)
    assert between > 2 * stand_in_cpu(2**23.5, 2)


def test_the_range_takes_in_every_median():
    for size, row in MEDIANS.items():
        for depth in (4, 8, 16):
            energy = energy_per_datum("cpu", 2**size, depth)
            median = row.cpu_by_depth[depth] * 1e-3
            assert energy.low * (1 - 1e-12) <= median <= energy.high * (1 + 1e-12)
            assert energy.evidence == "derived"
            assert "not the paper's model" in energy.source
    assert energy_per_datum("cpu", 10**4, 3).evidence == "assumed"


def test_a_run_costs_its_overhead_and_every_full_batch():
    # 80 % of 1000 is 800: 4 batches of 256
    per_datum = energy_per_datum("gpu", 10**5, 5)
    bill = run_bill("gpu", 10**5, 5, observations=1000, epochs=7)
    assert bill.joules == pytest.approx(271_560.24 + 7 * 4 * 256 * per_datum.value)
    assert list(bill.components()) == ["whole node"]
    draws = Draws(100)
    assert bill.sample(draws) == pytest.approx(
        OVERHEAD["gpu"].value + 7168 * per_datum.value * draws.factor(per_datum)
    )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("tpu", 10**4, 4), r"machine: must be one of cpu, gpu \(got 'tpu'\)"),
        (("cpu", 31, 4), r"energy_per_datum.parameters: must be 32 to 16777216.*got 31"),
        (("gpu", 2**24 + 1, 4), "energy_per_datum.parameters"),
        (("cpu", 10**4, 17), r"energy_per_datum.depth: must be 2 to 16 on a cpu.*got 17"),
        (("gpu", 10**4, 1), r"depth: must be 2 to 20 on a gpu"),
    ],
)
def test_networks_outside_the_study_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        energy_per_datum(*wrong)


def test_impossible_runs_are_refused():
    with pytest.raises(ParameterError, match=r"run_bill.epochs: .*got 0"):
        run_bill("cpu", 10**4, 4, 100, 0)
