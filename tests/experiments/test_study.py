"""`cb.Study`, and what all studies share: tables, claims, findings, what is measured once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cbramsim as cb
from cbramsim.core.errors import CbramError, ParameterError
from cbramsim.experiments.study.claims import claim, line, mean_claim
from cbramsim.experiments.study.findings import Failure, Findings
from cbramsim.experiments.study.once import once
from cbramsim.experiments.study.study import Runs, Study
from cbramsim.experiments.study.table import Cases, paired, tidy, write_csv

BASE: dict[str, Any] = {
    "train_images": 300, "test_images": 100, "epochs": 1, "neurons": 10, "inputs": 100,
    "pruning.mature_spikes": 60,
}  # fmt: skip
VARY: dict[str, Any] = {"pruning.fraction": (0.25, 0.75), "seed": range(2)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    out = tmp_path_factory.mktemp("study") / "mine"
    study = cb.Study("mine", vary=VARY, base=BASE, out=out, keep_state=True)
    return study.run(workers=1, quiet=True)


# ---- a study of one's own ----------------------------------------------------------------------


def test_a_study_runs_every_combination(runs: Runs) -> None:
    assert not runs.failures
    table = runs.table
    assert set(zip(table["pruning.fraction"], table["seed"], strict=True)) == {
        (0.25, 0), (0.25, 1), (0.75, 0), (0.75, 1),
    }  # fmt: skip
    described = table.groupby("pruning.fraction").accuracy.describe()
    assert list(described["count"]) == [2, 2]
    saved = pd.read_csv(runs.study.out / "runs.csv")
    np.testing.assert_array_equal(saved["train_joules"], table["train_joules"])
    assert saved["seed"].dtype == np.int64, "whole numbers stay whole"


def test_a_study_goes_on_where_it_stopped(runs: Runs) -> None:
    out = runs.study.out
    before = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    more = cb.Study("mine", vary=VARY | {"seed": [0, 1, 2]}, base=BASE, out=out, keep_state=True)
    again = more.run(workers=1, quiet=True)
    assert len(again.table) == 6
    after = {path: path.stat().st_mtime_ns for path in out.rglob("metrics.json")}
    assert after.items() >= before.items()
    pd.testing.assert_frame_equal(again.table[again.table.seed < 2].reset_index(drop=True),
                                  runs.table)  # fmt: skip


def test_python_and_the_file_mean_the_same(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        "grid = {pruning.fraction = [0.25, 0.75], seed = [0, 1]}\nkeep_state = true\n[base]\n"
        + "\n".join(f"{key} = {value}" for key, value in BASE.items())
    )
    read = Study.read(tmp_path / "mine.toml")
    assert read.planned == runs.study.planned
    assert read.out == Path("runs/mine")


def test_networks_that_are_kept_can_be_looked_at(runs: Runs) -> None:
    name = runs.table["run"][3]
    network = runs.network(name)
    assert network.pruner.fraction == pytest.approx(runs.table["pruned_fraction"][3])
    with pytest.raises(ParameterError, match="must be a finished run"):
        runs.network("fraction=0.3")
    (runs.study.out / "runs" / runs.table["run"][0] / "state.npz").unlink()
    with pytest.raises(ParameterError, match="was not kept"):
        runs.network(runs.table["run"][0])


def test_means_and_spreads_are_drawn(runs: Runs) -> None:
    ax = runs.plot("accuracy", "pruning.fraction")
    (curve,) = ax.containers
    x, y = (np.asarray(values, float) for values in curve.lines[0].get_data())
    np.testing.assert_allclose(x, [0.25, 0.75])
    means = 100 * runs.table.groupby("pruning.fraction").accuracy.mean()
    np.testing.assert_allclose(y, means)
    assert ax.get_ylabel() == "accuracy (%)"
    by_seed = runs.plot("train_joules", "pruning.fraction", by="seed")
    assert [c.get_label() for c in by_seed.containers] == ["seed 0", "seed 1"]
    with pytest.raises(ParameterError, match="did you mean 'accuracy'"):
        runs.plot("acuracy", "pruning.fraction")
    with pytest.raises(ParameterError, match=r"must be a column of numbers \(got 'run'\)"):
        runs.plot("run", "pruning.fraction")


def test_settings_that_are_no_numbers_are_drawn_and_told_as_texts(tmp_path: Path) -> None:
    vary = {"later_layers": [[], [{"neurons": 5}]], "device": ["ideal", "gst-pcm"]}
    runs = cb.Study("x", vary=vary, base=BASE, out=tmp_path / "x").run(workers=1, quiet=True)
    ax = runs.plot("accuracy", "later_layers")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["[]", "[{'neurons': 5}]"]
    assert [c.get_label() for c in ax.containers] == ["device ideal", "device gst-pcm"]
    head, _, first, *_ = runs.findings().text.splitlines()
    assert head.startswith("| later_layers | device | seeds | accuracy |"), "and nothing else"
    assert first.startswith("| [] | ideal | 1 |")


def test_a_study_tells_what_it_is(runs: Runs) -> None:
    assert "4 runs" in repr(runs.study)
    assert "4 of 4 runs" in repr(runs)
    assert "<table" in runs._repr_html_()
    assert "| 0.25 | 2 |" in runs.findings().report()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vary": {"pruning.fractoin": [1]}}, "did you mean 'fraction'"),
        ({"vary": {"seed": 3}}, "Study.vary.seed: must be values, such as a list (got 3)"),
        ({"vary": {"rule": "ideal"}}, "Study.vary.rule: must be values"),
        ({"vary": {}}, "at least one"),
        ({"vary": {"seed": range(10**6)}}, "must make at most 100,000 runs"),
        ({"vary": {"neurons": np.array([0])}}, "neurons: must be a whole number >= 1"),
    ],
)
def test_what_makes_no_study_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(CbramError) as error:
        cb.Study("x", **given)
    assert message in str(error.value)


# ---- what all studies share --------------------------------------------------------------------


def test_runs_are_paired_by_seed() -> None:
    rows = [{"case": c, "seed": s, "x": 10 * s + k} for k, c in enumerate("ab") for s in (2, 0, 1)]
    cases = Cases(tidy(rows[:-1]))
    assert cases.names == ["a", "b"]
    assert "c" not in cases
    assert list(cases.values("a", "x")) == [0, 10, 20]
    np.testing.assert_array_equal(cases.paired("b", "a", "x"), [[1, 0], [21, 20]])
    empty = Cases(tidy([]))
    assert len(empty.values("a", "x")) == 0
    assert paired(empty.table, cases.table, "x").shape == (0, 2)


def test_tables_hold_what_they_were_made_of(tmp_path: Path) -> None:
    table = tidy([{"a": 1, "b": 0.1}, {"a": None, "b": 1 / 3, "c": "x,y"}, {"c": True}])
    write_csv(tmp_path / "t.csv", table)
    text = (tmp_path / "t.csv").read_text()
    assert text == f'a,b,c\n1,0.1,\n,{1 / 3!r},"x,y"\n,,True\n'


def test_a_claim_is_one_line() -> None:
    made = mean_claim(
        "loss", np.array([0.01, 0.02]), unit="fraction", target=0.02, held=True, definition="d"
    )
    assert made is not None
    assert made["spread"] == pytest.approx(0.01 / np.sqrt(2))
    assert line(made).split() == [
        "held", "loss", "1.5", "±", "0.71", "%", "(target", "2)",
    ]  # fmt: skip
    ratio = claim("r", 3.0, unit="ratio", definition="d", interval=(2.0, 4.0), target=[1, 10])
    assert line(ratio).split() == ["r", "3", "x", "[2,", "4]", "(target", "1", "to", "10)"]
    missing = claim("m", None, unit="s", definition="d", held=False, note="not installed")
    assert line(missing).splitlines()[1].strip() == "not installed"
    assert mean_claim("n", np.empty(0), unit="s", definition="d") is None


def test_findings_are_printed_and_written_alike(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    made = claim("speed", 2.0, unit="ratio", definition="d", held=True)
    found = Findings(
        tmp_path, "| a |\n| --- |\n| 1 |", {"claims": [made]}, {"runs.csv": tidy([{"a": 1}])},
        [Failure("b", "no memory")], "the end",
    )  # fmt: skip
    found.write({"f.png": Figure()})
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(found.to_json())
    assert json.loads(found.to_json())["failed"] == [{"name": "b", "error": "no memory"}]
    assert (tmp_path / "table.md").read_text().startswith("| a |")
    assert (tmp_path / "runs.csv").read_text() == "a\n1\n"
    assert (tmp_path / "f.png").is_file()
    page = (tmp_path / "report.html").read_text()
    assert "<title>A study</title>" in page
    assert "1 run failed: b (no memory)" in page
    assert "speed" in page
    report = found.report().splitlines()
    assert report[-1] == "the end"
    assert "failed  b: no memory" in report


def test_figures_of_one_title_are_all_in_the_report(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    from cbramsim.core.plotting import titled

    Findings(tmp_path, "", {}, {}).write({f"{n}.png": titled(Figure(), "same") for n in "ab"})
    page = (tmp_path / "report.html").read_text()
    assert "same (a.png)" in page
    assert "same (b.png)" in page


def test_what_is_measured_is_measured_once(tmp_path: Path) -> None:
    times = iter((1, 2))
    path = tmp_path / "speed.json"
    assert once(path, lambda: {"s": next(times)}) == {"s": 1}
    assert once(path, lambda: {"s": next(times)}) == {"s": 1}
    assert once(path, lambda: {"s": next(times)}, again=True) == {"s": 2}
    path.write_text("{")
    with pytest.raises(CbramError, match="is damaged; remove it"):
        once(path, dict)
