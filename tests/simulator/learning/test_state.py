"""Saved states: read from anywhere, written by earlier versions, and gone on with."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning import state_file
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.state_file import read_state

STATES = Path(__file__).parent / "states"
SMALL = {"neurons": 6, "inputs": 40, "pruning": {"mature_spikes": 100}}
TIRED = Device.load("subquantum-cbram").replace(
    retention_time=2_000.0, drift_exponent=0.02, activation_energy=0.0
)
"""Forgets within the minute that a small training takes."""


@pytest.fixture(scope="module")
def finished(mnist: Dataset) -> SpikingNetwork:
    """A network that drifts, is pruned at its end, has names, and a learning state to go back to."""
    images, labels = mnist.train_images[:400], mnist.train_labels[:400]
    config = SMALL | {"pruning": {"maturity": "trained", "kind": "hard"}}
    network = SpikingNetwork(**config, device="gst-pcm").fit(images, epochs=1)
    return network.label(images, labels)


# ---- earlier versions --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["drift", "hard"])
def test_a_state_of_an_earlier_version_resumes_to_the_same_end(mnist: Dataset, name: str) -> None:
    """Written by 0.5.0 after 800 of 2 x 600 images, and what it came to.

    `drift`: gst-pcm; `hard`: hard pruning, behind resistive lines. Floats may be summed in another
    order on another machine.
    """
    network = SpikingNetwork.load(STATES / f"{name}.npz")
    images = mnist.train_images[:600]
    now = network.resume(network.prepare(images), epochs=2).to_state()
    with np.load(STATES / f"{name}-end.npz") as end:
        for key in end.files:
            found = now[key]
            if key.startswith("ledger_"):  # operations that were not known then did not happen
                assert not found.shape[1:] or not found[:, end[key].shape[1] :].any()
                found = found[..., : end[key].shape[-1]]
            if end[key].dtype.kind == "f":
                np.testing.assert_allclose(found, end[key], rtol=1e-5, err_msg=key)
            else:
                np.testing.assert_array_equal(found, end[key], err_msg=key)


# ---- going on with a finished network ----------------------------------------------------------


def assert_same_state(first: SpikingNetwork, second: SpikingNetwork) -> None:
    a, b = first.to_state(), second.to_state()
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


EXTENDED = {
    "default": {},
    "drifts": {"device": "gst-pcm"},
    "relaxes": {"device": TIRED},
    "soft, trained": {"device": "gst-pcm", "pruning": {"maturity": "trained"}},
    "hard, trained": {"device": "gst-pcm", "pruning": {"maturity": "trained", "kind": "hard"}},
}


@pytest.mark.parametrize("changes", EXTENDED.values(), ids=EXTENDED)
def test_a_finished_network_that_learns_on_is_one_that_was_not_finished(
    mnist: Dataset, tmp_path: Path, changes: dict
) -> None:
    images, labels = mnist.train_images[:400], mnist.train_labels[:400]
    whole = SpikingNetwork(**(SMALL | changes)).fit(images, epochs=2)
    part = SpikingNetwork(**(SMALL | changes)).fit(images, epochs=1)
    part.label(images, labels).predict(images[:5])
    part.save(tmp_path / "state.npz")
    loaded = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same_state(part, loaded)
    assert_same_state(part, part.copy())
    for network in (part, loaded):
        network.resume(network.prepare(images), epochs=2)
        for phase in ("label", "test"):
            network.ledger.clear(phase)
        network.labels = None
        assert_same_state(network, whole)


def test_a_pass_after_a_fit_is_one_pass_more(mnist: Dataset) -> None:
    images = mnist.train_images[:400]
    changes = SMALL | EXTENDED["hard, trained"]
    parts = SpikingNetwork(**changes).partial_fit(images).partial_fit(images)
    assert_same_state(parts, SpikingNetwork(**changes).fit(images, epochs=1).partial_fit(images))


def test_cells_that_have_aged_since_learn_on_from_there(finished: SpikingNetwork) -> None:
    network = finished.copy()
    assert any(name.startswith("learning_") for name in network.to_state())
    network.wait(days=30)
    assert not any(name.startswith("learning_") for name in network.to_state())


# ---- recognition -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"storage": "binary", "binary": {"bits": 2}}], ids=["analog", "binary"]
)
def test_a_class_does_not_depend_on_the_other_images(mnist: Dataset, changes: dict) -> None:
    images, labels = mnist.train_images[:400], mnist.train_labels[:400]
    network = SpikingNetwork(**(SMALL | changes)).fit(images, epochs=1).label(images, labels)
    some = mnist.test_images[:700]
    for vote in ("profile", "majority"):
        together = network.predict(some, vote)
        order = np.random.default_rng(0).permutation(700)
        np.testing.assert_array_equal(network.predict(some[order], vote), together[order])
        alone = [network.predict(some[k : k + 1], vote)[0] for k in range(40)]
        np.testing.assert_array_equal(alone, together[:40])
    np.testing.assert_array_equal(network.recognise(some).profile, network.predict(some))
    by_position = network.recognise(some, by="position").profile
    assert 0.3 < (by_position == network.predict(some)).mean() < 1


def test_what_has_not_been_learned_or_named_is_said(mnist: Dataset) -> None:
    images, labels = mnist.test_images[:3], mnist.test_labels[:3]
    network = SpikingNetwork(**SMALL)
    for method, args in (("predict", ()), ("score", (labels,)), ("recognise", ())):
        with pytest.raises(ParameterError, match=rf"\.{method}: fit and label .*has not learned"):
            getattr(network, method)(images, *args)
    network.prepare(images)
    with pytest.raises(ParameterError, match=r"\.predict: fit and label .*neurons have no names"):
        network.predict(images)
    with pytest.raises(ParameterError, match=r"by: must be one of image, position \(got 'imag'\)"):
        network.label(images, labels).recognise(images, by="imag")  # type: ignore[arg-type]


# ---- states that contradict themselves ---------------------------------------------------------


def put(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed.reshape(-1)[1 if array.size > 1 else 0] = value
    return changed


WRONG = [
    ("conductance", lambda g: -g, r"must be >= 0 and <= \S+ \(got -"),
    ("conductance", lambda g: 1e6 * g, r"must be >= 0 and <= \S+ \(got"),
    ("conductance", lambda g: 3 * g, r"conductance must be (>= 0|within the window of its cell)"),
    ("conductance", np.zeros_like, r"must be above 0 where connected"),
    ("conductance", lambda g: put(g, np.nan), r"got nan at \[0, 1\]"),
    ("row_sum", lambda s: 1.01 * s, r"must be the sum of each row"),
    ("row_sum", lambda s: put(s, np.inf), r"got inf"),
    ("cells", lambda c: c[..., [3, 1, 2, 0, 4, 5]], r"highest conductance above the lowest"),
    ("cells", lambda c: 1e9 * c, r"cells must be"),
    ("connected", np.logical_not, r"must be 0 where connected is false"),
    ("inhibited", np.logical_not, r"inhibited must be true where connected is false"),
    ("pruned", np.ones_like, r"pruned"),
    ("stage", lambda s: s + 5, r"stage must be >= 0 and <= 1 \(got"),
    ("stage", np.zeros_like, r"pruned must be false where stage is 0"),
    ("seen_spikes", lambda s: s + 10**6, r"at most spike_counts"),
    ("spike_counts", lambda s: -s, r"spike_counts must be >= 0"),
    ("spike_counts", lambda s: s + 1, r"must add up to 2,000, 5 for each image seen"),
    ("wear", lambda w: w.astype(np.int64) * 0, r"wear must have shape .* type uint32"),
    ("streams", np.zeros_like, r"streams must not be all 0"),
    ("pixels", lambda p: p[::-1].copy(), r"pixels must be in ascending order"),
    ("pixels", lambda p: p + 700, r"pixels must be >= 0 and <= 783"),
    ("pixels", lambda p: p[:0], r"pixels"),
    ("activity", lambda a: a + 1, r"activity must be >= 0 and <= 1"),
    ("missed", lambda m: m - 1, r"missed must be >= 0"),
    ("progress", lambda p: np.add(p, (0, 3_400, 3_400)), r"spike_counts must add up|position must be <"),
    ("progress", lambda p: np.add(p, (0, 400, 0)), r"the position must be < 400, .* \(got 400\)"),
    ("progress", lambda p: -p, r"progress must be >= 0"),
    ("labels_used", np.zeros_like, r"labels_used must be >= 1"),
    ("class_counts", lambda c: -c, r"class_counts must be >= 0"),
    ("class_counts", lambda c: put(c, np.nan), r"class_counts must be .*got nan"),
    ("class_counts", lambda c: 0.5 * c, r"class_counts must add up to 1"),
    ("class_counts", lambda c: c[:, 0], r"class_counts must have shape"),
    ("clock", lambda c: put(c, np.nan), r"clock must be .* \(got nan"),
    ("clock", lambda c: np.subtract(c, (0, 0, 300)), r"clock must be >= -273"),
    ("clock", lambda c: np.add(c, (0, 1e9, 0)), r"no more time pending than has passed"),
    ("clock_age", lambda a: a + 1e9, r"clock_age must be at most the time"),
    ("clock_left", lambda a: -a, r"clock_left must be >= 0"),
    ("ledger_joules", lambda j: put(j, np.nan), r"ledger_joules must be .*got nan"),
    ("ledger_joules", lambda j: -j, r"ledger_joules must be >= 0"),
    ("ledger_counts", lambda c: -c, r"ledger_counts must be >= 0"),
    ("ledger_counts", np.zeros_like, r"must be 0 where ledger_counts is"),
    ("ledger_phases", lambda p: np.full_like(p, "train"), r"ledger_phases must be different"),
    ("learning_conductance", lambda g: -g, r"conductance must be >= 0"),
    ("learning_stage", lambda s: s + 9, r"stage must be"),
    ("bias", lambda b: b.astype(np.float64), r"type float32 \(got \(6,\), float64\)"),
    ("config", lambda _: np.array("[" * 100_000), r"config: nested too deeply"),
    ("config", lambda _: np.array('{"seed": 1, "seed": 2}'), r"a key is there twice"),
    ("device", lambda d: np.array(str(d).replace(":0.0", ":NaN", 1)), r"NaN is not a number"),
    ("periphery", lambda _: np.array("null"), r"must be a JSON object"),
    ("config", lambda c: np.array(str(c).replace('"neurons":6', '"neurons":7')), r"must have shape"),
    ("conductence", lambda _: np.zeros(3), r"unknown entry \(did you mean 'conductance'\?\)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change", "message"), WRONG, ids=[f"{n}-{k}" for k, (n, *_) in enumerate(WRONG)]
)
def test_a_state_that_contradicts_itself_is_refused(
    finished: SpikingNetwork, name: str, change, message: str
) -> None:
    arrays = {key: np.asarray(value) for key, value in finished.to_state().items()}
    arrays[name] = change(arrays.get(name))
    with pytest.raises(DataError, match=message) as error:
        SpikingNetwork.from_state(arrays, "here.npz")
    assert str(error.value).startswith("state file here.npz: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_every_entry_is_needed(finished: SpikingNetwork) -> None:
    state = finished.to_state()
    for name in state:
        if not name.startswith(("learning_", "clock_", "grey_")):
            with pytest.raises(DataError, match=name):
                SpikingNetwork.from_state({k: v for k, v in state.items() if k != name}, "here")


# ---- files -------------------------------------------------------------------------------------


@pytest.fixture
def saved(finished: SpikingNetwork, tmp_path: Path) -> Path:
    finished.save(tmp_path / "state.npz", note=np.array("kept"))
    return tmp_path / "state.npz"


def test_what_unpacks_to_too_much_is_refused_by_its_size(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = dict(np.load(saved)) | {"extra_zeros": np.zeros(10**6)}
    np.savez_compressed(saved, **arrays)
    assert SpikingNetwork.load(saved).class_counts is not None
    monkeypatch.setattr(state_file, "LARGEST_PACKED", 10**6)
    with pytest.raises(DataError, match=r"at most 1,000,000 bytes if compressed \(got 8,"):
        read_state(saved)
    monkeypatch.setattr(state_file, "LARGEST", 10**6)
    np.savez(saved, **arrays)
    with pytest.raises(DataError, match=r"at most 1,000,000 bytes \(got 8,"):
        read_state(saved)


def rewritten(path: Path, change) -> None:
    """Write the members of a zip file again, by `change(file, name, content)`."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            change(new, name, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, n, c: f.writestr(n, c, zipfile.ZIP_LZMA), "must be stored or deflated"),
        (lambda f, n, c: [f.writestr(n, c) for _ in range(2)], "is there twice"),
        (lambda f, n, c: f.writestr(n, c + b"0"), "truncated or damaged, .* bytes expected"),
        (
            lambda f, n, c: f.writestr(n, c.replace(b"<f4", b"|O4")),
            "not an array in .npy format|Python objects",
        ),
        (lambda f, n, c: f.writestr(n, c.replace(b"NUMPY\1", b"NUMPY\2")), "version 1.0"),
        (
            lambda f, n, c: [f.writestr(f"{k}{n}", c) for k in range(99)],
            "list its arrays in at most",
        ),
    ],
    ids=["lzma", "twice", "longer", "objects", "format", "directory"],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_of_another_make_is_refused(saved: Path, change, message: str) -> None:
    rewritten(saved, change)
    with pytest.raises(DataError, match=message):
        read_state(saved)


