"""Configurations in words of earlier versions, which are read as those of today."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.core.toml_files import read_toml
from cbramsim.experiments import compare
from cbramsim.experiments.train.config import TrainConfig
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.state_file import read_state, write_state
from tests.experiments.test_cli import cbram, refused

SMALL = ("--train-images", 200, "--neurons", 8, "--quiet", "--set", "test_images=50")
OLD = """
epochs = 1
storage = "digital"
digital.bits = 3
programming.scheme = "verify"
[[later_layers]]
neurons = 4
digital.bits = 2
"""
TODAY = OLD.replace("digital", "binary").replace("scheme", "method")


def old(text: str) -> str:
    """Return a text of today, in TOML or JSON, as version 0.8.0 wrote it."""
    return re.sub(r'binary(?=["\]])', "digital", text).replace("method", "scheme")


def test_old_words_mean_what_those_of_today_mean(tmp_path: Path) -> None:
    found = []
    for name, text in (("old", OLD), ("today", TODAY)):
        (tmp_path / f"{name}.toml").write_text(text)
        key = "digital" if name == "old" else "binary"
        result = cbram(
            "train", "--config", tmp_path / f"{name}.toml", *SMALL, "--set", f"{key}.read=sensed",
            "--out", tmp_path / name,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        found.append((tmp_path / name / "config.toml").read_text())
    assert found[0] == found[1]
    written = TrainConfig(**read_toml(tmp_path / "old" / "config.toml"))
    assert (written.storage, written.binary.bits, written.binary.read) == ("binary", 3, "sensed")
    assert written.programming.method == "verify"
    assert written.of_layers()[1].binary.bits == 2


def test_a_run_in_old_words_is_resumed_and_compared(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(TODAY)
    for name, epochs in (("run", 1), ("whole", 2)):
        args = ("--config", tmp_path / "c.toml", *SMALL, "--epochs", epochs)
        assert cbram("train", *args, "--out", tmp_path / name).exit_code == 0
    config, state = tmp_path / "run" / "config.toml", tmp_path / "run" / "state.npz"
    before = compare.run([tmp_path / "run", tmp_path / "whole"])
    config.write_text(old(config.read_text()))
    arrays = read_state(state)
    write_state(state, arrays | {"config": np.array(old(str(arrays["config"])))})
    assert read_toml(config)["digital"]["bits"] == 3
    assert '"digital":{' in str(read_state(state)["config"])
    assert compare.run([tmp_path / "run", tmp_path / "whole"]) == before
    result = cbram("train", "--resume", "--epochs", 2, "--quiet", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert config.read_text() == (tmp_path / "whole" / "config.toml").read_text()
    states = [read_state(tmp_path / name / "state.npz") for name in ("run", "whole")]
    for key in ("config", "conductance", "layer2_conductance"):
        np.testing.assert_array_equal(states[0][key], states[1][key])


def test_a_sweep_in_old_words_goes_on(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        "base = {storage = 'digital', neurons = 4, epochs = 1, train_images = 100}\n"
        "grid = {digital.bits = [1]}\n"
    )
    args = ("sweep", tmp_path / "s.toml", "--out", tmp_path / "out", "--workers", 1, "--quiet")
    assert cbram(*args).exit_code == 0
    run = tmp_path / "out" / "runs" / "bits=1"
    (run / "config.toml").write_text(old((run / "config.toml").read_text()))
    scored = (run / "metrics.json").stat().st_mtime_ns
    assert cbram(*args).exit_code == 0
    assert (run / "metrics.json").stat().st_mtime_ns == scored, "nothing is done twice"


@pytest.mark.parametrize(
    ("values", "both"),
    [
        ({"digital": {"bits": 3}, "binary": {"read": "sensed"}}, "digital: .* binary,"),
        (
            {"programming": {"scheme": "verify", "method": "verify"}},
            r"programming\.scheme: .* programming\.method,",
        ),
    ],
)
def test_an_old_key_beside_that_of_today_is_refused(values: dict, both: str) -> None:
    with pytest.raises(ParameterError, match=rf"NetworkConfig\.{both} and both are given"):
        NetworkConfig(**values)
    with pytest.raises(ParameterError, match=both):
        NetworkConfig().replace(**values)
    with pytest.raises(ParameterError, match=rf"NetworkConfig\.{both}"):
        NetworkConfig(later_layers=[values])


def test_both_are_refused_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(OLD)
    args = ("train", "--config", tmp_path / "c.toml", "--out", tmp_path / "run")
    refused(cbram(*args, "--set", "binary.read=sensed"), "digital: is the old name of binary, and")
    assert not (tmp_path / "run").exists()
    refused(
        cbram("array", "--out", tmp_path / "a", "--set", "digital.bits=2"),
        "binary.bits is varied by the study",
    )
