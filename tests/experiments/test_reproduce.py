"""The replication board: verdicts, what its entries ask for, and a quick run of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments import reproduce
from cbramsim.experiments.cli import main
from cbramsim.experiments.reproduce import (
    ENTRIES,
    Found,
    board,
    burr2014,
    diehl2015,
    entry_of,
    li2018,
    memristors,
    neurosim,
    querlioz2011,
    querlioz2013,
    software,
)
from cbramsim.experiments.reproduce.published import Published
from cbramsim.simulator.supervised import CrossbarPerceptron
from cbramsim.simulator.timed import Coding, Inhibition


def test_a_verdict_is_whether_a_number_is_near_enough() -> None:
    row = Published("x", "X", 0.9, "somewhere", 0.02)
    assert [row.verdict(value) for value in (0.879, 0.881, 0.92, 0.921)] == [
        "missed", "held", "held", "missed",
    ]  # fmt: skip
    assert row._replace(at_least=True).verdict(0.99) == "held"
    assert row._replace(tolerance=None).verdict(0.1) == "-"
    assert row._replace(about=True).text == "~90 %"
    told = board([Found("e", row, [{"value": 0.91}, {"value": 0.93}]), Found("e", row, [])], False)
    assert "| e | X | 90 % | 92.00 ± 1.41 % | +2.0 points | held |" in told
    assert "| e | X | 90 % | - | - | not run |" in told


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_says_what_it_rests_on(name: str) -> None:
    entry = entry_of(name)
    for part in ("Values from", "Not stated there:", "Deviations:"):
        assert part in entry.__doc__
    assert entry.PAPER
    assert any(row.tolerance is not None for row in entry.ROWS)
    jobs = [entry.job(row, seed, False) for row in entry.ROWS for seed in range(2)]
    assert len({job.name for job in jobs}) == len(jobs)
    assert all(json.dumps(job.settings) for job in jobs)
    assert all(row.source for row in entry.ROWS)


@pytest.mark.parametrize(
    ("name", "row", "least"),
    [("burr2014", "linear", -0.2), ("li2018", "linear", 0.4), ("yao2017", "beside", 0.5)],
)
def test_a_quick_job_learns_something(name: str, row: str, least: float) -> None:
    entry = entry_of(name)
    rows = {each.name: each for each in entry.ROWS}
    found = entry.learn(**entry.job(rows[row], 0, True).settings)
    assert least < found["value"] < 1
    if "software" in found and name == "burr2014":
        assert 0.4 < found["software"] < 0.95
    if name == "yao2017":
        assert found == entry.learn(**entry.job(rows[row], 0, True).settings)


def test_inputs_are_as_many_as_the_papers_say() -> None:
    images = np.zeros((2, 28, 28), np.uint8)
    assert burr2014.cropped(images)[0].size == 528
    assert li2018.small(images)[0].size == 64
    images[:, 2:5, 2:5] = 9
    assert li2018.small(images)[0].tolist()[0][:2] == [9, 0]


def test_software_goes_down_the_slope() -> None:
    """One step from the initial weights, against finite differences of the squared error."""
    images, labels = (
        np.random.default_rng(0).integers(0, 256, (1, 6)).astype(np.uint8),
        np.array([2]),
    )
    settings: dict[str, Any] = {"gain": 1.5, "initial": 0.8, "seed": 1}
    once = np.zeros(1, np.int64)
    start = software.trained(images, labels, once[:0], (6, 4, 3), rate=0.1, **settings)
    moved = software.trained(images, labels, once, (6, 4, 3), rate=0.1, **settings)

    def loss(weights: list[Any]) -> float:
        a = software.outputs(images[0] / 255, weights, 1.5)[-1]
        return float(((a - np.eye(3)[2]) ** 2).sum())

    for layer, before in enumerate(start):
        for at in np.ndindex(before.shape):
            sides = []
            for step in (1e-6, -1e-6):
                near = [w.copy() for w in start]
                near[layer][at] += step
                sides.append(loss(near))
            slope = (sides[0] - sides[1]) / 2e-6
            assert moved[layer][at] == pytest.approx(before[at] - 0.1 * slope, abs=1e-8)


def test_the_perceptron_of_neurosim_has_no_spread_and_no_noise_of_reads() -> None:
    model = CrossbarPerceptron(neurosim.recipe("taox-hfox", {}, 1.0, 0))
    device = model.device
    assert device.step_c2c == 0.037
    assert not device.read_c2c
    assert not device.g_max_d2d
    assert (device.pulses_up, device.nonlinearity_down) == (128, -0.63)


def test_a_quick_look_runs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "board"
    command = ["reproduce", "neurosim", "--quick", "--seeds", "1", "--out", str(out), "--quiet"]
    first = CliRunner().invoke(main, [*command, "--workers", "1"])
    assert first.exit_code == 0, first.output
    assert first.output.count("| quick |") == len(neurosim.ROWS)
    kept = {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()}
    assert CliRunner().invoke(main, command).output == first.output
    assert {path: path.stat().st_mtime_ns for path in (out / "jobs").iterdir()} == kept
    summary = json.loads((out / "summary.json").read_text())
    assert all(claim["held"] is None for claim in summary["claims"])
    best = max(claim["value"] for claim in summary["claims"])
    assert best > 0.8  # after two epochs
    assert (out / "report.html").is_file()


def test_an_unknown_entry_is_named() -> None:
    with pytest.raises(ParameterError, match=r"entry must be one of .* \(got 'neurosym'\)"):
        reproduce.run(("neurosym",))


@pytest.mark.parametrize(("b_rise", "b_fall"), [(3.0, 0.0), (3.0, 3.0)])
def test_a_memristor_steps_as_querlioz_says(b_rise: float, b_fall: float) -> None:
    device = Device.load(memristors.BASE).replace(
        **memristors.memristor(0.01, 0.005, b_rise, b_fall)
    )
    x = np.linspace(0, 1, 1000)
    np.testing.assert_allclose(device.relative_step_up(x), 0.01 * np.exp(-b_rise * x), rtol=3e-4)
    np.testing.assert_allclose(
        device.relative_step_down(x), 0.005 * np.exp(-b_fall * (1 - x)), rtol=3e-4
    )
    assert device.g_min == pytest.approx(1e-4 * device.g_max)
    assert not {"step_c2c", "read_c2c", "g_max_d2d", "stuck_low"} & set(device.behaviours)


def test_networks_with_time_are_those_of_their_papers() -> None:
    of_2011 = querlioz2011.recipe(3)
    assert (of_2011.membrane.tau, of_2011.membrane.threshold, of_2011.seed) == (0.1, 50, 3)
    assert (of_2011.stdp.window, of_2011.inhibition.in_use) == (0.05, False)
    of_2015 = diehl2015.recipe(400, 0)
    assert (of_2015.neurons, of_2015.stdp.total, of_2015.fewest_spikes) == (400, 78, 5)
    assert of_2015.coding.rate_max == 255 / 4
    of_2013 = querlioz2013.recipe(300, {}, 0)
    fired = of_2013.adaptation.target * of_2013.presentation * of_2013.neurons
    assert fired == pytest.approx(5)


def test_what_is_learned_is_told_by_every_vote() -> None:
    """With the loops that other tests have compiled, on a few images."""
    config = querlioz2011.recipe(0).replace(
        neurons=6, coding=Coding(), inhibition=Inhibition(), presentation=0.1
    )
    found = memristors.learned(config, 2, 100, ("mean", "most"))
    assert found["value"] == found["mean"]
    assert 0 <= found["most"] <= 1
    assert found["images_per_second"] > 0
    assert found["train_joules"] > 0


def test_the_page_has_the_rows_of_the_entries() -> None:
    page = Path(__file__).parents[2] / "docs" / "replications.md"
    lines = [line.split(" | ") for line in page.read_text().splitlines()]
    told = [(of[0][2:], of[1], of[2]) for of in lines if of[0][2:] in ENTRIES]
    rows = [(name, row.what, row.text) for name in ENTRIES for row in entry_of(name).ROWS]
    assert sorted(told) == sorted(rows)
