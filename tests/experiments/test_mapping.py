"""`cbram map`: its board, that it goes on, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.experiments import mapping
from cbramsim.experiments.cli import main
from cbramsim.experiments.mapping import Question, claims, report, seen_by
from cbramsim.simulator.mapping import TrainedNetwork
from cbramsim.simulator.mapping.neurons import Leaky


def run_of(*accuracies: float) -> dict[str, Any]:
    names = ["software", "inputs", "cells"]
    causes = [
        {"name": name, "accuracy": each, "lost": 0.0, "alone": 0.004}
        for name, each in zip(names, accuracies, strict=True)
    ]
    return {
        "causes": causes, "write_error": 0.01, "compensation_joules": 0.0, "missed": 3, "weights": 100, "cells": 200, "write_joules": 1e-6,
        "image_joules": 2e-9, "operations": {"cell read": 2e-9}, "latency": 1e-6, "seconds_an_image": 1e-3, "times_software": 3.0,
        "layers": [{"layer": "4 x 3", "joules": 2e-9, "seconds": 1e-6}],
    }  # fmt: skip


def test_losses_are_told_by_cause() -> None:
    runs = [run_of(0.98, 0.979, 0.97), run_of(0.98, 0.979, 0.972)]
    told = report(runs)
    assert "| as trained | 98.00 ± 0.00 % |  |  |" in told
    assert "| rounded inputs | 97.90 ± 0.00 % | -0.10 points |  |" in told
    assert "| cells as written | 97.10 ± 0.14 % | -0.80 points | -0.40 points |" in told
    assert "3.00% of the weights given up" in told
    lost = claims(runs, quick=False)[0]
    assert lost["value"] == pytest.approx(0.009)
    assert lost["held"] is False
    assert claims(runs, quick=True)[0]["held"] is None


def test_images_are_normalised_as_the_network_was_trained() -> None:
    images = np.uint8([[0, 255]])
    assert seen_by(Question(), images) is images
    found = seen_by(Question(mean=0.1, deviation=0.5), images)
    np.testing.assert_allclose(found, [[-0.2, 1.8]], rtol=1e-6)


def test_a_quick_look_runs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "map"
    command = [
        "map", "mnist-slp", "--quick", "--seeds", "2", "--out", str(out), "--quiet", "--workers",
        "1", "--set", "readout.adc_bits=5", "--device", "epiram", "--days", "3",
    ]  # fmt: skip
    first = CliRunner().invoke(main, command)
    assert first.exit_code == 0, first.output
    assert "| converters |" in first.output
    assert "| time |" in first.output
    kept = {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()}
    assert len(kept) == 2
    assert CliRunner().invoke(main, command).output == first.output
    assert {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()} == kept
    summary = json.loads((out / "summary.json").read_text())
    software = TrainedNetwork.of("mnist-slp")
    data = mapping.load_dataset("mnist")
    row = (out / "runs.csv").read_text().splitlines()
    column = row[0].split(",").index("accuracy with software")
    assert float(row[1].split(",")[column]) == software.score(
        data.test_images[:200], data.test_labels[:200]
    )
    assert summary["claims"][0]["name"] == "lost_in_the_array"
    assert (out / "causes.png").is_file()
    assert (out / "report.html").is_file()


def test_another_network_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    command = ["map", str(path), "--quick", "--seeds", "1", "--workers", "1", "--quiet"]
    for n, code in enumerate((0, 2)):
        weights = np.random.default_rng(n).standard_normal((784, 10)).astype(np.float32)
        TrainedNetwork.from_arrays([weights]).to_nir(path)
        result = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "out")])
        assert result.exit_code == code, result.output
    assert "--force" in result.output


def test_a_spiking_network_of_a_file_is_shown_images_for_some_time(tmp_path: Path) -> None:
    first, _, second = TrainedNetwork.of("mnist-mlp").layers[1:]
    neurons = Leaky(np.float32([1.0]), np.float32([300.0]))
    network = TrainedNetwork((first, neurons, second), (784,), steps=30)
    network.to_nir(tmp_path / "net.nir")
    command = ["map", str(tmp_path / "net.nir"), "--steps", "30", "--quick", "--seeds", "1"]
    rest = ["--workers", "1", "--quiet", "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(main, [*command, *rest])
    assert result.exit_code == 0, result.output
    data = mapping.load_dataset("mnist")
    software = network.score(data.test_images[:200], data.test_labels[:200])
    assert software > 0.9  # rates stand for the rectified units that were trained
    lost = json.loads(result.output)["claims"][0]["value"]
    assert lost < 0.03


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["nowhere.onnx"], "nowhere.onnx: there is no such file"),
        (["mnist-lenett"], "did you mean 'mnist-lenet'?"),
        (["--set", "seed=5"], "map.seed: is that of each run"),
        (["--set", "tiles.columns=1"], "tiles.columns must be >= 2"),
        (["--set", "readout.bits=5"], "MappingConfig.readout.bits: unknown key"),
        (["--writing", "once"], "must be one of verify, error, exact"),
        (["--std", "0"], "--std"),
    ],
)
def test_what_cannot_be_mapped_is_refused(arguments: list[str], wrong: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["map", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert wrong in result.output
    assert not (tmp_path / "out").exists()
