"""The published table: a made-up one from known coefficients is recovered, wrong ones refused."""

import csv
import zipfile

import numpy as np
import pytest

from cbramsim.errors import DataError, ParameterError
from cbramsim.simulator.digital.hierarchy import Hierarchy
from cbramsim.simulator.digital.layers import Layers, data_outputs, shaped
from cbramsim.simulator.digital.operations import batches, operations
from cbramsim.simulator.digital.published import (
    DATASETS,
    EPOCHS,
    REQUIRED,
    DataSet,
    errors,
    fit,
    load_runs,
    predictors,
)

CPU = Hierarchy.load("eagle-cpu")
TRUE = {"constant": 2e-3, "depth": 3e-4, "operations": 2e-10, "L1": 4e-10, "L2": 3e-10, "L3": 5e-11, "DRAM": 2e-10}  # fmt: skip
NAMES = ("adult", "connect_4", "sleep", "splice")


def table(path, rows, columns=REQUIRED):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def made_up_rows(noise=0.0, machine="False"):
    rng, rows = np.random.default_rng(5), []
    for name in NAMES:
        data = DATASETS[name]
        outputs = data_outputs(data.classes)
        for shape in ("rectangle", "exponential", "wide_first_4x"):
            for depth in (2, 3, 5, 10):
                for size in (2**11, 2**14, 2**17, 2**20, 2**23):
                    layers = shaped(shape, depth, data.inputs, outputs, size)
                    joules = sum(
                        TRUE[key] * value
                        for key, value in predictors(layers, data.observations, CPU).items()
                    )
                    learned = EPOCHS * batches(data.observations).train * 256
                    factor = np.exp(noise * rng.standard_normal())
                    rows.append(dict(zip(REQUIRED, (name, shape, depth, size, machine, joules * learned * factor), strict=True)))  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def rows():
    return made_up_rows()


def test_known_coefficients_are_recovered(rows, tmp_path):
    runs = load_runs(table(tmp_path / "runs.csv", rows))
    assert len(runs) == len(rows)
    found = fit(runs, "cpu")
    assert found.coefficients == pytest.approx(TRUE, rel=1e-6)
    assert found.held_out.mean_error < 1e-9
    assert found.held_out.within_20_percent == 1
    assert found.held_out.runs == pytest.approx(0.2 * len(rows), rel=0.5)
    run = runs[100]
    assert found.predict(run.layers, run.observations) == pytest.approx(run.joules)


def test_predictors_by_hand():
    """784 x 1000 x 10 on MNIST: P = 795,010; l fits L2, f and b L3, d no cache."""
    layers, n = Layers(widths=(784, 1000, 10)), 70_000
    values = predictors(layers, n, CPU)
    l, b = 1024 * 1784, 1024 * (1794 - 1784)  # noqa: E741
    # L2: l once. L3: two copies of 4 P + 8 P, and the rest of b. DRAM: a batch of the data set
    assert values["L1"] == 0
    assert values["L2"] == pytest.approx(l)
    assert values["L3"] == pytest.approx(2 * 12 * 795_010 + b)
    assert values["DRAM"] == pytest.approx(256 * 4 * 794)
    assert (values["constant"], values["depth"]) == (1, 2)
    one = operations(layers)
    # 56,000 of 70,000 are learned from in 219 batches, 14,000 recognised in 55
    assert values["operations"] == pytest.approx((one.total + one.forward * 55 / 219) / 256)


def test_noise_shows_in_the_errors_of_runs_that_were_held_out(tmp_path):
    found = fit(load_runs(table(tmp_path / "runs.csv", made_up_rows(noise=0.2))), "cpu")
    # |exp(-0.2 z) - 1| has a mean of about 0.2 sqrt(2/pi)
    assert found.held_out.mean_error == pytest.approx(0.16, abs=0.05)
    assert found.held_out.deviation == pytest.approx(0.2, abs=0.06)
    assert all(value >= 0 for value in found.coefficients.values())


def test_a_model_without_levels_is_worse_than_one_with_them(rows, tmp_path):
    """What the study is about: the hierarchy is needed to explain the energy."""
    runs = load_runs(table(tmp_path / "runs.csv", rows))
    flat = Hierarchy(name="flat", levels=[{"name": "DRAM", "capacity": "96 GiB"}])
    assert fit(runs, "cpu", hierarchy=flat).held_out.mean_error > 0.05


