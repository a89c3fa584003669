"""`cbram pruning`: the study end to end on a small scale, and claims against made-up runs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cbramsim.experiments.cli import main
from cbramsim.experiments.pruning import plan
from cbramsim.experiments.pruning.claims import Found, claims
from cbramsim.experiments.study.table import tidy

ASKED = (
    "mode,value,target_fraction,pruned_fraction,seed,accuracy,accuracy_majority,train_joules,"
    "test_joules,write_pulses,read_joules,seconds"
)
CLAIMS = {
    "unpruned", "soft_constant_75", "hard_during_40", "write_energy_saving_75",
    "algorithm_saving",
}  # fmt: skip


def cbram(*args: object) -> Result:
    return CliRunner().invoke(main, ["pruning", *map(str, args), "--quiet"])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    settings = {
        "train_images": 400, "test_images": 200, "neurons": 20, "inputs": 100, "epochs": 2,
    }  # fmt: skip
    result = cbram(
        "--seeds", 1, "--fractions", 0.5, "--rules", "device", "--out", out, "--workers", 1,
        *(f"--set={key}={value}" for key, value in settings.items()),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "device, soft: frozen" in result.output
    return out


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_table_has_what_was_asked_for(study: Path) -> None:
    assert (study / "runs.csv").read_text().startswith(ASKED)
    modes = {row["mode"] for row in rows(study)}
    assert modes == {"none", "soft", "hard", "hard-after"}
    soft = {row["value"] for row in rows(study) if row["mode"] == "soft"}
    assert soft == {"floor", "mean", "constant", "freeze"}
    for row in rows(study):
        pruned = float(row["pruned_fraction"])
        assert pruned == pytest.approx(float(row["target_fraction"]), abs=0.2)


def test_every_claim_follows_from_the_table(study: Path) -> None:
    summary = json.loads((study / "summary.json").read_text())
    found = {claim["name"]: claim for claim in summary["claims"]}
    assert set(found) >= CLAIMS
    plain = [
        row for row in rows(study)
        if (row["rule"], row["access"], row["epochs"]) == ("device", "transistor", "2")
    ]  # fmt: skip
    unpruned = [float(row["accuracy"]) for row in plain if row["mode"] == "none"]
    assert found["unpruned"]["value"] == pytest.approx(np.mean(unpruned))
    dense = next(row for row in rows(study) if row["update"] == "dense")
    frozen = next(
        row for row in plain
        if row["policy"] == "soft-freeze" and row["target_fraction"] == "0.75"
        and row["maturity"] == str(plan.EARLY)
    )  # fmt: skip
    ratio = float(dense["train_joules"]) / float(frozen["train_joules"])
    assert found["algorithm_saving"]["value"] == pytest.approx(ratio)
    for claim in summary["claims"]:
        assert isinstance(claim["held"], bool)
        assert {"value", "spread", "unit", "target", "evidence", "definition"} <= set(claim)


def test_half_selected_cells_are_saved_in_proportion(study: Path) -> None:
    savings = json.loads((study / "summary.json").read_text())["savings"]["soft-freeze"]
    assert savings["half-selected cells (passive array)"]["with"] > 0
    for kind, parts in savings.items():
        assert parts["ratio"] == pytest.approx(parts["without"] / parts["with"]), kind


def test_figures_and_report_are_written(study: Path) -> None:
    figures = {path.stem for path in study.glob("*.png")}
    assert figures == {"accuracy", "energy", "pareto", "waterfall", "savings", "weights"}
    for path in study.glob("*.png"):
        assert path.stat().st_size > 1_000
    assert "| device, not pruned |" in (study / "table.md").read_text()


def test_a_finished_study_is_not_done_again(study: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("metrics.json")}
    from cbramsim.core.toml_files import read_toml

    base = read_toml(study / "study.toml")["base"]
    result = cbram(
        "--seeds", 1, "--fractions", 0.5, "--rules", "device", "--out", study,
        *(f"--set={key}={value}" for key, value in base.items()),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert {p: p.stat().st_mtime_ns for p in study.rglob("metrics.json")} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fractions", "0.5,1.5"], "pruning.fractions: must be numbers > 0 and <= 1 (got 1.5)"),
        (["--fractions", "half"], "--fractions: must be numbers with commas between them"),
        (["--rules", "device,real"], "pruning.rules: must be of device, ideal (got 'real')"),
        (["--set", "seed=3"], "pruning: seed is varied by the study"),
        (["--set", "neuron=3"], "TrainConfig.neuron: unknown key (did you mean 'neurons'?)"),
    ],
)
def test_wrong_arguments_are_one_clear_line(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = cbram(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def made_up(policy: str = "unpruned", seed: int = 0, **facts: Any) -> dict[str, Any]:
    known = plan.ALL_POLICIES.get(policy)
    row = {
        "policy": policy, "rule": "device", "update": "winner", "access": "transistor", "epochs": 3,
        "seed": seed, "target_fraction": 0.0, "pruned_fraction": 0.0, "accuracy": 0.945,
        "accuracy_majority": 0.93, "train_joules": 1e-3, "write_joules": 4e-4,
    }  # fmt: skip
    if known and known.mode != "hard-after":
        row["maturity"] = known.maturity
    return row | facts


def claim_of(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return next(claim for claim in claims(tidy(runs)) if claim["name"] == name)


@pytest.mark.parametrize(
    ("accuracy", "joules", "held"), [(0.94, 1e-4, True), (0.93, 1e-4, False), (0.94, 3e-4, False)]
)
def test_a_saving_counts_at_equal_accuracy_only(accuracy: float, joules: float, held: bool) -> None:
    soft = {"target_fraction": 0.75, "pruned_fraction": 0.75, "accuracy": accuracy}
    runs = [made_up(seed=n) for n in range(2)]
    runs += [made_up("soft-freeze", seed=n, write_joules=joules, **soft) for n in range(2)]
    claim = claim_of("write_energy_saving_75", runs)
    assert claim["value"] == pytest.approx(4e-4 / joules)
    assert claim["held"] is held


def test_savings_are_taken_seed_by_seed() -> None:
    runs = [made_up(seed=0, write_joules=2e-4), made_up(seed=1, write_joules=8e-4)]
    soft = {"target_fraction": 0.75, "pruned_fraction": 0.75}
    runs += [
        made_up("soft-freeze", seed=0, write_joules=1e-4, **soft),
        made_up("soft-freeze", seed=1, write_joules=1e-4, **soft),
    ]
    claim = claim_of("write_energy_saving_75", runs)
    assert claim["value"] == pytest.approx((2 + 8) / 2)
    assert claim["spread"] == pytest.approx(np.std([2, 8], ddof=1))


def test_an_accuracy_counts_only_if_as_much_was_pruned() -> None:
    short = made_up("soft-mean", target_fraction=0.75, pruned_fraction=0.6)
    assert not claim_of("soft_constant_75", [made_up(), short])["held"]
    full = made_up("soft-mean", target_fraction=0.75, pruned_fraction=0.751)
    assert claim_of("soft_constant_75", [made_up(), full])["held"]


def test_other_settings_are_not_mixed_in() -> None:
    runs = [
        made_up(), made_up(accuracy=0.1, access="passive"), made_up(accuracy=0.1, epochs=1),
        made_up(accuracy=0.1, rule="ideal"), made_up(accuracy=0.1, update="dense", rule="ideal"),
    ]  # fmt: skip
    assert list(Found(tidy(runs)).select()["accuracy"]) == [0.945]


def test_the_plan_names_every_run_once_and_each_means_something_else() -> None:
    runs = plan.runs({}, (0, 1), plan.FRACTIONS, ("device", "ideal"))
    assert len({run.name for run in runs}) == len(runs)
    assert len({run.config.model_dump_json() for run in runs}) == len(runs)
    fractions = {0.0, plan.MAIN_FRACTION, *plan.FRACTIONS}
    for rule in ("device", "ideal"):
        for policy in plan.POLICIES:
            done = {
                run.settings["target_fraction"] for run in runs
                if run.settings["rule"] == rule and run.settings["policy"] in ("unpruned", policy.name)
            }  # fmt: skip
            assert done >= fractions
