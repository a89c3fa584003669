"""Binary cells: codes, bit errors, read-out and writing against closed forms and brute force."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import stream
from cbramsim.devices.device import Device
from cbramsim.devices.pulses import G_HIGH, G_LOW
from cbramsim.experiments.device_studies.overhead import loaded
from cbramsim.simulator.array.binary import (
    BinaryCrossbar,
    BinaryWeights,
    capacity,
)
from cbramsim.simulator.array.binary.slices import NoisyBits, SensedBits, shift_and_add
from cbramsim.simulator.energy.ledger import EnergyLedger, Operation
from cbramsim.simulator.images.datasets import Dataset
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.encoding import Poisson
from cbramsim.simulator.learning.loop import Circuit, Streams, scratch, train
from cbramsim.simulator.learning.network import SpikingNetwork
from cbramsim.simulator.learning.neurons import Stochastic
from cbramsim.simulator.learning.rules.codes import CodeTable, wanted_codes
from cbramsim.simulator.learning.rules.pulsed import PulsedStdp, VerifiedStdp
from cbramsim.simulator.learning.rules.stdp import StdpRule
from tests.simulator.array.binary_twin import assert_recounted

CBRAM = Device.load("subquantum-cbram")
NOMINAL = CBRAM.without_variability()
RULE = StdpRule()
SMALL = {
    "storage": "binary", "neurons": 37, "inputs": 101, "seed": 3, "pruning": {"kind": "none"},
}  # fmt: skip


def network_of(data: Dataset, images: int = 400, **changes) -> tuple[SpikingNetwork, np.ndarray]:
    """A network that has learned a little."""
    network = SpikingNetwork(**(SMALL | changes))
    inputs = network.prepare(data.train_images[:images])
    network.layers[
        0
    ].competition_scale = 1.0  # a sharper competition would tell the rounding of sums apart
    return network.resume(inputs, epochs=1), inputs


def popcount(x: np.ndarray) -> int:
    return sum(int(value).bit_count() for value in np.ravel(x))


# ---- codes and the rule ------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_span_the_weights(bits: int) -> None:
    crossbar = BinaryCrossbar(NOMINAL, (2**bits, 3), BinaryWeights(bits=bits))
    codes = np.arange(2**bits)[:, None]
    crossbar.set_codes(np.broadcast_to(codes, crossbar.shape))
    expected = np.broadcast_to(np.linspace(-1, 1, 2**bits)[:, None], crossbar.shape)
    np.testing.assert_allclose(crossbar.weights, expected, atol=1e-6)
    np.testing.assert_array_equal(crossbar.codes, np.broadcast_to(codes, crossbar.shape))
    half_a_code = 1 / (2**bits - 1)
    crossbar.set_weights(expected + 0.98 * half_a_code, clip=True)
    np.testing.assert_array_equal(crossbar.codes, np.broadcast_to(codes, crossbar.shape))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_controller_asks_for_what_the_rule_says(bits: int) -> None:
    top = 2**bits - 1
    wanted = wanted_codes(RULE, BinaryWeights(bits=bits, rule_at="code"))
    for code in range(top + 1):
        w = 2 * code / top - 1
        up = min(RULE.ltp * math.exp(-RULE.ltp_decay * (w + 1)), 1 - w) * top / 2
        down = min(RULE.ltd, w + 1) * top / 2
        assert wanted[1, code] == pytest.approx(up, abs=1e-5)
        assert wanted[0, code] == pytest.approx(down, abs=1e-5)
    assert wanted[1, top] == wanted[0, 0] == 0


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_asked_at_the_midpoint_neighbouring_codes_balance_there(bits: int) -> None:
    """Detailed balance: p up(c) = (1 - p) down(c + 1) at the p whose weight is in between."""
    wanted = wanted_codes(RULE, BinaryWeights(bits=bits)).astype(float)
    for code in range(2**bits - 1):
        midpoint = (2 * code + 1) / (2**bits - 1) - 1
        p = float(RULE.probability(np.float64(midpoint)))
        assert RULE.equilibrium(p) == pytest.approx(midpoint)
        assert p * wanted[1, code] == pytest.approx((1 - p) * wanted[0, code + 1], rel=1e-5)


def one_update(
    crossbar: BinaryCrossbar, wanted: np.ndarray, pixel: int, seed: int, tries: int = 0
) -> np.ndarray:
    """Present one window of one grey level to one neuron; return which inputs spiked."""
    rows = crossbar.shape[0]
    names = ("spikes", "reads", "competition", "pulses")
    streams = Streams(*(stream(seed, name) for name in names))
    device, work = crossbar.device, scratch(rows, 1)
    neurons = Stochastic(np.zeros(1, np.float32), np.float32(1 / device.g_range), np.float32(0))
    circuit = Circuit(
        Poisson(),
        crossbar.slices,
        crossbar.readout(),
        neurons,
        VerifiedStdp(CodeTable(wanted), tries) if tries else PulsedStdp(CodeTable(wanted)),
        streams,
        work,
    )
    train(
        np.full((1, rows), pixel, np.uint8), np.zeros(1, np.int64), np.zeros((1, 1), np.int32),
        np.zeros(1, np.int64), circuit, crossbar.cells.ledger.account("train"),
    )  # fmt: skip
    return work.spiked


@pytest.mark.parametrize(("bits", "code"), [(1, 0), (1, 1), (2, 1), (4, 5), (8, 0), (8, 100)])
def test_rounding_is_right_on_average(bits: int, code: int) -> None:
    rows = 8000
    binary = BinaryWeights(bits=bits, rule_at="code")
    wanted = wanted_codes(RULE, binary)
    changes: dict[bool, list[np.ndarray]] = {True: [], False: []}
    crossbar = BinaryCrossbar(NOMINAL, (rows, 1), binary)
    for seed in range(10):
        crossbar.set_codes(code)
        spiked = one_update(crossbar, wanted, 128, seed)
        for way in changes:
            changes[way].append(crossbar.codes[spiked == way, 0] - code)
    weight = np.float64(2 * code / (2**bits - 1) - 1)
    for way, asked in ((True, RULE.potentiation(weight)), (False, RULE.depression(weight))):
        got = np.concatenate(changes[way]) * 2 / (2**bits - 1)
        error = got.std() / math.sqrt(got.size)
        assert got.mean() == pytest.approx(asked, abs=4 * error + 2**-16 * 2 / (2**bits - 1))


def test_eight_bits_without_variability_follow_the_rule_to_half_a_code() -> None:
    binary = BinaryWeights(bits=8, rule_at="code")
    crossbar = BinaryCrossbar(NOMINAL, (5000, 1), binary)
    start = np.random.default_rng(0).integers(0, 256, (5000, 1))
    crossbar.set_codes(start)
    before = crossbar.weights[:, 0].astype(float)
    spiked = one_update(crossbar, wanted_codes(RULE, binary), 128, 0)
    asked = np.where(spiked, RULE.potentiation(before), RULE.depression(before))
    assert np.abs(crossbar.weights[:, 0] - before - asked).max() < 2 / 255 + 1e-5


def test_a_deterministic_controller_never_moves_a_coarse_code() -> None:
    assert not wanted_codes(RULE, BinaryWeights(bits=2), "deterministic").any()
    assert wanted_codes(RULE, BinaryWeights(bits=8), "deterministic")[1, 0] == 19


# ---- bit errors --------------------------------------------------------------------------------


def test_no_cell_of_the_preset_is_misread() -> None:
    crossbar = BinaryCrossbar(CBRAM, (100, 50))
    assert crossbar.bit_error_rate() == (0, 0)
    assert crossbar.expected_bit_error_rate() < 1e-30


def test_noise_misreads_as_often_as_the_gaussian_tail_says() -> None:
    crossbar = BinaryCrossbar(NOMINAL.replace(read_c2c=0.25), (300, 200))
    tail = 0.5 * math.erfc(2 / math.sqrt(2))
    assert crossbar.expected_bit_error_rate() == pytest.approx(tail, rel=1e-4)
    errors = crossbar.bit_error_rate(reads=4)
    assert errors.static == 0
    assert errors.total == pytest.approx(tail, abs=4 * math.sqrt(tail / (8 * 300 * 400)))


def test_spread_stuck_cells_and_flicker_add_up() -> None:
    device = NOMINAL.replace(
        g_min=10e-6, g_min_d2d=0.3, g_max_d2d=0.3, read_c2c=0.1, g_flicker=3e-6, flicker_duty=0.3,
        stuck_low=0.02, stuck_open=0.01, stuck_high=0.03,
    )  # fmt: skip
    crossbar = BinaryCrossbar(device, (300, 200))
    errors = crossbar.bit_error_rate(reads=4)
    assert errors.total == pytest.approx(crossbar.expected_bit_error_rate(), rel=0.01)
    assert 0.03 < errors.static < errors.total
    stuck = BinaryCrossbar(NOMINAL.replace(stuck_low=0.02, stuck_high=0.04), (400, 200))
    assert stuck.bit_error_rate().static == pytest.approx(0.03, rel=0.05)
    assert stuck.expected_bit_error_rate() == stuck.bit_error_rate().static


# ---- reading -----------------------------------------------------------------------------------


TWINS = {
    "preset": {},
    "one bit": {"binary": {"bits": 1}},
    "eight bits": {"binary": {"bits": 8, "write_pulses": 3, "rule_at": "code"}},
    "everything": {"device": loaded(CBRAM), "binary": {"bits": 3}},
    "converters": {"binary": {"bits": 3, "adc_bits": 5}},
    "sensed": {"binary": {"bits": 3, "read": "sensed"}},
    "misread": {
        "device": loaded(CBRAM).replace(read_c2c=0.2), "binary": {"bits": 3, "read": "sensed"},
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", TWINS.values(), ids=TWINS)
def test_loop_and_independent_recount_agree(mnist: Dataset, changes: dict) -> None:
    network, inputs = network_of(mnist, **changes)
    before = network.ledger.count("train", Operation.BIT_SET)
    assert_recounted(network, inputs)
    assert network.ledger.count("train", Operation.BIT_SET) > before


def test_fine_converters_read_as_exact_ones(mnist: Dataset) -> None:
    network, _ = network_of(mnist, cell={"read_c2c": 0.0}, binary={"bits": 3})
    fine = SpikingNetwork(network.config.replace(binary={"bits": 3, "adc_bits": 16}))
    fine.prepare(mnist.train_images[:400])
    fine.layers[0].competition_scale = 1.0
    fine.crossbar.set_codes(network.crossbar.codes)
    fine.bias[:] = network.bias
    images = mnist.test_images[:50]
    (exact,), (digitised,) = (list(each.responses(images, "test")) for each in (network, fine))
    np.testing.assert_allclose(exact, digitised, rtol=0.02)
    assert (exact != digitised).any()


def test_converters_round_and_saturate() -> None:
    """16 rows and 3 bits: steps of two cells, from -8 to +6 of them."""
    crossbar = BinaryCrossbar(NOMINAL, (16, 5), BinaryWeights(bits=1, adc_bits=3))
    d, out = NOMINAL, np.zeros(5, np.float32)
    ones = np.array([0, 2, 7.4, 13.1, 16])
    lines = (16 * d.g_min + ones * d.g_range).astype(np.float32)
    shift_and_add(lines, crossbar.slices, crossbar.readout(), 16, out)
    np.testing.assert_allclose((out - 16 * d.g_min) / d.g_range, [0, 2, 8, 14, 14], atol=1e-4)


def test_cells_that_noise_cannot_turn_are_summed_as_if_sensed_one_by_one(mnist: Dataset) -> None:
    network, _ = network_of(mnist, binary={"bits": 3, "read": "sensed"})
    crossbar = network.crossbar
    images = mnist.test_images[:20]
    (quiet,) = network.responses(images, "test")
    assert crossbar.readout() == SensedBits()
    crossbar._bits_turn = True
    assert crossbar.readout() == NoisyBits()
    (one_by_one,) = network.responses(images, "test")
    np.testing.assert_allclose(quiet, one_by_one, rtol=1e-4)


# ---- writing -----------------------------------------------------------------------------------


def test_only_bits_that_changed_are_rewritten(mnist: Dataset) -> None:
    network, inputs = network_of(mnist, binary={"bits": 4})
    crossbar, account = network.crossbar, network.ledger.account("train")
    planes, layer = crossbar.plane_pulses, network.layers[0]
    layer.config = layer.config.replace(encoding=layer.config.encoding.replace(windows=1))
    for n in range(10):
        for _ in range(5):
            before = crossbar.codes
            counts = account.counts.copy()
            network.learn_from(inputs, np.array([n]))
            after = crossbar.codes
            sets, resets = popcount(after & ~before), popcount(before & ~after)
            assert account.counts[Operation.BIT_SET] - counts[Operation.BIT_SET] == sets
            assert account.counts[Operation.BIT_RESET] - counts[Operation.BIT_RESET] == resets
            flipped = [popcount((before ^ after) >> plane & 1) for plane in range(4)]
            assert list(crossbar.plane_pulses - planes) == flipped
            planes = crossbar.plane_pulses
    assert planes.sum() == crossbar.wear().pulses
    assert planes[0] > planes[3] > 0


def test_program_to_writes_codes_and_counts_what_stays_wrong() -> None:
    device = NOMINAL.replace(stuck_low=0.1)
    crossbar = BinaryCrossbar(device, (500, 4), BinaryWeights(bits=3))
    crossbar.inhibit(1, [0, 1])
    assert crossbar.inhibited.sum() == 2
    missed = crossbar.program_to(1, np.arange(500), device.g_max)
    wrong = (crossbar.codes[2:, 1] != 7).sum()
    assert missed == wrong
    assert wrong / 498 == pytest.approx(1 - 0.9**3, abs=0.08)
    assert (crossbar.codes[:2, 1] == 0).all()
    assert (crossbar.codes[:, [0, 2, 3]] == 0).all()
    assert crossbar.cells.ledger.count("use", Operation.PROGRAM_PULSE) == 498 * 3
    assert crossbar.cells.ledger.count("use", Operation.SENSE_READ) == 498 * 3 * 2


def test_worn_out_cells_stay(mnist: Dataset) -> None:
    network, _ = network_of(mnist, cell={"endurance": 4.0}, binary={"bits": 2})
    state = network.crossbar.state
    worn = state.wear >= 4
    assert worn.any()
    np.testing.assert_array_equal(state.cells[worn, G_LOW], state.cells[worn, G_HIGH])


# ---- the network -------------------------------------------------------------------------------


def test_two_bits_learn_mnist(mnist: Dataset) -> None:
    images, labels = mnist.train_images[:8000], mnist.train_labels[:8000]
    scores = {}
    for at in ("midpoint", "code"):
        network = SpikingNetwork(
            storage="binary", binary={"rule_at": at}, neurons=150, pruning={"kind": "none"}
        )
        network.fit(images, epochs=1).label(images, labels)
        scores[at] = network.score(mnist.train_images[55_000:], mnist.train_labels[55_000:])
    assert scores["midpoint"] > 0.82
    assert scores["midpoint"] > scores["code"]


def parts(network: SpikingNetwork) -> list[np.ndarray]:
    state = network.crossbar.state
    return [
        network.crossbar.conductance, state.g, state.wear, state.row_sum, state.inhibited,
        network.bias, network.spike_counts, np.array(network.layers[0].streams), network.pruner.pruned,
        *network.ledger.to_arrays().values(),
    ]  # fmt: skip


def assert_same(first: SpikingNetwork, second: SpikingNetwork) -> None:
    for a, b in zip(parts(first), parts(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_same_seed_gives_the_same_result_and_another_does_not(mnist: Dataset) -> None:
    first, second, other = (network_of(mnist, seed=seed)[0] for seed in (1, 1, 2))
    assert_same(first, second)
    assert (first.crossbar.codes != other.crossbar.codes).any()


@pytest.mark.parametrize("read", ["summed", "sensed"])
@pytest.mark.parametrize("kind", ["none", "soft"])
def test_saving_and_resuming_equals_not_stopping(
    mnist: Dataset, tmp_path: Path, kind: str, read: str
) -> None:
    config = NetworkConfig(**SMALL).replace(
        device="subquantum-cbram", binary={"bits": 3, "read": read},
        pruning={"kind": kind, "mature_spikes": 20}, cell={"stuck_low": 0.01, "read_c2c": 0.15},
    )  # fmt: skip
    images, labels = mnist.train_images[:600], mnist.train_labels[:600]
    whole = SpikingNetwork(config).fit(images, epochs=2).label(images, labels)

    def stop(_) -> None:
        if network.images_seen == 400:
            raise InterruptedError

    network = SpikingNetwork(config)
    with pytest.raises(InterruptedError):
        network.fit(images, epochs=2, callback=stop)
    network.save(tmp_path / "state.npz")
    resumed = SpikingNetwork.load(tmp_path / "state.npz")
    assert_same(network, resumed)
    resumed.resume(resumed.prepare(images), epochs=2).label(images, labels)
    assert_same(whole, resumed)
    whole.wait(years=5, celsius=85)
    resumed.wait(years=5, celsius=85)
    np.testing.assert_array_equal(whole.predict(images), resumed.predict(images))
    assert_same(whole, resumed)
    assert (network.crossbar.conductance != whole.crossbar.conductance).any()
    assert (whole.pruner.fraction > 0.5) == (kind == "soft")


def test_time_reaches_what_is_read(mnist: Dataset) -> None:
    network, _ = network_of(mnist, cell={"retention_time": 3e8, "retention_celsius": 55.0})
    crossbar = network.crossbar
    before = crossbar.conductance.copy()
    network.wait(years=20, celsius=85)
    planes = crossbar.state.g.reshape(101, 2, 37).astype(float)
    d = network.device
    codes = np.einsum("rpk,p->rk", (planes - d.g_min) / d.g_range, [1, 2])
    np.testing.assert_allclose(crossbar.weights, 2 * codes / 3 - 1, atol=1e-6)
    assert crossbar.conductance.mean() < 0.7 * before.mean()


def test_softly_pruned_weights_keep_a_code(mnist: Dataset) -> None:
    network, inputs = network_of(
        mnist, pruning={"mature_spikes": 20}, cell={"g_min_d2d": 0, "g_max_d2d": 0}
    )
    pruned, codes = network.pruner.pruned.T.copy(), network.crossbar.codes
    assert 0.3 < pruned.mean() <= 0.75
    np.testing.assert_array_equal(network.crossbar.inhibited, pruned)
    network.pruner.policy = network.pruner.policy.replace(kind="none")
    network.learn_from(inputs, np.arange(100))
    after = network.crossbar.codes
    np.testing.assert_array_equal(after[pruned], codes[pruned])
    assert (after[~pruned] != codes[~pruned]).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"binary": {"bits": 9}}, "binary.bits: must be a whole number >= 1 and <= 8 (got 9)"),
        (
            {"readout": {"adc_bits": 6}},
            "must be 0 with storage binary, whose bit lines have the converters of "
            "binary.adc_bits (got 6)",
        ),
    ],
)
def test_what_binary_storage_cannot_do_is_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError) as error:
        NetworkConfig(**(SMALL | changes))
    assert message in str(error.value)


def test_a_ledger_from_before_an_operation_was_known_is_read() -> None:
    ledger = EnergyLedger()
    ledger.add("train", Operation.CELL_READ, 3, 1e-12)
    arrays = ledger.to_arrays()
    for name in ("ledger_counts", "ledger_joules"):
        arrays[name] = arrays[name][:, : Operation.READ_WIRE]
    assert EnergyLedger.from_arrays(arrays).to_dict() == ledger.to_dict()


def test_capacity_of_the_reference_array() -> None:
    assert capacity(2).fits
    assert capacity(2).needed == 397_000
    assert not capacity(3).fits
    assert capacity(3).arrays == 2
    assert capacity(8).neurons == 165
    assert capacity(8).bits == 2
    for bits in range(1, 9):
        found = capacity(bits)
        assert found.neurons * bits * 397 <= 512 * 1024 < (found.neurons + 1) * bits * 397
    with pytest.raises(ParameterError, match=r"capacity\.neurons: must be a whole number >= 1"):
        capacity(2, neurons=0)