def test_runs_of_one_configuration_are_never_on_both_sides(rows, tmp_path):
    runs = load_runs(table(tmp_path / "runs.csv", rows * 3))
    found = fit(runs, "cpu")
    assert found.held_out.runs % 3 == 0
    assert found.held_out.runs + found.fitted.runs == 3 * len(rows)


def test_energy_per_datum_is_that_of_the_authors(tmp_path):
    row = dict(zip(REQUIRED, ("splice", "rectangle", 3, 4096, "True", 7.0), strict=True))
    (run,) = load_runs(table(tmp_path / "runs.csv", [row]))
    assert run.joules == pytest.approx(7 / (3000 * 10 * 256))  # 0.8 x 3188 = 2550.4
    assert (run.machine, run.layers.widths[0], run.layers.widths[-1]) == ("gpu", 60, 3)


def test_rows_that_the_authors_drop_are_dropped(rows, tmp_path):
    few = [row | {"filter": "False"} for row in rows[:6]]
    few[1]["filter"] = "True"
    few[2]["dataset"] = "505_tecator"
    few[3]["non_overhead_energy"] = -5
    path = table(tmp_path / "runs.csv", few, (*REQUIRED, "filter"))
    assert len(load_runs(path)) == 3
    with zipfile.ZipFile(tmp_path / "runs.csv.zip", "w") as archive:
        archive.write(path, "runs.csv")
    assert load_runs(tmp_path / "runs.csv.zip") == load_runs(path)


def test_data_sets_can_be_given(rows, tmp_path):
    path = table(tmp_path / "runs.csv", [rows[0] | {"dataset": "mine"}])
    with pytest.raises(DataError, match=r"runs.csv line 2: unknown data set 'mine'"):
        load_runs(path)
    (run,) = load_runs(path, {"mine": DataSet(20, None, 1000)})
    assert run.layers.widths[0] == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_gpu": "perhaps"}, r"line 2: is_gpu must be True or False \(got 'perhaps'\)"),
        ({"non_overhead_energy": "much"}, "line 2: could not convert"),
        ({"non_overhead_energy": "nan"}, "line 2: non_overhead_energy must be a number"),
        ({"shape": "rectangel"}, "line 2: shaped.shape: .*did you mean 'rectangle'"),
        ({"depth": 1}, "line 2: shaped.depth"),
        ({"non_overhead_energy": 0}, "has no usable runs"),
    ],
)
def test_wrong_rows_are_refused_by_line(rows, change, message, tmp_path):
    with pytest.raises(DataError, match=message):
        load_runs(table(tmp_path / "runs.csv", [rows[0] | change]))


def test_wrong_files_are_refused(rows, tmp_path):
    path = table(tmp_path / "runs.csv", rows, REQUIRED[:-1])
    with pytest.raises(DataError, match=r"must have the columns .*\(missing non_overhead_energy\)"):
        load_runs(path)
    with pytest.raises(DataError, match=r"absent.csv: No such file"):
        load_runs(tmp_path / "absent.csv")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme", "nothing")
    with pytest.raises(DataError, match=r"must hold one .csv file \(got 0\)"):
        load_runs(tmp_path / "empty.zip")


def test_too_few_configurations_are_refused(rows, tmp_path):
    runs = load_runs(table(tmp_path / "runs.csv", rows[:5]))
    with pytest.raises(DataError, match=r"cpu needs more configurations .*\(got 5\)"):
        fit(runs, "cpu")
    with pytest.raises(DataError, match=r"gpu needs .*\(got 0\)"):
        fit(runs, "gpu")
    with pytest.raises(ParameterError, match=r"fit.held_out: must be between 0 and 1 \(got 1\)"):
        fit(runs, "cpu", held_out=1)


def test_error_statistics_by_hand():
    assert errors(np.array([0.5, 1.0, 1.1, 1.4])) == pytest.approx(
        (1.0, np.sqrt((0.25 + 0.01 + 0.16) / 4), 0.25, 0.5, 4)
    )
