"""`cbram ladder`, end to end on few images: what it writes, takes up again, converts and refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.experiments import ladder
from cbramsim.experiments.cli import main
from cbramsim.experiments.ladder import arrays, digital, plan, rungs
from cbramsim.experiments.ladder.figures import ACCURACY_MARKERS, COLOURS, FAMILY_COLOURS, NAMES
from cbramsim.experiments.ladder.plan import FULL, Scope
from cbramsim.experiments.study.findings import Findings
from cbramsim.experiments.study.jobs import FOLDER
from cbramsim.experiments.study.runner import Where
from cbramsim.simulator.comparison.chips import COMPONENTS
from cbramsim.simulator.comparison.footprint import Footprint
from cbramsim.simulator.comparison.layers import Layers
from cbramsim.simulator.comparison.traffic import step_counts
from cbramsim.simulator.energy.bill import Bill

TINY = Scope(
    learned=400, watched=200, tested=200, neurons=10, epochs=1, dense=10, devices=("hzo-fefet",),
    precisions=("fp32", "fp4"), perceptron_epochs=1, rounds=2, ticket_epochs=1, shards=2,
    second_images=600,
)  # fmt: skip
HERE = Where(workers=1, quiet=True)
CLAIMS = {
    "mlp_fp32_accuracy", "mlp_4bit_accuracy", "cpu_model_error", "gpu_model_error",
    "device_factor", "algorithm_factor", "total_factor", "federated_gap",
}  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ladder") / "run"


@pytest.fixture(scope="module")
def found(out: Path) -> Findings:
    return ladder.run(out, quick=True, scope=TINY, at=HERE)


def rows(folder: Path) -> list[dict[str, Any]]:
    with (folder / ladder.LADDER).open() as file:
        return list(csv.DictReader(file))


def test_everything_runs_and_is_drawn(found: Findings) -> None:
    assert not found.failures
    assert "hzo-fefet" in found.report()
    for name in (*NAMES, "table.md"):
        assert (found.out / name).stat().st_size > 500
    names = [entry["approach"] for entry in found.summary["ladder"]]
    assert len(names) == len(set(names)) >= 20
    assert {entry["family"] for entry in found.summary["ladder"]} == set(FAMILY_COLOURS)


def test_claims_have_the_names_and_bounds_that_scripts_ask_for(found: Findings) -> None:
    claims = {
        claim["name"]: claim
        for claim in json.loads((found.out / "summary.json").read_text())["claims"]
    }
    assert claims.keys() >= CLAIMS
    for name in CLAIMS:
        assert claims[name]["low"] <= claims[name]["value"] <= claims[name]["high"], name
    first, second = (claims[f"{what}_factor"]["value"] for what in ("device", "algorithm"))
    assert claims["total_factor"]["value"] == pytest.approx(first * second)


def test_the_table_sums_up(found: Findings) -> None:
    table = rows(found.out)
    assert list(table[0]) == ["approach", "phase", "component", "joules", "low", "high", "evidence"]
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for row in table:
        assert float(row["low"]) <= float(row["joules"]) <= float(row["high"])
        assert row["evidence"] in ("published", "derived", "assumed")
        groups.setdefault((row["approach"], row["phase"]), {})[row["component"]] = float(
            row["joules"]
        )
    for parts in groups.values():
        assert sum(parts.values()) == pytest.approx(2 * parts["total"])


def test_the_bill_of_an_array_is_what_its_ledger_booked(found: Findings) -> None:
    record = json.loads((found.out / FOLDER / "array,soft,seed=0.json").read_text())["found"]
    for bill, phases in (("training", ("train", "label")), ("inference", ("test",))):
        booked = sum(
            entry["joules"] for phase in phases for entry in record["ledger"][phase].values()
        )
        images = record["tested"] if bill == "inference" else 1
        assert Bill.from_dict(record[bill]).joules == pytest.approx(booked / images, rel=1e-9)


def test_counted_work_is_that_of_the_closed_form(found: Findings) -> None:
    record = json.loads((found.out / FOLDER / "perceptron,fp32,seed=0.json").read_text())["found"]
    batch, images = record["config"]["batch"], TINY.learned
    counts = step_counts(Layers(), batch, states=1, master=False) * (images // batch)
    assert digital.multiply_adds(record["training"]) == counts.macs
    alone = step_counts(Layers(), 1, training=False)
    assert digital.multiply_adds(record["inference"]) == alone.macs


def test_a_second_look_runs_nothing_again_and_conversions_scale_what_they_should(
    found: Findings,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (found.out / FOLDER).iterdir()}
    plain = {entry["approach"]: entry for entry in found.summary["ladder"]}
    again = ladder.run(
        found.out, quick=True, scope=TINY, at=HERE,
        footprint=Footprint(node=7.0, pue=1.5, country="FRA"),
    )  # fmt: skip
    assert {path: path.stat().st_mtime_ns for path in (found.out / FOLDER).iterdir()} == before
    assert "PUE 1.5" in again.summary["conversions"]
    assert "7 nm" in again.summary["conversions"]
    table = (found.out / "table.md").read_text()
    assert "CO2 to train" in table
    assert "Conversions: digital circuits scaled to 7 nm" in table
    for entry in again.summary["ladder"]:
        old = plain[entry["approach"]]["inference"]
        new = entry["inference"]
        ratio = new["value"] / old["value"]
        if entry["approach"] == rungs.FROM_MEMORY:
            assert ratio < 1.5
        elif entry["family"] in ("our array", "memory array", "neuromorphic chip"):
            assert ratio == pytest.approx(1.5), entry["approach"]
        elif "BUTTER" not in entry["approach"]:
            assert ratio < 1.5, entry["approach"]
        grams = old["value"] / 3.6e6 * 1.5 * 56 * ratio / 1.5
        assert new["grams_co2"] == pytest.approx(grams)
    ladder.run(found.out, quick=True, scope=TINY, at=HERE)
    table = (found.out / "table.md").read_text()
    assert "CO2" not in table
    assert "Conversions" not in table


def test_other_settings_in_the_same_folder_are_refused(found: Findings) -> None:
    with pytest.raises(CbramError, match="of another version or other settings; use --force"):
        ladder.run(found.out, scope=TINY._replace(neurons=11), at=HERE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--country", "FRAU"], "country must be one of world, USA"),
        (["--node", "3"], r"Footprint.node: must be a number >= 7 and <= 45"),
        (["--pue", "0.5"], r"Footprint.pue: must be a number >= 1"),
        (["--precisions", "fp32,fp5"], "MlpConfig.precision: must be one of fp32, fp16"),
        (["--precisions", "int8"], "ladder.precisions: must have fp32"),
        (
            ["--precisions", "fp32,fp32"],
            "--precisions: must be names, each once, with commas between them",
        ),
        (["--devices", "gst-pmc"], "did you mean 'gst-pcm'"),
        (["--devices", "subquantum-cbram"], "is what the others are compared with"),
        (["--second", "slanted,other"], "dataset: must be mnist, a folder of IDX files"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, ["ladder", "--out", str(tmp_path / "x"), *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "x").exists()


def test_more_images_than_there_are_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"ladder.learned: must be at most 57500"):
        arrays.split(57_501, 2_500, None)


def test_what_is_watched_is_neither_learned_nor_tested() -> None:
    data = arrays.split(1000, 500, 300)
    assert len(data.images) == len(data.labels) == 1000
    assert (len(data.watched.images), len(data.test.images)) == (500, 300)
    full = arrays.split(FULL.learned, FULL.watched, None)
    assert np.shares_memory(full.images, full.watched.images) is False


def test_every_job_is_named_once_and_known_how_to_do() -> None:
    jobs = plan.jobs(FULL, seeds=2)
    assert len({job.name for job in jobs}) == len(jobs)
    assert {job.function for job in jobs} == set(plan.KINDS.values())
    assert json.loads(json.dumps([job.settings for job in jobs]))
    assert all(job.settings.get("watched", 1) for job in jobs)


def test_every_component_has_a_colour_and_every_target_a_marker() -> None:
    assert set(COMPONENTS.values()) <= COLOURS.keys()
    assert set(ACCURACY_MARKERS) == set(rungs.TARGETS)
