from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import CbramError, DataError, ParameterError
from cbramsim.devices.device import Device
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.network import SpikingNetwork

SMALL = {"neurons": 30, "inputs": 120, "pruning": {"mature_spikes": 40}}


def state_of(network: SpikingNetwork) -> list[np.ndarray]:
    return [
        network.crossbar.conductance, network.crossbar.state.row_sum, network.bias,
        network.spike_counts, np.array(network.layers[0].streams), network.pruner.pruned,
        *network.ledger.to_arrays().values(),
    ]  # fmt: skip


def assert_same(first: SpikingNetwork, second: SpikingNetwork) -> None:
    for a, b in zip(state_of(first), state_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("changes", "profile", "majority"),
    [
        ({"pruning": {"kind": "none"}}, 0.86, 0.84),
        ({"pruning": {"kind": "none"}, "rule": "ideal"}, 0.86, 0.83),
        ({"pruning": {"mature_spikes": 250}}, 0.81, 0.76),
    ],
    ids=["device", "ideal", "soft"],
)
def test_learning_mnist_reaches_far_more_than_a_broken_rule_could(
    mnist: Dataset, changes: dict, profile: float, majority: float
) -> None:
    """Without learning, the random array reaches some 0.72 and 0.47 with the same votes."""
    images, labels = mnist.train_images[:12_000], mnist.train_labels[:12_000]
    network = SpikingNetwork(neurons=150, **changes).fit(images, epochs=2)
    found = network.label(images, labels).recognise(mnist.train_images[50_000:])
    truth = mnist.train_labels[50_000:]
    assert (found.profile == truth).mean() > profile
    assert (found.majority == truth).mean() > majority
    assert network.labels_used == 12_000


def test_an_untrained_array_does_much_worse(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:12_000], mnist.train_labels[:12_000]
    network = SpikingNetwork(neurons=150)
    network.prepare(images)
    found = network.label(images, labels).recognise(mnist.train_images[50_000:])
    assert (found.majority == mnist.train_labels[50_000:]).mean() < 0.6


@pytest.mark.parametrize("rule", ["ideal", "device"])
def test_the_same_seed_gives_the_same_result_and_another_does_not(
    mnist: Dataset, rule: str
) -> None:
    images = mnist.train_images[:1500]
    first, second = (SpikingNetwork(**SMALL, rule=rule).fit(images, epochs=1) for _ in range(2))
    assert_same(first, second)
    other = SpikingNetwork(**SMALL, rule=rule, seed=1).fit(images, epochs=1)
    assert (other.crossbar.conductance != first.crossbar.conductance).any()


def test_fitting_again_starts_afresh(mnist: Dataset) -> None:
    images = mnist.train_images[:1000]
    network = SpikingNetwork(**SMALL).fit(images, epochs=1)
    again = SpikingNetwork(**SMALL).fit(images[:600], epochs=1).fit(images, epochs=1)
    assert_same(network, again)


def test_partial_fit_is_one_pass_of_fit(mnist: Dataset) -> None:
    images = mnist.train_images[:1000]
    whole = SpikingNetwork(**SMALL).fit(images, epochs=2)
    parts = SpikingNetwork(**SMALL).partial_fit(images).partial_fit(images)
    assert_same(whole, parts)


@pytest.mark.parametrize("kind", ["none", "soft", "hard"])
@pytest.mark.parametrize("stop_after", [1, 3, 5, 7])
def test_saving_and_resuming_equals_not_stopping(
    mnist: Dataset, tmp_path: Path, stop_after: int, kind: str
) -> None:
    """Stops within the first pass, at its end (5 steps), and within the second."""
    config = NetworkConfig(**SMALL).replace(pruning={"kind": kind, "mature_spikes": 40})
    images = mnist.train_images[:1000]
    whole = SpikingNetwork(config).fit(images, epochs=2)

    steps = 0

    def stop(_) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_after:
            raise InterruptedError

    network = SpikingNetwork(config)
    with pytest.raises(InterruptedError):
        network.fit(images, epochs=2, callback=stop)
    network.save(tmp_path / "state.npz")
    resumed = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(network, resumed)
    assert resumed.images_seen == 200 * stop_after
    resumed.resume(resumed.prepare(images), epochs=2)
    assert_same(whole, resumed)


