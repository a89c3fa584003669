"""Sensitivity: indices of functions whose indices are known, ranges, limits, and a small study."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments import sensitivity, train
from cbramsim.experiments.cli import main
from cbramsim.experiments.device_studies.claims import MEASURED as MOSTLY
from cbramsim.experiments.sensitivity import closed_form, limits, plan, results
from cbramsim.experiments.sensitivity import indices as salib
from cbramsim.experiments.sensitivity.claims import claims
from cbramsim.experiments.sensitivity.closed_form import PRICES, coefficients, terms
from cbramsim.experiments.sensitivity.indices import Indices, Sample, indices, sample, whole_blocks
from cbramsim.experiments.sensitivity.plan import (
    AS_ASSUMED,
    CLAIM,
    MEASURED,
    PLACES,
    SETS,
    WAY,
    alone_cases,
    comparison_cases,
    sample_cases,
)
from cbramsim.experiments.sensitivity.ranges import RANGES, Range, as_markdown, ranges_of
from cbramsim.experiments.sensitivity.results import Question
from cbramsim.experiments.study.cases import configured
from cbramsim.experiments.study.runner import Where
from cbramsim.experiments.study.table import Cases, tidy
from tests.commands import ROOT

CBRAM = Device.load("subquantum-cbram")
SMALL: dict[str, Any] = {
    "neurons": 10, "inputs": 60, "train_images": 400, "validation_images": 100,
    "label_images": 200,
}  # fmt: skip
HERE = Where(workers=1, quiet=True)


# ---- indices -----------------------------------------------------------------------------------


def test_sobol_indices_of_ishigami_s_function() -> None:
    """Closed forms: Ishigami and Homma (1990), a = 7, b = 0.1, x from -pi to pi."""
    taken = sample("sobol", 3, 1024, seed=1)
    x = np.pi * (2 * taken.points.T - 1)
    found = indices(taken, np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0]))
    v1 = 0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2
    v2, v13 = 49 / 8, 0.01 * np.pi**8 * (1 / 18 - 1 / 50)
    whole = v1 + v2 + v13
    np.testing.assert_allclose(found.first, [v1 / whole, v2 / whole, 0], atol=0.03)
    np.testing.assert_allclose(
        found.total, [(v1 + v13) / whole, v2 / whole, v13 / whole], atol=0.03
    )
    assert found.blocks == 1024
    np.testing.assert_array_less(np.abs(found.first - [v1 / whole, v2 / whole, 0]), 0.05)
    assert (found.total_half > 0).all()


def test_a_product_of_powers_of_parameters_has_indices_in_closed_form() -> None:
    """Over log-uniform ranges, ln of prod x_i^p_i has V_i = (p_i ln(high_i / low_i))^2 / 12."""
    ranges = [Range("v", 0.5, 2.0, ""), Range("t", 1e-7, 1e-6, ""), Range("x", 3.0, 3.3, "")]
    powers = np.array([2.0, 1.0, 0.5])
    taken = sample("sobol", 3, 1024, seed=0)
    values = [[one.at(place) for one, place in zip(ranges, point, strict=True)]
              for point in taken.points]  # fmt: skip
    found = indices(taken, np.log10(np.prod(np.power(values, powers), axis=1)))
    parts = (powers * np.log([4.0, 10.0, 1.1])) ** 2
    np.testing.assert_allclose(found.total, parts / parts.sum(), atol=0.02)
    np.testing.assert_allclose(found.first, parts / parts.sum(), atol=0.05)
    assert list(found.ranking()) == [0, 1, 2]


def test_elementary_effects_of_a_plane_are_its_slopes() -> None:
    taken = sample("morris", 4, 5, seed=3)
    found = indices(taken, taken.points @ [3.0, -2.0, 0.0, 0.5] + 7)
    np.testing.assert_allclose(found.total, [3.0, 2.0, 0.0, 0.5], atol=1e-9)
    np.testing.assert_allclose(found.total_half, 0, atol=1e-9)
    assert found.first is None
    assert found.resolved() == 3, "all but the last"


@pytest.mark.parametrize(("method", "count"), [("morris", 3), ("sobol", 4)])
def test_the_same_seed_is_the_same_sample(method: Any, count: int) -> None:
    one, same, other = (sample(method, 5, count, seed).points for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.min() >= 0
    assert one.max() <= 1
    more = sample(method, 5, 2 * count, 1).points
    np.testing.assert_array_equal(more[: len(one)], one, "a larger sample goes on")


@pytest.mark.parametrize(("method", "block"), [("morris", 4), ("sobol", 5)])
def test_a_block_without_one_of_its_points_is_left_out(method: Any, block: int) -> None:
    taken = sample(method, 3, 8, seed=0)
    values = taken.points @ [1.0, 2.0, 3.0]
    values[2 * block + 1] = np.nan
    kept = whole_blocks(taken, values)
    assert list(np.flatnonzero(~kept)) == list(range(2 * block, 3 * block))
    found = indices(taken, values)
    assert found.blocks == 7
    assert list(found.ranking()) == [2, 1, 0]
    for one, other in zip(found, indices(taken, values), strict=True):
        np.testing.assert_array_equal(one, other)
    assert indices(taken, np.full(8 * block, np.nan)) is None
    flat = indices(taken, np.ones(8 * block))
    assert not flat.total.any(), "nothing to share out"


def test_a_ranking_is_resolved_as_far_as_intervals_do_not_touch() -> None:
    total = np.array([0.1, 0.5, 0.3, 0.09])
    half = np.array([0.02, 0.05, 0.05, 0.02])
    assert Indices(total, half, None, None, 9).resolved() == 2
    assert Indices(total, 10 * half, None, None, 9).resolved() == 0


# ---- ranges and plans --------------------------------------------------------------------------


def test_every_assumed_parameter_has_a_range_around_what_is_assumed_and_a_reason() -> None:
    assert {one.parameter for one in RANGES} == set(CBRAM.assumed_parameters())
    for one in ranges_of(CBRAM):
        assert one.reason
        assert 0 <= one.place(getattr(CBRAM, one.parameter)) <= 1
        for place in (-0.2, 0.0, 0.4, 1.0):
            assert one.place(one.at(place)) == pytest.approx(place)


def test_the_guide_has_the_ranges_that_are_used() -> None:
    assert as_markdown(CBRAM) in (ROOT / "docs" / "sensitivity.md").read_text()


def test_every_corner_of_the_ranges_is_physics() -> None:
    rng = np.random.default_rng(0)
    for corner in rng.integers(2, size=(200, len(RANGES))):
        CBRAM.replace(
            **{one.parameter: one.at(float(at)) for one, at in zip(RANGES, corner, strict=True)}
        )


def test_a_parameter_without_a_range_or_outside_of_it_is_refused() -> None:
    with pytest.raises(ParameterError, match="v_sinh of subquantum-cbram is assumed, and no range"):
        ranges_of(CBRAM.replace(v_sinh=0.3))
    with pytest.raises(ParameterError, match="must be within its range"):
        ranges_of(CBRAM.replace(v_set=3.0))


def test_a_run_for_each_point_and_what_is_no_physics_left_out() -> None:
    ranges = ranges_of(CBRAM)
    taken = sample("morris", len(ranges), 2, seed=0)
    cases = sample_cases(ranges, taken)
    assert len(cases) == len({case.name for case in cases}) == 2 * 23
    cells = {key for key in cases[0].changes if key.startswith("cell.")}
    assert cells == {f"cell.{one.parameter}" for one in ranges}
    by_name = {one.parameter: one for one in ranges}
    voltages = [case.facts["value"] for case in alone_cases(CBRAM, by_name["v_set"])]
    assert len(voltages) == PLACES
    assert (voltages[0], voltages[-1]) == (pytest.approx(0.25), pytest.approx(4.0))
    faults = [case.facts["value"] for case in alone_cases(CBRAM, by_name["stuck_low"])]
    assert min(faults) == 0, "no share is below"


def test_what_is_measured_is_what_the_comparison_calls_so() -> None:
    """But the second fit to one cell."""
    mostly = {
        name for name in Device.catalog() if Device.load(name).sourced_share >= MOSTLY
    } - {"hfo2-gong-fit"}  # fmt: skip
    assert set(MEASURED) == mostly
    assert len(SETS[CLAIM]) == 9
    assert len(comparison_cases()) == 14


# ---- limits ------------------------------------------------------------------------------------


def test_the_value_at_which_the_claim_fails_is_found_between_the_runs() -> None:
    one = Range("v_set", 0.5, 2.0, "")
    places = np.linspace(-0.5, 1.5, 9)
    curve = [(float(place), 20 * one.at(float(place)) ** -2.0) for place in places]
    found = limits.alone(one, CBRAM, curve)
    assert found["holds"]
    assert found["low"] == pytest.approx(0.2**0.5), "100 = 20 / v^2"
    assert found["high"] == found["high_factor"] == pytest.approx(2**0.5), "10 = 20 / v^2"
    flat = limits.alone(one, CBRAM, [(place, 50.0) for place, _ in curve])
    assert (flat["low"], flat["high"], flat["looked_to"]) == (None, None, pytest.approx(4.0))
    assert not limits.alone(one, CBRAM, [(place, 5.0) for place, _ in curve])["holds"]


def test_shares_count_samples_by_the_value_of_a_parameter() -> None:
    points = (np.arange(80.0)[:, None] + 0.5) / 80
    taken = Sample("sobol", points, 10)
    ratio = np.where(points[:, 0] < 0.5, 50.0, 5.0)
    ratio[0] = np.nan
    bins = limits.with_others(taken, [Range("t", 1.0, 2.0, "")], 0, ratio)
    assert [one["share"] for one in bins] == [1, 1, 1, 1, 0, 0, 0, 0]
    assert bins[0]["points"] == 9
    whole = limits.share(taken, limits.holds(ratio), np.isfinite(ratio))
    assert whole["share"] == pytest.approx(39 / 79)
    low, high = whole["interval"]
    assert 0 < low < 39 / 79 < high < 1


# ---- what is computed from runs ----------------------------------------------------------------


def made_up(missing: tuple[str, ...] = ()) -> tuple[Question, Cases, Cases]:
    """Runs whose energy goes with v_set^2 and t_set, and accuracy with pulses_up."""
    ranges = ranges_of(CBRAM)
    places = {one.parameter: number for number, one in enumerate(ranges)}
    taken = sample("sobol", len(ranges), 64, seed=0)
    asked = Question(CBRAM, ranges, taken, range(1))
    rows = [
        {
            "case": case.name, "seed": 0,
            **dict.fromkeys(results.COEFFICIENTS, 0.0), "joules_a": 1.0, "train_joules": 1.0,
            "accuracy": 0.9 + 0.05 * point[places["pulses_up"]],
        }
        for case, point in zip(sample_cases(ranges, taken), taken.points, strict=True)
        if case.name not in missing
    ]  # fmt: skip
    others = [
        {"case": name, "seed": seed, "train_joules": 20e-6, "accuracy": 0.9}
        for seed in range(3)
        for name in SETS[CLAIM] | MEASURED
    ]
    others += [
        {"case": AS_ASSUMED, "seed": seed, "train_joules": 1e-6, "accuracy": 0.92 + 0.001 * seed}
        for seed in range(3)
    ]
    return asked, Cases(tidy(rows)), Cases(tidy(others))


def test_claims_are_computed_from_the_runs() -> None:
    asked, samples, others = made_up()
    found = results.answer(asked, samples, others)
    assert [asked.ranges[one].parameter for one in results.leaders(found)][:2] == ["t_set", "v_set"]
    parts = np.array([np.log(30.0), 2 * np.log(4.0)]) ** 2
    rows = results.parameters(asked, found)
    total = [row["energy"]["total"] for row in rows[:3]]
    np.testing.assert_allclose(total, [*parts / parts.sum(), 0], atol=0.05)
    of_accuracy = {row["parameter"]: row["accuracy"]["total"] for row in rows}
    assert of_accuracy["pulses_up"] == pytest.approx(1, abs=0.1)
    floor = 1e-6 / (0.05**2 / 12)
    assert found.floor == pytest.approx(floor, rel=0.2), "of a variance of 0.001^2 among seeds"
    technologies = results.by_technology(found)
    made = {claim["name"]: claim for claim in claims(asked, found, technologies)}
    assert made["ratio_as_assumed:nine"]["value"] == pytest.approx(20)
    assert made["ratio_as_assumed:nine"]["held"]
    joules = 20e-6 / found.ratios[CLAIM]
    places = found.taken.points.T
    v_set, t_set = (
        np.array([one.at(place) for place in places[number]])
        for number, one in enumerate(asked.ranges) if one.parameter in ("v_set", "t_set")
    )  # fmt: skip
    np.testing.assert_allclose(joules, v_set**2 * t_set)
    held = float(np.mean((joules >= 0.2e-6) & (joules <= 2e-6)))
    assert made["claim_holds:nine"]["value"] == pytest.approx(held)
    assert made["claim_holds:nine"]["held"] == (held >= 0.5)
    assert made["claim_holds:nine"]["below"] == pytest.approx(np.mean(joules > 2e-6))
    assert made["decided_by_three"]["value"] == pytest.approx(1, abs=0.15)
    assert made["decided_by_three"]["parameters"][:2] == ["t_set", "v_set"]
    assert made["ranking_resolved:energy"]["value"] <= 2, "nothing else has an effect"


def test_a_sample_that_failed_costs_its_block_and_no_more() -> None:
    asked, samples, others = made_up(missing=("sample 00030",))
    found = results.answer(asked, samples, others)
    assert found.of_energy.blocks == 63
    entry = results.by_technology(found)[0]
    assert entry["holds"]["points"] == (64 * 24 - 1) * closed_form.TIMES
    nothing = results.answer(asked, Cases(tidy([])), Cases(tidy([])))
    assert nothing.of_energy is None
    assert not results.by_technology(nothing)
    assert not claims(asked, nothing, [])


# ---- energy in closed form, and small runs -----------------------------------------------------


def test_the_energy_with_other_prices_follows_from_the_ledger_of_a_run(tmp_path: Path) -> None:
    """Against the run itself: to the precision of sums."""
    other = {
        "v_set": 1.9, "t_set": 3e-7, "v_reset": 0.6, "t_reset": 7e-6, "v_read": 0.19,
        "t_read": 2.9e-7, "c_cell": 6e-16,
    }  # fmt: skip
    totals, found = [], []
    for name, changes in (("a", {}), ("b", other)):
        cells = {f"cell.{key}": value for key, value in changes.items()}
        config = configured({**SMALL, "epochs": 1, "pruning": {"kind": "none"}}, WAY | cells)
        done = train.run(config, tmp_path / name, force=True, quiet=True, threads=1)
        totals.append(done.metrics["energy_joules"]["train"])
        found.append(coefficients(config, done.metrics["energy"]["train"]))
        prices = np.array([getattr(config.technology(), key) for key in PRICES])
        assert found[0] @ terms(prices) == pytest.approx(totals[-1], rel=1e-6)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    assert (found[0] > 0).all()


def test_a_larger_sample_keeps_what_was_learned_and_moves_one_price_at_a_time() -> None:
    ranges = ranges_of(CBRAM)
    taken = sample("sobol", len(ranges), 4, seed=0)
    larger, of = closed_form.more(taken, ranges)
    priced = np.array([one.parameter in PRICES for one in ranges])
    np.testing.assert_array_equal(larger.points[:, ~priced], taken.points[of][:, ~priced])
    blocks = larger.points.reshape(-1, taken.block, len(ranges))
    moved = blocks[:, 1:-1] != blocks[:, :1]
    np.testing.assert_array_equal(
        moved, np.broadcast_to(np.eye(len(ranges), dtype=bool), moved.shape)
    )
    here, last = np.arange(len(ranges)), blocks[:, -1]
    np.testing.assert_array_equal(blocks[:, 1 + here, here], last)
    assert len(np.unique(blocks[:, 0, np.flatnonzero(priced)[0]])) == len(blocks)


def energies(folder: Path, **changes: float) -> tuple[float, dict[str, float]]:
    cells = {f"cell.{key}": value for key, value in changes.items()}
    config = configured({**SMALL, "epochs": 1, "pruning": {"kind": "none"}}, WAY | cells)
    done = train.run(config, folder, force=True, quiet=True, threads=1)
    booked = done.metrics["energy"]["train"]
    return done.metrics["validation_accuracy"], {
        name: entry["joules"] / entry["count"] for name, entry in booked.items()
    } | {"pulses": (booked["ltp_pulse"]["count"], booked["ltd_pulse"]["count"])}


def test_voltages_widths_and_lines_only_scale_energies_as_v2t_and_cv2(tmp_path: Path) -> None:
    """What is learned does not depend on them: the same pulses, of other energies."""
    changes = {
        "v_set": 1.3, "t_set": 3e-6, "v_reset": 1.1, "t_reset": 2e-6, "v_read": 0.07,
        "t_read": 2.2e-7, "c_cell": 4e-16, "activation_energy": 0.5,
    }  # fmt: skip
    accuracy, before = energies(tmp_path / "a")
    again, after = energies(tmp_path / "b", **changes)
    assert again == accuracy
    set_pulses, reset_pulses = before["pulses"]
    assert after["pulses"] == (set_pulses, reset_pulses)
    scale = {name: after[name] / before[name] for name in before if name != "pulses"}
    assert scale["ltp_pulse"] == pytest.approx(1.3**2 * 3)
    assert scale["ltd_pulse"] == pytest.approx(1.1**2 * 2)
    assert scale["cell_read"] == pytest.approx(0.7**2 * 2.2)
    assert scale["reference_read"] == pytest.approx(0.7**2 * 2.2)
    lines = (set_pulses * 1.3**2 + reset_pulses * 1.1**2) / (set_pulses + reset_pulses)
    assert scale["program_line"] == pytest.approx(2 * lines)
    assert scale["neuron_update"] == scale["output_spike"] == pytest.approx(1)


def test_a_small_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LOOKED_AT", 2)
    monkeypatch.setattr(plan, "PLACES", 5)
    out = tmp_path / "s"
    command = ["sensitivity", "--samples", "2", "--workers", "1", "--quiet", "--json"]
    for key, value in SMALL.items():
        command += ["--set", f"{key}={value}"]
    done = CliRunner().invoke(main, [*command, "--out", str(out)])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["runs"] == 2 * 23
    assert summary["scored_on"] == "validation"
    rows = {row["parameter"]: row for row in summary["parameters"]}
    assert len(rows) == 22
    for silent in ("v_set", "v_reset", "t_set", "t_reset", "v_read", "t_read", "c_cell"):
        assert rows[silent]["accuracy"]["total"] == 0, "it has no part in what is learned"
        assert rows[silent]["energy"]["total"] > 0
    assert rows["activation_energy"]["energy"]["total"] == 0, "the control"
    assert rows["g_max"]["accuracy"]["total"] > 0
    names = {claim["name"] for claim in summary["claims"]}
    assert names == {
        "ratio_as_assumed:nine", "ratio_as_assumed:measured", "claim_holds:nine",
        "claim_holds:measured", "ranking_resolved:energy", "ranking_resolved:accuracy",
    }  # fmt: skip
    assert [limit["parameter"] for limit in summary["limits"]] == list(rows)[:2]
    for name in ("compared.csv", "alone.csv", "indices.csv", "table.md", "report.html"):
        assert (out / name).is_file()
    assert (out / "sensitivity.png").stat().st_size > 3000
    with (out / "runs.csv").open() as file:
        table = list(csv.DictReader(file))
    with (out / "compared.csv").open() as file:
        compared = list(csv.DictReader(file))
    energy = {row["case"]: float(row["train_joules"]) for row in compared if row["seed"] == "0"}
    ratios = [energy["gst-pcm"] / float(row["train_joules"]) for row in table]
    shown = next(row for row in summary["technologies"] if row["technology"] == "gst-pcm")
    assert shown["quantiles"][1] == pytest.approx(np.median(ratios))
    again = sensitivity.run(SMALL, out, samples=2, at=HERE)
    assert json.loads(again.to_json()) == summary


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base": {"device": "pcmo"}}, "device is varied by the study"),
        ({"base": {"cell": {"v_set": 1}}}, "cell is varied by the study"),
        ({"base": {"validation_images": 0}}, "must be above 0, the test set is not for this"),
        ({"base": {"wires": True}, "method": "sobol"}, "wires: must be left as it is for sobol"),
        ({"method": "fast"}, "must be one of morris, sobol"),
        ({"method": "sobol", "samples": 3}, "must be a power of two for sobol"),
        ({"samples": 1}, "sensitivity.samples: must be a whole number >= 2"),
        ({"seeds": 0}, "sensitivity.seeds: must be a whole number >= 1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=message):
        sensitivity.run(out=tmp_path / "x", **{"base": {}} | arguments)
    assert not (tmp_path / "x").exists()


def test_without_salib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salib, "find_spec", lambda name: None)
    with pytest.raises(CbramError, match="install cbramsim with its extra 'sensitivity'"):
        sensitivity.run({}, tmp_path / "x")
    assert not (tmp_path / "x").exists()
