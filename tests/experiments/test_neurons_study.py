"""Accuracy against neurons: the schedule, what is computed from runs, and a small study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbramsim.core.errors import ParameterError
from cbramsim.experiments import neurons
from cbramsim.experiments.cli import main
from cbramsim.experiments.neurons import figure
from cbramsim.experiments.neurons.claims import TARGETS, claims
from cbramsim.experiments.neurons.published import PUBLISHED, best
from cbramsim.experiments.neurons.schedule import (
    BY_SIZE,
    DEFAULT,
    ENOUGH_TO,
    EPOCHS,
    case_name,
    settings,
)
from cbramsim.experiments.study.cases import configured
from cbramsim.experiments.study.runner import Where
from cbramsim.experiments.study.table import Cases, tidy
from cbramsim.experiments.train.config import TrainConfig


def row(schedule: str, size: int, seed: int, profile: float, majority: float) -> dict[str, Any]:
    return {
        "case": case_name(schedule, size), "seed": seed, "accuracy": profile,
        "accuracy_majority": majority,
    }  # fmt: skip


def found(*rows: dict[str, Any]) -> Cases:
    return Cases(tidy(rows))


# ---- the schedule ------------------------------------------------------------------------------


def test_the_default_schedule_is_the_default_job() -> None:
    assert configured({}, settings(DEFAULT, 500)) == TrainConfig()


@pytest.mark.parametrize("size", neurons.SIZES)
def test_homeostasis_falls_by_as_much_in_a_longer_job(size: int) -> None:
    default, longer = TrainConfig(), configured({}, settings(BY_SIZE, size))
    assert longer.epochs == EPOCHS
    falls = [
        job.competition.homeostasis_at(60_000 * job.epochs) / job.competition.homeostasis
        for job in (default, longer)
    ]
    assert falls[1] == pytest.approx(falls[0])


def test_what_moves_the_bias_of_a_neuron_does_not_shrink_with_their_number() -> None:
    """A neuron fires in proportion to 1 / N; what homeostasis takes from it in all stays."""

    def taken(size: int) -> float:
        job = configured({}, settings(BY_SIZE, size))
        images = 60_000 * job.epochs
        at = [job.competition.homeostasis_at(int(x * images)) for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
        return sum(at) / len(at) * job.encoding.windows * images / size

    assert taken(6400) == pytest.approx(taken(3200)) == pytest.approx(taken(ENOUGH_TO))
    assert taken(500) > taken(ENOUGH_TO)


# ---- what is published -------------------------------------------------------------------------


def test_published_points_are_shares_with_a_source() -> None:
    for point in PUBLISHED:
        assert 0.5 < point.accuracy < 1
        assert point.source
        assert point.how
    assert {point.label for point in PUBLISHED} == set(figure.LABELS)


def test_the_best_published_point_was_read_in_its_source() -> None:
    assert best(500) is not None
    assert best(500).text == "~94 %"
    assert best(400).text == "89.93 ± 0.41 %"
    assert best(6400).accuracy == 0.95, "a recalled number beats nobody"
    assert best(777) is None


# ---- claims ------------------------------------------------------------------------------------


def test_claims_are_computed_from_the_runs() -> None:
    rows = [row(BY_SIZE, 500, seed, 0.951 + 0.002 * seed, 0.938) for seed in (0, 1)]
    rows += [row(DEFAULT, 500, 0, 0.99, 0.99), row(BY_SIZE, 6400, 0, 0.954, 0.953)]
    made = {claim["name"]: claim for claim in claims(found(*rows), [500, 6400], "test")}
    assert set(made) == {
        "accuracy_500", "accuracy_6400", "above_published_500:profile",
        "above_published_500:majority", "above_published_6400:profile",
        "above_published_6400:majority",
    }  # fmt: skip
    small = made["accuracy_500"]
    assert small["value"] == pytest.approx(0.952), "the default job has no part in it"
    assert (small["target"], small["stretch"]) == TARGETS[500]
    assert small["held"]
    assert not small["stretch_held"]
    assert not made["accuracy_6400"]["held"]
    assert made["above_published_500:profile"]["value"] == pytest.approx(0.012)
    assert not made["above_published_500:majority"]["held"]
    assert made["above_published_6400:profile"]["value"] == pytest.approx(0.004)


def test_a_quick_look_and_other_images_decide_nothing() -> None:
    runs = found(row(BY_SIZE, 500, 0, 0.99, 0.99))
    assert all(claim["held"] is None for claim in claims(runs, [500], "test", quick=True))
    assert [claim["name"] for claim in claims(runs, [500], "validation")] == ["accuracy_500"]
    assert not claims(runs, [50], "test"), "nothing was run"


def test_the_table_shows_both_schedules_beside_what_is_published() -> None:
    runs = found(
        row(DEFAULT, 300, 0, 0.93, 0.92), row(BY_SIZE, 300, 0, 0.94, 0.931),
        row(BY_SIZE, 300, 1, 0.95, 0.931), row(DEFAULT, 640, 0, 0.9, 0.8),
    )  # fmt: skip
    table = neurons.text(neurons.points_of(runs, [300, 640]))
    assert (
        "| 300 | Querlioz 2013: 93.5 % | 93.00 % | 94.50 ± 0.71 % | 93.10 ± 0.00 % | 2 |" in table
    )
    assert "| 640 | - | 90.00 % | - | - | - |" in table


# ---- a small study -----------------------------------------------------------------------------


def test_a_small_study(tmp_path: Path) -> None:
    out = tmp_path / "n"
    command = [
        "neurons", "--quick", "--neurons", "12,20", "--seeds", "1", "--workers", "1", "--quiet",
        "--json", "--out", str(out), "--set", "train_images=300", "--set", "inputs=60",
    ]  # fmt: skip
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert [(p["schedule"], p["neurons"], p["seeds"]) for p in summary["points"]] == [
        (DEFAULT, 12, 1), (DEFAULT, 20, 1), (BY_SIZE, 12, 1), (BY_SIZE, 20, 1),
    ]  # fmt: skip
    for name in ("runs.csv", "published.csv", "summary.json", "table.md", "report.html"):
        assert (out / name).is_file()
    table = (out / "runs.csv").read_text().splitlines()
    assert {"schedule", "neurons", "accuracy", "accuracy_majority"} <= set(table[0].split(","))
    assert (out / "neurons.png").stat().st_size > 3000
    again = neurons.run(
        {"train_images": 300, "inputs": 60}, out, neurons=(20, 12), seeds=1, quick=True,
        at=Where(workers=1, quiet=True),
    )  # fmt: skip
    assert json.loads(again.to_json())["points"] == summary["points"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base": {"epochs": 2}}, "epochs is varied by the study"),
        ({"base": {"competition": {"homeostasis": 1}}}, "competition is varied by the study"),
        ({"neurons": (0,)}, "neurons.neurons must be a whole number >= 1"),
        ({"neurons": (5, 5)}, "must be different numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=message):
        neurons.run(out=tmp_path / "x", **{"base": {}} | arguments)
    assert not (tmp_path / "x").exists()