def test_a_saved_network_predicts_the_same(mnist: Dataset, tmp_path: Path) -> None:
    images, labels = mnist.train_images[:1500], mnist.train_labels[:1500]
    network = SpikingNetwork(**SMALL).fit(images, epochs=1).label(images, labels)
    network.save(tmp_path / "state.npz")
    loaded = SpikingNetwork.load(tmp_path / "state.npz")
    test = mnist.test_images[:700]
    np.testing.assert_array_equal(network.predict(test), loaded.predict(test))
    np.testing.assert_array_equal(
        network.predict(test, vote="majority"), loaded.predict(test, vote="majority")
    )
    assert loaded.config == network.config
    assert loaded.device == network.device


def test_recognition_does_not_depend_on_the_number_of_cores(
    mnist: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = mnist.train_images[:1200], mnist.train_labels[:1200]
    joules, predicted = [], []
    for cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        network = SpikingNetwork(**SMALL).fit(images, epochs=1).label(images, labels)
        predicted.append(network.predict(mnist.test_images[:1700]))
        joules.append(network.ledger.to_dict())
    np.testing.assert_array_equal(*predicted)
    assert joules[0] == joules[1]


def test_recognition_changes_neither_weights_nor_streams(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:1000], mnist.train_labels[:1000]
    network = SpikingNetwork(**SMALL).fit(images, epochs=1)
    before = [part.copy() for part in state_of(network)[:6]]
    network.label(images, labels).predict(images)
    for a, b in zip(before, state_of(network)[:6], strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_window_is_booked(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:600], mnist.train_labels[:600]
    network = SpikingNetwork(**SMALL).fit(images, epochs=2).label(images, labels)
    network.predict(mnist.test_images[:100])
    windows = network.config.encoding.windows
    for phase, count in (("train", 1200), ("label", 600), ("test", 100)):
        assert network.ledger.count(phase, Operation.OUTPUT_SPIKE) == count * windows
        assert network.ledger.count(phase, Operation.NEURON_UPDATE) == count * windows * 30
        drives = network.ledger.count(phase, Operation.WORD_LINE_DRIVE)
        assert network.ledger.count(phase, Operation.CELL_READ) == drives * 30
        assert network.ledger.count(phase, Operation.REFERENCE_READ) == drives
    pulses = [Operation.LTP_PULSE, Operation.LTD_PULSE, Operation.PRUNE_SET_PULSE]
    assert sum(network.ledger.count("train", p) for p in pulses) == network.ledger.count(
        "train", Operation.PROGRAM_LINE
    )
    assert network.ledger.count("test", Operation.LTP_PULSE) == 0
    assert network.spike_counts.sum() == 1200 * windows


def test_an_image_may_be_recognised_for_longer_than_it_is_learned(mnist: Dataset) -> None:
    images, labels, shown = mnist.train_images[:600], mnist.train_labels[:600], mnist.test_images
    twins = [
        SpikingNetwork(**SMALL, encoding={"windows": 2, "recognition_windows": n})
        .fit(images, epochs=1)
        .label(images, labels)
        for n in (None, 2, 12)
    ]
    answers = [next(network.responses(shown[:200], phase="test")) for network in twins]
    plain, same, longer = twins
    assert_same(plain, same)
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(longer.crossbar.conductance, plain.crossbar.conductance)
    for phase, windows in (("train", 2 * 600), ("label", 12 * 600), ("test", 12 * 200)):
        assert longer.ledger.count(phase, Operation.OUTPUT_SPIKE) == windows
    assert longer.config.encoding.windows_at_work == 12
    # Windows are independent: the mean over six times as many has a sixth of the variance.
    one = np.repeat(shown[:1], 500, axis=0)
    few, many = (next(network.responses(one, phase="test")) for network in (plain, longer))
    assert few.var(axis=0).sum() / many.var(axis=0).sum() == pytest.approx(6, rel=0.15)
    np.testing.assert_allclose(few.mean(axis=0), many.mean(axis=0), atol=0.01)


def test_homeostasis_keeps_the_neurons_equally_active(mnist: Dataset) -> None:
    images = mnist.train_images[:4000]
    spread = {}
    for rate in (0.0, 0.7):
        network = SpikingNetwork(
            neurons=40, competition={"homeostasis": rate}, pruning={"kind": "none"}
        ).fit(images, epochs=1)
        spread[rate] = network.spike_counts.std() / network.spike_counts.mean()
    assert spread[0.7] < 0.3 < spread[0.0]


def test_stochastic_programming_needs_fewer_pulses_than_the_rule_has_updates(
    mnist: Dataset,
) -> None:
    pulses = {}
    for rule in ("ideal", "device"):
        network = SpikingNetwork(neurons=50, rule=rule, pruning={"kind": "none"})
        network.fit(mnist.train_images[:4000], epochs=1)
        pulses[rule] = network.ledger.count("train", Operation.PROGRAM_LINE)
    assert pulses["device"] < pulses["ideal"] / 3


def test_labels_may_start_above_zero_and_leave_gaps(mnist: Dataset) -> None:
    chosen = np.isin(mnist.train_labels, [3, 7])
    images, labels = mnist.train_images[chosen][:2000], mnist.train_labels[chosen][:2000]
    network = SpikingNetwork(neurons=20, pruning={"kind": "none"}).fit(images, epochs=1)
    predicted = network.label(images, labels).predict(images[:500])
    assert set(predicted) <= {3, 7}
    assert (predicted == labels[:500]).mean() > 0.9


def test_ctrl_c_is_raised_between_steps(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL)
    images = mnist.train_images[:5000]

    def press(_) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        network.fit(images, epochs=1, callback=press)
    assert network.images_seen == network.position == 200
    network.resume(network.prepare(images), epochs=1)
    assert_same(network, SpikingNetwork(**SMALL).fit(images, epochs=1))


def test_training_works_outside_the_main_thread(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL)
    thread = threading.Thread(target=lambda: network.fit(mnist.train_images[:400], epochs=1))
    thread.start()
    thread.join()
    assert network.passes == 1


def test_a_device_of_ones_own(mnist: Dataset, tmp_path: Path) -> None:
    """Also one from a file that has moved since."""
    mine = Device.load("subquantum-cbram").replace(step_c2c=0.2)
    images = mnist.train_images[:400]
    network = SpikingNetwork(**SMALL, device=mine).fit(images, epochs=1)
    assert network.crossbar.device.step_c2c == 0.2
    usual = SpikingNetwork(**SMALL).fit(images, epochs=1)
    assert (usual.crossbar.conductance != network.crossbar.conductance).any()
    file = tmp_path / "mine.toml"
    file.write_text(Device.catalog()["ideal"].read_text())
    SpikingNetwork(**SMALL, device=str(file)).fit(images, epochs=1).save(tmp_path / "s.npz")
    file.unlink()
    assert SpikingNetwork.load(tmp_path / "s.npz").device.pulses_up == 256


def test_a_device_may_be_a_path_and_nothing_odd(tmp_path: Path) -> None:
    assert SpikingNetwork(device=Device.catalog()["ideal"]).device.name == "ideal"
    with pytest.raises(DataError, match=r"none\.toml"):
        SpikingNetwork(device=tmp_path / "none.toml")
    with pytest.raises(ParameterError, match=r"SpikingNetwork\.device: must be a name"):
        SpikingNetwork(device=3.14)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"SpikingNetwork\.config: must be a NetworkConfig"):
        SpikingNetwork(50)  # type: ignore[arg-type]
    assert "500 neurons" in repr(SpikingNetwork())


def interrupted(images: np.ndarray) -> SpikingNetwork:
    def stop(_) -> None:
        raise InterruptedError

    network = SpikingNetwork(**SMALL)
    with pytest.raises(InterruptedError):
        network.fit(images, epochs=1, callback=stop)
    return network


def test_resuming_with_other_images_is_refused(mnist: Dataset) -> None:
    network = interrupted(mnist.train_images[:900])
    for others in (mnist.train_images[:500], mnist.train_images[900:1800]):
        with pytest.raises(DataError, match="not the images of the interrupted pass"):
            network.resume(network.prepare(others), epochs=1)


def test_resuming_with_whole_images_is_refused(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1)
    with pytest.raises(DataError, match="what `prepare` returned"):
        network.resume(mnist.train_images[:200], epochs=2)
    with pytest.raises(DataError, match="what `prepare` returned"):
        SpikingNetwork(**SMALL).resume(mnist.train_images[:200], epochs=2)


def test_partial_fit_presents_all_of_other_images(mnist: Dataset) -> None:
    network = interrupted(mnist.train_images[:900])
    network.partial_fit(mnist.train_images[900:1050])
    assert network.images_seen == 200 + 150
    assert network.position == 0


def test_reads_by_hand_are_not_booked_as_training(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:400], epochs=1)
    before = network.ledger.total("train")
    network.crossbar.read(np.full(120, 0.1))
    network.learn_from(network.prepare(mnist.train_images[:400]), np.arange(0))
    assert network.ledger.total("train") == before
    assert network.ledger.total("use") > 0


