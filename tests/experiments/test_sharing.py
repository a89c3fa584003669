"""Trainings that runs share: the same bits as alone, and nothing trained twice."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cbramsim.experiments import train
from cbramsim.experiments.study import sharing
from cbramsim.experiments.study.cases import Case, planned
from cbramsim.experiments.study.runner import Runner, Where, perform
from cbramsim.experiments.study.sharing import Point, point_of, trunks_of
from cbramsim.simulator.learning.state_file import read_state

BASE = {
    "neurons": 12, "train_images": 800, "test_images": 100, "epochs": 2, "inputs": 150,
    "pruning": {"kind": "none"},
}  # fmt: skip
TIMES = {"training_seconds", "run_seconds", "images_per_second", "learning_curve"}
CASES = {
    "unpruned": {},
    "shorter": {"epochs": 1},
    "soft": {"pruning.kind": "soft", "pruning.mature_spikes": 500},
    "frozen": {
        "pruning.kind": "soft", "pruning.value": "freeze", "pruning.selection": "write-cost",
        "pruning.mature_spikes": 300, "pruning.stages": 1,
    },
    "hard": {"pruning.kind": "hard", "pruning.mature_spikes": 500},
    "hard after": {"pruning.kind": "hard", "pruning.maturity": "trained"},
    "few labels": {"label_images": 50},
    "waiting": {"wait": 1e6, "wait_celsius": 85.0},
}  # fmt: skip


def found_in(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {key: value for key, value in metrics.items() if key not in TIMES}
    state = read_state(folder / "state.npz")
    arrays = {k: v for k, v in state.items() if k not in ("extra_seconds", "extra_versions")}
    return kept, arrays


@pytest.fixture(scope="module", params=["device", "ideal"])
def studied(request, tmp_path_factory):
    """One study of all cases that shares, beside the same runs one by one."""
    out = tmp_path_factory.mktemp(f"shared-{request.param}")
    noisy = {"read_c2c": 0.05, "step_c2c": 0.05, "drift_exponent": 0.01, "stuck_low": 0.01}
    base = BASE | {"rule": request.param, "cell": noisy}
    runs = planned(base, [Case(n, c, {}) for n, c in CASES.items()], [3], lambda *_: True)
    runner = Runner(runs, out / "together", {}, Where(workers=1, quiet=True))
    begun = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "cbramsim.experiments.study.runner.branch_off",
            lambda config, folder, begin: (
                begun.append((folder.name, begin.is_file()))
                or sharing.branch_off(config, folder, begin)
            ),
        )
        runner.go()
    assert not runner.failures
    for run in runs:
        perform(run.config.resolved_paths().model_dump(), str(out / "alone" / run.name), True)
    return out, runs, dict(begun)


def test_shared_trainings_give_the_bits_of_runs_alone(studied) -> None:
    out, runs, begun = studied
    assert begun == {run.name: True for run in runs}
    for run in runs:
        together, alone = (found_in(out / kind / run.name) for kind in ("together/runs", "alone"))
        assert together[0] == alone[0], run.name
        assert together[1].keys() == alone[1].keys()
        for name, array in alone[1].items():
            np.testing.assert_array_equal(together[1][name], array, err_msg=f"{run.name} {name}")
    assert not (out / "together" / "shared").exists()


def test_each_image_is_learned_once_before_runs_part(tmp_path, monkeypatch) -> None:
    runs = planned(BASE, [Case(n, CASES[n], {}) for n in ("unpruned", "shorter", "waiting")], [0])
    seen = []
    learn = train.SpikingNetwork.learn_from
    monkeypatch.setattr(
        train.SpikingNetwork, "learn_from",
        lambda self, images, chosen: seen.append(len(chosen)) or learn(self, images, chosen),
    )  # fmt: skip
    runner = Runner(runs, tmp_path / "out", {}, Where(workers=1, quiet=True))
    runner.go()
    assert not runner.failures
    assert sum(seen) == 2 * 800


def test_where_runs_part_from_their_trunk() -> None:
    config = train.TrainConfig(**BASE)

    def parts(**pruning):
        return point_of(config.replace(pruning=pruning), 800)

    assert parts(kind="none") == Point(1600)
    assert parts(kind="soft", fraction=0.0) == Point(1600)
    assert parts(kind="hard", maturity="trained") == Point(1600)
    assert parts(kind="soft", mature_spikes=500, stages=2) == Point(1600, 250)
    assert parts(kind="hard", mature_spikes=500) == Point(1600, 500)


def test_only_runs_that_train_alike_share() -> None:
    alone = [Case("a", {"neurons": 10}, {}), Case("b", {"stdp.ltp": 0.2}, {}), Case("c", {}, {})]
    assert trunks_of(planned(BASE, alone, [0, 1]), lambda run: 800) == []
    (trunk,) = trunks_of(planned(BASE, [*alone, Case("d", {"epochs": 1}, {})], [0]), lambda _: 800)
    assert set(trunk.begins) == {"c,seed=0", "d,seed=0"}
    assert trunk.config.epochs == 2
    deeper = {"later_layers": [{"neurons": 5}]}
    pair = [Case("e", deeper, {}), Case("f", deeper | {"epochs": 1}, {})]
    assert trunks_of(planned(BASE, pair, [0]), lambda run: 800) == []


def test_a_point_that_is_passed_at_once_is_done_without(tmp_path) -> None:
    early = {"pruning.kind": "soft", "pruning.mature_spikes": 2, "pruning.stages": 1}
    cases = [Case("early", early, {}), Case("none", {"epochs": 1}, {})]
    runs = planned(BASE | {"epochs": 1}, cases, [0], lambda *_: True)
    runner = Runner(runs, tmp_path / "out", {}, Where(workers=1, quiet=True))
    runner.go()
    assert not runner.failures
    perform(runs[0].config.resolved_paths().model_dump(), str(tmp_path / "alone"), True)
    together, alone = found_in(runner.folder(runs[0].name)), found_in(tmp_path / "alone")
    assert together[0] == alone[0]
