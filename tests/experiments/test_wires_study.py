from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cbramsim.core.errors import ParameterError
from cbramsim.devices.device import Device
from cbramsim.experiments import wires
from cbramsim.experiments.cli import main
from cbramsim.experiments.study.findings import Findings
from cbramsim.experiments.study.runner import Where
from cbramsim.experiments.wires import approximations, claims, learning, timings
from cbramsim.experiments.wires.timings import Timing
from cbramsim.simulator.lines import Terminals, Wires, effective, solve

SMALL = {"train_images": 500, "validation_images": 200, "neurons": 20}
HERE = Where(workers=1, quiet=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    out = tmp_path_factory.mktemp("wires") / "study"
    return wires.run(SMALL, out, devices=("subquantum-cbram",), quick=True, at=HERE)


def test_the_study_writes_what_it_says(found: Findings) -> None:
    assert not found.failures
    names = [claim["name"] for claim in found.summary["claims"]]
    assert names[:6] == list(claims.TARGETS)
    assert "largest_tile:subquantum-cbram:2 Ohm" in names
    for figure in ("approximations", "learning", "node_voltages", "receptive_fields"):
        assert (found.out / f"{figure}.png").stat().st_size > 5000
    saved = json.loads((found.out / "summary.json").read_text())
    assert saved == json.loads(found.to_json())
    assert len(saved["learning"]) == 1 + len(learning.SIDES)
    assert "solve_397x500_seconds" in found.report()


def test_claims_carry_the_error_that_was_reached(found: Findings) -> None:
    for claim in found.summary["claims"][:6]:
        assert claim["held"] is None, "a quick look decides nothing"
        limit = 0.5 if claim["name"] == "wires_training_ratio" else 1e-6
        assert 0 <= claim["error"] < limit
        assert claim["value"] is None or claim["value"] > 0


def test_lines_take_their_part_of_the_energy(found: Findings) -> None:
    ideal, *behind = found.summary["learning"]
    assert ideal["read_wire_joules"] == 0
    assert ideal["seen_conductance"] == 1
    shares = [entry["read_wire_joules"] / entry["cell_read_joules"] for entry in behind]
    assert shares == sorted(shares), "the larger the tile, the more is left in its lines"
    seen = [entry["seen_conductance"] for entry in behind]
    assert seen == sorted(seen, reverse=True)
    assert 0 < seen[-1] < seen[0] < 1


def test_what_is_done_is_not_done_again(found: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(**_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(timings, "measure", never)
    again = wires.run(SMALL, found.out, devices=("subquantum-cbram",), quick=True, at=HERE)
    assert again.summary["learning"] == found.summary["learning"]
    arguments = ["wires", "--quick", "--json", "--quiet", "--workers", "1", "--out", str(found.out)]
    arguments += ["--devices", "subquantum-cbram"]
    arguments += [f"--set={key}={value}" for key, value in SMALL.items()]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["learning"] == found.summary["learning"]


def test_what_the_study_varies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="wires: tiles is varied by the study"):
        wires.run({"tiles": {"rows": 3}}, tmp_path / "a")


def test_cells_that_are_not_ohmic_let_less_through(tmp_path: Path) -> None:
    curved = tmp_path / "curved.toml"
    text = Device.catalog()["ideal"].read_text()
    curved.write_text(
        f'{text}\n[v_sinh]\nvalue = 0.5\nunit = "V"\nevidence = "assumed"\nsource = "a test"\n'
    )
    ohmic = learning.transparency("ideal", 10.0, 32, (64, 64))
    assert 0 < learning.transparency(str(curved), 10.0, 32, (64, 64)) < ohmic
    points = [approximations.point(Device.load(d), 32, 10.0) for d in (str(curved), "ideal")]
    assert points[0].loss > points[1].loss


def test_targets_are_held_or_missed() -> None:
    def held(name: str, value: float | None, quick: bool = False) -> tuple[object, object]:
        (claim,) = claims.of_timings({name: Timing(value, 0.0, {})}, quick=quick)
        return claim["held"], claim["stretch_held"]

    assert held("solve_128_speedup_vs_badcrossbar", 149) == (False, False)
    assert held("solve_128_speedup_vs_badcrossbar", 151) == (True, False)
    assert held("solve_128_speedup_vs_badcrossbar", None) == (None, None)
    assert held("solve_397x500_seconds", 0.004) == (True, True)
    assert held("solve_397x500_seconds", 0.06) == (False, False)
    assert held("solve_397x500_seconds", 0.004, quick=True) == (None, None)


def test_the_largest_tile_is_the_largest_that_costs_at_most_a_point() -> None:
    def entry(ohm: float, side: int, accuracy: float) -> dict[str, object]:
        return {"device": "x", "ohm": ohm, "side": side, "accuracy": accuracy}

    entries = [entry(0, 0, 0.9), entry(2, 32, 0.91), entry(2, 64, 0.891), entry(2, 0, 0.7)]
    assert learning.largest_tiles(entries, 500) == [{"device": "x", "ohm": 2, "side": 64}]
    entries[-1]["accuracy"] = 0.9
    assert learning.largest_tiles(entries, 500)[0]["side"] == 500
    assert learning.largest_tiles([entries[0], entry(8, 32, 0.5)], 500)[0]["side"] is None


def test_a_single_cell_is_in_series_with_its_lines() -> None:
    g, lines = np.array([[50e-6]]), Wires(r_word=300, r_bit=500)
    exact = effective(g, lines).conductance
    np.testing.assert_allclose(approximations.in_series(g, lines), exact, rtol=1e-12)
    np.testing.assert_allclose(approximations.ladders(g, lines), exact, rtol=1e-6)


def test_approximations_are_measured_against_the_exact_currents() -> None:
    device = Device.load("subquantum-cbram")
    point = approximations.point(device, 24, 20.0)
    assert point.ladders < point.series < point.ideal
    assert 0 < point.loss < 1 - point.least < 1
    assert point.error < 1e-9
    weak = approximations.point(device, 24, 0.02)
    assert weak.ladders < 1e-6 < weak.ideal < 1e-3 * 24, "ladders are right to the second order"


def test_a_hard_array_loses_what_the_claim_says() -> None:
    g = timings.cells((256, 256))
    loss = 1 - timings.product(g, timings.HARD).outputs.sum() / (timings.V_READ * g.sum())
    assert loss == pytest.approx(0.98, abs=0.002)


def test_the_peer_is_asked_in_its_own_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """`badcrossbar.compute(voltages, resistances, r)`: one segment before the first cell, too."""
    asked = {}

    class Peer:
        @staticmethod
        def compute(voltages: np.ndarray, resistances: np.ndarray, ohm: float) -> object:
            asked.update(voltages=voltages, resistances=resistances, ohm=ohm)
            lines = Wires(r_word=ohm, r_bit=ohm)
            terminals = Terminals.product(voltages[:, 0], resistances.shape[1], lines)
            outputs = solve(1 / resistances, terminals, lines, method="direct").outputs

            class Currents:
                output = outputs[None]

            class Solution:
                currents = Currents

            return Solution

    monkeypatch.setattr(timings, "import_module", lambda _: Peer)
    timing = timings.against_peer(16)
    assert timing.value is not None
    assert timing.facts["difference_to_peer"] < 1e-9
    assert asked["voltages"].shape == (16, 1)
    assert asked["ohm"] == 2.0


def test_without_the_peer_the_claim_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ImportError

    monkeypatch.setattr(timings, "import_module", missing)
    timing = timings.against_peer(16)
    assert timing.value is None
    assert "pip install --no-deps" in timing.facts["skipped"]
    (claim,) = claims.of_timings({"solve_128_speedup_vs_badcrossbar": timing}, quick=False)
    assert claim["held"] is None