# ---- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"neurons": 0},
            "NetworkConfig.neurons: must be a whole number >= 1 and <= 100000 (got 0)",
        ),
        ({"neurons": -5}, "got -5"),
        ({"nuerons": 5}, "NetworkConfig.nuerons: unknown key (did you mean 'neurons'?)"),
        ({"rule": "idael"}, "must be one of ideal, device (got 'idael') (did you mean 'ideal'?)"),
        ({"stdp": {"ltp": float("nan")}}, "NetworkConfig.stdp.ltp: must be a number"),
        ({"stdp": {"lpt": 1}}, "NetworkConfig.stdp.lpt: unknown key (did you mean 'ltp'?)"),
        ({"pruning": {"fraction": 2}}, "NetworkConfig.pruning.fraction: must be a number >= 0"),
        ({"device": "nope"}, "device: must be one of"),
    ],
)
def test_a_wrong_parameter_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        SpikingNetwork(**changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((5, 28, 28), complex), "uint8"),
        (np.zeros(784, np.uint8), "shape"),
        (np.zeros((0, 28, 28), np.uint8), "shape"),
        (np.zeros((5, 4, 4), np.uint8), r"images must have 784 pixels, .* \(got 16\)"),
    ],
)
def test_wrong_images_are_refused(mnist: Dataset, images: np.ndarray, message: str) -> None:
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1)
    network.label(mnist.train_images[:200], mnist.train_labels[:200])
    with pytest.raises(DataError, match=message):
        network.predict(images)