def test_texts_and_kinds_of_files_are_bounded(saved: Path, tmp_path: Path) -> None:
    np.savez(saved, **(dict(np.load(saved)) | {"device": np.array("x" * 300_000)}))
    with pytest.raises(DataError, match="at most 200000 characters"):
        read_state(saved)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(DataError, match=r"must be a file|Is a directory"):
            read_state(path)
    with pytest.raises(DataError, match="no such file"):
        read_state(tmp_path / "none.npz")


def test_metrics_are_json_for_every_reader(tmp_path: Path) -> None:
    from cbramsim.experiments.run_folder import write_json

    write_json(tmp_path / "metrics.json", {"accuracy": 0.5}, allow_nan=False)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "metrics.json", {"accuracy": float("nan")}, allow_nan=False)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"accuracy": 0.5}


@pytest.mark.parametrize(
    "value", [None, {}, b"x", 1j, np.array([{}], object), "x" * 200_001, [[1], [1, 2]]]
)
def test_what_could_not_be_read_back_is_not_saved(tmp_path: Path, value: object) -> None:
    network = SpikingNetwork(neurons=2, inputs=4)
    network.prepare(np.arange(8, dtype=np.uint8).reshape(2, 4) * 30)
    with pytest.raises(ParameterError, match="extra_a must be"):
        network.save(tmp_path / "a.npz", a=value)
    assert not list(tmp_path.iterdir())


def test_a_state_has_as_many_classes_as_labels_may_name(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 4)).astype(np.uint8)
    network = SpikingNetwork(neurons=2, pruning={"kind": "none"}).fit(images, epochs=1)
    network.label(images, np.arange(20) % 2)
    state = network.to_state()
    state["class_counts"] = np.pad(state["class_counts"], ((0, 0), (0, 999)))
    with pytest.raises(DataError, match="class_counts must be of at most 1,000 classes"):
        SpikingNetwork.from_state(state, "x")
