"""Whole networks in arrays: against software, by cause, with what they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cbramsim as cb
from cbramsim.core.errors import ParameterError
from cbramsim.devices.technology import GRANULARITY
from cbramsim.simulator.array.synapse.parameters import Synapse
from cbramsim.simulator.circuits.rollup import roll_up
from cbramsim.simulator.energy.ledger import Operation
from cbramsim.simulator.learning.readout import Readout
from cbramsim.simulator.mapping.causes import causes_of, loss_by_cause, only
from cbramsim.simulator.mapping.config import MappingConfig
from cbramsim.simulator.mapping.mapped import MappedNetwork, map_network
from cbramsim.simulator.mapping.trained import TrainedNetwork

DATA = cb.load_dataset("mnist")
FEW, LABELS = DATA.test_images[:60], DATA.test_labels[:60]
IDEAL: dict[str, Any] = {"device": "ideal", "writing": "exact", "readout": Readout()}


@pytest.mark.parametrize("name", ["mnist-slp", "mnist-mlp", "mnist-lenet"])
def test_an_ideal_array_gives_what_software_does(name: str) -> None:
    network = TrainedNetwork.of(name)
    mapped = map_network(
        network, DATA.train_images, encoding="amplitude", input_bits=0, percentile=100.0, **IDEAL
    )
    wanted = network.forward(DATA.train_images[:20])
    found = mapped.forward(DATA.train_images[:20])
    np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())
    rounded = map_network(network, DATA.train_images, **IDEAL)
    assert np.array_equal(rounded.predict(FEW), network.predict(FEW))


def test_images_that_are_normalised_need_no_other_array() -> None:
    """What is below zero is a level, too; the sum of the weights makes up for it."""
    rng = np.random.default_rng(2)
    weights = [rng.standard_normal((784, 20)), rng.standard_normal((20, 4))]
    network = TrainedNetwork.from_arrays(weights, activation="tanh")
    images = (DATA.train_images[:50].reshape(50, -1) / 255 - 0.1307) / 0.3081
    mapped = map_network(network, images, percentile=100.0, **IDEAL)
    wanted, found = network.forward(images), mapped.forward(images)
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
    assert [each.levels.low < 0 for each in mapped.arrays] == [True, True]


def test_products_of_a_convolution_are_counted_by_position() -> None:
    mapped = map_network("mnist-lenet", DATA.train_images[:100], **IDEAL)
    assert mapped.positions == [784, 100, 1, 1, 1]
    mapped.forward(FEW[:2])
    updates = mapped.ledger.account("test").counts[Operation.NEURON_UPDATE]
    assert updates == 2 * (784 * 6 + 100 * 16 + 120 + 84 + 10)
    joules = mapped.ledger.account("test").joules[Operation.NEURON_UPDATE]
    assert joules == pytest.approx(updates * mapped.periphery.e_neuron)


def test_latency_is_that_of_all_reads_and_conversions() -> None:
    mapped = map_network("mnist-lenet", DATA.train_images[:100])
    expected = [n * roll_up(macro).latency for n, macro in zip(
        mapped.positions, mapped.macros, strict=True)]  # fmt: skip
    assert mapped.latencies == expected
    first = mapped.macros[0]
    # 6 pairs of bit lines share one converter, one after the other, after each of 8 reads.
    reads = 8 * (mapped.device.t_read + 6 / first.adc_rate)
    assert mapped.latencies[0] == pytest.approx(784 * reads)
    without = map_network("mnist-lenet", DATA.train_images[:100], **IDEAL)
    assert without.latencies[0] == pytest.approx(784 * 8 * without.device.t_read)
    assert "latency" in str(mapped)


def test_causes_add_up_to_all_that_is_lost() -> None:
    config = MappingConfig(device="gst-pcm", readout=Readout(adc_bits=4))
    told: list[str] = []
    causes = loss_by_cause(
        "mnist-slp", DATA.train_images, FEW, LABELS, config, seconds=1e7, progress=told.append
    )
    names = [cause.name for cause in causes]
    assert names == ["software", "inputs", "cells", "noise of reads", "converters", "time"]
    assert told == names
    assert sum(cause.lost for cause in causes) == pytest.approx(
        causes[0].accuracy - causes[-1].accuracy
    )
    whole = map_network("mnist-slp", DATA.train_images, config)
    whole.wait(1e7)
    assert whole.score(FEW, LABELS) == causes[-1].accuracy
    assert causes[0].accuracy == TrainedNetwork.of("mnist-slp").score(FEW, LABELS)


def physics(device: cb.Device) -> dict[str, Any]:
    return {key: getattr(device, key) for key in device.physical_parameters()}


def test_a_cause_alone_has_no_other() -> None:
    of_cbram = MappingConfig(wires=True)
    assert causes_of(of_cbram, 0.0) == ["cells", "noise of reads", "lines", "converters"]
    same = of_cbram.technology().without_variability().without(*GRANULARITY)
    noisy = only(of_cbram, ("noise of reads",)).technology()
    assert noisy.read_c2c == of_cbram.technology().read_c2c > 0
    assert not noisy.ages
    assert physics(noisy.without("read_c2c")) == physics(same)
    config = MappingConfig(device="gst-pcm", wires=True)
    device = config.technology()
    aged = only(config, ("time",)).technology()
    assert aged.drift_exponent == device.drift_exponent
    assert aged.read_c2c == 0
    assert only(config, ("lines",)).wires
    assert not only(config, ()).wires
    assert only(config, ("cells",)).writing == "verify"


def test_time_takes_from_a_network_and_compensation_gives_back() -> None:
    errors, wanted = {}, TrainedNetwork.of("mnist-slp").forward(FEW)
    for kind in ("none", "column"):
        mapped = map_network("mnist-slp", DATA.train_images, device="gst-pcm", compensation=kind)
        mapped.wait(years=1)
        errors[kind] = np.abs(mapped.forward(FEW) - wanted).mean()
    assert errors["column"] < 0.5 * errors["none"]


def test_the_same_seed_gives_the_same_scores() -> None:
    made = [map_network("mnist-slp", DATA.train_images, seed=seed) for seed in (1, 1, 2)]
    found = [each.forward(FEW) for each in made]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_cells_of_a_weight_average_their_spread() -> None:
    """Errors of the scores fall with the root of the number of cells, within a third."""
    network = TrainedNetwork.of("mnist-slp")
    wanted, errors = network.forward(FEW), []
    for cells in (1, 4):
        mapped = map_network(
            network, DATA.train_images, device="rram-wan2022", readout=Readout(),
            synapse=Synapse(cells=cells, pair=True, pulses="set"), writing="error",
        )  # fmt: skip
        found = mapped.forward(FEW)
        errors.append(np.std(found - wanted))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.33)


@pytest.mark.parametrize(
    ("images", "wrong"),
    [
        (np.zeros((3, 5)), r"images must have the shape"),
        (np.zeros(5), r"images must be \[images, ...\]"),
        (np.zeros((2, 784), int), "images must be floats, or uint8"),
        (np.full((1, 784), np.nan), "images must be finite"),
    ],
)
def test_images_that_do_not_fit_are_refused(images: Any, wrong: str) -> None:
    mapped = map_network("mnist-slp", DATA.train_images[:10], **IDEAL)
    with pytest.raises(ParameterError, match=wrong):
        mapped.predict(images)


def test_labels_must_be_one_for_each_image() -> None:
    mapped = map_network("mnist-slp", DATA.train_images[:10], **IDEAL)
    with pytest.raises(ParameterError, match="labels must be one for each of 60 images"):
        mapped.score(FEW, LABELS[:3])
    assert isinstance(mapped, MappedNetwork)
    assert "ideal" in repr(mapped)
    with pytest.raises(ParameterError, match="labels"):
        mapped.network.score(FEW, [str(label) for label in LABELS])


def test_images_of_other_axes_are_refused() -> None:
    network = TrainedNetwork.of("mnist-lenet")
    assert network.prepared(np.zeros((2, 28, 28))).shape == (2, 1, 28, 28)
    assert network.prepared(np.zeros((2, 28, 28, 1))).shape == (2, 1, 28, 28)
    assert network.prepared(np.zeros((2, 784))).shape == (2, 1, 28, 28)
    with pytest.raises(ParameterError, match="images must have the shape"):
        network.prepared(np.zeros((2, 56, 14)))


def test_scores_must_be_of_classes() -> None:
    one = TrainedNetwork.from_arrays([np.ones((4, 1))])
    with pytest.raises(ParameterError, match="two classes or more"):
        one.predict(np.ones((2, 4)))
