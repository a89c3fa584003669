"""Saved perceptrons: what learns on goes on bit for bit; what no perceptron can be is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.learning.state_file import read_state, write_state
from cbramsim.simulator.supervised import CrossbarPerceptron

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (60, 12)).astype(np.uint8)
LABELS = np.array(["ant", "bee", "cat"])[RNG.integers(0, 3, 60)]


def perceptron(**changes: Any) -> CrossbarPerceptron:
    return CrossbarPerceptron(**({"hidden": (7,), "seed": 2, "rates": (1.0,)} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wires": True, "wiring": {"r_word": 50.0, "r_bit": 50.0}},
        {"batch": 7, "optimizer": {"kind": "adam"}, "rates": (0.02,)},
        {"synapse": {"pair": True, "pulses": "set", "renew_every": 11}},
    ],
    ids=["plain", "wires", "adam", "pairs"],
)
def test_what_is_loaded_learns_on_bit_for_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    one = perceptron(**changes).partial_fit(IMAGES[:25], LABELS[:25], classes=["ant", "bee", "cat"])
    one.predict(IMAGES)
    one.save(tmp_path / "state.npz")
    other = CrossbarPerceptron.load(tmp_path / "state.npz")
    assert repr(other) == repr(one)
    assert str(other.ledger) == str(one.ledger)
    assert np.abs(other.predict_proba(IMAGES) - one.predict_proba(IMAGES)).max() < 1e-5
    for each in (one, other):
        each.partial_fit(IMAGES[25:], LABELS[25:])
    for mine, theirs in zip(one.crossbars, other.crossbars, strict=True):
        np.testing.assert_array_equal(mine.state.g, theirs.state.g)
        np.testing.assert_array_equal(mine.state.wear, theirs.state.wear)
    mine, theirs = (each.ledger.account("train") for each in (one, other))
    np.testing.assert_array_equal(mine.counts, theirs.counts)
    np.testing.assert_array_equal(mine.joules, theirs.joules)


def test_cells_that_have_drifted_are_saved_as_they_are(tmp_path: Path) -> None:
    one = perceptron(device="gst-pcm").fit(IMAGES, LABELS)
    before = one.weights[0]
    one.wait(1e5)
    assert np.abs(one.weights[0] - before).max() > 0.02
    one.save(tmp_path / "state.npz")
    other = CrossbarPerceptron.load(tmp_path / "state.npz")
    for each in (one, other):
        each.wait(1e6)
    np.testing.assert_array_equal(one.weights[0], other.weights[0])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("widths", np.array([12, 8, 3]), "widths must be those of hidden"),
        ("classes", np.array(["ant", "ant", "bee"]), "classes must be 3 different names"),
        ("layer1_conductance", None, "layer1_conductance is missing"),
        ("layer2_row_sum", np.zeros(6), r"layer2_row_sum must have shape \(7,\)"),
        ("layer1_nothing", np.zeros(6), "layer1_nothing: unknown entry"),
        ("config", "{}", "widths must be"),
    ],
)
def test_what_contradicts_itself_is_refused(
    name: str, value: Any, message: str, tmp_path: Path
) -> None:
    perceptron().fit(IMAGES, LABELS).save(tmp_path / "state.npz")
    arrays = read_state(tmp_path / "state.npz")
    if value is None:
        del arrays[name]
    else:
        arrays[name] = np.asarray(value)
    write_state(tmp_path / "state.npz", arrays)
    with pytest.raises(DataError, match=message):
        CrossbarPerceptron.load(tmp_path / "state.npz")


def test_what_has_learned_nothing_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="fit comes first"):
        perceptron().save(tmp_path / "state.npz")


def test_wrong_labels_at_first_leave_nothing_half_begun() -> None:
    model = perceptron()
    for classes in (["ant", "bee"], ["ant"]):
        with pytest.raises(ParameterError, match=r"labels must"):
            model.partial_fit(IMAGES, LABELS, classes=classes)
        assert not model.crossbars
    model.partial_fit(IMAGES, LABELS)
    assert model.images_seen == 60
