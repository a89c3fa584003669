"""Trained spiking networks: their neurons, NIR files, and what arrays make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cbramsim.core.errors import DataError, ParameterError
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.mapping import TrainedNetwork, map_network
from cbramsim.simulator.mapping.layers import Activation, Convolution, Dense, Flatten, Pooling
from cbramsim.simulator.mapping.neurons import Leaky

RNG = np.random.default_rng(9)
IDEAL: dict[str, Any] = {"device": "ideal", "writing": "exact", "readout": Readout()}


def normal(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def one(value: float) -> Any:
    return np.float32([value])


# ---- neurons -----------------------------------------------------------------------------------


def test_a_membrane_falls_to_its_leak_with_its_time_constant() -> None:
    neuron = Leaky(one(10.0), one(1.0), one(0.02), leak=one(0.5))
    v, drive, dt = np.full((1, 1), 2.5, np.float32), np.zeros((1, 1), np.float32), 1e-4
    for _ in range(200):  # one time constant
        spikes, v = neuron.step(drive, v, dt)
        assert not spikes.any()
    assert v[0, 0] == pytest.approx(0.5 + 2 / np.e, rel=0.01)


def test_the_rate_of_a_driven_neuron_is_that_of_the_closed_form() -> None:
    """1 / (tau ln(R I / (R I - threshold))) with reset to 0."""
    tau, drive = 0.02, 1.5
    neuron = Leaky(one(1.0), one(1.0), one(tau))
    v, count = None, 0.0
    for _ in range(50_000):
        spikes, v = neuron.step(np.full((1, 1), drive, np.float32), v, 1e-5)
        count += spikes[0, 0]
    rate = 1 / (tau * np.log(drive / (drive - 1)))
    assert 0 <= 0.5 * rate - count < 1


def test_without_a_leak_spikes_count_what_has_been_put_in() -> None:
    """Up to what is left below the threshold, and with what is lost at each reset."""
    neuron = Leaky(one(1.0), one(1000.0))
    v, count = None, 0.0
    for _ in range(1000):
        spikes, v = neuron.step(np.full((1, 1), 0.09, np.float32), v, 1e-3)
        count += spikes[0, 0]
    assert count == 1000 // 12  # steps take it above 1


# ---- NIR ---------------------------------------------------------------------------------------


LAYERS = (
    Convolution(normal(2, 1, 3, 3), normal(2), padding=(1, 1, 1, 1)),
    Leaky(one(0.5), one(1.0), one(0.01), one(0.1), one(-0.1)),
    Pooling("sum", (2, 2)),
    Flatten(),
    Dense(normal(32, 6), normal(6)),
    Leaky(one(0.7), one(300.0)),
    Dense(normal(6, 3), normal(3)),
)


def test_a_network_goes_to_nir_and_comes_back(tmp_path: Path) -> None:
    network, images = TrainedNetwork(LAYERS, (1, 8, 8), steps=12), RNG.random((5, 8, 8))
    network.to_nir(tmp_path / "net.nir")
    again = TrainedNetwork.from_nir(tmp_path / "net.nir", steps=12)
    assert again.input_shape == (1, 8, 8)
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in LAYERS]
    found = again.forward(images)
    np.testing.assert_allclose(found, network.forward(images), rtol=1e-5, atol=1e-5)
    assert np.ptp(found) > 0


def test_a_graph_of_nir_is_what_its_equations_say(tmp_path: Path) -> None:
    """Against plain loops over the equations of its documentation."""
    import nir

    w, b, tau, threshold = normal(3, 4), normal(3), np.float32([0.01, 0.02, 0.03]), one(0.4)
    full = [np.full(3, value, np.float32) for value in (2.0, 0.1, 0.4, -0.2)]
    r, leak, level, reset = full
    nir.write(tmp_path / "net.nir", nir.NIRGraph.from_list(
        nir.Affine(w, b), nir.LIF(tau, r, leak, level, reset), nir.Linear(normal(2, 3)),
    ))  # fmt: skip
    network = TrainedNetwork.of(str(tmp_path / "net.nir"))
    assert (network.steps, network.dt) == (100, 1e-3)
    x = RNG.random((2, 4)).astype(np.float32)
    v, spikes = np.tile(leak, (2, 1)), np.zeros((2, 3))
    for _ in range(100):
        v = v + 1e-3 / tau * (leak - v + r * (x @ w.T + b))
        fired = v > threshold
        spikes += fired
        v = np.where(fired, reset, v)
    (last,) = (layer for layer in network.layers[2:] if isinstance(layer, Dense))
    np.testing.assert_allclose(network.forward(x), spikes @ last.weight, rtol=1e-4, atol=1e-4)
    assert spikes.any()


def test_what_is_not_in_a_row_is_refused(tmp_path: Path) -> None:
    import nir

    path, size = tmp_path / "net.nir", np.array([3])
    nodes = {
        "input": nir.Input({"input": size}), "a": nir.Linear(np.eye(3)),
        "output": nir.Output({"output": size}),
    }  # fmt: skip
    nir.write(path, nir.NIRGraph(nodes, [("input", "a"), ("a", "a"), ("a", "output")], {}))
    with pytest.raises(DataError, match="node input: is not in a row with the others"):
        TrainedNetwork.from_nir(path)
    nodes["a"] = nir.Delay(np.ones(3))
    nir.write(path, nir.NIRGraph(nodes, [("input", "a"), ("a", "output")], {}))
    with pytest.raises(DataError, match="Delay: is not known"):
        TrainedNetwork.from_nir(path)
    path.write_bytes(b"none")
    with pytest.raises(DataError, match="is not a NIR file"):
        TrainedNetwork.from_nir(path)


def test_what_nir_does_not_know_is_refused(tmp_path: Path) -> None:
    network = TrainedNetwork((Dense(normal(3, 2), normal(2)), Activation("tanh")))
    with pytest.raises(ParameterError, match="has no node in NIR"):
        network.to_nir(tmp_path / "net.nir")
    with pytest.raises(ParameterError, match="input_shape must be given"):
        TrainedNetwork(LAYERS, steps=1).to_nir(tmp_path / "net.nir")


def test_neurons_need_time() -> None:
    with pytest.raises(ParameterError, match=r"steps: must be a whole number >= 1"):
        TrainedNetwork(LAYERS, (1, 8, 8))


# ---- in arrays ---------------------------------------------------------------------------------


def test_an_ideal_array_gives_the_spikes_of_software() -> None:
    network, images = TrainedNetwork(LAYERS, (1, 8, 8), steps=10), RNG.random((6, 8, 8))
    mapped = map_network(
        network, images, encoding="amplitude", input_bits=0, percentile=100.0, **IDEAL
    )
    wanted, found = network.forward(images), mapped.forward(images)
    # A membrane next to its threshold may fall on either side.
    assert (np.abs(found - wanted) < 1e-3 * np.abs(wanted).max()).mean() > 0.9
    assert mapped.positions == [640, 10, 10]


def test_frames_may_be_shown_one_by_one() -> None:
    network, images = TrainedNetwork(LAYERS, (1, 8, 8), steps=10), RNG.random((6, 8, 8))
    frames = np.repeat(images[:, None], 10, axis=1)
    np.testing.assert_array_equal(network.forward(frames), network.forward(images))
    frames[:, 5:] = 0
    assert not np.array_equal(network.forward(frames), network.forward(images))


def test_spikes_are_read_in_one_bit_each() -> None:
    """What follows neurons is driven where they spike, and nowhere else."""
    network = TrainedNetwork(
        (Dense(np.eye(4, dtype=np.float32), np.zeros(4, np.float32)), Leaky(one(0.5), one(1000.0)),
         Dense(normal(4, 3), normal(3))), steps=20,
    )  # fmt: skip
    mapped = map_network(network, np.eye(4), **IDEAL | {"input_bits": 1})
    mapped.forward(np.float32([[1, 0, 0, 0]]))
    spikes = 20  # a unit of input takes the first membrane above 0.5 in every step
    counts = mapped.arrays[1].ledger.account("test").counts
    assert counts[Operation.WORD_LINE_DRIVE] == spikes
