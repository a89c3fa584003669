"""Studies and runs on a simulated graphics card; `test_on_card` runs these with the simulator on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cbramsim as cb
from cbramsim.experiments import train
from cbramsim.experiments.train import together
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.cuda.networks import Together

BASE = {
    "neurons": 6, "inputs": 24, "train_images": 16, "test_images": 8, "label_images": 8,
    "epochs": 1, "encoding.windows": 1, "pruning.mature_spikes": 6,
}  # fmt: skip
TOLD = ("accuracy", "train_joules", "test_joules", "pruned_fraction")


def scores(found: dict) -> dict:
    told = {key: value for key, value in found.items() if "accuracy" in key}
    assert told
    return told


def metrics(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def test_a_study_is_the_same_on_a_card_and_leaves_the_rest_to_processors(tmp_path, caplog):
    tables = {}
    for engine in ("cuda", "cpu"):
        study = cb.Study(
            "s", vary={"seed": [0, 1]}, base=BASE, out=tmp_path / engine, keep_state=True,
            variants={"soft": {}, "dense": {"update": "dense"}},
        )  # fmt: skip
        runs = study.run(engine=engine, quiet=True, workers=1)
        assert not runs.failures
        tables[engine] = runs.table.sort_values("run").reset_index(drop=True)
    on_card = {
        p.parent.name: metrics(p.parent)["engine"]
        for p in tmp_path.glob("cuda/runs/*/metrics.json")
    }
    assert {name: engine for name, engine in on_card.items() if engine == "cuda"}.keys() == {
        f"soft,seed={seed}" for seed in (0, 1)
    }
    assert "2 of 4 runs are done on a processor: update must be winner" in caplog.text
    for name in (name for name in TOLD if name in tables["cpu"]):
        np.testing.assert_allclose(tables["cuda"][name], tables["cpu"][name], rtol=1e-12)
    one = "soft,seed=0"
    states = [
        cb.SpikingNetwork.load(tmp_path / engine / "runs" / one / "state.npz") for engine in tables
    ]
    assert np.array_equal(*(state.crossbar.conductance for state in states))


def test_a_batch_that_is_interrupted_goes_on_where_it_was(tmp_path, monkeypatch):
    config = TrainConfig(**{k: v for k, v in BASE.items() if "." not in k}, encoding={"windows": 1})
    config = config.replace(epochs=2)
    folders = [tmp_path / str(seed) for seed in (0, 1)]
    wanted = [together.Wanted(config.replace(seed=seed), folders[seed]) for seed in (0, 1)]
    steps, failures, done = Together.steps, [], []

    def broken(self):
        for k, found in enumerate(steps(self)):
            yield found
            if k == 0:
                raise KeyboardInterrupt

    told = together.Told(done.append, lambda folder, error: failures.append(error))
    monkeypatch.setattr(Together, "steps", broken)
    with pytest.raises(KeyboardInterrupt):
        together.run_together(wanted, told)
    assert all((folder / "state.npz").is_file() for folder in folders)
    assert not done
    monkeypatch.setattr(Together, "steps", steps)
    together.run_together(wanted, told)
    assert not failures
    assert [run.out for run in done] == folders
    straight = train.run(config, tmp_path / "cpu", quiet=True, threads=1)
    first = metrics(folders[0])
    assert first["engine"] == "cuda"
    assert scores(first) == scores(straight.metrics)
    assert np.array_equal(
        done[0].network.crossbar.conductance, straight.network.crossbar.conductance
    )


def test_one_run_learns_on_a_card(tmp_path):
    config = TrainConfig(**{k: v for k, v in BASE.items() if "." not in k}, encoding={"windows": 1})
    found = [
        train.run(config, tmp_path / engine, quiet=True, threads=1, engine=engine)
        for engine in ("cuda", "cpu")
    ]
    assert [run.metrics["engine"] for run in found] == ["cuda", "cpu"]
    assert scores(found[0].metrics) == scores(found[1].metrics)
