"""Comparison, attribution and robustness: plans, what is computed from runs, and small runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments.cli import main
from cbramsim.experiments.device_studies import attribution, comparison, overhead, robustness
from cbramsim.experiments.device_studies.changes import all_spreads
from cbramsim.experiments.device_studies.claims import aged_case, claims
from cbramsim.experiments.device_studies.overhead import Overhead, loaded
from cbramsim.experiments.device_studies.sensitivity import (
    FACTORS,
    UNCHANGED,
    sensitivity_cases,
    tornado,
)
from cbramsim.experiments.study.runner import Where
from cbramsim.experiments.study.table import Cases, tidy

CBRAM = Device.load("subquantum-cbram")
SMALL: dict[str, Any] = {
    "epochs": 1, "neurons": 10, "inputs": 60, "train_images": 300, "test_images": 100,
    "pruning": {"mature_spikes": 60},
}  # fmt: skip
HERE = Where(workers=1, quiet=True)


def row(case: str, seed: int = 0, **facts: Any) -> dict[str, Any]:
    joules = facts.pop("train_joules", 1.0)
    return {
        "case": case, "seed": seed, "accuracy": 0.9, "train_joules": joules, "write_pulses": 1,
        "array_joules": joules, "write_joules": joules, "inference_joules": joules,
    } | facts  # fmt: skip


# ---- plans -------------------------------------------------------------------------------------


def test_all_spreads_are_all_of_them() -> None:
    changes = all_spreads(CBRAM, 0.5)
    spreads = {key for key in Device.physical_parameters() if key.endswith("_d2d")}
    assert set(changes) == spreads - {"pulses_d2d"}, "that of both polarities together"
    assert changes["g_max_d2d"] == 0.5
    assert changes["nonlinearity_down_d2d"] == pytest.approx(0.5 * 1.2455)
    CBRAM.replace(**changes)


def test_every_assumed_parameter_with_a_size_is_changed_by_every_factor_that_is_physics() -> None:
    cases = sensitivity_cases(CBRAM, {})
    changed = {case.facts["parameter"] for case in cases} - {""}
    assumed = {
        key for key in CBRAM.stated_parameters()
        if CBRAM.evidence(key).evidence == "assumed" and getattr(CBRAM, key) != 0
    }  # fmt: skip
    assert changed == assumed - {"retention_celsius"} | {"g_min and g_max"}
    factors = {
        name: [case.facts["factor"] for case in cases if case.facts["parameter"] == name]
        for name in changed
    }
    assert factors["v_set"] == list(FACTORS)
    assert factors["g_min"] == list(FACTORS[:3]), "ten times g_min is g_max"
    assert factors["g_min and g_max"] == list(FACTORS)


def test_a_device_with_everything_has_every_behaviour_and_the_same_steps() -> None:
    full = loaded(CBRAM)
    off = set(Device.physical_parameters()) - set(full.behaviours)
    required = {key for key in off if Device.model_fields[key].is_required()}
    assert off - required <= {
        "nonlinearity_up", "nonlinearity_down", "exponent_up", "exponent_down", "g_quantum",
        "flicker_duty", "drift_start", "retention_exponent", "g_relaxed", "c_gate",
        "v_switch",  # of passive arrays; this one has transistors
        "level_radix",  # its levels lie evenly
        "slope_up", "slope_down", "factor_up", "factor_down", "rate_up", "rate_down",
        "stuck_mid", "g_min_d2d_of_window", "g_max_d2d_of_window",  # as their likes
        "read_1f", "read_1f_width", "read_1f_start",  # it flickers instead
        "step_c2c_of_step", "write_c2c",
        "drift_by_state", "drift_spread_by_state", "program_noise",
        "relaxation_shift", "relaxation_spread", "relaxation_times", "relaxation_states",
        "relaxation_sigmas",
    }  # fmt: skip
    g = np.linspace(CBRAM.g_min, CBRAM.g_max, 17)
    np.testing.assert_allclose(full.step_up(g), CBRAM.step_up(g), rtol=1e-6)
    np.testing.assert_allclose(full.step_down(g), CBRAM.step_down(g), rtol=1e-6)


def test_imperfections_are_the_behaviours_of_a_device() -> None:
    present = attribution.imperfections(CBRAM)
    assert list(present) == [
        "spread of the window", "spread of the steps", "nonlinear steps", "pulse noise",
        "read noise", "relaxation", "wear",
    ]  # fmt: skip
    off = {"noise of writes", "movement after programming"}
    assert set(attribution.imperfections(loaded(CBRAM))) == set(attribution.IMPERFECTIONS) - off
    known = {key for keys in attribution.IMPERFECTIONS.values() for key in keys}
    assert known <= set(Device.physical_parameters())


def test_switching_all_imperfections_on_again_is_the_device() -> None:
    present = attribution.imperfections(CBRAM)
    cases = {c.name: c for c in attribution.attribution_cases("x", CBRAM, present)}
    assert len(cases) == 2 + 2 * len(present)
    bare = CBRAM.replace(
        **{k.removeprefix("cell."): v for k, v in cases["without any"].changes.items()
           if k != "device"}
    )  # fmt: skip
    assert not attribution.imperfections(bare)
    whole = bare.replace(**{key: v for values in present.values() for key, v in values.items()})
    assert whole.behaviours == CBRAM.behaviours


# ---- what is computed from runs ----------------------------------------------------------------


def test_the_tornado_is_in_factors_and_ordered_by_range() -> None:
    rows = [
        row(UNCHANGED, parameter="", factor=1.0, train_joules=2.0),
        row("a x 3", parameter="a", factor=3.0, train_joules=3.0),
        row("a x 0.333", parameter="a", factor=1 / 3, train_joules=1.0, accuracy=0.85),
        row("b x 10", parameter="b", factor=10.0, train_joules=20.0),
    ]
    effects = tornado(Cases(tidy(rows)))
    assert [effect["parameter"] for effect in effects] == ["b", "a"]
    found = {change["factor"]: change for change in effects[1]["changes"]}
    assert found[3.0]["train_joules"] == pytest.approx(1.5)
    assert found[1 / 3]["accuracy"] == pytest.approx(-0.05)


def test_claims_are_computed_from_the_runs() -> None:
    rows = [
        row(device, seed, train_joules=joules * (1 + 0.1 * seed), accuracy=accuracy)
        for device, joules, accuracy in (("ref", 1.0, 0.94), ("good", 30.0, 0.9), ("bad", 5.0, 0.6))
        for seed in (0, 1)
    ]
    spread = [
        row(f"spread={s:g}", seed, accuracy=a) for s, a in ((0.0, 0.94), (0.5, 0.93))
        for seed in (0, 1)
    ]  # fmt: skip
    entries = [
        {
            "device": name, "accuracy": (accuracy, 0.0), "assumed": 1, "stated": 2,
            "assumed_energy": [], "ratio": dict.fromkeys(
                ("array_joules", "write_joules", "inference_joules"), 1.0),
        }
        for name, accuracy in (("ref", 0.94), ("good", 0.9), ("bad", 0.6))
    ]  # fmt: skip
    effects = [
        {"parameter": "v", "changes": [
            {"factor": 3.0, "train_joules": 4.0}, {"factor": 1 / 3, "train_joules": 0.5},
            {"factor": 10.0, "train_joules": 40.0},
        ]}
    ]  # fmt: skip
    entries[1]["assumed"], entries[1]["stated"] = 3, 10
    for kind, accuracy in (("none", 0.5), ("global", 0.88), ("column", 0.895)):
        rows += [row(aged_case("good", kind), seed, accuracy=accuracy) for seed in (0, 1)]
    aged = [{"device": "good", "none": (0.5, 0), "global": (0.88, 0), "column": (0.895, 0)}]
    made = claims(
        Cases(tidy(rows)), Cases(tidy(spread)), entries, aged, effects, Overhead(2.0, 2.2, 2.6)
    )
    found = {claim["name"]: claim for claim in made}
    assert found["devices_over_85"]["value"] == 2
    assert not found["devices_over_85"]["held"], "2 of 3 are fewer than 80 %"
    assert found["loss_at_50_percent_d2d"]["value"] == pytest.approx(0.01)
    assert found["behaviour_overhead"]["value"] == pytest.approx(1.3)
    ratio = found["energy_ratio_to_subquantum:good"]
    assert ratio["value"] == pytest.approx(30)
    assert ratio["interval"] == pytest.approx((30 / 4, 30 / 0.5)), "within a factor of 3 only"
    assert ratio["within_10_to_100"]
    assert "energy_ratio_to_subquantum:ref" not in found
    measured = found["measured_devices_within_10_to_100"]
    assert measured["ratios"] == {"good": pytest.approx(30)}, "half of bad is assumed"
    assert measured["held"]
    lost = found["loss_after_a_day_compensated:good"]
    assert (lost["value"], lost["compensation"]) == (pytest.approx(0.005), "column")
    assert lost["uncompensated"] == 0.5


def test_attribution_pairs_runs_of_the_same_seed_and_ranks_them() -> None:
    rows = []
    for seed, noise in ((0, 0.0), (1, 0.01)):
        base = 0.95 + noise
        rows += [
            row("as it is", seed, accuracy=base - 0.05),
            row("without any", seed, accuracy=base),
            row("big on", seed, accuracy=base - 0.04, train_joules=2.0),
            row("big off", seed, accuracy=base - 0.01),
            row("none on", seed, accuracy=base),
            row("none off", seed, accuracy=base - 0.05),
        ]
    present = {"none": {"n": 1}, "big": {"b": 1}}
    found = attribution.attribute("x", present, Cases(tidy(rows)))
    assert [effect["imperfection"] for effect in found["effects"]] == ["big", "none"]
    big = found["effects"][0]
    assert big["alone"]["accuracy_loss"] == pytest.approx(0.04)
    assert big["alone"]["accuracy_loss_spread"] == pytest.approx(0)
    assert big["among"]["accuracy_loss"] == pytest.approx(0.04)
    assert big["alone"]["energy_factor"] == pytest.approx(2)
    assert found["warnings"] == ["none (n) had no effect in these runs"]


# ---- small runs --------------------------------------------------------------------------------


def test_a_small_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "STEPS", 1)
    monkeypatch.setattr(overhead, "REPETITIONS", 2)
    done = comparison.run(
        SMALL, tmp_path / "c", devices=["ag-a-si", "hzo-fefet"], seeds=2, sensitivity=False,
        at=HERE,
    )  # fmt: skip
    with (tmp_path / "c" / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(r["device"], r["seed"]) for r in rows} == {
        (d, s) for d in ("subquantum-cbram", "ag-a-si", "hzo-fefet") for s in "01"
    }
    needed = {"accuracy", "train_joules", "inference_joules", "write_pulses", "programming"}
    assert needed <= set(rows[0])
    summary = json.loads((tmp_path / "c" / "summary.json").read_text())
    names = {claim["name"] for claim in summary["claims"]}
    assert names == {
        "devices_over_85", "loss_at_50_percent_d2d", "behaviour_overhead",
        "energy_ratio_to_subquantum:ag-a-si", "energy_ratio_to_subquantum:hzo-fefet",
    }  # fmt: skip
    for claim in summary["claims"]:
        assert {"value", "spread", "unit", "target", "held", "evidence"} <= set(claim)
    assert (tmp_path / "c" / "devices.png").is_file()
    silver = next(e for e in summary["devices"] if e["device"] == "ag-a-si")
    ours = [float(r["train_joules"]) for r in rows if r["device"] == "subquantum-cbram"]
    theirs = [float(r["train_joules"]) for r in rows if r["device"] == "ag-a-si"]
    assert silver["ratio"]["train_joules"] == pytest.approx(np.mean(np.divide(theirs, ours)))
    assert "ag-a-si" in done.report()
    tried = sorted((tmp_path / "c" / "programming" / "runs").iterdir())
    assert len(tried) == 3 * len(comparison.METHODS)
    for folder in tried:
        scored_on = json.loads((folder / "metrics.json").read_text())["scored_on"]
        assert scored_on == "validation", "a method is chosen without the test set"


def test_a_small_attribution_warns_of_what_has_no_effect(tmp_path: Path) -> None:
    found = attribution.run("subquantum-cbram", SMALL, tmp_path / "a", seeds=1, at=HERE)
    assert any("wear" in warning for warning in found.summary["warnings"])
    noise = next(e for e in found.summary["effects"] if e["imperfection"] == "pulse noise")
    assert noise["alone"]["energy_factor"] != 1
    for name in ("runs.csv", "summary.json", "attribution.png"):
        assert (tmp_path / "a" / name).is_file()
    again = attribution.run("subquantum-cbram", SMALL, tmp_path / "a", seeds=1, at=HERE)
    assert again.summary == found.summary


def test_small_robustness_curves(tmp_path: Path) -> None:
    command = [
        "robustness", "--curves", "levels,retention", "--seeds", "1", "--workers", "1", "--quiet",
        "--out", str(tmp_path / "r"), "--set", "neurons=10", "--set", "inputs=60",
        "--set", "train_images=300", "--set", "test_images=100", "--set", "epochs=1",
    ]  # fmt: skip
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    curves = json.loads((tmp_path / "r" / "summary.json").read_text())["curves"]
    assert [p["value"] for p in curves["levels"]] == [2, 3, 4, 6, 8, 16, 32, 64, 128, 256]
    assert len(curves["retention"]) == 6
    assert (tmp_path / "r" / "robustness.png").is_file()


@pytest.mark.parametrize(
    ("study", "message"),
    [
        (lambda out: comparison.run({"seed": 1}, out), "seed is varied by the study"),
        (lambda out: comparison.run({}, out, programming="best"), "must be one of auto, stochastic"),
        (lambda out: comparison.run({}, out, devices=["pcmoo"]), "did you mean 'pcmo'"),
        (lambda out: robustness.run("pcmo", {}, out, curves=["level"]), "did you mean 'levels'"),
        (lambda out: robustness.run("pcmo", {"wait": 1.0}, out), "wait is varied by the study"),
        (lambda out: attribution.run("ideal", {}, out), "ideal has no imperfection"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(study: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as error:
        study(tmp_path / "x")
    assert message in str(error.value)
    assert not (tmp_path / "x").exists()