def test_wrong_labels_are_refused(mnist: Dataset) -> None:
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1)
    with pytest.raises(DataError, match="one per image, 200"):
        network.label(mnist.train_images[:200], mnist.train_labels[:199])
    with pytest.raises(DataError, match="whole numbers, 0 or above"):
        network.label(mnist.train_images[:200], np.full(200, -1))


def test_predicting_before_labelling_is_refused(mnist: Dataset) -> None:
    with pytest.raises(ParameterError, match="fit and label come first"):
        SpikingNetwork(**SMALL).predict(mnist.test_images[:3])
    with pytest.raises(ParameterError, match="fit comes first"):
        SpikingNetwork(**SMALL).label(mnist.test_images[:3], mnist.test_labels[:3])
    with pytest.raises(ParameterError, match="fit comes first"):
        SpikingNetwork(**SMALL).save("never.npz")


def broken_copy(path: Path, kind: str) -> None:
    content = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :])
    elif kind == "text":
        path.write_text("not a state")
    elif kind == "empty":
        path.write_bytes(b"")
    else:
        arrays = dict(np.load(path))
        if kind == "version":
            arrays["version"] = 99
        elif kind == "shape":
            arrays["conductance"] = arrays["conductance"][:, :-1]
        elif kind == "key":
            del arrays["bias"]
        elif kind == "nan":
            arrays["bias"] = np.full_like(arrays["bias"], np.nan)
        elif kind == "broadcast":
            arrays["bias"] = arrays["bias"][:1]
        elif kind == "type":
            arrays["pixels"] = arrays["pixels"] - 200
        elif kind == "config":
            arrays["config"] = "{}}"
        np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"), ("truncated", "damaged"), ("flipped", "damaged"),
        ("text", "damaged"), ("empty", "damaged"), ("version", r"version must be \d+ \(got 99\)"),
        ("shape", r"conductance must have shape \(120, 30\) .*\(got \(120, 29\)"), ("key", "bias"), ("config", "state"),
        ("nan", "bias must be"), ("broadcast", r"bias must have shape \(30,\)"),
        ("type", "pixels must be >= 0"),
    ],
)  # fmt: skip
def test_a_broken_state_is_refused(mnist: Dataset, tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / "state.npz"
    SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1).save(path)
    broken_copy(path, kind)
    with pytest.raises(DataError, match=message) as error:
        SpikingNetwork.load(path)
    assert str(path) in str(error.value)


def test_a_full_disk_leaves_the_last_good_state(
    mnist: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.npz"
    network = SpikingNetwork(**SMALL).fit(mnist.train_images[:200], epochs=1)
    network.save(path)
    good = path.read_bytes()

    def full(file, **_) -> None:
        file.write(b"half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CbramError, match="No space left on device"):
        network.save(path)
    assert path.read_bytes() == good
    assert os.listdir(tmp_path) == ["state.npz"]
