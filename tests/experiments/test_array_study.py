"""The study of the array: its plan, its claims, and a small run of the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import ParameterError
from cbramsim.experiments.array_studies import array
from cbramsim.experiments.array_studies.array_claims import claims
from cbramsim.experiments.array_studies.array_costs import Trained, product_costs, product_errors
from cbramsim.experiments.array_studies.array_figures import COMPONENT_COLOURS
from cbramsim.experiments.array_studies.array_plan import FULL, QUICK, Scope, cases, layouts
from cbramsim.experiments.cli import main
from cbramsim.experiments.study.table import Cases, tidy
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Operation
from tests.experiments.test_device_studies import CBRAM

SPEED = {
    "100": {
        f"{kind}_{what}": value
        for kind, ratio in (("absolute", 3.0), ("relative", 3.5))
        for what, value in (
            ("ratio", ratio), ("nonideal_ratio", 9.0), ("error_mean", -0.001),
            ("error_deviation", 0.998), ("error_kurtosis", 0.01),
        )
    }
}  # fmt: skip
PROGRAMMING = {"yield": 0.9, "mean_pulses": 20.0}


def row(case: str, seed: int, accuracy: float, joules: float = 1.0, adc: float = 0.5) -> Any:
    return {
        "case": case, "seed": seed, "accuracy": accuracy, "train_joules": joules,
        "train_ADC_joules": adc,
    }  # fmt: skip


def claimed(rows: list[Any], scope: Scope = FULL) -> dict[str, Any]:
    made = claims(Cases(tidy(rows)), TrainConfig(), scope, SPEED, PROGRAMMING)
    return {claim["name"]: claim for claim in made}


# ---- plan --------------------------------------------------------------------------------------


def test_every_operation_is_in_one_component() -> None:
    found = [operation for part in array.COMPONENTS.values() for operation in part]
    assert sorted(found) == sorted(Operation)
    assert set(COMPONENT_COLOURS) == set(array.COMPONENTS)


def test_what_is_cut_in_the_same_way_is_learned_once() -> None:
    assert layouts(TrainConfig())["512 x 1024"] == "one array"
    large = layouts(TrainConfig(inputs=784))
    assert large["512 x 1024"] == "512 x 1024", "784 word lines are on two arrays"
    names = [case.name for case in cases(TrainConfig(), FULL)]
    assert len(names) == len(set(names)) == 1 + 3 * 8 + 6 + 2 * 5 + 1
    small = [case.name for case in cases(TrainConfig(inputs=60, neurons=60), QUICK)]
    assert "one array,adc=4" in small
    assert "128 x 128,adc=4" not in small


# ---- claims ------------------------------------------------------------------------------------


def test_bits_needed_are_the_fewest_that_lose_nothing() -> None:
    scope = FULL._replace(adc_bits=(3, 4, 5, 6))
    accuracies = {3: 0.90, 4: 0.93, 5: 0.938, 6: 0.941}
    rows = [row("no converter", 0, 0.942)] + [
        row(f"128 x 128,adc={bits}", 0, a) for bits, a in accuracies.items()
    ]
    found = claimed(rows, scope)
    assert found["adc_bits_needed"]["value"] == 5
    assert found["adc_bits_needed"]["losses"][4][0] == pytest.approx(0.012)
    assert found["adc_energy_share"]["value"] == pytest.approx(0.5)
    low, high = found["adc_energy_share"]["interval"]
    assert low <= 0.5 < high
    for one in rows[1:]:
        one["accuracy"] = 0.5
    assert "adc_bits_needed" not in claimed(rows, scope)


def test_claims_of_binary_cells_are_paired_by_seed() -> None:
    rows = [
        row("no converter", 0, 0.94, 3.0), row("no converter", 1, 0.92, 3.0),
        row("binary=2,summed", 0, 0.93, 1.5, 1.0), row("binary=2,summed", 1, 0.93, 1.0, 0.5),
        row("binary=2,sensed", 0, 0.93, 6.0),
    ]  # fmt: skip
    found = claimed(rows)
    assert found["binary_2bit_accuracy"]["value"] == pytest.approx(0.93)
    assert found["binary_2bit_loss"]["value"] == pytest.approx(0.0)
    assert found["binary_2bit_loss"]["spread"] == pytest.approx(0.02 / np.sqrt(2))
    energy = found["analog_over_binary_energy"]
    assert energy["value"] == pytest.approx((2 + 3) / 2)
    assert energy["over_sensed"] == pytest.approx(0.5)
    assert energy["by_source"]["isaac"] == pytest.approx(energy["value"])
    assert energy["by_source"]["survey-median"] < energy["value"], "dearer than ISAAC's"


def test_the_product_is_judged_by_the_worse_kind_of_noise() -> None:
    found = claimed([])["noisy_adc_product_ratio"]
    assert found["value"] == 3.5
    assert found["held"]
    assert found["target"] == 4
    assert found["error"] == pytest.approx({"mean": 0.001, "deviation": 0.002, "kurtosis": 0.01})
    assert claimed([])["write_verify_yield"]["value"] == 0.9


# ---- a product ---------------------------------------------------------------------------------


@pytest.fixture
def trained() -> Trained:
    rng = np.random.default_rng(0)
    weights, inputs = rng.uniform(-1, 1, (150, 20)), rng.random((10, 150))
    return Trained(CBRAM, Periphery.load("cmos-28nm"), weights, inputs)


def test_finer_converters_err_less_and_only_an_offset_suffers_from_a_common_loss(
    trained: Trained,
) -> None:
    rows = product_errors(trained, (4, 8, 12))
    found = {(r["tile"], r["reference"], r["adc_bits"], r["disturbance"]): r["error"] for r in rows}
    tile, low = "512 x 1024", "all currents 1 % low"
    for scheme in ("column", "pair", "offset"):
        errors = [found[tile, scheme, bits, "none"] for bits in (4, 8, 12)]
        assert errors[0] > 4 * errors[1] > 16 * errors[2]
        worse = found[tile, scheme, 8, "offset, INL, DNL of 0.5 LSB"]
        assert worse > 1.2 * errors[1]
    for scheme in ("column", "pair"):
        assert found[tile, scheme, 12, low] == pytest.approx(
            found[tile, scheme, 12, "none"], rel=0.2
        )
    # The result is low by 1 % of g_mid sum V, whose spread over images remains.
    assert found[tile, "offset", 12, low] > 3 * found[tile, "offset", 12, "none"]


def test_cells_take_the_energy_of_their_reads(trained: Trained) -> None:
    """One read by amplitude, by hand: sum of V² G t over the cells and the reference column."""
    _, parts = product_costs(trained, (8,), "isaac")
    cells = next(
        p for p in parts
        if (p["part"], p["reference"], p["quantity"]) == ("cells", "column", "energy (J)")
    )  # fmt: skip
    codes = np.rint(trained.inputs * 255).astype(int)
    ones = np.array([[bin(code).count("1") for code in image] for image in codes])
    g = CBRAM.g_min + 0.5 * (trained.weights + 1) * CBRAM.g_range
    per_row = g.sum(axis=1) + 0.5 * (CBRAM.g_min + CBRAM.g_max)
    joules = (ones @ per_row).mean() * CBRAM.v_read**2 * CBRAM.t_read
    assert cells["total"] == pytest.approx(joules, rel=1e-4)


# ---- a small run -------------------------------------------------------------------------------


SMALL = [
    "--quick", "--seeds", "1", "--workers", "1", "--quiet", "--set", "train_images=300",
    "--set", "validation_images=100", "--set", "neurons=10", "--set", "inputs=150",
]  # fmt: skip


def run(out: Path, *more: str) -> Any:
    done = CliRunner().invoke(main, ["array", "--out", str(out), *SMALL, *more])
    assert done.exit_code == 0, done.output
    return done


def test_a_small_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programmed = array.programming_study(CBRAM)
    monkeypatch.setattr(array, "programming_study", lambda device: programmed)
    printed = json.loads(run(tmp_path / "a", "--json").stdout)
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert printed == summary
    for name in ("converters", "components", "binary", "programming"):
        assert (tmp_path / "a" / f"{name}.png").is_file()
    with (tmp_path / "a" / "runs.csv").open() as file:
        rows = {r["case"]: r for r in csv.DictReader(file)}
    for found in rows.values():
        for phase in ("train", "test"):
            parts = [
                float(found[f"{phase}_{part.replace(' ', '_')}_joules"])
                for part in array.COMPONENTS
            ]
            assert sum(parts) == pytest.approx(float(found[f"{phase}_joules"]), rel=1e-12)
    assert float(rows["128 x 128,adc=8"]["train_ADC_joules"]) == pytest.approx(
        2 * float(rows["one array,adc=8"]["train_ADC_joules"])
    ), "150 word lines are on two tiles"
    claim = next(c for c in summary["claims"] if c["name"] == "binary_2bit_accuracy")
    assert claim["value"] == float(rows["binary=2,summed"]["accuracy"])
    assert summary["size"] == {
        "train_images": 200, "epochs": 1, "seeds": 1, "scored_images": 100,
        "scored_on": "validation",
    }  # fmt: skip
    with (tmp_path / "a" / "parts.csv").open() as file:
        parts = list(csv.DictReader(file))
    assert {"derived", "assumed", "none"} <= {part["evidence"] for part in parts}
    metrics = sorted((tmp_path / "a" / "learning" / "runs").glob("*/metrics.json"))
    before = [path.stat().st_mtime_ns for path in metrics]
    monkeypatch.setattr(array.Findings, "write", lambda found, figures: None)
    report = run(tmp_path / "a").stdout
    assert [path.stat().st_mtime_ns for path in metrics] == before, "nothing is done twice"
    assert "200 images learned" in report
    assert "noisy_adc_product_ratio" in report
    assert "| 128 x 128 | pair |" in report


@pytest.mark.parametrize("key", ["readout.adc_bits=6", "binary.bits=2", "seed=1"])
def test_what_the_study_varies_is_refused(key: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["array", "--out", str(tmp_path / "x"), "--set", key])
    assert done.exit_code == 2
    assert f"{key.split('=')[0]} is varied by the study" in done.output
    with pytest.raises(ParameterError, match=r"adc_source: must be one of isaac"):
        array.run({"readout": {"adc_source": "isac"}}, tmp_path / "x", quick=True)
    assert not (tmp_path / "x").exists()
